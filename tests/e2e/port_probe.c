// The data plane on a kernel interface, with a fixed policy and static adjacencies: what
// test_port.py drives.
//
//   port_probe DEVICE WORKERS RINGS PEER_MAC
//
// Listeners 192.0.2.10:5060 and [2001:db8::10]:5060; everyone in 192.0.2.0/24 and 2001:db8::/64
// may call. User "six" is at [2001:db8::1]:5080, everybody else at 192.0.2.1:5080. Prints
// "ready"; each line of standard input is answered with a line of counters; ends with it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/dataplane.h"

static struct tnd_keys keys = {.digest = {1, 2}, .n_sign = 1, .sign = {{.id = 1, .key = {3, 4}}}};
static struct tnd_listener listeners[2];
static struct tnd_trunk trunks[3] = {{.name = "callers"}, {.name = "four"}, {.name = "six"}};
static struct tnd_route_rule rules[2] = {
    {.from = TND_NO_TRUNK, .to = TND_ROUTE_TRUNK, .user = "six", .trunk = 2},
    {.from = TND_NO_TRUNK, .to = TND_ROUTE_TRUNK, .trunk = 1},
};
static struct tnd_policy policy = {.n_listeners = 2,
                                   .n_trunks = 3,
                                   .n_rules = 2,
                                   .listeners = listeners,
                                   .trunks = trunks,
                                   .rules = rules};

static void kept(void *p)
{
    (void)p; // static
}

static struct tnd_addr addr(const char *text)
{
    struct tnd_addr a = {0};

    tnd_addr_parse(tnd_str_of(text), &a);
    a.transport = TND_TRANSPORT_UDP;
    return a;
}

static void make_policy(void)
{
    static const char *const at[2] = {"192.0.2.10:5060", "[2001:db8::10]:5060"};
    static const char *const hops[3] = {"192.0.2.1:5080", "192.0.2.1:5080", "[2001:db8::1]:5080"};
    struct tnd_lpm_entry sources[2] = {{.value = 0}, {.value = 0}};

    for (int i = 0; i < 2; i++) {
        struct tnd_listener *l = &listeners[i];
        l->addr = l->advertise = addr(at[i]);
        tnd_listener_name(l);
    }
    for (int i = 0; i < 3; i++) {
        struct tnd_trunk *t = &trunks[i];
        t->id = tnd_trunk_id(t->name);
        t->hop.numeric = addr(hops[i]);
        t->host_len = (uint16_t)snprintf(t->host, sizeof t->host, "%s", hops[i]);
        t->scheme = TND_SCHEME_SIP;
        t->exhausted = 500;
    }
    tnd_prefix_parse(TND_STR("192.0.2.0/24"), &sources[0].prefix);
    tnd_prefix_parse(TND_STR("2001:db8::/64"), &sources[1].prefix);
    policy.sources = tnd_lpm_new(sources, 2);
}

static struct tnd_adjacency_table *make_adjacency(const uint8_t ours[6], const char *peer)
{
    struct tnd_adjacency_interface link = {.up = true, .mtu = 1500};
    struct tnd_adjacency_route routes[2] = {{.prefix.addr.family = 4}, {.prefix.addr.family = 6}};
    struct tnd_adjacency_neighbour n = {.interface = 0};

    memcpy(link.mac, ours, 6);
    if (sscanf(peer, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &n.mac[0], &n.mac[1], &n.mac[2], &n.mac[3],
               &n.mac[4], &n.mac[5]) != 6)
        return NULL;
    return tnd_adjacency_build(&(struct tnd_adjacency_spec){.interfaces = &link,
                                                            .n_interfaces = 1,
                                                            .routes = routes,
                                                            .n_routes = 2,
                                                            .neighbours = &n,
                                                            .n_neighbours = 1});
}

// One line: the sums over the workers, as "name=value", and drops by their names.
static void print_counters(const struct tnd_dataplane *dp)
{
    struct tnd_io_counters io = {0};
    struct tnd_counters engine = {0};
    struct tnd_worker_stats s;

    for (uint16_t i = 0; i < tnd_dataplane_workers(dp); i++) {
        tnd_dataplane_stats(dp, i, &s);
        for (size_t k = 0; k < sizeof io / 8; k++)
            ((uint64_t *)&io)[k] += ((uint64_t *)&s.io)[k];
        for (size_t k = 0; k < sizeof engine / 8; k++)
            ((uint64_t *)&engine)[k] += ((uint64_t *)&s.engine)[k];
    }
    printf("rx=%lu tx=%lu given=%lu taken=%lu foreign=%lu fragments_in=%lu reassembled=%lu "
           "fragments_out=%lu loops=%lu sleeps=%lu",
           io.rx_packets, io.tx_packets, io.given, io.taken, io.foreign, io.fragments_in,
           io.reassembled, io.fragments_out, io.loops, io.sleeps);
    for (int v = 0; v < TND_VERDICT_COUNT; v++)
        printf(" %s=%lu", tnd_verdict_name((enum tnd_verdict)v), engine.verdict[v]);
    for (int d = 1; d < TND_DROP_COUNT; d++)
        if (engine.drop[d])
            printf(" drop:%s=%lu", tnd_drop_name((enum tnd_drop)d), engine.drop[d]);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct tnd_error err;
    char line[64];
    uint8_t mac[6];
    bool up;

    if (argc != 5)
        return 2;
    struct tnd_interface_config wan = {
        .name = "wan", .device = argv[1], .rings = (uint16_t)atoi(argv[3])};
    struct tnd_dataplane_config cfg = {.interfaces = &wan,
                                       .n_interfaces = 1,
                                       .workers = (uint16_t)atoi(argv[2]),
                                       .engine = {.keys = &keys,
                                                  .transactions = 65536,
                                                  .parked = 64,
                                                  .park_for_ms = 3000,
                                                  .ringing_ms = 180000}};
    make_policy();
    struct tnd_dataplane *dp = tnd_dataplane_new(&cfg, &err);
    if (!dp) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct tnd_table *table = tnd_table_new(tnd_dataplane_qsbr(dp), 16);
    tnd_dataplane_interface(dp, 0, mac, &up);
    tnd_dataplane_publish_policy(dp, &policy, kept);
    tnd_dataplane_publish_adjacency(dp, make_adjacency(mac, argv[4]));
    if (!table || tnd_dataplane_start(dp, table, &err) != 0)
        return 1;
    printf("ready up=%d\n", up);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        print_counters(dp);
    tnd_dataplane_stop(dp);
    tnd_table_free(table);
    tnd_dataplane_free(dp);
    tnd_dataplane_cleanup();
    return 0;
}
