#include "route/table_private.h"

// Probing goes by whole groups: a group is passed only when no slot of it is empty, and a full
// group never gets an empty slot again (what is removed leaves a mark), so a reader that meets
// an empty slot has seen all there is. Marks go when the table is copied.

#define MIN_GROUPS 8U

struct tnd__entry *tnd__slots_find(const struct tnd__slots *s, const struct tnd_name_digest *name)
{
    for (uint64_t g = name->lo, tried = 0; tried <= s->mask; g++, tried++) {
        const uint64_t *group = &s->words[(g & s->mask) * TND__GROUP];
        bool empty = false;

        for (unsigned i = 0; i < TND__GROUP; i++) {
            // Pairs with the release in put_word: the entry is whole before its word is.
            uint64_t word = __atomic_load_n(&group[i], __ATOMIC_ACQUIRE);
            if (tnd__word_matches(word, name) && tnd__entry_is(tnd__word_entry(word), name))
                return tnd__word_entry(word);
            empty |= word == 0;
        }
        if (empty)
            break;
    }
    return NULL;
}

static void put_word(uint64_t *slot, uint64_t word)
{
    __atomic_store_n(slot, word, __ATOMIC_RELEASE); // pairs with acquire in tnd__slots_find
}

// Returns: the slot with this entry, which is there.
static uint64_t find_word(const struct tnd__slots *s, const struct tnd__entry *e)
{
    for (uint64_t g = e->lo;; g++)
        for (unsigned i = 0; i < TND__GROUP; i++)
            if (tnd__word_entry(s->words[(g & s->mask) * TND__GROUP + i]) == e)
                return (g & s->mask) * TND__GROUP + i;
}

// Returns: the slot that was taken; `removed` falls when it had a mark.
static uint64_t insert_word(struct tnd__slots *s, uint64_t word, uint64_t *removed)
{
    for (uint64_t g = tnd__word_entry(word)->lo;; g++)
        for (unsigned i = 0; i < TND__GROUP; i++) {
            uint64_t at = (g & s->mask) * TND__GROUP + i;
            if (s->words[at] > TND__WORD_REMOVED)
                continue;
            *removed -= s->words[at] == TND__WORD_REMOVED;
            put_word(&s->words[at], word);
            return at;
        }
}

static void remove_word(struct tnd__slots *s, uint64_t at, uint64_t *removed)
{
    const uint64_t *group = &s->words[at - at % TND__GROUP];
    bool empty = false;

    for (unsigned i = 0; i < TND__GROUP; i++)
        empty |= group[i] == 0;
    put_word(&s->words[at], empty ? 0 : TND__WORD_REMOVED);
    *removed += !empty;
}

static struct tnd__slots *slots_new(struct tnd__mem *m, uint64_t groups)
{
    uint64_t bytes = sizeof(struct tnd__slots) + groups * TND__GROUP * sizeof(uint64_t);
    struct tnd__slots *s = tnd__mem_alloc(m, 64, bytes);

    if (s) {
        s->mask = groups - 1;
        s->bytes = bytes;
    }
    return s;
}

static uint64_t capacity(const struct tnd__index *x)
{
    return (x->slots->mask + 1) * TND__GROUP;
}

bool tnd__index_init(struct tnd__index *x, struct tnd__mem *m, uint64_t names)
{
    uint64_t groups = MIN_GROUPS;

    while (groups * TND__GROUP * 3 / 4 <= names)
        groups *= 2;
    x->slots = slots_new(m, groups);
    if (x->slots)
        memset(x->slots->words, 0, groups * TND__GROUP * sizeof(uint64_t));
    return x->slots;
}

void tnd__index_free(struct tnd__index *x, struct tnd__mem *m)
{
    if (x->next)
        tnd__mem_free(m, x->next, x->next->bytes);
    if (x->slots)
        tnd__mem_free(m, x->slots, x->slots->bytes);
}

// Twice the groups, or as many when it is marks that fill the table.
static void start_growing(struct tnd__index *x, struct tnd__mem *m)
{
    uint64_t groups = x->slots->mask + 1;

    x->next = slots_new(m, x->used * 8 > capacity(x) * 3 ? groups * 2 : groups);
    x->cursor = 0;
    x->copying = false;
    x->next_used = x->next_removed = 0;
}

// Growing begins at 3/4 and each insertion helps (64 groups zeroed or 8 copied), so it ends
// long before 15/16, however seldom tnd_table_reclaim is called.
bool tnd__index_reserve(struct tnd__index *x, struct tnd__mem *m, struct tnd__retire *r)
{
    uint64_t full = x->used + x->removed + 1;

    if (!x->next && full * 4 > capacity(x) * 3)
        start_growing(x, m);
    if (x->next)
        tnd__index_step(x, m, r, 64, 8);
    return (x->used + x->removed + 1) * 16 <= capacity(x) * 15;
}

// Whether a slot's group has already been copied, so that both tables must change.
static bool copied(const struct tnd__index *x, uint64_t at)
{
    return x->next && x->copying && at / TND__GROUP < x->cursor;
}

void tnd__index_insert(struct tnd__index *x, struct tnd__entry *e,
                       const struct tnd_name_digest *name)
{
    uint64_t word = tnd__word(e, name), at = insert_word(x->slots, word, &x->removed);

    x->used++;
    if (copied(x, at)) {
        insert_word(x->next, word, &x->next_removed);
        x->next_used++;
    }
}

void tnd__index_remove(struct tnd__index *x, const struct tnd__entry *e)
{
    uint64_t at = find_word(x->slots, e);

    remove_word(x->slots, at, &x->removed);
    x->used--;
    if (copied(x, at)) {
        remove_word(x->next, find_word(x->next, e), &x->next_removed);
        x->next_used--;
    }
}

static void copy_group(struct tnd__index *x, uint64_t group)
{
    const uint64_t *words = &x->slots->words[group * TND__GROUP];

    for (unsigned i = 0; i < TND__GROUP; i++) {
        if (group + 2 <= x->slots->mask) // its entries are anywhere in memory
            __builtin_prefetch(tnd__word_entry(words[2 * TND__GROUP + i]));
        if (words[i] <= TND__WORD_REMOVED)
            continue;
        insert_word(x->next, words[i], &x->next_removed);
        x->next_used++;
    }
}

// There is room in the old table up to 7/8: the insertions that are left then can finish the new
// one.
bool tnd__index_waits(const struct tnd__index *x, const struct tnd__mem *m)
{
    return x->next && !x->copying && x->cursor == 0 && m->ops.ready &&
           (x->used + x->removed) * 8 < capacity(x) * 7 &&
           !m->ops.ready(m->ops.ctx, x->next, x->next->bytes);
}

void tnd__index_step(struct tnd__index *x, const struct tnd__mem *m, struct tnd__retire *r,
                     uint64_t zero, uint64_t copy)
{
    struct tnd__slots *old = x->slots;

    if (!x->next || tnd__index_waits(x, m))
        return;
    if (!x->copying) {
        uint64_t left = x->next->mask + 1 - x->cursor, n = zero < left ? zero : left;
        memset(&x->next->words[x->cursor * TND__GROUP], 0, n * TND__GROUP * sizeof(uint64_t));
        x->cursor += n;
        x->copying = n == left;
        if (x->copying)
            x->cursor = 0;
        return;
    }
    for (; copy > 0 && x->cursor <= old->mask; copy--)
        copy_group(x, x->cursor++);
    if (x->cursor <= old->mask)
        return;
    // The only moment that readers notice. Pairs with acquire in table.c.
    __atomic_store_n(&x->slots, x->next, __ATOMIC_RELEASE);
    x->used = x->next_used;
    x->removed = x->next_removed;
    x->next = NULL;
    tnd__retire_put(r, TND__SLOTS, &old->retired);
}
