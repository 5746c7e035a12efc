#include "bench/ring.h"

#include <unistd.h>

void bench_ring_spec(struct bench_spec *spec, uint32_t set)
{
    bench_spec_fill(spec, BENCH_TARGETS, set);
    for (uint32_t i = 0; i < BENCH_TARGETS; i++)
        spec->addresses[i].addr.ip[1] = spec->addresses[i].addr.ip[2] = 0;
}

// The first rig of a process decides how much memory there is for all: the largest.
static void reserve(struct bench_ring *r)
{
    static bool reserved;
    struct tnd_rig_options o = {
        .seed = 1, .workers = 2, .waiting = bench_ring_beyond_cache(), .cold = true};

    if (!reserved && tnd_rig_open(&r->rig, &o, &r->spec.spec, NULL) == 0)
        tnd_rig_close(&r->rig);
    reserved = true;
}

bool bench_ring_open(struct bench_ring *r, const struct tnd_rig_options *o)
{
    struct tnd_addr targets[BENCH_TARGETS];
    struct tnd_error err;

    bench_ring_spec(&r->spec, 0);
    reserve(r);
    if (tnd_rig_open(&r->rig, o, &r->spec.spec, &err) != 0) {
        fprintf(stderr, "bench: %s\n", err.text);
        return false;
    }
    for (unsigned i = 0; i < BENCH_TARGETS; i++)
        targets[i] = r->spec.addresses[i].addr;
    tnd_source_init(&r->source, 1);
    r->source.names = o->names;
    tnd_sink_init(&r->sink, &r->rig, 1, targets, BENCH_TARGETS);
    for (unsigned i = 0; i < BENCH_TARGETS; i++)
        r->sink.live[i] = true;
    r->traffic = (struct tnd_traffic){.rig = &r->rig, .source = &r->source, .sink = &r->sink};
    return true;
}

void bench_ring_check(const struct bench_ring *r, const char *name)
{
    if (!tnd_traffic_lost(&r->traffic) && !r->sink.unknown && !r->sink.dead && !r->sink.wrong)
        return;
    fprintf(stderr, "bench: %s: requests were lost or wrong: %s\n", name, r->sink.fault);
    exit(1);
}

void bench_ring_close(struct bench_ring *r)
{
    tnd_rig_close(&r->rig);
}

uint32_t bench_ring_beyond_cache(void)
{
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint32_t n = 16384;

    while (n < 65536 && (uint64_t)n * 1024 < (uint64_t)(cache > 0 ? cache : 0))
        n *= 2;
    return (bench_quick ? 2048 : n) - 1;
}
