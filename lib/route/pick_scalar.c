// The reference kernel: what a pick is. Built with -ffp-contract=off (see pick_kernel.h).
#include <math.h>

#include "route/pick_kernel.h"

// fmaf, exactly: the product of two floats is exact in a double. The sum is rounded twice, to a
// double and to a float, which differs from once only where the first rounding ends half way
// between two floats: never for what is computed here, as test_pick.c finds by trying all draws.
// libm's own would be a hundred instructions where the processor has no such operation.
static inline float fma_of(float a, float b, float c)
{
    return (float)((double)a * (double)b + (double)c);
}

static inline float log2_over_f(float f)
{
    static const float terms[TND__LOG2_TERMS] = TND__LOG2_P;
    float p = terms[0];

    for (unsigned i = 1; i < TND__LOG2_TERMS; i++)
        p = fma_of(p, f, terms[i]);
    return p;
}

// -log2(u) * rcp for u = (n + 1/2) / 2^24 = x / 2^25, x odd. With k so that x / 2^k lies in
// [sqrt(1/2), sqrt(2)), f = (x - 2^k) / 2^k has at most 24 bits: u has 25 and is never formed.
float tnd_pick_score(uint32_t n24, float rcp_weight)
{
    uint32_t x = 2 * n24 + 1;
    int k = 31 - __builtin_clz(x);
    float f;

    k += x > (uint32_t)(0x16a09e667ULL >> (32 - k)); // floor(sqrt(2) * 2^k)
    f = (float)((int32_t)x - (1 << k)) * (1.0F / (float)(1 << k));
    return fma_of(-f, log2_over_f(f), (float)(25 - k)) * rcp_weight;
}

// The score of the lowest bound leaves few that could be lower: logarithms are taken of those. Of
// Q(d) the first term does.
static uint32_t draw_one(uint64_t key, const struct tnd__draw *d)
{
    struct tnd_lanes lanes = tnd_lanes_at(d->lanes, d->n);
    uint32_t n24[TND_SET_RECORDS_MAX], first = 0, winner;
    float bounds[TND_SET_RECORDS_MAX], lowest = HUGE_VALF, best;

    for (uint32_t i = 0; i < d->n; i++) {
        n24[i] = tnd__pick_draw(key, tnd_lane_id(&lanes, i));
        bounds[i] = tnd__pick_away(n24[i]) * lanes.rcp_weights[i] * TND__BOUND;
        first = bounds[i] < lowest ? i : first;
        lowest = bounds[i] < lowest ? bounds[i] : lowest;
    }
    best = tnd_pick_score(n24[first], lanes.rcp_weights[first]);
    winner = first;
    for (uint32_t i = 0; i < d->n; i++) {
        float s;

        if (bounds[i] > best || i == first)
            continue;
        s = tnd_pick_score(n24[i], lanes.rcp_weights[i]);
        if (s < best || (s <= best && i < winner)) {
            best = s;
            winner = i;
        }
    }
    return winner;
}

static void draw(const uint64_t keys[], const struct tnd__draw draws[], uint32_t n,
                 uint32_t winners[])
{
    for (uint32_t i = 0; i < n; i++)
        winners[i] = draw_one(keys[i], &draws[i]);
}

static void keys(const struct tnd_hash_key *secret, const uint64_t call_keys[], uint32_t n,
                 uint64_t out[])
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = tnd__pick_key(secret, call_keys[i]);
}

static void scores(const uint32_t n24[], const float rcp_weights[], uint32_t n, float out[])
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = tnd_pick_score(n24[i], rcp_weights[i]);
}

const struct tnd__pick_kernel tnd__pick_scalar = {.keys = keys, .draw = draw, .scores = scores};
