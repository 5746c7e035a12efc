// The engine on one and on two workers, each a thread of its own, steering included: which
// worker a packet comes to has nothing to do with which of them owns its call.
//
// Both queues are filled while nothing runs; then every worker is run by its own thread until
// all has come out, and what a worker sends is taken by its thread. requests/s counts the
// engine's own time of the worker that was busiest. One worker is measured the same way beside
// two. The buffers' pool is one for both, which costs two a little that a NIC's would not.
//
// Of `2w.local` each packet comes to the worker that owns its call, as if the NIC knew: what is
// left between it and twice one worker is the machine's, between it and 2w the steering's.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "bench/bench.h"
#include "bench/ring.h"

#define WORKERS_MAX 2
#define PATIENCE_S  2
#define TRIES       3 // for a round in which both processors were free

struct part {
    struct workers *all;
    uint16_t index;
    uint64_t engine_cycles;
    bool wrong;
    double cpu_ns, wall_ns;
};

struct workers {
    uint16_t n;
    bool local;           // each call's packets come to its owner
    const char *name;     // of the result
    uint32_t fill;        // packets for each queue, in whole bursts
    uint64_t first, span; // numbers of the calls of a run
    uint64_t
        next[WORKERS_MAX]; // number to look at for each queue; the first's is all's, unless local
    struct bench_ring ring;
    struct part parts[WORKERS_MAX];
    uint8_t *arrived; // by number: times, and once for what was never sent
    pthread_barrier_t start;
    uint64_t counted, dropped; // by a full inbox: in all, in the last run
    _Atomic uint32_t out;
    _Atomic bool stop;
};

static void *open_workers(uint16_t n, bool local, const char *name)
{
    struct workers *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->n = n;
    w->local = local;
    w->name = name;
    w->fill = bench_ring_beyond_cache() / WORKERS_MAX / TND_BURST * TND_BURST;
    w->span = (uint64_t)w->fill * n * (local ? 2 : 1); // each has half of them
    w->arrived = malloc(w->span);
    if (w->arrived && pthread_barrier_init(&w->start, NULL, n) == 0)
        return w;
    free(w->arrived);
    free(w);
    return NULL;
}

static void close_workers(void *state)
{
    struct workers *w = state;

    pthread_barrier_destroy(&w->start);
    free(w->arrived);
    free(w);
}

static void *open_one(void)
{
    return open_workers(1, false, "route.ring.1w");
}

static void *open_two(void)
{
    return open_workers(2, false, "route.ring.2w");
}

static void *open_two_local(void)
{
    return open_workers(2, true, "route.ring.2w.local");
}

static uint32_t owner_of(struct workers *w, uint64_t number)
{
    static struct tnd_job job;
    const char *text = tnd_source_write(&w->ring.source, 0, number, 0);

    tnd_sip_parse(text, TND_SOURCE_LEN, &job.msg);
    struct tnd_str call_id = tnd_text(&job.msg, job.msg.call_id);
    job.call_key = tnd_hash(&w->ring.rig.keys.digest, call_id.p, call_id.len);
    return tnd_job_owner(&job, w->n);
}

// The next call for a queue.
static uint64_t next_number(struct workers *w, uint16_t queue)
{
    if (!w->local)
        return w->next[0]++;
    while (owner_of(w, w->next[queue]) != queue)
        w->next[queue]++;
    return w->next[queue]++;
}

// Every offer is a burst, and they go to the queues by turns.
static uint32_t fill(struct workers *w)
{
    struct bench_ring *r = &w->ring;
    struct tnd_datagram d[TND_BURST];
    uint32_t all = w->fill * w->n, in, done = 0;
    uint64_t number[TND_BURST];

    for (uint16_t i = 0; i < WORKERS_MAX; i++)
        w->next[i] = w->first;
    do {
        for (uint32_t i = 0; i < TND_BURST; i++)
            number[i] = next_number(w, (uint16_t)(done / TND_BURST % w->n));
        for (uint32_t i = 0; i < TND_BURST; i++) {
            d[i] = (struct tnd_datagram){.src = r->rig.pbx,
                                         .dst = r->rig.listener,
                                         .data = tnd_source_write(&r->source, i, number[i], 0),
                                         .len = TND_SOURCE_LEN};
            w->arrived[number[i] - w->first] = 0;
        }
        in = tnd_dataplane_offer(r->rig.dp, 0, d, TND_BURST);
        done += in;
    } while (in == TND_BURST && done < all);
    return done;
}

// Numbers are each worker's own: no two threads ever write the same octet.
static void take(void *ctx, const struct tnd_datagram *d)
{
    struct part *p = ctx;
    struct workers *w = p->all;
    uint64_t number;

    if (tnd_source_number(&w->ring.sink.again, (struct tnd_str){d->data, d->len}, &number) &&
        number - w->first < w->span)
        w->arrived[number - w->first]++;
    else
        p->wrong = true;
}

static void *run_worker(void *arg)
{
    struct part *p = arg;
    struct workers *w = p->all;
    struct tnd_dataplane *dp = w->ring.rig.dp;

    pthread_barrier_wait(&w->start);
    double cpu = bench_cpu_ns(), wall = bench_wall_ns();
    uint64_t hz = tnd_dataplane_hz(dp), began = rte_rdtsc();
    while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
        uint64_t start = rte_rdtsc();
        if (tnd_dataplane_run_worker(dp, p->index) == 0) {
            if (start - began > PATIENCE_S * hz) // what is missing will not come
                atomic_store(&w->stop, true);
            continue;
        }
        p->engine_cycles += rte_rdtsc() - start;
        uint32_t got = tnd_dataplane_drain(dp, 0, p->index, take, p);
        // Whoever takes the last one ends it for all.
        if (atomic_fetch_add(&w->out, got) + got >= w->fill * w->n)
            atomic_store(&w->stop, true);
    }
    p->cpu_ns = bench_cpu_ns() - cpu;
    p->wall_ns = bench_wall_ns() - wall;
    return NULL;
}

// A processor that this thread is not on, or -1.
static int other_cpu(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    int own = sched_getcpu();

    for (int i = 0; i < n; i++)
        if (i != own)
            return i;
    return -1;
}

static void *second(void *arg)
{
    cpu_set_t set;
    int cpu = other_cpu();

    CPU_ZERO(&set);
    if (cpu >= 0)
        CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    rte_thread_register(); // so that it has caches of the buffers' pools, as a worker has
    run_worker(arg);
    rte_thread_unregister();
    return NULL;
}

static void run_all(struct workers *w)
{
    pthread_t thread;

    atomic_store(&w->out, 0);
    atomic_store(&w->stop, false);
    for (uint16_t i = 0; i < w->n; i++)
        w->parts[i] = (struct part){.all = w, .index = i};
    if (w->n > 1 && pthread_create(&thread, NULL, second, &w->parts[1]) != 0)
        exit(1);
    run_worker(&w->parts[0]);
    if (w->n > 1)
        pthread_join(thread, NULL);
}

static uint64_t dropped_by_inboxes(const struct workers *w)
{
    struct tnd_worker_stats stats;
    uint64_t n = 0;

    for (uint16_t i = 0; i < w->n; i++) {
        tnd_dataplane_stats(w->ring.rig.dp, i, &stats);
        n += stats.engine.drop[TND_DROP_INBOX_FULL];
    }
    return n;
}

// Every request arrived once, but for those that a full inbox dropped.
static void check(struct workers *w)
{
    uint64_t missing = 0, counted = dropped_by_inboxes(w);
    bool wrong = w->parts[0].wrong || w->parts[1].wrong;

    w->dropped = counted - w->counted;
    w->counted = counted;
    for (uint64_t i = 0; i < w->span; i++) {
        missing += w->arrived[i] == 0;
        wrong |= w->arrived[i] > 1;
    }
    if (wrong || missing != w->dropped) {
        fprintf(stderr, "bench: %s: requests were lost or came twice\n", w->name);
        exit(1);
    }
}

// What makes the figure mean something else than two workers side by side.
static const char *unfit(const struct workers *w)
{
    if (w->n == 1)
        return NULL;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return "there is one processor only";
    if (w->dropped > 0)
        return "the two processors were not free: an inbox filled up while its worker had none";
    for (uint16_t i = 0; i < w->n; i++)
        if (w->parts[i].cpu_ns < BENCH_FREE_CPU * w->parts[i].wall_ns)
            return "the two processors were not free: others ran on them meanwhile";
    return NULL;
}

static void report(const struct workers *w)
{
    double slowest = 0;

    for (uint16_t i = 0; i < w->n; i++) {
        const struct part *p = &w->parts[i];
        double share = p->cpu_ns < p->wall_ns ? p->cpu_ns / p->wall_ns : 1;
        double seconds =
            (double)p->engine_cycles / (double)tnd_dataplane_hz(w->ring.rig.dp) * share;
        slowest = seconds > slowest ? seconds : slowest;
    }
    bench_record(w->name, "requests/s", w->fill * w->n / slowest);
    if (unfit(w))
        bench_unfit(w->name, unfit(w));
}

static void fill_and_run(struct workers *w)
{
    memset(w->arrived, 1, w->span);
    if (fill(w) < w->fill * w->n) {
        fprintf(stderr, "bench: %s: the rings hold too little\n", w->name);
        exit(1);
    }
    run_all(w);
    check(w);
    w->first += w->span;
}

static void workers_once(void *state)
{
    struct workers *w = state;
    struct tnd_rig_options o = {
        .seed = 1, .workers = w->n, .waiting = bench_ring_beyond_cache(), .cold = true};
    int tries = 0;

    if (!bench_ring_open(&w->ring, &o))
        exit(1);
    w->first = w->counted = 0;
    fill_and_run(w);
    do
        fill_and_run(w);
    while (unfit(w) && ++tries < TRIES);
    report(w);
    bench_ring_close(&w->ring);
}

const struct bench bench_workers[] = {
    {"route.ring.1w", open_one, workers_once, close_workers},
    {"route.ring.2w", open_two, workers_once, close_workers},
    {"route.ring.2w.local", open_two_local, workers_once, close_workers},
    {0},
};
