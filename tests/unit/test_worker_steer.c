// Several workers: each call is one's, whoever receives it; they sleep, and are woken.
#include "worker_world.h"

#include <sched.h>
#include <time.h>

#define CALLS 400

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

// A pool that goes has all its buffers: one that is still out would be read, or given back, later.
// The linker puts this in the place of the library's.
static unsigned pools_freed, buffers_out;
void __real_rte_mempool_free(struct rte_mempool *pool);
void __wrap_rte_mempool_free(struct rte_mempool *pool);

void __wrap_rte_mempool_free(struct rte_mempool *pool)
{
    if (pool) {
        pools_freed++;
        buffers_out += rte_mempool_in_use_count(pool);
    }
    __real_rte_mempool_free(pool);
}

// The end comes with packets in an inbox, in buffers of the local port.
static void the_end_comes_with_full_inboxes(void **state)
{
    struct world *w = make_world(2, true);

    (void)state;
    for (unsigned call = 0; call < 20; call++) {
        w->dp->ports[0].next_in = 0;
        offer_call(w, call, 0);
    }
    tnd_dataplane_run_worker(w->dp, 0); // gives some to worker 1, which stands still
    assert_false(rte_ring_empty(w->dp->workers[1]->inbox[0]));
    tnd_table_free(w->table);
    pools_freed = buffers_out = 0;
    tnd_dataplane_free(w->dp);
    assert_true(pools_freed >= 5); // the port's, and two of each worker
    assert_int_equal(buffers_out, 0);
    tnd_lpm_free(w->policy.sources);
    free(w);
    made = NULL;
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

// A message of call `call`, its Call-ID header, method and To written as told.
static void offer_written(struct world *w, const char *method, unsigned aor, const char *call_id)
{
    char text[1000];
    size_t n = (size_t)snprintf(text, sizeof text,
                                "%s sip:10.0.0.10 SIP/2.0\r\n"
                                "Via: SIP/2.0/UDP 10.1.0.1:5070;branch=z9hG4bK%u\r\n"
                                "Max-Forwards: 70\r\n"
                                "From: <sip:a%u@10.0.0.10>;tag=a\r\n"
                                "To: <sip:a%u@10.0.0.10>\r\n"
                                "%s\r\n"
                                "CSeq: 1 %s\r\n"
                                "Content-Length: 0\r\n\r\n",
                                method, aor, aor, aor, call_id, method);
    struct tnd_datagram d = datagram(text, n);

    assert_int_equal(tnd_dataplane_offer(w->dp, 0, &d, 1), 1);
}

static uint64_t jobs_of(const struct world *w, uint16_t worker)
{
    struct tnd_worker_stats s;

    tnd_dataplane_stats(w->dp, worker, &s);
    return s.io.jobs;
}

// Runs what was offered. Returns: the one worker that has ended all of it.
static uint16_t one_owner(struct world *w, unsigned messages)
{
    struct tnd_datagram d[TND_BURST];
    uint64_t before[2] = {jobs_of(w, 0), jobs_of(w, 1)};

    run(w);
    while (tnd_dataplane_collect(w->dp, 0, d, TND_BURST) > 0)
        continue;
    uint64_t ended[2] = {jobs_of(w, 0) - before[0], jobs_of(w, 1) - before[1]};
    if ((ended[0] != 0) == (ended[1] != 0) || ended[0] + ended[1] != messages)
        fail_msg("%lu messages ended at worker 0, %lu at worker 1", ended[0], ended[1]);
    return ended[1] > 0;
}

// A look finds some forms of a Call-ID and not others; the owner is the same.
static void however_a_call_id_is_written(void **state)
{
    static const char *const forms[] = {"Call-ID: c%u@h", "i:c%u@h", "CALL-ID : c%u@h ",
                                        "Call-ID:\r\n c%u@h", "i\t:\r\n\tc%u@h"};
    struct world *w = make_world(2, true);
    unsigned at_one = 0, n = sizeof forms / sizeof *forms;
    char text[100];

    (void)state;
    for (unsigned call = 0; call < 64; call++) {
        for (unsigned i = 0; i < 2 * n; i++) { // of an even number each comes in by both queues
            snprintf(text, sizeof text, forms[i % n], call);
            offer_written(w, "OPTIONS", i, text);
        }
        at_one += one_owner(w, 2 * n);
    }
    assert_in_range(at_one, 16, 48);
    end_world(w);
}

// Rule 7: an address of record has one owner, whatever Call-IDs its registrations have.
static void registrations_of_an_address(void **state)
{
    struct world *w = make_world(2, true);
    unsigned at_one = 0;
    char text[100];

    (void)state;
    for (unsigned aor = 0; aor < 64; aor++) {
        for (unsigned i = 0; i < 8; i++) {
            snprintf(text, sizeof text, "Call-ID: r%u-%u@h", aor, i);
            offer_written(w, "REGISTER", aor, text);
        }
        at_one += one_owner(w, 8);
    }
    assert_in_range(at_one, 16, 48);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_CASE(two_workers_with_threads),    WORLD_CASE(idle_workers_sleep),
        WORLD_CASE(a_full_inbox_drops_by_trunk), WORLD_CASE(the_end_comes_with_full_inboxes),
        WORLD_CASE(two_workers_by_turns),        WORLD_CASE(however_a_call_id_is_written),
        WORLD_CASE(registrations_of_an_address),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    tnd_dataplane_cleanup();
    return failed;
}
