// Following names over a clock of numbers.
#include "cmocka_all.h"

#include "dns/follow.h"
#include "dns_zone.h"

struct world {
    struct tnd_follow *f;
    const char *zone;
    const char *stalls; // questions for this name are never answered
    uint64_t now_ms;
    unsigned asked, results;
    uint32_t n_targets;
    bool gone;
    char first[64]; // address of the first target
};

static struct world make(const char *zone)
{
    struct tnd_follow_options o = {.key = {1, 2},
                                   .seed = 7,
                                   .limits = TND_DNS_LIMITS_DEFAULT,
                                   .window = 100,
                                   .patience_ms = TND_FOLLOW_PATIENCE_MS,
                                   .idle_ms = 3600000};
    struct world w = {.f = tnd_follow_new(&o), .zone = zone, .now_ms = 1000000};

    assert_non_null(w.f);
    return w;
}

static void take_results(struct world *w)
{
    struct tnd_follow_result r;

    while (tnd_follow_result(w->f, w->now_ms, &r)) {
        w->results++;
        w->gone = r.gone;
        w->n_targets = r.gone ? 0 : r.located->n_targets;
        if (w->n_targets > 0)
            tnd_addr_text(&r.located->spec.records[0].addresses[0].addr, w->first);
    }
}

// Let `ms` pass, a question being answered in no time.
static void pass(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_ms + ms;
    struct tnd_dns_entry *e;

    for (;;) {
        take_results(w);
        while ((e = tnd_follow_question(w->f, w->now_ms)) != NULL) {
            w->asked++;
            if (!w->stalls || strcmp(w->stalls, e->name) != 0)
                tnd_follow_answer(w->f, e, zone_ask(w->zone, e->name, e->type, false), 1,
                                  w->now_ms);
        }
        uint64_t at = tnd_follow_wake_ms(w->f);
        if (at > end)
            break;
        if (at > w->now_ms)
            w->now_ms = at;
    }
    w->now_ms = end;
}

static const struct tnd_locate_policy udp = {.n_transports = 1, .transports = {TND_TRANSPORT_UDP}};

static void follow(struct world *w, bool pinned)
{
    struct tnd_locate_hop hop = {.host = "x.test"};

    assert_true(tnd_follow_add(w->f, "sip:x.test|", &hop, &udp, pinned, NULL, w->now_ms));
}

#define ZONE_A                                 \
    "_sip._udp.x.test 2 SRV 1 1 5060 a.test\n" \
    "a.test 300 A 192.0.2.1\n"                 \
    "b.test 300 A 192.0.2.2\n"
#define ZONE_B                                 \
    "_sip._udp.x.test 2 SRV 1 1 5060 b.test\n" \
    "a.test 300 A 192.0.2.1\n"                 \
    "b.test 300 A 192.0.2.2\n"
#define ZONE_FAILS "x.test 0 FAIL TIMEOUT\n_sip._udp.x.test 0 FAIL TIMEOUT\na.test 0 FAIL TIMEOUT\n"

static void test_edit_is_followed(void **state)
{
    struct world w = make(ZONE_A);

    (void)state;
    follow(&w, true);
    pass(&w, 10);
    assert_int_equal(w.results, 1);
    assert_string_equal(w.first, "192.0.2.1:5060");
    pass(&w, 10000); // the same answers again are no news
    assert_int_equal(w.results, 1);
    w.zone = ZONE_B;
    pass(&w, 3000); // TTL and a second
    assert_int_equal(w.results, 2);
    assert_string_equal(w.first, "192.0.2.2:5060");
    tnd_follow_free(w.f);
}

// Each record set is asked again by its own TTL.
static void test_own_ttls(void **state)
{
    struct world w = make(ZONE_A);

    (void)state;
    follow(&w, true);
    pass(&w, 10);
    w.asked = 0;
    pass(&w, 60000);
    assert_in_range(w.asked, 30, 32); // SRV every 1.9..2 s; NAPTR and AAAA (77 s), A: not yet
    tnd_follow_free(w.f);
}

static void test_stale_is_served(void **state)
{
    struct world w = make(ZONE_A);

    (void)state;
    follow(&w, true);
    pass(&w, 10);
    w.zone = ZONE_FAILS;
    pass(&w, 3600000);
    assert_int_equal(w.results, 1); // nothing new: what was handed out stands
    w.zone = ZONE_B;
    pass(&w, 3000); // asked every 2 s, its TTL
    assert_int_equal(w.results, 2);
    assert_string_equal(w.first, "192.0.2.2:5060");
    w.zone = ZONE_FAILS;
    pass(&w, 86400000ULL + 60000); // beyond stale-for
    assert_int_equal(w.n_targets, 0);
    tnd_follow_free(w.f);
}

static void test_negative_is_an_answer(void **state)
{
    struct world w = make(ZONE_A);

    (void)state;
    follow(&w, true);
    pass(&w, 10);
    w.zone = "other.test 60 A 192.0.2.9\n";
    pass(&w, 90000); // NXDOMAIN takes the place of the records
    assert_int_equal(w.n_targets, 0);
    assert_int_equal(w.results, 2); // NAPTR and AAAA that go change nothing
    tnd_follow_free(w.f);
}

static void test_slow_target(void **state)
{
    struct world w = make("_sip._udp.x.test 60 SRV 1 1 5060 a.test\n"
                          "_sip._udp.x.test 60 SRV 1 1 5060 b.test\n"
                          "a.test 300 A 192.0.2.1\nb.test 300 A 192.0.2.2\n");

    (void)state;
    w.stalls = "a.test";
    follow(&w, true);
    pass(&w, TND_FOLLOW_PATIENCE_MS - 1);
    assert_int_equal(w.results, 0);
    pass(&w, 2);
    assert_int_equal(w.results, 1); // as far as it goes
    assert_int_equal(w.n_targets, 1);
    assert_string_equal(w.first, "192.0.2.2:5060");
    pass(&w, 5000);
    assert_int_equal(w.results, 1); // and not again and again
    tnd_follow_free(w.f);
}

// What is drained, all there is so far, does not displace what works; nor does it with a service
// beside it that the engine cannot send to.
static void test_drained_part(void **state)
{
#define DRAINED_OLD "_sip._udp.x.test 2 SRV 1 5 5060 a.test\na.test 300 A 192.0.2.1\n"
#define DRAINED_NEW                            \
    "_sip._udp.x.test 2 SRV 1 0 5060 a.test\n" \
    "_sip._udp.x.test 2 SRV 1 5 5060 b.test\n" \
    "a.test 300 A 192.0.2.1\nb.test 300 A 192.0.2.2\n"
#define TLS_TOO "_sips._tcp.x.test 300 SRV 1 9 5061 t.test\nt.test 300 A 192.0.2.3\n"
    static const char *const zones[][2] = {{DRAINED_OLD, DRAINED_NEW},
                                           {TLS_TOO DRAINED_OLD, TLS_TOO DRAINED_NEW}};
    static const struct tnd_locate_policy any = {0};
    struct tnd_locate_hop hop = {.host = "x.test"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w = make(zones[i][0]);
        tnd_follow_add(w.f, "sip:x.test|", &hop, &any, true, NULL, w.now_ms);
        pass(&w, 10);
        assert_int_equal(w.results, 1);
        w.zone = zones[i][1];
        w.stalls = "b.test";
        pass(&w, 10000);
        assert_int_equal(w.results, 1);
        tnd_follow_free(w.f);
    }
}

// A part without a target that the engine can send to is not handed out: requests wait for one.
static void test_unusable_part(void **state)
{
    static const struct tnd_locate_policy any = {0};
    struct tnd_locate_hop hop = {.host = "x.test"};
    struct world w = make("_sips._tcp.x.test 300 SRV 1 9 5061 t.test\nt.test 300 A 192.0.2.3\n"
                          "_sip._udp.x.test 300 SRV 1 5 5060 a.test\na.test 300 A 192.0.2.1\n");

    (void)state;
    w.stalls = "_sip._udp.x.test";
    tnd_follow_add(w.f, "sip:x.test|", &hop, &any, true, NULL, w.now_ms);
    pass(&w, 2000);
    assert_int_equal(w.results, 0);
    tnd_follow_free(w.f);
}

static void test_never_answered(void **state)
{
    struct world w = make(ZONE_FAILS);

    (void)state;
    follow(&w, true);
    pass(&w, 10);
    assert_int_equal(w.results, 1); // the failure is said, once
    assert_int_equal(w.n_targets, 0);
    w.asked = 0;
    pass(&w, 600000);
    assert_in_range(w.asked, 40, 60); // NAPTR and SRV: 1, 2, 4 .. 30 s
    w.zone = ZONE_A;
    pass(&w, 30000);
    assert_int_equal(w.n_targets, 1);
    tnd_follow_free(w.f);
}

static void test_idle(void **state)
{
    struct world w = make(ZONE_A);
    struct tnd_follow_stats s;

    (void)state;
    follow(&w, false);
    pass(&w, 3500000);
    assert_true(tnd_follow_touch(w.f, "sip:x.test|", w.now_ms));
    pass(&w, 3500000);
    assert_false(w.gone);
    pass(&w, 200000);
    assert_true(w.gone);
    pass(&w, 400000); // what nothing rests on is dropped when due
    tnd_follow_stats(w.f, &s);
    assert_int_equal(s.names, 0);
    assert_int_equal(s.entries, 0);
    assert_false(tnd_follow_touch(w.f, "sip:x.test|", w.now_ms));
    tnd_follow_free(w.f);
}

// A zone whose servers stall takes part of the window and no more.
static void test_stalling_zone(void **state)
{
    struct world w = make(ZONE_A);
    struct tnd_locate_hop hop = {0};
    struct tnd_dns_entry *e;
    unsigned stalled = 0;
    char name[300];

    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(hop.host, sizeof hop.host, "n%d.dead.example", i);
        snprintf(name, sizeof name, "sip:%s|", hop.host);
        tnd_follow_add(w.f, name, &hop, &udp, true, NULL, w.now_ms);
    }
    take_results(&w);
    for (int turn = 0; turn < 200; turn++, w.now_ms++)
        while ((e = tnd_follow_question(w.f, w.now_ms)) != NULL)
            stalled++;
    assert_in_range(stalled, 25, 60); // of 100
    follow(&w, true);
    for (int turn = 0; turn < 1000; turn++, w.now_ms++) {
        take_results(&w);
        while ((e = tnd_follow_question(w.f, w.now_ms)) != NULL)
            if (!strstr(e->name, "dead"))
                tnd_follow_answer(w.f, e, zone_ask(ZONE_A, e->name, e->type, false), 1, w.now_ms);
    }
    assert_string_equal(w.first, "192.0.2.1:5060");
    tnd_follow_free(w.f);
}

// Requests may bring as many names as they like: the oldest goes for the newest.
static void test_strangers_have_a_ceiling(void **state)
{
    struct world w = make(ZONE_A);
    struct tnd_locate_hop hop = {.host = "x.test"};
    struct tnd_follow_options o = {
        .limits = TND_DNS_LIMITS_DEFAULT, .window = 100, .idle_ms = 3600000, .strangers = 10};
    struct tnd_follow_stats stats;
    char name[32];

    (void)state;
    tnd_follow_free(w.f);
    w.f = tnd_follow_new(&o);
    assert_non_null(w.f);
    follow(&w, true);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "sip:x.test:%d|", i);
        assert_true(tnd_follow_add(w.f, name, &hop, &udp, false, NULL, w.now_ms));
        if (i % 100 == 0) // one of them is in use
            assert_true(tnd_follow_touch(w.f, "sip:x.test:0|", w.now_ms));
    }
    assert_int_equal(tnd_follow_wake_ms(w.f), 0);
    pass(&w, 100);
    tnd_follow_stats(w.f, &stats);
    assert_int_equal(stats.names, 11);
    assert_int_equal(stats.strangers, 10);
    assert_int_equal(stats.crowded_out, 990);
    assert_true(tnd_follow_touch(w.f, "sip:x.test|", w.now_ms)); // the trunk's stays
    assert_true(tnd_follow_touch(w.f, "sip:x.test:999|", w.now_ms));
    assert_false(tnd_follow_touch(w.f, "sip:x.test:1|", w.now_ms));
    tnd_follow_free(w.f);
}

// What somebody else knows of a name's use, and how often that is asked for.
struct users {
    uint64_t used_ms[64]; // by the number in the name
    unsigned asked;
};

static uint64_t last_used(void *ctx, const char *name)
{
    struct users *u = ctx;
    unsigned i = 0;

    u->asked++;
    sscanf(name, "sip:x.test:%u|", &i);
    return i < 64 ? u->used_ms[i] : 0;
}

static struct world make_used(struct users *u, uint32_t strangers)
{
    struct tnd_follow_options o = {.limits = TND_DNS_LIMITS_DEFAULT,
                                   .window = 100,
                                   .idle_ms = 3600000,
                                   .strangers = strangers,
                                   .last_used_ms = last_used,
                                   .ctx = u};
    struct world w = make(ZONE_A);

    tnd_follow_free(w.f);
    w.f = tnd_follow_new(&o);
    assert_non_null(w.f);
    return w;
}

static void bring(struct world *w, unsigned i)
{
    struct tnd_locate_hop hop = {.host = "x.test"};
    char name[32];

    snprintf(name, sizeof name, "sip:x.test:%u|", i);
    assert_true(tnd_follow_add(w->f, name, &hop, &udp, false, NULL, w->now_ms));
}

static bool is_followed(struct world *w, unsigned i)
{
    char name[32];

    snprintf(name, sizeof name, "sip:x.test:%u|", i);
    return tnd_follow_touch(w->f, name, w->now_ms); // the last thing that a test does with it
}

// A name that requests use stays beyond an hour, though nobody brings it again.
static void test_used_is_not_idle(void **state)
{
    struct users users = {.asked = 0};
    struct world w = make_used(&users, 100);

    (void)state;
    bring(&w, 1);
    bring(&w, 2);
    users.used_ms[1] = w.now_ms; // no later than it came: nothing new
    pass(&w, 3000000);
    users.used_ms[1] = w.now_ms - 100000;
    pass(&w, 3000000);
    users.used_ms[1] = w.now_ms; // asked for only when it is due: the last hour
    pass(&w, 3000000);
    users.used_ms[1] = w.now_ms;
    pass(&w, 3000000);
    assert_true(users.asked < 20);
    assert_false(is_followed(&w, 2));
    assert_true(is_followed(&w, 1));
    pass(&w, 3600000);
    assert_false(is_followed(&w, 1));
    tnd_follow_free(w.f);
}

// Of too many the one that was used least recently goes, whoever came first.
static void test_least_recently_used_goes(void **state)
{
    struct users users = {.asked = 0};
    struct world w = make_used(&users, 50);

    (void)state;
    for (unsigned i = 0; i < 50; i++, w.now_ms += 1000)
        bring(&w, i);
    take_results(&w);
    users.used_ms[0] = w.now_ms - 100; // the two that came first
    users.used_ms[1] = w.now_ms - 50;
    users.used_ms[5] = w.now_ms - 43500;                   // between the coming of 6 and of 7
    for (unsigned i = 50; i < 55; i++, w.now_ms += 1000) { // 2, 3, 4, 6 and 5 go
        bring(&w, i);
        take_results(&w);
    }
    assert_true(users.asked < 20); // of fifty
    for (unsigned i = 50; i < 56; i++)
        bring(&w, i); // 55 more: 7
    take_results(&w);
    assert_true(is_followed(&w, 0));
    assert_true(is_followed(&w, 1));
    for (unsigned i = 2; i < 8; i++)
        assert_false(is_followed(&w, i));
    assert_true(is_followed(&w, 8));
    tnd_follow_free(w.f);
}

// However many are in use, one that comes does not make control go through all of them at once.
static void test_all_in_use(void **state)
{
    struct users users = {.asked = 0};
    struct world w = make_used(&users, 1000);
    struct tnd_follow_stats stats;
    struct tnd_follow_result r;

    (void)state;
    for (unsigned i = 100; i < 1100; i++)
        bring(&w, i);
    for (unsigned i = 0; i < 64; i++)
        users.used_ms[i] = UINT64_MAX; // in the future: no later than this moment
    take_results(&w);
    w.now_ms += 1000;
    for (unsigned i = 0; i < 64; i++)
        bring(&w, i);
    users.asked = 0;
    while (tnd_follow_wake_ms(w.f) == 0) {
        unsigned before = users.asked;
        tnd_follow_result(w.f, w.now_ms, &r);
        assert_true(users.asked - before <= 64);
    }
    tnd_follow_stats(w.f, &stats);
    assert_int_equal(stats.strangers, 1000);
    assert_int_equal(stats.crowded_out, 64);
    for (unsigned i = 0; i < 64; i++)
        assert_true(is_followed(&w, i));
    tnd_follow_free(w.f);
}

// Names come and go, with TTLs of a day: what they rested on does not stay.
static void test_record_sets_are_bounded(void **state)
{
    struct users users = {.asked = 0};
    struct world w = make_used(&users, 100);
    struct tnd_locate_hop hop = {.port = 5060};
    struct tnd_follow_stats stats;
    struct tnd_dns_entry *e;
    uint64_t most = 0;
    char name[64], zone[128];

    (void)state;
    for (unsigned i = 0; i < 30000; i++, w.now_ms += i % 4 == 0) {
        snprintf(hop.host, sizeof hop.host, "n%u.test", i);
        snprintf(name, sizeof name, "sip:n%u.test:5060|", i);
        snprintf(zone, sizeof zone, "n%u.test 86400 A 192.0.2.1\n", i);
        assert_true(tnd_follow_add(w.f, name, &hop, &udp, false, NULL, w.now_ms));
        for (int turn = 0; turn < 4; turn++) {
            take_results(&w);
            while ((e = tnd_follow_question(w.f, w.now_ms)) != NULL)
                tnd_follow_answer(w.f, e, zone_ask(zone, e->name, e->type, false), 1, w.now_ms);
        }
        tnd_follow_stats(w.f, &stats);
        most = stats.entries > most ? stats.entries : most;
    }
    assert_in_range(most, 200, 4096 + 8 * 100);
    pass(&w, 61000); // a minute later only what the hundred rest on is left
    tnd_follow_stats(w.f, &stats);
    assert_int_equal(stats.names, 100);
    assert_in_range(stats.entries, 100, 400);
    tnd_follow_free(w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edit_is_followed),
        cmocka_unit_test(test_own_ttls),
        cmocka_unit_test(test_stale_is_served),
        cmocka_unit_test(test_negative_is_an_answer),
        cmocka_unit_test(test_slow_target),
        cmocka_unit_test(test_drained_part),
        cmocka_unit_test(test_unusable_part),
        cmocka_unit_test(test_never_answered),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_stalling_zone),
        cmocka_unit_test(test_strangers_have_a_ceiling),
        cmocka_unit_test(test_used_is_not_idle),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_all_in_use),
        cmocka_unit_test(test_record_sets_are_bounded),
    };

    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
