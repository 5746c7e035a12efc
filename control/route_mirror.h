// The kernel's links, addresses, routes and neighbours, as far as the configured interfaces
// need them, and the table that follows from them. Pure bookkeeping: no sockets, no loop.
//
// Threads:  the control thread. Lifetime: init to clear.
// Cost:     build is linear in routes and neighbours; what a route's next hop is gets decided
//           there, because it depends on which neighbours are known to be dead. Building and
//           sorting go in turns of the loop; the end of a dump compares the lists at once (1 ms
//           for 100,000 routes), and the last turn of a job enters the neighbours (20 us for
//           1,000).
#pragma once

#include "control/addr_map.h"
#include "control/adjacency.h"
#include "control/netlink.h"
#include "control/turn.h"

struct tnd_mirror_port {
    char *device; // NULL: static
    int ifindex;  // 0: there is no such interface now
    uint8_t mac[6];
    bool up;
    bool seen; // since a dump of links began
    uint32_t mtu;
    struct tnd_prefix *addresses;
    struct tnd_static_neighbour *neighbours;
    uint32_t n_addresses, n_neighbours;
};

struct tnd_mirror_neighbour {
    struct tnd_addr_node node; // number: ifindex
    uint8_t mac[6];
    bool usable, failed, managed, permanent;
    bool told; // an event came while a dump ran: newer than what the dump says
    uint32_t seen;
};

struct tnd_mirror_route {
    struct tnd_prefix prefix;
    struct tnd_addr source;
    uint32_t metric, mtu, first_hop, n_hops;
    uint8_t rank; // local table 0, main 1, default 2
    uint8_t kind; // enum tnd_route_kind; UNICAST until its hops are looked at
};

// A family's routes, sorted as the kernel prefers them within a prefix.
struct tnd_mirror_routes {
    struct tnd_mirror_route *routes;
    struct tnd_nl_hop *hops;
    uint32_t n, cap, n_hops, cap_hops;
    bool short_of_memory, multipath;
    struct tnd_mirror_merge {
        struct tnd_mirror_route *to;  // of as much room as `routes`
        uint32_t left, middle, right; // two runs: left..middle..right
        uint32_t i, j, out;
        enum { MERGE_MIDDLE, MERGE_RIGHT, MERGE_RUNS } phase;
        bool sorted;
    } merge;
};

struct tnd_mirror_addresses {
    struct tnd_nl_address *list;
    uint32_t n, cap;
    bool short_of_memory;
};

struct tnd_mirror {
    struct tnd_mirror_port *ports;
    uint32_t n_ports;
    struct tnd_mirror_routes routes[2], next_routes[2]; // IPv4, IPv6; next: being dumped
    struct tnd_mirror_addresses addresses, next_addresses;
    struct tnd_addr_map neighbours;
    uint32_t neighbour_dump;
};

// What a change means to whoever looks.
enum tnd_mirror_change {
    TND_MIRROR_SAME = 0,
    TND_MIRROR_TABLE = 1,     // the table's content changed
    TND_MIRROR_NEIGHBOUR = 2, // a neighbour's state changed (its `failed` or `managed`)
    TND_MIRROR_PORT = 4,      // another ifindex: addresses and neighbours must be dumped anew
};

int tnd_mirror_init(struct tnd_mirror *m, const struct tnd_adjacency_config *config,
                    struct tnd_error *err);
void tnd_mirror_clear(struct tnd_mirror *m);

// Each returns a set of enum tnd_mirror_change.
unsigned tnd_mirror_link(struct tnd_mirror *m, enum tnd_nl_how how, const struct tnd_nl_link *l);
unsigned tnd_mirror_neighbour(struct tnd_mirror *m, enum tnd_nl_how how,
                              const struct tnd_nl_neighbour *n);

void tnd_mirror_address(struct tnd_mirror *m, const struct tnd_nl_address *a);
void tnd_mirror_route(struct tnd_mirror *m, const struct tnd_nl_route *r);

// Around a dump. Ending an incomplete one leaves everything as it was.
void tnd_mirror_dump_begin(struct tnd_mirror *m, enum tnd_nl_kind kind);
unsigned tnd_mirror_dump_end(struct tnd_mirror *m, enum tnd_nl_kind kind, bool complete);

int tnd_mirror_port_of(const struct tnd_mirror *m, int ifindex); // -1: not ours
struct tnd_mirror_neighbour *tnd_mirror_find(const struct tnd_mirror *m, int ifindex,
                                             const struct tnd_addr *ip);
int tnd_mirror_interface_of(const struct tnd_mirror *m, const struct tnd_addr *own);

// Sort what a dump of routes brought, while the turn has steps (NULL: to the end), so that
// tnd_mirror_dump_end has it no longer to do. No other dump of the kind may begin meanwhile.
// Returns: whether it is done.
bool tnd_mirror_sort(struct tnd_mirror *m, enum tnd_nl_kind kind, struct tnd_turn *turn);

// generation: see struct tnd_adjacency_spec. Returns: NULL when memory is short.
struct tnd_adjacency_table *tnd_mirror_build(const struct tnd_mirror *m, uint32_t generation);

// The same in turns. What changes in the mirror meanwhile may be in the table or not, except that
// the end of a dump of routes takes the ground away: then the job has to be freed.
struct tnd_mirror_job;
struct tnd_mirror_job *tnd_mirror_job_new(const struct tnd_mirror *m, uint32_t generation);
bool tnd_mirror_job_step(struct tnd_mirror_job *job, struct tnd_turn *turn); // whether it is done
// Requires: done. Frees the job. Returns: NULL when memory was short.
struct tnd_adjacency_table *tnd_mirror_job_take(struct tnd_mirror_job *job);
void tnd_mirror_job_free(struct tnd_mirror_job *job);
