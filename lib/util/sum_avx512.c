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

struct sums {
    __m512i low, high; // of the halves of 64-bit words
};

static inline void add(struct sums *s, __m512i v)
{
    s->low = _mm512_add_epi64(s->low, _mm512_and_si512(v, _mm512_set1_epi64(0xffffffff)));
    s->high = _mm512_add_epi64(s->high, _mm512_srli_epi64(v, 32));
}

// Each line of 64 octets where they are sent is put together in a register and stored once: a
// piece that ends in a line is blended behind the one before it. Stores that cross lines, as one
// for each piece would, cost more than all the rest; and a line is summed as it lies.
static uint64_t gather(char *out, const struct tnd_str piece[], unsigned n)
{
    size_t at = (uintptr_t)out % 64, len;
    char *line = out - at;
    __mmask64 ours = ~0ULL << at; // of the first line
    struct sums sums = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i v = _mm512_setzero_si512();

    for (const struct tnd_str *end = piece + n; piece != end; piece++) {
        const char *p = piece->p, *from = (const char *)((uintptr_t)p - at);
        len = piece->len;
        at += len;
        if (at < 64) {
            v = _mm512_mask_loadu_epi8(v, first(len) << (at - len), from);
            continue;
        }
        v = _mm512_mask_loadu_epi8(v, ~0ULL << (at - len), from);
        _mm512_mask_storeu_epi8(line, ours, v);
        add(&sums, v);
        ours = ~0ULL;
        line += 64;
        p += len - (at - 64);
        for (at -= 64; at >= 64; at -= 64, p += 64, line += 64) {
            v = _mm512_loadu_si512(p);
            _mm512_store_si512(line, v);
            add(&sums, v);
        }
        v = _mm512_maskz_loadu_epi8(first(at), p);
    }
    _mm512_mask_storeu_epi8(line, _bzhi_u64(ours, (unsigned)at), v);
    add(&sums, v);
    uint64_t sum = (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(sums.low, sums.high));
    return (uintptr_t)out % 2 ? tnd_sum_odd(sum) : sum;
}

const struct tnd_sum_kernel tnd_sum_avx512 = {.name = "avx512", .of = of, .gather = gather};
