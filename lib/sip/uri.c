// URIs: SIP and SIPS (RFC 3261 s19.1, s25.1; RFC 5118 for IPv6); tel.c has tel.
#include "sip/lex.h"

bool tnd__ipv4(const char *base, struct tnd_span s, struct tnd_addr *out)
{
    unsigned part = 0, value = 0, digits = 0;
    uint8_t ip[4];

    for (unsigned i = 0; i <= s.len; i++) {
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
        value = value * 10 + (unsigned)(c - '0');
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

static unsigned ipv6_reference(const char *base, unsigned at, unsigned end, struct tnd_addr *ip)
{
    const char *close = memchr(base + at, ']', end - at);
    unsigned after;

    if (!close)
        return 0;
    after = (unsigned)(close - base) + 1;
    if (!tnd_addr_parse_ip((struct tnd_str){base + at, after - at}, ip) || ip->family != 6)
        return 0;
    return after;
}

#define EACH(b) (0x0101010101010101ULL * (b))

// Bit i: whether octet i of the eight at `p` is a dot. For octets below 0x80.
static inline unsigned dots_of(const char *p)
{
    uint64_t x = tnd__load8(p) ^ EACH('.');

    x = ~(x + EACH(0x7f)) & EACH(0x80);
    return (unsigned)(((x >> 7) * 0x0102040810204080ULL) >> 56);
}

// Read one to three digits. Returns: the number, above 255 when they are none of a dotted quad.
static inline unsigned quad_part(const char *p, unsigned len)
{
    static const uint8_t least[4] = {0, 0, 10, 100}; // a leading zero means octal to some
    uint32_t w, v;

    if (len - 1 > 2)
        return 256;
    w = (tnd__load4(p) ^ 0x30303030) << (8 * (4 - len)); // the digits are the upper octets
    v = (w >> 8 & 0xff) * 100 + (w >> 16 & 0xff) * 10 + (w >> 24);
    return ((w + 0x76767676) & 0x80808080) || v < least[len] ? 256 : v;
}

// What plain_quad looks at: the last of its parts may begin at the fifteenth octet.
#define QUAD_ROOM 18

// Parse a dotted quad of `len` characters of host names, at most 15; QUAD_ROOM octets from `p`
// on may be read. Returns: false when it is none, which the long way may see differently.
static inline bool plain_quad(const char *p, unsigned len, struct tnd_addr *ip)
{
    unsigned dots = (dots_of(p) | dots_of(p + 8) << 8) & ((1u << len) - 1);
    unsigned first, second, third, a, b, c, d;

    if (__builtin_popcount(dots) != 3)
        return false;
    first = (unsigned)__builtin_ctz(dots);
    dots &= dots - 1;
    second = (unsigned)__builtin_ctz(dots);
    third = 31 - (unsigned)__builtin_clz(dots);
    a = quad_part(p, first);
    b = quad_part(p + first + 1, second - first - 1);
    c = quad_part(p + second + 1, third - second - 1);
    d = quad_part(p + third + 1, len - third - 1);
    if ((a | b | c | d) > 255)
        return false;
    ip->ip[0] = (uint8_t)a;
    ip->ip[1] = (uint8_t)b;
    ip->ip[2] = (uint8_t)c;
    ip->ip[3] = (uint8_t)d;
    ip->family = 4;
    return true;
}

// Judge the host in [at, end), which has no other characters than hosts have.
static bool host_fine(const char *base, unsigned at, unsigned end, struct tnd_addr *ip)
{
    bool numeric = true;
    char before = '.';

    for (unsigned p = at; p < end; p++) {
        if (base[p] == '.' && before == '.')
            return false; // an empty label
        numeric &= base[p] == '.' || tnd_char_is(base[p], TND_C_DIGIT);
        before = base[p];
    }
    // s25.1: the last label of a name is not a number
    return !numeric || tnd__ipv4(base, tnd__span(at, end), ip);
}

// Whether two dots stand side by side in [at, end), or may: behind it in the last words looked at.
static inline bool maybe_empty_label(const struct tnd__text *t, unsigned at, unsigned end)
{
    for (; at < end; at += 7) {
        uint64_t x;

        if (at + 8 > t->len)
            return true;
        x = tnd__load8(t->d + at) ^ EACH('.');
        x = ~(((x & EACH(0x7f)) + EACH(0x7f)) | x) & EACH(0x80);
        if (x & x >> 8)
            return true;
    }
    return false;
}

unsigned tnd__host(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_addr *ip)
{
    const char *d = t->d;
    unsigned p;

    if (at < end && d[at] == '[')
        return ipv6_reference(d, at, end, ip);
    p = tnd__skip(t, TND_RUN_HOST, at, end);
    if (p == at)
        return 0;
    if (tnd_char_is(d[at], TND_C_DIGIT)) {
        if (p - at <= 15 && at + QUAD_ROOM <= t->len && plain_quad(d + at, p - at, ip))
            return p;
    } else if (d[at] != '.' && !maybe_empty_label(t, at, p)) {
        return p; // a name: no label is empty, and not all of it are digits
    }
    return host_fine(d, at, p, ip) ? p : 0;
}

// Whether each '%' begins an escape (s25.1) and each octet may be in a URI at all.
static bool userinfo_fine(const char *base, unsigned at, unsigned end)
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

static bool userinfo(const char *base, unsigned at, unsigned end, struct tnd_uri *out)
{
    const char *colon = memchr(base + at, ':', end - at);
    unsigned user_end = colon ? (unsigned)(colon - base) : end;

    if (user_end == at || !userinfo_fine(base, at, end))
        return false;
    out->user = tnd__span(at, user_end);
    if (colon)
        out->password = tnd__span(user_end + 1, end);
    return true;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : tnd_lower(c) - 'a' + 10;
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

static bool take_param(const struct tnd__text *t, struct tnd_span name, struct tnd_span value,
                       struct tnd_uri *out)
{
    const char *base = t->d;

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

        if (out->maddr.off ||
            tnd__host(t, value.off, value.off + value.len, &ip) != (unsigned)value.off + value.len)
            return false;
        out->maddr = value;
    }
    return true;
}

// Split uri-parameters. Empty ones (";;") are stepped over.
static bool params(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_uri *out)
{
    const char *base = t->d;

    while (at < end) {
        unsigned p = at, equals;

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

// Parse what follows the host: port, parameters, headers, each optional.
static bool after_host(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_uri *out)
{
    const char *base = t->d;
    uint64_t port = 0;

    if (at < end && base[at] == ':') {
        at = tnd__digits(base, at + 1, end, &port);
        if (port == 0 || port > 65535)
            return false;
    }
    out->port = (uint16_t)port;
    if (at < end && base[at] == ';') {
        const char *mark = memchr(base + at, '?', end - at);
        unsigned stop = mark ? (unsigned)(mark - base) : end;

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
static unsigned before_host(const struct tnd__text *t, unsigned at, unsigned end,
                            struct tnd_uri *out)
{
    unsigned p = tnd__skip(t, TND_RUN_USER, at, end);
    const char *sign;

    if (p < end && t->d[p] == '@' && p > at) { // no password, no escape
        out->user = tnd__span(at, p);
        return p + 1;
    }
    sign = memchr(t->d + at, '@', end - at);
    if (!sign)
        return at;
    p = (unsigned)(sign - t->d);
    return userinfo(t->d, at, p, out) ? p + 1 : 0;
}

static bool sip_uri(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_uri *out)
{
    unsigned p;

    at = before_host(t, at, end, out);
    if (at == 0 || tnd__skip(t, TND_RUN_URI, at, end) != end)
        return false;
    p = tnd__host(t, at, end, &out->ip);
    if (p == 0)
        return false;
    out->host = tnd__span(at, p);
    return p == end || after_host(t, p, end, out);
}

static bool other_uri(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_uri *out)
{
    const char *base = t->d;
    unsigned p = at;

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

bool tnd__uri(const struct tnd__text *t, struct tnd_span s, struct tnd_uri *out)
{
    const char *base = t->d;
    unsigned at = s.off, end = s.off + s.len;

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

    memset(out, 0, sizeof *out);
    return tnd__uri(&t, s, out);
}
