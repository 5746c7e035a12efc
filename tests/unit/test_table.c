// The table: names, sharing of sets and cells, growth, removal, grace periods, latest-wins.
// One thread plays writer and reader, so that each grace period ends when the test says so.
#include "cmocka_all.h"

#include <sodium.h>

#include "route/table.h"
#include "route_sets.h"
#include "stats.h"
#include "util/err.h"
#include "util/isa.h"

#define SEED 20240608ULL

// ---- A reader that reports when told, and memory that is poisoned when freed -------------

struct world {
    struct rte_rcu_qsbr *qsbr;
    struct tnd_table *table;
    uint64_t in_use, fail_after; // allocations until one fails; 0: none does
    bool slow;                   // what was allocated is not there yet
};

static void *counted_alloc(void *ctx, size_t align, size_t size)
{
    struct world *w = ctx;
    void *p;

    if (w->fail_after && --w->fail_after == 0)
        return NULL;
    p = aligned_alloc(align, (size + align - 1) & ~(align - 1));
    memset(p, 0xa5, size);
    w->in_use += size;
    return p;
}

static bool is_ready(void *ctx, const void *p, size_t size)
{
    const struct world *w = ctx;

    return !w->slow;
}

static void poisoning_free(void *ctx, void *p, size_t size)
{
    struct world *w = ctx;

    memset(p, 0xdb, size);
    w->in_use -= size;
    free(p);
}

static void world_open(struct world *w, uint32_t names, uint64_t retired_max)
{
    struct tnd_table_config config = {
        .names_hint = names,
        .retired_max = retired_max,
        .mem = {.alloc = counted_alloc, .free = poisoning_free, .ready = is_ready, .ctx = w}};

    memset(w, 0, sizeof *w);
    w->qsbr = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(4) + 63) & ~(size_t)63);
    assert_int_equal(rte_rcu_qsbr_init(w->qsbr, 4), 0);
    assert_int_equal(rte_rcu_qsbr_thread_register(w->qsbr, 0), 0);
    rte_rcu_qsbr_thread_online(w->qsbr, 0);
    w->table = tnd_table_new_with(w->qsbr, &config);
    assert_non_null(w->table);
}

static void world_close(struct world *w)
{
    tnd_table_free(w->table);
    assert_int_equal(w->in_use, 0);
    free(w->qsbr);
}

// All grace periods that can end, end.
static void settle(struct world *w)
{
    for (unsigned i = 0; i < 4; i++) {
        rte_rcu_qsbr_quiescent(w->qsbr, 0);
        while (tnd_table_reclaim(w->table))
            ;
    }
}

static struct tnd_table_stats stats_of(const struct world *w)
{
    struct tnd_table_stats s;

    tnd_table_stats(w->table, &s);
    return s;
}

static struct tnd_name_digest digest_of(uint64_t i)
{
    static const struct tnd_hash_key key = {7, 8};
    char name[32];

    snprintf(name, sizeof name, "sip:n%llu.example.net|", (unsigned long long)i);
    return tnd_name_digest(&key, tnd_str_of(name));
}

static struct made_set *spec_of_weight; // one record; its weight is the version

static int publish(struct world *w, uint64_t name, uint16_t weight)
{
    struct tnd_name_digest d = digest_of(name);

    spec_of_weight->records[0].weight = weight;
    return tnd_table_publish(w->table, &d, &spec_of_weight->spec);
}

static int publish_shared(struct world *w, uint64_t name, uint16_t weight)
{
    struct tnd_name_digest d = digest_of(name);

    spec_of_weight->records[0].weight = weight;
    return tnd_table_publish_shared(w->table, &d, &spec_of_weight->spec);
}

static bool forget(struct world *w, uint64_t name)
{
    struct tnd_name_digest d = digest_of(name);

    return tnd_table_remove(w->table, &d);
}

static const struct tnd_target_set *find(const struct world *w, uint64_t name)
{
    struct tnd_name_digest d = digest_of(name);

    return tnd_table_lookup(w->table, &d);
}

// The version that a reader sees, or -1.
static int seen(const struct world *w, uint64_t name)
{
    const struct tnd_target_set *s = find(w, name);

    return s ? (int)tnd_set_records(s)[0].weight : -1;
}

static int setup(void **state)
{
    (void)state;
    spec_of_weight = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    made_record(spec_of_weight, 0, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(spec_of_weight);
    return 0;
}

// ---- Tests --------------------------------------------------------------------------------

static void digest_is_two_siphashes(void **state)
{
    static const struct tnd_hash_key key = {0x1122334455667788ULL, 0x99aabbccddeeff00ULL};
    static const uint64_t domains[2] = {TND_DOMAIN_TABLE, TND_DOMAIN_NAME};
    uint8_t in[8 + 100], want[16];

    (void)state;
    for (size_t i = 0; i < 100; i++)
        in[8 + i] = (uint8_t)(i * 7 + 1);
    for (size_t len = 0; len <= 100; len++) {
        struct tnd_name_digest d =
            tnd_name_digest(&key, (struct tnd_str){(const char *)in + 8, len});
        for (unsigned half = 0; half < 2; half++) {
            memcpy(in, &domains[half], sizeof domains[half]);
            crypto_shorthash_siphash24(want + 8 * half, in, 8 + len, (const uint8_t *)&key);
        }
        assert_memory_equal(&d, want, sizeof want);
    }
}

// Of every length, those included that are too long to be laid out; by each kernel.
static void digests_of_a_burst_are_the_same(void **state)
{
    static const struct tnd_hash_key key = {0x1122334455667788ULL, 0x99aabbccddeeff00ULL};
    static struct tnd_wide wide;
    static char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    for (unsigned isa = 0; isa < TND_ISA_COUNT; isa++) {
        if (!tnd_isa_here((enum tnd_isa)isa))
            continue;
        assert_true(tnd_isa_select(tnd_isa_name((enum tnd_isa)isa)));
        for (size_t first = 0; first < 400; first += 11) {
            struct tnd_name_digest got[TND_WIDE];
            struct tnd_str names[TND_WIDE];
            uint32_t n = 1 + (uint32_t)first % TND_WIDE;

            for (uint32_t i = 0; i < n; i++)
                names[i] = (struct tnd_str){text + i, first + i};
            tnd_name_digest_burst(&key, &wide, names, n, got);
            for (uint32_t i = 0; i < n; i++) {
                struct tnd_name_digest want = tnd_name_digest(&key, names[i]);
                assert_memory_equal(&got[i], &want, sizeof want);
            }
        }
    }
    tnd_isa_select(NULL);
}

static void names_come_change_and_go(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, 0, 0);
    assert_int_equal(seen(&w, 1), -1);
    assert_int_equal(publish(&w, 1, 10), 0);
    assert_int_equal(publish(&w, 2, 20), 0);
    assert_int_equal(seen(&w, 1), 10);
    assert_int_equal(seen(&w, 2), 20);
    assert_int_equal(publish(&w, 1, 11), 0);
    assert_int_equal(seen(&w, 1), 11);
    assert_int_equal(seen(&w, 2), 20);
    assert_true(find(&w, 1)->generation > find(&w, 2)->generation);
    assert_true(forget(&w, 1));
    assert_false(forget(&w, 1));
    assert_int_equal(seen(&w, 1), -1);
    assert_int_equal(seen(&w, 2), 20);
    assert_int_equal(publish_shared(&w, 1, 5), -TND_ENOENT);
    assert_int_equal(stats_of(&w).names, 1);
    settle(&w);
    assert_int_equal(stats_of(&w).retired_bytes, 0);
    assert_int_equal(stats_of(&w).sets, 1);
    assert_int_equal(stats_of(&w).cells, 1);
    assert_int_equal(stats_of(&w).bytes, w.in_use);
    world_close(&w);
}

static void the_same_again_changes_nothing(void **state)
{
    struct world w;
    struct tnd_table_stats before, after;

    (void)state;
    world_open(&w, 0, 0);
    publish(&w, 1, 10);
    before = stats_of(&w);
    publish(&w, 1, 10);
    after = stats_of(&w);
    assert_int_equal(after.publications, before.publications);
    assert_int_equal(after.bytes, before.bytes);
    assert_int_equal(after.retired_bytes, 0);
    assert_int_equal(after.sets, 1);
    world_close(&w);
}

static void a_name_without_target_has_a_set(void **state)
{
    struct tnd_set_spec none = {0};
    struct tnd_name_digest d = digest_of(1);
    struct world w;

    (void)state;
    world_open(&w, 0, 0);
    assert_int_equal(tnd_table_publish(w.table, &d, &none), 0);
    assert_non_null(find(&w, 1));
    assert_int_equal(find(&w, 1)->n_targets, 0);
    none.n_records = TND_SET_RECORDS_MAX + 1;
    assert_int_equal(tnd_table_publish(w.table, &d, &none), -TND_EINVAL);
    world_close(&w);
}

static void equal_sets_are_one(void **state)
{
    struct world w;
    struct tnd_name_digest d = digest_of(3);

    (void)state;
    world_open(&w, 0, 0);
    for (unsigned i = 0; i < 1000; i++)
        publish(&w, i, 7);
    assert_int_equal(stats_of(&w).sets, 1);
    assert_int_equal(stats_of(&w).cells, 1);
    assert_int_equal(tnd_table_sharing(w.table, &d), 1000);
    assert_ptr_equal(find(&w, 0), find(&w, 999));

    // One name leaves the others, and comes back to them.
    publish(&w, 3, 8);
    assert_int_equal(seen(&w, 3), 8);
    assert_int_equal(seen(&w, 4), 7);
    assert_int_equal(stats_of(&w).cells, 2);
    assert_int_equal(tnd_table_sharing(w.table, &d), 1);
    publish(&w, 3, 7);
    assert_int_equal(stats_of(&w).cells, 1);
    assert_int_equal(tnd_table_sharing(w.table, &d), 1000);

    // All of them at once.
    assert_int_equal(publish_shared(&w, 500, 9), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(seen(&w, i), 9);
    assert_int_equal(stats_of(&w).cells, 1);
    assert_int_equal(stats_of(&w).sets, 2 - 1);
    settle(&w);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(forget(&w, i));
    settle(&w);
    assert_int_equal(stats_of(&w).sets, 0);
    assert_int_equal(stats_of(&w).cells, 0);
    world_close(&w);
}

static void nothing_is_freed_under_a_reader(void **state)
{
    struct world w;
    const struct tnd_target_set *held;
    uint64_t retired;

    (void)state;
    world_open(&w, 0, 0);
    publish(&w, 1, 10);
    settle(&w);
    held = find(&w, 1);
    publish(&w, 1, 11);
    forget(&w, 1);
    for (unsigned i = 0; i < 10; i++)
        tnd_table_reclaim(w.table);
    retired = stats_of(&w).retired_bytes;
    assert_true(retired > 0);
    assert_int_equal(tnd_set_records(held)[0].weight, 10);
    assert_int_equal(held->n_targets, 1);
    rte_rcu_qsbr_quiescent(w.qsbr, 0);
    for (unsigned i = 0; i < 4; i++)
        tnd_table_reclaim(w.table);
    assert_int_equal(stats_of(&w).retired_bytes, 0);
    world_close(&w);
}

static void an_offline_reader_holds_nothing_back(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, 0, 0);
    rte_rcu_qsbr_thread_offline(w.qsbr, 0);
    publish(&w, 1, 10);
    publish(&w, 1, 11);
    for (unsigned i = 0; i < 4; i++)
        tnd_table_reclaim(w.table);
    assert_int_equal(stats_of(&w).retired_bytes, 0);
    world_close(&w);
}

// A reader that sleeps while online: memory stops growing, the latest version wins.
static void past_the_ceiling_the_latest_wins(void **state)
{
    struct world w;
    struct tnd_table_stats s;
    uint64_t bytes;

    (void)state;
    world_open(&w, 0, 16384);
    publish(&w, 1, 0);
    publish(&w, 2, 0);
    publish(&w, 2, 60000);
    for (unsigned i = 0; stats_of(&w).waiting == 0; i++) {
        publish(&w, 1, (uint16_t)(1 + i));
        tnd_table_reclaim(w.table);
        assert_true(i < 1000);
    }
    bytes = w.in_use;
    for (unsigned i = 0; i < 5000; i++) {
        publish(&w, 1, (uint16_t)(2000 + i));
        publish_shared(&w, 2, (uint16_t)(10000 + i));
        tnd_table_reclaim(w.table);
    }
    s = stats_of(&w);
    assert_true(w.in_use < bytes + 4096);
    assert_true(seen(&w, 1) < 2000);
    assert_int_equal(seen(&w, 2), 60000);
    assert_int_equal(s.waiting, 2);
    assert_true(s.coalesced >= 9998);

    // What already serves again takes back what waits; the other is published in the end.
    publish(&w, 2, 60000);
    assert_int_equal(stats_of(&w).waiting, 1);
    settle(&w);
    assert_int_equal(seen(&w, 1), 6999);
    assert_int_equal(seen(&w, 2), 60000);
    assert_int_equal(stats_of(&w).waiting, 0);
    assert_int_equal(stats_of(&w).retired_bytes, 0);
    assert_int_equal(stats_of(&w).sets, 2);
    world_close(&w);
}

// A cell that waits takes nobody in, and a name may leave it or go while it waits.
static void waiting_cells_stay_apart(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, 0, 1);
    for (unsigned i = 0; i < 4; i++)
        publish(&w, i, 7);
    publish(&w, 9, 1);
    publish(&w, 9, 2); // retires something: from here on all changes wait
    assert_int_equal(publish_shared(&w, 0, 8), 0);
    assert_int_equal(stats_of(&w).waiting, 1);
    publish(&w, 10, 7); // equal to what the four show now, not to what they will show
    publish(&w, 1, 7);  // wants to keep what it has
    publish(&w, 2, 5);
    assert_true(forget(&w, 3));
    assert_int_equal(seen(&w, 0), 7);
    assert_int_equal(seen(&w, 2), 5);
    settle(&w);
    assert_int_equal(seen(&w, 0), 8);
    assert_int_equal(seen(&w, 1), 7);
    assert_int_equal(seen(&w, 2), 5);
    assert_int_equal(seen(&w, 3), -1);
    assert_int_equal(seen(&w, 10), 7);
    assert_int_equal(seen(&w, 9), 2);
    publish(&w, 9, 3);
    publish(&w, 0, 4); // waits, and goes while it waits
    assert_true(forget(&w, 0));
    settle(&w);
    assert_int_equal(stats_of(&w).names, 4);
    world_close(&w);
}

// Against a plain array: random changes over many growths and with many marks of removed
// names, single lookups and bursts.
static void behaves_like_an_array(void **state)
{
    enum { NAMES = 6000, STEPS = 200000 };
    static int model[NAMES];
    uint64_t rng = SEED;
    struct world w;
    bool grew = false;

    (void)state;
    world_open(&w, 0, 0);
    for (unsigned i = 0; i < NAMES; i++)
        model[i] = -1;
    for (unsigned step = 0; step < STEPS; step++) {
        // The range of names swells and shrinks, so that growth meets removal.
        uint64_t range = 16 + (step % 50000) * (uint64_t)(NAMES - 16) / 50000;
        uint64_t name = rng_next(&rng) % range, what = rng_next(&rng) % 8;
        if (what < 3) {
            assert_true(forget(&w, name) == (model[name] >= 0));
            model[name] = -1;
        } else {
            uint16_t version = (uint16_t)(rng_next(&rng) % (what < 6 ? 5 : 60000));
            assert_int_equal(publish(&w, name, version), 0);
            model[name] = version;
        }
        if (step % 64 == 0) {
            rte_rcu_qsbr_quiescent(w.qsbr, 0);
            tnd_table_reclaim(w.table);
        }
        grew |= stats_of(&w).growing;
        name = rng_next(&rng) % range;
        if (seen(&w, name) != model[name])
            fail_msg("step %u: name %llu is %d, not %d; seed %llu", step, (unsigned long long)name,
                     seen(&w, name), model[name], SEED);
    }
    assert_true(grew);
    for (unsigned at = 0; at < NAMES; at += 100) {
        struct tnd_name_digest names[100];
        const struct tnd_target_set *sets[100];
        for (unsigned i = 0; i < 100; i++)
            names[i] = digest_of(at + i);
        tnd_table_lookup_burst(w.table, names, 100, sets);
        for (unsigned i = 0; i < 100; i++)
            assert_ptr_equal(sets[i], find(&w, at + i));
    }
    settle(&w);
    assert_int_equal(stats_of(&w).bytes, w.in_use);
    assert_int_equal(stats_of(&w).retired_bytes, 0);
    world_close(&w);
}

// Names that differ only where the slot's tag does not look, in one group and the next ones.
static void colliding_digests(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, 200, 0);
    for (uint64_t i = 0; i < 64; i++) {
        struct tnd_name_digest d = {.lo = 5, .hi = 0xabcdULL << 48 | i};
        spec_of_weight->records[0].weight = (uint16_t)i;
        assert_int_equal(tnd_table_publish(w.table, &d, &spec_of_weight->spec), 0);
    }
    for (uint64_t i = 0; i < 64; i += 2) {
        struct tnd_name_digest d = {.lo = 5, .hi = 0xabcdULL << 48 | i};
        assert_true(tnd_table_remove(w.table, &d));
    }
    for (uint64_t i = 0; i < 64; i++) {
        struct tnd_name_digest d = {.lo = 5, .hi = 0xabcdULL << 48 | i};
        const struct tnd_target_set *s = tnd_table_lookup(w.table, &d), *burst;
        tnd_table_lookup_burst(w.table, &d, 1, &burst);
        assert_ptr_equal(s, burst);
        if (i % 2)
            assert_int_equal(tnd_set_records(s)[0].weight, i);
        else
            assert_null(s);
    }
    world_close(&w);
}

// A failing allocation at any point: an error, nothing changed, nothing leaked.
static void short_of_memory(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (unsigned at = 1; at <= 400; at++) {
        struct world w;

        world_open(&w, 0, 0);
        w.fail_after = at;
        for (unsigned i = 0; i < 100; i++) {
            int before = seen(&w, i % 60), rc = publish(&w, i % 60, (uint16_t)i);
            assert_true(rc == 0 || rc == -TND_ENOMEM);
            assert_int_equal(seen(&w, i % 60), rc ? before : (int)i);
            failures += rc != 0;
        }
        for (unsigned i = 0; i < 60; i++)
            assert_true(seen(&w, i) == -1 || seen(&w, i) == (int)i || seen(&w, i) == (int)i + 60);
        world_close(&w);
    }
    assert_true(failures > 200);
}

static int used_epoch(const struct world *w, uint64_t name)
{
    struct tnd_name_digest d = digest_of(name);
    uint16_t epoch;

    return tnd_table_used(w->table, &d, &epoch) ? epoch : -1;
}

// A burst marks what it finds; a look does not, nor does growth or a new version.
static void use_is_told_by_epochs(void **state)
{
    struct world w;
    const struct tnd_target_set *sets[2];
    struct tnd_name_digest burst[2] = {digest_of(1), digest_of(3)};

    (void)state;
    world_open(&w, 0, 0);
    assert_int_equal(publish(&w, 1, 1), 0);
    assert_int_equal(used_epoch(&w, 1), 0);
    assert_int_equal(tnd_table_next_epoch(w.table), 1);
    assert_int_equal(publish(&w, 2, 2), 0);
    assert_int_equal(used_epoch(&w, 2), 1); // who comes is in use
    assert_int_equal(seen(&w, 1), 1);
    assert_int_equal(publish(&w, 1, 3), 0);
    assert_int_equal(used_epoch(&w, 1), 0);
    assert_int_equal(used_epoch(&w, 3), -1);
    tnd_table_lookup_burst(w.table, burst, 2, sets);
    assert_int_equal(used_epoch(&w, 1), 1);
    for (int i = 2; i < 65537; i++)
        assert_int_equal(tnd_table_next_epoch(w.table), i % 65536);
    assert_int_equal(used_epoch(&w, 2), 1);
    tnd_table_lookup_burst(w.table, burst, 2, sets);
    assert_int_equal(used_epoch(&w, 1), 0); // they wrap
    for (uint64_t i = 10; i < 3000; i++)
        assert_int_equal(publish(&w, i, 1), 0);
    settle(&w);
    assert_int_equal(used_epoch(&w, 1), 0);
    assert_int_equal(used_epoch(&w, 2), 1);
    world_close(&w);
}

// Growth leaves memory alone that is not there yet, as long as the old table has room.
static void growth_waits_for_memory(void **state)
{
    struct world w;
    uint32_t slots;

    (void)state;
    world_open(&w, 700, 0);
    slots = stats_of(&w).slots;
    w.slow = true;
    uint64_t n = 0;
    for (; n + 1 < slots * 7 / 8; n++)
        assert_int_equal(publish(&w, n, 1), 0);
    assert_true(stats_of(&w).growing);
    assert_false(tnd_table_reclaim(w.table)); // nothing that can be done at once
    assert_int_equal(stats_of(&w).slots, slots);
    w.slow = false;
    settle(&w);
    assert_int_equal(stats_of(&w).slots, 2 * slots);
    w.slow = true; // for good
    for (; n < slots * 20; n++)
        assert_int_equal(publish(&w, n, 1), 0);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(seen(&w, i), 1);
    assert_true(stats_of(&w).slots > slots * 20);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_is_two_siphashes),
        cmocka_unit_test(digests_of_a_burst_are_the_same),
        cmocka_unit_test(names_come_change_and_go),
        cmocka_unit_test(the_same_again_changes_nothing),
        cmocka_unit_test(a_name_without_target_has_a_set),
        cmocka_unit_test(equal_sets_are_one),
        cmocka_unit_test(nothing_is_freed_under_a_reader),
        cmocka_unit_test(an_offline_reader_holds_nothing_back),
        cmocka_unit_test(past_the_ceiling_the_latest_wins),
        cmocka_unit_test(waiting_cells_stay_apart),
        cmocka_unit_test(behaves_like_an_array),
        cmocka_unit_test(colliding_digests),
        cmocka_unit_test(short_of_memory),
        cmocka_unit_test(use_is_told_by_epochs),
        cmocka_unit_test(growth_waits_for_memory),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("table", tests, setup, teardown);
}
