// Hosts: names and IPv4 addresses here, the rest and IPv6 references in uri.c.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/lex.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

// Parse a dotted quad that is the whole of `s`; the same verdict as tnd_addr_parse_ip's.
bool tnd__ipv4(const char *base, struct tnd_span s, struct tnd_addr *out);

// Parse the host at `at`: name, IPv4 address or bracketed IPv6 address.
// ip: all zero; filled when it is an address.
// Returns: offset after the host, or 0 when malformed.
size_t tnd__host_any(struct tnd__text t, size_t at, size_t end, struct tnd_addr *ip);

#define TND__EACH(b) (0x0101010101010101ULL * (b))

// Bit i: whether octet i of the eight at `p` is a dot. For octets below 0x80.
TND__INLINE unsigned tnd__dots_of(const char *p)
{
    uint64_t x = tnd__load8(p) ^ TND__EACH('.');

    x = ~(x + TND__EACH(0x7f)) & TND__EACH(0x80);
    return (unsigned)(((x >> 7) * 0x0102040810204080ULL) >> 56);
}

// Read one to three digits. Returns: the number, above 255 when they are none of a dotted quad.
TND__INLINE unsigned tnd__quad_part(const char *p, unsigned len)
{
    static const uint8_t least[4] = {0, 0, 10, 100}; // a leading zero means octal to some
    uint32_t w, v;

    if (len - 1 > 2)
        return 256;
    w = (tnd__load4(p) ^ 0x30303030) << (8 * (4 - len)); // the digits are the upper octets
    v = (w >> 8 & 0xff) * 100 + (w >> 16 & 0xff) * 10 + (w >> 24);
    return ((w + 0x76767676) & 0x80808080) || v < least[len] ? 256 : v;
}

// As tnd__quad.
TND__INLINE bool tnd__quad_plain(const char *p, unsigned len, struct tnd_addr *ip)
{
    unsigned dots = (tnd__dots_of(p) | tnd__dots_of(p + 8) << 8) & ((1u << len) - 1);
    unsigned first, second, third, a, b, c, d;

    if (__builtin_popcount(dots) != 3)
        return false;
    first = (unsigned)__builtin_ctz(dots);
    dots &= dots - 1;
    second = (unsigned)__builtin_ctz(dots);
    third = 31 - (unsigned)__builtin_clz(dots);
    a = tnd__quad_part(p, first);
    b = tnd__quad_part(p + first + 1, second - first - 1);
    c = tnd__quad_part(p + second + 1, third - second - 1);
    d = tnd__quad_part(p + third + 1, len - third - 1);
    if ((a | b | c | d) > 255)
        return false;
    ip->ip[0] = (uint8_t)a;
    ip->ip[1] = (uint8_t)b;
    ip->ip[2] = (uint8_t)c;
    ip->ip[3] = (uint8_t)d;
    ip->family = 4;
    return true;
}

#ifdef __AVX2__
// As tnd__quad. The digits of each part go to the end of their lane of four octets.
TND__INLINE bool tnd__quad_lanes(const char *p, unsigned len, struct tnd_addr *ip)
{
    const __m128i lane = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m128i back = _mm_set1_epi32((int)0x80fffefd); // three, two, one before the end; none
    const __m128i weight = _mm_set1_epi32(0x00010a64);    // 100, 10, 1
    // By length plus one: a leading zero means octal to some, and no part is empty.
    const __m128i least = _mm_setr_epi8(0, -1, 0, 10, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    __m128i text = _mm_loadu_si128((const __m128i *)p), ends, starts, from, digits, value, gap, bad;
    unsigned dots = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.'))), end;

    dots &= (1u << len) - 1;
    if (__builtin_popcount(dots) != 3)
        return false;
    end = (unsigned)__builtin_ctz(dots) | len << 24;
    dots &= dots - 1;
    end |= (unsigned)__builtin_ctz(dots) << 8 | (unsigned)__builtin_ctz(dots & (dots - 1)) << 16;
    ends = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)end), lane);
    starts = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)(end << 8 | 0xff)), lane); // less one
    from = _mm_add_epi8(ends, back);
    digits = _mm_sub_epi8(_mm_shuffle_epi8(text, from), _mm_set1_epi8('0'));
    digits = _mm_and_si128(digits, _mm_cmpgt_epi8(from, starts));
    value = _mm_madd_epi16(_mm_maddubs_epi16(digits, weight), _mm_set1_epi16(1));
    gap = _mm_sub_epi8(ends, starts);
    bad = _mm_or_si128(_mm_cmpgt_epi8(gap, _mm_set1_epi8(4)),
                       _mm_subs_epu8(digits, _mm_set1_epi8(9)));
    gap = _mm_and_si128(gap, _mm_set1_epi32(0xff));
    bad = _mm_or_si128(bad, _mm_cmpgt_epi32(_mm_shuffle_epi8(least, gap), value));
    bad = _mm_or_si128(bad, _mm_cmpgt_epi32(value, _mm_set1_epi32(255)));
    if (!_mm_testz_si128(bad, bad))
        return false;
    end = (unsigned)_mm_cvtsi128_si32(_mm_shuffle_epi8(value, _mm_set1_epi32(0x0c080400)));
    memcpy(ip->ip, &end, sizeof end);
    ip->family = 4;
    return true;
}
#endif

// Parse a dotted quad of `len` characters of host names, at most 15; TND__ROOM octets from `p`
// on may be read. Returns: false when it is none, which the long way may see differently.
TND__INLINE bool tnd__quad(const char *p, unsigned len, struct tnd_addr *ip)
{
#ifdef __AVX2__
    return tnd__quad_lanes(p, len, ip);
#else
    return tnd__quad_plain(p, len, ip);
#endif
}

// Whether two dots stand side by side in [at, end), or may, in what follows behind it.
TND__INLINE bool tnd__maybe_empty_label(const char *d, size_t at, size_t end)
{
#ifdef __AVX2__
    for (; at < end; at += 15) {
        __m128i text = _mm_loadu_si128((const __m128i *)(d + at));
        int dots = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));

        if (dots & dots >> 1)
            return true;
    }
#else
    for (; at < end; at += 7) {
        uint64_t x = tnd__load8(d + at) ^ TND__EACH('.');

        x = ~(((x & TND__EACH(0x7f)) + TND__EACH(0x7f)) | x) & TND__EACH(0x80);
        if (x & x >> 8)
            return true;
    }
#endif
    return false;
}

// Whether [at, end), the run of characters of hosts at `at`, is a host; TND__ROOM octets behind
// it may be read. Returns: false when only the long way can tell.
TND__INLINE bool tnd__plain_host(const char *d, size_t at, size_t end, struct tnd_addr *ip)
{
    if ((uint8_t)(d[at] - '0') <= 9)
        return end - at <= 15 && tnd__quad(d + at, (unsigned)(end - at), ip);
    // A name: no label is empty, and not all of it are digits.
    return end > at && d[at] != '.' && !tnd__maybe_empty_label(d, at, end);
}

// As tnd__host_any, for the common forms in a value that has room.
// Returns: offset after the host, or 0 when only the long way can tell.
TND__INLINE size_t tnd__host(struct tnd__text t, size_t at, struct tnd_addr *ip)
{
    size_t end = tnd_scan_find(t.maps, TND_RUN_HOST, at);

    return tnd__plain_host(t.d, at, end, ip) ? end : 0;
}
