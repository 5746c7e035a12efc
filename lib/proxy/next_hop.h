// The name a next hop goes by: what the table is keyed with and the resolver resolves.
//
// Canonical text, lower case: "sip:host", then ":port" when explicit, ";transport=x" when
// given, all of it with the host's final dot removed; `maddr` replaces the host (RFC 3263
// s4: TARGET). A '|' and the trunk's name follow, because weight-zero, families and
// transports are policies of the trunk: "sip:sip.example.com|carrier-a". Names that a
// request brings itself (`to: request-uri`, a Route set) use the empty trunk name.
//
// Threads: pure.
#pragma once

#include <stdbool.h>

#include "sip/msg.h"
#include "util/addr.h"
#include "util/str.h"

#define TND_NAME_MAX 384 // host 255, port, transport, trunk name 64

struct tnd_next_hop {
    struct tnd_addr numeric; // family != 0: no query is ever made for it
    uint16_t name_len;       // 0 when numeric
    char name[TND_NAME_MAX];
};

// From a parsed sip or sips URI.
// Returns: false when the host is empty, over 255 octets, or not a host.
bool tnd_next_hop_of_uri(const char *base, const struct tnd_uri *uri, struct tnd_str trunk,
                         struct tnd_next_hop *out);

// A canonical name taken apart again.
struct tnd_next_hop_parts {
    char host[256];    // NUL-terminated
    uint16_t port;     // 0: none
    uint8_t transport; // enum tnd_transport; NONE: none given
    bool sips;
    struct tnd_str trunk; // in the name; may be empty
};

// Returns: false when `name` is not what tnd_next_hop_of_uri makes.
bool tnd_next_hop_parse(struct tnd_str name, struct tnd_next_hop_parts *out);
