// The addresses that `resolved` sources stand for, with those that linger (rule 2).
//
// Threads: control. Time is a value.
#pragma once

#include "control/policy_build.h"
#include "route/target_set.h"

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

// One entry per trunk of the configuration, for tnd_policy_build. Valid until the next change.
const struct tnd_resolved_sources *tnd_sources_get(const struct tnd_sources *s);
