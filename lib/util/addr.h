// Transport addresses and prefixes: values that compare with memcmp.
//
// Threads: values; no state. Nothing here asks the resolver or the kernel.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/str.h"

// Values are on the wire of tokens: never renumber.
enum tnd_transport {
    TND_TRANSPORT_NONE = 0,
    TND_TRANSPORT_UDP = 1,
    TND_TRANSPORT_TCP = 2,
    TND_TRANSPORT_TLS = 3,
    TND_TRANSPORT_SCTP = 4,
    TND_TRANSPORT_WS = 5,
    TND_TRANSPORT_WSS = 6,
    TND_TRANSPORT_OTHER = 7, // a token we do not know; legal in a Via
};

// Unused octets are zero, so that equal addresses are equal bytes.
struct tnd_addr {
    uint8_t ip[16];    // IPv4 in the first four octets
    uint16_t port;     // host order; 0: none given
    uint8_t family;    // 4, 6; 0: no address
    uint8_t transport; // enum tnd_transport
};

_Static_assert(sizeof(struct tnd_addr) == 20, "compared and hashed as bytes");

struct tnd_prefix {
    struct tnd_addr addr; // host bits zero; port 0 = any port
    uint8_t bits;
};

// "[2001:db8::1]:65535" and its NUL fit, as does "255.255.255.255:65535".
#define TND_ADDR_TEXT_MAX 56

static inline bool tnd_addr_eq(const struct tnd_addr *a, const struct tnd_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// What lies behind the IP, in one store.
static inline void tnd_addr_set_port(struct tnd_addr *a, uint8_t family, uint8_t transport,
                                     uint16_t port)
{
    uint32_t rest = port | (uint32_t)family << 16 | (uint32_t)transport << 24;

    memcpy(&a->port, &rest, sizeof rest);
}

// Write a whole address in two stores, as wide as those who read it load it: a load that needs
// two stores waits until both have reached the cache.
// ip: 4 or 16 octets, by family.
static inline void tnd_addr_set(struct tnd_addr *a, uint8_t family, const uint8_t *ip,
                                uint8_t transport, uint16_t port)
{
    typedef uint32_t octets_t __attribute__((vector_size(16)));
    octets_t all = {0};
    uint32_t four;

    if (family == 4) {
        memcpy(&four, ip, sizeof four);
        all[0] = four;
    } else {
        memcpy(&all, ip, sizeof all);
    }
    memcpy(a->ip, &all, sizeof all);
    tnd_addr_set_port(a, family, transport, port);
}

// Same IP address, whatever port and transport.
static inline bool tnd_addr_same_ip(const struct tnd_addr *a, const struct tnd_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

// Whether a packet on a wire can come from the IP, and go to it: neither unspecified nor loopback,
// multicast, broadcast, reserved or IPv4 in IPv6's clothes (RFC 1122 s3.2.1.3, RFC 4291 s2).
bool tnd_addr_on_wire(const struct tnd_addr *a);

// Parse an IPv4 or IPv6 literal, the latter with or without brackets; no port, no scope.
// RFC 5118 4.10: one run of three colons is read as two ("2001:db8:::192.0.2.1").
// Returns: true and fills family and ip (port, transport zero), or false.
bool tnd_addr_parse_ip(struct tnd_str s, struct tnd_addr *out);

// Parse "192.0.2.1:5060", "[2001:db8::1]:5060", or either without a port (port = 0).
bool tnd_addr_parse(struct tnd_str s, struct tnd_addr *out);

// Parse "198.51.100.0/24", "2001:db8::/32" or a single address. Host bits must be zero.
bool tnd_prefix_parse(struct tnd_str s, struct tnd_prefix *out);

// Whether `a`'s IP lies in `p` (and its port matches, where the prefix has one).
bool tnd_prefix_covers(const struct tnd_prefix *p, const struct tnd_addr *a);

// Write the IP alone, as SIP wants a host: IPv6 in brackets. `out` has TND_ADDR_TEXT_MAX bytes.
// Returns: length without the NUL. RFC 5952 form.
size_t tnd_addr_host_text(const struct tnd_addr *a, char *out);

// Write the IP without brackets, as Via's `received` wants it (RFC 3261 25.1, RFC 5118 4.5).
size_t tnd_addr_bare_text(const struct tnd_addr *a, char *out);

// The digits of an octet and a dot, in memory order.
extern const uint32_t tnd__octet_text[256];

// An octet in decimal.
static inline struct tnd_str tnd_octet_text(uint8_t v)
{
    return (struct tnd_str){(const char *)&tnd__octet_text[v], 1u + (v > 9) + (v > 99)};
}

// Write an IPv4 address, and up to three octets behind it. Returns: its end.
static inline char *tnd_addr_put_ipv4(const uint8_t ip[4], char *out)
{
    for (unsigned i = 0; i < 4; i++) {
        struct tnd_str text = tnd_octet_text(ip[i]);
        memcpy(out, text.p, sizeof *tnd__octet_text);
        out += text.len + 1;
    }
    return out - 1;
}

// Write host and, unless 0, ":port". `out` has TND_ADDR_TEXT_MAX bytes.
size_t tnd_addr_text(const struct tnd_addr *a, char *out);

// "udp", "tcp", "tls", .. (lower case); "none" for TND_TRANSPORT_NONE.
const char *tnd_transport_name(enum tnd_transport t);

// Case-insensitive; TND_TRANSPORT_OTHER for an unknown token, NONE for an empty one.
enum tnd_transport tnd_transport_parse(struct tnd_str s);
