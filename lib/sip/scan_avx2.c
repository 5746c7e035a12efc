// The kernel for AVX2: two halves of a block, each octet classified by a shuffle.
#include <immintrin.h>

#include "sip/message.h"
#include "sip/scan_tables.h"

// For the low half of an octet a table holds one bit for each high half from 0 to 7: whether
// the octet is of the set. The high half selects the bit. Shuffles yield 0 for octets from 0x80
// up, so these are outside of every set here: tables of runs that go on over them (URI, VALUE,
// QUOTE) hold the octets that stop the run, the others (TOKEN, HOST) those that do not.
#define LOW(set, lo)                                                                          \
    (uint8_t)((set((lo)) ? 1 : 0) | (set(0x10 + (lo)) ? 2 : 0) | (set(0x20 + (lo)) ? 4 : 0) | \
              (set(0x30 + (lo)) ? 8 : 0) | (set(0x40 + (lo)) ? 16 : 0) |                      \
              (set(0x50 + (lo)) ? 32 : 0) | (set(0x60 + (lo)) ? 64 : 0) |                     \
              (set(0x70 + (lo)) ? 128 : 0))
#define TABLE(set)                                                                                 \
    {                                                                                              \
        LOW(set, 0), LOW(set, 1), LOW(set, 2), LOW(set, 3), LOW(set, 4), LOW(set, 5), LOW(set, 6), \
            LOW(set, 7), LOW(set, 8), LOW(set, 9), LOW(set, 10), LOW(set, 11), LOW(set, 12),       \
            LOW(set, 13), LOW(set, 14), LOW(set, 15)                                               \
    }

// Whether a run's table holds the octets it goes on over.
#define HOLDS_GOING(run) ((run) == TND_RUN_TOKEN || (run) == TND_RUN_HOST)

#define TWICE(set)             \
    {                          \
        TABLE(set), TABLE(set) \
    }

// Each table twice: shuffles work within 16 octets of a wider register.
static const uint8_t low_half[TND_RUN_COUNT][2][16] __attribute__((aligned(32))) = {
    [TND_RUN_TOKEN] = TWICE(TND__TOKEN),    [TND_RUN_URI] = TWICE(TND__NO_URI),
    [TND_RUN_VALUE] = TWICE(TND__NO_VALUE), [TND_RUN_HOST] = TWICE(TND__HOST),
    [TND_RUN_QUOTE] = TWICE(TND__NO_QUOTE),
};

#define HIGH                        \
    {                               \
        1, 2, 4, 8, 16, 32, 64, 128 \
    }

static const uint8_t high_half[2][16] __attribute__((aligned(32))) = {HIGH, HIGH};

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

    return _mm256_shuffle_epi8(table(high_half), half);
}

static inline __m256i outside(__m256i v, __m256i bit, __m256i low)
{
    return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(low, v), bit),
                             _mm256_setzero_si256());
}

TND__INLINE void whole(const char *block, struct tnd__masks *m)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)block);
    __m256i b = _mm256_loadu_si256((const __m256i *)(block + 32));
    __m256i bit_a = high_bit(a), bit_b = high_bit(b);

    m->lf = equal(a, b, '\n');
    m->cr = equal(a, b, '\r');
#pragma GCC unroll 8
    for (int run = 0; run < TND_RUN_COUNT; run++) {
        __m256i low = table(low_half[run]);
        uint64_t out = mask(outside(a, bit_a, low), outside(b, bit_b, low));

        m->stop[run] = HOLDS_GOING(run) ? out : ~out;
    }
}

TND__INLINE void part(const char *block, uint32_t len, struct tnd__masks *m)
{
    char copy[64] = {0};

    memcpy(copy, block, len);
    whole(copy, m);
}

// Of 32 octets: the CRs, and what is odd about any (tnd__ends_fn).
TND__INLINE __m256i half_ends(const char *p, __m256i *odd)
{
    const __m256i want_cr = _mm256_set1_epi8('\r');
    __m256i cr = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), want_cr);
    __m256i next = _mm256_loadu_si256((const __m256i *)(p + 1));
    __m256i lf = _mm256_cmpeq_epi8(next, _mm256_set1_epi8('\n'));
    __m256i after = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + 2)), want_cr);

    *odd = _mm256_or_si256(_mm256_xor_si256(cr, lf), _mm256_and_si256(cr, after));
    return cr;
}

TND__INLINE bool ends(const char *block, const struct tnd__masks *m, uint64_t *cr)
{
    __m256i odd_a, odd_b, a = half_ends(block, &odd_a), b = half_ends(block + 32, &odd_b);
    __m256i odd = _mm256_or_si256(odd_a, odd_b);

    (void)m;
    *cr = mask(a, b);
    return !_mm256_testz_si256(odd, odd);
}

TND_SCAN_KERNEL(avx2, whole, part, ends);
