#include "sip/peek.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LOOK_MAX 4096 // octets; headers that begin beyond are rare, and only cost a parse

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Octets of the header's name at p: "Call-ID" or "i", in any case; 0: it is another one.
static size_t name_len(const char *p, const char *end)
{
    uint64_t first, wanted;

    if (end - p < 8)
        return 0;
    if (*p == 'i' || *p == 'I')
        return 1;
    memcpy(&first, p, sizeof first);
    memcpy(&wanted, "call-id", sizeof wanted); // its NUL stands for the octet that is any
    return ((tnd_lower8(first) ^ wanted) & 0x00ffffffffffffffULL) == 0 ? 7 : 0;
}

// The line that begins at p: whether it is the header, and then its value. No value, no header.
static bool read_line(const char *p, const char *end, struct tnd_str *value)
{
    size_t name = name_len(p, end);

    if (name == 0)
        return false;
    for (p += name; p < end && is_blank(*p); p++)
        ;
    if (p == end || *p++ != ':')
        return false;
    while (p < end && is_blank(*p))
        p++;
    value->p = p;
    p = memchr(p, '\n', (size_t)(end - p));
    if (!p)
        return false;
    while (p > value->p && (is_blank(p[-1]) || p[-1] == '\r'))
        p--;
    value->len = (size_t)(p - value->p);
    return value->len > 0;
}

struct tnd_str tnd_sip_peek_call_id(const char *data, size_t len)
{
    size_t at = 0, n = len < LOOK_MAX ? len : LOOK_MAX;
    const char *end = data + len;
    struct tnd_str value;

#ifdef __SSE2__
    // The 16 octets from `at` and those behind each: a line end before one of the two initials.
    const __m128i lf = _mm_set1_epi8('\n'), small = _mm_set1_epi8(0x20);
    const __m128i c = _mm_set1_epi8('c'), i = _mm_set1_epi8('i');
    for (; at + 17 <= n; at += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(data + at + 1));
        next = _mm_or_si128(next, small);
        next = _mm_or_si128(_mm_cmpeq_epi8(next, c), _mm_cmpeq_epi8(next, i));
        unsigned lines = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, lf), next));
        for (; lines; lines &= lines - 1)
            if (read_line(data + at + 1 + (unsigned)__builtin_ctz(lines), end, &value))
                return value;
    }
#endif
    for (; at < n; at++)
        if (data[at] == '\n' && read_line(data + at + 1, end, &value))
            return value;
    return (struct tnd_str){data, 0};
}
