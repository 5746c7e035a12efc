// An engine in a box: ports that are rings, workers run by the caller, one name with targets.
//
// What the demo shows and the benchmarks time: a PBX at TND_RIG_PBX sends to the listener
// TND_RIG_LISTENER, a route takes all of it to the trunk "carrier", whose name is in the
// table with the set that tnd_rig_publish last published. Everything between the rings is
// the engine as `tandem run` has it: same stages, same table, same reclaiming.
//
// Threads:  one, which is worker and control by turns.
// Lifetime: one rig at a time; DPDK's environment stays until tnd_dataplane_cleanup.
#pragma once

#include "dataplane/dataplane.h"

#define TND_RIG_LISTENER "192.0.2.1:5060"
#define TND_RIG_PBX      "198.51.100.10:5060"
#define TND_RIG_EDGE     "edge.example.net" // our own name: what the PBX calls
#define TND_RIG_DOMAIN   "sip.example.com"  // the carrier's: what the Request-URI becomes

struct tnd_rig_options {
    uint64_t seed;         // of all keys
    uint16_t workers;      // 0: 1
    uint32_t waiting;      // packets on the way in at most, a power of two less one; 0: 1023
    bool cold;             // the wire's buffers take turns, so that none is in a cache
    uint32_t transactions; // entries of the memory; 0: as `tandem run`
    uint32_t names;        // 0: the trunk's name takes all. Else the Request-URI's host decides:
                           // so many names, each published by tnd_rig_publish_name
};

struct tnd_rig {
    struct tnd_dataplane *dp;
    struct tnd_table *table;
    struct tnd_keys keys;
    struct tnd_name_digest name;
    uint32_t names; // of the options
    struct tnd_addr listener, pbx;
    uint64_t versions; // published so far
};

// Build it, with `first` published. Returns: 0 or -TND_E* with err filled and nothing left.
int tnd_rig_open(struct tnd_rig *r, const struct tnd_rig_options *o,
                 const struct tnd_set_spec *first, struct tnd_error *err);
void tnd_rig_close(struct tnd_rig *r);

// The next version of the carrier's targets. Returns: 0 or -TND_E*.
int tnd_rig_publish(struct tnd_rig *r, const struct tnd_set_spec *spec);

// The version that the next request meets.
const struct tnd_target_set *tnd_rig_set(const struct tnd_rig *r);

// Name `i` of many: TND_RIG_HOST_LEN characters, as many as our own name has.
#define TND_RIG_HOST_LEN 16
void tnd_rig_host(uint32_t i, char out[TND_RIG_HOST_LEN + 1]);
int tnd_rig_publish_name(struct tnd_rig *r, uint32_t i, const struct tnd_set_spec *spec);

// What control does every tick. Bounded.
void tnd_rig_tick(struct tnd_rig *r);
