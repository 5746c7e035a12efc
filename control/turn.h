// One turn of the loop: how much a callback may do, and how long it took.
//
// Nothing may hold the control loop for more than 2 ms. Work that can be long is cut into steps
// of about 2 us; it asks tnd_turn_more before each, and what is left goes on in a later turn. So
// a turn is bounded twice: by steps, which a test can count, and by the clock.
//
// Every turn is measured by its kind, and `ctl show workers` shows the longest of each: the lag
// that whatever waits for the loop has met. The meter hangs on the loop's `data`; a loop where that
// is NULL is not measured (uv_loop_init leaves it as it was).
//
// Threads:  the loop's. Cost: four clock readings a turn (0.5 us), one for every eight steps.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define TND_TURN_MAX_NS 2000000u // what nothing may exceed; more is counted as `over`
#define TND_TURN_NS     1500000u // when a turn takes no further step
#define TND_TURN_STEPS  1024u
#define TND_METER_KINDS 32u

struct tnd_meter_kind {
    const char *name;
    uint64_t turns, over;
    uint64_t longest_ns;     // by the clock: what others have waited
    uint64_t longest_cpu_ns; // of the processor: what it took, had there been no other process
    uint32_t longest_steps;
};

struct tnd_meter {
    struct tnd_meter_kind kinds[TND_METER_KINDS];
    uint32_t n;
};

struct tnd_turn {
    struct tnd_meter *meter;
    const char *name;
    uint64_t began_ns, began_cpu_ns;
    uint32_t steps;
};

// name: of static life; what is measured together has one name.
struct tnd_turn tnd_turn_begin(const uv_loop_t *loop, const char *name);
void tnd_turn_end(struct tnd_turn *t);

// Whether one more step may be taken; if so it counts as taken.
static inline bool tnd_turn_more(struct tnd_turn *t)
{
    if (t->steps >= TND_TURN_STEPS ||
        (t->steps % 8 == 7 && uv_hrtime() - t->began_ns >= TND_TURN_NS))
        return false;
    t->steps++;
    return true;
}

// The same for work that is several steps in one piece. 8 and more look at the clock each time.
static inline bool tnd_turn_take(struct tnd_turn *t, uint32_t steps)
{
    while (steps > 0 && tnd_turn_more(t))
        steps--;
    return steps == 0;
}

// The kind with the longest turn so far, or NULL.
const struct tnd_meter_kind *tnd_meter_longest(const struct tnd_meter *m);
