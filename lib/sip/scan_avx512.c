// The kernel for AVX-512 (BW): a block in one register, tests that yield masks.
#include <immintrin.h>

#include "sip/message.h"
#include "sip/scan_tables.h"

static inline __m512i table(const uint8_t (*t)[16])
{
    return _mm512_load_si512(t);
}

static inline __attribute__((always_inline)) void classify(__m512i v, struct tnd__masks *m)
{
    __m512i half = _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
    __m512i bit = _mm512_shuffle_epi8(table(tnd__high), half); // 0 from 0x80 up

    m->lf = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
    m->cr = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r'));
#pragma GCC unroll 8
    for (int run = 0; run < TND_RUN_COUNT; run++) {
        __m512i in = _mm512_shuffle_epi8(table(tnd__low[run]), v);

        m->stop[run] = TND__RUN_HOLDS_GOING(run) ? _mm512_testn_epi8_mask(in, bit)
                                                 : _mm512_test_epi8_mask(in, bit);
    }
}

static inline __attribute__((always_inline)) void whole(const char *block, struct tnd__masks *m)
{
    classify(_mm512_loadu_si512(block), m);
}

static inline __attribute__((always_inline)) void part(const char *block, uint32_t len,
                                                       struct tnd__masks *m)
{
    classify(_mm512_maskz_loadu_epi8(_cvtu64_mask64((1ULL << len) - 1), block), m);
}

TND_SCAN_KERNEL(avx512, whole, part);
