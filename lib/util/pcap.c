#include "util/pcap.h"

enum { LINK_NULL = 0, LINK_ETHERNET = 1, LINK_RAW = 101, LINK_SLL = 113, LINK_SLL2 = 276 };

static uint32_t word(const struct tnd_pcap *p, size_t at)
{
    uint32_t v;

    memcpy(&v, p->data + at, sizeof v);
    return p->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t net16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

bool tnd_pcap_open(struct tnd_pcap *p, const uint8_t *data, size_t len)
{
    *p = (struct tnd_pcap){.data = data, .len = len, .at = 24};
    if (len < 24)
        return false;
    uint32_t magic = word(p, 0);
    p->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1; // the latter counts nanoseconds
    if (!p->swapped && magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
        return false;
    p->link = word(p, 20) & 0xffff;
    return true;
}

// Offset of the IP header, or 0 when it is none or cut short.
static size_t ip_at(uint32_t link, const uint8_t *frame, size_t len)
{
    size_t at, type;

    switch (link) {
    case LINK_RAW:
        return 0;
    case LINK_NULL:
        return 4;
    case LINK_ETHERNET:
        type = 12;
        break;
    case LINK_SLL:
        type = 14;
        break;
    case LINK_SLL2:
        return 20;
    default:
        return len;
    }
    for (at = type; at + 2 <= len && (net16(frame + at) == 0x8100 || net16(frame + at) == 0x88a8);)
        at += 4;
    return at + 2;
}

static bool udp_at(const uint8_t *udp, size_t len, struct tnd_pcap_udp *out)
{
    if (len < 8 || net16(udp + 4) < 8 || net16(udp + 4) > len)
        return false;
    out->src.port = net16(udp);
    out->src.transport = TND_TRANSPORT_UDP;
    out->payload = udp + 8;
    out->len = (size_t)net16(udp + 4) - 8;
    return true;
}

static bool ip_packet(const uint8_t *ip, size_t len, struct tnd_pcap_udp *out)
{
    memset(&out->src, 0, sizeof out->src);
    if (len >= 20 && ip[0] >> 4 == 4) {
        size_t head = (size_t)(ip[0] & 15) * 4;
        if (ip[9] != 17 || head < 20 || head > len || (net16(ip + 6) & 0x3fff) != 0)
            return false; // fragments are the engine's frame stage's
        out->src.family = 4;
        memcpy(out->src.ip, ip + 12, 4);
        return udp_at(ip + head, len - head, out);
    }
    if (len >= 40 && ip[0] >> 4 == 6 && ip[6] == 17) {
        out->src.family = 6;
        memcpy(out->src.ip, ip + 8, 16);
        return udp_at(ip + 40, len - 40, out);
    }
    return false;
}

bool tnd_pcap_next(struct tnd_pcap *p, struct tnd_pcap_udp *out)
{
    while (p->len - p->at >= 16) {
        size_t kept = word(p, p->at + 8), frame = p->at + 16;
        if (kept > p->len - frame)
            return false;
        p->at = frame + kept;
        size_t ip = ip_at(p->link, p->data + frame, kept);
        if (ip < kept && ip_packet(p->data + frame + ip, kept - ip, out))
            return true;
    }
    return false;
}
