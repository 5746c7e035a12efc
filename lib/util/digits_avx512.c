// The kernel for AVX-512: 48 octets of base64url, or 32 of hex, at a time.
#include <immintrin.h>

#define TND__VECTOR        64
#define TND__LOOK_UP(t, i) ((OCTETS)_mm512_shuffle_epi8((__m512i)(t), (__m512i)(i)))
#define TND__LESS(a, b)    ((OCTETS)_mm512_subs_epu8((__m512i)(a), (__m512i)(b)))
#include "util/base64url.h"
#include "util/digits_vector.h"

// The values of 64 characters. good: of those that have one.
static inline __m512i values(__m512i c, __mmask64 *good)
{
    __m512i letter = _mm512_sub_epi8(c, _mm512_set1_epi8('A'));
    __m512i small = _mm512_sub_epi8(c, _mm512_set1_epi8('a'));
    __m512i digit = _mm512_sub_epi8(c, _mm512_set1_epi8('0'));
    __mmask64 is_letter = _mm512_cmplt_epu8_mask(letter, _mm512_set1_epi8(26));
    __mmask64 is_small = _mm512_cmplt_epu8_mask(small, _mm512_set1_epi8(26));
    __mmask64 is_digit = _mm512_cmplt_epu8_mask(digit, _mm512_set1_epi8(10));
    __mmask64 is_minus = _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('-'));
    __mmask64 is_line = _mm512_cmpeq_epi8_mask(c, _mm512_set1_epi8('_'));
    __m512i v = _mm512_maskz_mov_epi8(is_letter, letter);

    v = _mm512_mask_add_epi8(v, is_small, small, _mm512_set1_epi8(26));
    v = _mm512_mask_add_epi8(v, is_digit, digit, _mm512_set1_epi8(52));
    v = _mm512_mask_mov_epi8(v, is_minus, _mm512_set1_epi8(62));
    v = _mm512_mask_mov_epi8(v, is_line, _mm512_set1_epi8(63));
    *good = is_letter | is_small | is_digit | is_minus | is_line;
    return v;
}

// Four values in three octets, sixteen times, and zeros.
static inline __m512i joined(__m512i v)
{
    static const OCTETS triples = {
        TND__ALL(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 128, 128, 128, 128)};

    v = _mm512_maddubs_epi16(v, _mm512_set1_epi32(0x01400140)); // the first one 64 times
    v = _mm512_madd_epi16(v, _mm512_set1_epi32(0x00011000));    // the first two 4096 times
    v = _mm512_shuffle_epi8(v, (__m512i)triples);
    return _mm512_maskz_permutexvar_epi32(
        0x0fff, _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0), v);
}

static void from_base64url(const struct tnd_str text[], unsigned n, struct tnd_base64_octets out[])
{
    for (unsigned i = 0; i < n; i++) {
        size_t len = text[i].len, octets = TND_BASE64URL_OCTETS(len);
        __mmask64 bad = len % 4 == 1;

        for (size_t at = 0; at <= len; at += 64) {
            __mmask64 there = _bzhi_u64(~0ull, (unsigned)(len - at)), good;
            __m512i c = _mm512_maskz_loadu_epi8(there, text[i].p + at);
            c = _mm512_maskz_mov_epi8(there, values(c, &good));
            _mm512_storeu_si512(out[i].octet + at / 4 * 3, joined(c));
            bad |= there & ~good;
        }
        // Spare bits, which must be 0, are the next octet's highest.
        out[i].len = bad || out[i].octet[octets] ? 0 : (uint32_t)octets;
    }
}

const struct tnd_digits_kernel tnd_digits_avx512 = {
    .name = "avx512", .hex = hex, .base64url = base64url, .from_base64url = from_base64url};
