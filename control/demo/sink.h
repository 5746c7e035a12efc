// Takes what the engine sends and holds it to account: every request ends once, where it may.
//
// Whoever offers a request tells the sink first (tnd_sink_expect); what then arrives must be
// one that is expected, at a target that is live now, or be its answer at the PBX. One in
// TND_SINK_CHECK_EACH is compared in full: our Via on top with a branch of ours, our
// Record-Route, the Request-URI, Max-Forwards one lower, and all from Contact to the last
// octet of the body as it was sent.
//
// Threads:  one owner. Cost: 50 ns a message; bench `route.sink`.
#pragma once

#include "control/demo/rig.h"
#include "control/demo/source.h"

#define TND_SINK_TARGETS_MAX 16
#define TND_SINK_CHECK_EACH  1024
#define TND_SINK_WINDOW      65536 // requests under way at most

struct tnd_sink {
    const struct tnd_rig *rig;
    struct tnd_source again; // makes the original once more to compare with
    uint32_t attempt;        // which the source uses now

    unsigned n_targets;
    struct tnd_addr targets[TND_SINK_TARGETS_MAX];
    bool live[TND_SINK_TARGETS_MAX]; // set by whoever publishes

    uint64_t got[TND_SINK_TARGETS_MAX]; // delivered, since tnd_sink_reset
    uint64_t delivered, answered;       // of those expected, each once
    uint64_t unknown;                   // was not expected (or twice), or went to no target
    uint64_t dead;                      // delivered to a target that is not live
    uint64_t checked, wrong;            // compared in full; of them not as they should be
    char fault[256];                    // of the first that was wrong

    uint64_t last_number; // of the message taken last, and its target
    unsigned last_target;
    uint64_t expected[TND_SINK_WINDOW]; // number + 1 of the request under way; 0: none
};

// targets: as addresses of the set that the rig publishes.
void tnd_sink_init(struct tnd_sink *s, const struct tnd_rig *rig, uint64_t seed,
                   const struct tnd_addr targets[], unsigned n);
void tnd_sink_expect(struct tnd_sink *s, uint64_t number);
// Returns: true when it was a request that arrived where it may: last_number and last_target.
bool tnd_sink_take(struct tnd_sink *s, const struct tnd_datagram *d);
void tnd_sink_reset(struct tnd_sink *s); // got[] alone
