// The inside of struct tnd_adjacencies, shared by its two halves: adjacency.c follows the
// kernel and publishes, interest.c keeps the wanted destinations' next hops resolved.
#pragma once

#include <sys/queue.h>

#include "control/adjacency.h"
#include "control/route_mirror.h"

TAILQ_HEAD(want_list, want);
TAILQ_HEAD(hop_list, hop);

struct want {
    struct tnd_addr_node node; // number 0
    uint32_t refs;
    enum tnd_adjacency_state state;
    struct hop *hop; // NULL: no route of ours
    TAILQ_ENTRY(want) all, of_hop, queued;
    bool in_queue;
};

// A next hop that somebody's destination lies behind.
struct hop {
    struct tnd_addr_node node; // number: interface
    uint32_t n_wants;
    struct want_list wants;
    TAILQ_ENTRY(hop) all, queued;
    bool in_queue;
    bool asked;          // we made or marked the entry; ours to release
    bool failed;         // no answer, whether the kernel said so or not
    uint64_t asked_ms;   // last request
    uint64_t waiting_ms; // since when neither usable nor failed; 0: not waiting
};

struct tnd_adjacencies {
    uv_loop_t *loop;
    const struct tnd_adjacency_ops *ops;
    void *ctx;
    bool never_managed, has_devices;
    struct tnd_netlink *netlink; // NULL: all interfaces are static
    struct tnd_mirror mirror;
    struct tnd_adjacency_table *table; // the last one published, or NULL

    // Dumps: which kinds are out of date, and when each may run again.
    uint32_t dirty, complete; // bits of enum tnd_nl_kind
    uint64_t not_before_ms[TND_NL_KINDS], began_ms[TND_NL_KINDS];
    uint32_t interruptions[TND_NL_KINDS], failures[TND_NL_KINDS]; // in a row
    bool rebuild, reroute;      // reroute: any destination's next hop may be another
    struct tnd_mirror_job *job; // the table being built, or NULL
    bool job_reroutes;
    uint32_t sorting; // kinds of routes whose dump is in and has to be sorted
    bool wants_due;   // since the last publication: they do not wait for the next

    struct tnd_addr_map wants, hops;
    struct want_list all_wants, want_queue;
    struct hop_list all_hops, hop_queue;
    uint32_t pokes_left;
    uint64_t complained_ms;
    struct tnd_adjacency_counts counts;

    uv_timer_t tick, work, second;
    int open_handles;
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static inline bool tnd__adjacency_ready(const struct tnd_adjacencies *a)
{
    return !a->has_devices || a->complete == (1u << TND_NL_KINDS) - 1;
}

// Have on_work (adjacency.c) look at the queues in this turn of the loop.
void tnd__adjacency_schedule_work(struct tnd_adjacencies *a);

void tnd__adjacency_queue_want(struct tnd_adjacencies *a, struct want *w);
void tnd__adjacency_queue_hop(struct tnd_adjacencies *a, struct hop *h);
void tnd__adjacency_queue_wants_of(struct tnd_adjacencies *a, struct hop *h);
struct hop *tnd__adjacency_find_hop(const struct tnd_adjacencies *a, uint16_t interface,
                                    const struct tnd_addr *ip);

// Work through the queues while the turn has steps.
void tnd__adjacency_serve_hops(struct tnd_adjacencies *a, struct tnd_turn *turn);
void tnd__adjacency_serve_wants(struct tnd_adjacencies *a, struct tnd_turn *turn);

// Drop all interest and release what the kernel manages for us.
void tnd__adjacency_forget_all(struct tnd_adjacencies *a);
