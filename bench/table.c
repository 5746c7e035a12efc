// Looking names up: keys uniform over all names, 1000 distinct sets among them.
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/sets.h"
#include "route/table.h"

#define BURST   32
#define SETS    1000
#define RECORDS 4
#define LOOKUPS (bench_quick ? 4096u : 1u << 20)

struct names {
    uint32_t n;
    const char *lookup, *bytes; // names of the results; bytes: NULL for none
    struct rte_rcu_qsbr *qsbr;
    struct tnd_table *table;
    struct tnd_name_digest *digests; // in random order
};

static void close_names(void *state)
{
    struct names *s = state;

    if (s->table)
        tnd_table_free(s->table);
    free(s->qsbr);
    free(s->digests);
    free(s);
}

static bool publish(struct names *s)
{
    static const struct tnd_hash_key key = {3, 4};
    struct bench_spec *spec = malloc(sizeof *spec);
    char name[64];
    bool made = spec != NULL;

    for (uint32_t i = 0; made && i < s->n; i++) {
        int len = snprintf(name, sizeof name, "sip:customer-%u.example.com|carrier", i);
        s->digests[i] = tnd_name_digest(&key, (struct tnd_str){name, (size_t)len});
        bench_spec_fill(spec, RECORDS, i % SETS);
        made = tnd_table_publish(s->table, &s->digests[i], &spec->spec) == 0;
        tnd_table_reclaim(s->table);
    }
    while (made && tnd_table_reclaim(s->table))
        ;
    free(spec);
    return made;
}

static void *open_names(uint32_t n, const char *lookup, const char *bytes)
{
    struct names *s = calloc(1, sizeof *s);
    size_t size = (rte_rcu_qsbr_get_memsize(1) + 63) & ~(size_t)63;
    uint64_t seed = n;

    if (!s)
        return NULL;
    *s =
        (struct names){.n = bench_quick && n > 10000 ? 10000 : n, .lookup = lookup, .bytes = bytes};
    s->qsbr = aligned_alloc(64, size);
    s->digests = calloc(s->n, sizeof *s->digests);
    if (s->qsbr && rte_rcu_qsbr_init(s->qsbr, 1) == 0)
        s->table = tnd_table_new(s->qsbr, 1024); // and grows
    if (!s->table || !s->digests || !publish(s)) {
        close_names(s);
        return NULL;
    }
    for (uint32_t i = s->n - 1; i > 0; i--) {
        uint32_t k = (uint32_t)(bench_random(&seed) % (i + 1));
        struct tnd_name_digest t = s->digests[i];
        s->digests[i] = s->digests[k];
        s->digests[k] = t;
    }
    return s;
}

static void *open_1k(void)
{
    return open_names(1000, "table.lookup.1k", NULL);
}

static void *open_100k(void)
{
    return open_names(100000, "table.lookup.100k", NULL);
}

static void *open_1m(void)
{
    return open_names(1000000, "table.lookup.1m", "table.bytes_per_name.1m");
}

static void lookup_once(void *state)
{
    struct names *s = state;
    const struct tnd_target_set *out[BURST];
    struct tnd_table_stats stats;
    uint32_t at = 0;
    double start = bench_cpu_ns();

    for (uint32_t n = 0; n < LOOKUPS; n += BURST) {
        tnd_table_lookup_burst(s->table, &s->digests[at], BURST, out);
        at = at + 2 * BURST <= s->n ? at + BURST : 0;
        for (unsigned k = 0; k < BURST; k++)
            bench_use(out[k]->content); // the set's own line counts
    }
    bench_record(s->lookup, "ns", (bench_cpu_ns() - start) / LOOKUPS);
    tnd_table_stats(s->table, &stats);
    if (s->bytes)
        bench_record(s->bytes, "bytes", (double)stats.bytes / (double)stats.names);
}

const struct bench bench_table[] = {
    {"table.lookup.1k", open_1k, lookup_once, close_names},
    {"table.lookup.100k", open_100k, lookup_once, close_names},
    {"table.lookup.1m", open_1m, lookup_once, close_names},
    {0},
};
