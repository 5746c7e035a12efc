// Transaction memory against a plain list, over days of simulated time.
#include "cmocka_all.h"

#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/memory.h"
#include "random.h"

#define START_MS 16383000ULL // the 16-bit deadline wraps within the first second

static struct tnd_memory *new_memory(uint32_t entries)
{
    struct tnd_memory *m = tnd_memory_new(entries);

    assert_non_null(m);
    return m;
}

static struct tnd_memory_stats stats_of(const struct tnd_memory *m)
{
    struct tnd_memory_stats s;

    tnd_memory_stats(m, &s);
    return s;
}

// Keys of one bucket: equal low bits, other tags.
static uint64_t key_of(unsigned i)
{
    return (uint64_t)(i + 1) << 16 | 5;
}

static void remembered_until_its_deadline(void **state)
{
    struct tnd_memory *m = new_memory(64);
    struct tnd_memory_entry *e;
    uint64_t now = START_MS;

    (void)state;
    assert_null(tnd_memory_find(m, key_of(0), now));
    e = tnd_memory_put(m, key_of(0), now, 32000);
    assert_non_null(e);
    assert_int_equal(e->target.port, 0);
    e->target.port = 5060;
    e->state = TND_MEMORY_RINGING;
    for (; now < START_MS + 32000; now += 125) {
        assert_ptr_equal(tnd_memory_find(m, key_of(0), now), e);
        assert_int_equal(e->target.port, 5060);
    }
    assert_null(tnd_memory_find(m, key_of(0), now + 250));
    assert_null(tnd_memory_find(m, key_of(1), START_MS));
    assert_int_equal(stats_of(m).remembered, 1);
    assert_int_equal(stats_of(m).hits, 256);
    assert_int_equal(stats_of(m).misses, 3);
    tnd_memory_free(m);
}

static void again_is_not_new(void **state)
{
    struct tnd_memory *m = new_memory(64);
    struct tnd_memory_entry *e = tnd_memory_put(m, key_of(0), 1000, 5000);

    (void)state;
    e->attempt = 2;
    assert_ptr_equal(tnd_memory_put(m, key_of(0), 5000, 5000), e);
    assert_int_equal(e->attempt, 2);
    assert_non_null(tnd_memory_find(m, key_of(0), 9000));
    assert_ptr_equal(tnd_memory_put(m, key_of(0), 60000, 5000), e); // long expired: a new one
    assert_int_equal(e->attempt, 0);
    assert_int_equal(stats_of(m).remembered, 2);
    tnd_memory_free(m);
}

static void lives_change(void **state)
{
    struct tnd_memory *m = new_memory(64);

    (void)state;
    tnd_memory_put(m, key_of(0), 1000, 32000);
    tnd_memory_touch(m, key_of(0), 2000, 180000);
    assert_non_null(tnd_memory_find(m, key_of(0), 181999));
    tnd_memory_touch(m, key_of(0), 182000, 5000); // too late by nothing: 182000 is its end
    assert_null(tnd_memory_find(m, key_of(0), 182250));
    tnd_memory_put(m, key_of(0), 190000, 180000);
    tnd_memory_touch(m, key_of(0), 190000, 500);
    assert_null(tnd_memory_find(m, key_of(0), 191000));
    tnd_memory_touch(m, key_of(1), 191000, 500);
    assert_null(tnd_memory_find(m, key_of(1), 191000));
    tnd_memory_put(m, key_of(2), 200000, UINT32_MAX);
    assert_non_null(tnd_memory_find(m, key_of(2), 200000 + TND_MEMORY_LIFE_MAX_MS - 1));
    assert_null(tnd_memory_find(m, key_of(2), 200000 + TND_MEMORY_LIFE_MAX_MS + 250));
    tnd_memory_free(m);
}

static void a_small_step_back_forgets_nothing(void **state)
{
    struct tnd_memory *m = new_memory(64);

    (void)state;
    tnd_memory_put(m, key_of(0), START_MS, TND_MEMORY_LIFE_MAX_MS);
    assert_non_null(tnd_memory_find(m, key_of(0), START_MS - 5000));
    tnd_memory_free(m);
}

static void unfinished_ones_are_never_evicted(void **state)
{
    struct tnd_memory *m = new_memory(64);

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        assert_non_null(tnd_memory_put(m, key_of(i), 1000, i == 3 ? 2000 : 32000));
    assert_null(tnd_memory_put(m, key_of(8), 1000, 32000));
    assert_int_equal(stats_of(m).forgotten_full, 1);
    for (unsigned i = 0; i < 8; i++)
        assert_non_null(tnd_memory_find(m, key_of(i), 1000));
    assert_non_null(tnd_memory_put(m, key_of(8), 4000, 32000)); // the fourth has expired
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(tnd_memory_find(m, key_of(i), 4000) != NULL, i != 3);
    tnd_memory_free(m);
}

static void extreme_keys(void **state)
{
    struct tnd_memory *m = new_memory(1 << 20);
    const uint64_t keys[] = {0, 1, 0xffff, UINT64_MAX, UINT64_MAX << 16, 1ULL << 63};

    (void)state;
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_null(tnd_memory_find(m, keys[i], 0));
        assert_non_null(tnd_memory_put(m, keys[i], 0, 1000));
        assert_non_null(tnd_memory_find(m, keys[i], 0));
    }
    // Tag 0 with a deadline of 0 is not a free word.
    tnd_memory_put(m, 0, START_MS, 16384000 - START_MS);
    assert_non_null(tnd_memory_find(m, 0, START_MS));
    tnd_memory_free(m);
}

enum { KEYS = 160, OPS = 400000 };

struct model {
    uint64_t key, end_tick; // alive while now / 250 < end_tick
    uint16_t mark;          // what was written into the body
};

struct run {
    struct tnd_memory *m;
    struct model keys[KEYS];
    uint64_t seed, now, swept_to;
};

static bool alive(const struct run *r, const struct model *k)
{
    return r->now / 250 < k->end_tick;
}

static unsigned bucket_load(const struct run *r, const struct model *k)
{
    unsigned n = 0;

    for (unsigned i = 0; i < KEYS; i++)
        n += (r->keys[i].key & 7) == (k->key & 7) && alive(r, &r->keys[i]);
    return n;
}

static uint32_t random_life(struct run *r)
{
    static const uint32_t at_most[] = {1000, 32000, 180000, 7200000};

    return (uint32_t)(test_random(&r->seed) % (at_most[test_random(&r->seed) & 3] + 1));
}

static void check_put(struct run *r, struct model *k)
{
    uint32_t life = random_life(r);
    bool was = alive(r, k), full = !was && bucket_load(r, k) == 8;
    struct tnd_memory_entry *e = tnd_memory_put(r->m, k->key, r->now, life);

    assert_int_equal(e == NULL, full);
    if (full)
        return;
    assert_int_equal(e->target.port, was ? k->mark : 0);
    k->mark = e->target.port = (uint16_t)(test_random(&r->seed) | 1);
    k->end_tick = (r->now + life + 249) / 250;
}

static void check_touch(struct run *r, struct model *k)
{
    uint32_t life = random_life(r);

    tnd_memory_touch(r->m, k->key, r->now, life);
    if (alive(r, k))
        k->end_tick = (r->now + life + 249) / 250;
}

static void check_find(struct run *r, const struct model *k)
{
    struct tnd_memory_entry *e = tnd_memory_find(r->m, k->key, r->now);

    assert_int_equal(e != NULL, alive(r, k));
    if (e)
        assert_int_equal(e->target.port, k->mark);
}

// Time goes on, and the sweep at the slowest rate that memory.h allows.
static void advance(struct run *r)
{
    unsigned how = (unsigned)(test_random(&r->seed) % 5000);
    uint64_t interval_ms = TND_MEMORY_SWEEP_S * 1000ULL / tnd_memory_buckets(r->m);

    r->now += how > 0 ? test_random(&r->seed) % 500 : test_random(&r->seed) % 20000000;
    for (; r->swept_to + interval_ms <= r->now; r->swept_to += interval_ms)
        tnd_memory_sweep(r->m, r->swept_to + interval_ms, 1);
}

static void same_as_a_list(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= 3; round++) {
        struct run r = {.m = new_memory(64), .seed = round, .now = START_MS, .swept_to = START_MS};

        for (unsigned i = 0; i < KEYS; i++)
            r.keys[i].key = test_random(&r.seed);
        for (unsigned op = 0; op < OPS; op++) {
            struct model *k = &r.keys[test_random(&r.seed) % KEYS];
            switch (test_random(&r.seed) & 3) {
            case 0:
                check_put(&r, k);
                break;
            case 1:
                check_touch(&r, k);
                break;
            default:
                check_find(&r, k);
            }
            advance(&r);
        }
        assert_true(r.now > START_MS + 4 * 16384000ULL); // the deadline has wrapped four times
        assert_true(stats_of(r.m).forgotten_full > 100);
        tnd_memory_free(r.m);
    }
}

// The trap of the short deadline: long untouched, then seemingly in the future again.
static void the_expired_stay_dead(void **state)
{
    struct tnd_memory *m = new_memory(1024);
    uint32_t n = tnd_memory_buckets(m), cleared = 0;
    uint64_t interval_ms = TND_MEMORY_SWEEP_S * 1000ULL / n, end;

    (void)state;
    for (unsigned i = 0; i < 500; i++)
        assert_non_null(tnd_memory_put(m, (uint64_t)(i + 1) << 16 | i % n, START_MS, 32000));
    end = START_MS + 3 * 16384000ULL;
    for (uint64_t now = START_MS; now < end; now += interval_ms) {
        cleared += tnd_memory_sweep(m, now, 1);
        for (unsigned i = 0; now > START_MS + 33000 && i < 500; i += 50)
            assert_null(tnd_memory_find(m, (uint64_t)(i + 1) << 16 | i % n, now));
    }
    assert_int_equal(cleared, 500);
    tnd_memory_free(m);
}

static void sweep_spares_the_living(void **state)
{
    struct tnd_memory *m = new_memory(64);

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        tnd_memory_put(m, key_of(i), 1000, i < 4 ? 1000 : 100000);
    assert_int_equal(tnd_memory_sweep(m, 50000, 5), 0); // their bucket is the sixth
    assert_int_equal(tnd_memory_sweep(m, 50000, 1), 4);
    assert_int_equal(tnd_memory_sweep(m, 50000, 80), 0);
    for (unsigned i = 4; i < 8; i++)
        assert_non_null(tnd_memory_find(m, key_of(i), 50000));
    tnd_memory_free(m);
}

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %zu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void untouched_pages_cost_nothing(void **state)
{
    size_t before = resident_bytes();
    struct tnd_memory *m = new_memory(1 << 22);

    (void)state;
    assert_int_equal(stats_of(m).capacity, 1 << 22);
    assert_true(tnd_memory_bytes(m) >= (1u << 22) * 32UL);
    tnd_memory_sweep(m, 1000, tnd_memory_buckets(m));
    tnd_memory_put(m, 1, 1000, 1000);
    assert_true(resident_bytes() - before < 16u << 20);
    tnd_memory_free(m);
    tnd_memory_free(NULL);
}

static void sizes(void **state)
{
    static const uint32_t want[][2] = {{0, 64}, {1, 64}, {64, 64}, {65, 128}, {1000000, 1 << 20}};

    (void)state;
    for (unsigned i = 0; i < sizeof want / sizeof *want; i++) {
        struct tnd_memory *m = new_memory(want[i][0]);
        assert_int_equal(stats_of(m).capacity, want[i][1]);
        assert_int_equal(tnd_memory_buckets(m), want[i][1] / 8);
        tnd_memory_prefetch(m, UINT64_MAX);
        tnd_memory_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembered_until_its_deadline),
        cmocka_unit_test(again_is_not_new),
        cmocka_unit_test(lives_change),
        cmocka_unit_test(a_small_step_back_forgets_nothing),
        cmocka_unit_test(unfinished_ones_are_never_evicted),
        cmocka_unit_test(extreme_keys),
        cmocka_unit_test(same_as_a_list),
        cmocka_unit_test(the_expired_stay_dead),
        cmocka_unit_test(sweep_spares_the_living),
        cmocka_unit_test(untouched_pages_cost_nothing),
        cmocka_unit_test(sizes),
    };

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
