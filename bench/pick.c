// The pick over sets of 1 to 256 records, beside the RFC's own way: a running sum of weights and
// a walk to a random number below it, which has no memory of a call and moves calls at any change.
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/sets.h"
#include "route/pick.h"

#define SIZES 8
#define BURST 32
#define PICKS (bench_quick ? 4096u : 262144u)

static const uint32_t sizes[SIZES] = {1, 2, 4, 8, 16, 32, 64, 256};
static const struct tnd_hash_key secret = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

struct picks {
    struct tnd_target_set *sets[SIZES];
    uint32_t sums[SIZES][BENCH_RECORDS_MAX]; // running sums of the weights
    uint64_t seed;
};

static void close_picks(void *state)
{
    struct picks *p = state;

    for (unsigned i = 0; i < SIZES; i++)
        free(p->sets[i]);
    free(p);
}

static void *open_picks(void)
{
    struct picks *p = calloc(1, sizeof *p);
    struct bench_spec *spec = malloc(sizeof *spec);
    bool made = p && spec;

    for (unsigned i = 0; made && i < SIZES; i++) {
        bench_spec_fill(spec, sizes[i], 0);
        void *mem = aligned_alloc(64, (tnd_set_size(&spec->spec) + 63) & ~(size_t)63);
        made = mem != NULL;
        if (made)
            p->sets[i] = tnd_set_build(&spec->spec, 1, mem);
        for (uint32_t k = 0, sum = 0; k < sizes[i]; k++)
            p->sums[i][k] = sum += spec->records[k].weight;
    }
    free(spec);
    if (!made && p) {
        close_picks(p);
        return NULL;
    }
    return p;
}

static void picks_once(void *state)
{
    struct picks *p = state;
    const struct tnd_target_set *sets[BURST];
    uint64_t keys[BURST];
    uint32_t out[BURST];

    for (unsigned i = 0; i < SIZES; i++) {
        for (unsigned k = 0; k < BURST; k++)
            sets[k] = p->sets[i];
        double start = bench_cpu_ns();
        for (uint32_t n = 0; n < PICKS; n += BURST) {
            for (unsigned k = 0; k < BURST; k++)
                keys[k] = bench_random(&p->seed);
            tnd_pick_burst(sets, &secret, keys, BURST, out);
            bench_use(out[0]);
        }
        bench_record(bench_name("pick.%u", sizes[i]), "ns", (bench_cpu_ns() - start) / PICKS);
    }
}

static void walks_once(void *state)
{
    struct picks *p = state;

    for (unsigned i = 0; i < SIZES; i++) {
        const uint32_t *sums = p->sums[i], sum = sums[sizes[i] - 1];
        double start = bench_cpu_ns();
        for (uint32_t n = 0; n < PICKS; n++) {
            uint32_t draw = (uint32_t)((bench_random(&p->seed) >> 32) * sum >> 32), at = 0;
            while (sums[at] <= draw)
                at++;
            bench_use(at);
        }
        bench_record(bench_name("pick.walk.%u", sizes[i]), "ns", (bench_cpu_ns() - start) / PICKS);
    }
}

const struct bench bench_pick[] = {
    {"pick", open_picks, picks_once, close_picks},
    {"pick.walk", open_picks, walks_once, close_picks},
    {0},
};
