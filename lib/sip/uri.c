// URIs: SIP and SIPS (RFC 3261 s19.1, s25.1; RFC 5118 for IPv6); tel.c has tel.
#include "sip/uri.h"

#define FOUR(...)                                          \
    {                                                      \
        __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__ \
    }

// Lanes of four octets, one for each part of a dotted quad.
__attribute__((aligned(16))) const uint8_t tnd__quad_constants[TND__Q_COUNT][16] = {
    [TND__Q_DOT] = FOUR('.', '.', '.', '.'),
    [TND__Q_NULL] = FOUR('0', '0', '0', '0'),
    [TND__Q_LANE] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3},
    [TND__Q_BACK] = FOUR(0xfd, 0xfe, 0xff, 0x80), // three, two, one before the end; none
    [TND__Q_WEIGHT] = FOUR(100, 10, 1, 0),
    [TND__Q_ONE] = FOUR(1, 0, 1, 0),
    // By length plus one: a leading zero means octal to some, and no part is empty.
    [TND__Q_LEAST] = {0, 0xff, 0, 10, 100},
    [TND__Q_LONGEST] = FOUR(4, 4, 4, 4),
    [TND__Q_NINE] = FOUR(9, 9, 9, 9),
    [TND__Q_LOW] = FOUR(0xff, 0, 0, 0),
    [TND__Q_MOST] = FOUR(255, 0, 0, 0),
    [TND__Q_VALUE] = {0, 4, 8, 12},
};

bool tnd__ipv4(const char *base, struct tnd_span s, struct tnd_addr *out)
{
    size_t part = 0, value = 0, digits = 0;
    uint8_t ip[4];

    for (size_t i = 0; i <= s.len; i++) {
        char c = i < s.len ? base[s.off + i] : '.';

        if (c == '.') {
            if (digits == 0 || part == 4)
                return false;
            ip[part++] = (uint8_t)value;
            value = digits = 0;
            continue;
        }
        if (!tnd_char_is(c, TND_C_DIGIT) || (digits && value == 0))
            return false; // a leading zero means octal to some
        value = value * 10 + (size_t)(c - '0');
        digits++;
        if (value > 255)
            return false;
    }
    if (part != 4)
        return false;
    memset(out, 0, sizeof *out);
    memcpy(out->ip, ip, sizeof ip);
    out->family = 4;
    return true;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : tnd_lower(c) - 'a' + 10;
}

// Parse the IPv6 address in [at, end) if it is of groups of hex digits alone, with one "::" or
// none. Returns: false for another form too, which tnd_addr_parse_ip may know.
static bool plain_ipv6(const char *base, size_t at, size_t end, uint8_t out[16])
{
    size_t n = 0, gap = 17; // octets read, and how many of them before the "::"
    uint8_t ip[16];

    if (end - at >= 2 && base[at] == ':' && base[at + 1] == ':') {
        gap = 0;
        at += 2;
    }
    while (at < end) {
        size_t stop = at + 4 < end ? at + 4 : end, from = at;
        unsigned group = 0;

        for (; at < stop && tnd_char_is(base[at], TND_C_HEX); at++)
            group = group << 4 | (unsigned)hex_digit(base[at]);
        if (at == from || n == 16)
            return false;
        ip[n++] = (uint8_t)(group >> 8);
        ip[n++] = (uint8_t)group;
        if (at == end)
            break;
        if (base[at++] != ':' || at == end)
            return false;
        if (base[at] == ':') {
            if (gap <= 16)
                return false;
            gap = n;
            at++;
        }
    }
    if (gap > 16 ? n != 16 : n == 16)
        return false;
    if (gap > 16)
        gap = n;
    memset(out, 0, 16);
    memcpy(out, ip, gap);
    memcpy(out + 16 - (n - gap), ip + gap, n - gap);
    return true;
}

size_t tnd__ipv6_reference(const char *base, size_t at, size_t end, struct tnd_addr *ip)
{
    const char *close = memchr(base + at, ']', end - at);
    size_t after;

    if (!close)
        return 0;
    after = (size_t)(close - base) + 1;
    if (plain_ipv6(base, at + 1, after - 1, ip->ip)) {
        ip->family = 6;
        return after;
    }
    if (!tnd_addr_parse_ip((struct tnd_str){base + at, after - at}, ip) || ip->family != 6)
        return 0;
    return after;
}

// Judge the host in [at, end), which has no other characters than hosts have.
static bool host_fine(const char *base, size_t at, size_t end, struct tnd_addr *ip)
{
    bool numeric = true;
    char before = '.';

    for (size_t p = at; p < end; p++) {
        if (base[p] == '.' && before == '.')
            return false; // an empty label
        numeric &= base[p] == '.' || tnd_char_is(base[p], TND_C_DIGIT);
        before = base[p];
    }
    // s25.1: the last label of a name is not a number
    return !numeric || tnd__ipv4(base, tnd__span(at, end), ip);
}

size_t tnd__host_any(struct tnd__text t, size_t at, size_t end, struct tnd_addr *ip)
{
    const char *d = t.d;
    size_t p;

    if (at < end && d[at] == '[')
        return tnd__ipv6_reference(d, at, end, ip);
    p = tnd__skip(t, TND_RUN_HOST, at, end);
    if (tnd__has_room(t, p) && tnd__plain_host(d, at, p, ip))
        return p;
    return p > at && host_fine(d, at, p, ip) ? p : 0;
}

// Whether each '%' begins an escape (s25.1) and each octet may be in a URI at all.
static bool userinfo_fine(const char *base, size_t at, size_t end)
{
    for (; at < end; at++) {
        if (!tnd_char_is(base[at], TND_C_URI))
            return false;
        if (base[at] != '%')
            continue;
        if (at + 2 >= end || !tnd_char_is(base[at + 1], TND_C_HEX) ||
            !tnd_char_is(base[at + 2], TND_C_HEX))
            return false;
    }
    return true;
}

static bool userinfo(const char *base, size_t at, size_t end, struct tnd_uri *out)
{
    const char *colon = memchr(base + at, ':', end - at);
    size_t user_end = colon ? (size_t)(colon - base) : end;

    if (user_end == at || !userinfo_fine(base, at, end))
        return false;
    out->user = tnd__span(at, user_end);
    if (colon)
        out->password = tnd__span(user_end + 1, end);
    return true;
}

bool tnd_uri_name_is(struct tnd_str name, struct tnd_str want)
{
    size_t n = 0, at = 0;

    while (at < name.len && n < want.len) {
        char c = name.p[at++];

        if (c == '%' && at + 1 < name.len && tnd_char_is(name.p[at], TND_C_HEX) &&
            tnd_char_is(name.p[at + 1], TND_C_HEX)) {
            c = (char)(hex_digit(name.p[at]) * 16 + hex_digit(name.p[at + 1]));
            at += 2;
        }
        if (tnd_lower(c) != want.p[n++])
            return false;
    }
    return at == name.len && n == want.len;
}

#define NAME_IS(base, s, lit) \
    tnd_uri_name_is((struct tnd_str){(base) + (s).off, (s).len}, TND_STR(lit))

static bool take_param(struct tnd__text t, struct tnd_span name, struct tnd_span value,
                       struct tnd_uri *out)
{
    const char *base = t.d;
    char first = name.len > 0 ? tnd_lower(base[name.off]) : 0;

    if (first != 'l' && first != 't' && first != 'm' && first != '%')
        return true; // none of those below, which saves most the comparisons
    if (NAME_IS(base, name, "lr")) {
        out->lr = true;
    } else if (NAME_IS(base, name, "transport")) {
        if (out->transport_text.off || value.len == 0)
            return false; // s19.1.1: no parameter twice
        out->transport_text = value;
        out->transport =
            (uint8_t)tnd_transport_parse((struct tnd_str){base + value.off, value.len});
    } else if (NAME_IS(base, name, "maddr")) {
        struct tnd_addr ip = {0};

        if (out->maddr.off || tnd__host_any(t, value.off, value.off + value.len, &ip) !=
                                  (size_t)value.off + value.len)
            return false;
        out->maddr = value;
    }
    return true;
}

// Split uri-parameters. Empty ones (";;") are stepped over.
static bool params(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    const char *base = t.d;

    while (at < end) {
        size_t p = at, equals;

        while (p < end && base[p] != ';' && base[p] != '=')
            p++;
        equals = p;
        while (p < end && base[p] != ';')
            p++;
        if (equals < p && equals == at)
            return false;
        if (!take_param(t, tnd__span(at, equals), tnd__span(equals < p ? equals + 1 : equals, p),
                        out))
            return false;
        at = p + 1;
    }
    return true;
}

bool tnd__uri_tail(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    const char *base = t.d;
    uint64_t port;

    if (at < end && base[at] == ':') {
        at = tnd__digits(base, at + 1, end, &port);
        if (port == 0 || port > 65535)
            return false;
        out->port = (uint16_t)port;
    }
    if (at < end && base[at] == ';') {
        const char *mark = memchr(base + at, '?', end - at);
        size_t stop = mark ? (size_t)(mark - base) : end;

        out->params = tnd__span(at + 1, stop);
        if (!params(t, at + 1, stop, out))
            return false;
        at = stop;
    }
    if (at < end && base[at] == '?') {
        out->headers = tnd__span(at + 1, end);
        at = end;
    }
    return at == end;
}

// Take the userinfo, if there is one. Returns: offset of the host, or 0 when malformed.
static size_t before_host(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    const char *sign = memchr(t.d + at, '@', end - at);
    size_t p;

    if (!sign)
        return at;
    p = (size_t)(sign - t.d);
    return userinfo(t.d, at, p, out) ? p + 1 : 0;
}

static bool sip_uri(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    size_t p;

    at = before_host(t, at, end, out);
    if (at == 0 || tnd__skip(t, TND_RUN_URI, at, end) != end)
        return false;
    p = tnd__host_any(t, at, end, &out->ip);
    if (p == 0)
        return false;
    out->host = tnd__span(at, p);
    return p == end || tnd__uri_tail(t, p, end, out);
}

static bool other_uri(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    const char *base = t.d;
    size_t p = at;

    if (p == end || !tnd_char_is(base[p], TND_C_ALPHA))
        return false;
    while (p < end && (tnd_char_is(base[p], TND_C_ALPHA | TND_C_DIGIT) || base[p] == '+' ||
                       base[p] == '-' || base[p] == '.'))
        p++;
    if (p + 1 >= end || base[p] != ':' || tnd__skip(t, TND_RUN_URI, p, end) != end)
        return false;
    if (tnd__is(base + at, p - at, "tel", 3)) {
        out->scheme = TND_SCHEME_TEL;
        return tnd__tel(t, p + 1, end, out);
    }
    out->scheme = TND_SCHEME_OTHER;
    out->user = tnd__span(p + 1, end);
    return true;
}

bool tnd__uri_any(struct tnd__text t, struct tnd_span s, struct tnd_uri *out)
{
    const char *base = t.d;
    size_t at = s.off, end = s.off + s.len;

    memset(out, 0, sizeof *out);
    out->whole = s;
    if (s.len > 4 && tnd__is_sip(base + at)) {
        out->scheme = TND_SCHEME_SIP;
        return sip_uri(t, at + 4, end, out);
    }
    if (s.len > 5 && tnd__is(base + at, 5, "sips:", 5)) {
        out->scheme = TND_SCHEME_SIPS;
        return sip_uri(t, at + 5, end, out);
    }
    return other_uri(t, at, end, out);
}

bool tnd_uri_parse(const char *base, struct tnd_span s, struct tnd_uri *out)
{
    struct tnd_scan_maps maps;
    struct tnd__text t = tnd__text(base, s.off, s.off + s.len, &maps);

    return tnd__uri_any(t, s, out);
}
