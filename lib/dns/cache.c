#include "dns/cache.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 30000u
#define EARLY_MAX_MS 5000u
#define NOT_QUEUED   UINT32_MAX

struct tnd_dns_cache {
    struct tnd_hash_key key;
    struct tnd_dns_limits limits;
    struct tnd_dns_entry **buckets;
    size_t n_buckets, n; // n_buckets is a power of two
    struct tnd_dns_entry **heap;
    uint32_t heap_n, heap_max;
    uint32_t epoch;
};

// ---- The queue: a binary heap over due_ms ---------------------------------------------

static void heap_set(struct tnd_dns_cache *c, uint32_t at, struct tnd_dns_entry *e)
{
    c->heap[at] = e;
    e->heap_at = at;
}

static void heap_up(struct tnd_dns_cache *c, uint32_t at)
{
    struct tnd_dns_entry *e = c->heap[at];

    while (at > 0 && c->heap[(at - 1) / 2]->due_ms > e->due_ms) {
        heap_set(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(c, at, e);
}

static void heap_down(struct tnd_dns_cache *c, uint32_t at)
{
    struct tnd_dns_entry *e = c->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= c->heap_n)
            break;
        if (child + 1 < c->heap_n && c->heap[child + 1]->due_ms < c->heap[child]->due_ms)
            child++;
        if (c->heap[child]->due_ms >= e->due_ms)
            break;
        heap_set(c, at, c->heap[child]);
        at = child;
    }
    heap_set(c, at, e);
}

static void dequeue(struct tnd_dns_cache *c, struct tnd_dns_entry *e)
{
    uint32_t at = e->heap_at;

    if (at == NOT_QUEUED)
        return;
    e->heap_at = NOT_QUEUED;
    struct tnd_dns_entry *last = c->heap[--c->heap_n];
    if (last == e)
        return;
    heap_set(c, at, last);
    heap_up(c, at);
    heap_down(c, last->heap_at);
}

// The heap has room for every entry (see reserve), so this cannot fail.
static void enqueue(struct tnd_dns_cache *c, struct tnd_dns_entry *e, uint64_t due_ms)
{
    dequeue(c, e);
    e->due_ms = due_ms;
    if (due_ms == TND_DNS_NEVER)
        return;
    heap_set(c, c->heap_n++, e);
    heap_up(c, c->heap_n - 1);
}

// ---- Entries --------------------------------------------------------------------------

struct tnd_dns_cache *tnd_dns_cache_new(const struct tnd_hash_key *key,
                                        const struct tnd_dns_limits *limits)
{
    struct tnd_dns_cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->key = *key;
    c->limits = *limits;
    if (c->limits.min_ttl_s == 0)
        c->limits.min_ttl_s = 1;
    c->n_buckets = 64;
    c->buckets = calloc(c->n_buckets, sizeof(struct tnd_dns_entry *));
    if (!c->buckets) {
        free(c);
        return NULL;
    }
    return c;
}

void tnd_dns_cache_free(struct tnd_dns_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_buckets; i++)
        while (c->buckets[i])
            tnd_dns_cache_drop(c, c->buckets[i]);
    free(c->buckets);
    free(c->heap);
    free(c);
}

// Room for one more: in the heap always, in the buckets when that can be had.
static bool reserve(struct tnd_dns_cache *c)
{
    if (c->n + 1 > c->heap_max) {
        uint32_t max = c->heap_max ? c->heap_max * 2 : 64;
        struct tnd_dns_entry **h = realloc(c->heap, max * sizeof(struct tnd_dns_entry *));
        if (!h)
            return false;
        c->heap = h;
        c->heap_max = max;
    }
    if (c->n < c->n_buckets)
        return true;
    size_t n_buckets = c->n_buckets * 2;
    struct tnd_dns_entry **b = calloc(n_buckets, sizeof(struct tnd_dns_entry *));
    if (!b)
        return true;
    for (size_t i = 0; i < c->n_buckets; i++) {
        for (struct tnd_dns_entry *e = c->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = b[e->hash & (n_buckets - 1)];
            b[e->hash & (n_buckets - 1)] = e;
        }
    }
    free(c->buckets);
    c->buckets = b;
    c->n_buckets = n_buckets;
    return true;
}

static uint64_t hash_of(const struct tnd_dns_cache *c, const char *name, uint16_t type)
{
    struct tnd_hasher h;

    tnd_hash_init(&h, &c->key);
    tnd_hash_u64(&h, type);
    tnd_hash_bytes(&h, name, strlen(name));
    return tnd_hash_final(&h);
}

struct tnd_dns_entry *tnd_dns_cache_want(struct tnd_dns_cache *c, const char *name, uint16_t type,
                                         uint64_t now_ms)
{
    uint64_t hash = hash_of(c, name, type);
    size_t len = strlen(name);

    for (struct tnd_dns_entry *e = c->buckets[hash & (c->n_buckets - 1)]; e; e = e->next)
        if (e->hash == hash && e->type == type && strcmp(e->name, name) == 0)
            return e;
    struct tnd_dns_entry *e = calloc(1, sizeof *e + len + 1);
    if (!e)
        return NULL;
    if (!reserve(c)) {
        free(e);
        return NULL;
    }
    memcpy(e->name, name, len + 1);
    e->type = type;
    e->hash = hash;
    e->heap_at = NOT_QUEUED;
    e->next = c->buckets[hash & (c->n_buckets - 1)];
    c->buckets[hash & (c->n_buckets - 1)] = e;
    c->n++;
    enqueue(c, e, now_ms);
    return e;
}

struct tnd_dns_entry *tnd_dns_cache_due(struct tnd_dns_cache *c, uint64_t now_ms)
{
    return c->heap_n > 0 && c->heap[0]->due_ms <= now_ms ? c->heap[0] : NULL;
}

uint64_t tnd_dns_cache_next_due_ms(const struct tnd_dns_cache *c)
{
    return c->heap_n > 0 ? c->heap[0]->due_ms : TND_DNS_NEVER;
}

void tnd_dns_cache_asked(struct tnd_dns_cache *c, struct tnd_dns_entry *e)
{
    e->pending = true;
    enqueue(c, e, TND_DNS_NEVER);
}

void tnd_dns_cache_put_off(struct tnd_dns_cache *c, struct tnd_dns_entry *e, uint64_t due_ms)
{
    enqueue(c, e, due_ms);
}

static uint32_t clamp(uint32_t v, uint32_t low, uint32_t high)
{
    return v > high ? (high < low ? low : high) : v < low ? low : v;
}

// Refresh a little before the end: up to a twentieth of the TTL, at most 5 s.
static uint64_t refresh_ms(uint32_t ttl_s, uint32_t random)
{
    uint64_t ttl_ms = (uint64_t)ttl_s * 1000;
    uint64_t early = ttl_ms / 20 < EARLY_MAX_MS ? ttl_ms / 20 : EARLY_MAX_MS;

    return ttl_ms - (early * random >> 32);
}

static uint64_t retry_ms(const struct tnd_dns_entry *e)
{
    if (e->answer)
        return clamp(e->ttl_s, RETRY_MIN_MS / 1000, RETRY_MAX_MS / 1000) * 1000u;
    uint32_t step = e->failures < 6 ? RETRY_MIN_MS << (e->failures - 1) : RETRY_MAX_MS;
    return step < RETRY_MAX_MS ? step : RETRY_MAX_MS;
}

// The old answer goes on being served while it is not too old.
static void keep_stale(struct tnd_dns_cache *c, struct tnd_dns_entry *e, uint64_t now_ms)
{
    e->failures++;
    if (e->answer && now_ms >= e->expires_ms + (uint64_t)c->limits.stale_for_s * 1000) {
        free(e->answer);
        e->answer = NULL;
    }
    enqueue(c, e, now_ms + retry_ms(e));
}

bool tnd_dns_cache_store(struct tnd_dns_cache *c, struct tnd_dns_entry *e,
                         struct tnd_dns_answer *answer, uint32_t took_us, uint32_t random,
                         uint64_t now_ms)
{
    enum tnd_dns_outcome o = (enum tnd_dns_outcome)answer->outcome;
    bool negative = o == TND_DNS_NXDOMAIN || o == TND_DNS_NODATA;

    enum tnd_dns_outcome before = tnd_dns_cache_says(e);
    e->pending = false;
    e->took_us = took_us;
    e->last = (uint8_t)o;
    if (!tnd_dns_is_answer(o)) {
        free(answer);
        keep_stale(c, e, now_ms);
        return tnd_dns_cache_says(e) != before;
    }
    bool changed = !e->answer || !tnd_dns_same(e->answer, answer);
    free(e->answer);
    e->answer = answer;
    e->failures = 0;
    e->answered_ms = now_ms;
    e->ttl_s = clamp(answer->ttl_s, c->limits.min_ttl_s,
                     negative ? c->limits.negative_ttl_s : c->limits.max_ttl_s);
    e->expires_ms = now_ms + (uint64_t)e->ttl_s * 1000;
    enqueue(c, e, now_ms + refresh_ms(e->ttl_s, random));
    return changed;
}

void tnd_dns_cache_drop(struct tnd_dns_cache *c, struct tnd_dns_entry *e)
{
    struct tnd_dns_entry **at = &c->buckets[e->hash & (c->n_buckets - 1)];

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    dequeue(c, e);
    c->n--;
    free(e->answer);
    free(e);
}

uint32_t tnd_dns_cache_epoch(struct tnd_dns_cache *c)
{
    if (++c->epoch == 0) { // wrapped: old marks would look new
        for (size_t i = 0; i < c->n_buckets; i++)
            for (struct tnd_dns_entry *e = c->buckets[i]; e; e = e->next)
                e->epoch = 0;
        c->epoch = 1;
    }
    return c->epoch;
}

size_t tnd_dns_cache_count(const struct tnd_dns_cache *c)
{
    return c->n;
}
