// Control's mirror of the kernel's routes and neighbours, and the interest in destinations.
//
// What the kernel would do with a packet is mirrored for the interfaces of the configuration
// and published as one immutable table (dataplane/adjacency.h) per change, at most every 5 ms.
// Of the kernel's routing rules the standard ones are followed: local, main and default table.
// Of a multipath route the first next hop that is not known to be dead is used.
// Interfaces without a device (vdevs) take addresses and neighbours from the configuration;
// when all are such, no netlink socket is opened and no privilege is needed.
//
// The kernel does not see what user space sends and would let neighbours go stale. Whoever
// depends on a destination says so (`want`); its next hop is then a managed neighbour, which
// the kernel itself keeps fresh and whose death it notices (reachable time, 30 s by default,
// + 3 s). Before Linux 5.16 the entry is probed from here every 10 s. On close and `unwant` the
// mark is taken off again. Permanent entries are the administrator's and left alone.
//
// Threads:  the loop's thread only. Callbacks come from the loop, never from inside a call.
// Lifetime: from open until the callback of close.
// Cost:     want, unwant, state: a hash probe and one table lookup. All other work goes in turns
//           of the loop (control/turn.h), building a table too: 100,000 routes are sorted in 14
//           turns and entered in 36, none longer than 1.5 ms (test_route_mirror, x86-64).
#pragma once

#include <uv.h>

#include "dataplane/adjacency.h"
#include "util/err.h"

enum tnd_adjacency_state {
    TND_ADJACENCY_UNRESOLVED, // asked; neither known yet
    TND_ADJACENCY_USABLE,
    TND_ADJACENCY_FAILED, // no route, no answer, link down, or not ours to send
};

struct tnd_static_neighbour {
    struct tnd_addr ip; // family 0: `default`
    uint8_t mac[6];
};

struct tnd_adjacency_port {
    const char *device; // kernel interface; NULL: none behind it, and what follows counts
    uint8_t mac[6];
    uint32_t mtu;                       // 0: 1500
    const struct tnd_prefix *addresses; // prefix.addr keeps its host bits: the own address
    const struct tnd_static_neighbour *neighbours;
    uint32_t n_addresses, n_neighbours;
};

struct tnd_adjacency_config {
    const struct tnd_adjacency_port *ports; // the index is the table's `interface`; copied
    uint32_t n_ports;
    bool never_managed; // behave as on a kernel without managed neighbours
};

struct tnd_adjacency_ops {
    // The new table is the callee's, to free after a grace period. It must outlive the next
    // publication (the mirror reads the one it published last). First call: the kernel's
    // state is complete.
    void (*publish)(void *ctx, struct tnd_adjacency_table *table);
    // A wanted destination changed. `why` tells what its lookup says.
    void (*changed)(void *ctx, const struct tnd_addr *dst, enum tnd_adjacency_state state,
                    enum tnd_adjacency_result why);
    // For the log; a line for a person, at most one of a kind per minute. May be NULL.
    void (*complain)(void *ctx, const char *text);
};

struct tnd_adjacency_counts {
    uint32_t routes, neighbours, wanted, hops;
    uint64_t publications, route_dumps, lost_events, refusals;
    bool managed; // the kernel was seen to manage an entry
};

struct tnd_adjacencies;

int tnd_adjacency_open(uv_loop_t *loop, const struct tnd_adjacency_config *config,
                       const struct tnd_adjacency_ops *ops, void *ctx, struct tnd_adjacencies **out,
                       struct tnd_error *err);

// Keep the way to dst's IP resolved. Counted: each want needs its unwant.
// Returns: the state now, or -TND_ENOMEM.
int tnd_adjacency_want(struct tnd_adjacencies *a, const struct tnd_addr *dst);
void tnd_adjacency_unwant(struct tnd_adjacencies *a, const struct tnd_addr *dst);

// State of a destination, wanted or not (one nobody wants and with no known MAC: UNRESOLVED).
enum tnd_adjacency_state tnd_adjacency_state(const struct tnd_adjacencies *a,
                                             const struct tnd_addr *dst);

// Look up what was published last; see tnd_adjacency_find.
enum tnd_adjacency_result tnd_adjacency_lookup(const struct tnd_adjacencies *a,
                                               const struct tnd_addr *dst,
                                               struct tnd_adjacency *out);

// Ask the kernel once for the neighbour towards dst, wanting nothing (workers report misses).
void tnd_adjacency_poke(struct tnd_adjacencies *a, const struct tnd_addr *dst);

// Configuration index of the interface that has this address, or -1.
int tnd_adjacency_interface_of(const struct tnd_adjacencies *a, const struct tnd_addr *own);

void tnd_adjacency_counts(const struct tnd_adjacencies *a, struct tnd_adjacency_counts *out);
const char *tnd_adjacency_state_name(enum tnd_adjacency_state s);

// Releases what was managed, then frees. No callback comes after this but `closed` (may be
// NULL). The last table stays the callee's.
void tnd_adjacency_close(struct tnd_adjacencies *a, void (*closed)(void *ctx), void *ctx);
