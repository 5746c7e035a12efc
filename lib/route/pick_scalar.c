// The reference kernel: what a pick is. Built with -ffp-contract=off (see pick_kernel.h).
#include <math.h>

#include "route/pick_kernel.h"

static inline float log2_over_f(float f)
{
    static const float terms[TND__LOG2_TERMS] = TND__LOG2_P;
    float p = terms[0];

    for (unsigned i = 1; i < TND__LOG2_TERMS; i++)
        p = fmaf(p, f, terms[i]);
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
    return fmaf(-f, log2_over_f(f), (float)(25 - k)) * rcp_weight;
}

float tnd__pick_bound(uint32_t n24, float rcp_weight)
{
    return (float)((1 << 25) - (int32_t)(2 * n24 + 1)) * rcp_weight * TND__BOUND;
}

static uint32_t draw_one(uint64_t key, const struct tnd__draw *d)
{
    struct tnd_lanes lanes = tnd_lanes_at(d->lanes, d->n);
    float best = HUGE_VALF;
    uint32_t winner = 0;

    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t n24 = tnd__pick_draw(key, tnd_lane_id(&lanes, i));
        float s;

        if (tnd__pick_bound(n24, lanes.rcp_weights[i]) >= best)
            continue;
        s = tnd_pick_score(n24, lanes.rcp_weights[i]);
        if (s < best) {
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
