// Hosts: names and IPv4 addresses here, the rest and IPv6 references in uri.c.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/lex.h"

// Parse a dotted quad that is the whole of `s`; the same verdict as tnd_addr_parse_ip's.
bool tnd__ipv4(const char *base, struct tnd_span s, struct tnd_addr *out);

// Parse the host at `at`: name, IPv4 address or bracketed IPv6 address.
// ip: all zero; filled when it is an address.
// Returns: offset after the host, or 0 when malformed.
size_t tnd__host_any(const struct tnd__text *t, size_t at, size_t end, struct tnd_addr *ip);

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

// Parse a dotted quad of `len` characters of host names, at most 15; TND__ROOM octets from `p`
// on may be read. Returns: false when it is none, which the long way may see differently.
TND__INLINE bool tnd__quad(const char *p, unsigned len, struct tnd_addr *ip)
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

// Whether two dots stand side by side in [at, end), or may, in what follows behind it.
TND__INLINE bool tnd__maybe_empty_label(const char *d, size_t at, size_t end)
{
    for (; at < end; at += 7) {
        uint64_t x = tnd__load8(d + at) ^ TND__EACH('.');

        x = ~(((x & TND__EACH(0x7f)) + TND__EACH(0x7f)) | x) & TND__EACH(0x80);
        if (x & x >> 8)
            return true;
    }
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
TND__INLINE size_t tnd__host(const struct tnd__text *t, size_t at, struct tnd_addr *ip)
{
    size_t end = tnd_scan_find(t->maps, TND_RUN_HOST, at);

    return tnd__plain_host(t->d, at, end, ip) ? end : 0;
}
