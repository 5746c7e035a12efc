// The kernels of the pick over vectors: what they share. A file pick_<isa>.c defines the vectors
// and what one instruction does, under the names used here, includes this and names the kernel.
//
//   VECTOR                 lanes of 32 bits
//   vint vfloat vmask      VECTOR integers, floats, one truth per lane
//   vlong                  VECTOR / 2 integers of 64 bits
#include <math.h>

#include "route/pick_kernel.h"

_Static_assert(VECTOR <= TND_LANES_ALIGN, "more than one vector of lanes is padded to vectors");

// 2 n + 1 for the draw n.
static inline vint odd_draws(vint k0, vint k1, vint lo, vint hi)
{
    vint x = v_xor(lo, k0);

    x = v_mul(v_xor(x, v_shr(x, 16)), v_set(TND__MIX_1));
    x = v_add(v_xor(x, v_shr(x, 15)), v_xor(hi, k1));
    x = v_mul(v_xor(x, v_shr(x, 16)), v_set(TND__MIX_2));
    x = v_mul(v_xor(x, v_shr(x, 15)), v_set(TND__MIX_3));
    return v_or(v_shr(x, 31 - TND__DRAW_BITS), v_set(1));
}

// tnd_pick_score from x = 2 n + 1. Here x is shifted up until its highest bit is bit 31: then
// what exceeds sqrt(2) * 2^31 is, read as a signed number, what f needs.
static inline vfloat score(vint x, vfloat rcp)
{
    static const float terms[TND__LOG2_TERMS] = TND__LOG2_P;
    vint zeros = v_clz(x), y = v_shl_each(x, zeros), low = v_xor(y, v_set(0x80000000U));
    vmask up = v_gt(low, v_set(0x3504f333)); // floor((sqrt(2) - 1) * 2^31)
    vfloat f = f_mul(f_from(v_select(up, y, low)), f_select(up, f_set(0x1p-32F), f_set(0x1p-31F)));
    vfloat e = f_sub(f_from(zeros), f_select(up, f_set(7), f_set(6)));
    vfloat p = f_set(terms[0]);

#pragma GCC unroll 16
    for (unsigned i = 1; i < TND__LOG2_TERMS; i++)
        p = f_fma(p, f, f_set(terms[i]));
    return f_mul(f_minus_product(e, f, p), rcp);
}

// tnd__pick_bound but for the factor TND__BOUND.
static inline vfloat distance(vint x, vfloat rcp)
{
    return f_mul(f_from(v_sub(v_set(1 << 25), x)), rcp);
}

// Draws of one vector each, `wide` at a time: one alone is a chain of 160 cycles that fills the
// processor's scheduler with instructions that wait, so the steps of several are interleaved.
#define WIDE 4U

static inline __attribute__((always_inline)) void draw_vector(const uint64_t keys[],
                                                              const struct tnd__draw draws[],
                                                              unsigned wide, uint32_t winners[])
{
    struct tnd_lanes l[WIDE];
    vint x[WIDE];
    vfloat s[WIDE], lowest[WIDE];

#pragma GCC unroll 4
    for (unsigned i = 0; i < wide; i++) {
        l[i] = tnd_lanes_at(draws[i].lanes, draws[i].n);
        x[i] = odd_draws(v_set((uint32_t)keys[i]), v_set((uint32_t)(keys[i] >> 32)),
                         v_load_some(l[i].lo, draws[i].n), v_load_some(l[i].hi, draws[i].n));
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < wide; i++)
        s[i] = score(x[i], f_load_some(l[i].rcp_weights, draws[i].n));
    if (wide == WIDE)
        f_lowest_four(s, lowest);
    else
        lowest[0] = f_lowest(s[0]);
#pragma GCC unroll 4
    for (unsigned i = 0; i < wide; i++)
        winners[i] = (uint32_t)__builtin_ctz(m_bits(f_eq(s[i], lowest[i])));
}

// Of the lanes in `winners`, vector v of lane i at at[i]: the first record.
static inline uint32_t first_record(vmask winners, vint at)
{
    _Alignas(64) uint32_t base[VECTOR];
    uint32_t bits = m_bits(winners), first = UINT32_MAX;

    v_store(base, at);
    for (; bits; bits &= bits - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(bits), record = base[lane] + lane;
        first = record < first ? record : first;
    }
    return first;
}

// Every score: for the rare pick where bounds leave more than one record of a lane.
static __attribute__((noinline)) uint32_t draw_by_scores(uint64_t key, const struct tnd_lanes *l,
                                                         uint32_t n)
{
    vint k0 = v_set((uint32_t)key), k1 = v_set((uint32_t)(key >> 32)), at = v_set(0);
    vfloat best = f_set(HUGE_VALF);

    for (uint32_t i = 0; i < n; i += VECTOR) {
        vint x = odd_draws(k0, k1, v_load(l->lo + i), v_load(l->hi + i));
        vfloat s = score(x, f_load(l->rcp_weights + i));
        vmask better = f_lt(s, best);

        best = f_select(better, s, best);
        at = v_select(better, v_set(i), at);
    }
    return first_record(f_eq(best, f_lowest(best)), at);
}

// Each lane keeps its record of the lowest bound, and the bound of its second; logarithms are
// taken of those kept, once. The lowest score is among them, unless a second could be lower.
static inline uint32_t draw_vectors(uint64_t key, const struct tnd_lanes *l, uint32_t n)
{
    vint k0 = v_set((uint32_t)key), k1 = v_set((uint32_t)(key >> 32));
    vint at = v_set(0), x = v_set(1);
    vfloat rcp = f_set(HUGE_VALF), first = rcp, second = rcp, s, best;

    for (uint32_t i = 0; i < n; i += VECTOR) {
        vint xi = odd_draws(k0, k1, v_load(l->lo + i), v_load(l->hi + i));
        vfloat ri = f_load(l->rcp_weights + i), d = distance(xi, ri);
        vmask nearer = f_lt(d, first);

        second = f_min(second, f_max(first, d));
        first = f_min(first, d);
        x = v_select(nearer, xi, x);
        rcp = f_select(nearer, ri, rcp);
        at = v_select(nearer, v_set(i), at);
    }
    s = score(x, rcp);
    best = f_lowest(s);
    if (m_bits(f_le(f_mul(second, f_set(TND__BOUND)), best)) != 0)
        return draw_by_scores(key, l, n);
    return first_record(f_eq(s, best), at);
}

static void draw(const uint64_t keys[], const struct tnd__draw draws[], uint32_t n,
                 uint32_t winners[])
{
    uint32_t i = 0, small = 0; // draws in a row from i on that take one vector

    while (i < n) {
        while (small < WIDE && i + small < n && draws[i + small].n <= VECTOR)
            small++;
        if (small == WIDE) {
            draw_vector(keys + i, draws + i, WIDE, winners + i);
            i += WIDE;
            small = 0;
        } else if (small > 0) {
            draw_vector(keys + i, draws + i, 1, winners + i);
            i++;
            small--;
        } else {
            struct tnd_lanes l = tnd_lanes_at(draws[i].lanes, draws[i].n);
            winners[i] = draw_vectors(keys[i], &l, draws[i].n);
            i++;
        }
    }
}

static void scores(const uint32_t n24[], const float rcp_weights[], uint32_t n, float out[])
{
    for (uint32_t i = 0; i < n; i += VECTOR) {
        vint x = v_add(v_add(v_load(n24 + i), v_load(n24 + i)), v_set(1));

        f_store(out + i, score(x, f_load(rcp_weights + i)));
    }
}

// ---- Keys: SipHash-2-4 of VECTOR / 2 calls at a time --------------------------------------

struct sip {
    vlong v0, v1, v2, v3;
};

static inline void sip_rounds(struct sip *h, unsigned n)
{
#pragma GCC unroll 4
    for (unsigned i = 0; i < n; i++) {
        h->v0 = l_add(h->v0, h->v1);
        h->v1 = l_xor(l_rotl(h->v1, 13), h->v0);
        h->v0 = l_rotl(h->v0, 32);
        h->v2 = l_add(h->v2, h->v3);
        h->v3 = l_xor(l_rotl(h->v3, 16), h->v2);
        h->v0 = l_add(h->v0, h->v3);
        h->v3 = l_xor(l_rotl(h->v3, 21), h->v0);
        h->v2 = l_add(h->v2, h->v1);
        h->v1 = l_xor(l_rotl(h->v1, 17), h->v2);
        h->v2 = l_rotl(h->v2, 32);
    }
}

static inline void sip_word(struct sip *h, vlong m)
{
    h->v3 = l_xor(h->v3, m);
    sip_rounds(h, 2);
    h->v0 = l_xor(h->v0, m);
}

// tnd_derive: domain, call key, 0, and the length. The domain is the same for all.
static void keys(const struct tnd_hash_key *secret, const uint64_t call_keys[], uint32_t n,
                 uint64_t out[])
{
    struct tnd_hasher start;

    tnd_hash_init(&start, secret);
    tnd__sip_word(&start, TND_DOMAIN_RECORD);
    for (uint32_t i = 0; i < n; i += VECTOR / 2) {
        struct sip h = {l_set(start.v0), l_set(start.v1), l_set(start.v2), l_set(start.v3)};

        sip_word(&h, l_load(call_keys + i));
        sip_rounds(&h, 2);
        sip_word(&h, l_set(24ULL << 56));
        h.v2 = l_xor(h.v2, l_set(0xff));
        sip_rounds(&h, 4);
        l_store(out + i, l_xor(l_xor(h.v0, h.v1), l_xor(h.v2, h.v3)));
    }
}
