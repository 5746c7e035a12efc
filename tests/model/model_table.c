// The name table under threads: one writer, several readers, no EAL. Meant for ThreadSanitizer:
//
//     meson setup build-tsan -Dlib_only=true -Db_sanitize=thread -Db_lundef=false
//     ninja -C build-tsan && build-tsan/tests/model/model_table 10
//
// (QSBR is used inline, by __atomic builtins, which the sanitizer sees; what is compiled into
// librte_rcu it does not.) Without it the same program is a slow test.
//
// The writer publishes, adds, removes, shares, grows and retires at random. Freed memory is
// poisoned. Each reader checks of each set it sees that
//   - it is whole, it is this name's, and all its records are of one version,
//   - that version was published, and none older than it has seen or than was finished before
//     it looked,
//   - names that are never removed are always there.
//
// usage: model_table [seconds [seed]]
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "route/pick.h"
#include "route/table.h"
#include "stats.h"

#define READERS     3
#define STEADY      64   // always there, each with versions of its own
#define COMING      64   // come and go
#define FLAPPING    64   // change between two sets that they share
#define TOGETHER    256  // one cell, changed by one store
#define CROWD       6000 // come in a flood and go, so that the table grows and fills with marks
#define FIRST_COME  STEADY
#define FIRST_FLAP  (FIRST_COME + COMING)
#define FIRST_TOG   (FIRST_FLAP + FLAPPING)
#define FIRST_CROWD (FIRST_TOG + TOGETHER)
#define NAMES       (FIRST_CROWD + CROWD)
#define RECORDS     3
#define RETIRED_MAX (128U << 10)

static const struct tnd_hash_key secret = {1, 2};

static struct rte_rcu_qsbr *qsbr;
static struct tnd_table *table;
static struct tnd_name_digest digests[NAMES];
static atomic_uint begun[NAMES];    // version whose publication has begun
static atomic_uint finished[NAMES]; // version that readers must see at least
static atomic_bool stop, failed;

static void complain(const char *what, unsigned name, unsigned version)
{
    if (!atomic_exchange(&failed, true))
        fprintf(stderr, "model_table: name %u, version %u: %s\n", name, version, what);
    atomic_store(&stop, true);
}

// ---- What a set of a name and version looks like ------------------------------------------

// Whose content a name shows: flapping names share with one another, as do those together.
static unsigned owner_of(unsigned name, unsigned version)
{
    if (name >= FIRST_CROWD)
        return FIRST_CROWD;
    if (name >= FIRST_TOG)
        return FIRST_TOG;
    if (name >= FIRST_FLAP)
        return FIRST_FLAP + version % 2;
    return name;
}

static unsigned shown_version(unsigned name, unsigned version)
{
    return name >= FIRST_FLAP && name < FIRST_TOG ? version % 2 : version;
}

struct made {
    struct tnd_set_spec spec;
    struct tnd_spec_record records[RECORDS];
    struct tnd_spec_address addresses[RECORDS];
};

static void make(struct made *m, unsigned name, unsigned version)
{
    static const char *const hosts[RECORDS] = {"a.example.net", "b.example.net", "c.example.net"};
    unsigned owner = owner_of(name, version), shown = shown_version(name, version);

    *m = (struct made){.spec = {.records = m->records, .n_records = RECORDS}};
    for (unsigned i = 0; i < RECORDS; i++) {
        m->records[i] = (struct tnd_spec_record){.host = tnd_str_of(hosts[i]),
                                                 .weight = (uint16_t)(shown & 0xffff),
                                                 .priority = (uint16_t)(shown >> 16),
                                                 .port = (uint16_t)(1 + owner),
                                                 .transport = TND_TRANSPORT_UDP,
                                                 .addresses = &m->addresses[i],
                                                 .n_addresses = 1};
        m->addresses[i].addr.family = 4;
        memcpy(m->addresses[i].addr.ip, &shown, sizeof shown);
    }
}

// Returns: the version shown, or UINT32_MAX after a complaint.
static unsigned read_version(const struct tnd_target_set *s, unsigned name)
{
    const struct tnd_record *r;
    const struct tnd_target *t;
    unsigned shown;
    uint32_t target;

    if (s->n_tiers != 1 || s->n_records != RECORDS || s->n_targets != RECORDS || s->size > 1024) {
        complain("not a whole set", name, 0);
        return UINT32_MAX;
    }
    r = tnd_set_records(s);
    t = tnd_set_targets(s);
    shown = (unsigned)r[0].priority << 16 | r[0].weight;
    for (unsigned i = 0; i < RECORDS; i++)
        if (((unsigned)r[i].priority << 16 | r[i].weight) != shown ||
            memcmp(t[i].addr.ip, &shown, sizeof shown) != 0 ||
            tnd_set_host(s, &r[i]).len != sizeof "a.example.net" - 1 ||
            memcmp(tnd_set_host(s, &r[i]).p + 1, ".example.net", 12) != 0) {
            complain("a mix of versions", name, shown);
            return UINT32_MAX;
        }
    if (t[0].addr.port != 1 + owner_of(name, shown))
        complain("another name's set", name, shown);
    target = tnd_pick(s, &secret, shown);
    if (target >= RECORDS)
        complain("nothing to pick", name, shown);
    return shown;
}

// ---- Readers ------------------------------------------------------------------------------

static void check(const struct tnd_target_set *s, unsigned name, unsigned least,
                  unsigned newest_seen[])
{
    unsigned shown;

    if (!s) {
        if (name < FIRST_COME || (name >= FIRST_FLAP && name < FIRST_CROWD))
            complain("a name that is never removed is not there", name, 0);
        return;
    }
    shown = read_version(s, name);
    if (shown == UINT32_MAX || (name >= FIRST_FLAP && name < FIRST_TOG))
        return;
    if (shown > atomic_load(&begun[owner_of(name, 0)]))
        complain("a version from the future", name, shown);
    if (shown < newest_seen[name])
        complain("older than what this reader has seen", name, shown);
    if (shown < least)
        complain("older than what was finished", name, shown);
    newest_seen[name] = shown;
}

static void *reader(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    unsigned *newest_seen = calloc(NAMES, sizeof *newest_seen);
    uint64_t rng = id + 1;

    rte_rcu_qsbr_thread_register(qsbr, id);
    rte_rcu_qsbr_thread_online(qsbr, id);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        struct tnd_name_digest names[32];
        const struct tnd_target_set *sets[32];
        unsigned which[32], least[32];
        for (unsigned i = 0; i < 32; i++) {
            which[i] = (unsigned)(rng_next(&rng) % (i % 2 ? FIRST_CROWD : NAMES));
            names[i] = digests[which[i]];
            least[i] = atomic_load(&finished[owner_of(which[i], 0)]);
        }
        if (rng_next(&rng) % 2)
            tnd_table_lookup_burst(table, names, 32, sets);
        else
            for (unsigned i = 0; i < 32; i++)
                sets[i] = tnd_table_lookup(table, &names[i]);
        if (rng_next(&rng) % 1024 == 0) // asleep with sets in hand: the writer must go on
            nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        for (unsigned i = 0; i < 32; i++)
            check(sets[i], which[i], least[i], newest_seen);
        if (rng_next(&rng) % 64 == 0) {
            rte_rcu_qsbr_thread_offline(qsbr, id);
            rte_rcu_qsbr_thread_online(qsbr, id);
        }
        rte_rcu_qsbr_quiescent(qsbr, id);
    }
    rte_rcu_qsbr_thread_offline(qsbr, id);
    rte_rcu_qsbr_thread_unregister(qsbr, id);
    free(newest_seen);
    return NULL;
}

// ---- The writer ---------------------------------------------------------------------------

static void *mem_alloc(void *ctx, size_t align, size_t size)
{
    (void)ctx;
    return aligned_alloc(align, (size + align - 1) & ~(align - 1));
}

static void mem_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    memset(p, 0xdb, size); // a reader that still looks sees it, and the sanitizer sees the race
    free(p);
}

// What is not held back for the ceiling must be visible from now on.
static void finish(unsigned name, unsigned version)
{
    struct tnd_table_stats st;

    tnd_table_stats(table, &st);
    if (st.waiting == 0)
        atomic_store(&finished[name], version);
}

static void publish(unsigned name, unsigned version)
{
    struct made m;
    unsigned owner = owner_of(name, 0);
    int rc;

    make(&m, name, version);
    if (name < FIRST_FLAP || name >= FIRST_TOG)
        atomic_store(&begun[owner], version);
    rc = name >= FIRST_TOG && name < FIRST_CROWD
             ? tnd_table_publish_shared(table, &digests[name], &m.spec)
             : tnd_table_publish(table, &digests[name], &m.spec);
    if (rc)
        complain("not published", name, version);
    if (name < FIRST_COME || (name >= FIRST_TOG && name < FIRST_CROWD))
        finish(owner, version);
}

static void populate(void)
{
    static const struct tnd_hash_key key = {3, 4};

    for (unsigned i = 0; i < NAMES; i++) {
        char name[32];
        struct made m;
        snprintf(name, sizeof name, "sip:%u.example.net|", i);
        digests[i] = tnd_name_digest(&key, tnd_str_of(name));
        if (i >= FIRST_CROWD || (i >= FIRST_COME && i < FIRST_FLAP))
            continue;
        make(&m, i, 0);
        if (tnd_table_publish(table, &digests[i], &m.spec))
            complain("not published", i, 0);
    }
}

static void crowd_step(unsigned *at, bool *leaving, uint64_t *rng)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned name = FIRST_CROWD + *at;
        if (*leaving)
            tnd_table_remove(table, &digests[name]);
        else
            publish(name, 0);
        if (++*at == CROWD) {
            *at = 0;
            *leaving = !*leaving;
        }
    }
    if (rng_next(rng) % 256 == 0 && *at > 0) // and some leave out of turn
        tnd_table_remove(table, &digests[FIRST_CROWD + rng_next(rng) % *at]);
}

static uint64_t write_for(double seconds, uint64_t seed)
{
    unsigned versions[NAMES] = {0}, crowd = 0;
    uint64_t rng = seed, steps = 0;
    bool leaving = false;
    struct timespec now, end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)seconds;
    do {
        unsigned name = (unsigned)(rng_next(&rng) % FIRST_CROWD);
        if (name >= FIRST_TOG)
            publish(name, ++versions[FIRST_TOG]);
        else if (name >= FIRST_COME && name < FIRST_FLAP && rng_next(&rng) % 2)
            tnd_table_remove(table, &digests[name]);
        else
            publish(name, ++versions[name]);
        crowd_step(&crowd, &leaving, &rng);
        if (rng_next(&rng) % 8 == 0)
            tnd_table_reclaim(table);
        clock_gettime(CLOCK_MONOTONIC, &now);
        steps++;
    } while (!atomic_load(&stop) &&
             (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
    return steps;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 4;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20240610, steps;
    struct tnd_table_config config = {.retired_max = RETIRED_MAX,
                                      .mem = {.alloc = mem_alloc, .free = mem_free}};
    struct tnd_table_stats st;
    pthread_t threads[READERS];

    qsbr = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(READERS) + 63) & ~(size_t)63);
    rte_rcu_qsbr_init(qsbr, READERS);
    table = tnd_table_new_with(qsbr, &config);
    populate();
    for (unsigned i = 0; i < READERS; i++)
        pthread_create(&threads[i], NULL, reader, (void *)(uintptr_t)i);
    steps = write_for(seconds, seed);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 8; i++)
        while (tnd_table_reclaim(table))
            ;
    tnd_table_stats(table, &st);
    printf("seed %llu: %llu steps, %llu publications, %llu coalesced, %u slots, %llu retired "
           "bytes left\n",
           (unsigned long long)seed, (unsigned long long)steps, (unsigned long long)st.publications,
           (unsigned long long)st.coalesced, st.slots, (unsigned long long)st.retired_bytes);
    if (st.retired_bytes || st.waiting)
        complain("memory is not released though no reader is left", 0, 0);
    if (st.coalesced == 0 || st.slots < CROWD)
        complain("the run reached neither the ceiling nor the growth", 0, 0);
    tnd_table_free(table);
    free(qsbr);
    return atomic_load(&failed);
}
