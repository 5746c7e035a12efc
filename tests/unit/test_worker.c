// Workers: frames in, frames out, over ports inside the process; everything between is real.
//
// The world: callers 10.1.0.0/16 (trunk 0), a pool "sip:pool.test" (trunk 1) of three targets
// in 10.2.0.0/24, one listener 10.0.0.10:5060, one interface with a default neighbour, MTU 1500.
#include "cmocka_all.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/worker.h"
#include "frames.h"
#include "route_sets.h"

#include <rte_mempool.h>

#define CALLS 400

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

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};

static void count_free(void *p)
{
    (void)p;
    freed++;
}

static void make_policy(struct world *w)
{
    struct tnd_lpm_entry entries[2] = {{.value = 0}, {.value = 1}};

    tnd_prefix_parse(TND_STR("10.1.0.0/16"), &entries[0].prefix);
    tnd_prefix_parse(TND_STR("10.2.0.0/16"), &entries[1].prefix);
    w->listener.addr = w->listener.advertise = addr_of("10.0.0.10:5060");
    w->listener.id = tnd_listener_id(&w->listener.addr);
    w->listener.dscp = 24;
    w->listener.text_len = (uint8_t)tnd_addr_text(&w->listener.addr, w->listener.text);
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

static struct tnd_adjacency_table *make_adjacency(bool with_neighbour)
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

static void publish_pool(struct world *w)
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

static struct world *make_world(uint16_t workers, bool threadless)
{
    struct tnd_interface_config wan = {.name = "wan", .rings = 0};
    struct world *w = calloc(1, sizeof *w);
    struct tnd_error err;

    memcpy(wan.mac, our_mac, 6);
    w->keys = (struct tnd_keys){.digest = {1, 2}, .n_sign = 1, .sign = {{.id = 1, .key = {3, 4}}}};
    make_policy(w);
    struct tnd_dataplane_config cfg = {
        .interfaces = &wan,
        .n_interfaces = 1,
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

// Stop, and see that every buffer is back in its pool.
static void end_world(struct world *w)
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

static int teardown(void **state)
{
    (void)state;
    if (made)
        tnd_dataplane_free(made->dp);
    made = NULL;
    return 0;
}

static size_t make_invite(char *out, size_t room, unsigned call, size_t body_len)
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

static struct tnd_datagram datagram(const char *text, size_t len)
{
    return (struct tnd_datagram){.src = addr_of("10.1.0.1:5070"),
                                 .dst = addr_of("10.0.0.10:5060"),
                                 .data = text,
                                 .len = (uint32_t)len};
}

static void offer_call(struct world *w, unsigned call, size_t body_len)
{
    static char text[20000];
    struct tnd_datagram d = datagram(text, make_invite(text, sizeof text, call, body_len));

    assert_int_equal(tnd_dataplane_offer(w->dp, 0, &d, 1), 1);
}

static struct tnd_io_counters io_of(const struct world *w, struct tnd_counters *sum)
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

static void run(struct world *w)
{
    while (tnd_dataplane_run(w->dp) > 0)
        continue;
}

static void a_call_and_its_answer(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_datagram d[4];
    char answer[4096], body[] = "0123456789";
    struct tnd_counters c;

    (void)state;
    offer_call(w, 1, 300);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 1);
    assert_int_equal(d[0].dst.ip[1], 2);
    assert_int_equal(d[0].dst.port, 5060);
    assert_true(tnd_addr_eq(&d[0].src, &w->listener.addr));
    assert_memory_equal(d[0].data, "INVITE sip:bob@", 15);
    for (size_t i = 0; i < 300; i++) // the body is untouched
        assert_int_equal((uint8_t)d[0].data[d[0].len - 300 + i], (uint8_t)(i * 7 + 1));

    // The target answers: everything between our Via and the caller's comes back.
    struct tnd_sip_msg m;
    assert_int_equal(tnd_sip_parse(d[0].data, d[0].len, &m), TND_SIP_ERR_NONE);
    struct tnd_sip_hdr via = m.hdr[m.first[TND_HDR_VIA]], via2 = m.hdr[via.next];
    int n = snprintf(answer, sizeof answer,
                     "SIP/2.0 200 OK\r\n%.*s%.*s"
                     "From: <sip:alice@10.1.0.1>;tag=a1\r\nTo: <sip:bob@10.0.0.10>;tag=b\r\n"
                     "Call-ID: call-1@caller.test\r\nCSeq: 1 INVITE\r\n"
                     "Contact: <sip:bob@10.2.0.1>\r\nContent-Length: 10\r\n\r\n%s",
                     via.end - via.line, d[0].data + via.line, via2.end - via2.line,
                     d[0].data + via2.line, body);
    struct tnd_datagram r = {.src = d[0].dst, .dst = d[0].src, .data = answer, .len = (uint32_t)n};
    assert_int_equal(tnd_dataplane_offer(w->dp, 0, &r, 1), 1);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 1);
    assert_memory_equal(d[0].data, "SIP/2.0 200 OK", 14);
    struct tnd_addr caller = addr_of("10.1.0.1:5070");
    assert_true(tnd_addr_eq(&d[0].dst, &caller));

    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], 2);
    assert_int_equal(io.rx_packets, 2);
    assert_int_equal(io.tx_packets, 2);
    assert_int_equal(io.jobs, 2);
    struct tnd_target_counter targets[8];
    assert_int_equal(tnd_dataplane_targets(w->dp, targets, 8), 1);
    assert_int_equal(targets[0].requests, 1);
    assert_int_equal(targets[0].responses, 1);
    struct tnd_trunk_counter trunk;
    tnd_dataplane_trunk(w->dp, 0, &trunk);
    assert_int_equal(trunk.requests_in, 1);
    end_world(w);
}

static void what_is_not_ours(void **state)
{
    struct world *w = make_world(1, true);
    static char text[2000];
    struct tnd_datagram d, out[4];
    struct tnd_counters c;
    size_t n = make_invite(text, sizeof text, 1, 0);

    (void)state;
    d = datagram(text, n); // another port, another address
    d.dst = addr_of("10.0.0.10:5061");
    tnd_dataplane_offer(w->dp, 0, &d, 1);
    d.dst = addr_of("10.0.0.11:5060");
    tnd_dataplane_offer(w->dp, 0, &d, 1);
    d = datagram(text, n); // another MAC
    memcpy(w->dp->ports[0].mac, peer_mac, 6);
    tnd_dataplane_offer(w->dp, 0, &d, 1);
    memcpy(w->dp->ports[0].mac, our_mac, 6);
    d.src = addr_of("10.9.0.1:5070"); // a stranger: no trunk's source
    tnd_dataplane_offer(w->dp, 0, &d, 1);
    d.src = addr_of("127.0.0.1:5070"); // a martian
    tnd_dataplane_offer(w->dp, 0, &d, 1);
    d = datagram("\r\n\r\n", 4);
    tnd_dataplane_offer(w->dp, 0, &d, 1);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, out, 4), 0);
    io_of(w, &c);
    assert_int_equal(c.verdict[TND_VERDICT_PUNT], 3);
    assert_int_equal(c.drop[TND_DROP_FOREIGN_SOURCE], 1);
    assert_int_equal(c.drop[TND_DROP_BAD_IP], 1);
    assert_int_equal(c.verdict[TND_VERDICT_ABSORB], 1);
    assert_int_equal(c.verdict[TND_VERDICT_DROP], 2);
    end_world(w);
}

// What a port makes of a tag: left in the frame, or taken off and told.
static void frames_of_a_vlan(void **state)
{
    static const struct {
        uint64_t flags;
        uint16_t tci, outer;
        bool ours;
    } cases[] = {
        {0, 0, 0, true},
        {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, 0xe000, 0, true}, // priority only
        {RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, 0xe064, 0, false},
        {RTE_MBUF_F_RX_VLAN, 100, 0, true}, // not stripped: the frame tells
        {RTE_MBUF_F_RX_QINQ_STRIPPED | RTE_MBUF_F_RX_VLAN_STRIPPED, 0, 100, false},
        {RTE_MBUF_F_RX_QINQ_STRIPPED | RTE_MBUF_F_RX_VLAN_STRIPPED, 100, 0, false},
        {RTE_MBUF_F_RX_QINQ_STRIPPED | RTE_MBUF_F_RX_VLAN_STRIPPED, 0, 0xe000, true},
    };
    struct world *w = make_world(1, true);
    struct tnd_datagram out[1];
    struct tnd_counters c;
    uint64_t punts = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rte_mbuf *m = NULL;
        offer_call(w, i, 0);
        assert_int_equal(rte_ring_sc_dequeue(w->dp->ports[0].in[0], (void **)&m), 0);
        m->ol_flags = cases[i].flags;
        m->vlan_tci = cases[i].tci;
        m->vlan_tci_outer = cases[i].outer;
        assert_int_equal(rte_ring_sp_enqueue(w->dp->ports[0].in[0], m), 0);
        run(w);
        assert_int_equal(tnd_dataplane_collect(w->dp, 0, out, 1), cases[i].ours);
        punts += !cases[i].ours;
        assert_int_equal(io_of(w, &c).vlan, punts);
        assert_int_equal(c.verdict[TND_VERDICT_PUNT], punts);
    }
    end_world(w);
}

static void parked_until_published(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_datagram d[4];
    struct tnd_want want;
    struct tnd_counters c;

    (void)state;
    assert_true(tnd_table_remove(w->table, &w->trunks[1].digest));
    offer_call(w, 1, 10);
    offer_call(w, 2, 10);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 0);
    uint64_t rung;
    assert_int_equal(read(tnd_dataplane_doorbell(w->dp), &rung, 8), 8);
    tnd_dataplane_hush(w->dp);
    assert_true(tnd_dataplane_take_want(w->dp, &want));
    assert_int_equal(want.trunk, 1);
    assert_int_equal(want.len, strlen("sip:pool.test|pool"));
    assert_memory_equal(want.name, "sip:pool.test|pool", want.len);
    assert_false(tnd_dataplane_take_want(w->dp, &want)); // once for both
    publish_pool(w);
    tnd_dataplane_wake(w->dp, &want.digest);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 2);
    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(c.verdict[TND_VERDICT_PARK], 2);
    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], 2);
    assert_int_equal(io.foreign, 0);
    end_world(w);
}

static void many_wakes_are_kept(void **state)
{
    struct world *w = make_world(2, true);
    struct tnd_datagram d[4];
    struct tnd_want want;

    (void)state;
    assert_true(tnd_table_remove(w->table, &w->trunks[1].digest));
    offer_call(w, 1, 10);
    run(w);
    assert_true(tnd_dataplane_take_want(w->dp, &want));
    publish_pool(w);
    for (uint64_t i = 0; i < 10000; i++) // more than a queue holds
        tnd_dataplane_wake(w->dp, &(struct tnd_name_digest){i, i});
    tnd_dataplane_wake(w->dp, &want.digest);
    for (int i = 0; i < 10; i++) {
        run(w);
        tnd_dataplane_run(w->dp);
        tnd_dataplane_poll(w->dp);
    }
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 1);
    end_world(w);
}

static void without_a_neighbour_to_the_kernel(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_kernel_packet k;
    struct tnd_datagram d[4];
    struct tnd_counters c;

    (void)state;
    tnd_dataplane_publish_adjacency(w->dp, make_adjacency(false));
    for (unsigned i = 0; i < 100; i++) // 64 slots
        offer_call(w, i, 50);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 0);
    tnd_dataplane_hush(w->dp);
    unsigned taken = 0;
    while (tnd_dataplane_take_packet(w->dp, &k)) {
        assert_int_equal(k.why, TND_ADJACENCY_NO_NEIGHBOUR);
        assert_true(tnd_addr_eq(&k.src, &w->listener.addr));
        assert_true(tnd_addr_same_ip(&k.next_hop, &k.dst));
        assert_memory_equal(k.data, "INVITE sip:bob@", 15);
        taken++;
    }
    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(taken, 64);
    assert_int_equal(io.to_kernel, 64);
    assert_int_equal(io.kernel_full, 36);
    assert_int_equal(c.drop[TND_DROP_NO_ADJACENCY], 36);
    tnd_dataplane_publish_adjacency(w->dp, NULL); // no route at all
    offer_call(w, 1000, 50);
    run(w);
    io_of(w, &c);
    assert_int_equal(c.drop[TND_DROP_NO_ADJACENCY], 37);
    end_world(w);
}

// What the kernel has not sent yet is not overtaken once the neighbour is known: one call, thrice.
static void order_is_kept_behind_the_kernel(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_kernel_packet k;
    struct tnd_datagram d[4];

    (void)state;
    tnd_dataplane_publish_adjacency(w->dp, make_adjacency(false));
    offer_call(w, 1, 50);
    run(w);
    tnd_dataplane_publish_adjacency(w->dp, make_adjacency(true));
    offer_call(w, 1, 50);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 0);
    tnd_dataplane_hush(w->dp);
    unsigned taken = 0;
    while (tnd_dataplane_take_packet(w->dp, &k))
        taken++;
    assert_int_equal(taken, 2);
    offer_call(w, 1, 50);
    run(w);
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 4), 1);
    end_world(w);
}

// A message above the MTU goes in and comes out in fragments.
static void fragments_both_ways(void **state)
{
    static const size_t bodies[] = {700, 1200, 2500, 8000, 15500};
    struct world *w = make_world(1, true);
    struct tnd_frag *frag = tnd_frag_new(8);
    static uint8_t udp[20000], frame[2000];
    static char text[20000];

    (void)state;
    for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++) {
        size_t len = make_invite(text, sizeof text, (unsigned)(100 + b), bodies[b]);
        struct tnd_datagram g = datagram(text, len);
        struct tnd_emit e = {.src = g.src, .dst = g.dst};
        memcpy(e.dst_mac, our_mac, 6);
        memcpy(e.src_mac, peer_mac, 6);
        memcpy(udp + 8, text, len);
        tnd_emit_udp(&e, udp, (uint32_t)len);
        uint32_t n, sent = 0;
        for (; (n = tnd_emit_fragment(&e, udp, (uint32_t)(8 + len), 1280, (uint32_t)b, sent,
                                      frame)) > 0;
             sent++) {
            struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->ports[0].pool);
            memcpy(rte_pktmbuf_append(m, (uint16_t)n), frame, n);
            assert_int_equal(rte_ring_sp_enqueue(w->dp->ports[0].in[0], m), 0);
        }
        run(w);

        struct rte_mbuf *m;
        struct tnd_frag_whole whole = {0};
        struct tnd_frame f = {0};
        uint32_t lost, got = 0;
        while (rte_ring_sc_dequeue(w->dp->ports[0].out[0], (void **)&m) == 0) {
            assert_true(m->data_len <= 1514);
            enum tnd_frame_kind kind =
                tnd_frame_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, true, &f);
            if (kind == TND_FRAME_FRAGMENT &&
                tnd_frag_put(frag, 0, &f, &whole, &lost) == TND_FRAG_WHOLE)
                kind = tnd_frame_reassembled(&f, whole.proto, whole.data, whole.len);
            got += kind == TND_FRAME_DATAGRAM;
            if (kind == TND_FRAME_DATAGRAM) {
                assert_true(f.len > len);
                assert_memory_equal(f.data + f.len - bodies[b], text + len - bodies[b], bodies[b]);
            }
            rte_pktmbuf_free(m);
        }
        assert_int_equal(got, 1);
    }
    struct tnd_counters c;
    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], 5);
    assert_int_equal(io.reassembled, 4); // the first comes in one frame
    assert_true(io.fragments_out > 4);
    tnd_frag_free(frag);
    end_world(w);
}

static void a_full_port_drops_by_name(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_counters c;

    (void)state;
    for (unsigned i = 0; i < 1100; i++) {
        offer_call(w, i, 0);
        run(w);
    }
    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(io.tx_packets, TND_LOCAL_SIZE - 1);
    assert_int_equal(c.drop[TND_DROP_TX_FULL], 1100 - (TND_LOCAL_SIZE - 1));
    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], TND_LOCAL_SIZE - 1);
    end_world(w);
}

// Worker 1 stands still; worker 0 goes on with what is its own and drops the rest by name.
static void a_full_inbox_drops_by_trunk(void **state)
{
    struct world *w = make_world(2, true);
    struct tnd_datagram d[TND_BURST];
    struct tnd_trunk_counter trunk;
    struct tnd_counters c;
    unsigned calls = 3000;

    (void)state;
    for (unsigned i = 0; i < calls; i++) {
        w->dp->ports[0].next_in = 0;
        offer_call(w, i, 0);
        tnd_worker_poll(w->dp->workers[0]);
        tnd_dataplane_collect(w->dp, 0, d, TND_BURST);
    }
    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(io.given, TND_INBOX_SIZE - 1);
    assert_true(c.drop[TND_DROP_INBOX_FULL] > 0);
    assert_int_equal(c.drop[TND_DROP_INBOX_FULL] + c.verdict[TND_VERDICT_FORWARD] + io.given,
                     calls);
    tnd_dataplane_trunk(w->dp, 0, &trunk);
    assert_int_equal(trunk.dropped, c.drop[TND_DROP_INBOX_FULL]);
    for (int i = 0; i < 100; i++) {
        run(w);
        tnd_dataplane_collect(w->dp, 0, d, TND_BURST);
    }
    io = io_of(w, &c);
    assert_int_equal(io.taken, io.given);
    end_world(w);
}

static void versions_are_freed_after_a_grace_period(void **state)
{
    struct world *w = make_world(2, true);
    struct tnd_policy second = w->policy;

    (void)state;
    freed = 0;
    tnd_dataplane_publish_policy(w->dp, &second, count_free);
    assert_int_equal(tnd_dataplane_retired(w->dp), 1);
    tnd_dataplane_poll(w->dp);
    assert_int_equal(freed, 0);
    tnd_worker_poll(w->dp->workers[0]);
    tnd_dataplane_poll(w->dp);
    assert_int_equal(freed, 0); // the other worker may still read it
    tnd_worker_poll(w->dp->workers[1]);
    tnd_dataplane_poll(w->dp);
    assert_int_equal(freed, 1);
    assert_int_equal(tnd_dataplane_retired(w->dp), 0);
    offer_call(w, 1, 0);
    run(w);
    struct tnd_datagram d[1];
    assert_int_equal(tnd_dataplane_collect(w->dp, 0, d, 1), 1);
    end_world(w);
}

// Each call's messages, whichever queue they come in by, are one worker's.
static void expect_shared(struct world *w, unsigned calls)
{
    struct tnd_counters c;
    struct tnd_io_counters io = io_of(w, &c);
    struct tnd_worker_stats s[2];

    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], calls);
    assert_int_equal(io.foreign, 0);
    assert_int_equal(io.given, io.taken);
    assert_true(io.given > calls / 4); // about half of them
    assert_true(io.given < calls * 3 / 4);
    for (uint16_t i = 0; i < 2; i++) {
        tnd_dataplane_stats(w->dp, i, &s[i]);
        assert_true(s[i].io.given > 0 && s[i].io.taken > 0);
        assert_true(s[i].engine.verdict[TND_VERDICT_FORWARD] > calls / 3);
    }
}

static void two_workers_by_turns(void **state)
{
    struct world *w = make_world(2, true);
    struct tnd_datagram d[TND_BURST];
    unsigned got = 0;

    (void)state;
    for (unsigned i = 0; i < CALLS; i++)
        offer_call(w, i, 20);
    run(w);
    for (unsigned n; (n = tnd_dataplane_collect(w->dp, 0, d, TND_BURST)) > 0;)
        got += n;
    assert_int_equal(got, CALLS);
    expect_shared(w, CALLS);
    end_world(w);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void two_workers_with_threads(void **state)
{
    struct world *w = make_world(2, false);
    struct tnd_datagram d[TND_BURST];
    unsigned got = 0, offered = 0, calls = 20000;
    static char text[2000];
    double end = now_s() + 60;

    (void)state;
    while (got < calls && now_s() < end) {
        // In waves, so that workers fall asleep and are woken too.
        while (offered < calls && offered - got < 256) {
            struct tnd_datagram one = datagram(text, make_invite(text, sizeof text, offered, 20));
            if (tnd_dataplane_offer(w->dp, 0, &one, 1) == 0)
                break;
            offered++;
        }
        unsigned n = tnd_dataplane_collect(w->dp, 0, d, TND_BURST);
        got += n;
        if (n == 0)
            sched_yield();
    }
    assert_int_equal(got, calls);
    expect_shared(w, calls);
    end_world(w);
}

// With nothing to do a worker sleeps, and what comes wakes it.
static void idle_workers_sleep(void **state)
{
    struct world *w = make_world(2, false);
    struct tnd_datagram d[4];
    struct timespec pause = {.tv_nsec = 300000000};
    struct tnd_counters c;
    double end;

    (void)state;
    nanosleep(&pause, NULL);
    struct tnd_io_counters before = io_of(w, &c);
    nanosleep(&pause, NULL);
    struct tnd_io_counters after = io_of(w, &c);
    assert_true(after.sleeps > before.sleeps);
    assert_true(after.loops - before.loops < 2000); // busy it would be a million
    for (unsigned i = 0; i < 20; i++) {
        double start = now_s();
        offer_call(w, i, 0);
        for (end = start + 20; tnd_dataplane_collect(w->dp, 0, d, 4) == 0 && now_s() < end;)
            sched_yield();
        assert_true(now_s() < end);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    end_world(w);
}

static void faults_of_the_configuration(void **state)
{
    struct tnd_keys keys = {.n_sign = 1};
    struct tnd_interface_config wan = {.name = "wan", .rings = 1};
    struct tnd_dataplane_config cfg = {.interfaces = &wan,
                                       .n_interfaces = 1,
                                       .workers = 2,
                                       .threadless = true,
                                       .engine = {.keys = &keys}};
    struct tnd_error err;

    (void)state;
    assert_null(tnd_dataplane_new(&cfg, &err));
    assert_string_equal(err.text, "interfaces.wan.rings: 1, but 2 workers need a transmit queue "
                                  "each; set rings: 2");
    wan.rings = 0;
    wan.device = "no-such-if0";
    assert_null(tnd_dataplane_new(&cfg, &err));
    assert_non_null(strstr(err.text, "interfaces.wan.device: no-such-if0: no such interface"));
    wan.device = NULL;
    wan.vdev = "net_nothing0";
    assert_null(tnd_dataplane_new(&cfg, &err));
    assert_non_null(strstr(err.text, "interfaces.wan.vdev: net_nothing0: DPDK refuses it"));
}

static void other_devices(void **state)
{
    static const char *const vdevs[] = {"net_null0,no-rx=1", "net_ring0"};
    struct tnd_keys keys = {.n_sign = 1};
    struct tnd_interface_config wan = {.name = "wan"};
    struct tnd_dataplane_config cfg = {
        .interfaces = &wan,
        .n_interfaces = 1,
        .workers = 1,
        .threadless = true,
        .engine = {.keys = &keys, .transactions = 1024, .parked = 16}};
    struct tnd_error err;
    uint8_t mac[6];
    bool up;

    (void)state;
    memcpy(wan.mac, our_mac, 6);
    for (size_t i = 0; i < sizeof vdevs / sizeof *vdevs; i++) {
        wan.vdev = vdevs[i];
        struct tnd_dataplane *dp = tnd_dataplane_new(&cfg, &err);
        if (!dp)
            fail_msg("%s: %s", vdevs[i], err.text);
        tnd_dataplane_interface(dp, 0, mac, &up);
        assert_memory_equal(mac, our_mac, 6);
        tnd_dataplane_free(dp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(two_workers_with_threads, teardown),
        cmocka_unit_test_teardown(idle_workers_sleep, teardown),
        cmocka_unit_test_teardown(a_call_and_its_answer, teardown),
        cmocka_unit_test_teardown(what_is_not_ours, teardown),
        cmocka_unit_test_teardown(frames_of_a_vlan, teardown),
        cmocka_unit_test_teardown(parked_until_published, teardown),
        cmocka_unit_test_teardown(many_wakes_are_kept, teardown),
        cmocka_unit_test_teardown(without_a_neighbour_to_the_kernel, teardown),
        cmocka_unit_test_teardown(order_is_kept_behind_the_kernel, teardown),
        cmocka_unit_test_teardown(fragments_both_ways, teardown),
        cmocka_unit_test_teardown(a_full_port_drops_by_name, teardown),
        cmocka_unit_test_teardown(a_full_inbox_drops_by_trunk, teardown),
        cmocka_unit_test_teardown(versions_are_freed_after_a_grace_period, teardown),
        cmocka_unit_test_teardown(two_workers_by_turns, teardown),
        cmocka_unit_test_teardown(faults_of_the_configuration, teardown),
        cmocka_unit_test_teardown(other_devices, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    tnd_dataplane_cleanup();
    return failed;
}
