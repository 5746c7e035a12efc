// The record sets this engine knows, keyed by (name, type), each with a life of its own.
//
// An entry is made when somebody wants it and is due at once. Whoever drives the cache takes
// due entries, asks, and stores what came. A good or negative answer is believed for its TTL
// and asked again shortly before that ends, a little early at random so that a thousand names
// do not expire together. A failure (no answer, SERVFAIL, nonsense) never displaces an answer:
// the old one goes on being served (RFC 8767) until `stale_for_s` after its end, and the
// question is repeated after min(30 s, max(1 s, TTL)): a zone of short TTLs that comes back is
// followed quickly, one of long TTLs is asked every 30 s. A name that never had an answer is
// tried again after 1, 2, 4 .. 30 s.
//
// Threads:  one writer, no reader beside it. Time is a value. No I/O.
// Lifetime: entries live until tnd_dns_cache_drop; an entry's answer until the next store.
// Cost:     one keyed hash for a lookup; the queue of due entries is a binary heap.
#pragma once

#include "dns/walk.h"
#include "util/hash.h"

#define TND_DNS_NEVER UINT64_MAX

struct tnd_dns_limits {
    uint32_t min_ttl_s; // floor of what answers say, at least 1
    uint32_t max_ttl_s;
    uint32_t stale_for_s;
    uint32_t negative_ttl_s; // ceiling of negative answers
};

#define TND_DNS_LIMITS_DEFAULT ((struct tnd_dns_limits){1, 86400, 86400, 300})

struct tnd_dns_edge;

struct tnd_dns_entry {
    struct tnd_dns_answer *answer; // the last one to be believed, or NULL
    uint16_t type;
    uint8_t last;      // enum tnd_dns_outcome of the latest try; NONE before the first
    bool pending;      // asked, not answered yet
    uint32_t failures; // since the last answer
    uint32_t ttl_s;    // of `answer`, within the limits
    uint32_t took_us;  // the latest try
    uint64_t answered_ms, expires_ms;
    uint64_t due_ms;            // when to ask (again); TND_DNS_NEVER while pending
    uint32_t heap_at;           // position in the queue, UINT32_MAX when not in it
    uint32_t epoch;             // scratch of tnd_locate
    struct tnd_dns_edge *edges; // of whoever follows names: who rests on this
    struct tnd_dns_entry *next; // of the same bucket
    uint64_t hash;
    char name[];
};

struct tnd_dns_cache;

// Returns: NULL when memory is short.
struct tnd_dns_cache *tnd_dns_cache_new(const struct tnd_hash_key *key,
                                        const struct tnd_dns_limits *limits);
void tnd_dns_cache_free(struct tnd_dns_cache *c);

// Find an entry, or make it, due at once. NULL: memory is short. `name` as tnd_dns_name makes it.
struct tnd_dns_entry *tnd_dns_cache_want(struct tnd_dns_cache *c, const char *name, uint16_t type,
                                         uint64_t now_ms);

// The entry that is due, or NULL. It stays due until it is taken, dropped or put off.
struct tnd_dns_entry *tnd_dns_cache_due(struct tnd_dns_cache *c, uint64_t now_ms);

// When the next entry is due; TND_DNS_NEVER when none is.
uint64_t tnd_dns_cache_next_due_ms(const struct tnd_dns_cache *c);

void tnd_dns_cache_asked(struct tnd_dns_cache *c, struct tnd_dns_entry *e);
void tnd_dns_cache_put_off(struct tnd_dns_cache *c, struct tnd_dns_entry *e, uint64_t due_ms);

// What came of a question. `answer` becomes the cache's.
// random:  any 32 random bits: how early the refresh comes.
// Returns: whether what the entry says (tnd_dns_cache_says) may have changed.
bool tnd_dns_cache_store(struct tnd_dns_cache *c, struct tnd_dns_entry *e,
                         struct tnd_dns_answer *answer, uint32_t took_us, uint32_t random,
                         uint64_t now_ms);

void tnd_dns_cache_drop(struct tnd_dns_cache *c, struct tnd_dns_entry *e);

// A number not yet in any entry's `epoch`: marks what one walk has visited.
uint32_t tnd_dns_cache_epoch(struct tnd_dns_cache *c);

size_t tnd_dns_cache_count(const struct tnd_dns_cache *c);

// What the entry says now: an answer, though it be stale while a new one is not in; NONE while
// the first is awaited; else how the latest try failed.
static inline enum tnd_dns_outcome tnd_dns_cache_says(const struct tnd_dns_entry *e)
{
    return (enum tnd_dns_outcome)(e->answer ? e->answer->outcome : e->last);
}
