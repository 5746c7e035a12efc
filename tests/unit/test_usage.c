// Names that requests use stay followed, those that nobody uses go: table, epochs and follower.
#include "cmocka_all.h"

#include <stdlib.h>

#include "control/usage.h"
#include "dns/follow.h"

static const struct tnd_hash_key key = {1, 2};

struct world {
    struct rte_rcu_qsbr *qsbr;
    struct tnd_table *table;
    struct tnd_usage usage;
    struct tnd_follow *follow;
    uint64_t now_ms;
};

static uint64_t last_used(void *ctx, const char *name)
{
    return tnd_usage_last_ms(&((struct world *)ctx)->usage, name);
}

static const char *name_of(unsigned i)
{
    static char name[32];

    snprintf(name, sizeof name, "sip:n%u.test|", i);
    return name;
}

static struct tnd_name_digest digest_of(unsigned i)
{
    return tnd_name_digest(&key, tnd_str_of(name_of(i)));
}

// A request brought it; control follows it and publishes what it comes to.
static void bring(struct world *w, unsigned i)
{
    const struct tnd_set_spec nothing = {.n_records = 0};
    struct tnd_locate_policy policy = {.n_transports = 0};
    struct tnd_locate_hop hop = {.host = "n.test"};
    struct tnd_name_digest d = digest_of(i);

    tnd_usage_came(&w->usage, w->now_ms);
    assert_true(tnd_follow_add(w->follow, name_of(i), &hop, &policy, false, NULL, w->now_ms));
    assert_int_equal(tnd_table_publish(w->table, &d, &nothing), 0);
}

static void request(struct world *w, unsigned i)
{
    const struct tnd_target_set *set;
    struct tnd_name_digest d = digest_of(i);

    tnd_table_lookup_burst(w->table, &d, 1, &set);
    assert_non_null(set);
}

static void serve(struct world *w)
{
    struct tnd_follow_result r;

    tnd_usage_tick(&w->usage, w->now_ms);
    while (tnd_follow_wake_ms(w->follow) <= w->now_ms &&
           tnd_follow_result(w->follow, w->now_ms, &r)) {
        struct tnd_name_digest d = tnd_name_digest(&key, tnd_str_of(r.name));
        if (r.gone)
            assert_true(tnd_table_remove(w->table, &d));
    }
}

static struct world open_world(void)
{
    struct world w = {.now_ms = 1000000};
    size_t size = rte_rcu_qsbr_get_memsize(1);

    w.qsbr = aligned_alloc(64, (size + 63) & ~(size_t)63);
    rte_rcu_qsbr_init(w.qsbr, 1);
    w.table = tnd_table_new(w.qsbr, 16);
    tnd_usage_init(&w.usage, w.table, &key, w.now_ms);
    return w;
}

static void begin(struct world *w, uint32_t strangers)
{
    struct tnd_follow_options o = {.limits = TND_DNS_LIMITS_DEFAULT,
                                   .window = 1,
                                   .idle_ms = 3600000,
                                   .strangers = strangers,
                                   .last_used_ms = last_used,
                                   .ctx = w};

    w->follow = tnd_follow_new(&o);
    assert_non_null(w->follow);
}

static void close_world(struct world *w)
{
    tnd_follow_free(w->follow);
    tnd_table_free(w->table);
    free(w->qsbr);
}

static void used_for_hours(void **state)
{
    struct world w = open_world();

    (void)state;
    begin(&w, 100);
    bring(&w, 1);
    bring(&w, 2);
    for (int s = 0; s < 3 * 3600; s++, w.now_ms += 1000) {
        if (s % 60 == 0)
            request(&w, 1);
        serve(&w);
        tnd_table_reclaim(w.table);
    }
    assert_false(tnd_follow_touch(w.follow, name_of(2), w.now_ms));
    assert_true(tnd_follow_touch(w.follow, name_of(1), w.now_ms));
    close_world(&w);
}

// A crowd of names that nobody uses twice takes the place of its own kind.
static void used_in_a_crowd(void **state)
{
    struct world w = open_world();
    struct tnd_follow_stats stats;

    (void)state;
    begin(&w, 16384);
    for (unsigned i = 0; i < 100; i++)
        bring(&w, i);
    for (unsigned i = 1000; i < 101000; i++) {
        bring(&w, i);
        if (i % 500 == 0)
            for (unsigned k = 0; k < 100; k++)
                request(&w, k);
        w.now_ms += i % 20 == 0; // 20,000 a second
        if (i % 10 == 0)
            serve(&w);
    }
    serve(&w);
    tnd_follow_stats(w.follow, &stats);
    assert_int_equal(stats.strangers, 16384);
    assert_int_equal(stats.crowded_out, 100100 - 16384);
    for (unsigned k = 0; k < 100; k++)
        assert_true(tnd_follow_touch(w.follow, name_of(k), w.now_ms));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_for_hours),
        cmocka_unit_test(used_in_a_crowd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
