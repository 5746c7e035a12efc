// A worker and its stages: shared by the stages' files, seen by nobody else.
//
// Threads:  a worker's fields are its own thread's, except where marked. In threadless mode
//           the caller of tnd_dataplane_run is every worker.
// Lifetime: from tnd_dataplane_start to tnd_dataplane_free.
#pragma once

#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/dataplane.h"
#include "dataplane/frag.h"
#include "dataplane/port.h"
#include "dataplane/spsc.h"

#define TND_TX_ROOM     2048 // octets of a frame in an ordinary transmit buffer
#define TND_BIG_ROOM    (TND_FRAG_MAX + 128)
#define TND_TX_QUEUE    64   // frames a port collects before its burst
#define TND_TX_LISTS    4    // edit lists under way
#define TND_FETCH_LINES 7    // of the burst in hand, with each step of the one before
#define TND_FETCH_MAX   1024 // octets: all of an ordinary message
#define TND_INBOX_SIZE  1024 // packets from one other worker
#define TND_INBOX_QUOTA 8    // bursts from inboxes before the own queues have their turn

// A received message on its way. It lies with the worker, who uses the same few for every
// burst, so that they stay in its cache.
struct tnd_packet {
    struct tnd_addr to; // the listener's address: an index may change with a reload
    uint8_t owner;      // index of the worker whose pool it is from, or TND_NO_OWNER
    struct tnd_job job;
} __attribute__((aligned(64)));

// A message that another worker owns, in the private area of its buffer: what its frame said. It is
// parsed where it goes, and not before: an owner reads the octets anyway, and a parsed message is
// as many lines again, cold where they are written and another core's where they are read.
// Buffers of other makers (a source in the process) need as much.
struct tnd_handed {
    struct tnd_addr src, to;
    const char *data;
    uint32_t len;
    uint16_t listener;
    uint8_t owner; // as of tnd_packet
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct tnd_handed) == 64, "one cache line goes from core to core");

#define TND_NO_OWNER 0xff

// Frames as a queue gave them.
struct tnd_received {
    uint16_t n, interface;
    struct rte_mbuf *frames[TND_BURST];
};

// How far the memory has been asked for the frames of the burst in hand.
struct tnd_ahead {
    uint32_t next;        // frame
    const char *at, *end; // what is left of the one before it
};

struct tnd_tx_queue {
    uint32_t n;
    uint64_t bytes;
    struct rte_mbuf *frames[TND_TX_QUEUE];
    struct tnd_job *jobs[TND_TX_QUEUE]; // whose end each frame is when it cannot be sent
};

// Of the transmit pool, for the burst that is being written.
struct tnd_tx_buffers {
    uint32_t n;
    struct rte_mbuf *free[TND_BURST];
};

// The way of one job's output 0, found by the egress stage.
struct tnd_way {
    enum tnd_adjacency_result result;
    struct tnd_adjacency adjacency;
};

// Slot of the queue to control.
struct tnd_kernel_slot {
    struct tnd_addr src, dst, next_hop;
    uint16_t interface;
    uint8_t why;
    uint32_t len;
    char data[TND_SIP_MAX];
};

struct tnd_worker {
    struct tnd_dataplane *dp;
    uint16_t index;
    unsigned lcore;
    struct tnd_engine *engine;
    struct rte_mempool *rx_pool, *tx_pool, *big_pool;
    struct tnd_frag *frag;
    // Loaded once a loop, so that what a loop decides is decided on one version; the engine
    // reads `policy` through this copy.
    const struct tnd_policy *_Atomic policy;
    const struct tnd_adjacency_table *adjacency;
    uint64_t now_ms;
    uint64_t stamp;         // end of the last stage
    uint64_t staged;        // cycles of stages in this loop
    uint64_t begun, looped; // the first loop's beginning, the last one's end
    uint32_t next_inbox, idle_loops, naps, datagram_ids;
    bool rang;                                 // has something for control in this loop
    struct rte_ring *inbox[TND_WORKERS_MAX];   // from worker i to us: buffers, with a tnd_handed
    struct rte_ring *returns[TND_WORKERS_MAX]; // our buffers, back from worker i
    struct tnd_received bursts[2];             // one is in hand, not worked on yet, or empty
    uint32_t in_hand;                          // which
    struct tnd_ahead ahead;
    struct tnd_tx_queue tx[TND_INTERFACES_MAX];
    struct tnd_way way[TND_BURST];
    struct tnd_adjacency_cache ways;
    struct tnd_tx_buffers buffers;
    struct tnd_out out[TND_TX_LISTS];
    uint8_t scratch[TND_BIG_ROOM];
    struct tnd_packet received[TND_BURST];
    struct tnd_job due[TND_BURST]; // of parked requests

    // Between control and us.
    struct tnd_spsc wants;  // P: worker, C: control
    struct tnd_spsc kernel; // P: worker, C: control
    struct tnd_spsc wakes;  // P: control, C: worker

    _Alignas(64) _Atomic bool sleeping; // W: worker (and whoever wakes it)
    int doorbell;

    _Alignas(64) struct tnd_io_counters io; // W: worker, R: control
};

struct tnd_retired {
    void *p;
    void (*free_fn)(void *);
    uint64_t token;
};

struct tnd_dataplane {
    // Constant after start.
    struct tnd_dataplane_config cfg;
    struct tnd_port ports[TND_INTERFACES_MAX];
    struct tnd_worker *workers[TND_WORKERS_MAX];
    struct rte_rcu_qsbr *qsbr;
    uint64_t hz, tsc_per_ms, id_key;
    uint64_t serial; // makes the names of rings and pools unique in the process
    bool started;

    // W: control, R: workers
    _Alignas(64) const struct tnd_policy *_Atomic policy;
    struct tnd_adjacency_table *_Atomic adjacency;
    _Atomic bool stop;

    // W: workers, R: control
    _Alignas(64) _Atomic bool rung;
    int doorbell;

    // Control's own.
    _Alignas(64) void (*policy_free)(void *);
    struct tnd_retired *retired;
    uint32_t n_retired, cap_retired;
    struct tnd_name_digest *late; // wakes that found a queue full: given to all again
    uint32_t n_late, cap_late;
    uint16_t next_want, next_packet;
    struct tnd_worker *shown; // whose kernel slot take_packet showed last
};

static inline const struct tnd_policy *tnd_worker_policy(const struct tnd_worker *w)
{
    return atomic_load_explicit(&w->policy, memory_order_relaxed); // our own store
}

// Requires: the job is of a received message: job->packet is set.
static inline struct tnd_packet *tnd_packet_of(struct tnd_job *job)
{
    return (struct tnd_packet *)(void *)((char *)job - offsetof(struct tnd_packet, job));
}

static inline void tnd_add(uint64_t *c, uint64_t n)
{
    __atomic_store_n(c, __atomic_load_n(c, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

// The time since the last stamp was this stage's.
static inline void tnd_stage_end(struct tnd_worker *w, enum tnd_stage stage)
{
    uint64_t now = rte_rdtsc();

    tnd_add(&w->io.cycles[stage], now - w->stamp);
    w->staged += now - w->stamp;
    w->stamp = now;
}

// rx.c: frames of a burst become jobs; the rest ends here. Returns: how many jobs.
uint32_t tnd_rx_frames(struct tnd_worker *w, const struct tnd_received *burst,
                       struct tnd_job *jobs[]);
uint16_t tnd_rx_listener(const struct tnd_policy *p, const struct tnd_addr *to);
void tnd_rx_expire(struct tnd_worker *w);

// Ask the memory for the next lines of the burst in hand, its buffers' headers being here. A core
// has some 16 lines on their way at a time, which its own work needs, too: so a few are asked for
// with each message of the burst before, where there is much to do with what is near.
static inline void tnd_rx_fetch(struct tnd_worker *w, uint32_t lines)
{
    const struct tnd_received *burst = &w->bursts[w->in_hand];
    const char *at = w->ahead.at, *end = w->ahead.end;

    for (; lines > 0; lines--, at += 64) {
        if (at >= end) {
            if (w->ahead.next >= burst->n)
                break;
            const struct rte_mbuf *m = burst->frames[w->ahead.next++];
            at = rte_pktmbuf_mtod(m, const char *);
            end = at + (m->data_len < TND_FETCH_MAX ? m->data_len : TND_FETCH_MAX);
        }
        __builtin_prefetch(at);
    }
    w->ahead.at = at;
    w->ahead.end = end;
}

// steer.c: hand over what others own; keeps ours at the front. Returns: how many are ours.
// First by a look before the parse, then by the call key, which is right.
uint32_t tnd_steer_early(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n);
uint32_t tnd_steer(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n);
uint32_t tnd_steer_take(struct tnd_worker *w, struct tnd_job *jobs[]); // from the inboxes
// Ask the memory for the octets of a job that was taken: they are in another core's cache.
void tnd_steer_fetch(const struct tnd_job *job);
// Count those of jobs that are not ours.
void tnd_steer_check(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n);
bool tnd_steer_waiting(const struct tnd_worker *w); // anything to take?
void tnd_steer_free(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n);
void tnd_steer_reclaim(struct tnd_worker *w); // our buffers that others gave back

// egress.c: the way to each destination, and the listener it leaves by.
void tnd_egress(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n);

// tx.c: write the outputs as frames, and send them.
void tnd_tx_outputs(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n);
void tnd_tx_flush(struct tnd_worker *w);

// worker.c
uint32_t tnd_worker_poll(struct tnd_worker *w); // one loop. Returns: what it handled
void tnd_worker_finish(struct tnd_worker *w);   // no loop follows: end what is in hand
int tnd_worker_main(void *worker);

// idle.c
void tnd_worker_sleep(struct tnd_worker *w);
void tnd_worker_ring(struct tnd_worker *w);         // wake it if it sleeps; from any thread
void tnd_worker_ring_control(struct tnd_worker *w); // control has something to take
