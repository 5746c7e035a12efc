// The control thread: everything that is not a packet, on one libuv loop.
//
// Owns configuration, keys, policy, resolver, adjacencies, guards, names, the table's writing
// end and the control socket; feeds the data plane by publication alone. Nothing here blocks
// and nothing waits for a worker.
//
// Threads:  the process's main thread. Lifetime: tnd_control_open .. tnd_control_close.
#pragma once

#include <uv.h>

#include "control/adjacency.h"
#include "control/config/config.h"
#include "control/ctl_server.h"
#include "control/conflicts.h"
#include "control/guard.h"
#include "control/names.h"
#include "control/policy_build.h"
#include "control/resolver.h"
#include "control/sources.h"
#include "control/turn.h"
#include "control/usage.h"
#include "dataplane/dataplane.h"
#include "proxy/keys.h"

struct tnd_control {
    uv_loop_t *loop;
    struct tnd_config *config;
    struct tnd_keys keys;
    struct tnd_dataplane *dataplane;
    struct tnd_table *table;
    struct tnd_adjacencies *adjacencies;
    struct tnd_resolver *resolver;
    struct tnd_names *names;
    struct tnd_sources *sources;
    struct tnd_policy_parts *policy_parts;
    struct tnd_policy_job *policy_job; // the version being built, or NULL
    uint64_t policy_job_version;       // of the sources it is made of
    uint64_t policy_began_ms, policy_not_before_ms;
    uint32_t conflicts_told;
    struct tnd_conflicts conflicts; // of the version that is published
    struct tnd_meter meter;
    struct tnd_usage usage;
    struct tnd_ctl_server *ctl;
    struct tnd_guard **guards; // one per listener; NULL where no kernel is behind it
    uint16_t *interface_of;    // each listener's
    uv_poll_t doorbell;
    uv_timer_t second, policy_work;
    uint64_t policy_generation;
    uint64_t started_ms;
    uint64_t kernel_sent, kernel_refused; // datagrams that left through a guard
    uint64_t icmp_errors;                 // reports of the guards
    bool doorbell_open, adjacency_known;
    void (*on_stop)(void *ctx); // `ctl stop`
    void *on_stop_ctx;
};

// Start everything, in the order in which each part needs the other; on failure all that was
// started is stopped again. The configuration becomes control's.
int tnd_control_open(struct tnd_control *c, uv_loop_t *loop, struct tnd_config *config,
                     struct tnd_error *err);

// Stop everything. The loop must be run until it is empty, then tnd_control_free.
void tnd_control_close(struct tnd_control *c);
void tnd_control_free(struct tnd_control *c);

// The answer to a request of the control socket (show.c).
json_t *tnd_control_answer(void *control, const json_t *request, struct tnd_ctl_stream *stream);
