// Names by the thousand, by the million, and ten million at once: looking them up, publishing for
// them while readers go on, loading them; 1,000 distinct sets among them. Its memory is the
// engine's (control/table_memory.h).
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/sets.h"
#include "control/table_memory.h"
#include "route/table.h"

#define BURST   32U
#define SETS    1000U
#define RECORDS 4U
#define LOOKUPS (bench_quick ? 4096u : 1u << 20)

struct names {
    uint32_t n;
    const char *size; // as results are called
    struct rte_rcu_qsbr *qsbr;
    struct tnd_table *table;
    struct tnd_name_digest *digests; // in random order
    struct tnd_name_digest *zipf;    // LOOKUPS of them
    struct bench_spec *specs;        // SETS of them, while loading
    double load_ns;                  // of open_names, for a name
    double *turns;                   // of open_names, ns: TURNS_MAX of them at most, sorted
    uint32_t n_turns;
};

static void close_names(void *state)
{
    struct names *s = state;

    if (s->table)
        tnd_table_free(s->table);
    free(s->qsbr);
    free(s->digests);
    free(s->zipf);
    free(s->turns);
    free(s);
}

static struct tnd_name_digest digest_of(uint32_t i)
{
    static const struct tnd_hash_key key = {3, 4};
    char name[64];
    int len = snprintf(name, sizeof name, "sip:customer-%u.example.com|carrier", i);

    return tnd_name_digest(&key, (struct tnd_str){name, (size_t)len});
}

// A turn of control's loop (control/turn.h): it looks at the clock after some names, and reclaims
// at its end. What it lasts longer is one publication's or the reclaim's doing.
#define TURN_NS   1.5e6
#define CHUNK     8U
#define TURNS_MAX (1u << 17)

static double turn(struct names *s, uint32_t *at, bool *made)
{
    double start = bench_cpu_ns();

    do
        for (uint32_t k = 0; *made && k < CHUNK && *at < s->n; k++) {
            s->digests[*at] = digest_of(*at);
            *made = tnd_table_publish(s->table, &s->digests[*at], &s->specs[*at % SETS].spec) == 0;
            ++*at;
        }
    while (*made && *at < s->n && bench_cpu_ns() - start < TURN_NS);
    tnd_table_reclaim(s->table);
    return bench_cpu_ns() - start;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool load(struct names *s)
{
    bool made = (s->specs = malloc(SETS * sizeof *s->specs)) != NULL &&
                (s->turns = calloc(TURNS_MAX, sizeof *s->turns)) != NULL;
    uint32_t at = 0;

    for (uint32_t i = 0; made && i < SETS; i++)
        bench_spec_fill(&s->specs[i], RECORDS, i);
    while (made && at < s->n) {
        double ns = turn(s, &at, &made);

        s->load_ns += ns / s->n;
        if (s->n_turns < TURNS_MAX)
            s->turns[s->n_turns++] = ns;
    }
    qsort(s->turns, s->n_turns, sizeof *s->turns, by_value);
    while (made && tnd_table_reclaim(s->table))
        ;
    free(s->specs);
    return made;
}

static void shuffle(struct tnd_name_digest d[], uint32_t n)
{
    uint64_t seed = n;

    for (uint32_t i = n - 1; i > 0; i--) {
        uint32_t k = (uint32_t)(bench_random(&seed) % (i + 1));
        struct tnd_name_digest t = d[i];
        d[i] = d[k];
        d[k] = t;
    }
}

// Zipf's law with exponent 1: the share of the names up to rank k is ln k / ln n.
static void draw_zipf(struct names *s)
{
    uint64_t seed = s->n;

    for (uint32_t i = 0; i < LOOKUPS; i++) {
        double u = (double)(bench_random(&seed) >> 11) * 0x1p-53;
        s->zipf[i] = s->digests[(uint32_t)pow(s->n, u) - 1];
    }
}

static void *open_names(uint32_t n, const char *size)
{
    struct names *s = calloc(1, sizeof *s);
    size_t bytes = (rte_rcu_qsbr_get_memsize(1) + 63) & ~(size_t)63;
    struct tnd_table_config config = {.names_hint = 1024, .mem = tnd_table_memory()}; // and grows

    if (!s)
        return NULL;
    *s = (struct names){.n = n, .size = size};
    s->qsbr = aligned_alloc(64, bytes);
    s->digests = calloc(n, sizeof *s->digests);
    s->zipf = calloc(LOOKUPS, sizeof *s->zipf);
    if (s->qsbr && rte_rcu_qsbr_init(s->qsbr, 1) == 0)
        s->table = tnd_table_new_with(s->qsbr, &config);
    if (!s->table || !s->digests || !s->zipf || !load(s)) {
        close_names(s);
        return NULL;
    }
    shuffle(s->digests, n);
    draw_zipf(s);
    return s;
}

static void *open_1k(void)
{
    return open_names(1000, "1k");
}

static void *open_100k(void)
{
    return open_names(bench_quick ? 10000 : 100000, "100k");
}

static void *open_1m(void)
{
    return open_names(bench_quick ? 10000 : 1000000, "1m");
}

static void *open_10m(void)
{
    return open_names(bench_quick ? 10000 : 10000000, "10m");
}

// Returns: ns a lookup, over `names` from the first to the last and again.
static double look_up(const struct names *s, const struct tnd_name_digest names[], uint32_t n)
{
    const struct tnd_target_set *out[BURST];
    uint32_t at = 0;
    double start = bench_cpu_ns();

    for (uint32_t done = 0; done < LOOKUPS; done += BURST) {
        tnd_table_lookup_burst(s->table, &names[at], BURST, out);
        at = at + 2 * BURST <= n ? at + BURST : 0;
        for (unsigned k = 0; k < BURST; k++)
            bench_use(out[k]->content); // the set's own line counts
    }
    return (bench_cpu_ns() - start) / LOOKUPS;
}

static void lookup_once(void *state)
{
    const struct names *s = state;

    bench_record(bench_name("table.lookup.%s", s->size), "ns", look_up(s, s->digests, s->n));
    bench_record(bench_name("table.lookup.zipf.%s", s->size), "ns", look_up(s, s->zipf, LOOKUPS));
}

static double bytes_per_name(const struct names *s)
{
    struct tnd_table_stats stats;

    tnd_table_stats(s->table, &stats);
    return (double)stats.bytes / (double)stats.names;
}

static void bytes_once(void *state)
{
    bench_record("table.bytes_per_name.1m", "bytes", bytes_per_name(state));
}

// Loaded once, told in each round.
static void load_once(void *state)
{
    const struct names *s = state;

    bench_record("table.load.10m", "ns", s->load_ns);
    bench_record("table.load.10m.turn.p50", "ns", s->turns[s->n_turns / 2]);
    bench_record("table.load.10m.turn.p99", "ns", s->turns[s->n_turns * 99ull / 100]);
    bench_record("table.load.10m.turn", "ns", s->turns[s->n_turns - 1]);
    bench_record("table.load.10m.bytes_per_name", "bytes", bytes_per_name(s));
    bench_record("table.lookup.10m", "ns", look_up(s, s->digests, s->n));
}

// ---- Publishing -----------------------------------------------------------------------------

#define PUBLICATIONS 1000U

// A version of set `number` that no publication before had.
static void next_version(struct bench_spec *spec, uint32_t number, uint32_t version)
{
    bench_spec_fill(spec, RECORDS, number);
    spec->records[0].weight = (uint16_t)(1000 + version % 50000);
}

// A version for one name, and one for all names of a cell: mostly the making of the set.
static void publish_once(void *state)
{
    static struct bench_spec spec;
    static uint32_t version;
    struct names *s = state;
    double one = 0, shared = 0;

    for (uint32_t i = 0; i < PUBLICATIONS; i++) {
        const struct tnd_name_digest *name = &s->digests[i % s->n];
        double start;

        next_version(&spec, i % SETS, ++version);
        start = bench_cpu_ns();
        tnd_table_publish(s->table, name, &spec.spec);
        tnd_table_reclaim(s->table);
        one += bench_cpu_ns() - start;
        next_version(&spec, i % SETS, ++version);
        start = bench_cpu_ns();
        tnd_table_publish_shared(s->table, name, &spec.spec);
        tnd_table_reclaim(s->table);
        shared += bench_cpu_ns() - start;
    }
    bench_record("table.publish", "ns", one / PUBLICATIONS);
    bench_record("table.publish.shared", "ns", shared / PUBLICATIONS);
}

// ---- Readers while a writer publishes -------------------------------------------------------

#define RATE 10000.0 // publications a second

struct writer {
    struct names *s;
    atomic_bool stop;
    _Atomic uint64_t published;
};

static void leave_my_core(void)
{
    cpu_set_t set;
    int mine = sched_getcpu();

    CPU_ZERO(&set);
    for (int i = 0; i < CPU_SETSIZE && i < sysconf(_SC_NPROCESSORS_ONLN); i++)
        if (i != mine)
            CPU_SET(i, &set);
    if (CPU_COUNT(&set) > 0)
        pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// Ten a millisecond: names in turn, so that all cells change.
static void *write_on(void *arg)
{
    static struct bench_spec spec;
    struct writer *w = arg;
    double start;

    leave_my_core();
    start = bench_wall_ns();
    for (uint32_t i = 0; !atomic_load_explicit(&w->stop, memory_order_relaxed);) {
        if (i > (bench_wall_ns() - start) * (RATE / 1e9)) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            continue;
        }
        next_version(&spec, i % SETS, i / SETS);
        tnd_table_publish(w->s->table, &w->s->digests[i % w->s->n], &spec.spec);
        tnd_table_reclaim(w->s->table);
        atomic_store_explicit(&w->published, ++i, memory_order_relaxed);
    }
    return NULL;
}

static double look_up_as_reader(const struct names *s)
{
    const struct tnd_target_set *out[BURST];
    uint32_t at = 0;
    double start = bench_cpu_ns();

    for (uint32_t done = 0; done < LOOKUPS; done += BURST) {
        tnd_table_lookup_burst(s->table, &s->digests[at], BURST, out);
        at = at + 2 * BURST <= s->n ? at + BURST : 0;
        for (unsigned k = 0; k < BURST; k++)
            bench_use(out[k]->content);
        rte_rcu_qsbr_quiescent(s->qsbr, 0);
    }
    return (bench_cpu_ns() - start) / LOOKUPS;
}

static double look_up_beside(struct writer *w, double *published_a_second)
{
    double start = bench_wall_ns(), ns;
    pthread_t thread;

    atomic_store(&w->stop, false);
    atomic_store(&w->published, 0);
    if (pthread_create(&thread, NULL, write_on, w) != 0)
        return 0;
    while (atomic_load(&w->published) == 0)
        sched_yield();
    ns = look_up_as_reader(w->s);
    *published_a_second = (double)atomic_load(&w->published) / (bench_wall_ns() - start) * 1e9;
    atomic_store(&w->stop, true);
    pthread_join(thread, NULL);
    return ns;
}

// The same readers without and with a writer, turn by turn.
static void churn_once(void *state)
{
    struct names *s = state;
    struct writer w = {.s = s};
    double still = 0, churn = 0, published = 0;
    const unsigned turns = 8;

    rte_rcu_qsbr_thread_register(s->qsbr, 0);
    rte_rcu_qsbr_thread_online(s->qsbr, 0);
    for (unsigned i = 0; i < turns; i++) {
        double rate = 0;

        still += look_up_as_reader(s) / turns;
        churn += look_up_beside(&w, &rate) / turns;
        published += rate / turns;
    }
    rte_rcu_qsbr_thread_offline(s->qsbr, 0);
    rte_rcu_qsbr_thread_unregister(s->qsbr, 0);
    while (tnd_table_reclaim(s->table))
        ;
    bench_record("table.churn.still", "ns", still);
    bench_record("table.churn", "ns", churn);
    bench_record("table.churn.publications", "requests/s", published);
    if (published < 0.8 * RATE)
        bench_unfit("table.churn", "the writer had no core of its own");
}

const struct bench bench_table[] = {
    {"table.lookup.1k", open_1k, lookup_once, close_names},
    {"table.lookup.100k", open_100k, lookup_once, close_names},
    {"table.lookup.1m", open_1m, lookup_once, close_names},
    {"table.bytes_per_name", open_1m, bytes_once, close_names},
    {"table.publish", open_100k, publish_once, close_names},
    {"table.churn", open_1m, churn_once, close_names},
    {"table.load.10m", open_10m, load_once, close_names},
    {0},
};
