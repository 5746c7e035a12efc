// What the parts of tnd_locate share; nobody else includes this.
#pragma once

#include "dns/locate.h"
#include "util/arena.h"

// What became of one way to the targets.
enum tnd__found {
    TND__FOUND,  // there are records, with or without an address
    TND__ABSENT, // DNS says there are none
    TND__DENIED, // SRV target ".": the service is decidedly not there (RFC 2782)
    TND__FAILED, // could not be asked
    TND__WAIT,   // not answered yet
};

struct tnd__walk {
    struct tnd_dns_cache *cache;
    const struct tnd_locate_hop *hop;
    const struct tnd_locate_policy *policy;
    struct tnd_located *out;
    uint64_t now_ms;
    uint32_t epoch;
    uint16_t tier; // the next to fill
    bool waiting, no_memory;
    bool name_missing; // TARGET's addresses: NXDOMAIN
    uint32_t records_max, asked_max, warnings_max;
    struct tnd_spec_record *records; // of out->spec, while they are written
    const char *failed_name;         // the first that could not be asked
    uint16_t failed_type;
};

__attribute__((format(printf, 2, 3))) void tnd__warn(struct tnd__walk *w, const char *fmt, ...);

// The record set of (name, type), aliases followed across answers.
struct tnd__set {
    const struct tnd_dns_answer *answer; // NULL unless outcome is POSITIVE
    enum tnd_dns_outcome outcome;        // NONE: awaited
    uint32_t ttl_s;
    bool alias;
};
void tnd__lookup(struct tnd__walk *w, const char *name, uint16_t type, struct tnd__set *out);

// How a set without records is to be read: ABSENT, FAILED (noted as the reason) or WAIT.
enum tnd__found tnd__without(struct tnd__walk *w, const struct tnd__set *s, const char *name,
                             uint16_t type);

// One record over a host's addresses, in the current tier. Returns: how many addresses.
uint32_t tnd__add_host(struct tnd__walk *w, const char *host, const struct tnd_spec_record *like);

// A group of one tier: a host without SRV. Returns: FOUND, whatever came.
enum tnd__found tnd__host_group(struct tnd__walk *w, const char *host, enum tnd_transport transport,
                                uint16_t port);

// The SRV records of a name: one tier for each priority.
enum tnd__found tnd__srv_group(struct tnd__walk *w, const char *name, enum tnd_transport transport);

// NAPTR of TARGET. Returns: false when it has nothing usable and SRV is to be tried.
bool tnd__naptr(struct tnd__walk *w);

// SRV of TARGET over each transport in turn, then its addresses.
void tnd__services(struct tnd__walk *w, const uint8_t *transports, uint8_t n);

// What groups without a target leave: an address lookup of TARGET when all were absent.
void tnd__fallback(struct tnd__walk *w, const enum tnd__found *groups, uint32_t n,
                   enum tnd_transport transport);

// Transports to be discovered, in order of preference; those of a sips URI are TLS alone.
uint8_t tnd__transports(const struct tnd__walk *w, uint8_t out[3]);

static inline uint16_t tnd__default_port(enum tnd_transport t)
{
    return t == TND_TRANSPORT_TLS ? 5061 : 5060;
}
