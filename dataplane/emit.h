// Writing a datagram as frames: Ethernet, IPv4 or IPv6, UDP, whole or in fragments.
//
// A pure function over octets. UDP's checksum is always computed: no port is asked to, and a
// path that corrupts is found by its receiver. It costs 6 of a copy's 81 cycles (util/sum.h). A
// whole IPv4 packet leaves with DF set and id 0 (RFC 6864: atomic); a datagram above the MTU leaves
// in fragments, which no router may cut again in IPv6 and which may be cut again in IPv4.
//
// Threads: pure. Nothing here needs EAL.
// Cost:    headers, and one pass over the payload for the checksum while it is in the cache.
#pragma once

#include <endian.h>
#include <stdint.h>

#include "util/addr.h"
#include "util/sum.h"

#define TND_EMIT_TTL         64
#define TND_EMIT_HEADERS_MAX (14 + 40 + 8 + 8) // with IPv6's fragment header

struct tnd_emit {
    uint8_t dst_mac[6], src_mac[6]; // first, and as on the wire
    uint8_t dscp;
    struct tnd_addr src, dst; // of one family
};

// Octets before the payload of a whole frame.
static inline uint32_t tnd_emit_overhead(const struct tnd_emit *e)
{
    return 14 + (e->dst.family == 4 ? 20 : 40) + 8;
}

// Octets of the IP packet that carries `len` octets of payload.
static inline uint32_t tnd_emit_packet_len(const struct tnd_emit *e, uint32_t len)
{
    return (e->dst.family == 4 ? 20 : 40) + 8 + len;
}

// Write the headers of a whole frame around the payload, which lies already at
// frame + tnd_emit_overhead(e).
// Returns: the frame's length.
uint32_t tnd_emit_whole(const struct tnd_emit *e, uint8_t *frame, uint32_t len);

uint32_t tnd__emit_summed_ipv6(const struct tnd_emit *e, uint8_t *frame, uint32_t len,
                               uint64_t sum);

// IPv4 and UDP in words of memory order, each summed as it is stored: nothing is read back.
static inline void tnd__emit_ipv4(const struct tnd_emit *e, uint8_t *p, uint32_t len, uint64_t sum)
{
    uint32_t udp = 8 + len, src, dst;
    uint32_t version = htobe32(0x45000000u | (uint32_t)e->dscp << 18 | (20 + udp));
    uint32_t fragment = htobe32(0x4000), life = htobe32(TND_EMIT_TTL << 24 | 17 << 16);
    uint32_t ports = htobe32((uint32_t)e->src.port << 16 | e->dst.port);
    uint32_t pseudo = htobe32(17 << 16 | udp), length = htobe16((uint16_t)udp);

    memcpy(&src, e->src.ip, 4);
    memcpy(&dst, e->dst.ip, 4);
    uint64_t between = (uint64_t)src + dst;
    uint32_t ip_check = (uint16_t)~tnd_sum_fold(between + version + fragment + life);
    uint32_t check = (uint16_t)~tnd_sum_fold(sum + between + pseudo + ports + length);
    if (check == 0)
        check = 0xffff; // zero means "none" (RFC 768)
    uint64_t first = version | (uint64_t)fragment << 32;
    uint64_t second = life | ip_check << 16 | (uint64_t)src << 32;
    uint64_t third = dst | (uint64_t)ports << 32;
    uint32_t last = length | check << 16;
    memcpy(p, &first, 8);
    memcpy(p + 8, &second, 8);
    memcpy(p + 16, &third, 8);
    memcpy(p + 24, &last, 4);
}

// The same, the payload's sum (util/sum.h) being known: the payload is not read.
static inline uint32_t tnd_emit_summed(const struct tnd_emit *e, uint8_t *frame, uint32_t len,
                                       uint64_t sum)
{
    uint16_t type = htobe16(0x0800);

    if (e->dst.family != 4)
        return tnd__emit_summed_ipv6(e, frame, len, sum);
    memcpy(frame, e, 12); // both MACs
    memcpy(frame + 12, &type, 2);
    tnd__emit_ipv4(e, frame + 14, len, sum);
    return tnd_emit_overhead(e) + len;
}

// Write the UDP header in front of the payload at udp + 8, before cutting it in fragments.
void tnd_emit_udp(const struct tnd_emit *e, uint8_t *udp, uint32_t len);

// Write fragment `k` of the datagram `udp` (header included, `len` octets) for `mtu`.
// frame:    room for tnd_emit_overhead(e) + mtu octets.
// Returns:  the frame's length, or 0 when the datagram has no fragment k.
uint32_t tnd_emit_fragment(const struct tnd_emit *e, const uint8_t *udp, uint32_t len, uint32_t mtu,
                           uint32_t id, uint32_t k, uint8_t *frame);

// The n-th identification: a permutation keyed with `key`, so that ids neither repeat before
// they must nor can be foretold (RFC 7739). bits: 16 or 32.
uint32_t tnd_emit_id(uint64_t key, uint32_t n, int bits);
