#include "bench/load/wire.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "control/adjacency.h"
#include "control/guard.h"
#include "dataplane/eal.h"
#include "dataplane/frame.h"
#include "dataplane/port.h"

#define RX_BUFFERS   1023u
#define TX_BUFFERS   2047u
#define TX_ROOM      2048u
#define RX_ROOM      (TND_RX_FRAME_MAX - 32)
#define DEFAULT_PORT 5060
#define PATIENCE_MS  4000 // the kernel asks three times, a second apart
#define TICK_NS      20000000ull

struct load_wire {
    struct load_wire_config cfg;
    char device[IF_NAMESIZE];
    struct tnd_port port;
    struct rte_mempool *rx, *tx;
    struct tnd_emit emit;
    uint32_t mtu;
    uint32_t n_shown;
    struct rte_mbuf *shown[LOAD_BURST];
    uint64_t unreachable, ticked_ns;

    // Kernel interfaces alone.
    bool has_loop;
    uv_loop_t loop;
    struct tnd_adjacencies *adjacencies;
    struct tnd_adjacency_table *table, *before; // the mirror still reads the one before
    struct tnd_guard *guard;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// ---- Which address and device ---------------------------------------------------------

static socklen_t to_socket(const struct tnd_addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip, 16);
    return sizeof *in6;
}

static bool from_socket(const struct sockaddr *s, struct tnd_addr *out)
{
    memset(out, 0, sizeof *out);
    if (s && s->sa_family == AF_INET) {
        out->family = 4;
        memcpy(out->ip, &((const struct sockaddr_in *)s)->sin_addr, 4);
    } else if (s && s->sa_family == AF_INET6) {
        out->family = 6;
        memcpy(out->ip, &((const struct sockaddr_in6 *)s)->sin6_addr, 16);
    }
    return out->family != 0;
}

// The address that the kernel would send from: a datagram socket knows once it is connected.
static bool choose_address(const struct tnd_addr *target, struct tnd_addr *out)
{
    struct sockaddr_storage s;
    socklen_t len = to_socket(target, &s);
    int fd = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool found = false;

    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&s, len) == 0) {
        len = sizeof s;
        found = getsockname(fd, (struct sockaddr *)&s, &len) == 0 &&
                from_socket((struct sockaddr *)&s, out);
    }
    close(fd);
    return found;
}

// The interface that has this address.
static bool choose_device(const struct tnd_addr *own, char out[IF_NAMESIZE])
{
    struct ifaddrs *all, *i;
    struct tnd_addr a;
    bool found = false;

    if (getifaddrs(&all) != 0)
        return false;
    for (i = all; i && !found; i = i->ifa_next)
        if (from_socket(i->ifa_addr, &a) && tnd_addr_same_ip(&a, own)) {
            snprintf(out, IF_NAMESIZE, "%s", i->ifa_name);
            found = true;
        }
    freeifaddrs(all);
    return found;
}

static int choose(struct load_wire *w, struct tnd_error *err)
{
    char text[TND_ADDR_TEXT_MAX];
    struct tnd_addr *from = &w->cfg.from;
    uint16_t port = from->port ? from->port : DEFAULT_PORT;

    tnd_addr_text(&w->cfg.target, text);
    if (!from->family && !choose_address(&w->cfg.target, from))
        return tnd_fail(err, TND_ENOENT, "%s: the kernel has no route to it; see `ip route`", text);
    from->port = port;
    from->transport = TND_TRANSPORT_UDP;
    if (from->family != w->cfg.target.family)
        return tnd_fail(err, TND_EINVAL, "%s: --from is of the other address family", text);
    if (w->cfg.device)
        snprintf(w->device, sizeof w->device, "%s", w->cfg.device);
    else if (!choose_device(from, w->device)) {
        tnd_addr_text(from, text);
        return tnd_fail(err, TND_ENOENT, "--from: %s: no interface has this address; say --device",
                        text);
    }
    return 0;
}

// ---- The kernel's part ----------------------------------------------------------------

static void on_publish(void *ctx, struct tnd_adjacency_table *table)
{
    struct load_wire *w = ctx;

    tnd_adjacency_free(w->before);
    w->before = w->table;
    w->table = table;
}

static enum tnd_adjacency_result learn(struct load_wire *w)
{
    struct tnd_adjacency way;
    enum tnd_adjacency_result r = tnd_adjacency_find(w->table, &w->cfg.target, &way);

    if (r != TND_ADJACENCY_FOUND)
        return r;
    memcpy(w->emit.dst_mac, way.dst_mac, 6);
    memcpy(w->emit.src_mac, way.src_mac, 6);
    w->mtu = way.mtu;
    return r;
}

static void on_changed(void *ctx, const struct tnd_addr *dst, enum tnd_adjacency_state state,
                       enum tnd_adjacency_result why)
{
    if (state == TND_ADJACENCY_USABLE)
        learn(ctx);
}

static void on_report(void *ctx, const struct tnd_guard_report *r)
{
    struct load_wire *w = ctx;

    w->unreachable++;
}

static int explain(const struct load_wire *w, enum tnd_adjacency_result r, struct tnd_error *err)
{
    char text[TND_ADDR_TEXT_MAX];

    tnd_addr_text(&w->cfg.target, text);
    switch (r) {
    case TND_ADJACENCY_LOCAL:
        return tnd_fail(err, TND_EINVAL,
                        "%s: is an address of this host; what a host sends to itself never passes "
                        "an interface: run the source in a network namespace or on another host",
                        text);
    case TND_ADJACENCY_FOREIGN:
        return tnd_fail(err, TND_EINVAL,
                        "%s: the kernel's route leaves by another interface than %s; say --device",
                        text, w->device);
    case TND_ADJACENCY_NO_ROUTE:
        return tnd_fail(err, TND_ENOENT, "%s: no route to it by %s; see `ip route`", text,
                        w->device);
    default:
        return tnd_fail(err, TND_ETIMEDOUT,
                        "%s: its neighbour on %s does not answer; is the host up?", text,
                        w->device);
    }
}

static int resolve(struct load_wire *w, struct tnd_error *err)
{
    uint64_t begin = now_ns(), end = begin + PATIENCE_MS * 1000000ull;
    enum tnd_adjacency_result r;
    bool said = false;

    if (tnd_adjacency_want(w->adjacencies, &w->cfg.target) < 0)
        return tnd_fail(err, TND_ENOMEM, "no memory");
    do {
        uv_run(&w->loop, UV_RUN_NOWAIT);
        r = learn(w);
        // Before the first publication there is no route to anything.
        if (r == TND_ADJACENCY_FOUND || (w->table && r != TND_ADJACENCY_NO_NEIGHBOUR))
            break;
        usleep(1000);
        if (!said && now_ns() - begin > 1000000000u) {
            fprintf(stderr, "waiting for the neighbour on %s\n", w->device);
            said = true;
        }
    } while (now_ns() < end);
    return r == TND_ADJACENCY_FOUND ? 0 : explain(w, r, err);
}

static int open_kernel(struct load_wire *w, struct tnd_error *err)
{
    static const struct tnd_adjacency_ops adjacency_ops = {.publish = on_publish,
                                                           .changed = on_changed};
    static const struct tnd_guard_ops guard_ops = {on_report};
    struct tnd_adjacency_port port = {.device = w->device};
    struct tnd_adjacency_config cfg = {.ports = &port, .n_ports = 1};
    int r;

    if (uv_loop_init(&w->loop) != 0)
        return tnd_fail(err, TND_ENOMEM, "no memory");
    w->has_loop = true;
    if ((r = tnd_guard_open(&w->loop, &w->cfg.from, 0, &guard_ops, w, &w->guard, err)) != 0)
        return r;
    r = tnd_adjacency_open(&w->loop, &cfg, &adjacency_ops, w, &w->adjacencies, err);
    return r != 0 ? r : resolve(w, err);
}

// ---- Port -----------------------------------------------------------------------------

static int open_port(struct load_wire *w, struct tnd_error *err)
{
    struct tnd_eal_need need = {.memory = RX_BUFFERS * (RX_ROOM + 512ull) +
                                          TX_BUFFERS * (TX_ROOM + 512ull)};
    struct tnd_interface_config cfg = {.name = "load", .vdev = w->cfg.vdev};
    int r;

    need.memory += need.memory / 8;
    if (!cfg.vdev)
        cfg.device = w->device;
    if ((r = tnd_eal_start(&need, err)) != 0)
        return r;
    w->rx = rte_pktmbuf_pool_create("load_rx", RX_BUFFERS, 64, 0, RX_ROOM + RTE_PKTMBUF_HEADROOM,
                                    SOCKET_ID_ANY);
    w->tx = rte_pktmbuf_pool_create("load_tx", TX_BUFFERS, 64, 0, TX_ROOM + RTE_PKTMBUF_HEADROOM,
                                    SOCKET_ID_ANY);
    if (!w->rx || !w->tx)
        return tnd_fail(err, TND_ENOMEM, "DPDK: no memory for packet buffers");
    if ((r = tnd_port_open(&w->port, &cfg, 0, 1, 1, 0, err)) != 0)
        return r;
    return tnd_port_start(&w->port, &w->rx, 1, err);
}

int load_wire_open(const struct load_wire_config *cfg, struct load_wire **out,
                   struct tnd_error *err)
{
    struct load_wire *w = calloc(1, sizeof *w);
    int r;

    if (!w)
        return tnd_fail(err, TND_ENOMEM, "no memory");
    w->cfg = *cfg;
    w->mtu = 1500;
    prctl(PR_SET_TIMERSLACK, 1); // short sleeps, or the pace suffers
    r = cfg->vdev ? 0 : choose(w, err);
    if (r == 0)
        r = open_port(w, err);
    if (r == 0 && !cfg->vdev)
        r = open_kernel(w, err);
    if (r != 0) {
        load_wire_close(w);
        return r;
    }
    if (cfg->vdev) {
        memcpy(w->emit.dst_mac, cfg->peer_mac, 6);
        memcpy(w->emit.src_mac, w->port.mac, 6);
    }
    w->emit.src = w->cfg.from;
    w->emit.dst = w->cfg.target;
    *out = w;
    return 0;
}

static void close_loop(struct load_wire *w)
{
    if (!w->has_loop)
        return;
    if (w->guard)
        tnd_guard_close(w->guard, NULL, NULL);
    if (w->adjacencies)
        tnd_adjacency_close(w->adjacencies, NULL, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    tnd_adjacency_free(w->before);
    tnd_adjacency_free(w->table);
}

void load_wire_close(struct load_wire *w)
{
    close_loop(w);
    rte_pktmbuf_free_bulk(w->shown, w->n_shown);
    tnd_port_close(&w->port);
    rte_mempool_free(w->rx);
    rte_mempool_free(w->tx);
    tnd_eal_stop();
    free(w);
}

const struct tnd_addr *load_wire_local(const struct load_wire *w)
{
    return &w->cfg.from;
}

uint32_t load_wire_largest(const struct load_wire *w)
{
    uint32_t headers = tnd_emit_packet_len(&w->emit, 0);

    return w->mtu > headers ? w->mtu - headers : 0;
}

uint64_t load_wire_unreachable(const struct load_wire *w)
{
    return w->unreachable;
}

uint32_t load_wire_send(struct load_wire *w, const struct tnd_str texts[], uint32_t n)
{
    struct rte_mbuf *m[LOAD_BURST];

    if (n == 0 || rte_pktmbuf_alloc_bulk(w->tx, m, n) != 0)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *frame = rte_pktmbuf_mtod(m[i], uint8_t *);
        memcpy(frame + tnd_emit_overhead(&w->emit), texts[i].p, texts[i].len);
        m[i]->data_len = (uint16_t)tnd_emit_whole(&w->emit, frame, (uint32_t)texts[i].len);
        m[i]->pkt_len = m[i]->data_len;
    }
    uint32_t sent = rte_eth_tx_burst(w->port.id, 0, m, (uint16_t)n);
    rte_pktmbuf_free_bulk(m + sent, n - sent);
    return sent;
}

uint32_t load_wire_receive(struct load_wire *w, struct tnd_datagram d[])
{
    struct tnd_frame f;
    uint32_t n = 0;

    rte_pktmbuf_free_bulk(w->shown, w->n_shown);
    w->n_shown = rte_eth_rx_burst(w->port.id, 0, w->shown, LOAD_BURST);
    for (uint32_t i = 0; i < w->n_shown; i++) {
        const struct rte_mbuf *m = w->shown[i];
        if (tnd_frame_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, true, &f) ==
            TND_FRAME_DATAGRAM)
            d[n++] = (struct tnd_datagram){
                .src = f.src, .dst = f.dst, .data = (const char *)f.data, .len = f.len};
    }
    return n;
}

void load_wire_wait(struct load_wire *w, uint64_t ns)
{
    struct pollfd fd = {.fd = w->port.fd[0], .events = POLLIN};
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    if (ns > 0)
        ppoll(&fd, fd.fd >= 0 ? 1 : 0, &t, NULL);
    uint64_t now = now_ns();
    if (w->has_loop && now - w->ticked_ns >= TICK_NS) {
        w->ticked_ns = now;
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
}
