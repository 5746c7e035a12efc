#include "proxy/engine_internal.h"

#include <stdlib.h>

#define SWEEP_MAX 256 // buckets a call: some microseconds; an engine that slept catches up

struct tnd_engine *tnd_engine_new(const struct tnd_engine_config *cfg)
{
    struct tnd_engine *e = aligned_alloc(64, (sizeof *e + 63) & ~(size_t)63);

    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    e->cfg = *cfg;
    e->memory = tnd_memory_new(cfg->transactions);
    e->park = tnd_park_new(cfg->parked);
    if (e->memory && e->park)
        return e;
    tnd_engine_free(e);
    return NULL;
}

void tnd_engine_free(struct tnd_engine *e)
{
    if (!e)
        return;
    if (e->memory)
        tnd_memory_free(e->memory);
    if (e->park)
        tnd_park_free(e->park);
    free(e);
}

// A share of the memory's buckets for the time that has passed, twice as fast as it must be.
static void sweep(struct tnd_engine *e, uint64_t now_ms)
{
    uint64_t buckets = tnd_memory_buckets(e->memory);
    uint64_t due = (now_ms - e->swept_ms) * buckets * 2 / (TND_MEMORY_SWEEP_S * 1000ull);

    if (e->swept_ms == 0 || now_ms < e->swept_ms)
        e->swept_ms = now_ms;
    else if (due > 0) {
        tnd_memory_sweep(e->memory, now_ms, due < SWEEP_MAX ? (uint32_t)due : SWEEP_MAX);
        e->swept_ms = now_ms;
    }
}

uint32_t tnd_engine_due(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *jobs[], uint32_t max)
{
    uint32_t n = 0;

    sweep(e, now_ms);
    while (n < max) {
        bool expired;
        const struct tnd_parked *slot = tnd_park_next(e->park, now_ms, &expired);
        if (!slot)
            break;
        struct tnd_job *job = jobs[n++];
        tnd_job_init(job, slot->data, slot->len, &slot->src, TND_NO_LISTENER);
        job->slot = slot;
        job->origin = expired ? TND_ORIGIN_EXPIRED : TND_ORIGIN_PARKED;
    }
    return n;
}

void tnd_engine_done(struct tnd_engine *e, struct tnd_job *job)
{
    if (job->slot)
        tnd_park_drop(e->park, job->slot);
    job->slot = NULL;
}

void tnd_job_init(struct tnd_job *job, const char *data, uint32_t len, const struct tnd_addr *src,
                  uint16_t listener)
{
    // The parsed message is the bulk of a job and is written whole by the parser.
    tnd_zero(job, offsetof(struct tnd_job, own_hop));
    job->own_hop.numeric.family = 0;
    job->own_hop.name_len = 0;
    job->data = data;
    job->len = len;
    job->src = *src;
    job->listener = listener;
    job->trunk = job->to_trunk = TND_NO_TRUNK;
    job->rule = UINT16_MAX;
    job->egress = listener;
}

void tnd_stage_parse(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_job *job = jobs[i];
        if (job->verdict != TND_VERDICT_NONE)
            continue;
        tnd_sip_parse(job->data, job->len, &job->msg);
        if (job->msg.error == TND_SIP_ERR_EMPTY) { // RFC 5626 3.5.1, RFC 3261 18.3: no error
            job->verdict = TND_VERDICT_ABSORB;
            tnd_count(&e->counters.keepalives);
        } else if (!job->msg.is_request && job->msg.error != TND_SIP_ERR_NONE) {
            tnd_job_drop(e, job, TND_DROP_MALFORMED_RESPONSE);
        }
    }
}

void tnd_job_drop(struct tnd_engine *e, struct tnd_job *job, enum tnd_drop why)
{
    job->verdict = TND_VERDICT_DROP;
    job->drop = (uint8_t)why;
    job->n_out = 0;
}

// Open addressing by content id; a full table shares its last probe.
static struct tnd_target_counter *target_counter(struct tnd_engine *e, uint64_t id)
{
    uint32_t at = (uint32_t)(id % TND_TARGETS_CNT);

    for (uint32_t probe = 0; probe < 8; probe++, at = (at + 1) % TND_TARGETS_CNT)
        if (e->targets[at].id == id || e->targets[at].id == 0)
            break;
    return &e->targets[at];
}

static void count_target(struct tnd_engine *e, const struct tnd_job *job)
{
    struct tnd_target_counter *c = target_counter(e, job->target_id);

    if (c->id == 0) {
        c->addr = job->msg.is_request ? job->dst : job->src;
        __atomic_store_n(&c->id, job->target_id, __ATOMIC_RELEASE); // pairs with control's acquire
    }
    if (!job->msg.is_request) {
        tnd_count(&c->responses);
        return;
    }
    tnd_count(&c->requests);
    if (job->how == TND_HOW_DRAW)
        tnd_count(&c->draws);
}

static void count_trunk(struct tnd_engine *e, const struct tnd_job *job)
{
    struct tnd_trunk_counter *from, *to;

    if (job->trunk != TND_NO_TRUNK) {
        from = &e->trunks[job->trunk % TND_TRUNKS_CNT];
        if (job->origin == TND_ORIGIN_WIRE)
            tnd_count(job->msg.is_request ? &from->requests_in : &from->responses_out);
        if (job->verdict == TND_VERDICT_ANSWER)
            tnd_count(&from->answered);
        if (job->verdict == TND_VERDICT_DROP)
            tnd_count(&from->dropped);
    }
    if (job->to_trunk != TND_NO_TRUNK && job->verdict == TND_VERDICT_FORWARD) {
        to = &e->trunks[job->to_trunk % TND_TRUNKS_CNT];
        tnd_count(&to->requests_out);
    }
}

void tnd_job_count(struct tnd_engine *e, const struct tnd_job *job)
{
    struct tnd_counters *c = &e->counters;

    tnd_count(&c->verdict[job->verdict]);
    if (job->verdict == TND_VERDICT_DROP)
        tnd_count(&c->drop[job->drop]);
    if (job->verdict == TND_VERDICT_ANSWER)
        tnd_count(&c->answer[job->answer - 100]);
    if (job->verdict == TND_VERDICT_PUNT || job->drop < TND_DROP_INBOX_FULL)
        if (job->verdict != TND_VERDICT_FORWARD && job->verdict != TND_VERDICT_ANSWER)
            return; // nothing was parsed, or nothing worth counting by name
    count_trunk(e, job);
    if (job->verdict != TND_VERDICT_FORWARD)
        return;
    tnd_count(&c->how[job->how]);
    if (job->msg.method == TND_METHOD_INVITE && job->how == TND_HOW_DRAW)
        tnd_count(&c->new_calls);
    count_target(e, job);
}
