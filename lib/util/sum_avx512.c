// The kernel for AVX-512 (BW): blocks of 64 octets, the last one of a text under a mask.
#include <immintrin.h>

#include "util/sum.h"

// 32-bit words in 64 bits: no carry is lost below 2^31 blocks.
static inline __m512i halves(__m512i v)
{
    return _mm512_add_epi64(_mm512_and_si512(v, _mm512_set1_epi64(0xffffffff)),
                            _mm512_srli_epi64(v, 32));
}

static inline __mmask64 first(size_t n)
{
    return _bzhi_u64(~0ULL, (unsigned)n); // 64: all
}

static uint64_t of(const void *data, size_t len)
{
    const char *p = data;
    __m512i a = _mm512_setzero_si512(), b = a;

    for (; len > 128; len -= 128, p += 128) {
        a = _mm512_add_epi64(a, halves(_mm512_loadu_si512(p)));
        b = _mm512_add_epi64(b, halves(_mm512_loadu_si512(p + 64)));
    }
    if (len > 64) {
        a = _mm512_add_epi64(a, halves(_mm512_loadu_si512(p)));
        p += 64;
        len -= 64;
    }
    b = _mm512_add_epi64(b, halves(_mm512_maskz_loadu_epi8(first(len), p)));
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(a, b));
}

static uint64_t gather(char *out, const struct tnd_str piece[], unsigned n)
{
    const char *begin = out;
    __m512i even = _mm512_setzero_si512(), odd = even;

    for (unsigned i = 0; i < n; i++) {
        const char *p = piece[i].p;
        size_t len = piece[i].len;
        __mmask8 at_odd = (__mmask8) - ((out - begin) & 1);
        __m512i sum = _mm512_setzero_si512(), v;

        for (; len > 64; len -= 64, p += 64, out += 64) {
            v = _mm512_loadu_si512(p);
            _mm512_storeu_si512(out, v);
            sum = _mm512_add_epi64(sum, halves(v));
        }
        v = _mm512_maskz_loadu_epi8(first(len), p);
        _mm512_mask_storeu_epi8(out, first(len), v);
        out += len;
        sum = _mm512_add_epi64(sum, halves(v));
        even = _mm512_mask_add_epi64(even, (__mmask8)~at_odd, even, sum);
        odd = _mm512_mask_add_epi64(odd, at_odd, odd, sum);
    }
    return (uint64_t)_mm512_reduce_add_epi64(even) +
           tnd_sum_odd((uint64_t)_mm512_reduce_add_epi64(odd));
}

const struct tnd_sum_kernel tnd_sum_avx512 = {.name = "avx512", .of = of, .gather = gather};
