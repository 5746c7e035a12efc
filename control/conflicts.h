// Addresses that two trunks call theirs.
//
// What a file says twice, `tandem check` refuses. What two zones say, it cannot know: the names of
// two trunks with `resolved` sources may come to one address, and nothing in a packet tells whose
// it is. Then one of them keeps it: the one whose configured prefix it is, else one whose name
// resolves to it now before one that only lingers, else the trunk that is first in the file.
//
// Threads: control.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/addr.h"

#define TND_CONFLICTS_MAX 1000 // kept; further ones are counted

enum tnd_conflict_why {
    TND_CONFLICT_PREFIX,  // the keeper's prefix is configured
    TND_CONFLICT_CURRENT, // the loser's name has left the address
    TND_CONFLICT_FIRST,   // the keeper is first in the file
};

struct tnd_conflict {
    struct tnd_addr ip;
    uint16_t keeper, loser; // trunks of the configuration
    uint8_t why;            // enum tnd_conflict_why
};

// Zero is an empty list.
struct tnd_conflicts {
    struct tnd_conflict *list; // by address, keeper, loser after tnd_conflicts_sort
    uint32_t n, room;
    uint32_t left_out; // beyond TND_CONFLICTS_MAX, or without memory
};

void tnd_conflicts_add(struct tnd_conflicts *c, const struct tnd_conflict *conflict);
void tnd_conflicts_sort(struct tnd_conflicts *c);
void tnd_conflicts_free(struct tnd_conflicts *c);

// "keeps because ..": for a person and for JSON.
const char *tnd_conflict_reason(const struct tnd_conflict *c);

// Go through what is in `now` and was not in `before` (begun), and the other way round. Sorted.
void tnd_conflicts_compare(const struct tnd_conflicts *before, const struct tnd_conflicts *now,
                           void (*changed)(void *ctx, const struct tnd_conflict *c, bool begun),
                           void *ctx);
