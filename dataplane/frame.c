#include "dataplane/frame.h"

#include "util/sum.h"

#define ETHER_LEN        14
#define ETHERTYPE_IPV4   0x0800
#define ETHERTYPE_IPV6   0x86dd
#define ETHERTYPE_VLAN   0x8100
#define ETHERTYPE_QINQ   0x88a8
#define TAGS_MAX         2
#define IPV4_MIN         20
#define IPV4_MORE        0x2000
#define IPV4_OFFSET      0x1fff
#define IPV6_LEN         40
#define UDP_LEN          8
#define DATAGRAM_MAX     65535
#define EXTENSIONS_MAX   8 // more is nobody's SIP; RFC 8504 s5.3 allows such a limit
#define PROTO_HOPOPTS    0
#define PROTO_UDP        17
#define PROTO_ROUTING    43
#define PROTO_FRAGMENT   44
#define PROTO_DSTOPTS    60
#define ROUTING_LEFT_OFF 3

// What is left of a packet, in two registers. `cut`: the frame ends before the packet does.
struct rest {
    const uint8_t *p;
    uint32_t len;
    bool cut;
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static enum tnd_frame_kind bad(struct tnd_frame *f, enum tnd_drop why)
{
    f->kind = TND_FRAME_BAD;
    f->drop = (uint8_t)why;
    return TND_FRAME_BAD;
}

// ips: the source's and the destination's, one behind the other as in either IP header.
static void set_addrs(struct tnd_frame *f, uint8_t family, const uint8_t *ips)
{
    tnd_addr_set(&f->src, family, ips, TND_TRANSPORT_UDP, 0);
    tnd_addr_set(&f->dst, family, ips + (family == 4 ? 4 : 16), TND_TRANSPORT_UDP, 0);
}

static uint64_t word(const uint8_t *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

// The part that every IPv4 header has.
static uint64_t sum_ipv4(const uint8_t *ip)
{
    return word(ip) + word(ip + 4) + word(ip + 8) + word(ip + 12) + word(ip + 16);
}

// Octets that an IPv4 address does not have are zero.
static uint64_t sum_addr(const struct tnd_addr *a)
{
    return word(a->ip) + word(a->ip + 4) + word(a->ip + 8) + word(a->ip + 12);
}

static bool checksum_ok(const struct tnd_frame *f, const uint8_t *udp, size_t len)
{
    uint16_t sum;

    memcpy(&sum, udp + 6, sizeof sum);
    if (sum == 0)
        return f->src.family == 4;
    uint64_t pseudo = sum_addr(&f->src) + sum_addr(&f->dst);
    pseudo += (uint64_t)PROTO_UDP << 8; // in memory order: the low octet comes second
    pseudo += (uint16_t)(len << 8 | len >> 8);
    return tnd_sum_fold(pseudo + tnd_sum_active->of(udp, len)) == 0xffff ||
           sum == tnd_sum_fold(pseudo);
}

static enum tnd_frame_kind parse_udp(struct tnd_frame *f, struct rest r, bool verify)
{
    if (r.len < UDP_LEN)
        return bad(f, r.cut ? TND_DROP_TRUNCATED : TND_DROP_BAD_UDP);
    tnd_addr_set_port(&f->src, f->src.family, TND_TRANSPORT_UDP, be16(r.p));
    tnd_addr_set_port(&f->dst, f->src.family, TND_TRANSPORT_UDP, be16(r.p + 2));
    if (r.cut)
        return bad(f, TND_DROP_TRUNCATED);
    if (!tnd_addr_on_wire(&f->src))
        return bad(f, TND_DROP_BAD_IP);
    size_t len = be16(r.p + 4);
    if (len < UDP_LEN || len > r.len || f->src.port == 0)
        return bad(f, TND_DROP_BAD_UDP);
    if (verify && !checksum_ok(f, r.p, len))
        return bad(f, TND_DROP_BAD_CHECKSUM);
    f->data = r.p + UDP_LEN;
    f->len = (uint32_t)(len - UDP_LEN);
    f->kind = TND_FRAME_DATAGRAM;
    return TND_FRAME_DATAGRAM;
}

static enum tnd_frame_kind parse_fragment(struct tnd_frame *f, struct rest r)
{
    if (r.cut)
        return bad(f, TND_DROP_TRUNCATED);
    if (!tnd_addr_on_wire(&f->src))
        return bad(f, TND_DROP_BAD_IP);
    if (r.len == 0 || (f->more && r.len % 8 != 0) || f->offset + r.len > DATAGRAM_MAX)
        return bad(f, TND_DROP_FRAGMENT);
    f->data = r.p;
    f->len = (uint32_t)r.len;
    f->kind = TND_FRAME_FRAGMENT;
    return TND_FRAME_FRAGMENT;
}

static enum tnd_frame_kind parse_ipv4(struct tnd_frame *f, struct rest r, bool verify)
{
    const uint8_t *ip = r.p;

    if (r.len < IPV4_MIN || ip[0] >> 4 != 4 || ip[9] != PROTO_UDP)
        return TND_FRAME_PUNT;
    set_addrs(f, 4, ip + 12);
    size_t header = (size_t)(ip[0] & 15) * 4;
    size_t total = be16(ip + 2);
    if (header < IPV4_MIN || total < header)
        return bad(f, TND_DROP_BAD_IP);
    if (r.len < header)
        return bad(f, TND_DROP_TRUNCATED);
    uint64_t sum = sum_ipv4(ip);
    if (header > IPV4_MIN)
        sum = tnd_sum_add(sum, ip + IPV4_MIN, header - IPV4_MIN);
    if (tnd_sum_fold(sum) != 0xffff)
        return bad(f, TND_DROP_BAD_IP);
    r.cut = r.len < total;
    r.len = (r.cut ? r.len : total) - header;
    r.p += header;
    uint16_t fragment = be16(ip + 6);
    if ((fragment & (IPV4_MORE | IPV4_OFFSET)) == 0)
        return parse_udp(f, r, verify);
    f->id = be16(ip + 4);
    f->offset = (uint32_t)(fragment & IPV4_OFFSET) * 8;
    f->more = fragment & IPV4_MORE;
    f->proto = PROTO_UDP;
    return parse_fragment(f, r);
}

// Walk the extension headers up to UDP or a fragment (RFC 8200 s4).
static enum tnd_frame_kind parse_ipv6_next(struct tnd_frame *f, uint8_t proto, struct rest r,
                                           bool verify, bool may_fragment)
{
    for (int i = 0; i <= EXTENSIONS_MAX; i++) {
        if (proto == PROTO_UDP)
            return parse_udp(f, r, verify);
        if (proto != PROTO_HOPOPTS && proto != PROTO_ROUTING && proto != PROTO_DSTOPTS &&
            proto != PROTO_FRAGMENT)
            return TND_FRAME_PUNT;
        if (r.len < 8)
            return bad(f, r.cut ? TND_DROP_TRUNCATED : TND_DROP_BAD_IP);
        if (proto == PROTO_HOPOPTS && (i > 0 || !may_fragment)) // s4.1: right behind the IP header
            return bad(f, TND_DROP_BAD_IP);
        if (proto == PROTO_ROUTING && r.p[ROUTING_LEFT_OFF] != 0)
            return TND_FRAME_PUNT;
        uint8_t next = r.p[0];
        size_t skip = 8;
        if (proto == PROTO_FRAGMENT) {
            uint16_t fragment = be16(r.p + 2);
            if (!may_fragment)
                return bad(f, TND_DROP_FRAGMENT);
            f->more = fragment & 1;
            f->offset = fragment & 0xfff8;
            f->id = (uint32_t)be16(r.p + 4) << 16 | be16(r.p + 6);
            f->proto = next;
            may_fragment = false;
        } else {
            skip = ((size_t)r.p[1] + 1) * 8;
            if (r.len < skip)
                return bad(f, r.cut ? TND_DROP_TRUNCATED : TND_DROP_BAD_IP);
        }
        r.p += skip;
        r.len -= skip;
        // An atomic fragment (RFC 6946) is whole and mixes with no other.
        if (proto == PROTO_FRAGMENT && (f->more || f->offset != 0))
            return parse_fragment(f, r);
        proto = next;
    }
    return bad(f, TND_DROP_BAD_IP);
}

static enum tnd_frame_kind parse_ipv6(struct tnd_frame *f, struct rest r, bool verify)
{
    const uint8_t *ip = r.p;

    if (r.len < IPV6_LEN || ip[0] >> 4 != 6)
        return TND_FRAME_PUNT;
    set_addrs(f, 6, ip + 8);
    size_t len = be16(ip + 4);
    r.p += IPV6_LEN;
    r.len -= IPV6_LEN;
    r.cut = r.len < len;
    r.len = r.cut ? r.len : len;
    return parse_ipv6_next(f, ip[6], r, verify, true);
}

enum tnd_frame_kind tnd_frame_parse(const uint8_t *frame, size_t len, bool verify,
                                    struct tnd_frame *out)
{
    size_t at = ETHER_LEN - 2;

    *out = (struct tnd_frame){.kind = TND_FRAME_PUNT};
    if (len < ETHER_LEN)
        return TND_FRAME_PUNT;
    uint16_t type = be16(frame + at);
    for (int tags = 0; type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ; tags++) {
        if (len < at + 6 || tags == TAGS_MAX)
            return TND_FRAME_PUNT;
        out->vlan = be16(frame + at + 2) & 0xfff;
        if (out->vlan)
            return TND_FRAME_PUNT;
        at += 4;
        type = be16(frame + at);
    }
    struct rest r = {.p = frame + at + 2, .len = len - at - 2};
    if (type == ETHERTYPE_IPV4)
        return parse_ipv4(out, r, verify);
    if (type == ETHERTYPE_IPV6)
        return parse_ipv6(out, r, verify);
    return TND_FRAME_PUNT;
}

enum tnd_frame_kind tnd_frame_reassembled(struct tnd_frame *f, uint8_t proto, const uint8_t *data,
                                          size_t len)
{
    struct rest r = {.p = data, .len = len};

    f->kind = TND_FRAME_PUNT;
    if (f->src.family == 6)
        return parse_ipv6_next(f, proto, r, true, false);
    return proto == PROTO_UDP ? parse_udp(f, r, true) : TND_FRAME_PUNT;
}
