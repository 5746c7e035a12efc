// Reassembly of IPv4 and IPv6 fragments (RFC 791, RFC 8200 s4.5), bounded in everything.
//
// A fragment's octets are copied to their place in a flat buffer, one per datagram, and a
// bitmap of 8-octet units says what has come; so the result needs no linearising and a datagram
// may come in any number of pieces in any order (librte_ip_frag of DPDK 22.11 is built for eight:
// less than a message of 16 KB on an Ethernet).
//
// An exact repetition is ignored; any other overlap ends the datagram (RFC 5722), as does one
// that is larger than a message may be. What has ended is remembered until its time is over, so
// that its later pieces do not count again. One source holds at most a quarter of the entries;
// with no entry left the oldest (of that source, or of all) ends.
//
// All fragments of a datagram must come to the same worker: af_packet's fanout and RSS hash
// fragments by their addresses alone, so they do.
//
// Threads: one worker. Nothing here needs EAL.
// Cost:    a scan of the entries' keys and a copy. Off the fast path.
#pragma once

#include <stdint.h>

#include "dataplane/frame.h"

#define TND_FRAG_TIMEOUT_MS 5000              // SIP's sender repeats long before
#define TND_FRAG_MAX        (16384 + 8 + 504) // octets of a datagram: message, UDP, extension headers

struct tnd_frag;

enum tnd_frag_result {
    TND_FRAG_HELD,      // kept, repeated, or part of what has ended
    TND_FRAG_WHOLE,     // `whole` is the datagram; valid until the next call
    TND_FRAG_BAD,       // overlap or impossible length: the datagram ends here
    TND_FRAG_TOO_LARGE, // likewise, it is too long
};

struct tnd_frag_whole {
    const uint8_t *data; // begins with the header `proto`
    uint32_t len;
    uint8_t proto;
};

struct tnd_frag_stats {
    uint64_t fragments, reassembled, expired, evicted, overlapping;
    uint32_t waiting;
};

// entries: datagrams at a time, 17 KB each.
// Returns: NULL when memory is short.
struct tnd_frag *tnd_frag_new(uint32_t entries);
void tnd_frag_free(struct tnd_frag *t);

// f: kind FRAGMENT, its checks done by tnd_frame_parse.
// lost: set to the number of other datagrams (0 or 1) that had to end for this one.
enum tnd_frag_result tnd_frag_put(struct tnd_frag *t, uint64_t now_ms, const struct tnd_frame *f,
                                  struct tnd_frag_whole *whole, uint32_t *lost);

// End what has waited too long. Cheap when nothing waits.
// Returns: how many datagrams were lost by that.
uint32_t tnd_frag_expire(struct tnd_frag *t, uint64_t now_ms);

void tnd_frag_stats(const struct tnd_frag *t, struct tnd_frag_stats *out);
