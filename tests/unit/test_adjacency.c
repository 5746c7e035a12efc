// The adjacency table: longest prefix, next hop, MAC; every result; many routes.
#include "cmocka_all.h"

#include <stdlib.h>

#include "dataplane/adjacency.h"

#define SEED     20240611u
#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct tnd_addr ip(const char *text)
{
    struct tnd_addr a;

    assert_true(tnd_addr_parse_ip(tnd_str_of(text), &a));
    return a;
}

static struct tnd_prefix net(const char *text)
{
    struct tnd_prefix p;

    assert_true(tnd_prefix_parse(tnd_str_of(text), &p));
    return p;
}

static struct tnd_adjacency_route via(const char *prefix, uint16_t interface, const char *gateway)
{
    struct tnd_adjacency_route r = {.prefix = net(prefix), .interface = interface};

    if (gateway)
        r.gateway = ip(gateway);
    return r;
}

static struct tnd_adjacency_route of_kind(const char *prefix, enum tnd_route_kind kind)
{
    return (struct tnd_adjacency_route){.prefix = net(prefix), .kind = kind};
}

static struct tnd_adjacency_neighbour at(const char *address, uint16_t interface, uint8_t last)
{
    struct tnd_adjacency_neighbour n = {.interface = interface, .mac = {2, 0, 0, 0, 0, last}};

    if (address)
        n.ip = ip(address);
    return n;
}

// Interface 0 and 1 are up, 2 is down, 3 is a vdev with a default neighbour.
static const struct tnd_adjacency_interface interfaces[] = {
    {.mac = {2, 1, 0, 0, 0, 0}, .mtu = 1500, .up = true},
    {.mac = {2, 1, 0, 0, 0, 1}, .mtu = 9000, .up = true},
    {.mac = {2, 1, 0, 0, 0, 2}, .mtu = 1500, .up = false},
    {.mac = {2, 1, 0, 0, 0, 3}, .mtu = 0, .up = true},
};

struct expected {
    const char *dst;
    enum tnd_adjacency_result result;
    int interface;        // -1: not looked at
    uint8_t mac;          // last octet of the destination MAC; 0: none
    const char *next_hop; // NULL: not looked at
};

static struct tnd_adjacency_table *sample(void)
{
    struct tnd_adjacency_route routes[] = {
        via("0.0.0.0/0", 0, "192.0.2.1"),
        via("192.0.2.0/24", 0, NULL),
        via("198.51.100.0/24", 1, NULL),
        via("198.51.100.128/25", 0, "192.0.2.9"),
        via("203.0.113.0/24", 2, NULL),
        via("10.9.0.0/16", 3, NULL),
        via("100.64.0.0/10", 0, "2001:db8::1"), // RFC 5549
        via("2001:db8::/64", 0, NULL),
        via("2001:db8:1::/48", 1, "fe80::1"),
        of_kind("192.0.2.10/32", TND_ROUTE_LOCAL),
        of_kind("10.66.0.0/16", TND_ROUTE_UNREACHABLE),
        of_kind("172.17.0.0/16", TND_ROUTE_FOREIGN),
    };
    struct tnd_adjacency_neighbour neighbours[] = {
        at("192.0.2.1", 0, 11),   at("192.0.2.20", 0, 12), at("198.51.100.5", 1, 13),
        at("2001:db8::1", 0, 14), at("fe80::1", 1, 15),    at("fe80::1", 0, 16),
        at(NULL, 3, 17),          at("10.9.0.5", 3, 18),
    };

    routes[2].mtu = 1400;
    routes[1].source = ip("192.0.2.10");
    return tnd_adjacency_build(&(struct tnd_adjacency_spec){.interfaces = interfaces,
                                                            .n_interfaces = COUNT(interfaces),
                                                            .routes = routes,
                                                            .n_routes = COUNT(routes),
                                                            .neighbours = neighbours,
                                                            .n_neighbours = COUNT(neighbours)});
}

static void every_result(void **state)
{
    static const struct expected cases[] = {
        {"192.0.2.20", TND_ADJACENCY_FOUND, 0, 12, "192.0.2.20"},
        {"192.0.2.21", TND_ADJACENCY_NO_NEIGHBOUR, 0, 0, "192.0.2.21"},
        {"8.8.8.8", TND_ADJACENCY_FOUND, 0, 11, "192.0.2.1"},
        {"198.51.100.5", TND_ADJACENCY_FOUND, 1, 13, "198.51.100.5"},
        {"198.51.100.200", TND_ADJACENCY_NO_NEIGHBOUR, 0, 0, "192.0.2.9"},
        {"203.0.113.7", TND_ADJACENCY_NO_ROUTE, -1, 0, NULL}, // link down
        {"10.9.1.1", TND_ADJACENCY_FOUND, 3, 17, "10.9.1.1"},
        {"10.9.0.5", TND_ADJACENCY_FOUND, 3, 18, "10.9.0.5"},
        {"100.64.1.1", TND_ADJACENCY_FOUND, 0, 14, "2001:db8::1"},
        {"2001:db8::1", TND_ADJACENCY_FOUND, 0, 14, "2001:db8::1"},
        {"2001:db8:1::7", TND_ADJACENCY_FOUND, 1, 15, "fe80::1"},
        {"2001:db8:2::7", TND_ADJACENCY_NO_ROUTE, -1, 0, NULL},
        {"192.0.2.10", TND_ADJACENCY_LOCAL, -1, 0, NULL},
        {"10.66.3.3", TND_ADJACENCY_NO_ROUTE, -1, 0, NULL},
        {"172.17.0.2", TND_ADJACENCY_FOREIGN, -1, 0, NULL},
    };
    struct tnd_adjacency_table *t = sample();

    (void)state;
    assert_non_null(t);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct expected *c = &cases[i];
        struct tnd_addr dst = ip(c->dst);
        struct tnd_adjacency out;

        dst.port = 5060; // neither matters
        dst.transport = TND_TRANSPORT_UDP;
        enum tnd_adjacency_result r = tnd_adjacency_find(t, &dst, &out);
        if (r != c->result || out.dst_mac[5] != c->mac)
            fail_msg("%s: %s, MAC ..:%u", c->dst, tnd_adjacency_result_name(r), out.dst_mac[5]);
        if (c->interface >= 0)
            assert_int_equal(out.interface, c->interface);
        if (c->next_hop) {
            struct tnd_addr hop = ip(c->next_hop);
            assert_memory_equal(&out.next_hop, &hop, sizeof hop);
        }
    }
    tnd_adjacency_free(t);
}

static void details(void **state)
{
    struct tnd_adjacency_table *t = sample();
    struct tnd_adjacency out;
    struct tnd_addr dst = ip("198.51.100.5"), own = ip("192.0.2.10");

    (void)state;
    assert_int_equal(tnd_adjacency_find(t, &dst, &out), TND_ADJACENCY_FOUND);
    assert_int_equal(out.mtu, 1400); // the route's is smaller
    assert_memory_equal(out.src_mac, interfaces[1].mac, 6);
    assert_int_equal(out.source.family, 0);
    dst = ip("192.0.2.20");
    assert_int_equal(tnd_adjacency_find(t, &dst, &out), TND_ADJACENCY_FOUND);
    assert_int_equal(out.mtu, 1500);
    assert_memory_equal(&out.source, &own, sizeof own);
    dst = ip("10.9.0.5");
    assert_int_equal(tnd_adjacency_find(t, &dst, &out), TND_ADJACENCY_FOUND);
    assert_int_equal(out.mtu, UINT32_MAX); // unlimited
    tnd_adjacency_free(t);
}

static void nothing(void **state)
{
    struct tnd_adjacency_table *t = tnd_adjacency_build(&(struct tnd_adjacency_spec){0});
    struct tnd_addr dst = ip("192.0.2.1");
    struct tnd_adjacency out;

    (void)state;
    assert_non_null(t);
    assert_int_equal(tnd_adjacency_find(t, &dst, &out), TND_ADJACENCY_NO_ROUTE);
    assert_int_equal(tnd_adjacency_find(NULL, &dst, &out), TND_ADJACENCY_NO_ROUTE);
    tnd_adjacency_free(t);
    tnd_adjacency_free(NULL);
}

// What a worker remembers of one table is not said of the next, nor of another address.
static void cache_follows_the_table(void **state)
{
    static struct tnd_adjacency_cache cache;
    struct tnd_adjacency_route route = via("192.0.2.0/24", 0, NULL);
    struct tnd_adjacency_neighbour n[2] = {at("192.0.2.20", 0, 1), at("192.0.2.21", 0, 2)};
    struct tnd_adjacency_spec spec = {.interfaces = interfaces,
                                      .n_interfaces = COUNT(interfaces),
                                      .routes = &route,
                                      .n_routes = 1,
                                      .neighbours = n,
                                      .n_neighbours = 2,
                                      .generation = 1};
    struct tnd_adjacency_table *old = tnd_adjacency_build(&spec);
    struct tnd_addr dst = ip("192.0.2.20"), other = ip("192.0.2.21");
    struct tnd_adjacency out, plain;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tnd_adjacency_find_cached(&cache, old, &dst, &out), TND_ADJACENCY_FOUND);
        assert_int_equal(tnd_adjacency_find(old, &dst, &plain), TND_ADJACENCY_FOUND);
        assert_memory_equal(&out, &plain, sizeof out);
    }
    assert_int_equal(tnd_adjacency_find_cached(&cache, old, &other, &out), TND_ADJACENCY_FOUND);
    assert_int_equal(out.dst_mac[5], 2);
    n[0].mac[5] = 9;
    spec.generation = 2;
    spec.n_neighbours = 1;
    struct tnd_adjacency_table *new = tnd_adjacency_build(&spec);
    assert_int_equal(tnd_adjacency_find_cached(&cache, new, &dst, &out), TND_ADJACENCY_FOUND);
    assert_int_equal(out.dst_mac[5], 9);
    assert_int_equal(tnd_adjacency_find_cached(&cache, new, &other, &out),
                     TND_ADJACENCY_NO_NEIGHBOUR);
    assert_int_equal(tnd_adjacency_find_cached(&cache, NULL, &dst, &out), TND_ADJACENCY_NO_ROUTE);
    tnd_adjacency_free(old);
    tnd_adjacency_free(new);
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

#define MANY 3000

static struct tnd_adjacency_route random_route(uint32_t *seed)
{
    unsigned bits = 8 + next(seed) % 25;
    struct tnd_adjacency_route r = {
        .prefix = {.addr = {.family = 4}, .bits = (uint8_t)bits},
        .gateway = {.family = 4, .ip = {192, 0, 2, (uint8_t)(next(seed) % 250)}}};
    uint32_t a = (10u << 24 | (next(seed) & 0x3ffff)) & (0xffffffffu << (32 - bits));

    for (int i = 0; i < 4; i++)
        r.prefix.addr.ip[i] = (uint8_t)(a >> (24 - 8 * i));
    return r;
}

// Against the plain definition: of all prefixes that cover it, the longest; the later of equals.
static const struct tnd_adjacency_route *slow_find(const struct tnd_adjacency_route *routes,
                                                   const struct tnd_addr *dst)
{
    const struct tnd_adjacency_route *best = NULL;

    for (size_t i = 0; i < MANY; i++)
        if (tnd_prefix_covers(&routes[i].prefix, dst) &&
            (!best || routes[i].prefix.bits >= best->prefix.bits))
            best = &routes[i];
    return best;
}

static void against_definition(void **state)
{
    static struct tnd_adjacency_route routes[MANY];
    struct tnd_adjacency_neighbour neighbours[125];
    uint32_t seed = SEED;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        routes[i] = random_route(&seed);
    for (size_t i = 0; i < COUNT(neighbours); i++) { // every other gateway is known
        neighbours[i] = at("192.0.2.0", 0, (uint8_t)(2 * i));
        neighbours[i].ip.ip[3] = (uint8_t)(2 * i);
    }
    struct tnd_adjacency_table *t =
        tnd_adjacency_build(&(struct tnd_adjacency_spec){.interfaces = interfaces,
                                                         .n_interfaces = COUNT(interfaces),
                                                         .routes = routes,
                                                         .n_routes = MANY,
                                                         .neighbours = neighbours,
                                                         .n_neighbours = COUNT(neighbours)});
    assert_non_null(t);
    for (int i = 0; i < 5000; i++) {
        uint32_t a = next(&seed);
        struct tnd_addr dst = {.family = 4,
                               .ip = {10, (uint8_t)(a >> 16 & 3), a >> 8 & 255, a & 255}};
        const struct tnd_adjacency_route *want = slow_find(routes, &dst);
        struct tnd_adjacency out;
        enum tnd_adjacency_result r = tnd_adjacency_find(t, &dst, &out);

        if (!want) {
            assert_int_equal(r, TND_ADJACENCY_NO_ROUTE);
            continue;
        }
        uint8_t gateway = want->gateway.ip[3];
        if (out.next_hop.ip[3] != gateway)
            fail_msg("seed %u, lookup %d: gateway %u, not %u", SEED, i, out.next_hop.ip[3],
                     gateway);
        assert_int_equal(r, gateway % 2 ? TND_ADJACENCY_NO_NEIGHBOUR : TND_ADJACENCY_FOUND);
        if (r == TND_ADJACENCY_FOUND)
            assert_int_equal(out.dst_mac[5], gateway);
    }
    tnd_adjacency_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result),
        cmocka_unit_test(details),
        cmocka_unit_test(nothing),
        cmocka_unit_test(cache_follows_the_table),
        cmocka_unit_test(against_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
