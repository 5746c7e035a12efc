#include "dataplane/dataplane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/eal.h"
#include "dataplane/worker.h"

#define TX_BUFFERS   4095
#define BIG_BUFFERS  127
#define RX_BUFFERS   1024 // and as many for each other worker's inbox
#define RX_ROOM      (TND_RX_FRAME_MAX - 32 + RTE_PKTMBUF_HEADROOM)
#define POOL_CACHE   128
#define TX_CACHE     512 // a loop's frames: what was sent last is in the core's cache, and goes first
#define FRAG_ENTRIES 64
#define WANTS        256
#define KERNEL_SLOTS 64
#define WAKES        4096
#define OVERHEAD     256 // octets around a buffer: headers, padding

static bool receives(const struct tnd_dataplane_config *cfg)
{
    for (uint16_t i = 0; i < cfg->n_interfaces; i++)
        if (cfg->interfaces[i].device || cfg->interfaces[i].vdev)
            return true;
    return false;
}

// Frames of the ring for each worker, as many again for each that may hold them.
static uint32_t rx_buffers(const struct tnd_dataplane_config *cfg)
{
    return receives(cfg) ? RX_BUFFERS * (cfg->workers + 1u) - 1 : 0;
}

static uint64_t memory_of(const struct tnd_dataplane_config *cfg)
{
    uint64_t rx = rx_buffers(cfg) * (uint64_t)(RX_ROOM + sizeof(struct tnd_handed) + OVERHEAD);
    uint64_t tx = TX_BUFFERS * (uint64_t)(TND_TX_ROOM + RTE_PKTMBUF_HEADROOM + OVERHEAD);
    uint64_t big = BIG_BUFFERS * (uint64_t)(TND_BIG_ROOM + RTE_PKTMBUF_HEADROOM +
                                            sizeof(struct tnd_handed) + OVERHEAD);
    uint64_t inboxes = (uint64_t)cfg->workers * (TND_INBOX_SIZE + RX_BUFFERS * 2ull) * 16;
    uint64_t all = cfg->workers * (rx + tx + big + inboxes);

    for (uint16_t i = 0; i < cfg->n_interfaces; i++)
        if (!cfg->interfaces[i].device && !cfg->interfaces[i].vdev)
            all += tnd_local_memory(&cfg->interfaces[i], cfg->workers);
    return all + all / 16;
}

static struct rte_mempool *pool(struct tnd_worker *w, const char *what, uint32_t n, uint32_t cache,
                                size_t priv, uint32_t room)
{
    char name[RTE_MEMPOOL_NAMESIZE];

    snprintf(name, sizeof name, "%s%lu_%u", what, w->dp->serial, w->index);
    return tnd_eal_pool(name, n, n > 4 * cache ? cache : n / 4, priv, room + RTE_PKTMBUF_HEADROOM);
}

static bool make_rings(struct tnd_worker *w)
{
    char name[RTE_RING_NAMESIZE];
    unsigned flags = RING_F_SP_ENQ | RING_F_SC_DEQ;
    uint32_t back = rte_align32pow2(rx_buffers(&w->dp->cfg) + BIG_BUFFERS + 1);

    for (uint16_t i = 0; i < w->dp->cfg.workers; i++) {
        if (i == w->index)
            continue;
        snprintf(name, sizeof name, "in%lu_%u_%u", w->dp->serial, i, w->index);
        w->inbox[i] = rte_ring_create(name, TND_INBOX_SIZE, SOCKET_ID_ANY, flags);
        snprintf(name, sizeof name, "bk%lu_%u_%u", w->dp->serial, i, w->index);
        // Room for every buffer that can be away: giving back never fails.
        w->returns[i] = rte_ring_create(name, back, SOCKET_ID_ANY, flags);
        if (!w->inbox[i] || !w->returns[i])
            return false;
    }
    return true;
}

static bool make_worker(struct tnd_dataplane *dp, uint16_t i)
{
    struct tnd_worker *w = aligned_alloc(64, (sizeof *w + 63) & ~63ul);
    uint32_t rx = rx_buffers(&dp->cfg);

    dp->workers[i] = w;
    if (!w)
        return false;
    memset(w, 0, sizeof *w);
    w->dp = dp;
    w->index = i;
    w->lcore = i + 1u;
    w->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (rx > 0)
        w->rx_pool = pool(w, "rx", rx, POOL_CACHE, sizeof(struct tnd_handed),
                          RX_ROOM - RTE_PKTMBUF_HEADROOM);
    w->tx_pool = pool(w, "tx", TX_BUFFERS, TX_CACHE, 0, TND_TX_ROOM);
    w->big_pool = pool(w, "big", BIG_BUFFERS, POOL_CACHE, sizeof(struct tnd_handed), TND_BIG_ROOM);
    w->frag = tnd_frag_new(FRAG_ENTRIES);
    return w->doorbell >= 0 && (w->rx_pool || rx == 0) && w->tx_pool && w->big_pool && w->frag &&
           make_rings(w) && tnd_spsc_init(&w->wants, WANTS, sizeof(struct tnd_want)) &&
           tnd_spsc_init(&w->kernel, KERNEL_SLOTS, sizeof(struct tnd_kernel_slot)) &&
           tnd_spsc_init(&w->wakes, WAKES, sizeof(struct tnd_name_digest));
}

static int make_qsbr(struct tnd_dataplane *dp)
{
    size_t size = rte_rcu_qsbr_get_memsize(dp->cfg.workers);

    dp->qsbr = aligned_alloc(64, (size + 63) & ~63ul);
    if (!dp->qsbr || rte_rcu_qsbr_init(dp->qsbr, dp->cfg.workers) != 0)
        return -TND_ENOMEM;
    for (uint16_t i = 0; i < dp->cfg.workers; i++)
        rte_rcu_qsbr_thread_register(dp->qsbr, i);
    return 0;
}

static int make_ports(struct tnd_dataplane *dp, struct tnd_error *err)
{
    struct rte_mempool *rx_pools[TND_WORKERS_MAX];
    int r;

    for (uint16_t i = 0; i < dp->cfg.workers; i++)
        rx_pools[i] = dp->workers[i]->rx_pool ? dp->workers[i]->rx_pool : dp->workers[i]->big_pool;
    for (uint16_t i = 0; i < dp->cfg.n_interfaces; i++) {
        r = tnd_port_open(&dp->ports[i], &dp->cfg.interfaces[i], i, dp->cfg.n_interfaces,
                          dp->cfg.workers, dp->serial, err);
        if (r == 0)
            r = tnd_port_start(&dp->ports[i], rx_pools, dp->cfg.workers, err);
        if (r != 0)
            return r;
    }
    return 0;
}

static int check_config(const struct tnd_dataplane_config *cfg, struct tnd_error *err)
{
    if (cfg->workers == 0 || cfg->workers > TND_WORKERS_MAX)
        return tnd_fail(err, TND_EINVAL, "workers: %u: 1 to %u", cfg->workers, TND_WORKERS_MAX);
    if (cfg->n_interfaces == 0 || cfg->n_interfaces > TND_INTERFACES_MAX)
        return tnd_fail(err, TND_EINVAL, "interfaces: %u of them: 1 to %u", cfg->n_interfaces,
                        TND_INTERFACES_MAX);
    return 0;
}

struct tnd_dataplane *tnd_dataplane_new(const struct tnd_dataplane_config *cfg,
                                        struct tnd_error *err)
{
    static uint64_t serial;
    struct tnd_eal_need need = {.workers = cfg->threadless ? 0 : cfg->workers,
                                .memory = memory_of(cfg)};
    struct tnd_dataplane *dp;

    if (check_config(cfg, err) != 0 || tnd_eal_start(&need, err) != 0)
        return NULL;
    dp = aligned_alloc(64, (sizeof *dp + 63) & ~63ul);
    if (!dp) {
        tnd_fail(err, TND_ENOMEM, "no memory");
        return NULL;
    }
    memset(dp, 0, sizeof *dp);
    dp->cfg = *cfg;
    dp->serial = serial++;
    dp->hz = rte_get_tsc_hz();
    dp->tsc_per_ms = dp->hz / 1000;
    dp->id_key = cfg->engine.keys->digest.k0 ^ rte_rdtsc();
    dp->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bool made = dp->doorbell >= 0 && make_qsbr(dp) == 0;
    for (uint16_t i = 0; made && i < cfg->workers; i++)
        made = make_worker(dp, i);
    if (made && make_ports(dp, err) == 0) {
        // The caller's texts are not ours to keep: errors have been told.
        dp->cfg.interfaces = NULL;
        for (uint16_t i = 0; i < cfg->n_interfaces; i++)
            dp->ports[i].cfg.name = dp->ports[i].cfg.device = dp->ports[i].cfg.vdev = NULL;
        return dp;
    }
    if (!made)
        tnd_fail(err, TND_ENOMEM, "DPDK: no memory for packet buffers: %lu MB are needed",
                 (unsigned long)(need.memory >> 20));
    tnd_dataplane_free(dp);
    return NULL;
}

int tnd_dataplane_start(struct tnd_dataplane *dp, const struct tnd_table *table,
                        struct tnd_error *err)
{
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        struct tnd_worker *w = dp->workers[i];
        struct tnd_engine_config cfg = dp->cfg.engine;
        cfg.policy = &w->policy;
        cfg.table = table;
        cfg.seed += i;
        w->engine = tnd_engine_new(&cfg);
        if (!w->engine)
            return tnd_fail(err, TND_ENOMEM,
                            "limits.transactions: no memory for %u entries in each of %u workers; "
                            "lower it",
                            cfg.transactions, dp->cfg.workers);
    }
    dp->started = true;
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        if (dp->cfg.threadless)
            rte_rcu_qsbr_thread_online(dp->qsbr, i);
        else
            rte_eal_remote_launch(tnd_worker_main, dp->workers[i], dp->workers[i]->lcore);
    }
    return 0;
}

void tnd_dataplane_stop(struct tnd_dataplane *dp)
{
    if (!dp || !dp->started)
        return;
    dp->started = false;
    atomic_store(&dp->stop, true);
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        if (dp->cfg.threadless) {
            tnd_worker_finish(dp->workers[i]);
            rte_rcu_qsbr_thread_offline(dp->qsbr, i);
            continue;
        }
        tnd_worker_ring(dp->workers[i]);
        rte_eal_wait_lcore(dp->workers[i]->lcore);
    }
    for (uint16_t i = 0; i < dp->cfg.n_interfaces; i++)
        if (!dp->ports[i].local) // what is in its rings may still be collected
            tnd_port_close(&dp->ports[i]);
}

static void drain(struct rte_ring *r)
{
    void *m;

    while (r && rte_ring_sc_dequeue(r, &m) == 0)
        rte_pktmbuf_free(m);
    rte_ring_free(r);
}

static void free_rings(struct tnd_worker *w)
{
    for (uint16_t i = 0; w && i < TND_WORKERS_MAX; i++) {
        drain(w->inbox[i]);
        drain(w->returns[i]);
    }
}

static void free_worker(struct tnd_worker *w)
{
    if (!w)
        return;
    tnd_engine_free(w->engine);
    tnd_frag_free(w->frag);
    tnd_spsc_fini(&w->wants);
    tnd_spsc_fini(&w->kernel);
    tnd_spsc_fini(&w->wakes);
    rte_mempool_free(w->rx_pool);
    rte_mempool_free(w->tx_pool);
    rte_mempool_free(w->big_pool);
    if (w->doorbell >= 0)
        close(w->doorbell);
    free(w);
}

void tnd_dataplane_free(struct tnd_dataplane *dp)
{
    if (!dp)
        return;
    tnd_dataplane_stop(dp);
    // Before any pool goes: an inbox holds buffers of other workers and of local ports.
    for (uint16_t i = 0; i < dp->cfg.workers; i++)
        free_rings(dp->workers[i]);
    for (uint16_t i = 0; i < dp->cfg.n_interfaces; i++)
        tnd_port_close(&dp->ports[i]);
    for (uint16_t i = 0; i < dp->cfg.workers; i++)
        free_worker(dp->workers[i]);
    for (uint32_t i = 0; i < dp->n_retired; i++)
        dp->retired[i].free_fn(dp->retired[i].p);
    if (dp->policy && dp->policy_free)
        dp->policy_free((void *)(uintptr_t)dp->policy);
    tnd_adjacency_free(dp->adjacency);
    if (dp->doorbell >= 0)
        close(dp->doorbell);
    free(dp->retired);
    free(dp->late);
    free(dp->qsbr);
    free(dp);
}

void tnd_dataplane_cleanup(void)
{
    tnd_eal_stop();
}

uint32_t tnd_dataplane_run(struct tnd_dataplane *dp)
{
    uint32_t done = 0;

    for (uint16_t i = 0; i < dp->cfg.workers; i++)
        done += tnd_worker_poll(dp->workers[i]);
    return done;
}

uint32_t tnd_dataplane_run_worker(struct tnd_dataplane *dp, uint16_t worker)
{
    return tnd_worker_poll(dp->workers[worker]);
}
