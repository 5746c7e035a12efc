#include "util/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

// inet_pton wants a C string; longer text cannot be an address.
static bool copy_literal(struct tnd_str s, char out[static INET6_ADDRSTRLEN])
{
    if (s.len == 0 || s.len >= INET6_ADDRSTRLEN || memchr(s.p, 0, s.len))
        return false;
    memcpy(out, s.p, s.len);
    out[s.len] = 0;
    return true;
}

// RFC 3261's grammar allowed "hex4::" followed by ":" IPv4; RFC 5118 4.10 asks to tolerate it.
static void squeeze_triple_colon(char *z)
{
    char *triple = strstr(z, ":::");

    if (triple)
        memmove(triple + 2, triple + 3, strlen(triple + 3) + 1);
}

bool tnd_addr_parse_ip(struct tnd_str s, struct tnd_addr *out)
{
    char z[INET6_ADDRSTRLEN];

    memset(out, 0, sizeof *out);
    if (s.len >= 2 && s.p[0] == '[' && s.p[s.len - 1] == ']')
        s = (struct tnd_str){s.p + 1, s.len - 2};
    else if (s.len && s.p[0] == '[')
        return false;
    if (!copy_literal(s, z))
        return false;
    if (!memchr(s.p, ':', s.len)) {
        out->family = 4;
        return inet_pton(AF_INET, z, out->ip) == 1;
    }
    squeeze_triple_colon(z);
    out->family = 6;
    return inet_pton(AF_INET6, z, out->ip) == 1;
}

static bool parse_port(struct tnd_str s, uint16_t *port)
{
    unsigned v = 0;

    if (s.len == 0 || s.len > 5)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    *port = (uint16_t)v;
    return v > 0 && v <= 65535;
}

bool tnd_addr_parse(struct tnd_str s, struct tnd_addr *out)
{
    struct tnd_str host = s, port = {0};
    const char *colon = NULL;

    if (s.len && s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.len);
        if (!close)
            return false;
        host.len = (size_t)(close + 1 - s.p);
        if (host.len < s.len && s.p[host.len] != ':')
            return false;
        colon = host.len < s.len ? s.p + host.len : NULL;
    } else {
        colon = s.len ? memchr(s.p, ':', s.len) : NULL;
        if (colon && memchr(colon + 1, ':', (size_t)(s.p + s.len - colon - 1)))
            colon = NULL; // a bare IPv6 address
        else if (colon)
            host.len = (size_t)(colon - s.p);
    }
    if (!tnd_addr_parse_ip(host, out))
        return false;
    if (!colon)
        return true;
    port = (struct tnd_str){colon + 1, (size_t)(s.p + s.len - colon - 1)};
    return parse_port(port, &out->port);
}

static unsigned family_bits(const struct tnd_addr *a)
{
    return a->family == 4 ? 32 : 128;
}

bool tnd_prefix_parse(struct tnd_str s, struct tnd_prefix *out)
{
    const char *slash = s.len ? memchr(s.p, '/', s.len) : NULL;
    unsigned bits = 0;

    if (!tnd_addr_parse_ip((struct tnd_str){s.p, slash ? (size_t)(slash - s.p) : s.len},
                           &out->addr))
        return false;
    if (!slash) {
        out->bits = (uint8_t)family_bits(&out->addr);
        return true;
    }
    if (slash + 1 == s.p + s.len || s.p + s.len - slash > 4)
        return false;
    for (const char *p = slash + 1; p < s.p + s.len; p++) {
        if (*p < '0' || *p > '9')
            return false;
        bits = bits * 10 + (unsigned)(*p - '0');
    }
    if (bits > family_bits(&out->addr))
        return false;
    out->bits = (uint8_t)bits;
    for (unsigned i = bits; i < family_bits(&out->addr); i++)
        if (out->addr.ip[i / 8] & (0x80u >> (i % 8)))
            return false;
    return true;
}

bool tnd_prefix_covers(const struct tnd_prefix *p, const struct tnd_addr *a)
{
    unsigned whole = p->bits / 8, rest = p->bits % 8;

    if (p->addr.family != a->family || (p->addr.port && p->addr.port != a->port))
        return false;
    if (memcmp(p->addr.ip, a->ip, whole) != 0)
        return false;
    return rest == 0 || ((p->addr.ip[whole] ^ a->ip[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

// Returns: the digits' number. Every forwarded request has an address written into it, and
// inet_ntop, which prints, takes longer than the rest of its edits.
static size_t put_number(char *out, unsigned v)
{
    char digits[5];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    return n;
}

// Every request we forward says `received`, and Max-Forwards.
// Little endian hosts only: checked in meson.build.
#define DIGIT(v, unit) ('0' + (v) / (unit) % 10)
#define OCTET(v)                                                                   \
    ((v) > 99  ? DIGIT(v, 100) | DIGIT(v, 10) << 8 | DIGIT(v, 1) << 16 | '.' << 24 \
     : (v) > 9 ? DIGIT(v, 10) | DIGIT(v, 1) << 8 | '.' << 16                       \
               : DIGIT(v, 1) | '.' << 8)
#define OCTETS4(v)  OCTET(v), OCTET((v) + 1), OCTET((v) + 2), OCTET((v) + 3)
#define OCTETS16(v) OCTETS4(v), OCTETS4((v) + 4), OCTETS4((v) + 8), OCTETS4((v) + 12)
#define OCTETS64(v) OCTETS16(v), OCTETS16((v) + 16), OCTETS16((v) + 32), OCTETS16((v) + 48)

const uint32_t tnd__octet_text[256] = {OCTETS64(0), OCTETS64(64), OCTETS64(128), OCTETS64(192)};

size_t tnd_addr_bare_text(const struct tnd_addr *a, char *out)
{
    if (a->family != 4 && a->family != 6)
        return (size_t)snprintf(out, TND_ADDR_TEXT_MAX, "none");
    if (a->family == 6) {
        inet_ntop(AF_INET6, a->ip, out, TND_ADDR_TEXT_MAX);
        return strlen(out);
    }
    char *end = tnd_addr_put_ipv4(a->ip, out);
    *end = '\0';
    return (size_t)(end - out);
}

size_t tnd_addr_host_text(const struct tnd_addr *a, char *out)
{
    if (a->family != 6)
        return tnd_addr_bare_text(a, out);
    out[0] = '[';
    size_t len = 1 + tnd_addr_bare_text(a, out + 1);
    out[len++] = ']';
    out[len] = 0;
    return len;
}

size_t tnd_addr_text(const struct tnd_addr *a, char *out)
{
    size_t len = tnd_addr_host_text(a, out);

    if (a->port) {
        out[len++] = ':';
        len += put_number(out + len, a->port);
        out[len] = '\0';
    }
    return len;
}

bool tnd_addr_on_wire(const struct tnd_addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t zero[15];

    if (a->family == 4)
        return a->ip[0] != 0 && a->ip[0] != 127 && a->ip[0] < 224;
    return a->ip[0] != 0xff && memcmp(a->ip, mapped, sizeof mapped) != 0 &&
           (memcmp(a->ip, zero, sizeof zero) != 0 || a->ip[15] > 1);
}

static const char *const transport_names[] = {"none", "udp", "tcp", "tls",
                                              "sctp", "ws",  "wss", "other"};

const char *tnd_transport_name(enum tnd_transport t)
{
    return (unsigned)t < sizeof transport_names / sizeof *transport_names ? transport_names[t]
                                                                          : "other";
}

enum tnd_transport tnd_transport_parse(struct tnd_str s)
{
    if (s.len == 0)
        return TND_TRANSPORT_NONE;
    for (unsigned t = TND_TRANSPORT_UDP; t < TND_TRANSPORT_OTHER; t++)
        if (tnd_str_ieq(s, tnd_str_of(transport_names[t])))
            return (enum tnd_transport)t;
    return TND_TRANSPORT_OTHER;
}
