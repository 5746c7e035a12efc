// From what the kernel says to the table: preference, vdevs, neighbours' lives; no sockets.
#include "cmocka_all.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "control/route_mirror.h"

#define WAN  3 // ifindex of interface 0
#define MGMT 9 // an interface that is not ours

static struct tnd_addr ip(const char *text)
{
    struct tnd_addr a = {.family = 0};

    if (text)
        assert_true(tnd_addr_parse_ip(tnd_str_of(text), &a));
    return a;
}

static struct tnd_prefix net(const char *text)
{
    struct tnd_prefix p;

    assert_true(tnd_prefix_parse(tnd_str_of(text), &p));
    return p;
}

struct told {
    const char *prefix;
    uint8_t type;
    uint32_t table, metric;
    int ifindex;
    const char *gateway;
};

static void route_hops(struct tnd_mirror *m, const struct told *t, int second, const char *gateway2)
{
    struct tnd_nl_route r = {.prefix = net(t->prefix),
                             .type = t->type,
                             .table = t->table,
                             .metric = t->metric,
                             .n_hops = second       ? 2
                                       : t->ifindex ? 1
                                                    : 0};

    r.hops[0] = (struct tnd_nl_hop){.ifindex = t->ifindex, .gateway = ip(t->gateway)};
    if (second)
        r.hops[1] = (struct tnd_nl_hop){.ifindex = second, .gateway = ip(gateway2)};
    tnd_mirror_route(m, &r);
}

static unsigned routes(struct tnd_mirror *m, const struct told *t, size_t n)
{
    tnd_mirror_dump_begin(m, TND_NL_ROUTE4);
    for (size_t i = 0; i < n; i++)
        route_hops(m, &t[i], 0, NULL);
    return tnd_mirror_dump_end(m, TND_NL_ROUTE4, true);
}

static unsigned neighbour(struct tnd_mirror *m, enum tnd_nl_how how, const char *address,
                          uint16_t state, uint8_t mac)
{
    struct tnd_nl_neighbour n = {.ifindex = WAN,
                                 .ip = ip(address),
                                 .state = state,
                                 .has_mac = mac != 0,
                                 .mac = {2, 0, 0, 0, 0, mac}};

    return tnd_mirror_neighbour(m, how, &n);
}

static unsigned link_is(struct tnd_mirror *m, const char *name, int ifindex, bool up)
{
    struct tnd_nl_link l = {.ifindex = ifindex, .up = up, .mtu = 1500, .mac = {2, 1}};

    snprintf(l.name, sizeof l.name, "%s", name);
    return tnd_mirror_link(m, TND_NL_NEW, &l);
}

static int with_wan(void **state)
{
    static struct tnd_mirror m;
    struct tnd_adjacency_port port = {.device = "wan"};

    assert_int_equal(
        tnd_mirror_init(&m, &(struct tnd_adjacency_config){.ports = &port, .n_ports = 1}, NULL), 0);
    link_is(&m, "wan", WAN, true);
    *state = &m;
    return 0;
}

static int without(void **state)
{
    tnd_mirror_clear(*state);
    return 0;
}

// The last octet of the next hop's address; -1 - result when there is none.
static int hop_of(const struct tnd_mirror *m, const char *dst)
{
    struct tnd_adjacency_table *t = tnd_mirror_build(m, 1);
    struct tnd_addr a = ip(dst);
    struct tnd_adjacency out;

    assert_non_null(t);
    enum tnd_adjacency_result r = tnd_adjacency_find(t, &a, &out);
    tnd_adjacency_free(t);
    return r == TND_ADJACENCY_FOUND || r == TND_ADJACENCY_NO_NEIGHBOUR ? out.next_hop.ip[3]
                                                                       : -1 - (int)r;
}

#define NONE(result) (-1 - (int)TND_ADJACENCY_##result)

static void the_kernels_preference(void **state)
{
    static const struct told told[] = {
        {"0.0.0.0/0", RTN_UNICAST, RT_TABLE_MAIN, 200, WAN, "192.0.2.3"},
        {"0.0.0.0/0", RTN_UNICAST, RT_TABLE_MAIN, 100, WAN, "192.0.2.2"},
        {"0.0.0.0/0", RTN_UNICAST, RT_TABLE_DEFAULT, 1, WAN, "192.0.2.4"},
        {"0.0.0.0/0", RTN_UNICAST, 77, 0, WAN, "192.0.2.5"}, // a table nobody asks
        {"10.1.0.0/16", RTN_UNICAST, RT_TABLE_MAIN, 0, MGMT, NULL},
        {"10.1.2.0/24", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, "192.0.2.6"},
        {"10.1.2.128/25", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, "192.0.2.6"}, // says nothing new
        {"10.1.2.192/26", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, "192.0.2.7"},
        {"10.1.2.224/27", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, "192.0.2.6"}, // news again
        {"10.1.3.0/24", RTN_BLACKHOLE, RT_TABLE_MAIN, 0, 0, NULL},
        {"10.1.4.0/24", RTN_THROW, RT_TABLE_MAIN, 0, 0, NULL},
        {"192.0.2.10/32", RTN_LOCAL, RT_TABLE_LOCAL, 0, WAN, NULL},
        {"192.0.2.255/32", RTN_BROADCAST, RT_TABLE_LOCAL, 0, WAN, NULL},
        {"192.0.2.0/24", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, NULL},
    };
    struct tnd_mirror *m = *state;

    assert_int_equal(routes(m, told, sizeof told / sizeof *told), TND_MIRROR_TABLE);
    assert_int_equal(routes(m, told, sizeof told / sizeof *told), TND_MIRROR_SAME);
    assert_int_equal(hop_of(m, "8.8.8.8"), 2);
    assert_int_equal(hop_of(m, "10.1.1.1"), NONE(FOREIGN));
    assert_int_equal(hop_of(m, "10.1.2.1"), 6);
    assert_int_equal(hop_of(m, "10.1.2.129"), 6);
    assert_int_equal(hop_of(m, "10.1.2.193"), 7);
    assert_int_equal(hop_of(m, "10.1.2.225"), 6);
    assert_int_equal(hop_of(m, "10.1.3.1"), NONE(NO_ROUTE));
    assert_int_equal(hop_of(m, "10.1.4.1"), NONE(FOREIGN));
    assert_int_equal(hop_of(m, "192.0.2.10"), NONE(LOCAL));
    assert_int_equal(hop_of(m, "192.0.2.255"), NONE(NO_ROUTE));
    assert_int_equal(hop_of(m, "192.0.2.77"), 77);
    // An incomplete dump changes nothing.
    tnd_mirror_dump_begin(m, TND_NL_ROUTE4);
    assert_int_equal(tnd_mirror_dump_end(m, TND_NL_ROUTE4, false), TND_MIRROR_SAME);
    assert_int_equal(hop_of(m, "8.8.8.8"), 2);
}

static void multipath_avoids_the_dead(void **state)
{
    struct tnd_mirror *m = *state;

    tnd_mirror_dump_begin(m, TND_NL_ROUTE4);
    route_hops(m, &(struct told){"10.0.0.0/8", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, "192.0.2.2"},
               WAN, "192.0.2.3");
    tnd_mirror_dump_end(m, TND_NL_ROUTE4, true);
    assert_int_equal(hop_of(m, "10.0.0.1"), 2); // nothing is known: the first
    neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_FAILED, 0);
    assert_int_equal(hop_of(m, "10.0.0.1"), 3);
    neighbour(m, TND_NL_NEW, "192.0.2.3", NUD_FAILED, 0);
    assert_int_equal(hop_of(m, "10.0.0.1"), 2);
    neighbour(m, TND_NL_NEW, "192.0.2.3", NUD_REACHABLE, 33);
    assert_int_equal(hop_of(m, "10.0.0.1"), 3);
    neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_REACHABLE, 22);
    assert_int_equal(hop_of(m, "10.0.0.1"), 2);
}

static void a_neighbours_life(void **state)
{
    struct tnd_mirror *m = *state;
    struct tnd_addr a = ip("192.0.2.2");

    assert_int_equal(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_INCOMPLETE, 0),
                     TND_MIRROR_NEIGHBOUR);
    assert_int_equal(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_REACHABLE, 2),
                     TND_MIRROR_NEIGHBOUR | TND_MIRROR_TABLE);
    assert_int_equal(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_STALE, 2), TND_MIRROR_SAME);
    assert_int_equal(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_PROBE, 2), TND_MIRROR_SAME);
    assert_int_equal(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_REACHABLE, 3),
                     TND_MIRROR_NEIGHBOUR | TND_MIRROR_TABLE); // another MAC
    assert_true(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_FAILED, 0) & TND_MIRROR_TABLE);
    neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_INCOMPLETE, 0);
    assert_true(tnd_mirror_find(m, WAN, &a)->failed); // being tried again is not news
    assert_true(neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_REACHABLE, 3) & TND_MIRROR_TABLE);
    assert_false(tnd_mirror_find(m, WAN, &a)->failed);
    assert_true(neighbour(m, TND_NL_GONE, "192.0.2.2", NUD_REACHABLE, 3) & TND_MIRROR_TABLE);
    assert_null(tnd_mirror_find(m, WAN, &a));
    assert_int_equal(neighbour(m, TND_NL_GONE, "192.0.2.2", NUD_REACHABLE, 3), TND_MIRROR_SAME);
}

static void events_beat_an_older_dump(void **state)
{
    struct tnd_mirror *m = *state;
    struct tnd_addr a = ip("192.0.2.2"), b = ip("192.0.2.3");

    neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_REACHABLE, 2);
    neighbour(m, TND_NL_NEW, "192.0.2.3", NUD_REACHABLE, 3);
    tnd_mirror_dump_begin(m, TND_NL_NEIGHBOUR);
    neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_FAILED, 0);
    assert_int_equal(neighbour(m, TND_NL_DUMPED, "192.0.2.2", NUD_REACHABLE, 2), TND_MIRROR_SAME);
    assert_true(tnd_mirror_dump_end(m, TND_NL_NEIGHBOUR, true) & TND_MIRROR_TABLE);
    assert_true(tnd_mirror_find(m, WAN, &a)->failed);
    assert_null(tnd_mirror_find(m, WAN, &b)); // not in the dump: it went unheard
}

static void an_interface_is_renamed_and_replaced(void **state)
{
    static const struct told told[] = {
        {"0.0.0.0/0", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, "192.0.2.2"}};
    struct tnd_mirror *m = *state;

    routes(m, told, 1);
    assert_int_equal(hop_of(m, "8.8.8.8"), 2);
    assert_int_equal(link_is(m, "wan", WAN, true), TND_MIRROR_SAME);
    assert_int_equal(link_is(m, "wan", WAN, false), TND_MIRROR_TABLE);
    assert_int_equal(hop_of(m, "8.8.8.8"), NONE(NO_ROUTE));
    assert_int_equal(link_is(m, "old", WAN, true), TND_MIRROR_TABLE | TND_MIRROR_PORT);
    assert_int_equal(tnd_mirror_port_of(m, WAN), -1);
    assert_int_equal(link_is(m, "wan", WAN + 1, true), TND_MIRROR_TABLE | TND_MIRROR_PORT);
    assert_int_equal(tnd_mirror_port_of(m, WAN + 1), 0);
}

static void a_link_goes_unheard(void **state)
{
    struct tnd_mirror *m = *state;
    struct tnd_nl_link other = {.ifindex = MGMT, .name = "mgmt", .up = true};

    tnd_mirror_dump_begin(m, TND_NL_LINK);
    tnd_mirror_link(m, TND_NL_DUMPED, &other);
    link_is(m, "wan", WAN, true);
    assert_int_equal(tnd_mirror_dump_end(m, TND_NL_LINK, true), TND_MIRROR_SAME);
    assert_int_equal(tnd_mirror_port_of(m, WAN), 0);
    tnd_mirror_dump_begin(m, TND_NL_LINK);
    tnd_mirror_link(m, TND_NL_DUMPED, &other);
    assert_int_equal(tnd_mirror_dump_end(m, TND_NL_LINK, true), TND_MIRROR_TABLE | TND_MIRROR_PORT);
    assert_int_equal(tnd_mirror_port_of(m, WAN), -1);
}

// The own MAC is the table's: what leaves bears it, what comes is compared with it.
static void the_own_mac_changes(void **state)
{
    static const struct told told[] = {{"192.0.2.0/24", RTN_UNICAST, RT_TABLE_MAIN, 0, WAN, NULL}};
    struct tnd_mirror *m = *state;
    struct tnd_nl_link l = {.ifindex = WAN, .name = "wan", .up = true, .mtu = 1500, .mac = {2, 9}};
    struct tnd_addr a = ip("192.0.2.2");
    struct tnd_adjacency way;

    routes(m, told, 1);
    neighbour(m, TND_NL_NEW, "192.0.2.2", NUD_REACHABLE, 2);
    assert_int_equal(tnd_mirror_link(m, TND_NL_NEW, &l), TND_MIRROR_TABLE);
    assert_int_equal(tnd_mirror_link(m, TND_NL_NEW, &l), TND_MIRROR_SAME);
    struct tnd_adjacency_table *t = tnd_mirror_build(m, 1);
    assert_int_equal(tnd_adjacency_find(t, &a, &way), TND_ADJACENCY_FOUND);
    assert_memory_equal(way.src_mac, l.mac, 6);
    assert_memory_equal(tnd_adjacency_own_mac(t, 0), l.mac, 6);
    assert_null(tnd_adjacency_own_mac(t, 1));
    tnd_adjacency_free(t);
}

#define MANY 100000u
#define SEED 20260101u

// Every route is another's neighbour and none says what its covering one says.
static void tell_many(struct tnd_mirror *m, const uint32_t order[])
{
    tnd_mirror_dump_begin(m, TND_NL_ROUTE4);
    for (uint32_t i = 0; i < MANY; i++) {
        struct tnd_nl_route r = {.type = RTN_UNICAST, .table = RT_TABLE_MAIN, .n_hops = 1};
        uint32_t n = order[i];
        r.prefix = (struct tnd_prefix){
            {.family = 4, .ip = {(uint8_t)(10 + (n >> 16)), (uint8_t)(n >> 8), (uint8_t)n}}, 24};
        r.hops[0].ifindex = WAN;
        r.hops[0].gateway = ip("192.0.2.1");
        r.hops[0].gateway.ip[3] = (uint8_t)(1 + n % 200);
        tnd_mirror_route(m, &r);
    }
}

// Of this thread: others share the processor.
static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct effort {
    unsigned turns, steps;
    uint64_t began_ns, longest_ns;
};

static void end_turn(struct effort *e, struct tnd_turn *t)
{
    uint64_t took = cpu_ns() - e->began_ns;

    assert_true(t->steps <= TND_TURN_STEPS);
    e->turns++;
    e->steps += t->steps;
    if (took > e->longest_ns)
        e->longest_ns = took;
    *t = (struct tnd_turn){.began_ns = uv_hrtime()};
    e->began_ns = cpu_ns();
}

static struct tnd_adjacency_table *build_in_turns(struct tnd_mirror *m, struct effort *sort,
                                                  struct effort *build)
{
    struct tnd_turn t = {.began_ns = uv_hrtime()};
    struct tnd_mirror_job *job;

    sort->began_ns = cpu_ns();
    for (bool done = false; !done; end_turn(sort, &t))
        done = tnd_mirror_sort(m, TND_NL_ROUTE4, &t);
    assert_int_equal(tnd_mirror_dump_end(m, TND_NL_ROUTE4, true), TND_MIRROR_TABLE);
    end_turn(sort, &t);
    t = (struct tnd_turn){.began_ns = uv_hrtime()};
    build->began_ns = cpu_ns();
    job = tnd_mirror_job_new(m, 1);
    for (bool done = false; !done; end_turn(build, &t))
        done = tnd_mirror_job_step(job, &t);
    struct tnd_adjacency_table *table = tnd_mirror_job_take(job);
    end_turn(build, &t);
    assert_non_null(table);
    return table;
}

static void shuffle(uint32_t order[], uint32_t run)
{
    uint64_t state = SEED;

    for (uint32_t i = MANY / run - 1; i > 0; i--) { // whole runs change places
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        uint32_t k = (uint32_t)((state >> 33) % (i + 1));
        for (uint32_t j = 0; j < run; j++) {
            uint32_t x = order[i * run + j];
            order[i * run + j] = order[k * run + j];
            order[k * run + j] = x;
        }
    }
}

// A full table, however it is listed, takes many turns and none that is long.
static void many_routes_in_turns(void **state)
{
    static const uint32_t runs[] = {MANY, 1000, 1}; // in order; in a hundred pieces; at random
    uint32_t *order = malloc(MANY * sizeof *order);
    struct tnd_mirror *m = *state;

    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        struct effort sort = {0}, build = {0};
        for (uint32_t i = 0; i < MANY; i++)
            order[i] = i;
        if (runs[k] < MANY)
            shuffle(order, runs[k]);
        tell_many(m, order);
        struct tnd_adjacency_table *t = build_in_turns(m, &sort, &build);
        for (uint32_t n = 0; n < MANY; n += 37) {
            struct tnd_addr a = {
                .family = 4, .ip = {(uint8_t)(10 + (n >> 16)), (uint8_t)(n >> 8), (uint8_t)n, 9}};
            struct tnd_adjacency way;
            assert_int_equal(tnd_adjacency_find(t, &a, &way), TND_ADJACENCY_NO_NEIGHBOUR);
            assert_int_equal(way.next_hop.ip[3], 1 + n % 200);
        }
        tnd_adjacency_free(t);
        print_message(
            "%u routes in runs of %u: sorted in %u turns, %u steps, longest %.2f ms of CPU; "
            "built in %u turns, %u steps, longest %.2f ms of CPU; seed %u\n",
            MANY, runs[k], sort.turns, sort.steps, (double)sort.longest_ns / 1e6, build.turns,
            build.steps, (double)build.longest_ns / 1e6, SEED);
        assert_true(build.turns >= MANY / 8 / TND_TURN_STEPS);
        // The lists are equal; only their order in the dump was not.
        tell_many(m, order);
        assert_int_equal(tnd_mirror_dump_end(m, TND_NL_ROUTE4, true), TND_MIRROR_SAME);
        tnd_mirror_dump_begin(m, TND_NL_ROUTE4);
        assert_int_equal(tnd_mirror_dump_end(m, TND_NL_ROUTE4, true), TND_MIRROR_TABLE);
    }
    free(order);
}

struct seen {
    struct tnd_adjacency_table *table;
    int published, usable, failed;
};

static void see_table(void *ctx, struct tnd_adjacency_table *table)
{
    struct seen *s = ctx;

    tnd_adjacency_free(s->table);
    s->table = table;
    s->published++;
}

static void see_change(void *ctx, const struct tnd_addr *dst, enum tnd_adjacency_state state,
                       enum tnd_adjacency_result why)
{
    struct seen *s = ctx;

    s->usable += state == TND_ADJACENCY_USABLE;
    s->failed += state == TND_ADJACENCY_FAILED;
}

// Interfaces without a kernel behind them: no socket, no privilege, everything static.
static void vdevs(void **state)
{
    static const struct tnd_adjacency_ops ops = {see_table, see_change, NULL};
    struct tnd_prefix own[] = {{ip("192.0.2.10"), 24}, {ip("198.51.100.10"), 24}};
    struct tnd_static_neighbour open[] = {{.mac = {2, 0, 0, 0, 0, 7}}};
    struct tnd_static_neighbour closed[] = {{.ip = ip("198.51.100.1"), .mac = {2, 0, 0, 0, 0, 8}}};
    struct tnd_adjacency_port ports[] = {
        {.mac = {2, 1},
         .addresses = &own[0],
         .n_addresses = 1,
         .neighbours = open,
         .n_neighbours = 1},
        {.mac = {2, 2},
         .addresses = &own[1],
         .n_addresses = 1,
         .neighbours = closed,
         .n_neighbours = 1},
    };
    struct tnd_addr far = ip("203.0.113.5"), near = ip("198.51.100.1"), absent = ip("198.51.100.2");
    struct tnd_adjacencies *a;
    struct tnd_adjacency way;
    struct seen seen = {NULL};
    uv_loop_t loop = {.data = NULL};

    (void)state;
    uv_loop_init(&loop);
    assert_int_equal(
        tnd_adjacency_open(&loop, &(struct tnd_adjacency_config){.ports = ports, .n_ports = 2},
                           &ops, &seen, &a, NULL),
        0);
    assert_int_equal(tnd_adjacency_want(a, &far), TND_ADJACENCY_UNRESOLVED);
    assert_int_equal(tnd_adjacency_want(a, &absent), TND_ADJACENCY_UNRESOLVED);
    for (int i = 0; i < 100 && seen.usable + seen.failed < 2; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(seen.published, 1);
    assert_int_equal(seen.usable, 1);
    assert_int_equal(seen.failed, 1);
    assert_int_equal(tnd_adjacency_state(a, &far), TND_ADJACENCY_USABLE);
    assert_int_equal(tnd_adjacency_state(a, &absent), TND_ADJACENCY_FAILED);
    assert_int_equal(tnd_adjacency_lookup(a, &far, &way), TND_ADJACENCY_FOUND);
    assert_int_equal(way.dst_mac[5], 7);
    assert_int_equal(way.mtu, 1500);
    assert_memory_equal(&way.source, &own[0].addr, sizeof way.source);
    assert_int_equal(tnd_adjacency_lookup(a, &near, &way), TND_ADJACENCY_FOUND);
    assert_int_equal(way.interface, 1);
    assert_int_equal(tnd_adjacency_lookup(a, &own[1].addr, &way), TND_ADJACENCY_LOCAL);
    assert_int_equal(tnd_adjacency_interface_of(a, &own[1].addr), 1);
    assert_int_equal(tnd_adjacency_interface_of(a, &far), -1);
    tnd_adjacency_close(a, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    tnd_adjacency_free(seen.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_kernels_preference, with_wan, without),
        cmocka_unit_test_setup_teardown(multipath_avoids_the_dead, with_wan, without),
        cmocka_unit_test_setup_teardown(a_neighbours_life, with_wan, without),
        cmocka_unit_test_setup_teardown(events_beat_an_older_dump, with_wan, without),
        cmocka_unit_test_setup_teardown(an_interface_is_renamed_and_replaced, with_wan, without),
        cmocka_unit_test_setup_teardown(a_link_goes_unheard, with_wan, without),
        cmocka_unit_test_setup_teardown(the_own_mac_changes, with_wan, without),
        cmocka_unit_test_setup_teardown(many_routes_in_turns, with_wan, without),
        cmocka_unit_test(vdevs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
