// name -> cell -> target set version. Lock-free readers, one writer (DPDK QSBR).
//
// A slot is one 64-bit word (16-bit tag, 48-bit pointer) to an entry that holds a 128-bit
// keyed digest of the name and its cell. Many names may share one cell: publishing a set to
// a cell is one pointer store however many names it serves. Names themselves are control's.
// The table grows into a second one in slices while readers go on with the first.
//
// Threads:  tnd_table_lookup*: any registered reader, between two quiescent states.
//           Everything else: the one writer. The writer never waits for a reader: retired
//           memory is freed by tnd_table_reclaim once a grace period has passed. While readers
//           hold back more of it than `retired_max`, new versions of published names wait at
//           their cell and only the latest of them is published in the end.
// Lifetime: a set found is valid until the reader's next quiescent state.
// Memory:   a name 32 bytes and 11 to 21 of slots, a cell 64, a set its size and 64; while
//           growing, the slots of the old and of the new table. Slots are those of the most names
//           there ever were: 1.7 MB for 65,535 trunks and the 16,384 names that requests may
//           bring. Removals retire memory beyond `retired_max` too: only a reader that never
//           reports keeps it, and that is a worker that hangs.
// Cost:     four dependent lines: slot, entry, cell, set; bench `table.lookup.*`.
#pragma once

#include <rte_rcu_qsbr.h>

#include "route/target_set.h"
#include "util/wide.h"

struct tnd_name_digest {
    uint64_t lo, hi;
};

struct tnd_table;
struct tnd_cell;

struct tnd_table_stats {
    uint64_t names, cells, sets;
    uint64_t bytes, retired_bytes; // in use; waiting for a grace period
    uint64_t publications;         // changes of what readers see
    uint64_t coalesced;            // versions that no reader saw: a later one came first
    uint64_t waiting;              // cells whose latest version waits for memory to be released
    uint32_t slots;
    bool growing;
};

// Keyed digest of a next-hop name. `name` is canonical: see proxy/next_hop.h.
struct tnd_name_digest tnd_name_digest(const struct tnd_hash_key *key, struct tnd_str name);

// The same of `n` names, at most TND_WIDE, side by side; `wide` is room for it.
void tnd_name_digest_burst(const struct tnd_hash_key *key, struct tnd_wide *wide,
                           const struct tnd_str names[], uint32_t n, struct tnd_name_digest out[]);

// Where the table's memory comes from. alloc: NULL when there is none; `free` is told the size.
// ready: whether what was allocated can be written without waiting for the system to find it; a
// large piece is left alone until then, while that is possible. May be NULL.
struct tnd_table_mem {
    void *(*alloc)(void *ctx, size_t align, size_t size);
    void (*free)(void *ctx, void *p, size_t size);
    bool (*ready)(void *ctx, const void *p, size_t size);
    void *ctx;
};

struct tnd_table_config {
    uint32_t names_hint;      // sized for so many at once; grows from there
    uint64_t retired_max;     // bytes, see above; 0: 64 MiB
    struct tnd_table_mem mem; // alloc NULL: aligned_alloc and free
};

// qsbr: initialised by the caller, who registers the readers; outlives the table.
// Returns: NULL when memory is short.
struct tnd_table *tnd_table_new(struct rte_rcu_qsbr *qsbr, uint32_t names_hint);
struct tnd_table *tnd_table_new_with(struct rte_rcu_qsbr *qsbr,
                                     const struct tnd_table_config *config);
void tnd_table_free(struct tnd_table *t); // no reader may be left

// Readers: the set of a name, or NULL when the name is not in the table. A name whose
// resolution found nothing has a set without targets. A look, which does not count as use.
const struct tnd_target_set *tnd_table_lookup(const struct tnd_table *t,
                                              const struct tnd_name_digest *name);

// Readers: fetch what a lookup reads first, for a while later.
void tnd_table_prefetch(const struct tnd_table *t, const struct tnd_name_digest *name);

// The stage's form: prefetches over the burst, and marks the names as used.
void tnd_table_lookup_burst(const struct tnd_table *t, const struct tnd_name_digest names[],
                            uint32_t n, const struct tnd_target_set *out[]);

// Writer: publish `spec` for a name (added when new). Sets of equal content share memory, and
// a name joins the cell of the names that have the same set; one that shares a cell leaves it.
// Returns: 0, -TND_ENOMEM with nothing changed, or -TND_EINVAL for a spec beyond its limits.
int tnd_table_publish(struct tnd_table *t, const struct tnd_name_digest *name,
                      const struct tnd_set_spec *spec);

// Writer: publish `spec` for every name that shares this one's cell: one pointer store.
// Returns: as above, or -TND_ENOENT when the name is not in the table.
int tnd_table_publish_shared(struct tnd_table *t, const struct tnd_name_digest *name,
                             const struct tnd_set_spec *spec);

// Writer: how many names share this one's cell, itself included; 0 when it is not in the table.
uint32_t tnd_table_sharing(const struct tnd_table *t, const struct tnd_name_digest *name);

// Writer: use is told in epochs, which begin when the writer says so (a name that was just added
// counts as used). Returns: the number of the new one; numbers wrap at 65,536.
uint16_t tnd_table_next_epoch(struct tnd_table *t);

// Writer: the latest epoch in which a name was looked up in a burst, or added; a reader's last
// burst may be missing. Returns: false when it is not in the table.
bool tnd_table_used(const struct tnd_table *t, const struct tnd_name_digest *name, uint16_t *epoch);

// Writer: forget a name. Returns: false when it was not there.
bool tnd_table_remove(struct tnd_table *t, const struct tnd_name_digest *name);

// Writer: bounded work (growing, freeing what a grace period has released). Call every tick.
// Returns: true when there is more to do at once.
bool tnd_table_reclaim(struct tnd_table *t);

void tnd_table_stats(const struct tnd_table *t, struct tnd_table_stats *out);
