// Where a next hop is: the whole of RFC 3263 s4 as a function over what the cache knows.
//
// tnd_locate walks NAPTR -> SRV -> A/AAAA from the beginning each time it is called and keeps
// no state of its own. What it misses it makes the cache want (such entries are due at once),
// and it says `complete = false`; called again as answers arrive, it gets further. Whoever
// drives it needs no knowledge of the chain: take due entries, ask, store, call again.
//
// Decisions where the RFCs leave room (the rest is theirs):
// - NAPTR that cannot be asked (SERVFAIL, timeout ..) is a warning, and SRV is tried: many
//   servers answer nothing else well. SRV that cannot be asked is never taken for absent: no
//   address lookup replaces it.
// - NAPTR records of equal order and preference follow one another, the trunk's transport
//   order deciding; each is a tier group of its own. NAPTR with nothing usable counts as none.
// - Usable NAPTR of which no SRV exists: A/AAAA of TARGET over the first choice's transport
//   (s4.2, "the transport protocol selected previously"). A target "." anywhere forbids that.
// - A tier in which no record has an address is not counted: tiers are dense.
// - `transport=` and explicit ports decide over the policy's transports; those only restrict
//   and order what is discovered. NAPTR keeps its own order.
// - An SRV target that is an IP literal is used, and warned of.
//
// Threads:  one at a time per (cache, result). Time is a value. No I/O.
// Lifetime: everything in a result until the next tnd_locate with it, or tnd_located_free;
//           entries in it as long as the cache keeps them.
// Cost:     about 1 us per record (no query, all known).
#pragma once

#include "dns/cache.h"
#include "route/target_set.h"

// Unknown transports and families are not asked for.
struct tnd_locate_policy {
    uint8_t n_transports, transports[3]; // enum tnd_transport; 0: TLS, TCP, UDP
    uint8_t n_families, families[2];     // 4, 6 in order of preference; 0: both alike
    enum tnd_weight_zero weight_zero;
};

// Where to go, from the URI: `maddr` is applied already (TARGET).
struct tnd_locate_hop {
    struct tnd_addr numeric; // family != 0: TARGET is an address; its port counts
    char host[TND_DNS_NAME_MAX];
    uint16_t port;     // explicit, or 0
    uint8_t transport; // of `transport=`, or NONE
    bool sips;
};

// X(member, code for programs)
#define TND_LOCATE_ERRORS(X)    \
    X(NONE, "none")             \
    X(NOT_FOUND, "not-found")   \
    X(NO_ADDRESS, "no-address") \
    X(DENIED, "service-absent") \
    X(FAILED, "dns")            \
    X(TRANSPORT, "transport")   \
    X(BAD_HOST, "bad-host")     \
    X(NO_MEMORY, "no-memory")

enum tnd_locate_error {
#define X(name, code) TND_LOCATE_##name,
    TND_LOCATE_ERRORS(X)
#undef X
};

struct tnd_located {
    bool complete;                // nothing is awaited; else what is there so far
    enum tnd_locate_error error;  // when complete and without a target
    enum tnd_dns_outcome outcome; // of error FAILED: the first failure
    char error_text[400];
    struct tnd_set_spec spec;     // may hold targets though incomplete
    uint32_t n_targets;           // addresses of all its records
    struct tnd_dns_entry **asked; // every entry the result rests on, in the order of the walk
    uint32_t n_asked;
    const char **warnings;
    uint32_t n_warnings;
    struct tnd_arena *arena;
};

// hop:    TARGET and what the URI said of it.
// out:    zeroed before its first use; reused after.
void tnd_locate(struct tnd_dns_cache *cache, const struct tnd_locate_hop *hop,
                const struct tnd_locate_policy *policy, uint64_t now_ms, struct tnd_located *out);

void tnd_located_free(struct tnd_located *out);

// The fraction of its tier's requests that each address gets were all of them live, whatever
// the transport. shares: n_targets of them, in the order of records and their addresses.
void tnd_locate_shares(const struct tnd_set_spec *spec, double *shares);

const char *tnd_locate_error_code(enum tnd_locate_error e);
