// What a frame is: Ethernet, VLAN, IPv4 or IPv6, UDP (RFC 791, 8200, 768), over flat octets.
//
// A pure function: it knows neither listeners nor mbufs. Whether a destination is ours is the
// caller's (rx.c); so a fault in a frame is reported with whatever destination could be read,
// and is a drop only when that is ours: what is not SIP is the kernel's.
//
// - Priority tags (802.1p, VID 0) count as no tag. A frame of a VLAN is another network's, whose
//   interface is the kernel's (eth0.100): a punt, as it is there.
// - IPv4 options and IPv6 hop-by-hop (right behind the IP header), routing (nothing left to visit)
//   and destination options are skipped.
// - Checksums: IPv4's header, and UDP's over everything. A packet of a local peer (veth,
//   container) carries only the sum of the pseudo-header, since no wire is ever crossed and
//   nothing in the frame says so: such a partial sum is accepted. Zero is "none" in IPv4 and a
//   fault in IPv6.
// - A frame that is shorter than its IP length was cut by the capture ring.
//
// Threads: pure. Nothing here needs EAL.
// Cost:    the UDP checksum's one pass over the datagram; bench `route.stage.frame`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/verdict.h"
#include "util/addr.h"

enum tnd_frame_kind {
    TND_FRAME_PUNT = 0, // not for us to judge
    TND_FRAME_DATAGRAM, // whole: src, dst, data, len
    TND_FRAME_FRAGMENT, // src, dst (ports 0), data, len, id, offset, more, proto
    TND_FRAME_BAD,      // `drop` says why; dst holds, its port is 0 when it was not readable
};

struct tnd_frame {
    struct tnd_addr src, dst; // transport UDP
    const uint8_t *data;      // UDP payload; of a fragment what follows its IP headers
    uint32_t len;
    uint32_t id;     // fragment identification
    uint32_t offset; // in octets
    bool more;
    uint8_t proto; // header that the datagram's first fragment starts with
    uint8_t kind;  // enum tnd_frame_kind
    uint8_t drop;  // enum tnd_drop
    uint16_t vlan; // VID above 0 of either tag: a punt
};

// Read a frame.
// frame:    `len` readable octets; no more are touched.
// verify:   false when the port has verified the UDP checksum.
// Returns:  out->kind.
enum tnd_frame_kind tnd_frame_parse(const uint8_t *frame, size_t len, bool verify,
                                    struct tnd_frame *out);

// Go on with a reassembled datagram: `f` is any of its fragments (src and dst hold),
// `data` begins with the header `proto`. Fills the rest of `f` as tnd_frame_parse does.
enum tnd_frame_kind tnd_frame_reassembled(struct tnd_frame *f, uint8_t proto, const uint8_t *data,
                                          size_t len);
