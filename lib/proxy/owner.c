// Whose a call is: its key scaled to the workers.
#include "proxy/engine.h"
#include "sip/peek.h"

// Multiply-shift of bits that neither the table nor the memory uses.
static uint32_t scale(uint64_t derived, uint32_t workers)
{
    return (uint32_t)(((derived >> 32) * workers) >> 32);
}

uint32_t tnd_job_owner(const struct tnd_job *job, const struct tnd_keys *keys, uint32_t workers)
{
    if (workers <= 1)
        return 0;
    return scale(tnd_derive(&keys->digest, TND_DOMAIN_STEER, job->call_key, 0), workers);
}

// The owners of calls by their keys.
static void owners_of(struct tnd_engine *e, const uint64_t call_key[], uint32_t n, uint32_t workers,
                      uint32_t owner[])
{
    uint64_t derived[TND_WIDE];

    for (uint32_t i = 0; i < n; i++) {
        e->wide.word[0][i] = call_key[i];
        e->wide.word[1][i] = 0;
    }
    tnd_wide_derive(&e->cfg.keys->digest, TND_DOMAIN_STEER, &e->wide, n, derived);
    for (uint32_t i = 0; i < n; i++)
        owner[i] = scale(derived[i], workers);
}

void tnd_job_owners(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n,
                    uint32_t workers, uint32_t owner[])
{
    uint64_t call_key[TND_WIDE];

    for (uint32_t i = 0; i < n; i++)
        call_key[i] = jobs[i]->call_key;
    owners_of(e, call_key, n, workers, owner);
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
    uint32_t of[TND_WIDE], seen[TND_WIDE], n_seen = 0;
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
    owners_of(e, call_key, n_seen, workers, of);
    for (uint32_t i = 0; i < n_seen; i++)
        owner[seen[i]] = of[i];
}
