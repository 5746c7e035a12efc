#include "proxy/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WAYS    8
#define TICK_MS 250

// A live entry's deadline lies at most this many ticks ahead: the longest life, and 10 s for
// a clock that steps back. What seems further ahead has expired. That leaves an expired
// entry 65536 - 28840 ticks, 2.5 h, before it would look alive again: tnd_memory_sweep.
#define AHEAD_MAX (TND_MEMORY_LIFE_MAX_MS / TICK_MS + 40)

_Static_assert((65536 - AHEAD_MAX) / (1000 / TICK_MS) > 2 * TND_MEMORY_SWEEP_S,
               "a sweep that is late by its own length still comes in time");

// tag: the key's high 48 bits, never 0, above the deadline's 16; a word of 0 is free.
struct bucket {
    uint64_t word[WAYS];
    struct tnd_memory_entry body[WAYS];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct bucket) == 320, "a line of words and four of bodies");

struct tnd_memory {
    struct bucket *buckets;
    uint64_t mask;
    size_t map_len;
    uint32_t cursor; // next bucket to sweep
    uint64_t remembered, forgotten_full, hits, misses;
};

// Low bits: where a table has over 65536 buckets they overlap the tag, yet the two still
// cover all 64 bits of the key.
static struct bucket *bucket_of(const struct tnd_memory *m, uint64_t key)
{
    return &m->buckets[key & m->mask];
}

static uint64_t tag_of(uint64_t key)
{
    uint64_t tag = key & ~0xffffULL;

    return tag ? tag : 0x10000;
}

static uint16_t deadline_of(uint64_t now_ms, uint32_t life_ms)
{
    if (life_ms > TND_MEMORY_LIFE_MAX_MS)
        life_ms = TND_MEMORY_LIFE_MAX_MS;
    return (uint16_t)((now_ms + life_ms + TICK_MS - 1) / TICK_MS); // rounded up: never early
}

static bool live(uint64_t word, uint64_t now_ms)
{
    uint16_t ahead = (uint16_t)(word - now_ms / TICK_MS);

    return word != 0 && ahead != 0 && ahead <= AHEAD_MAX;
}

// Way whose tag is `tag`, expired or not; WAYS when none. Branchless: which way it is cannot
// be predicted.
static unsigned way_of(const struct bucket *b, uint64_t tag)
{
    unsigned found = 1u << WAYS;

    for (unsigned i = 0; i < WAYS; i++)
        found |= (unsigned)((b->word[i] ^ tag) <= 0xffff) << i;
    return (unsigned)__builtin_ctz(found);
}

struct tnd_memory *tnd_memory_new(uint32_t entries)
{
    struct tnd_memory *m = calloc(1, sizeof *m);
    uint64_t n_buckets = 64 / WAYS;
    void *map;

    if (!m)
        return NULL;
    while (n_buckets * WAYS < entries && n_buckets < 1u << 28)
        n_buckets *= 2;
    m->mask = n_buckets - 1;
    m->map_len = n_buckets * sizeof *m->buckets;
    map = mmap(NULL, m->map_len, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        free(m);
        return NULL;
    }
    madvise(map, m->map_len, MADV_HUGEPAGE); // a wish: without it only the TLB suffers
    m->buckets = map;
    return m;
}

void tnd_memory_free(struct tnd_memory *m)
{
    if (!m)
        return;
    munmap(m->buckets, m->map_len);
    free(m);
}

size_t tnd_memory_bytes(const struct tnd_memory *m)
{
    return m->map_len + sizeof *m;
}

uint32_t tnd_memory_buckets(const struct tnd_memory *m)
{
    return (uint32_t)(m->mask + 1);
}

void tnd_memory_prefetch(const struct tnd_memory *m, uint64_t key)
{
    __builtin_prefetch(bucket_of(m, key)->word);
}

// Returns: a way that is free or has expired; WAYS when all are unfinished.
static unsigned vacant_way(const struct bucket *b, uint64_t now_ms)
{
    unsigned i = 0;

    while (i < WAYS && live(b->word[i], now_ms))
        i++;
    return i;
}

struct tnd_memory_entry *tnd_memory_find(struct tnd_memory *m, uint64_t key, uint64_t now_ms)
{
    struct bucket *b = bucket_of(m, key);
    unsigned i = way_of(b, tag_of(key));

    if (i == WAYS || !live(b->word[i], now_ms)) {
        m->misses++;
        // What is not known will mostly be remembered a stage later: the line is fetched meanwhile.
        __builtin_prefetch(&b->body[vacant_way(b, now_ms) & (WAYS - 1)], 1);
        return NULL;
    }
    m->hits++;
    return &b->body[i];
}

struct tnd_memory_entry *tnd_memory_put(struct tnd_memory *m, uint64_t key, uint64_t now_ms,
                                        uint32_t life_ms)
{
    struct bucket *b = bucket_of(m, key);
    uint64_t tag = tag_of(key);
    unsigned i = way_of(b, tag);
    bool known = i < WAYS && live(b->word[i], now_ms);

    if (i == WAYS)
        i = vacant_way(b, now_ms);
    if (i == WAYS) {
        m->forgotten_full++;
        return NULL;
    }
    b->word[i] = tag | deadline_of(now_ms, life_ms);
    if (!known) {
        memset(&b->body[i], 0, sizeof b->body[i]);
        m->remembered++;
    }
    return &b->body[i];
}

void tnd_memory_touch(struct tnd_memory *m, uint64_t key, uint64_t now_ms, uint32_t life_ms)
{
    struct bucket *b = bucket_of(m, key);
    uint64_t tag = tag_of(key);
    unsigned i = way_of(b, tag);

    if (i < WAYS && live(b->word[i], now_ms))
        b->word[i] = tag | deadline_of(now_ms, life_ms);
}

uint32_t tnd_memory_sweep(struct tnd_memory *m, uint64_t now_ms, uint32_t n_buckets)
{
    uint32_t cleared = 0;

    while (n_buckets-- > 0) {
        struct bucket *b = &m->buckets[m->cursor++ & m->mask];

        // Only what has expired is written: an untouched page stays untouched.
        for (unsigned i = 0; i < WAYS; i++)
            if (b->word[i] != 0 && !live(b->word[i], now_ms)) {
                b->word[i] = 0;
                cleared++;
            }
    }
    return cleared;
}

void tnd_memory_stats(const struct tnd_memory *m, struct tnd_memory_stats *out)
{
    *out = (struct tnd_memory_stats){
        .remembered = m->remembered,
        .forgotten_full = m->forgotten_full,
        .hits = m->hits,
        .misses = m->misses,
        .capacity = (uint32_t)((m->mask + 1) * WAYS),
    };
}
