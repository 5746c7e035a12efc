// Where a packet to any destination goes: interface, MACs, MTU. Immutable, read by workers.
//
// The kernel owns routes and neighbours; control mirrors both and builds a new table when
// something changed. A lookup is the kernel's: longest prefix, which gives an interface and
// a gateway (or none: the destination is on the link), then the MAC of that next hop on that
// interface. Interfaces without a kernel behind them (vdevs) have static entries here and go
// the same way; their `default` neighbour answers for every next hop without its own entry.
//
// What is not FOUND is not lost: FOREIGN, NO_NEIGHBOUR and LOCAL packets can be given to the
// kernel (control's guard socket), which resolves, queues and sends them. NO_NEIGHBOUR names
// the next hop, so that control can ask for it.
//
// Threads:  built by one; then any reader between two quiescent states. Nothing here needs EAL.
// Lifetime: published by one pointer store; freed by its publisher after a grace period.
// Cost:     one probe per prefix length in use, one of the neighbours: 50-70 ns with four
//           lengths in use, 10 or 2,000 routes; 10 ns from a worker's own cache (256
//           destinations in turn, all caches warm, x86-64 with AVX-512).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/addr.h"

enum tnd_adjacency_result {
    TND_ADJACENCY_FOUND,        // all of struct tnd_adjacency holds
    TND_ADJACENCY_NO_NEIGHBOUR, // interface, next_hop, source and mtu hold; the MAC is unknown
    TND_ADJACENCY_NO_ROUTE,     // no route, or blackhole, unreachable, prohibit, interface down
    TND_ADJACENCY_FOREIGN,      // the kernel would use an interface that is not ours
    TND_ADJACENCY_LOCAL,        // the destination is the host's own address
};

#define TND_ADJACENCY_RESULTS 5

struct tnd_adjacency {
    uint8_t dst_mac[6]; // dst_mac, src_mac: the first 12 octets of the frame, in this order
    uint8_t src_mac[6];
    uint16_t interface; // index in the configuration
    uint16_t flags;     // none defined: 0
    uint32_t mtu;       // of the IP packet: the smaller of the interface's and the route's
    struct tnd_addr next_hop;
    struct tnd_addr source; // what the kernel prefers; family 0 when the route has no preference
};

_Static_assert(sizeof(struct tnd_adjacency) == 60, "one cache line beside a packet");

enum tnd_route_kind {
    TND_ROUTE_UNICAST,
    TND_ROUTE_UNREACHABLE, // blackhole, unreachable, prohibit, broadcast, multicast
    TND_ROUTE_FOREIGN,
    TND_ROUTE_LOCAL,
};

// What a table is built from. Addresses have port 0 and transport NONE.
struct tnd_adjacency_interface {
    uint8_t mac[6];
    bool up;      // may send; routes over an interface that is not are NO_ROUTE
    uint32_t mtu; // 0: unlimited
};

struct tnd_adjacency_route {
    struct tnd_prefix prefix;
    enum tnd_route_kind kind;
    uint16_t interface;      // UNICAST only
    uint32_t mtu;            // 0: the interface's
    struct tnd_addr gateway; // family 0: on link. May be IPv6 for an IPv4 prefix (RFC 5549)
    struct tnd_addr source;  // family 0: no preference
};

struct tnd_adjacency_neighbour {
    struct tnd_addr ip; // family 0: `default`, for every next hop without its own entry
    uint16_t interface;
    uint8_t mac[6];
};

// Equal prefixes (or neighbours) twice: the later one wins.
struct tnd_adjacency_spec {
    const struct tnd_adjacency_interface *interfaces; // by the configuration's index
    const struct tnd_adjacency_route *routes;
    const struct tnd_adjacency_neighbour *neighbours;
    uint32_t n_interfaces, n_routes, n_neighbours;
    uint32_t generation; // differs from table to table: what a cache goes by. 0: never cached
};

struct tnd_adjacency_table;

// Everything in `spec` is copied.
// Returns: NULL when memory is short. Free with tnd_adjacency_free (NULL is fine).
struct tnd_adjacency_table *tnd_adjacency_build(const struct tnd_adjacency_spec *spec);
void tnd_adjacency_free(struct tnd_adjacency_table *t);

// The same in parts, for whoever must not stay away for long. begin takes interfaces and routes,
// and frees `spec->routes` in the end (malloc); step does some of it; finish adds the neighbours.
// Returns: begin: NULL when memory is short (the routes are the caller's then). step: whether
// it is done. finish: false when memory is short; the table can only be freed then.
struct tnd_adjacency_table *tnd_adjacency_begin(const struct tnd_adjacency_spec *spec);
bool tnd_adjacency_step(struct tnd_adjacency_table *t, uint32_t routes);
bool tnd_adjacency_finish(struct tnd_adjacency_table *t, const struct tnd_adjacency_spec *spec);

// Look up the way to dst's IP (its port and transport do not matter).
// Requires: out non-NULL; `t` may be NULL (nothing published yet: NO_ROUTE).
// Returns:  see the enum; fields of `out` that it does not promise are zero.
enum tnd_adjacency_result tnd_adjacency_find(const struct tnd_adjacency_table *t,
                                             const struct tnd_addr *dst, struct tnd_adjacency *out);

// An interface's own MAC, or NULL when the table knows none (or is NULL).
const uint8_t *tnd_adjacency_own_mac(const struct tnd_adjacency_table *t, uint16_t interface);

// A worker's memory of what it found, so that a destination in use costs one line. Entries
// are of one table's generation; a new table needs no flush. Zero it before use.
#define TND_ADJACENCY_CACHE 1024

struct tnd_adjacency_cached {
    uint8_t ip[16];
    uint32_t generation; // 0: empty
    uint8_t family;
    struct tnd_adjacency way;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct tnd_adjacency_cached) == 128,
               "two lines, the first is enough to send");

struct tnd_adjacency_cache {
    struct tnd_adjacency_cached entries[TND_ADJACENCY_CACHE]; // W, R: its worker
};

// As tnd_adjacency_find, through the worker's cache. Only what was FOUND is remembered.
enum tnd_adjacency_result tnd_adjacency_find_cached(struct tnd_adjacency_cache *cache,
                                                    const struct tnd_adjacency_table *t,
                                                    const struct tnd_addr *dst,
                                                    struct tnd_adjacency *out);

// "found", "no-neighbour", "no-route", "foreign", "local".
const char *tnd_adjacency_result_name(enum tnd_adjacency_result r);
