// Private to lib/route: the arithmetic of the pick, and the seam where its kernels come in.
//
// The draw. One SipHash a pick makes the call's own key K of secret and call key; the draw of a
// record is K mixed with the record's id by three 32-bit multiplications, which any SIMD has.
//   - Nobody aims: K is the output of a pseudorandom function of a secret, new for each call
//     key. Whoever chooses Call-IDs, or names hosts in DNS, picks inputs of a function whose key
//     never repeats and which he never sees; so the mix need not resist attack, only be even.
//   - Each draw is even exactly: for any id and k0 it is a bijection of k1.
//   - Draws of different ids are as good as independent: the first half spreads k0 differently
//     for each low word, so that the second half starts at unrelated points. See
//     tests/model/model_pick.c for what that is held to. Two ids with equal low words keep one of
//     the two safeguards; 64 bits of id and not 32 because equal draws for every call would starve
//     one of the two.
//
// The score. All kernels give the same bits for all 2^24 draws and every weight, so that nodes
// with different CPUs choose alike: files with a kernel are built with -ffp-contract=off, without
// fast-math, and say fma where they mean it. The scalar kernel is the definition.
//
// Threads: pure. The kernel in use is set by tnd_isa_select.
#pragma once

#include "route/pick.h"

#define TND__DRAW_BITS 24

// Multipliers: the first two are of Chris Wellons's search for 32-bit bijections of least bias,
// the third is the prime next to 2^32 over the golden ratio.
#define TND__MIX_1 0x7feb352dU
#define TND__MIX_2 0x846ca68bU
#define TND__MIX_3 0x9e3779b1U

// A key for the addresses of the record: other inputs than any record's, so other draws.
#define TND__KEY_ADDRESS 0x61646472d1b54a33ULL

static inline uint64_t tnd__pick_key(const struct tnd_hash_key *secret, uint64_t call_key)
{
    return tnd_derive(secret, TND_DOMAIN_RECORD, call_key, 0);
}

static inline uint32_t tnd__pick_draw(uint64_t key, uint64_t id)
{
    uint32_t x = (uint32_t)key ^ (uint32_t)id;

    x = (x ^ x >> 16) * TND__MIX_1;
    x = (x ^ x >> 15) + ((uint32_t)(key >> 32) ^ (uint32_t)(id >> 32));
    x = (x ^ x >> 16) * TND__MIX_2;
    x = (x ^ x >> 15) * TND__MIX_3;
    return x >> (32 - TND__DRAW_BITS);
}

// -log2(u) = -log2(1 + f) - e with 1 + f in [sqrt(1/2), sqrt(2)), and log2(1 + f) = f * P(f):
// minimax of the relative error, 4.4e-8. What decides lies at f -> 0-, and there the factor f
// keeps the error relative; a polynomial that is only absolutely exact starves light records
// (see test_pick.c). Coefficients of P, the highest power first.
#define TND__LOG2_TERMS 9
#define TND__LOG2_P                                                                       \
    {                                                                                     \
        0x1.01b6dcp-3F, -0x1.a87d0cp-3F, 0x1.b9c91ap-3F, -0x1.e95be6p-3F, 0x1.26d384p-2F, \
            -0x1.715c4ep-2F, 0x1.ec73d6p-2F, -0x1.715470p-1F, 0x1.715476p+0F              \
    }

// What decides nearly every draw, without its logarithms: with d = 1 - u in units of 2^-25 and
// Q(d) = d + Q_1 d^2 + Q_2 d^3 + Q_3 d^4, the bound Q(d) / weight. Of every draw
//     score >= bound * TND__BOUND, and score <= bound * TND__BOUND * TND__BOUND_SLACK
// where d <= TND__BOUND_NEAR, which is u >= 0.3. So the lowest bound is the lowest score's, if it
// is near and no other bound is within TND__BOUND_SLACK of it. Q is the minimax of the relative
// error there, lowered to be a bound; roundings take a thirtieth of the margins that it has.
// test_pick.c tries all draws.
#define TND__UNIT        (1.0F / (float)(1 << 25))
#define TND__BOUND_1     (0x1.354ad2p-1F * TND__UNIT)
#define TND__BOUND_2     (-0x1.27c7fap-2F * TND__UNIT * TND__UNIT)
#define TND__BOUND_3     (0x1.4760fep+0F * TND__UNIT * TND__UNIT * TND__UNIT)
#define TND__BOUND       (0x1.6f80a0p+0F * TND__UNIT)
#define TND__BOUND_SLACK 0x1.014e38p+0F
#define TND__BOUND_NEAR  (0.7F * (float)(1 << 25))

// One choice among lanes.
struct tnd__draw {
    const void *lanes; // see tnd_lanes_at
    uint32_t n;        // >= 1
    uint32_t stride;   // tnd_lanes_stride(n)
};

struct tnd__pick_kernel {
    // keys[i] = tnd__pick_key(secret, call_keys[i]). n: a multiple of 8.
    void (*keys)(const struct tnd_hash_key *secret, const uint64_t call_keys[], uint32_t n,
                 uint64_t keys[]);
    // winners[i]: the position of the smallest score among the lanes of draws[i], the first of
    // equals.
    void (*draw)(const uint64_t keys[], const struct tnd__draw draws[], uint32_t n,
                 uint32_t winners[]);
    // The scores of draws of TND__DRAW_BITS, one by one: for comparing. n: a multiple of 16.
    void (*scores)(const uint32_t n24[], const float rcp_weights[], uint32_t n, float scores[]);
};

extern const struct tnd__pick_kernel tnd__pick_scalar, tnd__pick_avx2, tnd__pick_avx512;

// d of a draw, and Q(d). In the order that all kernels keep: see TND__BOUND.
static inline float tnd__pick_away(uint32_t n24)
{
    return (float)((1 << 25) - (int32_t)(2 * n24 + 1));
}

static inline float tnd__pick_bound(uint32_t n24, float rcp_weight)
{
    float d = tnd__pick_away(n24);

    return (((TND__BOUND_3 * d + TND__BOUND_2) * d + TND__BOUND_1) * d + 1) * (d * rcp_weight);
}

extern const struct tnd__pick_kernel *tnd__pick_active;

// The kernel of a level, or NULL when this processor does not run it. For comparing.
const struct tnd__pick_kernel *tnd__pick_kernel(unsigned isa);
