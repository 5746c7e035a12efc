// Which names requests use, so that those that requests brought can be told apart: in use or not.
//
// Workers mark a name they look up with the table's epoch (route/table.h), once an epoch and
// worker. Here epochs are begun and dated: one every ten seconds, and more often when names come in
// crowds, so that of as many names as are kept no more than a sixteenth comes in one epoch.
//
// Threads: control. Cost: a lookup in the table for a name that is asked about.
#pragma once

#include "route/table.h"

#define TND_USAGE_EPOCH_MS 10000u
#define TND_USAGE_CROWD    1024u // names that came
#define TND_USAGE_EPOCHS   4096u // remembered: 11 hours of quiet ones

struct tnd_usage {
    struct tnd_table *table;
    const struct tnd_hash_key *digest_key;
    uint32_t came;                       // in this epoch
    uint16_t epoch;                      // the table's
    uint64_t began_ms[TND_USAGE_EPOCHS]; // of epoch modulo their number; 0: not yet
};

void tnd_usage_init(struct tnd_usage *u, struct tnd_table *table,
                    const struct tnd_hash_key *digest_key, uint64_t now_ms);

// A name came; time passed (call it every second).
void tnd_usage_came(struct tnd_usage *u, uint64_t now_ms);
void tnd_usage_tick(struct tnd_usage *u, uint64_t now_ms);

// The beginning of the epoch in which the name was used last; 0: not in the table, or too long ago.
uint64_t tnd_usage_last_ms(const struct tnd_usage *u, const char *name);
