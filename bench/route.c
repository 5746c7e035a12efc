// The whole engine from ring to ring, one worker, every request another call.
//
// cold: more packets wait in the ring than the last level of cache holds, and their buffers
// take turns, so that neither message nor job is near when its turn comes. hot: 32 at a time,
// in the same few buffers. requests/s is the engine's own time; source and sink, which share its
// thread, are told beside it, and `inline` is all three together.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/sets.h"
#include "control/demo/traffic.h"

#define TARGETS  4
#define HOT      (bench_quick ? 4096u : 400000u)
#define FILLS    (bench_quick ? 1 : 6)
#define HOT_FILL 32u

struct route {
    bool cold;
    uint32_t waiting; // packets of one fill
    struct tnd_rig rig;
    struct tnd_source source;
    struct tnd_sink sink;
    struct tnd_traffic traffic;
    struct bench_spec spec;
};

// So many packets (about 2 KB of each are touched) that the last level of cache holds half.
static uint32_t packets_beyond_cache(void)
{
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint32_t n = 16384;

    while (n < 65536 && (uint64_t)n * 1024 < (uint64_t)(cache > 0 ? cache : 0))
        n *= 2;
    return (bench_quick ? 2048 : n) - 1;
}

static bool open_rig(struct route *r)
{
    struct tnd_rig_options o = {.seed = 1, .waiting = r->cold ? r->waiting : 0, .cold = r->cold};
    struct tnd_addr targets[TARGETS];
    struct tnd_error err;

    bench_spec_fill(&r->spec, TARGETS, 0);
    if (tnd_rig_open(&r->rig, &o, &r->spec.spec, &err) != 0) {
        fprintf(stderr, "bench: %s\n", err.text);
        return false;
    }
    for (unsigned i = 0; i < TARGETS; i++)
        targets[i] = r->spec.addresses[i].addr;
    tnd_source_init(&r->source, 1);
    tnd_sink_init(&r->sink, &r->rig, 1, targets, TARGETS);
    for (unsigned i = 0; i < TARGETS; i++)
        r->sink.live[i] = true;
    r->traffic = (struct tnd_traffic){.rig = &r->rig, .source = &r->source, .sink = &r->sink};
    return true;
}

static void *open_route(bool cold)
{
    struct route *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->cold = cold;
    r->waiting = packets_beyond_cache();
    // The first one of a process decides how much memory there is: the larger.
    if (open_rig(r))
        tnd_rig_close(&r->rig);
    return r;
}

static void *open_cold(void)
{
    return open_route(true);
}

static void *open_hot(void)
{
    return open_route(false);
}

static void fill_and_drain(struct route *r, uint32_t n)
{
    tnd_traffic_fill(&r->traffic, n);
    tnd_traffic_drain(&r->traffic);
    tnd_rig_tick(&r->rig);
}

struct clocks {
    double cpu, wall;
    struct tnd_traffic traffic;
    struct tnd_worker_stats worker;
};

static void look(struct route *r, struct clocks *c)
{
    c->cpu = bench_cpu_ns();
    c->wall = bench_wall_ns();
    c->traffic = r->traffic;
    tnd_dataplane_stats(r->rig.dp, 0, &c->worker);
}

static void report(const struct route *r, const struct clocks *a, const struct clocks *b)
{
    const char *kind = r->cold ? "cold" : "hot";
    double n = (double)(b->traffic.offered - a->traffic.offered);
    double cpu = b->cpu - a->cpu, wall = b->wall - a->wall;
    // Cycles count while another process has the core: of them the share that was ours.
    double ns = 1e9 / (double)tnd_dataplane_hz(r->rig.dp) / n * (cpu < wall ? cpu / wall : 1);
    double engine = (double)(b->traffic.engine_cycles - a->traffic.engine_cycles) * ns;

    bench_record(bench_name("route.ring.%s", kind), "requests/s", 1e9 / engine);
    bench_record(bench_name("route.ring.%s.inline", kind), "requests/s", n / cpu * 1e9);
    bench_record(bench_name("route.request.%s", kind), "ns", engine);
    if (!r->cold)
        return;
    for (unsigned i = 0; i < TND_STAGE_COUNT; i++)
        if (i != TND_STAGE_idle)
            bench_record(bench_name("route.stage.%s", tnd_stage_name(i)), "ns",
                         (double)(b->worker.io.cycles[i] - a->worker.io.cycles[i]) * ns);
    bench_record("route.source", "ns",
                 (double)(b->traffic.source_cycles - a->traffic.source_cycles) * ns);
    bench_record("route.sink", "ns",
                 (double)(b->traffic.sink_cycles - a->traffic.sink_cycles) * ns);
}

static void route_once(void *state)
{
    struct route *r = state;
    struct clocks before, after;

    if (!open_rig(r))
        exit(1);
    if (r->cold) {
        fill_and_drain(r, r->waiting);
        look(r, &before);
        for (int i = 0; i < FILLS; i++)
            fill_and_drain(r, r->waiting);
    } else {
        fill_and_drain(r, HOT_FILL);
        look(r, &before);
        for (uint32_t i = 0; i < HOT; i += HOT_FILL)
            fill_and_drain(r, HOT_FILL);
    }
    look(r, &after);
    if (tnd_traffic_lost(&r->traffic) || r->sink.unknown || r->sink.dead || r->sink.wrong) {
        fprintf(stderr, "bench: route: requests were lost or wrong: %s\n", r->sink.fault);
        exit(1);
    }
    report(r, &before, &after);
    tnd_rig_close(&r->rig);
}

const struct bench bench_route[] = {
    {"route.ring.cold", open_cold, route_once, free},
    {"route.ring.hot", open_hot, route_once, free},
    {0},
};
