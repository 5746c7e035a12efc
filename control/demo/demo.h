// `tandem demo`: what it is told, what it has seen; script and view work on this.
//
// Threads: one.
#pragma once

#include "control/demo/traffic.h"

#define TND_DEMO_TARGETS 4
#define TND_DEMO_PHASES  4
#define TND_DEMO_STANDBY 3    // index of the target of the second tier
#define TND_DEMO_P_MIN   1e-6 // a smaller p-value of any phase fails the demo
#define TND_DEMO_EVENT   160

// From one change of the targets to the next.
struct tnd_demo_phase {
    const char *name;
    double from_s, to_s; // to_s: when it ended, 0 before
    char event[TND_DEMO_EVENT];
    double wanted[TND_DEMO_TARGETS]; // share of new calls
    const char *state[TND_DEMO_TARGETS];
    uint64_t got[TND_DEMO_TARGETS]; // calls, each another Call-ID
    uint64_t calls;
    double p;                         // of got against wanted
    uint32_t moved_own, moved_others; // of the sample, against the phase before
    bool moved_wrong;                 // others moved that should not have
};

struct tnd_demo {
    double seconds;
    uint64_t seed;
    struct tnd_rig rig;
    struct tnd_source source;
    struct tnd_sink sink;
    struct tnd_traffic traffic;
    uint8_t sample[2][TND_TRAFFIC_SAMPLE]; // [0]: at the start; [1]: now
    struct tnd_demo_phase phases[TND_DEMO_PHASES];
    unsigned n_phases; // begun
    double elapsed_s;
    bool interrupted;

    // Of the last interval, for the view.
    double rate, engine_ns;
};

// script.c: the targets of each phase.
struct tnd_demo_targets {
    struct tnd_set_spec spec;
    struct tnd_spec_record records[TND_DEMO_TARGETS];
    struct tnd_spec_address addresses[TND_DEMO_TARGETS];
};
// Fill in what phase `i` publishes.
void tnd_demo_targets(unsigned i, struct tnd_demo_targets *out);
void tnd_demo_addresses(struct tnd_addr out[TND_DEMO_TARGETS]);
// Second at which phase `i` begins.
double tnd_demo_begins(const struct tnd_demo *d, unsigned i);
// Publish phase `i`, see which calls of the sample move, and begin counting.
// Requires: no request is under way. Returns: 0 or -TND_E*.
int tnd_demo_begin_phase(struct tnd_demo *d, unsigned i);
void tnd_demo_end_phase(struct tnd_demo *d);
// Everything held? Otherwise why not, in `why`.
bool tnd_demo_passed(const struct tnd_demo *d, char why[TND_DEMO_EVENT]);

// view.c
bool tnd_demo_view_open(const struct tnd_demo *d);  // says at once what will happen
void tnd_demo_view_paint(const struct tnd_demo *d); // live view; nothing in a pipe
void tnd_demo_view_phase(const struct tnd_demo *d); // a phase has begun: its line in a pipe
void tnd_demo_view_close(void);
void tnd_demo_view_summary(const struct tnd_demo *d);
