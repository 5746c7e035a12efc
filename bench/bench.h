// Benchmarks: each is run once a round, all rounds one after the other, so that whatever drifts
// on the machine drifts for all; a result is the median of its rounds, its spread the distance
// of the quartiles over the median.
//
// Time is the thread's CPU time: another process on the core costs cache, not time. One pinned
// thread. Inputs differ from call to call and cycle through more than the caches nearest to the
// core hold, unless a name says `hot`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
    const char *name; // what --only is compared with: of the first part of its results' names
    // Returns: NULL when memory is short.
    void *(*open)(void);
    void (*once)(void *state); // records its results
    void (*close)(void *state);
};

extern const struct bench bench_sip[], bench_peers[], bench_pick[], bench_table[], bench_route[],
    bench_workers[], bench_latency[], bench_call[]; // end: no name

// A value of this round. name and unit: of static life, or from bench_name.
void bench_record(const char *name, const char *unit, double value);
// The value just recorded under this name does not mean what the name says, and why (of static
// life). A result of which more than half is such is marked invalid.
void bench_unfit(const char *name, const char *why);
// The share of a time that a thread must have had its processor, for a time to mean something.
#define BENCH_FREE_CPU 0.97

// The cycles of a part of this thread's work, which go on counting while another process has the
// processor, in ns of its own: of them the share that was this thread's of the whole, `cpu` of
// `wall`. Where that was little, how the part and the rest shared it is a guess, and the value
// is unfit.
struct bench_share {
    double ns; // of a cycle
    bool fit;
};

struct bench_share bench_share(double cpu, double wall, uint64_t hz);
void bench_record_share(const struct bench_share *s, const char *name, const char *unit,
                        double value);
const char *bench_name(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

extern bool bench_quick; // names and sanity only: smaller inputs, fewer repetitions

double bench_cpu_ns(void); // of this thread
double bench_wall_ns(void);
uint64_t bench_random(uint64_t *seed);

// Keeps the compiler from leaving out what computes `v`.
static inline void bench_use(uint64_t v)
{
    __asm__ volatile("" : : "r"(v) : "memory");
}
