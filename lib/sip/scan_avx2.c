// The kernel for AVX2: two halves of a block, each octet classified by a shuffle.
#include <immintrin.h>

#include "sip/message.h"
#include "sip/scan_tables.h"

static inline __m256i table(const uint8_t (*t)[16])
{
    return _mm256_load_si256((const __m256i *)t);
}

static inline uint64_t mask(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

static inline uint64_t equal(__m256i a, __m256i b, char c)
{
    __m256i want = _mm256_set1_epi8(c);

    return mask(_mm256_cmpeq_epi8(a, want), _mm256_cmpeq_epi8(b, want));
}

// The bit that stands for the high half of each octet; 0 from 0x80 up.
static inline __m256i high_bit(__m256i v)
{
    __m256i half = _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));

    return _mm256_shuffle_epi8(table(tnd__high), half);
}

static inline __m256i outside(__m256i v, __m256i bit, __m256i low)
{
    return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(low, v), bit),
                             _mm256_setzero_si256());
}

static inline __attribute__((always_inline)) void whole(const char *block, struct tnd__masks *m)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)block);
    __m256i b = _mm256_loadu_si256((const __m256i *)(block + 32));
    __m256i bit_a = high_bit(a), bit_b = high_bit(b);

    m->lf = equal(a, b, '\n');
    m->cr = equal(a, b, '\r');
#pragma GCC unroll 8
    for (int run = 0; run < TND_RUN_COUNT; run++) {
        __m256i low = table(tnd__low[run]);
        uint64_t out = mask(outside(a, bit_a, low), outside(b, bit_b, low));

        m->stop[run] = TND__RUN_HOLDS_GOING(run) ? out : ~out;
    }
}

static inline __attribute__((always_inline)) void part(const char *block, uint32_t len,
                                                       struct tnd__masks *m)
{
    char copy[64] = {0};

    memcpy(copy, block, len);
    whole(copy, m);
}

TND_SCAN_KERNEL(avx2, whole, part);
