// The load source: when which request goes out, and what became of each.
//
// Open loop: with a rate, every request has a time at which it is due, and its latency counts from
// then, so that a source or a wire that falls behind does not flatter the server. With a window and
// no rate it is a closed loop: as many as are answered. Nothing is retransmitted: what is lost
// counts as lost.
//
// Threads: one owner.
#pragma once

#include "bench/load/message.h"
#include "bench/load/wire.h"
#include "util/histogram.h"

#define LOAD_STATUS_MAX 700u

struct load_config {
    double rate;         // requests (or calls) a second; 0: as fast as the window lets through
    bool calls;          // INVITE, ACK, BYE; else one request each
    uint32_t window;     // requests under way at most
    double seconds;      // 0: no end
    uint64_t count;      // requests or calls to begin; 0: no end
    uint32_t timeout_ms; // after which a request is lost
    struct load_template messages;
    const struct tnd_str *replay; // requests to send instead, in turn; our Via is put on top
    uint32_t n_replay;
};

struct load_totals {
    uint64_t sent;             // requests that want an answer: those of a rate, INVITEs, BYEs
    uint64_t answered;         // finally
    uint64_t came_back;        // a proxy sent the request itself back to this host
    uint64_t lost;             // neither in time
    uint64_t strays;           // datagrams of nobody's request here: late, twice, other traffic
    uint64_t late;             // requests that went out more than 1 ms after they were due
    uint64_t calls, completed; // begun; ended by the answer to BYE
    uint64_t status[LOAD_STATUS_MAX]; // final answers
    struct tnd_histogram latency;     // ns
    double seconds;                   // from the first request to the last one sent
};

struct load;

// Returns: NULL when memory is short. The configuration is copied; `replay` stays the caller's.
struct load *load_new(const struct load_config *cfg, struct load_wire *wire);
void load_free(struct load *l);

// One turn: what came in, what is due. Sleeps when there is neither.
// stop: begin nothing more. Returns: false when all is over.
bool load_turn(struct load *l, bool stop);

const struct load_totals *load_totals(const struct load *l);
uint32_t load_under_way(const struct load *l);
