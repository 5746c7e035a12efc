// A port inside the process: rings for wires, frames like any other. The demo's, the
// benchmark's and the tests' way in and out.
#include <string.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/eal.h"
#include "dataplane/frame.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"

#define BUFFERS    8191
#define POOL_CACHE 256
#define ROOM       (TND_TX_ROOM + RTE_PKTMBUF_HEADROOM)

static const uint8_t neighbour_mac[6] = {0x02, 0, 0, 0, 0xff, 0xfe};

static uint32_t ring_slots(const struct tnd_interface_config *cfg)
{
    return cfg->waiting ? cfg->waiting + 1 : TND_LOCAL_SIZE;
}

// Enough for what waits at every queue, and for what is on its way in and out.
static uint32_t buffers(const struct tnd_interface_config *cfg, uint16_t queues)
{
    return cfg->waiting ? rte_align32pow2(cfg->waiting * queues + BUFFERS) - 1 : BUFFERS;
}

uint64_t tnd_local_memory(const struct tnd_interface_config *cfg, uint16_t workers)
{
    uint16_t queues = cfg->rings ? cfg->rings : workers;
    uint64_t each = sizeof(struct rte_mbuf) + sizeof(struct tnd_handed) + ROOM + 256;

    return buffers(cfg, queues) * each + queues * (uint64_t)ring_slots(cfg) * 2 * sizeof(void *);
}

int tnd_local_open(struct tnd_port *p, uint16_t index, uint64_t serial, struct tnd_error *err)
{
    char name[32];

    p->local = true;
    snprintf(name, sizeof name, "lp%lu_%u", serial, index);
    // Without a cache a pool is a ring: first in, first out.
    p->pool = tnd_eal_pool(name, buffers(&p->cfg, p->queues), p->cfg.cold ? 0 : POOL_CACHE,
                           sizeof(struct tnd_handed), ROOM);
    if (!p->pool)
        return tnd_fail(err, TND_ENOMEM, "interfaces.%s: no memory for buffers", p->cfg.name);
    for (uint16_t q = 0; q < p->queues; q++) {
        snprintf(name, sizeof name, "li%lu_%u_%u", serial, index, q);
        p->in[q] = rte_ring_create(name, ring_slots(&p->cfg), SOCKET_ID_ANY,
                                   RING_F_SP_ENQ | RING_F_SC_DEQ);
        snprintf(name, sizeof name, "lo%lu_%u_%u", serial, index, q);
        p->out[q] = rte_ring_create(name, ring_slots(&p->cfg), SOCKET_ID_ANY,
                                    RING_F_SP_ENQ | RING_F_SC_DEQ);
        if (!p->in[q] || !p->out[q])
            return tnd_fail(err, TND_ENOMEM, "interfaces.%s: no memory for rings", p->cfg.name);
    }
    snprintf(name, sizeof name, "lo%lu_%u", serial, index);
    int id = rte_eth_from_rings(name, p->in, p->queues, p->out, p->queues, 0);
    if (id < 0)
        return tnd_fail(err, TND_EIO, "interfaces.%s: DPDK makes no port of rings", p->cfg.name);
    p->id = (uint16_t)id;
    p->open = true;
    p->up = true;
    return 0;
}

static void drain(struct rte_ring *r)
{
    struct rte_mbuf *m;

    while (r && rte_ring_sc_dequeue(r, (void **)&m) == 0)
        rte_pktmbuf_free(m);
    rte_ring_free(r);
}

void tnd_local_close(struct tnd_port *p)
{
    if (!p->local)
        return;
    rte_pktmbuf_free_bulk(p->shown, p->n_shown);
    p->n_shown = 0;
    for (uint16_t q = 0; q < p->queues; q++) {
        drain(p->in[q]);
        drain(p->out[q]);
        p->in[q] = p->out[q] = NULL;
    }
    rte_mempool_free(p->pool);
    p->pool = NULL;
    p->local = false;
}

static bool write_frame(const struct tnd_port *p, const struct tnd_datagram *d, struct rte_mbuf *m)
{
    struct tnd_emit e = {.src = d->src, .dst = d->dst};
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

    if (tnd_emit_overhead(&e) + d->len > rte_pktmbuf_tailroom(m))
        return false;
    memcpy(e.dst_mac, p->mac, 6);
    memcpy(e.src_mac, neighbour_mac, 6);
    memcpy(frame + tnd_emit_overhead(&e), d->data, d->len);
    m->data_len = (uint16_t)tnd_emit_whole(&e, frame, d->len);
    m->pkt_len = m->data_len;
    m->port = p->id;
    return true;
}

// At most a burst for one queue. Returns: how many went in.
static uint32_t offer_burst(struct tnd_port *p, const struct tnd_datagram d[], uint32_t n)
{
    struct rte_mbuf *m[TND_BURST];
    uint32_t written = 0, room = rte_ring_free_count(p->in[p->next_in]);

    n = n > TND_BURST ? TND_BURST : n;
    n = n > room ? room : n;
    if (n == 0 || rte_pktmbuf_alloc_bulk(p->pool, m, n) != 0)
        return 0;
    while (written < n && write_frame(p, &d[written], m[written]))
        written++;
    uint32_t in = rte_ring_sp_enqueue_burst(p->in[p->next_in], (void **)m, written, NULL);
    rte_pktmbuf_free_bulk(m + in, n - in);
    return in;
}

uint32_t tnd_dataplane_offer(struct tnd_dataplane *dp, uint16_t interface,
                             const struct tnd_datagram d[], uint32_t n)
{
    struct tnd_port *p = &dp->ports[interface];
    uint32_t done = 0;

    for (uint16_t tries = 0; done < n && tries < p->queues; tries++) {
        uint32_t in;
        do {
            in = offer_burst(p, d + done, n - done);
            done += in;
            if (in)
                tnd_worker_ring(dp->workers[p->next_in % dp->cfg.workers]);
            p->next_in = (uint16_t)((p->next_in + 1) % p->queues);
        } while (in && done < n);
    }
    return done;
}

static bool read_frame(const struct rte_mbuf *m, struct tnd_datagram *d)
{
    struct tnd_frame f;

    if (tnd_frame_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, true, &f) !=
        TND_FRAME_DATAGRAM)
        return false;
    *d = (struct tnd_datagram){
        .src = f.src, .dst = f.dst, .data = (const char *)f.data, .len = f.len};
    return true;
}

uint32_t tnd_dataplane_collect(struct tnd_dataplane *dp, uint16_t interface,
                               struct tnd_datagram d[], uint32_t max)
{
    struct tnd_port *p = &dp->ports[interface];
    uint32_t n = 0;

    rte_pktmbuf_free_bulk(p->shown, p->n_shown);
    p->n_shown = 0;
    max = max > TND_BURST ? TND_BURST : max;
    for (uint16_t i = 0; i < p->queues && p->n_shown < max; i++) {
        p->n_shown += rte_ring_sc_dequeue_burst(
            p->out[p->next_out], (void **)(p->shown + p->n_shown), max - p->n_shown, NULL);
        p->next_out = (uint16_t)((p->next_out + 1) % p->queues);
    }
    for (uint32_t i = 0; i < p->n_shown; i++)
        n += read_frame(p->shown[i], &d[n]);
    return n;
}

uint32_t tnd_dataplane_drain(struct tnd_dataplane *dp, uint16_t interface, uint16_t queue,
                             void (*take)(void *ctx, const struct tnd_datagram *d), void *ctx)
{
    struct rte_mbuf *m[TND_BURST];
    struct tnd_datagram d;
    uint32_t n = 0, got;

    do {
        got =
            rte_ring_sc_dequeue_burst(dp->ports[interface].out[queue], (void **)m, TND_BURST, NULL);
        for (uint32_t i = 0; i < got; i++)
            if (read_frame(m[i], &d)) {
                take(ctx, &d);
                n++;
            }
        rte_pktmbuf_free_bulk(m, got);
    } while (got == TND_BURST);
    return n;
}
