// The kernel for AVX2: 8 records, or the keys of 4 calls, at a time.
#include <immintrin.h>
#include <stdint.h>

#define VECTOR 8

typedef __m256i vint, vlong;
typedef __m256 vfloat, vmask; // a truth is all bits of its lane

#define v_set(c)      _mm256_set1_epi32((int)(c))
#define v_load(p)     _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define v_store(p, a) _mm256_store_si256((__m256i *)(void *)(p), a)
#define v_add         _mm256_add_epi32
#define v_sub         _mm256_sub_epi32
#define v_mul         _mm256_mullo_epi32
#define v_xor         _mm256_xor_si256
#define v_or          _mm256_or_si256
#define v_shr         _mm256_srli_epi32
#define v_shl_each    _mm256_sllv_epi32
#define v_gt(a, b)    _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b))
#define v_select(m, a, b) \
    _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b), _mm256_castsi256_ps(a), m))

#define f_set                    _mm256_set1_ps
#define f_load(p)                _mm256_loadu_ps(p)
#define f_store(p, a)            _mm256_storeu_ps(p, a)
#define f_from                   _mm256_cvtepi32_ps
#define f_mul                    _mm256_mul_ps
#define f_sub                    _mm256_sub_ps
#define f_min                    _mm256_min_ps
#define f_fma                    _mm256_fmadd_ps
#define f_minus_product(c, a, b) _mm256_fnmadd_ps(a, b, c) // c - a * b
#define f_select(m, a, b)        _mm256_blendv_ps(b, a, m)
#define f_lt(a, b)               _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define f_le(a, b)               _mm256_cmp_ps(a, b, _CMP_LE_OQ)
#define f_eq(a, b)               _mm256_cmp_ps(a, b, _CMP_EQ_OQ)
#define m_bits(m)                ((uint32_t)_mm256_movemask_ps(m))

#define l_set(c)      _mm256_set1_epi64x((long long)(c))
#define l_load        v_load
#define l_store(p, a) _mm256_storeu_si256((__m256i *)(void *)(p), a)
#define l_add         _mm256_add_epi64
#define l_xor         _mm256_xor_si256

// A vector from the arrays of fewer lanes reads into the next array of the same lanes, never
// beyond all four (tnd_lanes_stride); what it finds there is kept from winning by f_load_some.
#define v_load_some(p, n) ((void)(n), v_load(p))

static inline vfloat f_load_some(const float *p, uint32_t n)
{
    vint lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return f_select(v_gt(v_set(n), lane), f_load(p), f_set(__builtin_inff()));
}

static inline vlong l_rotl(vlong a, int n)
{
    const vint by_16 = _mm256_setr_epi8(6, 7, 0, 1, 2, 3, 4, 5, 14, 15, 8, 9, 10, 11, 12, 13, 6, 7,
                                        0, 1, 2, 3, 4, 5, 14, 15, 8, 9, 10, 11, 12, 13);

    if (n == 32)
        return _mm256_shuffle_epi32(a, 0xb1);
    if (n == 16)
        return _mm256_shuffle_epi8(a, by_16);
    return _mm256_or_si256(_mm256_slli_epi64(a, n), _mm256_srli_epi64(a, 64 - n));
}

// By the exponent of x as a float; with the bit below the highest cleared no rounding reaches
// the next power of two.
static inline vint v_clz(vint x)
{
    vfloat rough = f_from(_mm256_andnot_si256(v_shr(x, 1), x));

    return v_sub(v_set(127 + 31), v_shr(_mm256_castps_si256(rough), 23));
}

// The smallest of all lanes, in each.
static inline vfloat f_lowest(vfloat a)
{
    a = f_min(a, _mm256_permute2f128_ps(a, a, 1));
    a = f_min(a, _mm256_permute_ps(a, 0x4e));
    return f_min(a, _mm256_permute_ps(a, 0xb1));
}

static inline void f_lowest_four(const vfloat a[4], vfloat lowest[4])
{
    for (unsigned i = 0; i < 4; i++)
        lowest[i] = f_lowest(a[i]);
}

#include "route/pick_vector.h"

const struct tnd__pick_kernel tnd__pick_avx2 = {.keys = keys, .draw = draw, .scores = scores};
