// Transaction memory: where an unfinished request went (rule 14), per worker, fixed size.
//
// So that its retransmissions, its CANCEL and the ACK of its non-2xx go the same way,
// whatever DNS or health said meanwhile. A bucket is one cache line of eight keyed 48-bit tags
// and 16-bit deadlines (in quarter seconds, serial arithmetic) and eight bodies beside it; a
// miss costs one line. Unfinished entries are never evicted: with a bucket full the
// new request goes unremembered, as through a plain stateless proxy, and is counted.
//
// A deadline is known modulo 16384 s: an expired entry that nobody clears would look alive
// again after 2.5 h. So the worker sweeps: all buckets at least once in TND_MEMORY_SWEEP_S.
//
// Eight to a bucket: with an eighth of `capacity` in use 1 request in 100 000 finds its bucket
// full, with a quarter 1 in 1200, with half 1 in 33 (Erlang's loss formula). So size it as
// four to eight times rate x life.
//
// Threads:  one worker. Lifetime: the worker's. `now_ms` never goes back by over 10 s.
// Cost:     one line a miss, two a hit; bench `route.stage.pick`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

enum tnd_memory_state {
    TND_MEMORY_SENT = 0, // nothing heard
    TND_MEMORY_TRYING,   // 100 only
    TND_MEMORY_RINGING,  // another provisional
    TND_MEMORY_FINAL,    // non-2xx final forwarded: waits for its ACK
    TND_MEMORY_DONE,     // 2xx forwarded
};

struct tnd_memory_entry {
    struct tnd_addr target; // address, port, transport it was sent to; family 0: answered here
    union {
        uint16_t answer;      // .. with this status
        uint16_t caller_port; // else: the request's source port, which its branch binds
    };
    uint8_t attempt;
    uint8_t state;     // enum tnd_memory_state
    uint32_t loop;     // loop hash in our Via; 0: none
    uint16_t to_trunk; // short id of the trunk whose URI it got; 0: none
    uint16_t listener; // short id of the listener it had to leave by; 0: any that fits
};

_Static_assert(sizeof(struct tnd_memory_entry) == 32, "two bodies to a cache line");

struct tnd_memory;

#define TND_MEMORY_LIFE_MAX_MS 7200000u // longer lives are cut to this
#define TND_MEMORY_SWEEP_S     3600

struct tnd_memory_stats {
    uint64_t remembered, forgotten_full, hits, misses;
    uint32_t capacity;
};

// entries: rounded up to a power of two, at least 64, at most 2^31. Untouched pages cost nothing.
// Returns: NULL when memory is short.
struct tnd_memory *tnd_memory_new(uint32_t entries);
void tnd_memory_free(struct tnd_memory *m);
size_t tnd_memory_bytes(const struct tnd_memory *m);

void tnd_memory_prefetch(const struct tnd_memory *m, uint64_t key);

// Find an entry that has not expired. key: the memory key, secret bits throughout.
// Returns: the entry, valid until the next tnd_memory_put, or NULL.
struct tnd_memory_entry *tnd_memory_find(struct tnd_memory *m, uint64_t key, uint64_t now_ms);

// Remember (or overwrite the same key), until now + life_ms.
// Returns: the entry, zeroed when new; NULL when the bucket is full of unfinished ones.
struct tnd_memory_entry *tnd_memory_put(struct tnd_memory *m, uint64_t key, uint64_t now_ms,
                                        uint32_t life_ms);

// Extend or shorten the life of an entry that tnd_memory_find returned for `key`.
void tnd_memory_touch(struct tnd_memory *m, uint64_t key, uint64_t now_ms, uint32_t life_ms);

// Buckets (of eight entries) that tnd_memory_sweep goes through.
uint32_t tnd_memory_buckets(const struct tnd_memory *m);

// Clear what has expired in the next `n_buckets` buckets, round and round. Call it at a rate
// of at least tnd_memory_buckets / TND_MEMORY_SWEEP_S buckets a second, with or without
// traffic: for 1 M entries 37 a second, so one bucket every 25 ms.
// Returns: how many entries it cleared.
uint32_t tnd_memory_sweep(struct tnd_memory *m, uint64_t now_ms, uint32_t n_buckets);

void tnd_memory_stats(const struct tnd_memory *m, struct tnd_memory_stats *out);
