// From the configuration to the policy that workers read.
//
// Trunks, routes and names depend on the configuration alone: they are built once and shared by
// all versions. What changes while the engine runs is whose source an address is (the addresses
// of `resolved` sources come and go) and which interface a listener is at: a version is those,
// built in turns of the loop, for there may be a hundred thousand sources.
//
// Of two trunks that claim one address one keeps it (control/conflicts.h); the job says which.
//
// Threads: control. Lifetime: a policy owns or shares all its memory; it keeps no pointer into the
//          configuration, and the parts live as long as any policy made of them.
#pragma once

#include "control/config/config.h"
#include "control/conflicts.h"
#include "control/sources.h"
#include "control/turn.h"
#include "proxy/keys.h"
#include "proxy/policy.h"
#include "util/err.h"

struct tnd_policy_parts;

// Returns: NULL with err filled: no memory.
struct tnd_policy_parts *tnd_policy_parts_new(const struct tnd_config *c,
                                              const struct tnd_keys *keys, struct tnd_error *err);
void tnd_policy_parts_drop(struct tnd_policy_parts *parts); // the caller's hold on them

struct tnd_policy_job;

// Begin a version, of the sources as they are now. `c` outlives the job.
// Returns: NULL when memory is short.
struct tnd_policy_job *tnd_policy_job_new(const struct tnd_config *c,
                                          struct tnd_policy_parts *parts,
                                          const struct tnd_sources *sources, uint64_t generation);

// Work on it while the turn has steps (NULL: to its end). Returns: whether it is done.
bool tnd_policy_job_step(struct tnd_policy_job *job, struct tnd_turn *turn);

// Requires: done. Returns: the policy, the caller's until it is published; frees the job.
// conflicts: what was found, sorted; the caller's to free.
struct tnd_policy *tnd_policy_job_take(struct tnd_policy_job *job, struct tnd_conflicts *conflicts);
void tnd_policy_job_free(struct tnd_policy_job *job);

// As the data plane wants it: a free function of one pointer.
void tnd_policy_free(void *policy);
