// Whose a call is: its key, scaled to the number of workers.
#include "proxy/engine.h"
#include "sip/peek.h"

// Multiply-shift. The key is a keyed hash, and whatever else is chosen by it is hashed once more,
// each in a domain of its own: what the workers take of its upper half is nobody else's.
static uint32_t owner_of(uint64_t call_key, uint32_t workers)
{
    return (uint32_t)(((call_key >> 32) * workers) >> 32);
}

uint32_t tnd_job_owner(const struct tnd_job *job, uint32_t workers)
{
    return owner_of(job->call_key, workers);
}

// The call of a registration is its address of record, which only a parser finds. Its answers look
// like any others: a look is wrong about them as often as not.
static struct tnd_str look(const struct tnd_job *job)
{
    if (job->len >= 9 && memcmp(job->data, "REGISTER ", 9) == 0)
        return (struct tnd_str){job->data, 0};
    return tnd_sip_peek_call_id(job->data, job->len);
}

void tnd_job_guess_owners(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n,
                          uint32_t workers, uint32_t owner[])
{
    uint64_t call_key[TND_WIDE];
    struct tnd_str call_id[TND_WIDE];
    uint32_t seen[TND_WIDE], n_seen = 0;
    struct tnd_hasher begun;

    for (uint32_t i = 0; i < n; i++) {
        owner[i] = TND_NO_GUESS;
        call_id[n_seen] = look(jobs[i]);
        if (call_id[n_seen].len > 0 && call_id[n_seen].len <= TND_WIDE_TEXT)
            seen[n_seen++] = i;
    }
    tnd_hash_init(&begun, &e->cfg.keys->digest);
    tnd_wide_active->lay(&e->wide, 0, call_id, false, n_seen);
    tnd_wide_active->hash(&begun, &e->wide, n_seen, call_key);
    for (uint32_t i = 0; i < n_seen; i++)
        owner[seen[i]] = owner_of(call_key[i], workers);
}
