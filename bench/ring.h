// A rig with source and sink for benchmarks: four targets, all live.
//
// Threads: one owner. One at a time: it is a rig.
#pragma once

#include "bench/sets.h"
#include "control/demo/traffic.h"

#define BENCH_TARGETS 4

struct bench_ring {
    struct tnd_rig rig;
    struct tnd_source source;
    struct tnd_sink sink;
    struct tnd_traffic traffic;
    struct bench_spec spec;
};

// The targets in their version `set`: others differ in the weights.
void bench_ring_spec(struct bench_spec *spec, uint32_t set);
// Returns: false when it cannot be, which is told on stderr.
bool bench_ring_open(struct bench_ring *r, const struct tnd_rig_options *o);
// Ends the process when a request was lost, or arrived otherwise than it should.
void bench_ring_check(const struct bench_ring *r, const char *name);
void bench_ring_close(struct bench_ring *r);

// So many packets (about 2 KB of each are touched) that the last level of cache holds half.
uint32_t bench_ring_beyond_cache(void);
