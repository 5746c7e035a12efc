// The kernel for AVX-512: 16 records, or the keys of 8 calls, at a time.
#include <immintrin.h>
#include <stdint.h>

#define VECTOR 16

typedef __m512i vint, vlong;
typedef __m512 vfloat;
typedef __mmask16 vmask;

#define v_set(c)          _mm512_set1_epi32((int)(c))
#define v_load(p)         _mm512_loadu_si512(p)
#define v_load_some(p, n) _mm512_maskz_loadu_epi32((vmask)((1U << (n)) - 1), p)
#define v_store(p, a)     _mm512_store_si512(p, a)
#define v_add             _mm512_add_epi32
#define v_sub             _mm512_sub_epi32
#define v_mul             _mm512_mullo_epi32
#define v_xor             _mm512_xor_si512
#define v_or              _mm512_or_si512
#define v_shr             _mm512_srli_epi32
#define v_shl_each        _mm512_sllv_epi32
#define v_clz             _mm512_lzcnt_epi32
#define v_gt              _mm512_cmpgt_epi32_mask
#define v_select(m, a, b) _mm512_mask_mov_epi32(b, m, a)

#define f_set                    _mm512_set1_ps
#define f_load(p)                _mm512_loadu_ps(p)
#define f_load_some(p, n)        _mm512_mask_loadu_ps(f_set(HUGE_VALF), (vmask)((1U << (n)) - 1), p)
#define f_store(p, a)            _mm512_storeu_ps(p, a)
#define f_from                   _mm512_cvtepi32_ps
#define f_mul                    _mm512_mul_ps
#define f_sub                    _mm512_sub_ps
#define f_min                    _mm512_min_ps
#define f_fma                    _mm512_fmadd_ps
#define f_minus_product(c, a, b) _mm512_fnmadd_ps(a, b, c) // c - a * b
#define f_select(m, a, b)        _mm512_mask_mov_ps(b, m, a)
#define f_lt(a, b)               _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define f_le(a, b)               _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ)
#define f_eq(a, b)               _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)
#define m_bits(m)                ((uint32_t)(m))

#define l_set(c)      _mm512_set1_epi64((long long)(c))
#define l_load(p)     _mm512_loadu_si512(p)
#define l_store(p, a) _mm512_storeu_si512(p, a)
#define l_add         _mm512_add_epi64
#define l_xor         _mm512_xor_si512
#define l_rotl        _mm512_rol_epi64

// The smallest of all lanes, in each.
static inline vfloat f_lowest(vfloat a)
{
    a = f_min(a, _mm512_shuffle_f32x4(a, a, 0x4e));
    a = f_min(a, _mm512_shuffle_f32x4(a, a, 0xb1));
    a = f_min(a, _mm512_permute_ps(a, 0x4e));
    return f_min(a, _mm512_permute_ps(a, 0xb1));
}

// The same of four vectors at once: halved together, for half of the instructions.
static inline void f_lowest_four(const vfloat a[4], vfloat lowest[4])
{
    vfloat ab =
        f_min(_mm512_shuffle_f32x4(a[0], a[1], 0x88), _mm512_shuffle_f32x4(a[0], a[1], 0xdd));
    vfloat cd =
        f_min(_mm512_shuffle_f32x4(a[2], a[3], 0x88), _mm512_shuffle_f32x4(a[2], a[3], 0xdd));
    vfloat all = f_min(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));

    all = f_min(all, _mm512_permute_ps(all, 0x4e));
    all = f_min(all, _mm512_permute_ps(all, 0xb1));
    lowest[0] = _mm512_shuffle_f32x4(all, all, 0x00);
    lowest[1] = _mm512_shuffle_f32x4(all, all, 0x55);
    lowest[2] = _mm512_shuffle_f32x4(all, all, 0xaa);
    lowest[3] = _mm512_shuffle_f32x4(all, all, 0xff);
}

#include "route/pick_vector.h"

const struct tnd__pick_kernel tnd__pick_avx512 = {.keys = keys, .draw = draw, .scores = scores};
