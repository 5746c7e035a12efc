// Steering: each call has one owner among the workers, so nothing about a call needs a lock.
//
// A message that another worker owns goes to its inbox as its frame was read, to be parsed there.
// Most are known by a look at their Call-ID before anything was parsed; the parse and the call
// key show the rest, which is then parsed again. Its buffer comes back to the pool's owner in
// bulk: a buffer freed by a foreign core costs ten times a local one.
#include <rte_ring.h>

#include "dataplane/worker.h"

// The owner's inbox is full: the packets end here, counted by trunk where it is known.
static void drop(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_policy *policy = tnd_worker_policy(w);

    for (uint32_t i = 0; i < n; i++) {
        jobs[i]->trunk = tnd_policy_source(policy, &jobs[i]->src);
        tnd_job_drop(w->engine, jobs[i], TND_DROP_INBOX_FULL);
        tnd_job_count(w->engine, jobs[i]);
    }
    tnd_steer_free(w, jobs, n);
}

static void write_handed(struct tnd_job *job)
{
    const struct tnd_packet *packet = tnd_packet_of(job);
    struct tnd_handed *h = rte_mbuf_to_priv(job->packet);

    h->src = job->src;
    h->to = packet->to;
    h->data = job->data;
    h->len = job->len;
    h->listener = job->listener;
    h->owner = packet->owner;
}

static void give(struct tnd_worker *w, uint32_t owner, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_worker *to = w->dp->workers[owner];
    void *m[TND_BURST];

    for (uint32_t i = 0; i < n; i++) {
        write_handed(jobs[i]);
        m[i] = jobs[i]->packet;
    }
    uint32_t in = rte_ring_sp_enqueue_burst(to->inbox[w->index], m, n, NULL);

    tnd_add(&w->io.given, in);
    if (in > 0)
        tnd_worker_ring(to);
    if (in < n)
        drop(w, jobs + in, n - in);
}

// Give what has another owner than us, group by group. Returns: how many are left, at the front.
static uint32_t give_all(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n, uint32_t owner[])
{
    struct tnd_job *rest[TND_BURST], *group[TND_BURST];
    uint32_t mine = 0, left = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (owner[i] == w->index) {
            jobs[mine++] = jobs[i];
        } else {
            __builtin_prefetch(rte_mbuf_to_priv(jobs[i]->packet), 1); // of a buffer that waited
            owner[left] = owner[i];
            rest[left++] = jobs[i];
        }
    }
    while (left > 0) {
        uint32_t n_group = 0, kept = 0, o = owner[0];
        for (uint32_t i = 0; i < left; i++) {
            if (owner[i] == o) {
                group[n_group++] = rest[i];
            } else {
                owner[kept] = owner[i];
                rest[kept++] = rest[i];
            }
        }
        give(w, o, group, n_group);
        left = kept;
    }
    return mine;
}

uint32_t tnd_steer_early(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n)
{
    uint32_t workers = w->dp->cfg.workers, owner[TND_BURST];

    if (workers == 1)
        return n;
    tnd_job_guess_owners(w->engine, jobs, n, workers, owner);
    for (uint32_t i = 0; i < n; i++)
        if (owner[i] == TND_NO_GUESS)
            owner[i] = w->index;
    return give_all(w, jobs, n, owner);
}

uint32_t tnd_steer(struct tnd_worker *w, struct tnd_job *jobs[], uint32_t n)
{
    uint32_t workers = w->dp->cfg.workers, owner[TND_BURST];

    if (workers == 1)
        return n;
    for (uint32_t i = 0; i < n; i++) {
        bool ended = jobs[i]->verdict != TND_VERDICT_NONE; // its end has no owner
        owner[i] = ended ? w->index : tnd_job_owner(jobs[i], workers);
    }
    return give_all(w, jobs, n, owner);
}

// What came by an inbox was framed under a policy that may have been replaced since.
static bool still_for_us(const struct tnd_policy *policy, struct tnd_job *job)
{
    const struct tnd_addr *to = &tnd_packet_of(job)->to;

    if (job->listener < policy->n_listeners &&
        tnd_addr_eq(&policy->listeners[job->listener].addr, to))
        return true;
    job->listener = tnd_rx_listener(policy, to);
    return job->listener != TND_NO_LISTENER;
}

void tnd_steer_check(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (jobs[i]->verdict == TND_VERDICT_NONE &&
            tnd_job_owner(jobs[i], w->dp->cfg.workers) != w->index)
            tnd_count(&w->io.foreign);
}

static struct tnd_job *make_job(struct tnd_packet *packet, struct rte_mbuf *m)
{
    const struct tnd_handed *h = rte_mbuf_to_priv(m);
    struct tnd_job *job = &packet->job;

    tnd_job_init(job, h->data, h->len, &h->src, h->listener);
    job->packet = m;
    packet->to = h->to;
    packet->owner = h->owner;
    return job;
}

void tnd_steer_fetch(const struct tnd_job *job)
{
    uint32_t len = job->len < TND_FETCH_MAX ? job->len : TND_FETCH_MAX;

    for (uint32_t at = 0; at < len; at += 64)
        __builtin_prefetch(job->data + at);
}

static uint32_t next_burst(struct tnd_worker *w, struct rte_mbuf *m[])
{
    uint32_t workers = w->dp->cfg.workers, n = 0;

    for (uint32_t i = 0; i < workers && n == 0; i++) {
        uint32_t from = w->next_inbox;
        w->next_inbox = from + 1 < workers ? from + 1 : 0;
        if (w->inbox[from])
            n = rte_ring_sc_dequeue_burst(w->inbox[from], (void **)m, TND_BURST, NULL);
    }
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(rte_mbuf_to_priv(m[i]));
    return n;
}

uint32_t tnd_steer_take(struct tnd_worker *w, struct tnd_job *jobs[])
{
    const struct tnd_policy *policy = tnd_worker_policy(w);
    struct rte_mbuf *m[TND_BURST];
    uint32_t n = next_burst(w, m), kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct tnd_job *job = make_job(&w->received[kept], m[i]);
        if (still_for_us(policy, job)) {
            jobs[kept++] = job;
        } else {
            tnd_count(&w->engine->counters.verdict[TND_VERDICT_PUNT]);
            tnd_steer_free(w, &job, 1);
        }
    }
    tnd_add(&w->io.taken, n);
    return kept;
}

bool tnd_steer_waiting(const struct tnd_worker *w)
{
    for (uint32_t i = 0; i < w->dp->cfg.workers; i++)
        if (w->inbox[i] && !rte_ring_empty(w->inbox[i]))
            return true;
    return false;
}

// As rte_pktmbuf_free_bulk, which looks at the link in each buffer's second line, where nobody else
// has been. What is one segment, whole and ours alone has none to look at.
static void free_all(struct rte_mbuf *m[], uint32_t n)
{
    uint32_t run = 0; // of one pool, before i

    for (uint32_t i = 0; i < n; i++) {
        if (rte_mbuf_refcnt_read(m[i]) != 1 || m[i]->nb_segs != 1 || !RTE_MBUF_DIRECT(m[i])) {
            rte_pktmbuf_free(m[i]);
            continue;
        }
        if (run > 0 && m[run - 1]->pool != m[i]->pool) {
            rte_mempool_put_bulk(m[run - 1]->pool, (void **)m, run);
            run = 0;
        }
        m[run++] = m[i];
    }
    if (run > 0)
        rte_mempool_put_bulk(m[run - 1]->pool, (void **)m, run);
}

void tnd_steer_free(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n)
{
    struct rte_mbuf *own[TND_BURST], *back[TND_BURST];
    uint32_t n_own = 0;
    uint8_t owner[TND_BURST];
    uint32_t n_back = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct rte_mbuf *m = jobs[i]->packet;
        if (!m)
            continue;
        uint8_t o = tnd_packet_of(jobs[i])->owner;
        if (o == TND_NO_OWNER || o == w->index) {
            own[n_own++] = m;
        } else {
            owner[n_back] = o;
            back[n_back++] = m;
        }
    }
    free_all(own, n_own);
    while (n_back > 0) {
        struct rte_mbuf *group[TND_BURST];
        uint32_t n_group = 0, kept = 0;
        uint8_t o = owner[0];
        for (uint32_t i = 0; i < n_back; i++) {
            if (owner[i] == o) {
                group[n_group++] = back[i];
            } else {
                owner[kept] = owner[i];
                back[kept++] = back[i];
            }
        }
        uint32_t in = rte_ring_sp_enqueue_burst(w->dp->workers[o]->returns[w->index],
                                                (void **)group, n_group, NULL);
        rte_pktmbuf_free_bulk(group + in, n_group - in);
        n_back = kept;
    }
}

void tnd_steer_reclaim(struct tnd_worker *w)
{
    struct rte_mbuf *m[TND_BURST];
    uint32_t n;

    for (uint32_t i = 0; i < w->dp->cfg.workers; i++) {
        if (!w->returns[i])
            continue;
        while ((n = rte_ring_sc_dequeue_burst(w->returns[i], (void **)m, TND_BURST, NULL)) > 0)
            free_all(m, n);
    }
}
