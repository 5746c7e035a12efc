#include "dataplane/emit.h"

#include "util/sum.h"

#define IPV4_LEN     20
#define IPV6_LEN     40
#define FRAGMENT_LEN 8
#define UDP_LEN      8
#define IPV4_MTU_MIN 68
#define IPV6_MTU_MIN 1280
#define PROTO_UDP    17
#define PROTO_FRAG   44
#define IPV4_DF      0x4000
#define IPV4_MF      0x2000

static uint8_t *put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint8_t *put_ether(const struct tnd_emit *e, uint8_t *p)
{
    memcpy(p, e, 12); // both
    return put16(p + 12, e->dst.family == 4 ? 0x0800 : 0x86dd);
}

// len: octets after this header. fragment: flags and offset as on the wire.
static uint8_t *put_ipv4(const struct tnd_emit *e, uint8_t *p, uint32_t len, uint32_t id,
                         uint32_t fragment)
{
    uint32_t first = 0x4500u | (uint32_t)e->dscp << 2, life = TND_EMIT_TTL << 8 | PROTO_UDP;
    uint64_t sum = first + IPV4_LEN + len + id + fragment + life;

    // Summed from the values: to read back octets that have just been stored stalls.
    sum += be16(e->src.ip) + be16(e->src.ip + 2) + be16(e->dst.ip) + be16(e->dst.ip + 2);
    put16(p, first);
    put16(p + 2, IPV4_LEN + len);
    put16(p + 4, id);
    put16(p + 6, fragment);
    put16(p + 8, life);
    put16(p + 10, (uint16_t)~tnd_sum_fold(sum));
    memcpy(p + 12, e->src.ip, 4);
    memcpy(p + 16, e->dst.ip, 4);
    return p + IPV4_LEN;
}

static uint8_t *put_ipv6(const struct tnd_emit *e, uint8_t *p, uint32_t len, uint8_t proto)
{
    uint32_t class = (uint32_t)e->dscp << 2;

    p[0] = (uint8_t)(0x60 | class >> 4);
    p[1] = (uint8_t)(class << 4);
    p[2] = p[3] = 0;
    put16(p + 4, len);
    p[6] = proto;
    p[7] = TND_EMIT_TTL;
    memcpy(p + 8, e->src.ip, 16);
    memcpy(p + 24, e->dst.ip, 16);
    return p + IPV6_LEN;
}

// sum: the payload's.
static void put_udp(const struct tnd_emit *e, uint8_t *udp, uint32_t len, uint64_t sum)
{
    uint32_t total = UDP_LEN + len;
    size_t ip_len = e->dst.family == 4 ? 4 : 16;

    // The pseudo header and our own as values in wire order, the payload's in memory order.
    uint64_t header = (uint64_t)e->src.port + e->dst.port + total + total + PROTO_UDP;
    for (size_t i = 0; i < ip_len; i += 2)
        header += be16(e->src.ip + i) + be16(e->dst.ip + i);
    sum += __builtin_bswap16(tnd_sum_fold(header));
    uint16_t check = (uint16_t)~tnd_sum_fold(sum);
    put16(udp, e->src.port);
    put16(udp + 2, e->dst.port);
    put16(udp + 4, total);
    if (check == 0)
        check = 0xffff; // zero means "none" (RFC 768)
    memcpy(udp + 6, &check, 2);
}

void tnd_emit_udp(const struct tnd_emit *e, uint8_t *udp, uint32_t len)
{
    put_udp(e, udp, len, tnd_sum_active->of(udp + UDP_LEN, len));
}

uint32_t tnd__emit_summed_ipv6(const struct tnd_emit *e, uint8_t *frame, uint32_t len, uint64_t sum)
{
    uint8_t *p = put_ipv6(e, put_ether(e, frame), UDP_LEN + len, PROTO_UDP);

    put_udp(e, p, len, sum);
    return tnd_emit_overhead(e) + len;
}

uint32_t tnd_emit_whole(const struct tnd_emit *e, uint8_t *frame, uint32_t len)
{
    return tnd_emit_summed(e, frame, len, tnd_sum_active->of(frame + tnd_emit_overhead(e), len));
}

uint32_t tnd_emit_fragment(const struct tnd_emit *e, const uint8_t *udp, uint32_t len, uint32_t mtu,
                           uint32_t id, uint32_t k, uint8_t *frame)
{
    bool v4 = e->dst.family == 4;
    uint32_t least = v4 ? IPV4_MTU_MIN : IPV6_MTU_MIN;
    uint32_t headers = v4 ? IPV4_LEN : IPV6_LEN + FRAGMENT_LEN;
    uint32_t each = ((mtu < least ? least : mtu) - headers) & ~7u;
    uint64_t at = (uint64_t)k * each;

    if (at >= len)
        return 0;
    uint32_t offset = (uint32_t)at;
    uint32_t n = len - offset < each ? len - offset : each;
    bool more = offset + n < len;
    uint8_t *p = put_ether(e, frame);
    if (v4) {
        p = put_ipv4(e, p, n, id & 0xffff, (more ? IPV4_MF : 0) | offset / 8);
    } else {
        p = put_ipv6(e, p, FRAGMENT_LEN + n, PROTO_FRAG);
        p[0] = PROTO_UDP;
        p[1] = 0;
        p = put16(p + 2, offset | more);
        p = put16(p, id >> 16);
        p = put16(p, id & 0xffff);
    }
    memcpy(p, udp + offset, n);
    return (uint32_t)(p - frame) + n;
}

// Four Feistel rounds: a bijection whatever the round function is.
uint32_t tnd_emit_id(uint64_t key, uint32_t n, int bits)
{
    int half = bits / 2;
    uint32_t mask = (1u << half) - 1, left = n >> half & mask, right = n & mask;

    for (uint32_t round = 0; round < 4; round++) {
        uint64_t x = (key ^ right ^ (uint64_t)round << 32) * 0x9e3779b97f4a7c15ULL;
        x ^= x >> 29;
        x *= 0xbf58476d1ce4e5b9ULL;
        uint32_t next = left ^ ((uint32_t)(x >> 40) & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}
