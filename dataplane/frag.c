#include "dataplane/frag.h"

#include <stdlib.h>

#define UNITS      (TND_FRAG_MAX / 8)
#define BITMAP_LEN ((UNITS + 63) / 64)

_Static_assert(TND_FRAG_MAX % 8 == 0, "whole units");

enum state { FREE = 0, WAITING, ENDED };

struct key {
    struct tnd_addr src, dst; // ports 0
    uint32_t id;
    uint32_t proto; // IPv4 only (RFC 791); IPv6 knows a datagram by addresses and id
};

struct entry {
    struct key key;
    uint8_t state;  // enum state
    uint8_t proto;  // of the fragment at offset 0
    uint32_t total; // octets; 0: the last fragment has not come
    uint32_t end;   // highest octet seen
    uint32_t units; // that have come
    uint64_t since_ms;
    uint64_t have[BITMAP_LEN];
    uint8_t data[TND_FRAG_MAX];
};

struct tnd_frag {
    uint32_t n, used;
    struct tnd_frag_stats stats;
    struct entry entries[];
};

struct tnd_frag *tnd_frag_new(uint32_t entries)
{
    struct tnd_frag *t;

    if (entries < 4)
        entries = 4;
    t = calloc(1, sizeof *t + entries * sizeof t->entries[0]);
    if (t)
        t->n = entries;
    return t;
}

void tnd_frag_free(struct tnd_frag *t)
{
    free(t);
}

static void release(struct tnd_frag *t, struct entry *e)
{
    t->stats.waiting -= e->state == WAITING;
    t->used--;
    e->state = FREE;
}

static void end(struct tnd_frag *t, struct entry *e)
{
    t->stats.waiting -= e->state == WAITING;
    e->state = ENDED;
}

static struct entry *find(struct tnd_frag *t, const struct key *key)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->entries[i].state != FREE && memcmp(&t->entries[i].key, key, sizeof *key) == 0)
            return &t->entries[i];
    return NULL;
}

// A free entry; when the source has its quarter, or nothing is free, the oldest one's.
static struct entry *claim(struct tnd_frag *t, const struct key *key, uint32_t *lost)
{
    struct entry *oldest = NULL, *own_oldest = NULL, *unused = NULL, *e;
    uint32_t own = 0;

    for (uint32_t i = 0; i < t->n; i++) {
        e = &t->entries[i];
        if (e->state == FREE) {
            unused = unused ? unused : e;
            continue;
        }
        if (!oldest || e->since_ms < oldest->since_ms)
            oldest = e;
        if (!tnd_addr_same_ip(&e->key.src, &key->src))
            continue;
        own++;
        if (!own_oldest || e->since_ms < own_oldest->since_ms)
            own_oldest = e;
    }
    e = own >= t->n / 4 ? own_oldest : unused ? unused : oldest;
    // One of the three is there, with four entries or more.
    // cppcheck-suppress nullPointer
    if (e->state != FREE) {
        *lost += e->state == WAITING;
        t->stats.evicted += e->state == WAITING;
        release(t, e);
    }
    return e;
}

static struct entry *start(struct tnd_frag *t, const struct key *key, uint64_t now_ms,
                           uint32_t *lost)
{
    struct entry *e = claim(t, key, lost);

    e->key = *key;
    e->state = WAITING;
    e->proto = 0;
    e->total = e->end = e->units = 0;
    e->since_ms = now_ms;
    memset(e->have, 0, sizeof e->have);
    t->used++;
    t->stats.waiting++;
    return e;
}

// How many of the units [from, to) have come.
static uint32_t count(const struct entry *e, uint32_t from, uint32_t to)
{
    uint32_t n = 0;

    for (uint32_t u = from; u < to; u++)
        n += e->have[u / 64] >> (u % 64) & 1;
    return n;
}

static void mark(struct entry *e, uint32_t from, uint32_t to)
{
    for (uint32_t u = from; u < to; u++)
        e->have[u / 64] |= 1ULL << (u % 64);
    e->units += to - from;
}

// Take the fragment's octets in. BAD: overlap, or beyond the datagram's end.
static enum tnd_frag_result take(struct entry *e, const struct tnd_frame *f)
{
    uint32_t from = f->offset / 8, to = (f->offset + f->len + 7) / 8;
    uint32_t stop = f->offset + f->len;
    uint32_t seen = count(e, from, to);

    if (e->total ? stop > e->total || (!f->more && stop != e->total) : !f->more && stop < e->end)
        return TND_FRAG_BAD;
    if (seen == to - from && stop <= e->end)
        return memcmp(e->data + f->offset, f->data, f->len) == 0 ? TND_FRAG_HELD : TND_FRAG_BAD;
    if (seen != 0)
        return TND_FRAG_BAD;
    memcpy(e->data + f->offset, f->data, f->len);
    mark(e, from, to);
    if (stop > e->end)
        e->end = stop;
    if (!f->more)
        e->total = stop;
    if (f->offset == 0)
        e->proto = f->proto;
    return e->total && e->units == (e->total + 7) / 8 ? TND_FRAG_WHOLE : TND_FRAG_HELD;
}

enum tnd_frag_result tnd_frag_put(struct tnd_frag *t, uint64_t now_ms, const struct tnd_frame *f,
                                  struct tnd_frag_whole *whole, uint32_t *lost)
{
    struct key key = {.src = f->src, .dst = f->dst, .id = f->id};

    *lost = 0;
    key.src.port = key.dst.port = 0;
    if (f->src.family == 4)
        key.proto = f->proto;
    t->stats.fragments++;
    struct entry *e = find(t, &key);
    if (e && now_ms - e->since_ms >= TND_FRAG_TIMEOUT_MS) {
        *lost += e->state == WAITING;
        t->stats.expired += e->state == WAITING;
        release(t, e);
        e = NULL;
    }
    if (!e)
        e = start(t, &key, now_ms, lost);
    if (e->state == ENDED)
        return TND_FRAG_HELD;
    if (f->offset + f->len > TND_FRAG_MAX) {
        end(t, e);
        return TND_FRAG_TOO_LARGE;
    }
    enum tnd_frag_result r = take(e, f);
    if (r == TND_FRAG_BAD) {
        t->stats.overlapping++;
        end(t, e);
    } else if (r == TND_FRAG_WHOLE) {
        *whole = (struct tnd_frag_whole){.data = e->data, .len = e->total, .proto = e->proto};
        t->stats.reassembled++;
        release(t, e);
    }
    return r;
}

uint32_t tnd_frag_expire(struct tnd_frag *t, uint64_t now_ms)
{
    uint32_t lost = 0;

    if (t->used == 0)
        return 0;
    for (uint32_t i = 0; i < t->n; i++) {
        struct entry *e = &t->entries[i];
        if (e->state == FREE || now_ms - e->since_ms < TND_FRAG_TIMEOUT_MS)
            continue;
        lost += e->state == WAITING;
        release(t, e);
    }
    t->stats.expired += lost;
    return lost;
}

void tnd_frag_stats(const struct tnd_frag *t, struct tnd_frag_stats *out)
{
    *out = t->stats;
}
