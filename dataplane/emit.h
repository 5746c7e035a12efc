// Writing a datagram as frames: Ethernet, IPv4 or IPv6, UDP, whole or in fragments.
//
// A pure function over octets. UDP's checksum is always computed: no port is asked to, and a
// path that corrupts is found by its receiver. A whole IPv4 packet leaves with DF set and id 0
// (RFC 6864: atomic); a datagram above the MTU leaves in fragments, which no router may cut
// again in IPv6 and which may be cut again in IPv4.
//
// Threads: pure. Nothing here needs EAL.
// Cost:    headers, and one pass over the payload for the checksum while it is in the cache.
#pragma once

#include <stdint.h>

#include "util/addr.h"

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

// The same, the payload's sum (util/sum.h) being known: the payload is not read.
uint32_t tnd_emit_summed(const struct tnd_emit *e, uint8_t *frame, uint32_t len, uint64_t sum);

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
