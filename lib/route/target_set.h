// A target set: all targets of one next-hop name, in RFC 2782 tiers. Immutable.
//
// Built by control from what DNS said (a tnd_set_spec), published through the table, read
// by workers between two quiescent states. Whatever changes a target's state (health,
// adjacency, drain, a new answer) makes a new version; nothing in a set is ever written
// after tnd_set_build returned.
//
// One block of memory: header, tiers, records, targets, lanes, host names. Records of a tier
// lie in ascending id order, a record's targets in order of family rank and id, so that equal
// content is equal bytes and ties go to the lower id. What the pick reads, and no more, lies
// once more in the lanes: live records only, as arrays that a SIMD kernel can load.
//
// Threads:  any reader; never writes. Lifetime: until the reader's next quiescent state.
// Cost:     the pick among up to four records of one address reads two cache lines.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"
#include "util/hash.h"
#include "util/str.h"

#define TND_SET_RECORDS_MAX 1024 // of one set; more are left out with a warning by the resolver
#define TND_SET_TARGETS_MAX 4096
#define TND_NO_TARGET       UINT32_MAX

// What a weight of 0 means (RFC 2782 leaves "a very small chance"; peers disagree).
enum tnd_weight_zero {
    TND_WEIGHT_ZERO_LAST_RESORT = 0, // only when no positive weight of the tier is live
    TND_WEIGHT_ZERO_RFC2782,         // all zeros of the tier together: 1/(sum+1)
    TND_WEIGHT_ZERO_NEVER,           // not at all, unless every weight of the tier is 0
};

// ---- What a set is built from -------------------------------------------------------

struct tnd_spec_address {
    struct tnd_addr addr; // family and ip; port and transport are the record's
    bool down;            // known unusable: no adjacency, unhealthy
    bool drained;         // by hand: excluded from every tier
    uint8_t
        family_rank; // 0 = preferred; addresses of a higher rank serve only when none lower is live
    uint32_t ttl_s;
};

// One SRV record, or the one implicit record of a name without SRV.
struct tnd_spec_record {
    struct tnd_str host; // SRV target, or the name itself; lower case, no final dot
    uint16_t tier;       // counts from 0 over the whole set, in the order tiers are tried
    uint16_t priority, weight;
    uint16_t port;
    uint8_t transport;
    uint32_t ttl_s;
    const struct tnd_spec_address *addresses;
    uint16_t n_addresses;
};

struct tnd_set_spec {
    const struct tnd_spec_record *records;
    uint32_t n_records;
    enum tnd_weight_zero weight_zero;
};

// ---- The set -------------------------------------------------------------------------

enum tnd_target_flag {
    TND_TARGET_LIVE = 1 << 0,    // may be picked
    TND_TARGET_DRAINED = 1 << 1, // by hand
    TND_TARGET_USABLE = 1 << 2,  // the engine can send this transport (UDP)
    TND_TARGET_DOWN = 1 << 3,    // no adjacency, or unhealthy
};

// One transport + address + port.
struct tnd_target {
    struct tnd_addr addr;
    uint16_t record; // index of its record
    uint8_t flags;   // enum tnd_target_flag
    uint8_t family_rank;
    uint64_t id; // tnd_target_id of addr: 48 bits, what branch and token carry
};

// One SRV record after merging equal identities (transport + host + port) of a tier.
struct tnd_record {
    uint64_t id;       // hash of transport, host, port
    float rcp_weight;  // 1 / effective weight (a last resort's: 1); 0 when it never serves
    uint32_t weight;   // as published (merged weights are summed, hence 32 bits)
    uint16_t first, n; // its targets
    uint16_t n_live;   // of them
    uint16_t priority;
    uint16_t tier;
    uint16_t host_len;
    uint32_t host_off; // from the start of the set
};

struct tnd_tier {
    uint16_t first, n;    // its records
    uint16_t n_live;      // records with a live target that take part in the first draw
    uint16_t n_zero_live; // live records of weight 0 that serve only as last resort
};

struct tnd_target_set {
    uint64_t generation; // of the publication
    uint64_t content;    // hash of everything but the generation: equal sets are one object
    uint32_t size;       // bytes of the whole block
    uint16_t n_tiers, n_records, n_targets;
    uint8_t weight_zero;
    bool all_zero;      // some tier has nothing but weights 0: equal shares, drains nothing
    uint16_t best;      // first tier with anything live; n_tiers when there is none
    uint16_t draw_n;    // lanes of its draw: its live records or its last resorts; 0: nothing live
    uint32_t draw_off;  // where they are, from the start of the set; 64-byte aligned
    uint32_t lanes_off; // the first lanes of all
    struct tnd_tier tiers[];
};

_Static_assert(sizeof(struct tnd_tier) == 8, "read per pick");
_Static_assert(sizeof(struct tnd_record) == 32, "two to a cache line");
_Static_assert(sizeof(struct tnd_target) == 32, "two to a cache line");
_Static_assert(sizeof(struct tnd_target_set) == 40, "header and three tiers in one cache line");

// What the pick reads: for each tier the lanes of its n_live records of the first draw, if any,
// then those of its n_zero_live last resorts. Lanes are four arrays of tnd_lanes_stride, one
// after the other, 64-byte aligned as a whole; up to four records are one cache line.
struct tnd_lane {
    uint16_t record;
    uint16_t only; // its target when exactly one may be picked, else TND_LANE_MANY
};

#define TND_LANE_MANY UINT16_MAX

struct tnd_lanes {
    const uint32_t *lo, *hi;  // halves of the records' ids; padded with 0
    const float *rcp_weights; // padded with infinity, which never wins
    const struct tnd_lane *lanes;
};

_Static_assert(sizeof(struct tnd_lane) == 4, "as wide as the other three");

// Above half of it, the number of lanes is a multiple of this: a kernel reads whole vectors.
#define TND_LANES_ALIGN 16U

static inline uint32_t tnd_lanes_stride(uint32_t n)
{
    if (n <= TND_LANES_ALIGN / 2)
        return n <= TND_LANES_ALIGN / 4 ? TND_LANES_ALIGN / 4 : TND_LANES_ALIGN / 2;
    return (n + TND_LANES_ALIGN - 1) & ~(TND_LANES_ALIGN - 1);
}

static inline size_t tnd_lanes_size(uint32_t n)
{
    return n ? 16 * (size_t)tnd_lanes_stride(n) : 0;
}

static inline struct tnd_lanes tnd_lanes_at(const void *p, uint32_t n)
{
    uint32_t stride = tnd_lanes_stride(n);
    const uint32_t *lo = p;

    return (struct tnd_lanes){
        .lo = lo,
        .hi = lo + stride,
        .rcp_weights = (const float *)(const void *)(lo + 2 * (size_t)stride),
        .lanes = (const struct tnd_lane *)(const void *)(lo + 3 * (size_t)stride),
    };
}

static inline uint64_t tnd_lane_id(const struct tnd_lanes *l, uint32_t i)
{
    return l->lo[i] | (uint64_t)l->hi[i] << 32;
}

// Identity of a transport address: the same on every node and at every start. 48 bits, never 0.
uint64_t tnd_target_id(const struct tnd_addr *a);

// Identity of a record: transport, host (case-folded), port.
uint64_t tnd_record_id(enum tnd_transport transport, struct tnd_str host, uint16_t port);

// Bytes that tnd_set_build needs for `spec`; 0 when it is beyond the limits above.
size_t tnd_set_size(const struct tnd_set_spec *spec);

// Build a set into `mem` (tnd_set_size bytes, 64-byte aligned).
// Returns: the set, which may have no target at all (a name that has none).
struct tnd_target_set *tnd_set_build(const struct tnd_set_spec *spec, uint64_t generation,
                                     void *mem);

// The one-target set of a numeric next hop, made in the worker: no answer of DNS and no
// health is behind it, so it is live wherever its transport can be sent. `mem` as above.
#define TND_SET_ONE_SIZE 256
struct tnd_target_set *tnd_set_one(const struct tnd_addr *a, void *mem);

static inline const struct tnd_record *tnd_set_records(const struct tnd_target_set *s)
{
    return (const struct tnd_record *)(const void *)((const char *)s +
                                                     (((sizeof *s +
                                                        s->n_tiers * sizeof(struct tnd_tier)) +
                                                       7) &
                                                      ~(size_t)7));
}

static inline const struct tnd_target *tnd_set_targets(const struct tnd_target_set *s)
{
    return (const struct tnd_target *)(const void *)(tnd_set_records(s) + s->n_records);
}

// The lanes of the draw.
static inline const void *tnd_set_draw(const struct tnd_target_set *s)
{
    return (const char *)s + s->draw_off;
}

static inline struct tnd_str tnd_set_host(const struct tnd_target_set *s,
                                          const struct tnd_record *r)
{
    return (struct tnd_str){(const char *)s + r->host_off, r->host_len};
}

// Index of the target with this id, or TND_NO_TARGET. Live or not.
uint32_t tnd_set_find(const struct tnd_target_set *s, uint64_t target_id);

// The fraction of its tier's new requests that target `i` gets now (0..1), tier by tier as
// if every better tier were gone. For people and tests; not on the hot path.
double tnd_set_share(const struct tnd_target_set *s, uint32_t i);

// The same as if the engine could send every transport: what DNS asks for (`tandem resolve`).
double tnd_set_share_published(const struct tnd_target_set *s, uint32_t i);
