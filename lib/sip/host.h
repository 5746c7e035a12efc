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

// Parse the IPv6 address in brackets at `at`. Returns: as tnd__host_any.
size_t tnd__ipv6_reference(const char *base, size_t at, size_t end, struct tnd_addr *ip);

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

// What tnd__quad_lanes computes with. Not here for the compiler to see, which makes such constants
// of three instructions each; as they are, each is an operand in memory.
enum {
    TND__Q_DOT,
    TND__Q_NULL,
    TND__Q_LANE,
    TND__Q_BACK,
    TND__Q_WEIGHT,
    TND__Q_ONE,
    TND__Q_LEAST,
    TND__Q_LONGEST,
    TND__Q_NINE,
    TND__Q_LOW,
    TND__Q_MOST,
    TND__Q_VALUE,
    TND__Q_COUNT
};
extern const uint8_t tnd__quad_constants[TND__Q_COUNT][16] __attribute__((visibility("hidden")));

#ifdef __AVX2__
// As tnd__quad. The digits of each part go to the end of their lane of four octets.
TND__INLINE bool tnd__quad_lanes(const char *p, unsigned len, struct tnd_addr *ip)
{
    const __m128i *k = (const __m128i *)tnd__quad_constants;
    __m128i text = _mm_loadu_si128((const __m128i *)p), ends, starts, from, digits, value, gap, bad;
    unsigned first = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, k[TND__Q_DOT])), second,
             third, end;

    first &= (1u << len) - 1;
    second = first & (first - 1);
    third = second & (second - 1);
    if (tnd__unlikely(third == 0 || (third & (third - 1)) != 0))
        return false; // not three dots
    end = (unsigned)__builtin_ctz(first) | (unsigned)__builtin_ctz(second) << 8 |
          (unsigned)__builtin_ctz(third) << 16 | len << 24;
    ends = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)end), k[TND__Q_LANE]);
    starts =
        _mm_shuffle_epi8(_mm_cvtsi32_si128((int)(end << 8 | 0xff)), k[TND__Q_LANE]); // less one
    from = _mm_add_epi8(ends, k[TND__Q_BACK]);
    digits = _mm_sub_epi8(_mm_shuffle_epi8(text, from), k[TND__Q_NULL]);
    digits = _mm_and_si128(digits, _mm_cmpgt_epi8(from, starts));
    value = _mm_madd_epi16(_mm_maddubs_epi16(digits, k[TND__Q_WEIGHT]), k[TND__Q_ONE]);
    gap = _mm_sub_epi8(ends, starts);
    bad =
        _mm_or_si128(_mm_cmpgt_epi8(gap, k[TND__Q_LONGEST]), _mm_subs_epu8(digits, k[TND__Q_NINE]));
    gap = _mm_and_si128(gap, k[TND__Q_LOW]);
    bad = _mm_or_si128(bad, _mm_cmpgt_epi32(_mm_shuffle_epi8(k[TND__Q_LEAST], gap), value));
    bad = _mm_or_si128(bad, _mm_cmpgt_epi32(value, k[TND__Q_MOST]));
    if (tnd__unlikely(!_mm_testz_si128(bad, bad)))
        return false;
    end = (unsigned)_mm_cvtsi128_si32(_mm_shuffle_epi8(value, k[TND__Q_VALUE]));
    memcpy(ip->ip, &end, sizeof end);
    ip->family = 4;
    return true;
}
#endif

// Parse a dotted quad of `len` characters of host names, at most 15; TND__ROOM octets from `p`
// on may be read. Returns: false when it is none, which the long way may see differently.
static __attribute__((noinline, unused)) bool tnd__quad(const char *p, unsigned len,
                                                        struct tnd_addr *ip)
{
#ifdef __AVX2__
    return tnd__quad_lanes(p, len, ip);
#else
    return tnd__quad_plain(p, len, ip);
#endif
}

// Whether two dots stand side by side in the `len` octets at `p`, or may, in what follows behind
// them; TND__ROOM octets behind them may be read.
TND__INLINE bool tnd__maybe_empty_label(const char *p, size_t len)
{
#ifdef __AVX2__
    const __m256i dot = _mm256_set1_epi8('.');
    uint32_t dots;

    // Nothing pairs with the last octet. No loop: what is longer is rare.
    if (tnd__likely(len <= 17))
        dots = (uint32_t)_mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), _mm256_castsi256_si128(dot)));
    else if (len <= 33)
        dots = (uint32_t)_mm256_movemask_epi8(
            _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), dot));
    else
        return true;
    return (dots & dots >> 1) != 0;
#else
    for (size_t at = 0; at + 1 < len; at += 7) {
        uint64_t x = tnd__load8(p + at) ^ TND__EACH('.');

        x = ~(((x & TND__EACH(0x7f)) + TND__EACH(0x7f)) | x) & TND__EACH(0x80);
        if (x & x >> 8)
            return true;
    }
    return false;
#endif
}

// Whether [at, end), the run of characters of hosts at `at`, is a host; TND__ROOM octets behind
// it may be read. Returns: false when only the long way can tell.
TND__INLINE bool tnd__plain_host(const char *d, size_t at, size_t end, struct tnd_addr *ip)
{
    if ((uint8_t)(d[at] - '0') <= 9)
        return end - at <= 15 && tnd__quad(d + at, (unsigned)(end - at), ip);
    // A name: no label is empty, and not all of it are digits.
    return end > at && d[at] != '.' && !tnd__maybe_empty_label(d + at, end - at);
}

// As tnd__host_any with the port behind it, if there is one, for the common forms in a value that
// has room. Returns: offset after both, or 0 when only the long way can tell.
TND__INLINE size_t tnd__host_port(struct tnd__text t, size_t at, size_t end, struct tnd_span *host,
                                  struct tnd_addr *ip, uint16_t *port)
{
    uint64_t stops = tnd__stops(t, TND_RUN_HOST, at);
    size_t p, q;

    if (tnd__unlikely(stops == 0))
        return 0;
    p = at + tnd__first(stops);
    if (tnd__unlikely(!tnd__plain_host(t.d, at, p, ip))) {
        p = t.d[at] == '[' ? tnd__ipv6_reference(t.d, at, end, ip) : 0;
        if (p == 0 || p - at >= 64)
            return 0;
        stops = tnd__stops(t, TND_RUN_HOST, p) << (p - at); // its own colons are none
    }
    *host = tnd__span(at, p);
    if (t.d[p] != ':')
        return p;
    stops = tnd__but_first(stops);
    if (tnd__unlikely(stops == 0))
        return 0;
    q = at + tnd__first(stops);
    return tnd__port(t.d + p + 1, q - p - 1, port) ? q : 0;
}
