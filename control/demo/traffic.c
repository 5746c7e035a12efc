#include "control/demo/traffic.h"

#include <string.h>

#include <rte_cycles.h>

// Returns: how many of calls [number, number + n) went on the wire.
static uint32_t offer(struct tnd_traffic *t, uint64_t number, uint32_t n)
{
    struct tnd_datagram d[TND_SOURCE_SLOTS];
    uint32_t in;

    for (uint32_t i = 0; i < n; i++)
        d[i] = (struct tnd_datagram){
            .src = t->rig->pbx,
            .dst = t->rig->listener,
            .data = tnd_source_write(t->source, i, number + i, t->sink->attempt),
            .len = TND_SOURCE_LEN};
    in = tnd_dataplane_offer(t->rig->dp, 0, d, n);
    for (uint32_t i = 0; i < in; i++)
        tnd_sink_expect(t->sink, number + i);
    t->offered += in;
    return in;
}

uint32_t tnd_traffic_fill(struct tnd_traffic *t, uint32_t n)
{
    uint64_t start = rte_rdtsc();
    uint32_t done = 0, in = 1;

    while (done < n && in > 0) {
        uint32_t left = n - done;
        in = offer(t, t->next, left < TND_SOURCE_SLOTS ? left : TND_SOURCE_SLOTS);
        t->next += in;
        done += in;
    }
    t->source_cycles += rte_rdtsc() - start;
    return done;
}

// to: by the sampled call, or NULL.
static void drain(struct tnd_traffic *t, uint8_t *to)
{
    struct tnd_datagram d[TND_BURST];
    uint32_t busy, got;

    do {
        uint64_t start = rte_rdtsc();
        busy = tnd_dataplane_run(t->rig->dp);
        uint64_t ran = rte_rdtsc();
        while ((got = tnd_dataplane_collect(t->rig->dp, 0, d, TND_BURST)) > 0)
            for (uint32_t i = 0; i < got; i++)
                if (tnd_sink_take(t->sink, &d[i]) && to)
                    to[t->sink->last_number - TND_TRAFFIC_SAMPLED] = (uint8_t)t->sink->last_target;
        if (busy > 0) // a look into an empty ring is nobody's request
            t->engine_cycles += ran - start;
        t->sink_cycles += rte_rdtsc() - ran;
        if (t->between)
            t->between(t->ctx);
    } while (busy > 0);
}

void tnd_traffic_drain(struct tnd_traffic *t)
{
    drain(t, NULL);
}

void tnd_traffic_turn(struct tnd_traffic *t)
{
    tnd_traffic_fill(t, TND_SOURCE_SLOTS);
    drain(t, NULL);
}

void tnd_traffic_sample(struct tnd_traffic *t, uint8_t to[TND_TRAFFIC_SAMPLE])
{
    uint32_t in;

    memset(to, 0xff, TND_TRAFFIC_SAMPLE);
    for (uint32_t i = 0; i < TND_TRAFFIC_SAMPLE; i += in) {
        uint32_t left = TND_TRAFFIC_SAMPLE - i;
        in = offer(t, TND_TRAFFIC_SAMPLED + i, left < TND_SOURCE_SLOTS ? left : TND_SOURCE_SLOTS);
        drain(t, to);
        if (in == 0)
            return;
    }
}
