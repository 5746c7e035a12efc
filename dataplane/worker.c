// The loop of a worker: what waits for it, then its own queues, burst by burst.
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/worker.h"

#define EMPTY_LOOPS_MAX 64 // then it sleeps
#define FETCH_AHEAD     2  // messages of an inbox

// From route to the frames' departure. `w->stamp` is the time of the call.
static void finish(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n)
{
    struct tnd_engine *e = w->engine;

    if (n == 0)
        return;
    tnd_stage_route(e, w->now_ms, jobs, n);
    tnd_stage_end(w, TND_STAGE_route);
    tnd_stage_pick(e, w->now_ms, jobs, n);
    tnd_stage_end(w, TND_STAGE_pick);
    tnd_egress(w, jobs, n);
    tnd_stage_end(w, TND_STAGE_egress);
    tnd_stage_sign(e, jobs, n);
    tnd_stage_end(w, TND_STAGE_sign);
    tnd_tx_outputs(w, jobs, n);
    tnd_stage_end(w, TND_STAGE_rewrite);
    tnd_tx_flush(w);
    for (uint32_t i = 0; i < n; i++) {
        tnd_job_count(e, jobs[i]);
        tnd_engine_done(e, jobs[i]);
    }
    tnd_add(&w->io.jobs, n);
    tnd_stage_end(w, TND_STAGE_tx);
}

// From the hashes to the buffers' return. `w->stamp` is the time of the call.
static void finish_received(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n)
{
    tnd_stage_digest(w->engine, jobs, n);
    tnd_stage_end(w, TND_STAGE_digest);
    n = tnd_steer(w, jobs, n);
    tnd_stage_end(w, TND_STAGE_steer);
    finish(w, jobs, n);
    tnd_steer_free(w, jobs, n);
    tnd_stage_end(w, TND_STAGE_tx);
}

static uint32_t poll_inboxes(struct tnd_worker *w)
{
    struct tnd_job *jobs[TND_BURST];
    uint32_t done = 0, n;

    for (int quota = 0; quota < TND_INBOX_QUOTA && tnd_steer_waiting(w); quota++) {
        w->stamp = rte_rdtsc();
        n = tnd_steer_take(w, jobs);
        for (uint32_t i = 0; i < n && i < FETCH_AHEAD; i++)
            tnd_steer_fetch(jobs[i]);
        tnd_stage_end(w, TND_STAGE_steer);
        for (uint32_t i = 0; i < n; i++) {
            if (i + FETCH_AHEAD < n)
                tnd_steer_fetch(jobs[i + FETCH_AHEAD]);
            tnd_rx_fetch(w, TND_FETCH_LINES);
            tnd_stage_parse(w->engine, &jobs[i], 1);
        }
        tnd_stage_end(w, TND_STAGE_parse);
        finish_received(w, jobs, n);
        done += n;
    }
    return done;
}

// The burst that was in hand, through all stages, while the lines of the other one, which is in
// hand then, come from memory. `w->stamp` is the time of the call. Returns: how many frames it had.
static uint32_t work(struct tnd_worker *w)
{
    struct tnd_received *burst = &w->bursts[w->in_hand];
    struct tnd_job *jobs[TND_BURST];
    uint32_t n = burst->n, n_jobs = 0;

    if (n > 0) {
        tnd_rx_fetch(w, UINT32_MAX); // what there was no time for
        n_jobs = tnd_rx_frames(w, burst, jobs);
        tnd_stage_end(w, TND_STAGE_frame);
    }
    burst->n = 0;
    w->in_hand = !w->in_hand;
    w->ahead = (struct tnd_ahead){0};
    if (n_jobs == 0)
        return n;
    n_jobs = tnd_steer_early(w, jobs, n_jobs);
    tnd_stage_end(w, TND_STAGE_steer);
    // What others own leaves fewer messages to ask with.
    uint32_t lines = n_jobs > 0 ? TND_FETCH_LINES * n / n_jobs : 0;
    for (uint32_t i = 0; i < n_jobs; i++) {
        tnd_rx_fetch(w, lines);
        tnd_stage_parse(w->engine, &jobs[i], 1);
    }
    tnd_stage_end(w, TND_STAGE_parse);
    finish_received(w, jobs, n_jobs);
    return n;
}

// A burst to be in hand, after the one that was.
static uint32_t receive(struct tnd_worker *w, uint16_t interface, uint16_t queue)
{
    struct tnd_received *next = &w->bursts[!w->in_hand];

    w->stamp = rte_rdtsc();
    next->interface = interface;
    next->n = rte_eth_rx_burst(w->dp->ports[interface].id, queue, next->frames, TND_BURST);
    uint16_t n = next->n;
    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        rte_prefetch0(next->frames[i]);
    tnd_stage_end(w, TND_STAGE_rx);
    work(w);
    return n;
}

// Returns: how many frames it gave; sets *more when it must have more.
static uint32_t poll_queue(struct tnd_worker *w, uint16_t interface, uint16_t queue, bool *more)
{
    bool empty = w->bursts[w->in_hand].n == 0;
    uint32_t n = receive(w, interface, queue), last = n;

    if (n == TND_BURST && empty) { // one to work on, and one behind it
        last = receive(w, interface, queue);
        n += last;
    }
    *more |= last == TND_BURST;
    return n;
}

// A burst stays in hand only while some queue gives full ones: the next loop finds what is behind
// it, or finds nothing and works on it. So nothing in hand ever waits for a frame to come.
static uint32_t poll_ports(struct tnd_worker *w)
{
    uint32_t done = 0, last = 0;
    bool more = false;

    for (uint16_t i = 0; i < w->dp->cfg.n_interfaces; i++)
        for (uint16_t q = w->index; q < w->dp->ports[i].queues;
             q = (uint16_t)(q + w->dp->cfg.workers))
            done += poll_queue(w, i, q, &more);
    w->stamp = rte_rdtsc();
    if (!more)
        last = work(w);
    return done > 0 ? done : last;
}

// Names that control has published, and then what waited for them or has waited too long.
static uint32_t poll_parked(struct tnd_worker *w)
{
    const struct tnd_name_digest *name;
    struct tnd_job *jobs[TND_BURST];
    struct tnd_engine *e = w->engine;

    while ((name = tnd_spsc_front(&w->wakes)) != NULL) {
        tnd_park_wake(e->park, name);
        tnd_spsc_pop(&w->wakes);
    }
    for (uint32_t i = 0; i < TND_BURST; i++)
        jobs[i] = &w->due[i];
    w->stamp = rte_rdtsc();
    uint32_t n = tnd_engine_due(e, w->now_ms, jobs, TND_BURST);
    if (n == 0)
        return 0;
    tnd_stage_parse(e, jobs, n);
    tnd_stage_end(w, TND_STAGE_parse);
    tnd_stage_digest(e, jobs, n);
    tnd_stage_end(w, TND_STAGE_digest);
    tnd_steer_check(w, jobs, n);
    finish(w, jobs, n);
    return n;
}

// Names that requests wait for go to control; what finds its queue full stays for the next loop.
static void give_wants(struct tnd_worker *w)
{
    struct tnd_engine *e = w->engine;
    uint32_t i = 0;

    for (; i < e->n_wants; i++) {
        struct tnd_want *slot = tnd_spsc_claim(&w->wants);
        if (!slot) {
            tnd_count(&w->io.wants_full);
            break;
        }
        *slot = e->wants[i];
        tnd_spsc_commit(&w->wants);
        tnd_count(&w->io.wants);
    }
    if (i > 0) {
        memmove(e->wants, e->wants + i, (e->n_wants - i) * sizeof *e->wants);
        e->n_wants -= i;
        tnd_worker_ring_control(w);
    }
}

static void ring_if_needed(struct tnd_worker *w)
{
    uint64_t one = 1;

    if (!w->rang)
        return;
    w->rang = false;
    // Pairs with the exchange in tnd_dataplane_hush: after it control looks at every queue.
    if (!atomic_exchange(&w->dp->rung, true) && write(w->dp->doorbell, &one, sizeof one) < 0)
        atomic_store(&w->dp->rung, false);
}

// Between two loops a worker sleeps, or others have the thread.
static void begin_loop(struct tnd_worker *w, uint64_t now)
{
    if (w->begun == 0)
        w->begun = w->looped = now;
    tnd_add(&w->io.cycles[TND_STAGE_idle], now - w->looped);
    w->staged = 0;
}

// What was no stage's is the loop's, so that all of them add up.
static void end_loop(struct tnd_worker *w, uint64_t start, bool idle)
{
    uint64_t now = rte_rdtsc();

    tnd_add(&w->io.cycles[idle ? TND_STAGE_idle : TND_STAGE_loop], now - start - w->staged);
    __atomic_store_n(&w->io.elapsed, now - w->begun, __ATOMIC_RELAXED);
    w->looped = now;
}

// What a loop decides by.
static void read_published(struct tnd_worker *w)
{
    struct tnd_dataplane *dp = w->dp;

    // Pairs with release in tnd_dataplane_publish_policy.
    atomic_store_explicit(&w->policy, atomic_load_explicit(&dp->policy, memory_order_acquire),
                          memory_order_relaxed);
    // Pairs with release in tnd_dataplane_publish_adjacency.
    w->adjacency = atomic_load_explicit(&dp->adjacency, memory_order_acquire);
}

uint32_t tnd_worker_poll(struct tnd_worker *w)
{
    struct tnd_dataplane *dp = w->dp;
    uint64_t start = rte_rdtsc();

    begin_loop(w, start);
    w->now_ms = start / dp->tsc_per_ms;
    read_published(w);
    uint32_t done = poll_inboxes(w);
    done += poll_ports(w);
    done += poll_parked(w);
    if (dp->cfg.workers > 1)
        tnd_steer_reclaim(w);
    tnd_rx_expire(w);
    if (w->engine->n_wants > 0)
        give_wants(w);
    ring_if_needed(w);
    tnd_count(&w->io.loops);
    rte_rcu_qsbr_quiescent(dp->qsbr, w->index);
    end_loop(w, start, done == 0);
    return done;
}

void tnd_worker_finish(struct tnd_worker *w)
{
    uint64_t start = rte_rdtsc();

    begin_loop(w, start);
    read_published(w);
    w->stamp = start;
    bool idle = work(w) == 0;
    end_loop(w, start, idle);
}

int tnd_worker_main(void *arg)
{
    struct tnd_worker *w = arg;
    struct tnd_dataplane *dp = w->dp;

    prctl(PR_SET_TIMERSLACK, 1); // naps of 20 us, not of 70
    rte_rcu_qsbr_thread_online(dp->qsbr, w->index);
    while (!atomic_load_explicit(&dp->stop, memory_order_relaxed)) {
        if (tnd_worker_poll(w) > 0) {
            w->idle_loops = w->naps = 0;
            continue;
        }
        if (dp->cfg.busy_poll || ++w->idle_loops < EMPTY_LOOPS_MAX) {
            rte_pause();
            continue;
        }
        tnd_worker_sleep(w);
        if (w->naps == 0)
            w->idle_loops = 0;
    }
    tnd_worker_finish(w);
    rte_rcu_qsbr_thread_offline(dp->qsbr, w->index);
    return 0;
}
