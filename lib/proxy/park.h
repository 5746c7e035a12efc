// Requests that wait for a name (rule 16): copies in slots of the worker's own, fixed size.
//
// One slot per transaction: a retransmission is absorbed, a CANCEL ends it, an ACK never
// waits. Release is in the order of arrival. Bounded in all, per trunk (a quarter of all)
// and per name (half of all); a trunk's slots count until they are given back, a name's
// until they are due.
//
// A slot waits, then is due (woken or expired), then is handed out by tnd_park_next, then is
// given back. tnd_park_find knows it until the last step.
//
// Threads: one worker. Lifetime: the worker's. Nothing is allocated after tnd_park_new.
// Cost:    a copy of the message, and a heap of log2(slots) steps; never on the way of a
//          request whose name is known.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "route/table.h"
#include "util/addr.h"

struct tnd_park;

// What is kept of a parked request. `data` is the slot's own copy.
struct tnd_parked {
    const char *data;
    uint32_t len;
    struct tnd_addr src;
    uint32_t listener; // id of the ingress listener: an index may change with a reload
    uint16_t trunk;    // source trunk index, for the limit
    uint64_t txn;      // memory key of its transaction (INVITE's for a CANCEL to match)
    struct tnd_name_digest name;
    uint64_t deadline_ms;
    bool invite;
};

enum tnd_park_result {
    TND_PARK_NEW,    // in its slot; the first of its name: ask control for the name
    TND_PARK_QUEUED, // in its slot; the name has been asked for
    TND_PARK_AGAIN,  // a retransmission of one that waits: absorbed
    TND_PARK_FULL,   // a limit is reached
};

struct tnd_park_stats {
    uint64_t parked, released, expired, cancelled, absorbed, refused;
    uint32_t waiting, capacity;
};

// slots: 2 KB each, and a sixteenth as many (at least one) of 16 KB for larger messages.
// Pages of slots that were never used cost nothing.
// Returns: NULL when memory is short.
struct tnd_park *tnd_park_new(uint32_t slots);
void tnd_park_free(struct tnd_park *p);

// Copy `in` into a slot. A message over 16384 octets is TND_PARK_FULL.
enum tnd_park_result tnd_park_put(struct tnd_park *p, const struct tnd_parked *in);

// The parked request of this transaction, or NULL. Valid until released.
const struct tnd_parked *tnd_park_find(const struct tnd_park *p, uint64_t txn);

// A name has an answer: mark all that wait for it as due.
// Returns: how many.
uint32_t tnd_park_wake(struct tnd_park *p, const struct tnd_name_digest *name);

// Hand out the next that is due: woken, or at its deadline (*expired = true). In order of
// arrival. Each slot is handed out once and stays valid until tnd_park_drop, so that a burst
// of them can go through the stages.
// Returns: NULL when none is due.
const struct tnd_parked *tnd_park_next(struct tnd_park *p, uint64_t now_ms, bool *expired);

// Give the slot back (after release, expiry or CANCEL; counted as cancelled when it was not
// handed out).
void tnd_park_drop(struct tnd_park *p, const struct tnd_parked *slot);

void tnd_park_stats(const struct tnd_park *p, struct tnd_park_stats *out);
