// Source, engine and sink by turns in one thread, with the cycles of each.
//
// Threads: one owner.
#pragma once

#include "control/demo/sink.h"

#define TND_TRAFFIC_SAMPLE  20000        // calls that are sent again after each change
#define TND_TRAFFIC_SAMPLED (1ull << 62) // their numbers start here

struct tnd_traffic {
    struct tnd_rig *rig;
    struct tnd_source *source;
    struct tnd_sink *sink;
    uint64_t next;    // number of the next call
    uint64_t offered; // requests put on the wire
    uint64_t source_cycles, engine_cycles, sink_cycles;
    void (*between)(void *ctx); // called between the engine's turns, outside its time; or NULL
    void *ctx;
};

// At most 32 new calls through the engine, until all of it is quiet again.
void tnd_traffic_turn(struct tnd_traffic *t);

// In two halves, so that what waits is more than a cache holds: put `n` on the wire (less
// when it is full), then have the engine take all of it.
uint32_t tnd_traffic_fill(struct tnd_traffic *t, uint32_t n);
void tnd_traffic_drain(struct tnd_traffic *t);

// Send the sample's calls, each as a new transaction. to: the target each went to.
void tnd_traffic_sample(struct tnd_traffic *t, uint8_t to[TND_TRAFFIC_SAMPLE]);

// Requests that neither arrived nor were answered. Requires: nothing is under way.
static inline uint64_t tnd_traffic_lost(const struct tnd_traffic *t)
{
    return t->offered - t->sink->delivered - t->sink->answered;
}
