// Reading the workers' counters while they count: relaxed loads, each figure a moment's.
#include <string.h>

#include "dataplane/eal.h"
#include "dataplane/worker.h"

const char *tnd_stage_name(enum tnd_stage s)
{
    static const char *const names[TND_STAGE_COUNT] = {
#define X(name, what) #name,
        TND_STAGES(X)
#undef X
    };

    return (unsigned)s < TND_STAGE_COUNT ? names[s] : "unknown";
}

const char *tnd_stage_what(enum tnd_stage s)
{
    static const char *const whats[TND_STAGE_COUNT] = {
#define X(name, what) what,
        TND_STAGES(X)
#undef X
    };

    return (unsigned)s < TND_STAGE_COUNT ? whats[s] : "";
}

static void load_all(void *to, const void *from, size_t size)
{
    uint64_t *out = to;
    const uint64_t *in = from;

    for (size_t i = 0; i < size / sizeof *out; i++)
        out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
}

_Static_assert(sizeof(struct tnd_counters) % 8 == 0 && sizeof(struct tnd_io_counters) % 8 == 0 &&
                   sizeof(struct tnd_trunk_counter) % 8 == 0,
               "nothing but 64-bit counters");

uint16_t tnd_dataplane_workers(const struct tnd_dataplane *dp)
{
    return dp->cfg.workers;
}

uint64_t tnd_dataplane_hz(const struct tnd_dataplane *dp)
{
    return dp->hz;
}

void tnd_dataplane_interface(const struct tnd_dataplane *dp, uint16_t i, uint8_t mac[6], bool *up)
{
    memcpy(mac, dp->ports[i].mac, 6);
    *up = dp->ports[i].up;
}

void tnd_dataplane_rings(const struct tnd_dataplane *dp, uint16_t i, uint32_t *frames,
                         uint32_t *wanted)
{
    *frames = dp->ports[i].ring_frames;
    *wanted = *frames ? TND_RING_FRAMES : 0;
}

void tnd_dataplane_stats(const struct tnd_dataplane *dp, uint16_t worker,
                         struct tnd_worker_stats *out)
{
    const struct tnd_worker *w = dp->workers[worker];

    memset(out, 0, sizeof *out);
    load_all(&out->io, &w->io, sizeof out->io);
    out->cpu = dp->cfg.threadless ? UINT16_MAX : tnd_eal_cpu(worker);
    if (!w->engine)
        return;
    load_all(&out->engine, &w->engine->counters, sizeof out->engine);
    tnd_park_stats(w->engine->park, &out->park);
}

void tnd_dataplane_trunk(const struct tnd_dataplane *dp, uint16_t trunk,
                         struct tnd_trunk_counter *out)
{
    struct tnd_trunk_counter one;
    uint64_t *sum = (uint64_t *)out, *add = (uint64_t *)&one;

    memset(out, 0, sizeof *out);
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        if (!dp->workers[i]->engine)
            continue;
        load_all(&one, &dp->workers[i]->engine->trunks[trunk % TND_TRUNKS_CNT], sizeof one);
        for (size_t k = 0; k < sizeof one / sizeof *add; k++)
            sum[k] += add[k];
    }
}

static struct tnd_target_counter *find(struct tnd_target_counter *all, uint32_t n, uint64_t id)
{
    for (uint32_t i = 0; i < n; i++)
        if (all[i].id == id)
            return &all[i];
    return NULL;
}

uint32_t tnd_dataplane_targets(const struct tnd_dataplane *dp, struct tnd_target_counter *out,
                               uint32_t max)
{
    uint32_t n = 0;

    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        const struct tnd_engine *e = dp->workers[i]->engine;
        for (uint32_t k = 0; e && k < TND_TARGETS_CNT; k++) {
            const struct tnd_target_counter *c = &e->targets[k];
            // Pairs with release where the engine counts: the address is written.
            uint64_t id = __atomic_load_n(&c->id, __ATOMIC_ACQUIRE);
            struct tnd_target_counter *to = id ? find(out, n, id) : NULL;
            if (id == 0 || (!to && n == max))
                continue;
            if (!to) {
                to = &out[n++];
                *to = (struct tnd_target_counter){.id = id, .addr = c->addr};
            }
            to->requests += __atomic_load_n(&c->requests, __ATOMIC_RELAXED);
            to->draws += __atomic_load_n(&c->draws, __ATOMIC_RELAXED);
            to->responses += __atomic_load_n(&c->responses, __ATOMIC_RELAXED);
        }
    }
    return n;
}
