// Latency at half load: requests arrive one by one at random times (Poisson), half as many as
// the thread can carry with source and sink in it, and each is timed from the moment when it was
// due, not from when the source got round to it, to when the sink has it in hand.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/bench.h"
#include "bench/ring.h"
#include "util/histogram.h"

#define WARM     (bench_quick ? 2048u : 20000u)
#define REQUESTS (bench_quick ? 4096u : 200000u)
#define TURN     32u
#define TRIES    3 // for a round in which the processor was free

struct latency {
    struct bench_ring ring;
    struct tnd_histogram times; // cycles
    uint64_t seed;
    uint64_t due[TND_SINK_WINDOW]; // by number
};

static void *open_latency(void)
{
    struct latency *l = calloc(1, sizeof *l);

    if (l)
        l->seed = 1;
    return l;
}

// Cycles of a request, source and sink included, when there is always one to do.
static double saturated(struct bench_ring *r)
{
    uint64_t start = rte_rdtsc(), best = UINT64_MAX;

    for (uint32_t i = 0; i < WARM; i += TURN) {
        tnd_traffic_turn(&r->traffic);
        uint64_t now = rte_rdtsc();
        // What the thread can carry, not what another process left of it.
        if (i >= WARM / 2 && now - start < best)
            best = now - start;
        start = now;
    }
    return (double)best / TURN;
}

static double gap(struct latency *l, double mean)
{
    double u = ((double)(bench_random(&l->seed) >> 11) + 0.5) / 9007199254740992.0; // 2^53

    return -log(u) * mean;
}

static void put(struct latency *l, uint64_t first, uint32_t n)
{
    struct bench_ring *r = &l->ring;
    struct tnd_datagram d[TURN];

    for (uint32_t i = 0; i < n; i++) {
        d[i] = (struct tnd_datagram){.src = r->rig.pbx,
                                     .dst = r->rig.listener,
                                     .data = tnd_source_write(&r->source, i, first + i, 0),
                                     .len = TND_SOURCE_LEN};
        tnd_sink_expect(&r->sink, first + i);
    }
    r->traffic.offered += tnd_dataplane_offer(r->rig.dp, 0, d, n);
}

static void take(struct latency *l)
{
    struct tnd_datagram d[TND_BURST];
    uint32_t n;

    while ((n = tnd_dataplane_collect(l->ring.rig.dp, 0, d, TND_BURST)) > 0)
        for (uint32_t i = 0; i < n; i++)
            if (tnd_sink_take(&l->ring.sink, &d[i]))
                tnd_histogram_add(&l->times,
                                  rte_rdtsc() - l->due[l->ring.sink.last_number % TND_SINK_WINDOW]);
}

// Returns: whether the processor was this thread's all the while.
static bool pace(struct latency *l, double mean)
{
    uint64_t number = l->ring.traffic.next, last = number + REQUESTS;
    double cpu = bench_cpu_ns(), wall = bench_wall_ns();
    double due = (double)rte_rdtsc() + gap(l, mean);

    memset(&l->times, 0, sizeof l->times);
    while (l->ring.traffic.offered > l->ring.sink.delivered + l->ring.sink.answered ||
           number < last) {
        double now = (double)rte_rdtsc();
        uint32_t n = 0;
        for (; n < TURN && number + n < last && due <= now; n++) {
            l->due[(number + n) % TND_SINK_WINDOW] = (uint64_t)due;
            due += gap(l, mean);
        }
        put(l, number, n);
        number += n;
        if (tnd_dataplane_run(l->ring.rig.dp) > 0)
            take(l);
        else if (number == last && n == 0)
            break; // nothing is under way: what has not arrived is lost
    }
    l->ring.traffic.next = last;
    bench_ring_check(&l->ring, "route.latency");
    return bench_cpu_ns() - cpu > BENCH_FREE_CPU * (bench_wall_ns() - wall);
}

static void latency_once(void *state)
{
    static const struct {
        const char *name;
        double q;
    } told[] = {{"route.latency.p50", 0.5},
                {"route.latency.p90", 0.9},
                {"route.latency.p99", 0.99},
                {"route.latency.p999", 0.999},
                {"route.latency.p9999", 0.9999}};
    struct latency *l = state;

    if (!bench_ring_open(&l->ring, &(struct tnd_rig_options){.seed = 1}))
        exit(1);
    double ns = 1e9 / (double)tnd_dataplane_hz(l->ring.rig.dp), mean = 2 * saturated(&l->ring);
    bool was_free = false;
    for (int i = 0; i < TRIES && !was_free; i++)
        was_free = pace(l, mean);
    for (unsigned i = 0; i < sizeof told / sizeof *told; i++) {
        bench_record(told[i].name, "ns", (double)tnd_histogram_quantile(&l->times, told[i].q) * ns);
        if (!was_free)
            bench_unfit(told[i].name, "others ran on the processor: the load was more than half");
    }
    bench_record("route.latency.load", "requests/s", 1e9 / (mean * ns));
    bench_ring_close(&l->ring);
}

const struct bench bench_latency[] = {
    {"route.latency", open_latency, latency_once, free},
    {0},
};
