// The addresses that `resolved` sources stand for, with those that linger (rule 2).
//
// Threads: control. Time is a value. Cost: an update sorts the name's addresses, some thousand at
// most, and merges them with those known.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config/config.h"
#include "route/target_set.h"

#define TND_SOURCE_CURRENT UINT64_MAX

struct tnd_source {
    struct tnd_addr ip; // port 0, transport NONE
    uint64_t until_ms;  // TND_SOURCE_CURRENT, or the end of its lingering
};

// Of one trunk, by address; never changed once it is made.
struct tnd_source_list {
    uint32_t refs, n;
    struct tnd_source list[];
};

struct tnd_sources;

struct tnd_sources *tnd_sources_new(const struct tnd_config *c);
void tnd_sources_free(struct tnd_sources *s);

// What trunk's name resolves to now.
// Returns: true when the policy has to be built anew.
bool tnd_sources_update(struct tnd_sources *s, uint32_t trunk, const struct tnd_set_spec *spec,
                        uint64_t now_ms);

// A trunk whose uri is an address: that address.
void tnd_sources_fix(struct tnd_sources *s, uint32_t trunk, const struct tnd_addr *a);

// Forget what has lingered long enough. Returns: true when the policy has to be built anew.
bool tnd_sources_expire(struct tnd_sources *s, uint64_t now_ms);

// All of them as they are now, one list per trunk of the configuration (NULL: it has none), for as
// long as it takes to build something of them. Returns: NULL when memory is short.
struct tnd_source_list **tnd_sources_hold(const struct tnd_sources *s);
void tnd_sources_release(struct tnd_source_list **lists, uint32_t n_trunks);

// Differs after every change.
uint64_t tnd_sources_version(const struct tnd_sources *s);
