// Scalars: text of the file to typed values.
#include "control/config/internal.h"

#include <arpa/inet.h>

#define DURATION_SUCH "such as 500ms, 1.5s, 3m, 24h or 1d"

struct kind {
    const char *wants;
    size_t size;
};

static const struct kind kinds[TND__KIND_SCALARS] = {
    [TND__KIND_TEXT] = {"a text", sizeof(struct tnd_str)},
    [TND__KIND_COUNT] = {"a number", sizeof(uint32_t)},
    [TND__KIND_TIME] = {"a duration (" DURATION_SUCH ")", sizeof(uint32_t)},
    [TND__KIND_BOOL] = {"yes or no", sizeof(bool)},
    [TND__KIND_WORD] = {"one of", sizeof(uint16_t)},
    [TND__KIND_HOST] = {"a host name or address", sizeof(struct tnd_config_host)},
    [TND__KIND_LISTEN] = {"udp:ADDRESS:PORT", sizeof(struct tnd_addr)},
    [TND__KIND_ADDRESS] = {"ADDRESS or ADDRESS:PORT", sizeof(struct tnd_addr)},
    [TND__KIND_NET] = {"ADDRESS/LENGTH", sizeof(struct tnd_config_net)},
    [TND__KIND_MAC] = {"a MAC address (such as 02:00:00:00:00:01)", sizeof(struct tnd_config_mac)},
    [TND__KIND_SOURCE] = {"resolved, PREFIX, or PREFIX port PORT",
                          sizeof(struct tnd_config_source)},
    [TND__KIND_URI] = {"a SIP URI (such as sip:sip.carrier.example)",
                       sizeof(struct tnd_config_uri)},
    [TND__KIND_USER] = {"a user, with '*' at its end for any rest", sizeof(struct tnd_str)},
    [TND__KIND_DOMAIN] = {"a host, or '*.' and a domain", sizeof(struct tnd_str)},
    [TND__KIND_METHOD] = {"a SIP method (such as INVITE)", sizeof(struct tnd_config_method)},
    [TND__KIND_TRUNK] = {"the name of a trunk", sizeof(struct tnd_str)},
};

size_t tnd__kind_size(enum tnd__kind kind)
{
    return kinds[kind].size;
}

const char *tnd__kind_wants(const struct tnd__field *f, char *buf, size_t room)
{
    size_t n;

    if (f->kind != TND__KIND_WORD)
        return kinds[f->kind].wants;
    n = (size_t)snprintf(buf, room, "one of ");
    for (const struct tnd__word *w = f->words; w->word && n < room; w++)
        n += (size_t)snprintf(buf + n, room - n, "%s%s", w == f->words ? "" : ", ", w->word);
    return buf;
}

__attribute__((format(printf, 2, 3))) static bool refuse(char *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, TND__WHY_MAX, fmt, ap);
    va_end(ap);
    return false;
}

// ---- numbers and words -------------------------------------------------------------------

static size_t digits(struct tnd_str s, size_t at, uint64_t *value)
{
    size_t n = 0;

    *value = 0;
    while (at + n < s.len && s.p[at + n] >= '0' && s.p[at + n] <= '9' && n < 12)
        *value = *value * 10 + (uint64_t)(s.p[at + n++] - '0');
    return n;
}

static bool parse_count(const struct tnd__field *f, struct tnd_str s, uint32_t *out, char *why)
{
    const char *or_word = f->words ? f->words->word : NULL;
    uint64_t v;
    size_t n = digits(s, 0, &v);

    for (const struct tnd__word *w = f->words; w && w->word; w++)
        if (tnd_str_eq(s, tnd_str_of(w->word))) {
            *out = w->value;
            return true;
        }
    if (n > 0 && n + 1 == s.len && (s.p[n] == 'k' || s.p[n] == 'M')) {
        v *= s.p[n] == 'k' ? 1000 : 1000000;
        n++;
    }
    if (n == 0 || n != s.len || v < f->min || v > f->max)
        return refuse(why, "expected %s%sa number from %u to %u%s", or_word ? or_word : "",
                      or_word ? " or " : "", f->min, f->max,
                      f->max >= 10000 ? " (k and M may follow it)" : "");
    *out = (uint32_t)v;
    return true;
}

static const struct {
    const char *suffix;
    uint64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

static const char *duration_text(uint32_t ms, char *buf, size_t room)
{
    size_t i = sizeof units / sizeof *units;

    while (--i > 0 && (ms == 0 || ms % units[i].ms))
        ;
    snprintf(buf, room, "%u%s", (unsigned)(ms / units[i].ms), ms ? units[i].suffix : "s");
    return buf;
}

// Digits, at most six decimals, a unit. Exact: half a millisecond is no duration.
static bool parse_duration(const struct tnd__field *f, struct tnd_str s, uint32_t *out, char *why)
{
    char least[32], most[32];
    uint64_t whole, decimals = 0, scale = 1, ms = UINT64_MAX;
    size_t n = digits(s, 0, &whole), more;
    bool fine = n > 0;

    if (fine && n < s.len && s.p[n] == '.') {
        more = digits(s, n + 1, &decimals);
        fine = more > 0 && more <= 6;
        for (size_t i = 0; fine && i < more; i++)
            scale *= 10;
        n += 1 + more;
    }
    for (size_t i = 0; fine && i < sizeof units / sizeof *units; i++)
        if (tnd_str_eq((struct tnd_str){s.p + n, s.len - n}, tnd_str_of(units[i].suffix)) &&
            decimals * units[i].ms % scale == 0)
            ms = whole * units[i].ms + decimals * units[i].ms / scale;
    if (!fine || ms == UINT64_MAX)
        return refuse(why, "expected a duration " DURATION_SUCH);
    if (ms < f->min || ms > f->max)
        return refuse(why, "expected a duration from %s to %s",
                      duration_text(f->min, least, sizeof least),
                      duration_text(f->max, most, sizeof most));
    *out = (uint32_t)ms;
    return true;
}

static bool parse_bool(struct tnd_str s, bool *out, char *why)
{
    *out = tnd_str_eq(s, TND_STR("yes")) || tnd_str_eq(s, TND_STR("true"));
    if (*out || tnd_str_eq(s, TND_STR("no")) || tnd_str_eq(s, TND_STR("false")))
        return true;
    return refuse(why, "expected yes or no");
}

static bool parse_word(const struct tnd__field *f, struct tnd_str s, uint16_t *out, char *why)
{
    struct tnd__nearest near = tnd__nearest_begin(s);
    char words[128];

    for (const struct tnd__word *w = f->words; w->word; w++) {
        if (tnd_str_eq(s, tnd_str_of(w->word))) {
            *out = (uint16_t)w->value;
            return true;
        }
        tnd__nearest_try(&near, tnd_str_of(w->word));
    }
    if (near.best.len)
        return refuse(why, "did you mean '%s'? It can be %s", near.best.p,
                      tnd__kind_wants(f, words, sizeof words));
    return refuse(why, "expected %s", tnd__kind_wants(f, words, sizeof words));
}

static bool parse_text(struct tnd__reader *r, const struct tnd__field *f, struct tnd_str s,
                       struct tnd_str *out, char *why)
{
    if (s.len < f->min || s.len > f->max)
        return refuse(why, "expected %u to %u characters", f->min, f->max);
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return refuse(why, "expected no control characters");
    *out = tnd__copy(r, s);
    return true;
}

// ---- hosts and addresses -----------------------------------------------------------------

static bool is_label_char(char c)
{
    c = tnd_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// RFC 1123 s2.1, plus the underscore that names in the field have. A name whose last label is
// a number would be an address with a fault in it.
static bool is_host_name(struct tnd_str s)
{
    size_t label = 0;
    bool number = true;

    if (s.len == 0 || s.len > 253)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '.') {
            if (label == 0 || s.p[i - 1] == '-')
                return false;
            label = 0;
            number = true;
            continue;
        }
        if (!is_label_char(s.p[i]) || (label == 0 && s.p[i] == '-') || ++label > 63)
            return false;
        number = number && s.p[i] >= '0' && s.p[i] <= '9';
    }
    return label > 0 && s.p[s.len - 1] != '-' && !number;
}

static struct tnd_str without_final_dot(struct tnd_str s)
{
    return (struct tnd_str){s.p, s.len - (s.len > 1 && s.p[s.len - 1] == '.')};
}

static struct tnd_str copy_lower(struct tnd__reader *r, struct tnd_str s)
{
    struct tnd_str copy = tnd__copy(r, s);

    for (size_t i = 0; i < copy.len; i++)
        ((char *)(uintptr_t)copy.p)[i] = tnd_lower(copy.p[i]);
    return copy;
}

static bool parse_host(struct tnd__reader *r, struct tnd_str s, struct tnd_config_host *out,
                       char *why)
{
    s = without_final_dot(s);
    if (!tnd_addr_parse_ip(s, &out->ip)) {
        memset(&out->ip, 0, sizeof out->ip);
        if (!is_host_name(s))
            return refuse(why, "expected a host name or an address, without port");
    }
    out->text = copy_lower(r, s);
    return true;
}

static bool is_zero(const struct tnd_addr *a)
{
    static const uint8_t zero[16];

    return memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool is_multicast(const struct tnd_addr *a)
{
    return a->family == 4 ? a->ip[0] >= 224 : a->ip[0] == 0xff;
}

static bool parse_endpoint(const struct tnd__field *f, struct tnd_str s, struct tnd_addr *out,
                           char *why)
{
    if (!tnd_addr_parse(s, out) || is_zero(out) || is_multicast(out))
        return refuse(why, "expected an address, or ADDRESS:PORT with brackets around IPv6, such "
                           "as 192.0.2.1:53 or [2001:db8::1]:53");
    return true;
}

static bool parse_listen(struct tnd_str s, struct tnd_addr *out, char *why)
{
    const char *colon = s.len ? memchr(s.p, ':', s.len) : NULL;
    struct tnd_str word = {s.p, colon ? (size_t)(colon - s.p) : 0};
    struct tnd_str rest = {s.p + word.len + 1, colon ? s.len - word.len - 1 : 0};
    enum tnd_transport t = tnd_transport_parse(word);

    if (t != TND_TRANSPORT_NONE && t != TND_TRANSPORT_OTHER && t != TND_TRANSPORT_UDP)
        return refuse(why, "listeners over %s come later; use udp:", tnd_transport_name(t));
    // Without brackets the last group of an IPv6 address could be meant as a port.
    if (t != TND_TRANSPORT_UDP || !tnd_addr_parse(rest, out) ||
        (out->family == 6 && rest.p[0] != '['))
        return refuse(why, "expected udp:ADDRESS:PORT, such as udp:192.0.2.10:5060 or "
                           "udp:[2001:db8::10]:5060");
    if (is_zero(out) || is_multicast(out))
        return refuse(why, "expected one address of an interface");
    out->transport = TND_TRANSPORT_UDP;
    if (!out->port)
        out->port = 5060;
    return true;
}

static bool parse_net(struct tnd_str s, struct tnd_config_net *out, char *why)
{
    const char *slash = s.len ? memchr(s.p, '/', s.len) : NULL;
    size_t host = slash ? (size_t)(slash - s.p) : 0;
    uint64_t bits;
    size_t n = slash ? digits(s, host + 1, &bits) : 0;

    if (n == 0 || host + 1 + n != s.len ||
        !tnd_addr_parse_ip((struct tnd_str){s.p, host}, &out->addr) || is_zero(&out->addr) ||
        is_multicast(&out->addr) || bits > (out->addr.family == 4 ? 32 : 128))
        return refuse(why, "expected an address and the length of its network, such as "
                           "192.0.2.10/24");
    out->bits = (uint8_t)bits;
    return true;
}

static int hex(char c)
{
    c = tnd_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_mac(struct tnd_str s, struct tnd_config_mac *out, char *why)
{
    bool fine = s.len == 17, all_zero = true;

    for (size_t i = 0; fine && i < 6; i++) {
        int high = hex(s.p[3 * i]), low = hex(s.p[3 * i + 1]);
        fine = high >= 0 && low >= 0 && (i == 5 || s.p[3 * i + 2] == ':');
        out->octets[i] = (uint8_t)(high * 16 + low);
        all_zero = all_zero && out->octets[i] == 0;
    }
    if (!fine)
        return refuse(why, "expected a MAC address such as 02:00:00:00:00:01");
    if (all_zero || (out->octets[0] & 1))
        return refuse(why, "expected the MAC address of one station, not a group's");
    return true;
}

// ---- trunks ------------------------------------------------------------------------------

// "PREFIX port PORT": cut the port off.
static bool cut_port(struct tnd_str *s, uint16_t *port)
{
    const char *space = s->len ? memchr(s->p, ' ', s->len) : NULL;
    size_t at = space ? (size_t)(space - s->p) : s->len;
    uint64_t v = 0;

    *port = 0;
    if (!space)
        return true;
    size_t n = s->len > at + 6 ? digits(*s, at + 6, &v) : 0;
    if (n == 0 || at + 6 + n != s->len || memcmp(space, " port ", 6) != 0 || v < 1 || v > 65535)
        return false;
    *port = (uint16_t)v;
    s->len = at;
    return true;
}

static bool host_bits(struct tnd_str s, struct tnd_config_net *net)
{
    char ignored[TND__WHY_MAX];

    if (!parse_net(s, net, ignored))
        return false;
    for (unsigned i = net->bits; i < 128; i++)
        net->addr.ip[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
    return true;
}

static bool parse_source(struct tnd_str s, struct tnd_config_source *out, char *why)
{
    struct tnd_config_net net;
    char text[TND_ADDR_TEXT_MAX];
    uint16_t port;

    if (tnd_str_eq(s, TND_STR("resolved"))) {
        out->resolved = true;
        return true;
    }
    if (cut_port(&s, &port) && tnd_prefix_parse(s, &out->prefix)) {
        out->prefix.addr.port = port;
        return true;
    }
    if (host_bits(s, &net)) {
        inet_ntop(net.addr.family == 4 ? AF_INET : AF_INET6, net.addr.ip, text, sizeof text);
        return refuse(why, "bits are set beyond the prefix length; did you mean '%s/%u'?", text,
                      net.bits);
    }
    return refuse(why, "expected resolved, a prefix such as 198.51.100.0/24, or a prefix with "
                       "a port such as 198.51.100.7 port 5060");
}

static bool parse_uri(struct tnd__reader *r, struct tnd_str s, struct tnd_config_uri *out,
                      char *why)
{
    struct tnd_uri *u = &out->uri;
    struct tnd_next_hop hop;
    struct tnd_str host;

    if (s.len > 512 || !tnd_uri_parse(s.p, (struct tnd_span){0, (uint16_t)s.len}, u))
        return refuse(why, "expected a SIP URI such as sip:sip.carrier.example or "
                           "sip:192.0.2.7:5060");
    if (u->scheme == TND_SCHEME_SIPS ||
        (u->transport != TND_TRANSPORT_NONE && u->transport != TND_TRANSPORT_UDP))
        return refuse(why, "only UDP can be sent yet; use sip: without transport, or with "
                           "transport=udp");
    if (u->scheme != TND_SCHEME_SIP)
        return refuse(why, "expected a SIP URI such as sip:sip.carrier.example");
    if (u->user.len || u->password.len || u->headers.len)
        return refuse(why, "expected host, port and parameters only; a call keeps its own user");
    host = without_final_dot((struct tnd_str){s.p + u->host.off, u->host.len});
    if (u->ip.family == 0 && !is_host_name(host))
        return refuse(why, "its host is neither a host name nor an address");
    if (!tnd_next_hop_of_uri(s.p, u, TND_STR(""), &hop))
        return refuse(why, "its maddr is neither a host name nor an address");
    out->text = tnd__copy(r, s);
    return true;
}

// ---- routes ------------------------------------------------------------------------------

static bool has_space(struct tnd_str s)
{
    return s.len && (memchr(s.p, ' ', s.len) || memchr(s.p, '\t', s.len));
}

static bool parse_user(struct tnd__reader *r, const struct tnd__field *f, struct tnd_str s,
                       struct tnd_str *out, char *why)
{
    const char *star = s.len ? memchr(s.p, '*', s.len) : NULL;

    if (has_space(s) || (star && star + 1 != s.p + s.len))
        return refuse(why, "expected a user such as +4930123, where only the last character may "
                           "be '*'");
    return parse_text(r, f, s, out, why);
}

static bool parse_domain(struct tnd__reader *r, struct tnd_str s, struct tnd_str *out, char *why)
{
    struct tnd_str host = without_final_dot(s);
    struct tnd_addr ip;

    if (host.len > 2 && host.p[0] == '*' && host.p[1] == '.')
        host = (struct tnd_str){host.p + 2, host.len - 2};
    if (!tnd_str_eq(s, TND_STR("*")) && !is_host_name(host) && !tnd_addr_parse_ip(s, &ip))
        return refuse(why, "expected a host, or '*.' and a domain such as \"*.partner.example\"");
    *out = copy_lower(r, without_final_dot(s));
    return true;
}

static bool is_token(struct tnd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = tnd_lower(s.p[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-.!%*_+`'~", c)) || !c)
            return false;
    }
    return s.len > 0 && s.len <= 32;
}

static bool parse_method(struct tnd__reader *r, struct tnd_str s, struct tnd_config_method *out,
                         char *why)
{
    if (!is_token(s))
        return refuse(why, "expected a SIP method such as INVITE");
    for (enum tnd_method m = TND_METHOD_OTHER + 1; m < TND_METHOD_COUNT; m++) {
        struct tnd_str name = tnd_str_of(tnd_method_name(m));
        if (tnd_str_eq(s, name))
            out->method = m;
        else if (tnd_str_ieq(s, name))
            return refuse(why, "methods are upper case; did you mean '%s'?", name.p);
    }
    if (out->method == TND_METHOD_CANCEL || out->method == TND_METHOD_ACK)
        return refuse(why, "CANCEL and ACK go where their INVITE went; use INVITE");
    out->text = tnd__copy(r, s);
    return true;
}

// ---- all ---------------------------------------------------------------------------------

bool tnd__value_parse(struct tnd__reader *r, const struct tnd__field *f, struct tnd_str s,
                      void *out, char why[static TND__WHY_MAX])
{
    bool fine = false;

    memset(out, 0, kinds[f->kind].size);
    switch (f->kind) {
    case TND__KIND_TEXT:
    case TND__KIND_TRUNK:
        fine = parse_text(r, f, s, out, why);
        break;
    case TND__KIND_COUNT:
        fine = parse_count(f, s, out, why);
        break;
    case TND__KIND_TIME:
        fine = parse_duration(f, s, out, why);
        break;
    case TND__KIND_BOOL:
        fine = parse_bool(s, out, why);
        break;
    case TND__KIND_WORD:
        fine = parse_word(f, s, out, why);
        break;
    case TND__KIND_HOST:
        fine = parse_host(r, s, out, why);
        break;
    case TND__KIND_LISTEN:
        fine = parse_listen(s, out, why);
        break;
    case TND__KIND_ADDRESS:
        fine = parse_endpoint(f, s, out, why);
        break;
    case TND__KIND_NET:
        fine = parse_net(s, out, why);
        break;
    case TND__KIND_MAC:
        fine = parse_mac(s, out, why);
        break;
    case TND__KIND_SOURCE:
        fine = parse_source(s, out, why);
        break;
    case TND__KIND_URI:
        fine = parse_uri(r, s, out, why);
        break;
    case TND__KIND_USER:
        fine = parse_user(r, f, s, out, why);
        break;
    case TND__KIND_DOMAIN:
        fine = parse_domain(r, s, out, why);
        break;
    case TND__KIND_METHOD:
        fine = parse_method(r, s, out, why);
        break;
    default:
        refuse(why, "expected a map");
    }
    if (!fine)
        memset(out, 0, kinds[f->kind].size);
    return fine;
}
