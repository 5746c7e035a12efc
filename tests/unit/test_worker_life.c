// What control publishes and asks for: names, versions, ports.
#include "worker_world.h"

#include <unistd.h>

#include <rte_eal.h>

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

// Memory of our own begins where a hugepage does, and holds the whole pool.
static void buffers_on_large_pages(void **state)
{
    struct world *w = make_world(1, true);
    struct rte_mempool *pools[] = {w->dp->ports[0].pool, w->dp->workers[0]->tx_pool};

    (void)state;
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        const struct rte_mempool_memhdr *part = STAILQ_FIRST(&pools[i]->mem_list);
        assert_int_equal(rte_mempool_avail_count(pools[i]), pools[i]->size);
        if (rte_eal_has_hugepages())
            continue;
        assert_int_equal(pools[i]->nb_mem_chunks, 1);
        assert_int_equal((uintptr_t)part->addr % (2 << 20), 0);
        assert_int_equal(part->len % (2 << 20), 0);
    }
    assert_true(rte_pktmbuf_priv_size(pools[0]) >= sizeof(struct tnd_handed));
    assert_int_equal(rte_pktmbuf_data_room_size(pools[1]), TND_TX_ROOM + RTE_PKTMBUF_HEADROOM);
    end_world(w);
}

// Whatever a worker does, its stages' cycles are all that have passed since its first loop.
static void stages_add_up(void **state)
{
    struct world *w = make_world(2, true);
    struct tnd_worker_stats s;
    uint64_t all[TND_STAGE_COUNT] = {0};
    struct tnd_datagram d[32];

    (void)state;
    for (unsigned call = 0; call < 200; call++) {
        offer_call(w, call, 10);
        run(w);
        while (tnd_dataplane_collect(w->dp, 0, d, 32) > 0)
            continue;
    }
    for (uint16_t i = 0; i < 2; i++) {
        uint64_t sum = 0;
        tnd_dataplane_stats(w->dp, i, &s);
        for (int k = 0; k < TND_STAGE_COUNT; k++) {
            sum += s.io.cycles[k];
            all[k] += s.io.cycles[k];
        }
        assert_true(sum > 0);
        assert_true(sum == s.io.elapsed);
    }
    for (int k = 0; k < TND_STAGE_COUNT; k++)
        if (all[k] == 0)
            fail_msg("%s", tnd_stage_name((enum tnd_stage)k));
    end_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_CASE(buffers_on_large_pages),
        WORLD_CASE(stages_add_up),
        WORLD_CASE(parked_until_published),
        WORLD_CASE(many_wakes_are_kept),
        WORLD_CASE(versions_are_freed_after_a_grace_period),
        WORLD_CASE(faults_of_the_configuration),
        WORLD_CASE(other_devices),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    tnd_dataplane_cleanup();
    return failed;
}
