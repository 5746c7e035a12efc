#include "control/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "control/turn.h"

// Larger than libmnl's suggestion: some kernels fill 32 kB for a dump.
#define BUFFER_SIZE 32768
#define EVENT_BUF   (4 << 20)

// linux/neighbour.h 5.16; the attribute is ignored by older kernels.
#define TND_NDA_FLAGS_EXT   15
#define TND_NTF_EXT_MANAGED 1u

#define ATTRS 64

struct channel {
    struct mnl_socket *mnl;
    uv_poll_t poll;
    struct tnd_netlink *nl;
    const char *name;
};

struct tnd_netlink {
    struct channel events, dumps, writes;
    const struct tnd_nl_ops *ops;
    void *ctx;
    uint32_t seq, dump_seq;
    uint32_t wanted;     // bit per kind
    int running;         // kind, or -1
    enum tnd_nl_end end; // of the running dump, as far as it has come
    int open_handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
    char buf[BUFFER_SIZE];
};

static void attrs_of(const struct nlmsghdr *nlh, size_t header, const struct nlattr *tb[ATTRS])
{
    const struct nlattr *a;

    memset(tb, 0, ATTRS * sizeof *tb);
    if (mnl_nlmsg_get_payload_len(nlh) < header)
        return;
    mnl_attr_for_each(a, nlh, header)
    {
        if (mnl_attr_get_type(a) < ATTRS)
            tb[mnl_attr_get_type(a)] = a;
    }
}

static uint32_t attr_u32(const struct nlattr *a, uint32_t missing)
{
    return a && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : missing;
}

static bool ip_from(struct tnd_addr *out, int family, const void *p, size_t len)
{
    size_t want = family == AF_INET ? 4 : 16;

    memset(out, 0, sizeof *out);
    if ((family != AF_INET && family != AF_INET6) || len < want)
        return false;
    memcpy(out->ip, p, want);
    out->family = family == AF_INET ? 4 : 6;
    return true;
}

static bool attr_ip(struct tnd_addr *out, int family, const struct nlattr *a)
{
    if (!a) {
        memset(out, 0, sizeof *out);
        return false;
    }
    return ip_from(out, family, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
}

static bool attr_mac(uint8_t mac[6], const struct nlattr *a)
{
    if (!a || mnl_attr_get_payload_len(a) != 6)
        return false;
    memcpy(mac, mnl_attr_get_payload(a), 6);
    return true;
}

static const struct {
    uint16_t type;
    uint8_t family;
} requests[TND_NL_KINDS] = {
    {RTM_GETLINK, AF_UNSPEC}, {RTM_GETADDR, AF_UNSPEC},  {RTM_GETROUTE, AF_INET},
    {RTM_GETROUTE, AF_INET6}, {RTM_GETNEIGH, AF_UNSPEC},
};

static void take_link(struct tnd_netlink *nl, const struct nlmsghdr *nlh, enum tnd_nl_how how)
{
    const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *tb[ATTRS];
    struct tnd_nl_link l = {0};

    attrs_of(nlh, sizeof *ifi, tb);
    // Bridges repeat their ports as AF_BRIDGE links; those are not interfaces' own news.
    if (!tb[IFLA_IFNAME] || ifi->ifi_family != AF_UNSPEC)
        return;
    l.ifindex = ifi->ifi_index;
    l.up = (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_RUNNING);
    l.mtu = attr_u32(tb[IFLA_MTU], 0);
    attr_mac(l.mac, tb[IFLA_ADDRESS]);
    size_t len = mnl_attr_get_payload_len(tb[IFLA_IFNAME]);
    memcpy(l.name, mnl_attr_get_payload(tb[IFLA_IFNAME]),
           len < sizeof l.name ? len : sizeof l.name - 1);
    nl->ops->link(nl->ctx, how, &l);
}

static void take_address(struct tnd_netlink *nl, const struct nlmsghdr *nlh)
{
    const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *tb[ATTRS];
    struct tnd_nl_address a = {0};

    attrs_of(nlh, sizeof *ifa, tb);
    uint32_t flags = attr_u32(tb[IFA_FLAGS], ifa->ifa_flags);
    if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
        return;
    if (!attr_ip(&a.ip, ifa->ifa_family, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]))
        return;
    a.ifindex = (int)ifa->ifa_index;
    a.bits = ifa->ifa_prefixlen;
    a.secondary = flags & (IFA_F_SECONDARY | IFA_F_DEPRECATED);
    a.global = ifa->ifa_scope == RT_SCOPE_UNIVERSE;
    nl->ops->address(nl->ctx, &a);
}

// RTA_VIA: the gateway is of another family than the route (RFC 5549).
static void hop_gateway(struct tnd_nl_hop *hop, int family, const struct nlattr *tb[ATTRS])
{
    const struct nlattr *via = tb[RTA_VIA];

    if (attr_ip(&hop->gateway, family, tb[RTA_GATEWAY]) || !via)
        return;
    if (mnl_attr_get_payload_len(via) > sizeof(struct rtvia)) {
        const struct rtvia *v = mnl_attr_get_payload(via);
        ip_from(&hop->gateway, v->rtvia_family, v->rtvia_addr,
                mnl_attr_get_payload_len(via) - sizeof *v);
    }
}

static void take_multipath(struct tnd_nl_route *r, int family, const struct nlattr *multipath)
{
    const char *p = mnl_attr_get_payload(multipath);
    size_t left = mnl_attr_get_payload_len(multipath);

    while (left >= sizeof(struct rtnexthop) && r->n_hops < TND_NL_HOPS) {
        const struct rtnexthop *nh = (const void *)p;
        size_t len = nh->rtnh_len;
        const struct nlattr *tb[ATTRS] = {0};
        const struct nlattr *attr;

        if (len < sizeof *nh || len > left)
            return;
        attr = (const void *)(p + sizeof *nh);
        for (; mnl_attr_ok(attr, (int)(p + len - (const char *)attr)); attr = mnl_attr_next(attr)) {
            if (mnl_attr_get_type(attr) < ATTRS)
                tb[mnl_attr_get_type(attr)] = attr;
        }
        struct tnd_nl_hop *hop = &r->hops[r->n_hops++];
        hop->ifindex = nh->rtnh_ifindex;
        hop->dead = nh->rtnh_flags & RTNH_F_DEAD;
        hop_gateway(hop, family, tb);
        len = MNL_ALIGN(len);
        p += len < left ? len : left;
        left -= len < left ? len : left;
    }
}

static void route_metrics(struct tnd_nl_route *r, const struct nlattr *metrics)
{
    const struct nlattr *a;

    mnl_attr_for_each_nested(a, metrics)
    {
        if (mnl_attr_get_type(a) == RTAX_MTU)
            r->mtu = attr_u32(a, 0);
    }
}

static void take_route(struct tnd_netlink *nl, const struct nlmsghdr *nlh)
{
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *tb[ATTRS];
    struct tnd_nl_route r = {0};

    // A kernel without a family dumps all others instead. Cached exceptions are not routes;
    // routes by TOS or source are not followed.
    if (rtm->rtm_family != requests[nl->running].family || (rtm->rtm_flags & RTM_F_CLONED) ||
        rtm->rtm_tos || rtm->rtm_src_len)
        return;
    attrs_of(nlh, sizeof *rtm, tb);
    if (!attr_ip(&r.prefix.addr, rtm->rtm_family, tb[RTA_DST])) {
        if (rtm->rtm_dst_len)
            return;
        r.prefix.addr.family = rtm->rtm_family == AF_INET ? 4 : 6;
    }
    r.prefix.bits = rtm->rtm_dst_len;
    r.type = rtm->rtm_type;
    r.table = attr_u32(tb[RTA_TABLE], rtm->rtm_table);
    r.metric = attr_u32(tb[RTA_PRIORITY], 0);
    attr_ip(&r.source, rtm->rtm_family, tb[RTA_PREFSRC]);
    if (tb[RTA_METRICS])
        route_metrics(&r, tb[RTA_METRICS]);
    if (tb[RTA_MULTIPATH]) {
        take_multipath(&r, rtm->rtm_family, tb[RTA_MULTIPATH]);
    } else if (tb[RTA_OIF]) {
        r.n_hops = 1;
        r.hops[0].ifindex = (int)attr_u32(tb[RTA_OIF], 0);
        r.hops[0].dead = rtm->rtm_flags & RTNH_F_DEAD;
        hop_gateway(&r.hops[0], rtm->rtm_family, tb);
    }
    nl->ops->route(nl->ctx, &r);
}

static void take_neighbour(struct tnd_netlink *nl, const struct nlmsghdr *nlh, enum tnd_nl_how how)
{
    const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
    const struct nlattr *tb[ATTRS];
    struct tnd_nl_neighbour n = {0};

    attrs_of(nlh, sizeof *ndm, tb);
    if ((ndm->ndm_flags & NTF_PROXY) || !attr_ip(&n.ip, ndm->ndm_family, tb[NDA_DST]))
        return;
    n.ifindex = ndm->ndm_ifindex;
    n.state = ndm->ndm_state;
    n.managed = attr_u32(tb[TND_NDA_FLAGS_EXT], 0) & TND_NTF_EXT_MANAGED;
    n.has_mac = attr_mac(n.mac, tb[NDA_LLADDR]);
    nl->ops->neighbour(nl->ctx, how, &n);
}

static size_t header_size(uint16_t type)
{
    switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return sizeof(struct ifinfomsg);
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return sizeof(struct ifaddrmsg);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return sizeof(struct rtmsg);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        return sizeof(struct ndmsg);
    default:
        return SIZE_MAX;
    }
}

static void take_event(struct tnd_netlink *nl, const struct nlmsghdr *nlh)
{
    const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

    if (mnl_nlmsg_get_payload_len(nlh) < header_size(nlh->nlmsg_type))
        return;
    switch (nlh->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        take_link(nl, nlh, nlh->nlmsg_type == RTM_NEWLINK ? TND_NL_NEW : TND_NL_GONE);
        break;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        take_neighbour(nl, nlh, nlh->nlmsg_type == RTM_NEWNEIGH ? TND_NL_NEW : TND_NL_GONE);
        break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        nl->ops->changed(nl->ctx, TND_NL_ADDRESS);
        break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        if (!(rtm->rtm_flags & RTM_F_CLONED))
            nl->ops->changed(nl->ctx, rtm->rtm_family == AF_INET6 ? TND_NL_ROUTE6 : TND_NL_ROUTE4);
        break;
    }
}

static void take_dumped(struct tnd_netlink *nl, const struct nlmsghdr *nlh)
{
    if (mnl_nlmsg_get_payload_len(nlh) < header_size(nlh->nlmsg_type))
        return;
    switch (nlh->nlmsg_type) {
    case RTM_NEWLINK:
        take_link(nl, nlh, TND_NL_DUMPED);
        break;
    case RTM_NEWADDR:
        take_address(nl, nlh);
        break;
    case RTM_NEWROUTE:
        take_route(nl, nlh);
        break;
    case RTM_NEWNEIGH:
        take_neighbour(nl, nlh, TND_NL_DUMPED);
        break;
    }
}

static void start_next_dump(struct tnd_netlink *nl);

// What happens to a dump: the worst of it counts.
static void spoil_dump(struct tnd_netlink *nl, enum tnd_nl_end how)
{
    if (how > nl->end)
        nl->end = how;
}

static void end_dump(struct tnd_netlink *nl)
{
    enum tnd_nl_kind kind = (enum tnd_nl_kind)nl->running;

    nl->running = -1;
    nl->ops->dump_end(nl->ctx, kind, nl->end);
    start_next_dump(nl);
}

static void start_next_dump(struct tnd_netlink *nl)
{
    char buf[64];

    if (nl->running >= 0 || !nl->wanted || nl->closed)
        return;
    nl->running = __builtin_ctz(nl->wanted);
    nl->wanted &= nl->wanted - 1;
    nl->end = TND_NL_COMPLETE;
    nl->ops->dump_begin(nl->ctx, (enum tnd_nl_kind)nl->running);

    // The family is the first octet of every one of these headers; the rest is zero.
    memset(buf, 0, sizeof buf);
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
    nlh->nlmsg_type = requests[nl->running].type;
    nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    nlh->nlmsg_seq = nl->dump_seq = ++nl->seq;
    struct rtgenmsg *gen = mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
    gen->rtgen_family = requests[nl->running].family;
    if (mnl_socket_sendto(nl->dumps.mnl, nlh, nlh->nlmsg_len) < 0) {
        spoil_dump(nl, TND_NL_FAILED);
        end_dump(nl);
    }
}

// The end of a dump that broke off in the middle says so in its payload.
static bool is_done_in_error(const struct nlmsghdr *nlh)
{
    int error;

    if (mnl_nlmsg_get_payload_len(nlh) < sizeof error)
        return false;
    memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof error);
    return error < 0;
}

static void take_dump_datagram(struct tnd_netlink *nl, int len)
{
    const struct nlmsghdr *nlh = (const void *)nl->buf;

    for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
        if (nl->running < 0 || nlh->nlmsg_seq != nl->dump_seq)
            continue;
        if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
            spoil_dump(nl, TND_NL_CHANGED);
        if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
            if (nlh->nlmsg_type == NLMSG_ERROR || is_done_in_error(nlh))
                spoil_dump(nl, TND_NL_FAILED);
            end_dump(nl);
            return;
        }
        take_dumped(nl, nlh);
    }
}

static void take_event_datagram(struct tnd_netlink *nl, int len)
{
    const struct nlmsghdr *nlh = (const void *)nl->buf;

    for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
        take_event(nl, nlh);
}

static void take_refusals(struct tnd_netlink *nl, int len)
{
    const struct nlmsghdr *nlh = (const void *)nl->buf;

    for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
        const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
        if (nlh->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(nlh) >= sizeof *e &&
            e->error)
            nl->ops->refused(nl->ctx, e->error < 0 ? -e->error : e->error);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct channel *c = poll->data;
    struct tnd_netlink *nl = c->nl;
    struct tnd_turn turn = tnd_turn_begin(poll->loop, c->name);
    uint64_t until = uv_hrtime() + TND_TURN_NS;

    // libuv stops a handle whose socket reports an error (an overflow does): start it again.
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_readable);
    do {
        ssize_t n = mnl_socket_recvfrom(c->mnl, nl->buf, sizeof nl->buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
            if (c == &nl->events)
                nl->ops->lost(nl->ctx);
            else if (c == &nl->dumps)
                spoil_dump(nl, TND_NL_FAILED); // a part of it is gone
            continue;
        }
        if (n <= 0)
            break;
        if (c == &nl->events)
            take_event_datagram(nl, (int)n);
        else if (c == &nl->dumps)
            take_dump_datagram(nl, (int)n);
        else
            take_refusals(nl, (int)n);
    } while (!nl->closed && uv_hrtime() < until);
    tnd_turn_end(&turn);
}

static int open_channel(uv_loop_t *loop, struct tnd_netlink *nl, struct channel *c, unsigned groups)
{
    int size = EVENT_BUF;

    c->nl = nl;
    c->name = c == &nl->events  ? "kernel's events"
              : c == &nl->dumps ? "kernel's lists"
                                : "kernel's refusals";
    c->mnl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!c->mnl)
        return -errno;
    int fd = mnl_socket_get_fd(c->mnl);
    if (groups && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    int rc = mnl_socket_bind(c->mnl, groups, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
    if (rc == 0)
        rc = uv_poll_init(loop, &c->poll, fd);
    if (rc < 0) {
        mnl_socket_close(c->mnl);
        c->mnl = NULL;
        return rc;
    }
    c->poll.data = c;
    nl->open_handles++;
    return uv_poll_start(&c->poll, UV_READABLE, on_readable);
}

int tnd_netlink_open(uv_loop_t *loop, const struct tnd_nl_ops *ops, void *ctx,
                     struct tnd_netlink **out, struct tnd_error *err)
{
    const unsigned groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
                            RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    struct tnd_netlink *nl = calloc(1, sizeof *nl);
    int rc;

    if (!nl)
        return tnd_fail(err, TND_ENOMEM, "netlink: out of memory");
    nl->ops = ops;
    nl->ctx = ctx;
    nl->running = -1;
    if ((rc = open_channel(loop, nl, &nl->events, groups)) < 0 ||
        (rc = open_channel(loop, nl, &nl->dumps, 0)) < 0 ||
        (rc = open_channel(loop, nl, &nl->writes, 0)) < 0) {
        tnd_netlink_close(nl, NULL, NULL);
        return tnd_fail(err, TND_EIO,
                        "netlink: routes and neighbours: %s; allow AF_NETLINK sockets",
                        strerror(-rc));
    }
    *out = nl;
    return 0;
}

void tnd_netlink_dump(struct tnd_netlink *nl, enum tnd_nl_kind kind)
{
    nl->wanted |= 1u << kind;
    start_next_dump(nl);
}

bool tnd_netlink_dumping(const struct tnd_netlink *nl, enum tnd_nl_kind kind)
{
    return nl->running == (int)kind || (nl->wanted & (1u << kind));
}

// The kernel carries a request out inside sendto; only refusals are answered, so nothing
// piles up on this socket.
int tnd_netlink_ask(struct tnd_netlink *nl, enum tnd_nl_ask what, int ifindex,
                    const struct tnd_addr *ip)
{
    char buf[128];
    struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

    nlh->nlmsg_type = what == TND_NL_DELETE ? RTM_DELNEIGH : RTM_NEWNEIGH;
    nlh->nlmsg_flags = NLM_F_REQUEST;
    nlh->nlmsg_seq = ++nl->seq;
    struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof *ndm);
    ndm->ndm_family = ip->family == 4 ? AF_INET : AF_INET6;
    ndm->ndm_ifindex = ifindex;
    switch (what) {
    case TND_NL_MANAGE: // NTF_USE alone is what an older kernel understands of it
        nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
        ndm->ndm_flags = NTF_USE;
        break;
    case TND_NL_RESOLVE:
        nlh->nlmsg_flags |= NLM_F_CREATE;
        ndm->ndm_flags = NTF_USE;
        break;
    case TND_NL_PROBE:
        nlh->nlmsg_flags |= NLM_F_REPLACE;
        ndm->ndm_state = NUD_PROBE;
        break;
    case TND_NL_RELEASE: // without the managed flag: it is taken off, MAC and state stay
        nlh->nlmsg_flags |= NLM_F_REPLACE;
        ndm->ndm_flags = NTF_USE;
        break;
    case TND_NL_DELETE:
        break;
    }
    mnl_attr_put(nlh, NDA_DST, ip->family == 4 ? 4 : 16, ip->ip);
    if (what == TND_NL_MANAGE)
        mnl_attr_put_u32(nlh, TND_NDA_FLAGS_EXT, TND_NTF_EXT_MANAGED);
    return mnl_socket_sendto(nl->writes.mnl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct channel *c = handle->data;
    struct tnd_netlink *nl = c->nl;

    mnl_socket_close(c->mnl);
    if (--nl->open_handles == 0) {
        nl->closed(nl->closed_ctx);
        free(nl);
    }
}

static void nobody(void *ctx)
{
    (void)ctx;
}

void tnd_netlink_close(struct tnd_netlink *nl, void (*closed)(void *ctx), void *ctx)
{
    struct channel *channels[] = {&nl->events, &nl->dumps, &nl->writes};

    nl->closed = closed ? closed : nobody;
    nl->closed_ctx = ctx;
    if (nl->open_handles == 0) {
        nl->closed(ctx);
        free(nl);
        return;
    }
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        if (channels[i]->mnl)
            uv_close((uv_handle_t *)&channels[i]->poll, on_closed);
}
