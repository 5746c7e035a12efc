// Whose source an address is: resolved, lingering, configured, and claimed by two trunks.
#include "cmocka_all.h"

#include "control/policy_build.h"

#define LINGER_MS 10000

#define TRUNK(name, source)           \
    "  " name ":\n"                   \
    "    uri: sip:" name ".example\n" \
    "    source-linger: 10s\n"        \
    "    sources:\n"                  \
    "      - resolved\n" source
#define BASE                                  \
    "interfaces:\n  wan:\n    device: eth0\n" \
    "listen:\n  - address: udp:192.0.2.10\n"  \
    "trunks:\n"

struct world {
    struct tnd_config *config;
    struct tnd_keys keys;
    struct tnd_sources *sources;
    struct tnd_policy_parts *parts;
    struct tnd_policy *policy;
    struct tnd_conflicts conflicts;
};

static struct tnd_addr ip(const char *text)
{
    struct tnd_addr a;

    assert_true(tnd_addr_parse_ip(tnd_str_of(text), &a));
    return a;
}

static struct world make(const char *text)
{
    struct tnd_config_errors errs;
    struct tnd_error err;
    struct world w = {.config = NULL};

    assert_int_equal(tnd_config_parse("t", text, strlen(text), &w.config, &errs), 0);
    w.sources = tnd_sources_new(w.config);
    w.parts = tnd_policy_parts_new(w.config, &w.keys, &err);
    assert_non_null(w.sources);
    assert_non_null(w.parts);
    return w;
}

static void unmake(struct world *w)
{
    tnd_policy_free(w->policy);
    tnd_policy_parts_drop(w->parts);
    tnd_conflicts_free(&w->conflicts);
    tnd_sources_free(w->sources);
    tnd_config_free(w->config);
}

// The trunk's name resolves to these (NULL ends them). Returns: whether that is news.
static bool resolves(struct world *w, uint32_t trunk, uint64_t now_ms, const char *const ips[])
{
    struct tnd_spec_address addresses[8] = {{.down = false}};
    struct tnd_spec_record record = {.addresses = addresses};
    struct tnd_set_spec spec = {.records = &record, .n_records = 1};

    for (; ips[record.n_addresses]; record.n_addresses++) {
        addresses[record.n_addresses].addr = ip(ips[record.n_addresses]);
        addresses[record.n_addresses].addr.port = 5060; // not looked at
    }
    return tnd_sources_update(w->sources, trunk, &spec, now_ms);
}
#define RESOLVES(w, trunk, now_ms, ...) \
    resolves(w, trunk, now_ms, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void build(struct world *w)
{
    struct tnd_policy_job *job = tnd_policy_job_new(w->config, w->parts, w->sources, 1);

    assert_non_null(job);
    assert_true(tnd_policy_job_step(job, NULL));
    tnd_policy_free(w->policy);
    tnd_conflicts_free(&w->conflicts);
    w->policy = tnd_policy_job_take(job, &w->conflicts);
}

static uint16_t trunk_of(struct world *w, const char *address)
{
    struct tnd_addr a = ip(address);

    build(w);
    return tnd_policy_source(w->policy, &a);
}

static void assert_conflict(const struct world *w, uint32_t i, const char *address, uint16_t keeper,
                            uint16_t loser, enum tnd_conflict_why why)
{
    char text[TND_ADDR_TEXT_MAX];

    assert_true(i < w->conflicts.n);
    tnd_addr_bare_text(&w->conflicts.list[i].ip, text);
    assert_string_equal(text, address);
    assert_int_equal(w->conflicts.list[i].keeper, keeper);
    assert_int_equal(w->conflicts.list[i].loser, loser);
    assert_int_equal(w->conflicts.list[i].why, why);
}

static void lingering(void **state)
{
    struct world w = make(BASE TRUNK("a", ""));

    (void)state;
    assert_true(RESOLVES(&w, 0, 1000, "192.0.2.2", "192.0.2.1", "192.0.2.2"));
    assert_false(RESOLVES(&w, 0, 2000, "192.0.2.1", "192.0.2.2"));
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 0);
    assert_int_equal(trunk_of(&w, "192.0.2.3"), TND_NO_TRUNK);
    assert_true(RESOLVES(&w, 0, 3000, "192.0.2.2", "192.0.2.3")); // .1 goes, .3 comes
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 0);
    assert_int_equal(trunk_of(&w, "192.0.2.3"), 0);
    assert_false(tnd_sources_expire(w.sources, 3000 + LINGER_MS - 1));
    assert_true(tnd_sources_expire(w.sources, 3000 + LINGER_MS));
    assert_int_equal(trunk_of(&w, "192.0.2.1"), TND_NO_TRUNK);
    assert_int_equal(trunk_of(&w, "192.0.2.2"), 0);
    assert_true(RESOLVES(&w, 0, 20000)); // a zone that is gone
    assert_false(tnd_sources_expire(w.sources, 20000));
    assert_true(RESOLVES(&w, 0, 21000, "192.0.2.2")); // came back: lingers no more
    assert_true(tnd_sources_expire(w.sources, 90000));
    assert_int_equal(trunk_of(&w, "192.0.2.2"), 0);
    assert_int_equal(trunk_of(&w, "192.0.2.3"), TND_NO_TRUNK);
    assert_int_equal(w.conflicts.n, 0);
    unmake(&w);
}

// Whatever came first in time, the first in the file keeps it.
static void two_names_meet(void **state)
{
    struct world w = make(BASE TRUNK("z", "") TRUNK("b", "") TRUNK("a", ""));

    (void)state;
    RESOLVES(&w, 2, 1000, "192.0.2.1", "2001:db8::1");
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 2);
    assert_int_equal(w.conflicts.n, 0);
    RESOLVES(&w, 1, 2000, "192.0.2.1");
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 1);
    assert_int_equal(w.conflicts.n, 1);
    assert_conflict(&w, 0, "192.0.2.1", 1, 2, TND_CONFLICT_FIRST);
    RESOLVES(&w, 0, 3000, "192.0.2.1", "2001:db8::1");
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 0);
    assert_int_equal(trunk_of(&w, "2001:db8::1"), 0);
    assert_int_equal(w.conflicts.n, 3);
    assert_conflict(&w, 0, "2001:db8::1", 0, 2, TND_CONFLICT_FIRST);
    assert_conflict(&w, 1, "192.0.2.1", 0, 1, TND_CONFLICT_FIRST);
    assert_conflict(&w, 2, "192.0.2.1", 0, 2, TND_CONFLICT_FIRST);
    unmake(&w);
}

// A site that moves from one carrier's zone to another's is the new one's at once.
static void current_before_lingering(void **state)
{
    struct world w = make(BASE TRUNK("a", "") TRUNK("b", ""));

    (void)state;
    RESOLVES(&w, 0, 1000, "192.0.2.1");
    assert_true(RESOLVES(&w, 0, 2000, "192.0.2.2"));
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 0);
    RESOLVES(&w, 1, 3000, "192.0.2.1");
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 1);
    assert_int_equal(w.conflicts.n, 1);
    assert_conflict(&w, 0, "192.0.2.1", 1, 0, TND_CONFLICT_CURRENT);
    assert_true(RESOLVES(&w, 1, 4000)); // both linger
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 0);
    assert_conflict(&w, 0, "192.0.2.1", 0, 1, TND_CONFLICT_FIRST);
    unmake(&w);
}

static void a_prefix_beats_a_name(void **state)
{
    struct world w =
        make(BASE TRUNK("a", "") TRUNK("b", "      - 192.0.2.1\n      - 192.0.2.0/24\n"));

    (void)state;
    RESOLVES(&w, 0, 1000, "192.0.2.1", "192.0.2.2");
    RESOLVES(&w, 1, 1000, "192.0.2.1"); // its own twice is no conflict
    assert_int_equal(trunk_of(&w, "192.0.2.1"), 1);
    assert_int_equal(trunk_of(&w, "192.0.2.2"), 0); // the longer prefix
    assert_int_equal(w.conflicts.n, 1);
    assert_conflict(&w, 0, "192.0.2.1", 1, 0, TND_CONFLICT_PREFIX);
    unmake(&w);
}

struct told {
    unsigned begun, ended;
};

static void tell(void *ctx, const struct tnd_conflict *c, bool begun)
{
    struct told *t = ctx;

    (void)c;
    t->begun += begun;
    t->ended += !begun;
}

static void told_once_a_change(void **state)
{
    struct tnd_conflicts before = {.n = 0}, now = {.n = 0};
    struct tnd_conflict c = {.keeper = 1, .loser = 2};
    struct told told = {0};

    (void)state;
    for (int i = 3; i > 0; i--) {
        c.ip = ip("192.0.2.0");
        c.ip.ip[3] = (uint8_t)i;
        tnd_conflicts_add(&before, &c);
        if (i > 1)
            tnd_conflicts_add(&now, &c);
    }
    c.loser = 0;
    tnd_conflicts_add(&now, &c);
    tnd_conflicts_sort(&before);
    tnd_conflicts_sort(&now);
    tnd_conflicts_compare(&before, &now, tell, &told);
    assert_int_equal(told.begun, 1);
    assert_int_equal(told.ended, 1);
    tnd_conflicts_compare(&now, &now, tell, &told);
    assert_int_equal(told.begun + told.ended, 2);
    for (int i = 0; i < 2 * TND_CONFLICTS_MAX; i++)
        tnd_conflicts_add(&now, &c);
    assert_int_equal(now.n, TND_CONFLICTS_MAX);
    assert_int_equal(now.left_out, TND_CONFLICTS_MAX + 3);
    tnd_conflicts_free(&before);
    tnd_conflicts_free(&now);
}

// A policy outlives the job, the configuration's parts and the sources it was made of; and its
// building is cut into turns.
static void in_turns(void **state)
{
    enum { TRUNKS = 3000 };
    char *text = malloc(200 * TRUNKS + 400);
    unsigned turns = 0, longest = 0;
    struct tnd_policy_job *job;
    uv_loop_t loop = {.data = NULL};
    size_t n;

    (void)state;
    n = (size_t)sprintf(text, BASE);
    for (int i = 0; i < TRUNKS; i++)
        n += (size_t)sprintf(text + n,
                             "  t%d:\n    uri: sip:a%d.example\n    sources:\n      - resolved\n"
                             "      - 10.%d.%d.0/24\n",
                             i, i, i / 256, i % 256);
    struct world w = make(text);
    free(text);
    for (uint32_t i = 0; i < TRUNKS; i++) {
        char a[2][16];
        snprintf(a[0], sizeof a[0], "172.16.%u.%u", i / 256, i % 256);
        snprintf(a[1], sizeof a[1], "172.17.%u.%u", i / 256, i % 256);
        RESOLVES(&w, i, 1000, a[0], a[1]);
    }
    job = tnd_policy_job_new(w.config, w.parts, w.sources, 7);
    for (bool done = false; !done; turns++) {
        struct tnd_turn turn = tnd_turn_begin(&loop, "policy");
        done = tnd_policy_job_step(job, &turn);
        longest = turn.steps > longest ? turn.steps : longest;
        assert_true(turn.steps <= TND_TURN_STEPS);
        if (turns == 3) // what comes meanwhile is the next version's
            RESOLVES(&w, 0, 2000, "172.18.0.1");
    }
    assert_true(turns > 10);
    w.policy = tnd_policy_job_take(job, &w.conflicts);
    print_message("%d trunks, 9000 sources: %u turns, %u steps at most\n", TRUNKS, turns, longest);
    tnd_policy_parts_drop(w.parts);
    w.parts = NULL;
    struct tnd_addr a = ip("172.16.0.0"), b = ip("172.18.0.1"), c = ip("10.11.183.9");
    assert_int_equal(tnd_policy_source(w.policy, &a), 0);
    assert_int_equal(tnd_policy_source(w.policy, &b), TND_NO_TRUNK);
    assert_int_equal(tnd_policy_source(w.policy, &c), 2999);
    assert_string_equal(w.policy->trunks[2999].name, "t2999");
    unmake(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lingering),
        cmocka_unit_test(two_names_meet),
        cmocka_unit_test(current_before_lingering),
        cmocka_unit_test(a_prefix_beats_a_name),
        cmocka_unit_test(told_once_a_change),
        cmocka_unit_test(in_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
