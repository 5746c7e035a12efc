// The kernel for AVX2: blocks of 32 octets, what is left of a text in words.
#include <immintrin.h>

#include "util/sum.h"

// 32-bit words in 64 bits: no carry is lost below 2^31 blocks.
static inline __m256i halves(__m256i v)
{
    return _mm256_add_epi64(_mm256_and_si256(v, _mm256_set1_epi64x(0xffffffff)),
                            _mm256_srli_epi64(v, 32));
}

static inline uint64_t total(__m256i v)
{
    __m128i s = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    return (uint64_t)_mm_extract_epi64(s, 0) + (uint64_t)_mm_extract_epi64(s, 1);
}

static uint64_t of(const void *data, size_t len)
{
    const char *p = data;
    __m256i a = _mm256_setzero_si256(), b = a;

    for (; len >= 64; len -= 64, p += 64) {
        a = _mm256_add_epi64(a, halves(_mm256_loadu_si256((const __m256i *)(const void *)p)));
        b = _mm256_add_epi64(b,
                             halves(_mm256_loadu_si256((const __m256i *)(const void *)(p + 32))));
    }
    return tnd_sum_add(total(_mm256_add_epi64(a, b)), p, len);
}

// Copy less than 32 octets. Returns: their sum.
static inline uint64_t copy_rest(char *out, const char *p, size_t len)
{
    uint64_t w, sum = 0;
    uint32_t half;

    for (; len >= 8; len -= 8, p += 8, out += 8) {
        memcpy(&w, p, sizeof w);
        memcpy(out, &w, sizeof w);
        sum += (uint32_t)w + (w >> 32);
    }
    if (len & 4) {
        memcpy(&half, p, sizeof half);
        memcpy(out, &half, sizeof half);
        sum += half;
        p += 4;
        out += 4;
    }
    if (len & 2) {
        uint16_t two;
        memcpy(&two, p, sizeof two);
        memcpy(out, &two, sizeof two);
        sum += two;
        p += 2;
        out += 2;
    }
    if (len & 1) {
        *out = *p;
        sum += (uint8_t)*p;
    }
    return sum;
}

static uint64_t gather(char *out, const struct tnd_str piece[], unsigned n)
{
    const char *begin = out;
    uint64_t even = 0, odd = 0;

    for (unsigned i = 0; i < n; i++) {
        const char *p = piece[i].p;
        size_t len = piece[i].len;
        bool at_odd = (out - begin) & 1;
        __m256i sum = _mm256_setzero_si256();

        for (; len >= 32; len -= 32, p += 32, out += 32) {
            __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
            _mm256_storeu_si256((__m256i *)(void *)out, v);
            sum = _mm256_add_epi64(sum, halves(v));
        }
        uint64_t all = total(sum) + copy_rest(out, p, len);
        out += len;
        even += at_odd ? 0 : all;
        odd += at_odd ? all : 0;
    }
    return even + tnd_sum_odd(odd);
}

const struct tnd_sum_kernel tnd_sum_avx2 = {.name = "avx2", .of = of, .gather = gather};
