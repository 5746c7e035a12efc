// The frame stage over a burst: which frames are messages for a listener of ours.
#include <string.h>

#include "dataplane/frame.h"
#include "dataplane/worker.h"

// A packet that never became a job ends here.
static void end(struct tnd_worker *w, enum tnd_verdict v, enum tnd_drop why)
{
    tnd_count(&w->engine->counters.verdict[v]);
    if (v == TND_VERDICT_DROP)
        tnd_count(&w->engine->counters.drop[why]);
}

uint16_t tnd_rx_listener(const struct tnd_policy *p, const struct tnd_addr *to)
{
    for (uint16_t i = 0; i < p->n_listeners; i++)
        if (tnd_addr_eq(&p->listeners[i].addr, to))
            return i;
    return TND_NO_LISTENER;
}

// First listener on the IP, whatever its port: for fragments and what has no readable port.
static uint16_t listener_of_ip(const struct tnd_policy *p, const struct tnd_addr *to)
{
    for (uint16_t i = 0; i < p->n_listeners; i++)
        if (tnd_addr_same_ip(&p->listeners[i].addr, to))
            return i;
    return TND_NO_LISTENER;
}

// The interface's MAC: the kernel's, which may change, once control has told of it.
static const uint8_t *own_mac(const struct tnd_worker *w, uint16_t interface)
{
    const uint8_t *mac = tnd_adjacency_own_mac(w->adjacency, interface);

    return mac ? mac : w->dp->ports[interface].mac;
}

// For us: to our MAC, not from it (af_packet shows what the host itself sends), and to a
// listener. The host's addresses are its own on every interface.
static uint16_t for_listener(const struct tnd_policy *policy, const uint8_t *mac,
                             const uint8_t *frame, const struct tnd_frame *f)
{
    bool by_ip = f->kind == TND_FRAME_FRAGMENT || (f->kind == TND_FRAME_BAD && f->dst.port == 0);
    uint16_t l = by_ip ? listener_of_ip(policy, &f->dst) : tnd_rx_listener(policy, &f->dst);

    if (l == TND_NO_LISTENER || memcmp(frame, mac, 6) != 0 || memcmp(frame + 6, mac, 6) == 0)
        return TND_NO_LISTENER;
    return l;
}

static struct tnd_job *make_job(struct tnd_packet *packet, struct rte_mbuf *m,
                                const struct tnd_frame *f, uint16_t listener, uint8_t owner)
{
    struct tnd_job *job = &packet->job;

    tnd_job_init(job, (const char *)f->data, f->len, &f->src, listener);
    job->packet = m;
    packet->to = f->dst;
    packet->owner = owner;
    return job;
}

// A fragment's buffer ends here in any case; when its datagram is whole, that goes on in a
// large buffer.
static struct tnd_job *reassemble(struct tnd_worker *w, const struct tnd_policy *policy,
                                  struct tnd_frame *f, struct tnd_packet *packet)
{
    struct tnd_frag_whole whole;
    uint32_t lost;

    tnd_count(&w->io.fragments_in);
    enum tnd_frag_result r = tnd_frag_put(w->frag, w->now_ms, f, &whole, &lost);
    for (; lost > 0; lost--)
        end(w, TND_VERDICT_DROP, TND_DROP_FRAGMENT);
    if (r == TND_FRAG_BAD)
        end(w, TND_VERDICT_DROP, TND_DROP_FRAGMENT);
    else if (r == TND_FRAG_TOO_LARGE)
        end(w, TND_VERDICT_DROP, TND_DROP_TOO_LARGE);
    if (r != TND_FRAG_WHOLE)
        return NULL;
    tnd_count(&w->io.reassembled);
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->big_pool);
    if (!m) {
        end(w, TND_VERDICT_DROP, TND_DROP_NO_BUFFER);
        return NULL;
    }
    uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)whole.len);
    memcpy(data, whole.data, whole.len);
    enum tnd_frame_kind kind = tnd_frame_reassembled(f, whole.proto, data, whole.len);
    uint16_t listener = tnd_rx_listener(policy, &f->dst);
    if (kind == TND_FRAME_DATAGRAM && listener != TND_NO_LISTENER)
        return make_job(packet, m, f, listener, (uint8_t)w->index);
    if (kind == TND_FRAME_BAD && listener != TND_NO_LISTENER)
        end(w, TND_VERDICT_DROP, f->drop);
    else
        end(w, TND_VERDICT_PUNT, TND_DROP_NONE);
    rte_pktmbuf_free(m);
    return NULL;
}

// The frame in one piece. Drivers that chain segments are rare, and their chains are short.
static struct rte_mbuf *flat(struct tnd_worker *w, struct rte_mbuf *m)
{
    tnd_count(&w->io.linearised);
    if (rte_pktmbuf_linearize(m) == 0)
        return m;
    struct rte_mbuf *big = m->pkt_len <= TND_BIG_ROOM ? rte_pktmbuf_alloc(w->big_pool) : NULL;
    if (big) {
        uint8_t *to = (uint8_t *)rte_pktmbuf_append(big, (uint16_t)m->pkt_len);
        const uint8_t *from = rte_pktmbuf_read(m, 0, m->pkt_len, to);
        if (from != to)
            memcpy(to, from, m->pkt_len);
        big->ol_flags = m->ol_flags;
        big->vlan_tci = m->vlan_tci;
        big->vlan_tci_outer = m->vlan_tci_outer;
    } else {
        end(w, TND_VERDICT_DROP, TND_DROP_NO_BUFFER);
    }
    rte_pktmbuf_free(m);
    return big;
}

// Whether a port has taken the tag of a VLAN off the frame; one that is still there, behind it or
// alone, is tnd_frame_parse's.
static bool stripped_vlan(const struct rte_mbuf *m)
{
    return ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && (m->vlan_tci & 0xfff)) ||
           ((m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) && (m->vlan_tci_outer & 0xfff));
}

// One frame. Returns: its job, with *keep = the buffer it lies in is still needed.
static struct tnd_job *one(struct tnd_worker *w, const struct tnd_policy *policy,
                           uint16_t interface, struct rte_mbuf *m, struct tnd_packet *packet,
                           bool *keep)
{
    struct tnd_frame f;
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    bool verify = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    enum tnd_frame_kind kind = tnd_frame_parse(frame, m->data_len, verify, &f);

    *keep = false;
    if (f.vlan || stripped_vlan(m)) {
        tnd_count(&w->io.vlan);
        kind = TND_FRAME_PUNT;
    }
    uint16_t listener = kind == TND_FRAME_PUNT
                            ? TND_NO_LISTENER
                            : for_listener(policy, own_mac(w, interface), frame, &f);
    if (listener == TND_NO_LISTENER) {
        end(w, TND_VERDICT_PUNT, TND_DROP_NONE);
        return NULL;
    }
    if (kind == TND_FRAME_BAD) {
        end(w, TND_VERDICT_DROP, f.drop);
        return NULL;
    }
    if (kind == TND_FRAME_FRAGMENT)
        return reassemble(w, policy, &f, packet);
    *keep = true;
    return make_job(packet, m, &f, listener,
                    m->pool == w->rx_pool || m->pool == w->big_pool ? (uint8_t)w->index
                                                                    : TND_NO_OWNER);
}

uint32_t tnd_rx_frames(struct tnd_worker *w, const struct tnd_received *burst,
                       struct tnd_job *jobs[])
{
    const struct tnd_policy *policy = tnd_worker_policy(w);
    struct rte_mbuf *unused[TND_BURST];
    uint32_t n_jobs = 0, n_unused = 0;
    uint64_t bytes = 0;
    bool keep;

    for (uint32_t i = 0; i < burst->n; i++) {
        struct rte_mbuf *m = burst->frames[i];
        bytes += m->pkt_len;
        if (m->nb_segs > 1 && !(m = flat(w, m)))
            continue;
        struct tnd_job *job = one(w, policy, burst->interface, m, &w->received[n_jobs], &keep);
        if (job)
            jobs[n_jobs++] = job;
        if (!keep)
            unused[n_unused++] = m;
    }
    rte_pktmbuf_free_bulk(unused, n_unused);
    tnd_add(&w->io.rx_packets, burst->n);
    tnd_add(&w->io.rx_bytes, bytes);
    return n_jobs;
}

void tnd_rx_expire(struct tnd_worker *w)
{
    for (uint32_t lost = tnd_frag_expire(w->frag, w->now_ms); lost > 0; lost--)
        end(w, TND_VERDICT_DROP, TND_DROP_FRAGMENT);
}
