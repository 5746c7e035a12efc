// The whole engine from ring to ring, one worker, every request another call.
//
// cold: more packets wait in the ring than the last level of cache holds, and their buffers
// take turns, so that neither message nor job is near when its turn comes. hot: 32 at a time,
// in the same few buffers. requests/s is the engine's own time; source and sink, which share its
// thread, are told beside it, and `inline` is all three together. 1k, 100k, 1m: as cold,
// the next hop of each request one of so many names with a thousand sets among them. churn: as
// cold, while a new version of the name's targets is published for every millisecond of the
// engine's time.
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/ring.h"

#define HOT          (bench_quick ? 4096u : 400000u)
#define FILLS        (bench_quick ? 1 : 6)
#define HOT_FILL     32u
#define QUICK_NAMES  10000u
#define SETS         1000u
#define PUBLICATIONS 1000u // a second

struct kind {
    const char *name;
    bool hot, churn;
    uint32_t names; // 0: one
};

static const struct kind cold = {.name = "cold"}, hot = {.name = "hot", .hot = true},
                         churn = {.name = "churn", .churn = true},
                         k1 = {.name = "1k", .names = 1000},
                         k100 = {.name = "100k", .names = 100000},
                         m1 = {.name = "1m", .names = 1000000};

struct route {
    const struct kind *kind;
    uint32_t waiting;      // packets of one fill
    uint64_t published_at; // the engine's cycles then
    struct bench_ring ring;
};

static bool publish_names(struct bench_ring *r)
{
    for (uint32_t i = 0; i < r->rig.names; i++) {
        bench_ring_spec(&r->spec, i % SETS);
        if (tnd_rig_publish_name(&r->rig, i, &r->spec.spec) != 0)
            return false;
        tnd_rig_tick(&r->rig);
    }
    return true;
}

static void publish_one(void *ctx)
{
    struct route *r = ctx;
    struct tnd_rig *rig = &r->ring.rig;
    uint64_t hz = tnd_dataplane_hz(rig->dp);

    if (r->ring.traffic.engine_cycles - r->published_at < hz / PUBLICATIONS)
        return;
    r->published_at += hz / PUBLICATIONS;
    bench_ring_spec(&r->ring.spec, (uint32_t)rig->versions % SETS);
    if (tnd_rig_publish(rig, &r->ring.spec.spec) != 0)
        exit(1);
    tnd_rig_tick(rig);
}

static bool open_rig(struct route *r)
{
    uint32_t names = bench_quick && r->kind->names > QUICK_NAMES ? QUICK_NAMES : r->kind->names;
    struct tnd_rig_options o = {
        .seed = 1, .waiting = r->kind->hot ? 0 : r->waiting, .cold = !r->kind->hot, .names = names};

    if (!bench_ring_open(&r->ring, &o))
        return false;
    r->published_at = 0;
    if (r->kind->churn) {
        r->ring.traffic.between = publish_one;
        r->ring.traffic.ctx = r;
    }
    if (o.names == 0 || publish_names(&r->ring))
        return true;
    bench_ring_close(&r->ring);
    return false;
}

static void *open_route(const struct kind *kind)
{
    struct route *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->kind = kind;
    r->waiting = bench_ring_beyond_cache();
    return r;
}

static void *open_cold(void)
{
    return open_route(&cold);
}

static void *open_hot(void)
{
    return open_route(&hot);
}

static void *open_churn(void)
{
    return open_route(&churn);
}

static void *open_1k(void)
{
    return open_route(&k1);
}

static void *open_100k(void)
{
    return open_route(&k100);
}

static void *open_1m(void)
{
    return open_route(&m1);
}

static void fill_and_drain(struct route *r, uint32_t n)
{
    tnd_traffic_fill(&r->ring.traffic, n);
    tnd_traffic_drain(&r->ring.traffic);
    tnd_rig_tick(&r->ring.rig);
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
    c->traffic = r->ring.traffic;
    tnd_dataplane_stats(r->ring.rig.dp, 0, &c->worker);
}

// What each target was to get, and what it got: all requests of the round, each another call.
static void report_shares(const struct bench_ring *r)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < BENCH_TARGETS; i++)
        sum += r->spec.records[i].weight;
    for (uint32_t i = 0; i < BENCH_TARGETS; i++) {
        bench_record(bench_name("route.share.%u.wanted", i), "share",
                     (double)r->spec.records[i].weight / sum);
        bench_record(bench_name("route.share.%u", i), "share",
                     (double)r->sink.got[i] / (double)r->sink.delivered);
    }
}

static void report(const struct route *r, const struct clocks *a, const struct clocks *b)
{
    const char *kind = r->kind->name;
    double n = (double)(b->traffic.offered - a->traffic.offered), cpu = b->cpu - a->cpu;
    struct bench_share s = bench_share(cpu, b->wall - a->wall, tnd_dataplane_hz(r->ring.rig.dp));
    double ns = s.ns / n;
    double engine = (double)(b->traffic.engine_cycles - a->traffic.engine_cycles) * ns;

    bench_record_share(&s, bench_name("route.ring.%s", kind), "requests/s", 1e9 / engine);
    bench_record(bench_name("route.ring.%s.inline", kind), "requests/s", n / cpu * 1e9);
    bench_record_share(&s, bench_name("route.request.%s", kind), "ns", engine);
    if (r->kind != &cold)
        return;
    for (unsigned i = 0; i < TND_STAGE_COUNT; i++)
        if (i != TND_STAGE_idle)
            bench_record_share(&s, bench_name("route.stage.%s", tnd_stage_name(i)), "ns",
                               (double)(b->worker.io.cycles[i] - a->worker.io.cycles[i]) * ns);
    report_shares(&r->ring);
    bench_record_share(&s, "route.source", "ns",
                       (double)(b->traffic.source_cycles - a->traffic.source_cycles) * ns);
    bench_record_share(&s, "route.sink", "ns",
                       (double)(b->traffic.sink_cycles - a->traffic.sink_cycles) * ns);
}

static void route_once(void *state)
{
    struct route *r = state;
    struct clocks before, after;

    if (!open_rig(r))
        exit(1);
    if (!r->kind->hot) {
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
    bench_ring_check(&r->ring, "route");
    report(r, &before, &after);
    bench_ring_close(&r->ring);
}

const struct bench bench_route[] = {
    {"route.ring.cold", open_cold, route_once, free},
    {"route.ring.1k", open_1k, route_once, free},
    {"route.ring.100k", open_100k, route_once, free},
    {"route.ring.1m", open_1m, route_once, free},
    {"route.ring.churn", open_churn, route_once, free},
    {"route.ring.hot", open_hot, route_once, free},
    {0},
};
