#include "dataplane/port.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "dataplane/eal.h"

#define RING_BLOCK  131072u // whole frames only: the driver does not know of the kernel's padding
#define RING_LEAST  16u
#define DESCRIPTORS 512
#define FDS_MAX     4096

// Descriptors of this process that are packet sockets bound to `ifindex`, ascending.
static uint32_t packet_sockets(unsigned ifindex, int fds[], uint32_t max)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;
    uint32_t n = 0;

    while (dir && (d = readdir(dir)) != NULL && n < max) {
        struct sockaddr_ll ll = {0};
        socklen_t len = sizeof ll;
        int domain = 0, fd = atoi(d->d_name);
        socklen_t domain_len = sizeof domain;
        if (d->d_name[0] == '.' ||
            getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) != 0 ||
            domain != AF_PACKET || getsockname(fd, (struct sockaddr *)&ll, &len) != 0 ||
            ll.sll_ifindex != (int)ifindex)
            continue;
        uint32_t at = n++;
        for (; at > 0 && fds[at - 1] > fd; at--)
            fds[at] = fds[at - 1];
        fds[at] = fd;
    }
    if (dir)
        closedir(dir);
    return n;
}

static bool contains(const int fds[], uint32_t n, int fd)
{
    for (uint32_t i = 0; i < n; i++)
        if (fds[i] == fd)
            return true;
    return false;
}

static bool may_use_packet_sockets(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno != EPERM && errno != EACCES;
    close(fd);
    return true;
}

static bool link_is_up(const char *device)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = false;

    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
    if (fd >= 0) {
        up = ioctl(fd, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) &&
             (r.ifr_flags & IFF_RUNNING);
        close(fd);
    }
    return up;
}

static int explain_device(const struct tnd_interface_config *cfg, struct tnd_error *err)
{
    if (if_nametoindex(cfg->device) == 0)
        return tnd_fail(err, TND_ENOENT,
                        "interfaces.%s.device: %s: no such interface; see `ip link`", cfg->name,
                        cfg->device);
    if (!may_use_packet_sockets())
        return tnd_fail(err, TND_EPERM,
                        "interfaces.%s.device: %s: may not open packet sockets; run as root or "
                        "with CAP_NET_RAW and CAP_NET_ADMIN",
                        cfg->name, cfg->device);
    return tnd_fail(
        err, TND_EIO,
        "interfaces.%s.device: %s: no packet ring of %u queues of %u MB; lower rings, raise "
        "the limit of locked memory (ulimit -l), or see TANDEM_EAL_LOG=info",
        cfg->name, cfg->device, cfg->rings, 2u * RING_LEAST * (TND_RX_FRAME_MAX >> 10) >> 10);
}

// Rings are locked memory. Without CAP_IPC_LOCK the process has RLIMIT_MEMLOCK for all of them
// (Debian: 8 MB), of which every port may take the same part.
static unsigned frames_within_limit(const struct tnd_port *p, uint16_t n_ports)
{
    struct rlimit limit;
    rlim_t frames;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return TND_RING_FRAMES / 2;
    frames = limit.rlim_cur / n_ports / (2u * p->queues) / TND_RX_FRAME_MAX;
    frames -= frames % (RING_BLOCK / TND_RX_FRAME_MAX);
    return frames < TND_RING_FRAMES / 2 ? (unsigned)frames : TND_RING_FRAMES / 2;
}

// By hotplug, not by arguments at the start: only so is a failure told.
static bool add_device(struct tnd_port *p, unsigned frames)
{
    char args[256];

    snprintf(args, sizeof args, "iface=%s,qpairs=%u,framesz=%u,blocksz=%u,framecnt=%u",
             p->cfg.device, p->queues, TND_RX_FRAME_MAX, RING_BLOCK, frames);
    return rte_eal_hotplug_add("vdev", p->device_name, args) == 0;
}

static int open_device(struct tnd_port *p, uint16_t n_ports, struct tnd_error *err)
{
    int before[FDS_MAX], after[FDS_MAX];
    unsigned ifindex = if_nametoindex(p->cfg.device);

    if (ifindex == 0)
        return explain_device(&p->cfg, err);
    uint32_t n_before = packet_sockets(ifindex, before, FDS_MAX);
    unsigned frames = TND_RING_FRAMES;
    while (!add_device(p, frames)) {
        frames = frames == TND_RING_FRAMES ? frames_within_limit(p, n_ports) : frames / 2;
        frames -= frames % (RING_BLOCK / TND_RX_FRAME_MAX);
        if (frames < RING_LEAST || !may_use_packet_sockets())
            return explain_device(&p->cfg, err);
    }
    p->open = true;
    p->ring_frames = frames;
    // A queue's socket is made when the queue is, so the order of descriptors is theirs.
    uint32_t n = packet_sockets(ifindex, after, FDS_MAX), queue = 0;
    for (uint32_t i = 0; i < n && queue < p->queues; i++)
        if (!contains(before, n_before, after[i]))
            p->fd[queue++] = after[i];
    p->up = link_is_up(p->cfg.device);
    return 0;
}

static int open_vdev(struct tnd_port *p, struct tnd_error *err)
{
    const char *comma = strchr(p->cfg.vdev, ',');
    size_t len = comma ? (size_t)(comma - p->cfg.vdev) : strlen(p->cfg.vdev);

    if (len >= sizeof p->device_name)
        return tnd_fail(err, TND_EINVAL, "interfaces.%s.vdev: device name too long", p->cfg.name);
    memcpy(p->device_name, p->cfg.vdev, len);
    p->device_name[len] = 0;
    if (rte_eal_hotplug_add("vdev", p->device_name, comma ? comma + 1 : "") != 0)
        return tnd_fail(err, TND_EIO,
                        "interfaces.%s.vdev: %s: DPDK refuses it; look at its driver's arguments "
                        "and at TANDEM_EAL_LOG=info",
                        p->cfg.name, p->cfg.vdev);
    p->open = true;
    p->up = true;
    return 0;
}

static int check_rings(const struct tnd_port *p, uint16_t workers, struct tnd_error *err)
{
    if (p->queues < workers)
        return tnd_fail(err, TND_EINVAL,
                        "interfaces.%s.rings: %u, but %u workers need a transmit queue each; set "
                        "rings: %u",
                        p->cfg.name, p->queues, workers, workers);
    if (p->queues > TND_QUEUES_MAX)
        return tnd_fail(err, TND_EINVAL, "interfaces.%s.rings: %u; %u at most", p->cfg.name,
                        p->queues, TND_QUEUES_MAX);
    return 0;
}

int tnd_port_open(struct tnd_port *p, const struct tnd_interface_config *cfg, uint16_t index,
                  uint16_t n_ports, uint16_t workers, uint64_t serial, struct tnd_error *err)
{
    int r;

    *p = (struct tnd_port){.cfg = *cfg, .queues = cfg->rings ? cfg->rings : workers};
    p->cfg.rings = p->queues;
    for (int i = 0; i < TND_QUEUES_MAX; i++)
        p->fd[i] = -1;
    if ((r = check_rings(p, workers, err)) != 0)
        return r;
    snprintf(p->device_name, sizeof p->device_name, "net_af_packet%lu_%u", serial, index);
    if (cfg->device)
        r = open_device(p, n_ports, err);
    else if (cfg->vdev)
        r = open_vdev(p, err);
    else
        r = tnd_local_open(p, index, serial, err);
    if (r != 0)
        return r;
    if (!p->local && rte_eth_dev_get_port_by_name(p->device_name, &p->id) != 0)
        return tnd_fail(err, TND_EIO, "interfaces.%s: DPDK made no port of it", cfg->name);
    return 0;
}

static int setup_queues(struct tnd_port *p, struct rte_mempool *const rx_pools[], uint16_t workers,
                        struct tnd_error *err)
{
    int socket = rte_eth_dev_socket_id(p->id), r;

    for (uint16_t q = 0; q < p->queues; q++) {
        r = rte_eth_rx_queue_setup(p->id, q, DESCRIPTORS, (unsigned)socket, NULL,
                                   rx_pools[q % workers]);
        if (r == 0)
            r = rte_eth_tx_queue_setup(p->id, q, DESCRIPTORS, (unsigned)socket, NULL);
        if (r != 0)
            return tnd_fail(err, TND_EIO, "interfaces.%s: queue %u: %s", p->cfg.name, q,
                            strerror(-r));
    }
    return 0;
}

int tnd_port_start(struct tnd_port *p, struct rte_mempool *const rx_pools[], uint16_t workers,
                   struct tnd_error *err)
{
    struct rte_eth_conf conf = {0};
    struct rte_eth_dev_info info;
    struct rte_ether_addr mac;
    static const uint8_t none[6];
    int r;

    if (rte_eth_dev_info_get(p->id, &info) != 0)
        return tnd_fail(err, TND_EIO, "interfaces.%s: DPDK knows nothing of the port", p->cfg.name);
    if (info.max_tx_queues < p->queues || info.max_rx_queues < p->queues)
        return tnd_fail(err, TND_EINVAL,
                        "interfaces.%s: the device has %u receive and %u transmit queues, but "
                        "%u are needed; set workers: %u",
                        p->cfg.name, info.max_rx_queues, info.max_tx_queues, p->queues,
                        info.max_tx_queues);
    if ((r = rte_eth_dev_configure(p->id, p->queues, p->queues, &conf)) != 0)
        return tnd_fail(err, TND_EIO, "interfaces.%s: cannot be configured: %s", p->cfg.name,
                        strerror(-r));
    if ((r = setup_queues(p, rx_pools, workers, err)) != 0)
        return r;
    if (rte_eth_dev_start(p->id) != 0)
        return tnd_fail(err, TND_EPERM,
                        "interfaces.%s: cannot be started; run as root or with CAP_NET_RAW and "
                        "CAP_NET_ADMIN",
                        p->cfg.name);
    if (memcmp(p->cfg.mac, none, 6) != 0)
        memcpy(p->mac, p->cfg.mac, 6);
    else if (rte_eth_macaddr_get(p->id, &mac) == 0)
        memcpy(p->mac, mac.addr_bytes, 6);
    return 0;
}

void tnd_port_close(struct tnd_port *p)
{
    if (p->open) {
        rte_eth_dev_stop(p->id);
        rte_eth_dev_close(p->id);
        if (!p->local)
            rte_eal_hotplug_remove("vdev", p->device_name);
        p->open = false;
    }
    tnd_local_close(p);
}
