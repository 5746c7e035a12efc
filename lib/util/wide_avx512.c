// The kernel for AVX-512: eight messages at a time, rotated by one instruction, and their texts
// laid out by loads that touch no octet but the text's.
#include <immintrin.h>

#define TND__VECTOR 64
#include "util/wide_vector.h"

#define STEP 32 // octets of each text at a time: four words

// Octets [from, from + STEP) of a text, behind its end zeros.
static inline __m256i part(struct tnd_str text, size_t from)
{
    size_t left = text.len > from ? text.len - from : 0;
    uintptr_t at =
        (uintptr_t)text.p + from; // no pointer: it may lie behind the text, or be of none

    return _mm256_maskz_loadu_epi8(_bzhi_u32(~0u, (unsigned)left), (const void *)at);
}

static inline __m512i two_parts(const struct tnd_str text[], unsigned a, unsigned b, size_t from)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(part(text[a], from)), part(text[b], from), 1);
}

static inline __m512i lowered(__m512i v)
{
    __mmask64 upper = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8('A')),
                                             _mm512_set1_epi8('Z' - 'A' + 1));

    return _mm512_mask_add_epi8(v, upper, v, _mm512_set1_epi8('a' - 'A'));
}

// Four words of each of eight texts: w[k] word k of all of them.
static inline void transpose(const __m512i row[4], __m512i w[4])
{
    __m512i low[2] = {_mm512_unpacklo_epi64(row[0], row[1]), _mm512_unpacklo_epi64(row[2], row[3])};
    __m512i high[2] = {_mm512_unpackhi_epi64(row[0], row[1]),
                       _mm512_unpackhi_epi64(row[2], row[3])};

    w[0] = _mm512_shuffle_i64x2(low[0], low[1], 0x88);
    w[1] = _mm512_shuffle_i64x2(high[0], high[1], 0x88);
    w[2] = _mm512_shuffle_i64x2(low[0], low[1], 0xdd);
    w[3] = _mm512_shuffle_i64x2(high[0], high[1], 0xdd);
}

static inline __m512i lengths(const struct tnd_str text[])
{
    _Static_assert(sizeof *text == 16 && offsetof(struct tnd_str, len) == 8, "each second word");
    return _mm512_permutex2var_epi64(_mm512_loadu_si512(text),
                                     _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15),
                                     _mm512_loadu_si512(text + 4));
}

static inline void lay_eight(struct tnd_wide *to, unsigned lane, unsigned at,
                             const struct tnd_str text[], bool lower)
{
    __m512i len = lengths(text);
    __m512i last = _mm512_add_epi64(_mm512_srli_epi64(len, 3), _mm512_set1_epi64(at));
    __m512i total = _mm512_slli_epi64(_mm512_add_epi64(len, _mm512_set1_epi64(8 * at)), 56);
    uint64_t most = (uint64_t)_mm512_reduce_max_epu64(len);

    _mm512_store_si512(&to->words[lane], _mm512_add_epi64(last, _mm512_set1_epi64(1)));
    for (size_t from = 0; from <= most; from += STEP) {
        // The order that transposing leaves natural.
        __m512i w[4], row[4] = {two_parts(text, 0, 2, from), two_parts(text, 1, 3, from),
                                two_parts(text, 4, 6, from), two_parts(text, 5, 7, from)};
        for (int i = 0; lower && i < 4; i++)
            row[i] = lowered(row[i]);
        transpose(row, w);
        for (unsigned k = 0; k < 4; k++, at++)
            _mm512_store_si512(
                &to->word[at][lane],
                _mm512_mask_or_epi64(w[k], _mm512_cmpeq_epi64_mask(last, _mm512_set1_epi64(at)),
                                     w[k], total));
    }
}

static void lay(struct tnd_wide *to, unsigned at, const struct tnd_str text[], bool lower,
                unsigned n)
{
    unsigned whole = n / LANES * LANES;
    struct tnd_str rest[LANES] = {{"", 0}};

    for (unsigned lane = 0; lane < whole; lane += LANES)
        lay_eight(to, lane, at, text + lane, lower);
    if (whole == n)
        return;
    for (unsigned i = 0; whole + i < n; i++)
        rest[i] = text[whole + i];
    lay_eight(to, whole, at, rest, lower);
}

const struct tnd_wide_kernel tnd_wide_avx512 = {
    .name = "avx512", .hash = hash, .hash_words = hash_words, .lay = lay};
