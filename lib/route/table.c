#include "route/table.h"

#include <stdlib.h>

#include "route/table_private.h"
#include "util/err.h"

#define RETIRED_MAX  (64ULL << 20)
#define LOOKUP_BURST 32U
#define STEP_ZERO    8192U // groups: half a megabyte, of pages that may be touched first here
#define STEP_COPY    2048U // groups: about a millisecond of cache misses
#define STEP_FREE    2048U // objects
#define STEP_PUBLISH 1024U // cells

struct tnd_table {
    struct tnd__index index; // its first line is what readers read
    // W, R: writer
    struct tnd__mem mem;
    struct tnd__retire retire;
    struct tnd__intern intern;
    struct tnd_cell *waiting; // cells with a version that waits
    uint64_t retired_max;
    uint64_t generation;
    uint64_t names, cells, n_waiting, publications, coalesced;
};

// Two hashes of the name, each behind its own domain.
static uint64_t hash_name(const struct tnd_hash_key *key, enum tnd_hash_domain domain,
                          struct tnd_str name)
{
    struct tnd_hasher h;

    tnd_hash_init(&h, key);
    tnd_hash_u64(&h, domain);
    tnd_hash_str(&h, name);
    return tnd_hash_final(&h);
}

struct tnd_name_digest tnd_name_digest(const struct tnd_hash_key *key, struct tnd_str name)
{
    return (struct tnd_name_digest){.lo = hash_name(key, TND_DOMAIN_TABLE, name),
                                    .hi = hash_name(key, TND_DOMAIN_NAME, name)};
}

// The same half of all that were laid out behind their first word.
static void hash_names(const struct tnd_hash_key *key, enum tnd_hash_domain domain,
                       struct tnd_wide *wide, uint32_t n, uint64_t out[])
{
    struct tnd_hasher begun;

    tnd_hash_init(&begun, key);
    for (uint32_t i = 0; i < n; i++)
        wide->word[0][i] = domain;
    tnd_wide_active->hash(&begun, wide, n, out);
}

void tnd_name_digest_burst(const struct tnd_hash_key *key, struct tnd_wide *wide,
                           const struct tnd_str names[], uint32_t n, struct tnd_name_digest out[])
{
    uint64_t lo[TND_WIDE], hi[TND_WIDE];
    struct tnd_str fit[TND_WIDE];

    if (n == 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        fit[i] = names[i];
        if (names[i].len > TND_WIDE_TEXT - 8)
            fit[i].len = 0;
    }
    tnd_wide_active->lay(wide, 1, fit, false, n);
    hash_names(key, TND_DOMAIN_TABLE, wide, n, lo);
    hash_names(key, TND_DOMAIN_NAME, wide, n, hi);
    for (uint32_t i = 0; i < n; i++)
        out[i] = fit[i].len == names[i].len ? (struct tnd_name_digest){lo[i], hi[i]}
                                            : tnd_name_digest(key, names[i]);
}

// ---- Readers ------------------------------------------------------------------------------

static const struct tnd__slots *slots_of(const struct tnd_table *t)
{
    return __atomic_load_n(&t->index.slots, __ATOMIC_ACQUIRE); // pairs with tnd__index_step
}

void tnd_table_prefetch(const struct tnd_table *t, const struct tnd_name_digest *name)
{
    const struct tnd__slots *s = slots_of(t);

    __builtin_prefetch(&s->words[(name->lo & s->mask) * TND__GROUP]);
}

static const struct tnd_cell *cell_of(const struct tnd__entry *e)
{
    return __atomic_load_n(&e->cell, __ATOMIC_ACQUIRE); // pairs with move_name
}

static const struct tnd_target_set *set_of(const struct tnd_cell *c)
{
    return __atomic_load_n(&c->set, __ATOMIC_ACQUIRE); // pairs with store_set
}

const struct tnd_target_set *tnd_table_lookup(const struct tnd_table *t,
                                              const struct tnd_name_digest *name)
{
    const struct tnd__entry *e = tnd__slots_find(slots_of(t), name);

    return e ? set_of(cell_of(e)) : NULL;
}

// Readers write a name's line once an epoch, not once a packet. It may be retired meanwhile: its
// memory is still there, and nothing else lies at that place.
static inline void use(struct tnd__entry *e, uint16_t epoch)
{
    if (__atomic_load_n(&e->used, __ATOMIC_RELAXED) != epoch)
        __atomic_store_n(&e->used, epoch, __ATOMIC_RELAXED);
}

// The first entry of the home group whose tag fits: nearly always the right one.
static struct tnd__entry *likely_entry(const struct tnd__slots *s,
                                       const struct tnd_name_digest *name)
{
    const uint64_t *group = &s->words[(name->lo & s->mask) * TND__GROUP];

    for (unsigned i = 0; i < TND__GROUP; i++) {
        uint64_t word = __atomic_load_n(&group[i], __ATOMIC_ACQUIRE);
        if (tnd__word_matches(word, name))
            return tnd__word_entry(word);
    }
    return NULL;
}

static void lookup_some(const struct tnd_table *t, const struct tnd_name_digest names[], uint32_t n,
                        const struct tnd_target_set *out[])
{
    const struct tnd__slots *s = slots_of(t);
    struct tnd__entry *entries[LOOKUP_BURST];
    const struct tnd_cell *cells[LOOKUP_BURST];
    uint16_t epoch = __atomic_load_n(&t->index.epoch, __ATOMIC_RELAXED);

    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(&s->words[(names[i].lo & s->mask) * TND__GROUP]);
    for (uint32_t i = 0; i < n; i++) {
        entries[i] = likely_entry(s, &names[i]);
        __builtin_prefetch(entries[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct tnd__entry *e = entries[i];
        if (!e || !tnd__entry_is(e, &names[i]))
            e = tnd__slots_find(s, &names[i]);
        cells[i] = e ? cell_of(e) : NULL;
        if (e)
            use(e, epoch);
        __builtin_prefetch(cells[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        out[i] = cells[i] ? set_of(cells[i]) : NULL;
        __builtin_prefetch(out[i]);
    }
}

void tnd_table_lookup_burst(const struct tnd_table *t, const struct tnd_name_digest names[],
                            uint32_t n, const struct tnd_target_set *out[])
{
    for (uint32_t at = 0; at < n; at += LOOKUP_BURST)
        lookup_some(t, names + at, n - at < LOOKUP_BURST ? n - at : LOOKUP_BURST, out + at);
}

// ---- Life ---------------------------------------------------------------------------------

static void *default_alloc(void *ctx, size_t align, size_t size)
{
    (void)ctx;
    return aligned_alloc(align, (size + align - 1) & ~(align - 1));
}

static void default_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
}

struct tnd_table *tnd_table_new_with(struct rte_rcu_qsbr *qsbr,
                                     const struct tnd_table_config *config)
{
    struct tnd__mem mem = {.ops = config->mem};
    struct tnd_table *t;

    if (!mem.ops.alloc)
        mem.ops = (struct tnd_table_mem){default_alloc, default_free, NULL, NULL};
    t = tnd__mem_alloc(&mem, 64, sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->mem = mem;
    t->retire.qsbr = qsbr;
    t->retired_max = config->retired_max ? config->retired_max : RETIRED_MAX;
    if (!tnd__index_init(&t->index, &t->mem, config->names_hint) ||
        !tnd__intern_init(&t->intern, &t->mem)) {
        tnd_table_free(t);
        return NULL;
    }
    return t;
}

struct tnd_table *tnd_table_new(struct rte_rcu_qsbr *qsbr, uint32_t names_hint)
{
    return tnd_table_new_with(qsbr, &(struct tnd_table_config){.names_hint = names_hint});
}

static void free_cell(struct tnd_table *t, struct tnd_cell *c)
{
    if (--c->names == 0)
        tnd__mem_free(&t->mem, c, sizeof *c);
}

void tnd_table_free(struct tnd_table *t)
{
    const struct tnd__slots *s;
    struct tnd__mem mem;

    if (!t)
        return;
    s = t->index.slots;
    for (uint64_t i = 0; s && i < (s->mask + 1) * TND__GROUP; i++) {
        struct tnd__entry *e = tnd__word_entry(s->words[i]);
        if (s->words[i] <= TND__WORD_REMOVED)
            continue;
        free_cell(t, e->cell);
        tnd__mem_free(&t->mem, e, sizeof *e);
    }
    tnd__index_free(&t->index, &t->mem);
    if (t->intern.buckets)
        tnd__intern_free(&t->intern, &t->mem);
    tnd__retire_free(&t->retire, &t->mem);
    mem = t->mem;
    tnd__mem_free(&mem, t, sizeof *t);
}

// ---- Cells and what they hold -------------------------------------------------------------

static void unref(struct tnd_table *t, struct tnd__node *n)
{
    if (--n->refs > 0)
        return;
    tnd__intern_remove(&t->intern, n);
    if (n->seen)
        tnd__retire_put(&t->retire, TND__NODE, &n->retired);
    else
        tnd__mem_free(&t->mem, n, n->size);
}

// A node that was made or found but came to no use.
static void drop_unused(struct tnd_table *t, struct tnd__node *n)
{
    n->refs++;
    unref(t, n);
}

static void store_set(struct tnd_cell *c, struct tnd__node *n)
{
    n->refs++;
    n->seen = true;
    if (!n->home)
        n->home = c;
    c->node = n;
    // The set is whole before readers can reach it. Pairs with acquire in set_of.
    __atomic_store_n(&c->set, &n->set, __ATOMIC_RELEASE);
}

static void leave_node(struct tnd_table *t, struct tnd_cell *c, struct tnd__node *n)
{
    if (n->home == c)
        n->home = NULL;
    unref(t, n);
}

static struct tnd_cell *cell_new(struct tnd_table *t, struct tnd__node *n)
{
    struct tnd_cell *c = tnd__mem_alloc(&t->mem, 64, sizeof *c);

    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    store_set(c, n);
    t->cells++;
    return c;
}

static void stop_waiting(struct tnd_table *t, struct tnd_cell *c)
{
    if (!c->waiting)
        return;
    if (c->next_waiting)
        c->next_waiting->prev_waiting = c->prev_waiting;
    if (c->prev_waiting)
        c->prev_waiting->next_waiting = c->next_waiting;
    else
        t->waiting = c->next_waiting;
    c->next_waiting = c->prev_waiting = NULL;
    unref(t, c->waiting);
    c->waiting = NULL;
    t->n_waiting--;
}

static void let_wait(struct tnd_table *t, struct tnd_cell *c, struct tnd__node *n)
{
    if (c->waiting == n)
        return;
    n->refs++;
    t->coalesced += c->waiting != NULL;
    stop_waiting(t, c);
    c->waiting = n;
    c->next_waiting = t->waiting;
    if (t->waiting)
        t->waiting->prev_waiting = c;
    t->waiting = c;
    t->n_waiting++;
    if (c->node->home == c)
        c->node->home = NULL; // what joined now would change with it
}

static void drop_cell_name(struct tnd_table *t, struct tnd_cell *c)
{
    if (--c->names > 0)
        return;
    t->coalesced += c->waiting != NULL;
    stop_waiting(t, c);
    leave_node(t, c, c->node);
    tnd__retire_put(&t->retire, TND__CELL, &c->retired);
    t->cells--;
}

static bool must_wait(const struct tnd_table *t)
{
    return t->retire.bytes >= t->retired_max;
}

// Give all names of a cell another set: now, or once readers have let go of enough memory.
static void change_cell(struct tnd_table *t, struct tnd_cell *c, struct tnd__node *n)
{
    struct tnd__node *old = c->node;

    if (n == old) {
        t->coalesced += c->waiting != NULL;
        stop_waiting(t, c);
        if (!old->home)
            old->home = c;
        return;
    }
    if (must_wait(t)) {
        let_wait(t, c, n);
        return;
    }
    n->refs++; // keeps it while what waits, perhaps itself, goes
    t->coalesced += c->waiting != NULL && c->waiting != n;
    stop_waiting(t, c);
    store_set(c, n);
    n->refs--;
    leave_node(t, c, old);
    t->publications++;
}

// ---- Publication --------------------------------------------------------------------------

// The cell for one more name with this set.
static struct tnd_cell *cell_for(struct tnd_table *t, struct tnd__node *n)
{
    return n->home ? n->home : cell_new(t, n);
}

static int add_name(struct tnd_table *t, const struct tnd_name_digest *name, struct tnd__node *n)
{
    struct tnd__entry *e;
    struct tnd_cell *c;

    if (!tnd__index_reserve(&t->index, &t->mem, &t->retire))
        return -TND_ENOMEM;
    e = tnd__mem_alloc(&t->mem, sizeof *e, sizeof *e);
    if (!e)
        return -TND_ENOMEM;
    c = cell_for(t, n);
    if (!c) {
        tnd__mem_free(&t->mem, e, sizeof *e);
        return -TND_ENOMEM;
    }
    c->names++;
    *e = (struct tnd__entry){.lo = name->lo,
                             .hi = (uint32_t)name->hi,
                             .hi16 = (uint16_t)(name->hi >> 32),
                             .used = t->index.epoch,
                             .cell = c};
    tnd__index_insert(&t->index, e, name);
    t->names++;
    t->publications++;
    return 0;
}

static int move_name(struct tnd_table *t, struct tnd__entry *e, struct tnd__node *n)
{
    struct tnd_cell *from = e->cell, *to = cell_for(t, n);

    if (!to)
        return -TND_ENOMEM;
    to->names++;
    __atomic_store_n(&e->cell, to, __ATOMIC_RELEASE); // pairs with acquire in cell_of
    drop_cell_name(t, from);
    t->publications++;
    return 0;
}

static int change_name(struct tnd_table *t, struct tnd__entry *e, struct tnd__node *n)
{
    struct tnd_cell *c = e->cell;
    bool alone = c->names == 1;

    if (c->node == n && (alone || !c->waiting)) {
        change_cell(t, c, n);
        return 0;
    }
    // Leaving a shared cell retires nothing, and joining one only this cell: no waiting,
    // unless memory is held back already.
    if (!alone || (n->home && !must_wait(t)))
        return move_name(t, e, n);
    change_cell(t, c, n);
    return 0;
}

static int publish(struct tnd_table *t, const struct tnd_name_digest *name,
                   const struct tnd_set_spec *spec, bool shared)
{
    struct tnd__entry *e = tnd__slots_find(t->index.slots, name);
    struct tnd__node *n;
    int rc;

    if (shared && !e)
        return -TND_ENOENT;
    rc = tnd__intern_get(&t->intern, &t->mem, spec, t->generation + 1, &n);
    if (rc)
        return rc;
    t->generation += n->refs == 0;
    if (shared)
        change_cell(t, e->cell, n);
    else
        rc = e ? change_name(t, e, n) : add_name(t, name, n);
    if (n->refs == 0)
        drop_unused(t, n);
    return rc;
}

int tnd_table_publish(struct tnd_table *t, const struct tnd_name_digest *name,
                      const struct tnd_set_spec *spec)
{
    return publish(t, name, spec, false);
}

int tnd_table_publish_shared(struct tnd_table *t, const struct tnd_name_digest *name,
                             const struct tnd_set_spec *spec)
{
    return publish(t, name, spec, true);
}

uint32_t tnd_table_sharing(const struct tnd_table *t, const struct tnd_name_digest *name)
{
    const struct tnd__entry *e = tnd__slots_find(t->index.slots, name);

    return e ? e->cell->names : 0;
}

bool tnd_table_remove(struct tnd_table *t, const struct tnd_name_digest *name)
{
    struct tnd__entry *e = tnd__slots_find(t->index.slots, name);

    if (!e)
        return false;
    tnd__index_remove(&t->index, e);
    drop_cell_name(t, e->cell);
    tnd__retire_put(&t->retire, TND__ENTRY, &e->retired);
    t->names--;
    t->publications++;
    return true;
}

// ---- Use ----------------------------------------------------------------------------------

uint16_t tnd_table_next_epoch(struct tnd_table *t)
{
    uint16_t epoch = (uint16_t)(t->index.epoch + 1);

    __atomic_store_n(&t->index.epoch, epoch, __ATOMIC_RELAXED);
    return epoch;
}

bool tnd_table_used(const struct tnd_table *t, const struct tnd_name_digest *name, uint16_t *epoch)
{
    const struct tnd__entry *e = tnd__slots_find(t->index.slots, name);

    if (e)
        *epoch = __atomic_load_n(&e->used, __ATOMIC_RELAXED);
    return e;
}

// ---- The writer's tick --------------------------------------------------------------------

static void publish_waiting(struct tnd_table *t, unsigned budget)
{
    while (t->waiting && !must_wait(t) && budget-- > 0)
        change_cell(t, t->waiting, t->waiting->waiting);
}

bool tnd_table_reclaim(struct tnd_table *t)
{
    bool more = tnd__retire_poll(&t->retire, &t->mem, STEP_FREE);

    publish_waiting(t, STEP_PUBLISH);
    tnd__index_step(&t->index, &t->mem, &t->retire, STEP_ZERO, STEP_COPY);
    return more || (t->index.next && !tnd__index_waits(&t->index, &t->mem)) ||
           (t->waiting && !must_wait(t));
}

void tnd_table_stats(const struct tnd_table *t, struct tnd_table_stats *out)
{
    *out = (struct tnd_table_stats){
        .names = t->names,
        .cells = t->cells,
        .sets = t->intern.count,
        .bytes = t->mem.bytes,
        .retired_bytes = t->retire.bytes,
        .publications = t->publications,
        .coalesced = t->coalesced,
        .waiting = t->n_waiting,
        .slots = (uint32_t)((t->index.slots->mask + 1) * TND__GROUP),
        .growing = t->index.next != NULL,
    };
}
