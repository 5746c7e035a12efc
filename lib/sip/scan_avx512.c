// The kernel for AVX-512 (VBMI): a block in one register, each octet looked up in a table of 128.
#include <immintrin.h>

#include "sip/message.h"
#include "sip/scan_tables.h"

// What an octet stops: a bit for each kind of run.
#define BIT(run, stops) ((stops) ? 0x80 >> TND_RUN_##run : 0)
#define CLASS(c)                                                                            \
    (BIT(TOKEN, !TND__TOKEN(c)) | BIT(URI, TND__NO_URI(c)) | BIT(VALUE, TND__NO_VALUE(c)) | \
     BIT(HOST, !TND__HOST(c)) | BIT(QUOTE, TND__NO_QUOTE(c)))
#define FOUR(c)    CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)

// By octet from 1 to 0x7f. What all octets from 0x80 up stop is in the place of 0, and 0 is looked
// up as 1, another control.
static const uint8_t classes[128] __attribute__((aligned(64))) = {
    BIT(TOKEN, 1) | BIT(HOST, 1),
    CLASS(1),
    CLASS(2),
    CLASS(3),
    FOUR(4),
    FOUR(8),
    FOUR(12),
    SIXTEEN(16),
    SIXTEEN(32),
    SIXTEEN(48),
    SIXTEEN(64),
    SIXTEEN(80),
    SIXTEEN(96),
    SIXTEEN(112),
};

TND__INLINE void classify(__m512i v, struct tnd__masks *m)
{
    const __m512i one = _mm512_set1_epi8(1), upper = _mm512_set1_epi8((char)0x80);
    __m512i octet = _mm512_min_epu8(_mm512_max_epu8(v, one), upper);
    __m512i class = _mm512_permutex2var_epi8(_mm512_load_si512(classes), octet,
                                             _mm512_load_si512(classes + 64));

    m->lf = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
    m->cr = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r'));
    m->stop[0] = _mm512_movepi8_mask(class); // its bit is the sign, and this is for another port
#pragma GCC unroll 8
    for (int run = 1; run < TND_RUN_COUNT; run++)
        m->stop[run] = _mm512_test_epi8_mask(class, _mm512_set1_epi8((char)(0x80 >> run)));
}

TND__INLINE bool ends(const char *block, const struct tnd__masks *m, uint64_t *cr)
{
    const __m512i want_cr = _mm512_set1_epi8('\r');
    __mmask64 here = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(block), want_cr);
    __mmask64 lf = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(block + 1), _mm512_set1_epi8('\n'));
    __mmask64 after = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(block + 2), want_cr);

    (void)m;
    *cr = here;
    return !_kortestz_mask64_u8(_kxor_mask64(here, lf), _kand_mask64(here, after));
}

TND__INLINE void whole(const char *block, struct tnd__masks *m)
{
    classify(_mm512_loadu_si512(block), m);
}

TND__INLINE void part(const char *block, uint32_t len, struct tnd__masks *m)
{
    classify(_mm512_maskz_loadu_epi8(_cvtu64_mask64((1ULL << len) - 1), block), m);
}

TND_SCAN_KERNEL(avx512, whole, part, ends);
