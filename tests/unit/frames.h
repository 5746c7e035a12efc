// Frames made octet by octet for tests, with checksums computed the slow, obvious way.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/addr.h"

struct frame_maker {
    uint8_t b[70000];
    size_t n;
};

static inline void fm_bytes(struct frame_maker *f, const void *p, size_t n)
{
    memcpy(f->b + f->n, p, n);
    f->n += n;
}

static inline void fm_u8(struct frame_maker *f, unsigned v)
{
    f->b[f->n++] = (uint8_t)v;
}

static inline void fm_u16(struct frame_maker *f, unsigned v)
{
    fm_u8(f, v >> 8 & 255);
    fm_u8(f, v & 255);
}

// RFC 1071 by its definition: 16-bit big-endian words, end-around carry.
static inline uint16_t naive_sum(const uint8_t *p, size_t n, uint32_t start)
{
    uint32_t sum = start;

    for (size_t i = 0; i < n; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
        while (sum > 0xffff)
            sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

// Sum of the pseudo-header (RFC 768, RFC 8200 s8.1).
static inline uint16_t naive_pseudo(const struct tnd_addr *src, const struct tnd_addr *dst,
                                    unsigned udp_len)
{
    uint8_t b[36] = {0};
    size_t n = src->family == 4 ? 4 : 16;

    memcpy(b, src->ip, n);
    memcpy(b + n, dst->ip, n);
    b[2 * n] = (uint8_t)(udp_len >> 8);
    b[2 * n + 1] = (uint8_t)udp_len;
    b[2 * n + 3] = 17;
    return naive_sum(b, 2 * n + 4, 0);
}

static inline struct tnd_addr addr_of(const char *text)
{
    struct tnd_addr a = {0};

    tnd_addr_parse(tnd_str_of(text), &a);
    a.transport = TND_TRANSPORT_UDP;
    return a;
}

static const uint8_t FM_OUR_MAC[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t FM_PEER_MAC[6] = {2, 0, 0, 0, 0, 2};

static inline void fm_ether(struct frame_maker *f, unsigned type)
{
    f->n = 0;
    fm_bytes(f, FM_OUR_MAC, 6);
    fm_bytes(f, FM_PEER_MAC, 6);
    fm_u16(f, type);
}

static inline void fm_tagged(struct frame_maker *f, unsigned tpid, unsigned tci, unsigned type)
{
    fm_ether(f, tpid);
    fm_u16(f, tci);
    fm_u16(f, type);
}

// An IPv4 header for `len` octets behind it; `options` is a multiple of 4.
static inline void fm_ipv4(struct frame_maker *f, const struct tnd_addr *src,
                           const struct tnd_addr *dst, size_t len, unsigned id, unsigned fragment,
                           size_t options)
{
    size_t at = f->n;

    fm_u8(f, 0x45 + options / 4);
    fm_u8(f, 0);
    fm_u16(f, 20 + options + len);
    fm_u16(f, id);
    fm_u16(f, fragment);
    fm_u8(f, 64);
    fm_u8(f, 17);
    fm_u16(f, 0);
    fm_bytes(f, src->ip, 4);
    fm_bytes(f, dst->ip, 4);
    for (size_t i = 0; i < options; i++)
        fm_u8(f, 1);
    uint16_t sum = (uint16_t)~naive_sum(f->b + at, 20 + options, 0);
    f->b[at + 10] = (uint8_t)(sum >> 8);
    f->b[at + 11] = (uint8_t)sum;
}

static inline void fm_ipv6(struct frame_maker *f, const struct tnd_addr *src,
                           const struct tnd_addr *dst, size_t len, unsigned next)
{
    fm_u16(f, 0x6000);
    fm_u16(f, 0);
    fm_u16(f, len);
    fm_u8(f, next);
    fm_u8(f, 64);
    fm_bytes(f, src->ip, 16);
    fm_bytes(f, dst->ip, 16);
}

enum fm_check { FM_FULL, FM_PARTIAL, FM_NONE, FM_WRONG };

static inline void fm_udp(struct frame_maker *f, const struct tnd_addr *src,
                          const struct tnd_addr *dst, const void *data, size_t len,
                          enum fm_check check)
{
    size_t at = f->n;

    fm_u16(f, src->port);
    fm_u16(f, dst->port);
    fm_u16(f, 8 + len);
    fm_u16(f, 0);
    fm_bytes(f, data, len);
    uint16_t pseudo = naive_pseudo(src, dst, (unsigned)(8 + len));
    uint16_t sum = (uint16_t)~naive_sum(f->b + at, 8 + len, pseudo);
    if (sum == 0)
        sum = 0xffff;
    if (check == FM_PARTIAL)
        sum = pseudo;
    else if (check == FM_NONE)
        sum = 0;
    else if (check == FM_WRONG)
        sum ^= 0x0100;
    f->b[at + 6] = (uint8_t)(sum >> 8);
    f->b[at + 7] = (uint8_t)sum;
}
