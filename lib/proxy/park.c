#include "proxy/park.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_LEN 2048
#define LARGE_LEN 16384
#define NIL       UINT32_MAX

enum slot_state { SLOT_FREE = 0, SLOT_WAITS, SLOT_DUE, SLOT_OUT };

struct slot {
    struct tnd_parked pub; // first: what callers hold is a pointer to it
    char *room;            // its own part of the slab
    uint64_t arrival;
    uint64_t rank;          // in its heap: deadline while it waits, arrival when due
    uint32_t heap_at;       // place in its heap
    uint32_t txn_next;      // chain of the hash by transaction, or of the free list
    uint32_t prev, next;    // others that wait for the same name, by arrival
    uint32_t name;          // name it waits for
    uint8_t state, expired; // enum slot_state
};

// A name that something waits for.
struct name {
    struct tnd_name_digest digest;
    uint32_t first, last, count;
    uint32_t next; // chain of the hash by name, or of the free list
};

// Smallest rank first.
struct heap {
    uint32_t *slots, n;
};

struct tnd_park {
    struct slot *slots;
    struct name *names;
    char *slab;
    uint32_t *by_txn, *by_name; // heads of chains
    uint32_t *per_trunk;
    uint32_t mask; // of both hashes
    uint32_t n_small, n_slots;
    uint32_t free_small, free_large, free_name;
    struct heap waiting, due;
    uint64_t arrivals;
    struct tnd_park_stats stats;
};

static void heap_set(struct tnd_park *p, struct heap *h, uint32_t at, uint32_t slot)
{
    h->slots[at] = slot;
    p->slots[slot].heap_at = at;
}

static void heap_up(struct tnd_park *p, struct heap *h, uint32_t at, uint32_t slot)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (p->slots[h->slots[parent]].rank <= p->slots[slot].rank)
            break;
        heap_set(p, h, at, h->slots[parent]);
        at = parent;
    }
    heap_set(p, h, at, slot);
}

static void heap_down(struct tnd_park *p, struct heap *h, uint32_t at, uint32_t slot)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && p->slots[h->slots[child + 1]].rank < p->slots[h->slots[child]].rank)
            child++;
        if (p->slots[slot].rank <= p->slots[h->slots[child]].rank)
            break;
        heap_set(p, h, at, h->slots[child]);
        at = child;
    }
    heap_set(p, h, at, slot);
}

static void heap_add(struct tnd_park *p, struct heap *h, uint32_t slot, uint64_t rank)
{
    p->slots[slot].rank = rank;
    heap_up(p, h, h->n++, slot);
}

static void heap_remove(struct tnd_park *p, struct heap *h, uint32_t slot)
{
    uint32_t at = p->slots[slot].heap_at, moved = h->slots[--h->n];

    if (moved == slot)
        return;
    if (p->slots[moved].rank < p->slots[slot].rank)
        heap_up(p, h, at, moved);
    else
        heap_down(p, h, at, moved);
}

// Transaction keys and name digests are keyed hashes already.
static uint32_t *txn_chain(const struct tnd_park *p, uint64_t txn)
{
    return &p->by_txn[txn & p->mask];
}

static uint32_t *name_chain(const struct tnd_park *p, const struct tnd_name_digest *name)
{
    return &p->by_name[name->lo & p->mask];
}

static uint32_t find_txn(const struct tnd_park *p, uint64_t txn)
{
    uint32_t i = *txn_chain(p, txn);

    while (i != NIL && p->slots[i].pub.txn != txn)
        i = p->slots[i].txn_next;
    return i;
}

static uint32_t find_name(const struct tnd_park *p, const struct tnd_name_digest *name)
{
    uint32_t i = *name_chain(p, name);

    while (i != NIL && (p->names[i].digest.lo != name->lo || p->names[i].digest.hi != name->hi))
        i = p->names[i].next;
    return i;
}

static void free_name(struct tnd_park *p, uint32_t i)
{
    uint32_t *link = name_chain(p, &p->names[i].digest);

    while (*link != i)
        link = &p->names[*link].next;
    *link = p->names[i].next;
    p->names[i].next = p->free_name;
    p->free_name = i;
}

// A slot needs a name at most, and there are as many: the free list cannot be empty.
static uint32_t new_name(struct tnd_park *p, const struct tnd_name_digest *digest)
{
    uint32_t i = p->free_name, *head = name_chain(p, digest);

    p->free_name = p->names[i].next;
    p->names[i] = (struct name){.digest = *digest, .first = NIL, .last = NIL, .next = *head};
    *head = i;
    return i;
}

static void join_name(struct tnd_park *p, uint32_t i, uint32_t name)
{
    struct slot *s = &p->slots[i];
    struct name *n = &p->names[name];

    s->name = name;
    s->prev = n->last;
    s->next = NIL;
    *(n->last == NIL ? &n->first : &p->slots[n->last].next) = i;
    n->last = i;
    n->count++;
}

static void leave_name(struct tnd_park *p, const struct slot *s)
{
    struct name *n = &p->names[s->name];

    *(s->prev == NIL ? &n->first : &p->slots[s->prev].next) = s->next;
    *(s->next == NIL ? &n->last : &p->slots[s->next].prev) = s->prev;
    if (--n->count == 0)
        free_name(p, s->name);
}

static void make_due(struct tnd_park *p, uint32_t i, bool expired)
{
    struct slot *s = &p->slots[i];

    leave_name(p, s);
    heap_remove(p, &p->waiting, i);
    heap_add(p, &p->due, i, s->arrival);
    s->state = SLOT_DUE;
    s->expired = expired;
}

static uint32_t *free_list(struct tnd_park *p, uint32_t slot)
{
    return slot < p->n_small ? &p->free_small : &p->free_large;
}

static void thread_lists(struct tnd_park *p)
{
    p->free_small = p->free_large = p->free_name = NIL;
    for (uint32_t i = p->n_slots; i-- > 0;) {
        uint32_t *list = free_list(p, i);
        size_t large = i < p->n_small ? 0 : i - p->n_small;

        p->slots[i].room = p->slab + (size_t)(i - large) * SMALL_LEN + large * LARGE_LEN;
        p->slots[i].txn_next = *list;
        *list = i;
        p->names[i].next = p->free_name;
        p->free_name = i;
    }
    for (uint32_t i = 0; i <= p->mask; i++)
        p->by_txn[i] = p->by_name[i] = NIL;
}

struct tnd_park *tnd_park_new(uint32_t slots)
{
    struct tnd_park *p = calloc(1, sizeof *p);
    uint32_t n_large = slots / 16 ? slots / 16 : 1;
    size_t n = (size_t)slots + n_large, n_chains = 64;

    if (!p || n > UINT32_MAX / 4) {
        free(p);
        return NULL;
    }
    while (n_chains < n)
        n_chains *= 2;
    p->mask = (uint32_t)(n_chains - 1);
    p->n_small = slots;
    p->n_slots = (uint32_t)n;
    p->slots = calloc(n, sizeof *p->slots);
    p->names = calloc(n, sizeof *p->names);
    p->slab = malloc((size_t)slots * SMALL_LEN + (size_t)n_large * LARGE_LEN);
    p->by_txn = calloc(n_chains, sizeof *p->by_txn);
    p->by_name = calloc(n_chains, sizeof *p->by_name);
    p->per_trunk = calloc(UINT16_MAX + 1, sizeof *p->per_trunk);
    p->waiting.slots = calloc(n, sizeof *p->waiting.slots);
    p->due.slots = calloc(n, sizeof *p->due.slots);
    if (!p->slots || !p->names || !p->slab || !p->by_txn || !p->by_name || !p->per_trunk ||
        !p->waiting.slots || !p->due.slots) {
        tnd_park_free(p);
        return NULL;
    }
    p->stats.capacity = p->n_slots;
    thread_lists(p);
    return p;
}

void tnd_park_free(struct tnd_park *p)
{
    if (!p)
        return;
    free(p->slots);
    free(p->names);
    free(p->slab);
    free(p->by_txn);
    free(p->by_name);
    free(p->per_trunk);
    free(p->waiting.slots);
    free(p->due.slots);
    free(p);
}

static bool within_limits(const struct tnd_park *p, const struct tnd_parked *in, uint32_t name)
{
    uint32_t trunk_max = p->n_slots / 4 ? p->n_slots / 4 : 1;
    uint32_t name_max = p->n_slots / 2 ? p->n_slots / 2 : 1;

    return p->per_trunk[in->trunk] < trunk_max && (name == NIL || p->names[name].count < name_max);
}

static uint32_t take_slot(struct tnd_park *p, uint32_t len)
{
    uint32_t *list = len <= SMALL_LEN ? &p->free_small : &p->free_large, i = *list;

    if (len > LARGE_LEN || i == NIL)
        return NIL;
    *list = p->slots[i].txn_next;
    return i;
}

static void fill_slot(struct tnd_park *p, uint32_t i, const struct tnd_parked *in)
{
    struct slot *s = &p->slots[i];
    uint32_t *head = txn_chain(p, in->txn);

    memcpy(s->room, in->data, in->len);
    s->pub = *in;
    s->pub.data = s->room;
    s->arrival = p->arrivals++;
    s->state = SLOT_WAITS;
    s->txn_next = *head;
    *head = i;
    heap_add(p, &p->waiting, i, in->deadline_ms);
    p->per_trunk[in->trunk]++;
    p->stats.waiting++;
    p->stats.parked++;
}

enum tnd_park_result tnd_park_put(struct tnd_park *p, const struct tnd_parked *in)
{
    uint32_t name, slot;
    bool first;

    if (find_txn(p, in->txn) != NIL) {
        p->stats.absorbed++;
        return TND_PARK_AGAIN;
    }
    name = find_name(p, &in->name);
    first = name == NIL;
    slot = within_limits(p, in, name) ? take_slot(p, in->len) : NIL;
    if (slot == NIL) {
        p->stats.refused++;
        return TND_PARK_FULL;
    }
    fill_slot(p, slot, in);
    join_name(p, slot, first ? new_name(p, &in->name) : name);
    return first ? TND_PARK_NEW : TND_PARK_QUEUED;
}

const struct tnd_parked *tnd_park_find(const struct tnd_park *p, uint64_t txn)
{
    uint32_t i = find_txn(p, txn);

    return i == NIL ? NULL : &p->slots[i].pub;
}

uint32_t tnd_park_wake(struct tnd_park *p, const struct tnd_name_digest *name)
{
    uint32_t n = find_name(p, name), woken = 0;

    if (n == NIL)
        return 0;
    for (uint32_t i = p->names[n].first, next; i != NIL; i = next, woken++) {
        next = p->slots[i].next;
        make_due(p, i, false);
    }
    return woken;
}

const struct tnd_parked *tnd_park_next(struct tnd_park *p, uint64_t now_ms, bool *expired)
{
    struct slot *s;

    // All that are past their deadline first, so that the earliest arrival among them and
    // the woken is next.
    while (p->waiting.n > 0 && p->slots[p->waiting.slots[0]].rank <= now_ms)
        make_due(p, p->waiting.slots[0], true);
    if (p->due.n == 0)
        return NULL;
    s = &p->slots[p->due.slots[0]];
    heap_remove(p, &p->due, p->due.slots[0]);
    s->state = SLOT_OUT;
    *expired = s->expired;
    if (s->expired)
        p->stats.expired++;
    else
        p->stats.released++;
    return &s->pub;
}

void tnd_park_drop(struct tnd_park *p, const struct tnd_parked *slot)
{
    uint32_t i = (uint32_t)((const struct slot *)(const void *)slot - p->slots), *link;
    struct slot *s = &p->slots[i];

    if (s->state == SLOT_FREE)
        return;
    if (s->state != SLOT_OUT)
        p->stats.cancelled++;
    if (s->state == SLOT_WAITS) {
        leave_name(p, s);
        heap_remove(p, &p->waiting, i);
    } else if (s->state == SLOT_DUE) {
        heap_remove(p, &p->due, i);
    }
    for (link = txn_chain(p, s->pub.txn); *link != i; link = &p->slots[*link].txn_next)
        ;
    *link = s->txn_next;
    p->per_trunk[s->pub.trunk]--;
    p->stats.waiting--;
    s->state = SLOT_FREE;
    s->txn_next = *free_list(p, i);
    *free_list(p, i) = i;
}

void tnd_park_stats(const struct tnd_park *p, struct tnd_park_stats *out)
{
    *out = p->stats;
}
