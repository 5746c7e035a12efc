// From what DNS says and the kernel knows to what workers pick from: the table's feeder.
//
// A name is followed for a trunk, or because a request brought it. Whenever its targets or
// the adjacency of one of them change, a new version of its set is published: a target
// without an adjacency is not live. A version is held back, at most TND_NAMES_GRACE_MS,
// while the kernel still looks for neighbours; and while not one target is known to be
// usable it is held until the kernel has given up on the last, so that the requests that
// wait for the name are not answered too early.
//
// Threads:  control's loop. Lifetime: from open until close.
// Cost:     a change touches the names that hold the address, no others; versions of one
//           tick are one publication. All of it goes in turns of the loop.
#pragma once

#include <jansson.h>
#include <sys/queue.h>
#include <uv.h>

#include "control/adjacency.h"
#include "dataplane/dataplane.h"
#include "route/table.h"

#define TND_NAMES_GRACE_MS 300

struct tnd_names;

struct tnd_names_config {
    uv_loop_t *loop;
    struct tnd_dataplane *dataplane; // woken when a name is published
    struct tnd_table *table;
    const struct tnd_hash_key *digest_key;
    struct tnd_adjacencies *adjacencies;
    uint8_t families; // of the listeners: bit 0 IPv4, bit 1 IPv6; others cannot be sent to
};

struct tnd_names *tnd_names_open(const struct tnd_names_config *cfg);
void tnd_names_close(struct tnd_names *n);

// The resolver has news of `name` (canonical). The spec is copied; NULL: the name is no
// longer followed and leaves the table.
void tnd_names_update(struct tnd_names *n, const char *name, const struct tnd_set_spec *spec);

// The kernel has news of an address.
void tnd_names_adjacency(struct tnd_names *n, const struct tnd_addr *dst);

// Drain a target by hand, or take it back: it is excluded from every tier of every name.
// Returns: how many names hold it.
uint32_t tnd_names_drain(struct tnd_names *n, const struct tnd_addr *target, bool drained);

// What is published now, for `show targets`: one object per target and name, a name at a time. A
// walk comes by every name that was there when it began and still is, once, whatever happens
// meanwhile. Requests are looked up by the caller's counters, by tnd_target_id.
typedef uint64_t (*tnd_names_count_cb)(void *ctx, uint64_t target_id);

struct tnd_names_walk {
    struct name *next;
    uint32_t target; // of it
    uint64_t end;
    LIST_ENTRY(tnd_names_walk) all;
};

void tnd_names_walk_begin(struct tnd_names *n, struct tnd_names_walk *w);
// Append the next targets of a name to `list`. Returns: false when there was none.
bool tnd_names_walk_next(const struct tnd_names *n, struct tnd_names_walk *w,
                         tnd_names_count_cb count, void *ctx, json_t *list);
void tnd_names_walk_end(struct tnd_names_walk *w); // before tnd_names_close

// Targets of one name: all, and live ones.
void tnd_names_live(const struct tnd_names *n, const char *name, uint32_t *targets, uint32_t *live);
