// Frames out: what the kernel has to send, in which order, and what finds no room.
#include "worker_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_CASE(without_a_neighbour_to_the_kernel),
        WORLD_CASE(order_is_kept_behind_the_kernel),
        WORLD_CASE(a_full_port_drops_by_name),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    tnd_dataplane_cleanup();
    return failed;
}
