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

// Every score: for the rare pick that bounds leave open.
static __attribute__((noinline)) uint32_t draw_by_scores(uint64_t key, const struct tnd_lanes *l,
                                                         uint32_t n)
{
    vint k0 = v_set((uint32_t)key), k1 = v_set((uint32_t)(key >> 32)), at = v_set(0);
    vfloat best = f_set(HUGE_VALF);

    for (uint32_t i = 0; i < n; i += VECTOR) {
        uint32_t some = n - i < VECTOR ? n - i : VECTOR;
        vint x = odd_draws(k0, k1, v_load_some(l->lo + i, some), v_load_some(l->hi + i, some));
        vfloat s = score(x, f_load_some(l->rcp_weights + i, some));
        vmask better = f_lt(s, best);

        best = f_select(better, s, best);
        at = v_select(better, v_set(i), at);
    }
    return first_record(f_eq(best, f_lowest(best)), at);
}

static inline vfloat distance(vint x)
{
    return f_from(v_sub(v_set(1 << 25), x));
}

// tnd__pick_bound but for roundings.
static inline vfloat bound(vfloat d, vfloat rcp)
{
    vfloat q = f_fma(f_fma(d, f_set(TND__BOUND_3), f_set(TND__BOUND_2)), d, f_set(TND__BOUND_1));

    return f_mul(f_fma(q, d, f_set(1)), f_mul(d, rcp));
}

// Draws of one or two vectors each, `wide` at a time. One alone is a chain of 120 cycles, which
// fills the processor's scheduler with instructions that wait, so the steps of several are
// interleaved.
#define WIDE    4U
#define VECTORS (2 * WIDE)

static inline __attribute__((always_inline)) void draw_some(const uint64_t keys[],
                                                            const struct tnd__draw draws[],
                                                            unsigned wide, unsigned vectors,
                                                            uint32_t winners[])
{
    _Alignas(64) float away[VECTORS * VECTOR];
    struct tnd_lanes l[WIDE];
    vint x[VECTORS];
    vfloat b[VECTORS], lowest[WIDE];

#pragma GCC unroll 8
    for (unsigned k = 0; k < wide * vectors; k++) {
        unsigned i = k / vectors, at = k % vectors * VECTOR;
        uint32_t some = vectors == 1 ? draws[i].n : VECTOR;

        l[i] = tnd_lanes_at(draws[i].lanes, vectors == 1 ? draws[i].n : vectors * VECTOR);
        x[k] = odd_draws(v_set((uint32_t)keys[i]), v_set((uint32_t)(keys[i] >> 32)),
                         v_load_some(l[i].lo + at, some), v_load_some(l[i].hi + at, some));
    }
#pragma GCC unroll 8
    for (unsigned k = 0; k < wide * vectors; k++) {
        unsigned i = k / vectors, at = k % vectors * VECTOR;
        uint32_t some = vectors == 1 ? draws[i].n : VECTOR;
        vfloat d = distance(x[k]);

        f_store(away + k * VECTOR, d);
        b[k] = bound(d, vectors == 1 ? f_load_some(l[i].rcp_weights, some)
                                     : f_load(l[i].rcp_weights + at));
        lowest[i] = at == 0 ? b[k] : f_min(lowest[i], b[k]);
    }
    if (wide == WIDE)
        f_lowest_four(lowest, lowest);
    else
        lowest[0] = f_lowest(lowest[0]);
#pragma GCC unroll 4
    for (unsigned i = 0; i < wide; i++) {
        vfloat limit = f_mul(lowest[i], f_set(TND__BOUND_SLACK));
        uint32_t bits = m_bits(f_le(b[i * vectors], limit));

        if (vectors == 2)
            bits |= m_bits(f_le(b[i * vectors + 1], limit)) << VECTOR;
        winners[i] = (uint32_t)__builtin_ctz(bits);
        if ((bits & (bits - 1)) != 0 || away[i * vectors * VECTOR + winners[i]] > TND__BOUND_NEAR)
            winners[i] = draw_by_scores(keys[i], &l[i], draws[i].n);
    }
}

// Of `n` bounds those within `limit`. Returns: how many; *at: the first of the last 64 with any.
static inline unsigned within(const float bounds[], uint32_t n, vfloat limit, uint32_t *at)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < n; i += 64) {
        uint64_t bits = 0;
        for (uint32_t k = 0; k < 64 && i + k < n; k += VECTOR)
            bits |= (uint64_t)m_bits(f_le(f_load(bounds + i + k), limit)) << k;
        count += (unsigned)__builtin_popcountll(bits);
        *at = bits ? i + (uint32_t)__builtin_ctzll(bits) : *at;
    }
    return count;
}

// More vectors than that.
static uint32_t draw_many(uint64_t key, const struct tnd__draw *draw)
{
    _Alignas(64) float bounds[TND_SET_RECORDS_MAX], away[TND_SET_RECORDS_MAX];
    struct tnd_lanes l = tnd_lanes_at(draw->lanes, draw->n);
    vint k0 = v_set((uint32_t)key), k1 = v_set((uint32_t)(key >> 32));
    vfloat lowest = f_set(HUGE_VALF);
    uint32_t at = 0;

    for (uint32_t i = 0; i < draw->n; i += VECTOR) {
        vint x = odd_draws(k0, k1, v_load(l.lo + i), v_load(l.hi + i));
        vfloat d = distance(x), b = bound(d, f_load(l.rcp_weights + i));

        f_store(away + i, d);
        f_store(bounds + i, b);
        lowest = f_min(lowest, b);
    }
    lowest = f_mul(f_lowest(lowest), f_set(TND__BOUND_SLACK));
    if (within(bounds, draw->n, lowest, &at) == 1 && away[at] <= TND__BOUND_NEAR)
        return at;
    return draw_by_scores(key, &l, draw->n);
}

// Whether each of `wide` draws takes so many vectors.
static inline __attribute__((always_inline)) bool take(const struct tnd__draw draws[],
                                                       unsigned wide, unsigned vectors)
{
    uint32_t more = 0; // lanes beyond the first of the last vector

    for (unsigned i = 0; i < wide; i++)
        more |= draws[i].n - 1 - (vectors - 1) * VECTOR;
    return more < VECTOR;
}

static void draw(const uint64_t keys[], const struct tnd__draw draws[], uint32_t n,
                 uint32_t winners[])
{
    for (uint32_t i = 0, did; i < n; i += did) {
        did = 1;
        if (n - i >= WIDE && take(draws + i, WIDE, 1))
            draw_some(keys + i, draws + i, did = WIDE, 1, winners + i);
        else if (n - i >= WIDE && take(draws + i, WIDE, 2))
            draw_some(keys + i, draws + i, did = WIDE, 2, winners + i);
        else if (take(draws + i, 1, 1))
            draw_some(keys + i, draws + i, 1, 1, winners + i);
        else if (take(draws + i, 1, 2))
            draw_some(keys + i, draws + i, 1, 2, winners + i);
        else
            winners[i] = draw_many(keys[i], &draws[i]);
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

static inline void sip_round(struct sip *h)
{
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

// `wide` vectors of calls together: one alone is a chain of 140 cycles.
#define CALLS (VECTOR / 2)
#define PAIR  2U

static inline __attribute__((always_inline)) void sip_rounds(struct sip h[], unsigned wide,
                                                             unsigned n)
{
#pragma GCC unroll 4
    for (unsigned i = 0; i < n; i++)
#pragma GCC unroll 2
        for (unsigned k = 0; k < wide; k++)
            sip_round(&h[k]);
}

// What follows the domain in a tnd_derive of call key and 0, and the length: words that all share
// but the first.
static inline __attribute__((always_inline)) void
keys_of(const struct tnd_hasher *start, const uint64_t call_keys[], unsigned wide, uint64_t out[])
{
    struct sip h[PAIR];

    for (unsigned k = 0; k < wide; k++) {
        vlong m = l_load(call_keys + k * CALLS);

        h[k] = (struct sip){l_set(start->v0), l_set(start->v1), l_set(start->v2),
                            l_xor(l_set(start->v3), m)};
    }
    sip_rounds(h, wide, 2);
    for (unsigned k = 0; k < wide; k++)
        h[k].v0 = l_xor(h[k].v0, l_load(call_keys + k * CALLS));
    sip_rounds(h, wide, 2);
    for (unsigned k = 0; k < wide; k++)
        h[k].v3 = l_xor(h[k].v3, l_set(24ULL << 56));
    sip_rounds(h, wide, 2);
    for (unsigned k = 0; k < wide; k++) {
        h[k].v0 = l_xor(h[k].v0, l_set(24ULL << 56));
        h[k].v2 = l_xor(h[k].v2, l_set(0xff));
    }
    sip_rounds(h, wide, 4);
    for (unsigned k = 0; k < wide; k++)
        l_store(out + k * CALLS, l_xor(l_xor(h[k].v0, h[k].v1), l_xor(h[k].v2, h[k].v3)));
}

static void keys(const struct tnd_hash_key *secret, const uint64_t call_keys[], uint32_t n,
                 uint64_t out[])
{
    struct tnd_hasher start;
    uint32_t i = 0;

    tnd_hash_init(&start, secret);
    tnd__sip_word(&start, TND_DOMAIN_RECORD);
    for (; n - i >= PAIR * CALLS; i += PAIR * CALLS)
        keys_of(&start, call_keys + i, PAIR, out + i);
    if (i < n)
        keys_of(&start, call_keys + i, 1, out + i);
}
