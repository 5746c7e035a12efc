// From the configuration to the policy that workers read.
//
// Built anew whenever what it depends on changes: the configuration, or the addresses that
// a trunk's `resolved` source stands for. Addresses that leave a resolved set stay sources
// for the trunk's source-linger.
//
// Threads: control. Lifetime: the policy owns all its memory; it keeps no pointer into the
//          configuration.
#pragma once

#include "control/config/config.h"
#include "proxy/keys.h"
#include "proxy/policy.h"
#include "util/err.h"

// Addresses a trunk's `resolved` source stands for, lingering ones included.
struct tnd_resolved_sources {
    const struct tnd_addr *addresses; // family and ip count
    uint32_t n;
};

// resolved: one per trunk of the configuration.
// Returns: NULL with err filled: no memory, or two names with one content id.
struct tnd_policy *tnd_policy_build(const struct tnd_config *c, const struct tnd_keys *keys,
                                    const struct tnd_resolved_sources *resolved,
                                    uint64_t generation, struct tnd_error *err);

// As the data plane wants it: a free function of one pointer.
void tnd_policy_free(void *policy);
