// A dataplane in a test: ports inside the process, everything between their rings is real.
//
// The world: callers 10.1.0.0/16 (trunk 0), a pool "sip:pool.test" (trunk 1) of three targets
// in 10.2.0.0/24, one listener 10.0.0.10:5060, one interface with a default neighbour, MTU 1500.
// One at a time.
#pragma once

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/worker.h"
#include "frames.h"
#include "route_sets.h"

#include <rte_mempool.h>

struct world {
    struct tnd_keys keys;
    struct tnd_listener listener;
    struct tnd_trunk trunks[2];
    struct tnd_route_rule rule;
    struct tnd_policy policy;
    struct tnd_dataplane *dp;
    struct tnd_table *table;
};

static struct world *made;
static unsigned freed;

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2},
                     second_mac[6] = {2, 0, 0, 0, 0, 3};

static inline void count_free(void *p)
{
    (void)p;
    freed++;
}

static inline void make_policy(struct world *w)
{
    struct tnd_lpm_entry entries[2] = {{.value = 0}, {.value = 1}};

    tnd_prefix_parse(TND_STR("10.1.0.0/16"), &entries[0].prefix);
    tnd_prefix_parse(TND_STR("10.2.0.0/16"), &entries[1].prefix);
    w->listener.addr = w->listener.advertise = addr_of("10.0.0.10:5060");
    w->listener.dscp = 24;
    tnd_listener_name(&w->listener);
    snprintf(w->trunks[0].name, sizeof w->trunks[0].name, "callers");
    snprintf(w->trunks[1].name, sizeof w->trunks[1].name, "pool");
    for (int i = 0; i < 2; i++) {
        struct tnd_trunk *t = &w->trunks[i];
        t->id = tnd_trunk_id(t->name);
        t->exhausted = 500;
        t->scheme = TND_SCHEME_SIP;
        t->host_len = (uint16_t)snprintf(t->host, sizeof t->host, "pool.test");
        t->hop.name_len =
            (uint16_t)snprintf(t->hop.name, sizeof t->hop.name, "sip:pool.test|%s", t->name);
        t->digest =
            tnd_name_digest(&w->keys.digest, (struct tnd_str){t->hop.name, t->hop.name_len});
    }
    w->rule = (struct tnd_route_rule){.from = 0, .to = TND_ROUTE_TRUNK, .trunk = 1};
    w->policy = (struct tnd_policy){.n_listeners = 1,
                                    .n_trunks = 2,
                                    .n_rules = 1,
                                    .listeners = &w->listener,
                                    .trunks = w->trunks,
                                    .rules = &w->rule,
                                    .sources = tnd_lpm_new(entries, 2)};
}

static inline struct tnd_adjacency_table *make_adjacency(bool with_neighbour)
{
    struct tnd_adjacency_interface link = {.up = true, .mtu = 1500};
    struct tnd_adjacency_route route = {.prefix = {.bits = 0}};
    struct tnd_adjacency_neighbour n = {.interface = 0};

    route.prefix.addr.family = 4;
    memcpy(link.mac, our_mac, 6);
    memcpy(n.mac, peer_mac, 6);
    return tnd_adjacency_build(&(struct tnd_adjacency_spec){.interfaces = &link,
                                                            .n_interfaces = 1,
                                                            .routes = &route,
                                                            .n_routes = 1,
                                                            .neighbours = &n,
                                                            .n_neighbours = with_neighbour});
}

static inline void publish_pool(struct world *w)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);

    for (uint32_t i = 0; i < 3; i++) {
        made_record(m, 0, 10);
        m->addresses[i][0].addr.ip[0] = 10;
        m->addresses[i][0].addr.ip[1] = 2;
        m->addresses[i][0].addr.ip[2] = 0;
        m->addresses[i][0].addr.ip[3] = (uint8_t)(i + 1);
    }
    assert_int_equal(tnd_table_publish(w->table, &w->trunks[1].digest, &m->spec), 0);
    free(m);
}

// A second interface has a MAC of its own; everything leaves by the first.
static inline struct world *make_world_of(uint16_t workers, bool threadless, uint16_t n_interfaces)
{
    struct tnd_interface_config wan[2] = {{.name = "wan"}, {.name = "lan"}};
    struct world *w = calloc(1, sizeof *w);
    struct tnd_error err;

    memcpy(wan[0].mac, our_mac, 6);
    memcpy(wan[1].mac, second_mac, 6);
    w->keys = (struct tnd_keys){.digest = {1, 2}, .n_sign = 1, .sign = {{.id = 1, .key = {3, 4}}}};
    make_policy(w);
    struct tnd_dataplane_config cfg = {
        .interfaces = wan,
        .n_interfaces = n_interfaces,
        .workers = workers,
        .threadless = threadless,
        .engine = {.keys = &w->keys,
                   .transactions = 65536,
                   .parked = 64,
                   .park_for_ms = 60000,
                   .ringing_ms = 180000},
    };
    w->dp = tnd_dataplane_new(&cfg, &err);
    if (!w->dp)
        fail_msg("%s", err.text);
    w->table = tnd_table_new(tnd_dataplane_qsbr(w->dp), 16);
    publish_pool(w);
    tnd_dataplane_publish_policy(w->dp, &w->policy, count_free);
    tnd_dataplane_publish_adjacency(w->dp, make_adjacency(true));
    assert_int_equal(tnd_dataplane_start(w->dp, w->table, &err), 0);
    made = w;
    return w;
}

static inline struct world *make_world(uint16_t workers, bool threadless)
{
    return make_world_of(workers, threadless, 1);
}

// Stop, and see that every buffer is back in its pool.
static inline void end_world(struct world *w)
{
    struct tnd_datagram d[TND_BURST];
    struct tnd_dataplane *dp = w->dp;

    tnd_dataplane_stop(dp);
    tnd_table_free(w->table);
    for (int i = 0; i < 1000; i++)
        tnd_dataplane_collect(dp, 0, d, TND_BURST);
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        struct tnd_worker *worker = dp->workers[i];
        tnd_steer_reclaim(worker);
        assert_int_equal(rte_mempool_in_use_count(worker->tx_pool), 0);
        assert_int_equal(rte_mempool_in_use_count(worker->big_pool), 0);
    }
    assert_int_equal(rte_mempool_in_use_count(dp->ports[0].pool), 0);
    freed = 0;
    tnd_dataplane_free(dp);
    assert_int_equal(freed, 1);
    tnd_lpm_free(w->policy.sources);
    free(w);
    made = NULL;
}

static inline int teardown(void **state)
{
    (void)state;
    if (made)
        tnd_dataplane_free(made->dp);
    made = NULL;
    return 0;
}

static inline size_t make_invite(char *out, size_t room, unsigned call, size_t body_len)
{
    size_t n = (size_t)snprintf(out, room,
                                "INVITE sip:bob@10.0.0.10 SIP/2.0\r\n"
                                "Via: SIP/2.0/UDP 10.1.0.1:5070;branch=z9hG4bKcall%u\r\n"
                                "Max-Forwards: 70\r\n"
                                "From: <sip:alice@10.1.0.1>;tag=a%u\r\n"
                                "To: <sip:bob@10.0.0.10>\r\n"
                                "Call-ID: call-%u@caller.test\r\n"
                                "CSeq: 1 INVITE\r\n"
                                "Contact: <sip:alice@10.1.0.1:5070>\r\n"
                                "Content-Length: %zu\r\n\r\n",
                                call, call, call, body_len);

    assert_true(n + body_len < room);
    for (size_t i = 0; i < body_len; i++)
        out[n + i] = (char)(i * 7 + call);
    return n + body_len;
}

static inline struct tnd_datagram datagram(const char *text, size_t len)
{
    return (struct tnd_datagram){.src = addr_of("10.1.0.1:5070"),
                                 .dst = addr_of("10.0.0.10:5060"),
                                 .data = text,
                                 .len = (uint32_t)len};
}

static inline void offer_call(struct world *w, unsigned call, size_t body_len)
{
    static char text[20000];
    struct tnd_datagram d = datagram(text, make_invite(text, sizeof text, call, body_len));

    assert_int_equal(tnd_dataplane_offer(w->dp, 0, &d, 1), 1);
}

static inline struct tnd_io_counters io_of(const struct world *w, struct tnd_counters *sum)
{
    struct tnd_io_counters io = {0};
    struct tnd_worker_stats s;

    memset(sum, 0, sizeof *sum);
    for (uint16_t i = 0; i < tnd_dataplane_workers(w->dp); i++) {
        tnd_dataplane_stats(w->dp, i, &s);
        for (size_t k = 0; k < sizeof io / 8; k++)
            ((uint64_t *)&io)[k] += ((uint64_t *)&s.io)[k];
        for (size_t k = 0; k < sizeof *sum / 8; k++)
            ((uint64_t *)sum)[k] += ((uint64_t *)&s.engine)[k];
    }
    return io;
}

static inline void run(struct world *w)
{
    while (tnd_dataplane_run(w->dp) > 0)
        continue;
}

#define WORLD_CASE(f) cmocka_unit_test_teardown(f, teardown)
