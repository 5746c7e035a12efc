#include "dns/follow.h"

#include <stdlib.h>
#include <string.h>

#define ZONES      256    // counters of questions under way, by hash of the last two labels
#define PUT_OFF_MS 500u   // at most; at random, so that a crowd spreads out
#define TURNS_MAX  256    // entries looked at for one question
#define LOCATE_MAX 64     // names located for one result
#define SPARE_MS   60000u // how long a record set that nothing rests on is kept, and how many
#define SPARE_MAX  4096u
#define USED_MAX   64 // names asked whether they were used, and places looked at for each

// A name rests on an entry. In two lists: of the name's edges and of the entry's.
struct tnd_dns_edge {
    struct followed *name;
    struct tnd_dns_entry *entry;
    struct tnd_dns_edge *next_of_name;
    struct tnd_dns_edge *next_of_entry, **at_of_entry;
};

// Circular lists; a link that points to itself is in none.
struct link {
    struct link *prev, *next;
};

#define FOLLOWED(l, member) \
    ((struct followed *)(void *)((char *)(l)-offsetof(struct followed, member)))

struct followed {
    struct tnd_locate_hop hop;
    struct tnd_locate_policy policy;
    void *user;
    bool pinned, has_targets, published;
    uint64_t content; // of what was handed out last, if published
    bool impatient;   // what is there is handed out though more is awaited
    uint64_t used_ms;
    uint64_t patient_until_ms; // while in the waiting list
    struct tnd_dns_edge *edges;
    struct followed *next; // of the bucket
    struct link dirty, waiting, idle;
    uint64_t hash;
    char name[];
};

struct tnd_follow {
    struct tnd_follow_options o;
    struct tnd_dns_cache *cache;
    struct followed **buckets;
    size_t n_buckets;
    struct link dirty;   // to be located again
    struct link waiting; // incomplete, by patience
    struct link idle;    // not pinned, by last use as far as it is known
    struct tnd_located located;
    uint64_t now_ms; // of the latest call that told it
    size_t tied;     // record sets that something rests on
    uint64_t random;
    uint32_t zones[ZONES];
    struct followed *dying; // handed out as gone, freed at the next call
    struct tnd_follow_stats stats;
};

static void unlink_(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->prev = l->next = l;
}

static void append(struct link *list, struct link *l)
{
    unlink_(l);
    l->prev = list->prev;
    l->next = list;
    list->prev->next = l;
    list->prev = l;
}

static bool is_empty(const struct link *list)
{
    return list->next == list;
}

static void link_init(struct link *l)
{
    l->prev = l->next = l;
}

// splitmix64: jitter needs no more.
static uint32_t next_random(struct tnd_follow *f)
{
    uint64_t z = f->random += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

struct tnd_follow *tnd_follow_new(const struct tnd_follow_options *options)
{
    struct tnd_follow *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->o = *options;
    f->random = options->seed;
    if (f->o.window == 0)
        f->o.window = 1;
    link_init(&f->dirty);
    link_init(&f->waiting);
    link_init(&f->idle);
    f->n_buckets = 64;
    f->buckets = calloc(f->n_buckets, sizeof(struct followed *));
    f->cache = tnd_dns_cache_new(&options->key, &options->limits);
    if (f->buckets && f->cache)
        return f;
    tnd_follow_free(f);
    return NULL;
}

// ---- Edges --------------------------------------------------------------------------------

// Nothing rests on it any more: names come and go faster than TTLs end.
static void let_entry_go(struct tnd_follow *f, struct tnd_dns_entry *e)
{
    bool many = tnd_dns_cache_count(f->cache) - f->tied > SPARE_MAX;
    uint64_t until_ms = f->now_ms + (many ? 0 : SPARE_MS);

    if (!e->pending && e->due_ms > until_ms)
        tnd_dns_cache_put_off(f->cache, e, until_ms);
}

static void cut(struct tnd_follow *f, struct tnd_dns_edge *edges)
{
    while (edges) {
        struct tnd_dns_edge *e = edges;
        edges = e->next_of_name;
        *e->at_of_entry = e->next_of_entry;
        if (e->next_of_entry)
            e->next_of_entry->at_of_entry = e->at_of_entry;
        if (!e->entry->edges) {
            f->tied--;
            let_entry_go(f, e->entry);
        }
        free(e);
    }
}

static bool tie(struct tnd_follow *f, struct followed *n, struct tnd_dns_entry *entry)
{
    struct tnd_dns_edge *e = malloc(sizeof *e);

    if (!e)
        return false;
    e->name = n;
    e->entry = entry;
    e->next_of_name = n->edges;
    n->edges = e;
    f->tied += !entry->edges;
    e->next_of_entry = entry->edges;
    e->at_of_entry = &entry->edges;
    if (entry->edges)
        entry->edges->at_of_entry = &e->next_of_entry;
    entry->edges = e;
    return true;
}

// The name rests on what it has just asked for, and on nothing else.
static bool tie_all(struct tnd_follow *f, struct followed *n, const struct tnd_located *l)
{
    struct tnd_dns_edge *before = n->edges;
    bool fine = true;

    n->edges = NULL;
    for (uint32_t i = 0; i < l->n_asked && fine; i++)
        fine = tie(f, n, l->asked[i]);
    cut(f, before); // afterwards: what it goes on resting on is never let go
    return fine;
}

// ---- Names --------------------------------------------------------------------------------

static struct followed **find(struct tnd_follow *f, const char *name, uint64_t hash)
{
    struct followed **at = &f->buckets[hash & (f->n_buckets - 1)];

    while (*at && ((*at)->hash != hash || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

static uint64_t hash_of(const struct tnd_follow *f, const char *name)
{
    return tnd_hash(&f->o.key, name, strlen(name));
}

// Twice the buckets, when that can be had.
static void grow(struct tnd_follow *f)
{
    size_t n_buckets = f->n_buckets * 2;
    struct followed **b = calloc(n_buckets, sizeof(struct followed *));

    if (!b)
        return;
    for (size_t i = 0; i < f->n_buckets; i++) {
        for (struct followed *n = f->buckets[i], *next; n; n = next) {
            next = n->next;
            n->next = b[n->hash & (n_buckets - 1)];
            b[n->hash & (n_buckets - 1)] = n;
        }
    }
    free(f->buckets);
    f->buckets = b;
    f->n_buckets = n_buckets;
}

static struct followed *add_new(struct tnd_follow *f, const char *name, uint64_t hash)
{
    size_t len = strlen(name) + 1;
    struct followed *n = calloc(1, sizeof *n + len);

    if (!n)
        return NULL;
    if (f->stats.names >= f->n_buckets)
        grow(f);
    memcpy(n->name, name, len);
    n->hash = hash;
    link_init(&n->dirty);
    link_init(&n->waiting);
    link_init(&n->idle);
    n->next = f->buckets[hash & (f->n_buckets - 1)];
    f->buckets[hash & (f->n_buckets - 1)] = n;
    f->stats.names++;
    return n;
}

static void detach(struct tnd_follow *f, struct followed *n)
{
    struct followed **at = find(f, n->name, n->hash);

    *at = n->next;
    unlink_(&n->dirty);
    unlink_(&n->waiting);
    f->stats.strangers -= !is_empty(&n->idle);
    unlink_(&n->idle);
    cut(f, n->edges);
    n->edges = NULL;
    f->stats.names--;
}

void tnd_follow_free(struct tnd_follow *f)
{
    if (!f)
        return;
    for (size_t i = 0; f->buckets && i < f->n_buckets; i++) {
        while (f->buckets[i]) {
            struct followed *n = f->buckets[i];
            detach(f, n);
            free(n);
        }
    }
    free(f->dying);
    free(f->buckets);
    tnd_located_free(&f->located);
    tnd_dns_cache_free(f->cache);
    free(f);
}

static void touch(struct tnd_follow *f, struct followed *n, uint64_t now_ms)
{
    n->used_ms = now_ms;
    f->stats.strangers -= !is_empty(&n->idle);
    f->stats.strangers += !n->pinned;
    if (n->pinned)
        unlink_(&n->idle);
    else
        append(&f->idle, &n->idle);
}

bool tnd_follow_add(struct tnd_follow *f, const char *name, const struct tnd_locate_hop *hop,
                    const struct tnd_locate_policy *policy, bool pinned, void *user,
                    uint64_t now_ms)
{
    uint64_t hash = hash_of(f, name);
    struct followed *n = *find(f, name, hash);

    if (!n && !(n = add_new(f, name, hash)))
        return false;
    n->hop = *hop;
    n->policy = *policy;
    n->pinned = pinned;
    n->user = user;
    n->published = false;
    touch(f, n, now_ms);
    append(&f->dirty, &n->dirty);
    return true;
}

void tnd_follow_remove(struct tnd_follow *f, const char *name)
{
    struct followed *n = *find(f, name, hash_of(f, name));

    if (n) {
        detach(f, n);
        free(n);
    }
}

bool tnd_follow_touch(struct tnd_follow *f, const char *name, uint64_t now_ms)
{
    struct followed *n = *find(f, name, hash_of(f, name));

    if (n)
        touch(f, n, now_ms);
    return n != NULL;
}

// ---- Questions ----------------------------------------------------------------------------

static uint32_t *zone_of(struct tnd_follow *f, const struct tnd_dns_entry *e)
{
    size_t at = strlen(e->name);

    for (int dots = 0; at > 0; at--)
        if (e->name[at - 1] == '.' && ++dots == 2)
            break;
    return &f->zones[hash_of(f, e->name + at) % ZONES];
}

struct tnd_dns_entry *tnd_follow_question(struct tnd_follow *f, uint64_t now_ms)
{
    bool busy = f->stats.under_way > f->o.window / 2;
    struct tnd_dns_entry *e;

    if (f->stats.under_way >= f->o.window)
        return NULL;
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        e = tnd_dns_cache_due(f->cache, now_ms);
        if (!e)
            return NULL;
        if (!e->edges) {
            tnd_dns_cache_drop(f->cache, e);
            continue;
        }
        uint32_t *zone = zone_of(f, e);
        if (busy && *zone >= f->o.window / 4) {
            tnd_dns_cache_put_off(f->cache, e, now_ms + 20 + next_random(f) % PUT_OFF_MS);
            continue;
        }
        ++*zone;
        tnd_dns_cache_asked(f->cache, e);
        f->stats.under_way++;
        f->stats.asked++;
        return e;
    }
    return NULL;
}

void tnd_follow_answer(struct tnd_follow *f, struct tnd_dns_entry *e, struct tnd_dns_answer *answer,
                       uint32_t took_us, uint64_t now_ms)
{
    f->now_ms = now_ms;
    --*zone_of(f, e);
    f->stats.under_way--;
    if (!answer) {
        e->pending = false;
        tnd_dns_cache_put_off(f->cache, e, now_ms + PUT_OFF_MS);
        return;
    }
    f->stats.answered += tnd_dns_is_answer((enum tnd_dns_outcome)answer->outcome);
    f->stats.failed += !tnd_dns_is_answer((enum tnd_dns_outcome)answer->outcome);
    bool changed = tnd_dns_cache_store(f->cache, e, answer, took_us, next_random(f), now_ms);
    if (!e->edges)
        let_entry_go(f, e); // nobody waited for it so long
    if (!changed)
        return;
    for (struct tnd_dns_edge *d = e->edges; d; d = d->next_of_entry)
        if (is_empty(&d->name->dirty))
            append(&f->dirty, &d->name->dirty);
}

// ---- Results ------------------------------------------------------------------------------

// Whether something the name rests on was known once and is now too old to be served.
static bool outlived(const struct tnd_located *l)
{
    for (uint32_t i = 0; i < l->n_asked; i++)
        if (!l->asked[i]->answer && l->asked[i]->answered_ms > 0)
            return true;
    return false;
}

// Whether there is a target, of such a weight, that the engine can send to.
static bool has_target(const struct tnd_located *l, uint16_t min_weight)
{
    for (uint32_t i = 0; i < l->spec.n_records; i++) {
        const struct tnd_spec_record *r = &l->spec.records[i];
        if (r->weight >= min_weight && r->n_addresses > 0 && r->transport == TND_TRANSPORT_UDP)
            return true;
    }
    return false;
}

// Whether what was located is to be handed out now.
static bool is_news(struct tnd_follow *f, struct followed *n, uint64_t now_ms)
{
    const struct tnd_located *l = &f->located;

    if (l->complete) {
        bool failure = l->error == TND_LOCATE_FAILED;
        unlink_(&n->waiting);
        n->impatient = false;
        return !failure || !n->has_targets || outlived(l);
    }
    if (!n->impatient && is_empty(&n->waiting)) {
        n->patient_until_ms = now_ms + f->o.patience_ms;
        append(&f->waiting, &n->waiting);
    }
    // A part that nothing can be sent to would only end what waits; one of drained targets alone
    // never displaces what works.
    return n->impatient && has_target(l, n->has_targets ? 1 : 0);
}

// What a result says to whoever uses it; TTLs apart.
static uint64_t content_of(const struct tnd_follow *f, const struct tnd_located *l)
{
    struct tnd_hasher h;

    tnd_hash_init(&h, &f->o.key);
    tnd_hash_u64(&h, (uint64_t)l->error << 32 | l->spec.weight_zero);
    for (uint32_t i = 0; i < l->spec.n_records; i++) {
        const struct tnd_spec_record *r = &l->spec.records[i];
        tnd_hash_u64(&h, (uint64_t)r->tier << 48 | (uint64_t)r->priority << 32 |
                             (uint64_t)r->weight << 16 | r->port);
        tnd_hash_u64(&h, (uint64_t)r->transport << 32 | r->n_addresses);
        tnd_hash_u64(&h, r->host.len);
        tnd_hash_str(&h, r->host);
        for (uint16_t j = 0; j < r->n_addresses; j++) {
            tnd_hash_bytes(&h, &r->addresses[j].addr, sizeof r->addresses[j].addr);
            tnd_hash_u64(&h, r->addresses[j].family_rank);
        }
    }
    return tnd_hash_final(&h);
}

static bool locate(struct tnd_follow *f, struct followed *n, uint64_t now_ms,
                   struct tnd_follow_result *out)
{
    tnd_locate(f->cache, &n->hop, &n->policy, now_ms, &f->located);
    f->stats.located++;
    if (!tie_all(f, n, &f->located) || f->located.error == TND_LOCATE_NO_MEMORY) {
        n->patient_until_ms = now_ms + f->o.patience_ms; // again then; the old result stands
        append(&f->waiting, &n->waiting);
        return false;
    }
    if (!is_news(f, n, now_ms))
        return false;
    uint64_t content = content_of(f, &f->located);
    if (n->published && n->content == content)
        return false;
    n->published = true;
    n->content = content;
    n->has_targets = has_target(&f->located, 0);
    *out = (struct tnd_follow_result){.name = n->name, .user = n->user, .located = &f->located};
    return true;
}

static struct followed *out_of_patience(struct tnd_follow *f, uint64_t now_ms)
{
    if (is_empty(&f->waiting))
        return NULL;
    struct followed *n = FOLLOWED(f->waiting.next, waiting);
    return n->patient_until_ms <= now_ms ? n : NULL;
}

static bool is_crowded(const struct tnd_follow *f)
{
    return f->o.strangers && f->stats.strangers > f->o.strangers;
}

// Back into the list, behind those that were used earlier; from its end, which is near.
static void put_back(struct tnd_follow *f, struct followed *n, uint64_t used_ms)
{
    struct link *after;
    int looked = 0;

    n->used_ms = used_ms;
    unlink_(&n->idle);
    for (after = f->idle.prev; after != &f->idle && looked < USED_MAX; looked++) {
        if (FOLLOWED(after, idle)->used_ms <= used_ms)
            break;
        after = after->prev;
    }
    append(after->next, &n->idle); // before the one that follows it
}

// The stranger that was not used for longest, when it has to go: there are too many, or it was
// not used at all for idle_ms. What is known of its use is renewed first; it can only be later
// than was thought, so the first whose place is right is the one.
static struct followed *outdated(struct tnd_follow *f, uint64_t now_ms)
{
    for (int turns = 0; turns < USED_MAX && !is_empty(&f->idle); turns++) {
        struct followed *n = FOLLOWED(f->idle.next, idle);
        uint64_t used_ms = 0;
        if (!is_crowded(f) && n->used_ms + f->o.idle_ms > now_ms)
            return NULL;
        if (f->o.last_used_ms)
            used_ms = f->o.last_used_ms(f->o.ctx, n->name);
        if (used_ms > now_ms)
            used_ms = now_ms;
        if (used_ms <= n->used_ms)
            return n;
        put_back(f, n, used_ms);
    }
    return NULL;
}

static bool let_go(struct tnd_follow *f, struct followed *n, struct tnd_follow_result *out)
{
    detach(f, n);
    f->dying = n;
    *out = (struct tnd_follow_result){.name = n->name, .user = n->user, .gone = true};
    return true;
}

bool tnd_follow_result(struct tnd_follow *f, uint64_t now_ms, struct tnd_follow_result *out)
{
    struct followed *n;

    f->now_ms = now_ms;
    free(f->dying);
    f->dying = NULL;
    if (is_crowded(f) && (n = outdated(f, now_ms)) != NULL) {
        f->stats.crowded_out++;
        return let_go(f, n, out);
    }
    for (int turns = 0; turns < LOCATE_MAX && !is_empty(&f->dirty); turns++) {
        n = FOLLOWED(f->dirty.next, dirty);
        unlink_(&n->dirty);
        if (locate(f, n, now_ms, out))
            return true;
    }
    for (int turns = 0; turns < LOCATE_MAX && (n = out_of_patience(f, now_ms)) != NULL; turns++) {
        unlink_(&n->waiting);
        n->impatient = true;
        if (locate(f, n, now_ms, out))
            return true;
    }
    n = is_crowded(f) ? NULL : outdated(f, now_ms);
    return n && let_go(f, n, out);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t tnd_follow_wake_ms(const struct tnd_follow *f)
{
    uint64_t at = TND_DNS_NEVER;

    if (!is_empty(&f->dirty) || is_crowded(f))
        return 0;
    if (f->stats.under_way < f->o.window)
        at = tnd_dns_cache_next_due_ms(f->cache);
    if (!is_empty(&f->waiting))
        at = earlier(at, FOLLOWED(f->waiting.next, waiting)->patient_until_ms);
    if (!is_empty(&f->idle))
        at = earlier(at, FOLLOWED(f->idle.next, idle)->used_ms + f->o.idle_ms);
    return at;
}

void tnd_follow_stats(const struct tnd_follow *f, struct tnd_follow_stats *out)
{
    *out = f->stats;
    out->entries = tnd_dns_cache_count(f->cache);
}
