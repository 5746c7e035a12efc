// Sending: each output is written once, as a frame, into a buffer of the worker's own.
#include <string.h>

#include <rte_ethdev.h>

#include "dataplane/emit.h"
#include "dataplane/worker.h"

static void flush_port(struct tnd_worker *w, uint16_t interface)
{
    struct tnd_tx_queue *q = &w->tx[interface];

    if (q->n == 0)
        return;
    uint32_t sent =
        rte_eth_tx_burst(w->dp->ports[interface].id, w->index, q->frames, (uint16_t)q->n);
    for (uint32_t i = sent; i < q->n; i++) {
        q->bytes -= q->frames[i]->pkt_len;
        if (q->jobs[i]->verdict != TND_VERDICT_DROP)
            tnd_job_drop(w->engine, q->jobs[i], TND_DROP_TX_FULL);
    }
    rte_pktmbuf_free_bulk(q->frames + sent, q->n - sent);
    tnd_add(&w->io.tx_packets, sent);
    tnd_add(&w->io.tx_bytes, q->bytes);
    q->n = 0;
    q->bytes = 0;
}

void tnd_tx_flush(struct tnd_worker *w)
{
    for (uint16_t i = 0; i < w->dp->cfg.n_interfaces; i++)
        flush_port(w, i);
}

// One for each output of a burst, at once; where so many are not left, each is asked for when its
// turn comes.
static void take_buffers(struct tnd_worker *w, uint32_t n)
{
    struct tnd_tx_buffers *b = &w->buffers;

    b->n = n > 0 && rte_pktmbuf_alloc_bulk(w->tx_pool, b->free, n) == 0 ? n : 0;
    for (uint32_t i = 0; i < b->n; i++)
        __builtin_prefetch(rte_pktmbuf_mtod(b->free[i], void *), 1);
}

static void give_buffers_back(struct tnd_worker *w)
{
    struct tnd_tx_buffers *b = &w->buffers;

    rte_pktmbuf_free_bulk(b->free, b->n);
    b->n = 0;
}

static inline struct rte_mbuf *new_frame(struct tnd_worker *w, struct tnd_job *job, uint32_t len)
{
    struct tnd_tx_buffers *b = &w->buffers;

    if (len <= TND_TX_ROOM && b->n > 0)
        return b->free[--b->n];
    struct rte_mbuf *m = rte_pktmbuf_alloc(len <= TND_TX_ROOM ? w->tx_pool : w->big_pool);
    if (!m)
        tnd_job_drop(w->engine, job, TND_DROP_NO_BUFFER);
    return m;
}

static void queue(struct tnd_worker *w, uint16_t interface, struct tnd_job *job, struct rte_mbuf *m,
                  uint32_t len)
{
    struct tnd_tx_queue *q = &w->tx[interface];

    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    if (q->n == TND_TX_QUEUE)
        flush_port(w, interface);
    uint32_t i = q->n++;
    q->jobs[i] = job;
    q->frames[i] = m;
    q->bytes += len;
}

static void send_whole(struct tnd_worker *w, struct tnd_job *job, const struct tnd_out *out,
                       const struct tnd_emit *e, uint16_t interface)
{
    uint32_t before = tnd_emit_overhead(e), len = out->edit.out_len;
    struct rte_mbuf *m = new_frame(w, job, before + len);

    if (!m)
        return;
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
    uint64_t sum = 0;
    tnd_edit_write_sum(&out->edit, (char *)frame + before, &sum);
    queue(w, interface, job, m, tnd_emit_summed(e, frame, len, sum));
}

// RFC 3261 s18.1.1 wants TCP for what is above the MTU, but peers that are UDP only exist.
static void send_fragments(struct tnd_worker *w, struct tnd_job *job, const struct tnd_out *out,
                           const struct tnd_emit *e, const struct tnd_adjacency *a)
{
    uint32_t len = out->edit.out_len, mtu = a->mtu, n;
    uint32_t number = w->datagram_ids++ * w->dp->cfg.workers + w->index;
    uint32_t id = tnd_emit_id(w->dp->id_key, number, e->dst.family == 4 ? 16 : 32);

    if (mtu > TND_FRAG_MAX)
        mtu = TND_FRAG_MAX;
    tnd_edit_write(&out->edit, (char *)w->scratch + 8);
    tnd_emit_udp(e, w->scratch, len);
    for (uint32_t k = 0;; k++) {
        struct rte_mbuf *m = new_frame(w, job, TND_EMIT_HEADERS_MAX + mtu);
        if (!m)
            return;
        n = tnd_emit_fragment(e, w->scratch, 8 + len, mtu, id, k, rte_pktmbuf_mtod(m, uint8_t *));
        if (n == 0) {
            rte_pktmbuf_free(m);
            return;
        }
        tnd_count(&w->io.fragments_out);
        queue(w, a->interface, job, m, n);
    }
}

// The kernel resolves, queues and sends what has no neighbour yet, and reaches what our
// interfaces do not.
static void to_kernel(struct tnd_worker *w, struct tnd_job *job, const struct tnd_out *out,
                      const struct tnd_addr *src, const struct tnd_way *way)
{
    struct tnd_kernel_slot *s = tnd_spsc_claim(&w->kernel);

    if (!s) {
        tnd_count(&w->io.kernel_full);
        tnd_job_drop(w->engine, job, TND_DROP_NO_ADJACENCY);
        return;
    }
    s->src = *src;
    s->dst = out->dst;
    s->next_hop = way->adjacency.next_hop;
    s->interface = way->adjacency.interface;
    s->why = (uint8_t)way->result;
    s->len = (uint32_t)tnd_edit_write(&out->edit, s->data);
    tnd_spsc_commit(&w->kernel);
    tnd_count(&w->io.to_kernel);
    tnd_worker_ring_control(w);
}

// A packet to the same address may still wait for the kernel, given to it before the neighbour was
// known: what follows must not overtake it (a 200 its 180, a BYE its ACK).
static bool kernel_has_earlier(const struct tnd_worker *w, const struct tnd_addr *dst)
{
    const struct tnd_spsc *q = &w->kernel;
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    // Pairs with release in tnd_spsc_pop, which follows the sending.
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);

    for (; tail != head; tail++) {
        const struct tnd_kernel_slot *s =
            (const void *)(q->slots + (size_t)(tail & q->mask) * q->slot_size);
        if (tnd_addr_same_ip(&s->dst, dst))
            return true;
    }
    return false;
}

static void send_output(struct tnd_worker *w, struct tnd_job *job, const struct tnd_out *out,
                        const struct tnd_way *way)
{
    const struct tnd_policy *policy = w->engine->policy;
    const struct tnd_adjacency *a = &way->adjacency;

    if (out->edit.overflow || out->edit.out_len == 0 || out->edit.out_len > TND_SIP_MAX) {
        tnd_job_drop(w->engine, job, TND_DROP_REWRITE);
        return;
    }
    if (out->listener >= policy->n_listeners ||
        policy->listeners[out->listener].addr.family != out->dst.family) {
        tnd_job_drop(w->engine, job, TND_DROP_NO_LISTENER);
        return;
    }
    const struct tnd_listener *l = &policy->listeners[out->listener];
    if (way->result == TND_ADJACENCY_NO_ROUTE ||
        (way->result == TND_ADJACENCY_FOUND && a->interface >= w->dp->cfg.n_interfaces)) {
        tnd_job_drop(w->engine, job, TND_DROP_NO_ADJACENCY);
        return;
    }
    if (way->result != TND_ADJACENCY_FOUND || kernel_has_earlier(w, &out->dst)) {
        to_kernel(w, job, out, &l->addr, way);
        return;
    }
    struct tnd_emit e = {.dscp = l->dscp, .src = l->addr, .dst = out->dst};
    memcpy(&e, a, 12); // both MACs, in one piece: they are read in one
    if (tnd_emit_packet_len(&e, out->edit.out_len) <= a->mtu)
        send_whole(w, job, out, &e, a->interface);
    else
        send_fragments(w, job, out, &e, a);
}

static bool is_sent(const struct tnd_job *job)
{
    return job->verdict == TND_VERDICT_FORWARD || job->verdict == TND_VERDICT_ANSWER;
}

// Output k > 0: it, and an answer in a job's place, may go elsewhere than the job itself.
static void send_other(struct tnd_worker *w, struct tnd_job *job, const struct tnd_out *out)
{
    struct tnd_way way;

    way.result = tnd_adjacency_find(w->adjacency, &out->dst, &way.adjacency);
    send_output(w, job, out, &way);
}

static void send_outputs(struct tnd_worker *w, struct tnd_job *job, struct tnd_out *out,
                         const struct tnd_way *way)
{
    send_output(w, job, out, way);
    for (uint32_t k = 1; k < job->n_out && is_sent(job); k++)
        if (tnd_stage_rewrite(w->engine, w->now_ms, job, k, out))
            send_other(w, job, out);
}

// An edit list is copied when those of some other messages have been made behind it: what it
// consists of has left the store buffer by then, and the few lists stay in the nearest cache.
void tnd_tx_outputs(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n)
{
    uint8_t going[TND_BURST], made[TND_BURST];
    uint32_t n_going = 0, n_made = 0, sent = 0;

    for (uint32_t i = 0; i < n; i++)
        if (is_sent(jobs[i]) && jobs[i]->n_out > 0)
            going[n_going++] = (uint8_t)i;
    take_buffers(w, n_going);
    for (uint32_t i = 0; i < n_going; i++) {
        tnd_rx_fetch(w, TND_FETCH_LINES);
        if (n_made - sent == TND_TX_LISTS) {
            send_outputs(w, jobs[made[sent]], &w->out[sent % TND_TX_LISTS], &w->way[made[sent]]);
            sent++;
        }
        if (tnd_stage_rewrite(w->engine, w->now_ms, jobs[going[i]], 0,
                              &w->out[n_made % TND_TX_LISTS]))
            made[n_made++] = going[i];
    }
    for (; sent < n_made; sent++)
        send_outputs(w, jobs[made[sent]], &w->out[sent % TND_TX_LISTS], &w->way[made[sent]]);
    give_buffers_back(w);
}
