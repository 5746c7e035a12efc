#include "proxy/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WAYS    8
#define TICK_MS 250

// A live entry's deadline lies at most this many ticks ahead: the longest life, and 10 s for
// a clock that steps back. What seems further ahead has expired. That leaves an expired
// entry 65536 - 28840 ticks, 2.5 h, before it would look alive again: tnd_memory_sweep.
#define AHEAD_MAX (TND_MEMORY_LIFE_MAX_MS / TICK_MS + 40)

_Static_assert((65536 - AHEAD_MAX) / (1000 / TICK_MS) > 2 * TND_MEMORY_SWEEP_S,
               "a sweep that is late by its own length still comes in time");

// The key's high 48 bits in two halves and the deadline, each as an array: one comparison of a
// vector asks all eight ways. tag 0: the way is free.
struct bucket {
    uint32_t tag[WAYS];
    uint16_t more[WAYS];
    uint16_t deadline[WAYS];
    struct tnd_memory_entry body[WAYS];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct bucket) == 320, "a line of tags and deadlines and four of bodies");

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

static uint32_t tag_of(uint64_t key)
{
    uint32_t tag = (uint32_t)(key >> 32);

    return tag ? tag : 1;
}

static uint16_t more_of(uint64_t key)
{
    return (uint16_t)(key >> 16);
}

static uint16_t deadline_of(uint64_t now_ms, uint32_t life_ms)
{
    if (life_ms > TND_MEMORY_LIFE_MAX_MS)
        life_ms = TND_MEMORY_LIFE_MAX_MS;
    return (uint16_t)((now_ms + life_ms + TICK_MS - 1) / TICK_MS); // rounded up: never early
}

// ---- The ways of a bucket, one bit each -----------------------------------------------------

#ifdef __SSE2__

static __m128i load(const void *p)
{
    return _mm_load_si128(p);
}

static unsigned bits(__m128i truths)
{
    return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(truths, _mm_setzero_si128()));
}

static __m128i tags_equal(const struct bucket *b, uint32_t tag)
{
    __m128i all = _mm_set1_epi32((int)tag);

    return _mm_packs_epi32(_mm_cmpeq_epi32(load(b->tag), all),
                           _mm_cmpeq_epi32(load(b->tag + WAYS / 2), all));
}

// Which ways are of this key, expired or not.
static unsigned same(const struct bucket *b, uint64_t key)
{
    __m128i more = _mm_cmpeq_epi16(load(b->more), _mm_set1_epi16((short)more_of(key)));

    return bits(_mm_and_si128(tags_equal(b, tag_of(key)), more));
}

// Which are taken and have not expired: 1 to AHEAD_MAX ticks ahead.
static unsigned live(const struct bucket *b, uint64_t now_ms)
{
    __m128i next = _mm_set1_epi16((short)(now_ms / TICK_MS + 1));
    __m128i beyond = _mm_subs_epu16(_mm_sub_epi16(load(b->deadline), next),
                                    _mm_set1_epi16((short)(AHEAD_MAX - 1)));

    return bits(_mm_andnot_si128(tags_equal(b, 0), _mm_cmpeq_epi16(beyond, _mm_setzero_si128())));
}

#else

static unsigned same(const struct bucket *b, uint64_t key)
{
    unsigned found = 0;

    for (unsigned i = 0; i < WAYS; i++)
        found |= (unsigned)(b->tag[i] == tag_of(key) && b->more[i] == more_of(key)) << i;
    return found;
}

static unsigned live(const struct bucket *b, uint64_t now_ms)
{
    unsigned found = 0;

    for (unsigned i = 0; i < WAYS; i++) {
        uint16_t ahead = (uint16_t)(b->deadline[i] - now_ms / TICK_MS);
        found |= (unsigned)(b->tag[i] != 0 && ahead != 0 && ahead <= AHEAD_MAX) << i;
    }
    return found;
}

#endif

// The first way of `ways`; WAYS when there is none. Branchless: which one cannot be predicted.
static unsigned first_of(unsigned ways)
{
    return (unsigned)__builtin_ctz(ways | 1u << WAYS);
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
    __builtin_prefetch(bucket_of(m, key));
}

struct tnd_memory_entry *tnd_memory_find(struct tnd_memory *m, uint64_t key, uint64_t now_ms)
{
    struct bucket *b = bucket_of(m, key);
    unsigned alive = live(b, now_ms), found = same(b, key) & alive;

    if (found == 0) {
        m->misses++;
        // What is not known will mostly be remembered a stage later: the line is fetched meanwhile.
        __builtin_prefetch(&b->body[first_of(~alive) & (WAYS - 1)], 1);
        return NULL;
    }
    m->hits++;
    return &b->body[first_of(found)];
}

struct tnd_memory_entry *tnd_memory_put(struct tnd_memory *m, uint64_t key, uint64_t now_ms,
                                        uint32_t life_ms)
{
    struct bucket *b = bucket_of(m, key);
    unsigned alive = live(b, now_ms), own = same(b, key), i = first_of(own ? own : ~alive);

    if (i == WAYS) {
        m->forgotten_full++;
        return NULL;
    }
    b->deadline[i] = deadline_of(now_ms, life_ms);
    if ((own & alive) == 0) {
        b->tag[i] = tag_of(key);
        b->more[i] = more_of(key);
        memset(&b->body[i], 0, sizeof b->body[i]);
        m->remembered++;
    }
    return &b->body[i];
}

void tnd_memory_touch(struct tnd_memory *m, uint64_t key, uint64_t now_ms, uint32_t life_ms)
{
    struct bucket *b = bucket_of(m, key);
    unsigned i = first_of(same(b, key) & live(b, now_ms));

    if (i < WAYS)
        b->deadline[i] = deadline_of(now_ms, life_ms);
}

uint32_t tnd_memory_sweep(struct tnd_memory *m, uint64_t now_ms, uint32_t n_buckets)
{
    uint32_t cleared = 0;

    while (n_buckets-- > 0) {
        struct bucket *b = &m->buckets[m->cursor++ & m->mask];
        unsigned alive = live(b, now_ms);

        // Only what has expired is written: an untouched page stays untouched.
        for (unsigned i = 0; i < WAYS; i++)
            if (b->tag[i] != 0 && !(alive >> i & 1)) {
                b->tag[i] = 0;
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
