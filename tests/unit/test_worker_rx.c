// Frames in: what is ours, whole and in fragments, and what is left to the kernel.
#include "worker_world.h"

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

static uint32_t collect_all(struct world *w)
{
    struct tnd_datagram d[TND_BURST];
    uint32_t all = 0, n;

    while ((n = tnd_dataplane_collect(w->dp, 0, d, TND_BURST)) > 0)
        all += n;
    return all;
}

static void offer_calls(struct world *w, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        offer_call(w, first + i, 10);
}

// A burst waits in hand for one behind it only while there must be one.
static void a_burst_in_hand(void **state)
{
    static const unsigned offered[] = {1,
                                       TND_BURST - 1,
                                       TND_BURST,
                                       TND_BURST + 1,
                                       2 * TND_BURST - 1,
                                       2 * TND_BURST,
                                       2 * TND_BURST + 1,
                                       5 * TND_BURST};
    struct world *w = make_world(1, true);
    struct tnd_counters c;

    (void)state;
    for (unsigned i = 0; i < sizeof offered / sizeof *offered; i++) {
        unsigned n = offered[i], received = n, loops = 0;
        offer_calls(w, 1000 * i, n);
        // Two bursts are received in the first loop, one in each other; what they leave in hand is
        // worked on in the loop that finds no more.
        if (n < 2 * TND_BURST) {
            assert_true(tnd_dataplane_run(w->dp) > 0);
            assert_int_equal(collect_all(w), n);
        } else {
            assert_true(tnd_dataplane_run(w->dp) > 0);
            received = collect_all(w);
            assert_int_equal(received, TND_BURST); // the other one is in hand
            for (; tnd_dataplane_run(w->dp) > 0; loops++)
                received += collect_all(w);
            assert_int_equal(received, n);
            assert_int_equal(loops, (n - 1) / TND_BURST - 1 + (n % TND_BURST == 0));
        }
        assert_int_equal(tnd_dataplane_run(w->dp), 0);
    }
    struct tnd_io_counters io = io_of(w, &c);
    assert_int_equal(io.rx_packets, io.jobs);
    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], io.rx_packets);
    end_world(w);
}

// A burst is of the interface it came by, whichever one is looked at when it is worked on.
static void bursts_of_two_interfaces(void **state)
{
    struct world *w = make_world_of(1, true, 2);
    static char text[2000];
    struct tnd_counters c;

    (void)state;
    for (unsigned call = 0; call < 5; call++) {
        struct tnd_datagram d = datagram(text, make_invite(text, sizeof text, 1000 + call, 10));
        assert_int_equal(tnd_dataplane_offer(w->dp, 1, &d, 1), 1);
    }
    offer_calls(w, 0, 2 * TND_BURST);
    assert_true(tnd_dataplane_run(w->dp) > 0);
    assert_int_equal(collect_all(w), 2 * TND_BURST);
    assert_true(tnd_dataplane_run(w->dp) > 0); // the five of the other interface
    assert_int_equal(collect_all(w), 5);
    assert_int_equal(tnd_dataplane_run(w->dp), 0);
    io_of(w, &c);
    assert_int_equal(c.verdict[TND_VERDICT_FORWARD], 2 * TND_BURST + 5);
    assert_int_equal(rte_mempool_in_use_count(w->dp->ports[1].pool), 0);
    end_world(w);
}

// What a worker has in hand when it is stopped goes on its way first.
static void stopped_with_a_burst_in_hand(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_counters c;

    (void)state;
    offer_calls(w, 0, 2 * TND_BURST);
    tnd_dataplane_run(w->dp);
    assert_int_equal(collect_all(w), TND_BURST);
    tnd_dataplane_stop(w->dp);
    assert_int_equal(collect_all(w), TND_BURST);
    assert_int_equal(io_of(w, &c).tx_packets, 2 * TND_BURST);
    end_world(w);
}

// What is received under one policy and worked on under the next obeys the next: its listener is
// gone, its port another's. The policy before may be freed meanwhile.
static void a_policy_changes_with_a_burst_in_hand(void **state)
{
    struct world *w = make_world(1, true);
    struct tnd_policy *old = calloc(1, sizeof *old);
    struct tnd_listener elsewhere = w->listener;
    struct tnd_policy next = w->policy;
    struct tnd_counters c;

    (void)state;
    *old = w->policy;
    tnd_dataplane_publish_policy(w->dp, old, free);
    offer_calls(w, 0, 2 * TND_BURST);
    tnd_dataplane_run(w->dp);
    assert_int_equal(collect_all(w), TND_BURST);
    elsewhere.addr.port = 5070;
    next.listeners = &elsewhere;
    tnd_dataplane_publish_policy(w->dp, &next, count_free);
    tnd_dataplane_poll(w->dp);
    run(w);
    assert_int_equal(collect_all(w), 0);
    io_of(w, &c);
    assert_int_equal(c.verdict[TND_VERDICT_PUNT], TND_BURST);
    tnd_dataplane_poll(w->dp);
    assert_int_equal(tnd_dataplane_retired(w->dp), 0);
    tnd_dataplane_publish_policy(w->dp, &w->policy, count_free);
    run(w);
    tnd_dataplane_poll(w->dp);
    end_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_CASE(a_call_and_its_answer),
        WORLD_CASE(what_is_not_ours),
        WORLD_CASE(frames_of_a_vlan),
        WORLD_CASE(fragments_both_ways),
        WORLD_CASE(a_burst_in_hand),
        WORLD_CASE(bursts_of_two_interfaces),
        WORLD_CASE(stopped_with_a_burst_in_hand),
        WORLD_CASE(a_policy_changes_with_a_burst_in_hand),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    tnd_dataplane_cleanup();
    return failed;
}
