// rtnetlink on a libuv loop: the kernel's links, addresses, routes and neighbours as values.
//
// Three sockets: one is subscribed to changes, one dumps, one writes neighbour entries. The
// subscription comes before the first dump, so nothing falls between them. This file parses
// and transports; what the values mean together is control/adjacency.h's.
//
// Links and neighbours arrive as events with their content. Routes and addresses arrive as
// `changed`: the kernel drops IPv4 routes without a word when a link goes down, and IPv6
// tells multipath routes in pieces, so the only sound answer to a change is a new dump.
//
// Threads:  the loop's thread only.
// Lifetime: from open until the callback of close; values in callbacks are borrowed.
// Cost:     a callback reads for at most 2 ms, then lets the loop go on.
#pragma once

#include <net/if.h>
#include <uv.h>

#include "util/addr.h"
#include "util/err.h"

enum tnd_nl_kind {
    TND_NL_LINK,
    TND_NL_ADDRESS,
    TND_NL_ROUTE4,
    TND_NL_ROUTE6,
    TND_NL_NEIGHBOUR,
};

#define TND_NL_KINDS 5
#define TND_NL_HOPS  16 // of one multipath route; further ones are not used

// How a value came.
enum tnd_nl_how {
    TND_NL_DUMPED,
    TND_NL_NEW,
    TND_NL_GONE,
};

// How a dump ended.
enum tnd_nl_end {
    TND_NL_COMPLETE,
    TND_NL_CHANGED, // all of it came, but the kernel's list changed meanwhile
    TND_NL_FAILED,  // not all of it came
};

struct tnd_nl_link {
    int ifindex;
    char name[IF_NAMESIZE];
    uint8_t mac[6];
    bool up; // administratively, and running: may send
    uint32_t mtu;
};

struct tnd_nl_address {
    int ifindex;
    struct tnd_addr ip;
    uint8_t bits;
    bool secondary, global; // global: scope, not link or host
};

struct tnd_nl_hop {
    int ifindex;
    bool dead;
    struct tnd_addr gateway; // family 0: on link
};

struct tnd_nl_route {
    struct tnd_prefix prefix;
    struct tnd_addr source; // family 0: none preferred
    uint32_t table, metric, mtu;
    uint8_t type; // RTN_*
    uint8_t n_hops;
    struct tnd_nl_hop hops[TND_NL_HOPS];
};

struct tnd_nl_neighbour {
    int ifindex;
    struct tnd_addr ip;
    uint16_t state; // NUD_*
    bool managed, has_mac;
    uint8_t mac[6];
};

struct tnd_nl_ops {
    void (*link)(void *ctx, enum tnd_nl_how how, const struct tnd_nl_link *l);
    void (*address)(void *ctx, const struct tnd_nl_address *a); // dumps only
    void (*route)(void *ctx, const struct tnd_nl_route *r);     // dumps only
    void (*neighbour)(void *ctx, enum tnd_nl_how how, const struct tnd_nl_neighbour *n);
    void (*dump_begin)(void *ctx, enum tnd_nl_kind kind);
    void (*dump_end)(void *ctx, enum tnd_nl_kind kind, enum tnd_nl_end how);
    void (*changed)(void *ctx, enum tnd_nl_kind kind); // dump it again
    void (*lost)(void *ctx);                           // events were lost: dump everything
    void (*refused)(void *ctx, int error);             // an errno, for a neighbour request
};

// What to do with one neighbour entry.
enum tnd_nl_ask {
    TND_NL_MANAGE,  // resolve now and keep fresh; kernels before 5.16 only resolve
    TND_NL_RESOLVE, // resolve now
    TND_NL_PROBE,   // ask an entry with a MAC whether it is still there
    TND_NL_RELEASE, // leave it to the kernel's ordinary ageing
    TND_NL_DELETE,
};

struct tnd_netlink;

// Opens and subscribes. Dumps begin with tnd_netlink_dump.
// Returns: 0, or -enum tnd_err with `err` filled.
int tnd_netlink_open(uv_loop_t *loop, const struct tnd_nl_ops *ops, void *ctx,
                     struct tnd_netlink **out, struct tnd_error *err);

// Ask for a dump; one runs at a time, others wait in the order of the enum. Asking for what
// is already running has it run once more.
void tnd_netlink_dump(struct tnd_netlink *nl, enum tnd_nl_kind kind);
bool tnd_netlink_dumping(const struct tnd_netlink *nl, enum tnd_nl_kind kind);

// Returns: 0 when handed over (a refusal comes by ops->refused), or -errno.
int tnd_netlink_ask(struct tnd_netlink *nl, enum tnd_nl_ask what, int ifindex,
                    const struct tnd_addr *ip);

// No callback comes after this but `closed` (may be NULL), by which time all is freed.
void tnd_netlink_close(struct tnd_netlink *nl, void (*closed)(void *ctx), void *ctx);
