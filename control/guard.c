#include "control/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ERRORS_PER_CALLBACK 64
#define QUOTE_MAX           2048
#define SOCKET_BUFFER       (1 << 20)

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

struct tnd_guard {
    uv_poll_t poll;
    int fd;
    struct tnd_addr local;
    const struct tnd_guard_ops *ops;
    void *ctx;
    void (*closed)(void *ctx);
    void *closed_ctx;
    bool closing;
};

union sockaddr_ip {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_sockaddr(const struct tnd_addr *a, union sockaddr_ip *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(a->port);
        memcpy(&out->v4.sin_addr, a->ip, 4);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(a->port);
    memcpy(&out->v6.sin6_addr, a->ip, 16);
    return sizeof out->v6;
}

static struct tnd_addr from_sockaddr(const union sockaddr_ip *s)
{
    struct tnd_addr a = {.family = 0};

    if (s->any.sa_family == AF_INET) {
        a.family = 4;
        a.port = ntohs(s->v4.sin_port);
        memcpy(a.ip, &s->v4.sin_addr, 4);
    } else if (s->any.sa_family == AF_INET6) {
        a.family = 6;
        a.port = ntohs(s->v6.sin6_port);
        memcpy(a.ip, &s->v6.sin6_addr, 16);
    }
    a.transport = a.family ? TND_TRANSPORT_UDP : TND_TRANSPORT_NONE;
    return a;
}

static bool option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// The filter must be there before the port is, or the first datagrams would be queued.
static bool prepare(int fd, const struct tnd_addr *local, uint8_t dscp)
{
    struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop_all};

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        return false;
    option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER); // best effort: a default works as well
    option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    if (local->family == 4)
        return option(fd, IPPROTO_IP, IP_FREEBIND, 1) && option(fd, IPPROTO_IP, IP_RECVERR, 1) &&
               option(fd, IPPROTO_IP, IP_TOS, dscp << 2);
    return option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) &&
           option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) &&
           option(fd, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
}

static int fail(const struct tnd_addr *local, int error, struct tnd_error *err)
{
    char text[TND_ADDR_TEXT_MAX];

    tnd_addr_text(local, text);
    switch (error) {
    case EADDRINUSE:
        return tnd_fail(err, TND_EBUSY,
                        "listen: udp %s: address already in use by another process; stop it or "
                        "choose another port",
                        text);
    case EACCES:
    case EPERM:
        return tnd_fail(err, TND_EPERM,
                        "listen: udp %s: not permitted; give Tandem CAP_NET_BIND_SERVICE or choose "
                        "a port above 1023",
                        text);
    case EAFNOSUPPORT:
        return tnd_fail(err, TND_EIO,
                        "listen: udp %s: the kernel has no IPv%u; enable it or remove the listener",
                        text, local->family);
    default:
        return tnd_fail(err, TND_EIO,
                        "listen: udp %s: %s; check the address and the limits of "
                        "open files",
                        text, strerror(error));
    }
}

// What a control message says; the offender follows it in memory (ip(7), IP_RECVERR).
static void read_error(struct cmsghdr *c, struct tnd_guard_report *r)
{
    struct sock_extended_err ee;

    if (c->cmsg_len < CMSG_LEN(sizeof ee))
        return;
    memcpy(&ee, CMSG_DATA(c), sizeof ee);
    r->error = (int)ee.ee_errno;
    r->icmp_type = ee.ee_type;
    r->icmp_code = ee.ee_code;
    r->local = ee.ee_origin == SO_EE_ORIGIN_LOCAL;
    if (r->error == EMSGSIZE)
        r->mtu = ee.ee_info;
    if (r->local || c->cmsg_len <= CMSG_LEN(sizeof ee))
        return;
    union sockaddr_ip from;
    size_t len = c->cmsg_len - CMSG_LEN(sizeof ee);
    memset(&from, 0, sizeof from);
    memcpy(&from, CMSG_DATA(c) + sizeof ee, len < sizeof from ? len : sizeof from);
    r->offender = from_sockaddr(&from);
    r->offender.port = 0;
    r->offender.transport = TND_TRANSPORT_NONE;
}

// Returns: false when the queue is empty.
static bool take_error(struct tnd_guard *g)
{
    char quote[QUOTE_MAX], control[512];
    union sockaddr_ip to = {.any = {0}};
    struct iovec iov = {quote, sizeof quote};
    struct msghdr msg = {.msg_name = &to,
                         .msg_namelen = sizeof to,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct tnd_guard_report r = {.payload = quote};

    ssize_t n = recvmsg(g->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            read_error(c, &r);
    r.target = from_sockaddr(&to);
    r.len = (size_t)n;
    if (r.error && r.target.family)
        g->ops->report(g->ctx, &r);
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct tnd_guard *g = poll->data;
    int pending;
    socklen_t len = sizeof pending;

    for (int i = 0; i < ERRORS_PER_CALLBACK && !g->closing; i++)
        if (!take_error(g))
            break;
    if (g->closing)
        return;
    // The queue's last error may stay as the socket's own, for which poll would wake for ever.
    getsockopt(g->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
    if (status < 0) // libuv stops a handle with POLLERR: start it again
        uv_poll_start(poll, UV_READABLE, on_poll);
}

int tnd_guard_open(uv_loop_t *loop, const struct tnd_addr *local, uint8_t dscp,
                   const struct tnd_guard_ops *ops, void *ctx, struct tnd_guard **out,
                   struct tnd_error *err)
{
    union sockaddr_ip sa;
    socklen_t len = to_sockaddr(local, &sa);
    struct tnd_guard *g = calloc(1, sizeof *g);
    int error;

    if (!g)
        return tnd_fail(err, TND_ENOMEM, "listen: out of memory");
    g->ops = ops;
    g->ctx = ctx;
    g->local = *local;
    g->poll.data = g;
    g->fd = socket(sa.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (g->fd < 0 || !prepare(g->fd, local, dscp) || bind(g->fd, &sa.any, len) < 0) {
        error = errno;
        goto fail;
    }
    error = -uv_poll_init(loop, &g->poll, g->fd);
    if (error)
        goto fail;
    uv_poll_start(&g->poll, UV_READABLE, on_poll);
    *out = g;
    return 0;
fail:
    if (g->fd >= 0)
        close(g->fd);
    free(g);
    return fail(local, error, err);
}

// An ICMP error for an earlier datagram is reported once by the next send, which then did
// not happen: only a second refusal is this datagram's own.
int tnd_guard_send(struct tnd_guard *g, const void *payload, size_t len, const struct tnd_addr *dst)
{
    union sockaddr_ip sa;
    socklen_t sa_len = to_sockaddr(dst, &sa);

    for (int try = 0; try < 3; try++) {
        if (sendto(g->fd, payload, len, MSG_NOSIGNAL | MSG_DONTWAIT, &sa.any, sa_len) >= 0)
            return 0;
        if (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS)
            break;
    }
    return -errno;
}

const struct tnd_addr *tnd_guard_local(const struct tnd_guard *g)
{
    return &g->local;
}

static void on_closed(uv_handle_t *handle)
{
    struct tnd_guard *g = handle->data;

    close(g->fd);
    if (g->closed)
        g->closed(g->closed_ctx);
    free(g);
}

void tnd_guard_close(struct tnd_guard *g, void (*closed)(void *ctx), void *ctx)
{
    g->closing = true;
    g->closed = closed;
    g->closed_ctx = ctx;
    uv_close((uv_handle_t *)&g->poll, on_closed);
}
