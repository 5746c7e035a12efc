// Private to lib/route: the parts of the table. See table.h.
//
//   slots.c   one-line groups of slot words; find, insert, remove, growth in slices
//   intern.c  sets of equal content are one object
//   retire.c  memory that readers may still see, until a grace period has passed
//   table.c   entries, cells, publication, the readers' side
//
// Threads:  what readers call says so; all else is the writer's.
#pragma once

#include <rte_rcu_qsbr.h>

#include "route/table.h"

// ---- Memory -------------------------------------------------------------------------------

struct tnd__mem {
    struct tnd_table_mem ops;
    uint64_t bytes; // in use, the retired included
};

static inline void *tnd__mem_alloc(struct tnd__mem *m, size_t align, size_t size)
{
    void *p = m->ops.alloc(m->ops.ctx, align, size);

    if (p)
        m->bytes += size;
    return p;
}

static inline void tnd__mem_free(struct tnd__mem *m, void *p, size_t size)
{
    if (!p)
        return;
    m->bytes -= size;
    m->ops.free(m->ops.ctx, p, size);
}

// ---- Objects ------------------------------------------------------------------------------

// A link inside each object that is retired; readers never look at it.
struct tnd__retired {
    struct tnd__retired *next;
};

// 32 bytes: two to a cache line, none across two. The tag, the upper 16 bits of the digest, is in
// the slot's word and nowhere else; its place here is the epoch in which the name was used last.
struct tnd__entry {
    uint64_t lo;
    uint32_t hi;
    uint16_t hi16;
    uint16_t used;         // W: readers and writer, R: writer; relaxed, an object of its own
    struct tnd_cell *cell; // W: writer by release, R: readers by acquire
    struct tnd__retired retired;
};

_Static_assert(sizeof(struct tnd__entry) == 32, "two to a cache line");

// An interned set and what the writer knows of it, ahead of what readers see.
struct tnd__node {
    struct tnd__retired retired;
    struct tnd__node *next; // of its bucket
    struct tnd_cell *home;  // a cell with this set that further names may join, or NULL
    uint32_t refs;          // cells that hold it or wait for it
    uint32_t size;          // of the whole block
    bool seen;              // readers may know it
    _Alignas(64) struct tnd_target_set set;
};

struct tnd_cell {
    const struct tnd_target_set *set; // W: writer by release, R: readers by acquire
    // W, R: writer
    struct tnd__node *node;    // of `set`
    struct tnd__node *waiting; // to be published once memory is released
    struct tnd_cell *next_waiting, *prev_waiting;
    struct tnd__retired retired;
    uint32_t names;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct tnd_cell) == 64, "one cache line");

// ---- Slots --------------------------------------------------------------------------------

#define TND__GROUP 8U // slots of one cache line, probed together

struct tnd__slots {
    uint64_t mask; // groups - 1
    uint64_t bytes;
    struct tnd__retired retired;
    _Alignas(64) uint64_t words[]; // W: writer by release, R: readers by acquire
};

#define TND__WORD_POINTER ((1ULL << 48) - 1)
#define TND__WORD_REMOVED 1ULL // keeps probes going where an entry was

static inline uint64_t tnd__word(const struct tnd__entry *e, const struct tnd_name_digest *name)
{
    return (uint64_t)(uintptr_t)e | (name->hi & ~TND__WORD_POINTER);
}

static inline struct tnd__entry *tnd__word_entry(uint64_t word)
{
    return (struct tnd__entry *)(uintptr_t)(word & TND__WORD_POINTER);
}

// Whether the tags are equal and there is an entry: worth following the pointer.
static inline bool tnd__word_matches(uint64_t word, const struct tnd_name_digest *name)
{
    return ((word ^ name->hi) & ~TND__WORD_POINTER) == 0 &&
           (word & TND__WORD_POINTER) > TND__WORD_REMOVED;
}

// Requires: the word matches.
static inline bool tnd__entry_is(const struct tnd__entry *e, const struct tnd_name_digest *name)
{
    return e->lo == name->lo && e->hi == (uint32_t)name->hi &&
           e->hi16 == (uint16_t)(name->hi >> 32);
}

struct tnd__index {
    struct tnd__slots *slots; // W: writer by release, R: readers by acquire
    uint16_t epoch;           // W: writer, R: readers; relaxed: what `used` is set to
    // W, R: writer
    _Alignas(64) struct tnd__slots *next; // being filled; readers do not know it yet
    uint64_t cursor;                      // groups of `next` zeroed, then of `slots` copied
    bool copying;                         // after zeroing
    uint64_t used, removed;               // entries and removed words in `slots`
    uint64_t next_used, next_removed;
};

// Any reader: the entry of a name, or NULL.
struct tnd__entry *tnd__slots_find(const struct tnd__slots *s, const struct tnd_name_digest *name);

bool tnd__index_init(struct tnd__index *x, struct tnd__mem *m, uint64_t names);
void tnd__index_free(struct tnd__index *x, struct tnd__mem *m);

struct tnd__retire;

// Make sure that one more entry fits; begins to grow in time.
bool tnd__index_reserve(struct tnd__index *x, struct tnd__mem *m, struct tnd__retire *r);
void tnd__index_insert(struct tnd__index *x, struct tnd__entry *e,
                       const struct tnd_name_digest *name);
void tnd__index_remove(struct tnd__index *x, const struct tnd__entry *e);

// Whether growing has not begun because the memory for it is not there yet.
bool tnd__index_waits(const struct tnd__index *x, const struct tnd__mem *m);

// Grow a little: `zero` groups zeroed or `copy` groups copied.
void tnd__index_step(struct tnd__index *x, const struct tnd__mem *m, struct tnd__retire *r,
                     uint64_t zero, uint64_t copy);

// ---- Interned sets ------------------------------------------------------------------------

// Linear hashing (Litwin 1980): one bucket is split for each set that comes in, so that no
// insertion ever rehashes the whole. Segment k > 0 holds as many buckets as all before it.
#define TND__INTERN_FIRST    16U
#define TND__INTERN_SEGMENTS 26U

struct tnd__intern {
    struct tnd__node **segments[TND__INTERN_SEGMENTS];
    uint64_t buckets, count;
    void *scratch; // where a set is built before it is known to be new
    size_t scratch_size;
};

bool tnd__intern_init(struct tnd__intern *in, struct tnd__mem *m);
void tnd__intern_free(struct tnd__intern *in, struct tnd__mem *m);

// The node of a set with this content; made with no reference and `generation` when it is new.
// Returns: 0, -TND_ENOMEM or -TND_EINVAL.
int tnd__intern_get(struct tnd__intern *in, struct tnd__mem *m, const struct tnd_set_spec *spec,
                    uint64_t generation, struct tnd__node **out);
void tnd__intern_remove(struct tnd__intern *in, struct tnd__node *n);

// ---- Retired memory -----------------------------------------------------------------------

enum tnd__kind { TND__ENTRY, TND__CELL, TND__NODE, TND__SLOTS, TND__KINDS };

struct tnd__batch {
    struct tnd__retired *heads[TND__KINDS];
    bool any;
};

// Three batches: one that fills, one that waits for the grace period that began when it was
// closed, one that is being freed. So readers see one token a grace period, not one an object.
struct tnd__retire {
    struct rte_rcu_qsbr *qsbr;
    struct tnd__batch open, waiting, freeing;
    uint64_t token; // of `waiting`
    uint64_t bytes; // in all three
};

// No store after which a new reader could find the object may follow.
void tnd__retire_put(struct tnd__retire *r, enum tnd__kind kind, struct tnd__retired *object);

// Free up to `budget` objects whose grace period is over; begin the next one.
// Returns: true when there is more to free at once.
bool tnd__retire_poll(struct tnd__retire *r, struct tnd__mem *m, unsigned budget);

// Free everything: no reader is left.
void tnd__retire_free(struct tnd__retire *r, struct tnd__mem *m);
