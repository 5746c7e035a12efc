// The reference kernel. Built once for any CPU and once for CPUs with FMA, under the names
// that TND_KERNEL completes; always with -ffp-contract=off (see pick_kernel.h).
#include <math.h>

#include "route/pick_kernel.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

// log2(1 + f) = f * P(f) on [sqrt(1/2) - 1, sqrt(2) - 1]: minimax of the relative error,
// 4.4e-8. What decides lies at f -> 0-, and there the factor f keeps the error relative; a
// polynomial that is only absolutely exact starves light records (see test_pick.c).
static inline float log2_over_f(float f)
{
    float p = 0x1.01b6dcp-3F;

    p = fmaf(p, f, -0x1.a87d0cp-3F);
    p = fmaf(p, f, 0x1.b9c91ap-3F);
    p = fmaf(p, f, -0x1.e95be6p-3F);
    p = fmaf(p, f, 0x1.26d384p-2F);
    p = fmaf(p, f, -0x1.715c4ep-2F);
    p = fmaf(p, f, 0x1.ec73d6p-2F);
    p = fmaf(p, f, -0x1.715470p-1F);
    return fmaf(p, f, 0x1.715476p+0F);
}

// -log2(u) * rcp for u = (n + 1/2) / 2^24 = x / 2^25, x odd. With k so that x / 2^k lies in
// [sqrt(1/2), sqrt(2)), f = (x - 2^k) / 2^k has at most 24 bits: u has 25 and is never formed.
static inline float score(uint32_t n24, float rcp_weight)
{
    uint32_t x = 2 * n24 + 1;
    int k = 31 - __builtin_clz(x);
    float f;

    k += x > (uint32_t)(0x16a09e667ULL >> (32 - k)); // floor(sqrt(2) * 2^k)
    f = (float)((int32_t)x - (1 << k)) * (1.0F / (float)(1 << k));
    return fmaf(-f, log2_over_f(f), (float)(25 - k)) * rcp_weight;
}

// A lower bound of score(): -log2(u) >= (1 - u) * log2(e), less a margin for rounding.
// A record whose bound has lost needs no logarithm.
static inline float bound(uint32_t n24, float rcp_weight)
{
    return (float)((1 << 25) - (int32_t)(2 * n24 + 1)) * (0x1.71540p+0F / (float)(1 << 25)) *
           rcp_weight;
}

float JOIN(tnd__score_, TND_KERNEL)(uint32_t n24, float rcp_weight)
{
    return score(n24, rcp_weight);
}

float JOIN(tnd__bound_, TND_KERNEL)(uint32_t n24, float rcp_weight)
{
    return bound(n24, rcp_weight);
}

uint32_t JOIN(tnd__pick_, TND_KERNEL)(uint64_t key, const uint64_t ids[], const float rcp_weights[],
                                      uint32_t n)
{
    float best = HUGE_VALF;
    uint32_t winner = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t n24 = tnd__pick_draw(key, ids[i]);
        float s;

        if (bound(n24, rcp_weights[i]) >= best)
            continue;
        s = score(n24, rcp_weights[i]);
        if (s < best) {
            best = s;
            winner = i;
        }
    }
    return winner;
}
