// One via-parm (RFC 3261 s20.42, RFC 3581).
#include "sip/via.h"

static enum tnd_transport transport_of(const char *p, size_t len)
{
    if (tnd__is(p, len, "udp", 3))
        return TND_TRANSPORT_UDP;
    return tnd_transport_parse((struct tnd_str){p, len});
}

// Skip `mark` and the blanks around it; 0 when it is not there.
static size_t skip_mark(const char *base, size_t at, size_t end, char mark)
{
    at = tnd__skip_lws(base, at, end);
    if (at == end || base[at] != mark)
        return 0;
    return tnd__skip_lws(base, at + 1, end);
}

// Parse "SIP / 2.0 / UDP" and the blank after it. Other protocols pass: an answer to a
// version we do not speak must still find its way.
// Returns: offset of sent-by, or 0 when malformed.
static size_t sent_protocol(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    const char *base = t.d;
    size_t p, q;

    for (int part = 0; part < 2; part++) {
        p = tnd__skip(t, TND_RUN_TOKEN, at, end);
        if (p == at)
            return 0;
        at = skip_mark(base, p, end, '/');
        if (at == 0)
            return 0;
    }
    p = tnd__skip(t, TND_RUN_TOKEN, at, end);
    if (p == at)
        return 0;
    out->transport = (uint8_t)transport_of(base + at, p - at);
    q = tnd__skip_lws(base, p, end);
    return q == p ? 0 : q;
}

// The form nearly all senders use, without the search for blanks.
static size_t plain_protocol(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    if (end - at > 12 && memcmp(t.d + at, "SIP/2.0/UDP ", 12) == 0) {
        out->transport = TND_TRANSPORT_UDP;
        return tnd__skip_lws(t.d, at + 12, end);
    }
    return sent_protocol(t, at, end, out);
}

// Returns: offset after sent-by and the blanks behind it, or 0 when malformed.
static size_t sent_by(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    const char *base = t.d;
    size_t p = tnd__host_any(t, at, end, &out->sent_by);
    uint64_t port;

    if (p == 0)
        return 0;
    out->host = tnd__span(at, p);
    p = tnd__skip_lws(base, p, end);
    if (p < end && base[p] == ':') {
        at = tnd__skip_lws(base, p + 1, end);
        p = tnd__digits(base, at, end, &port);
        if (port == 0 || port > 65535) {
            out->host = (struct tnd_span){0};
            return 0;
        }
        out->sent_by.port = (uint16_t)port;
        p = tnd__skip_lws(base, p, end);
    }
    return p;
}

static bool set_once(struct tnd_span *slot, struct tnd_span value)
{
    if (slot->off)
        return false; // s7.3.1: no parameter twice
    *slot = value;
    return true;
}

static bool take_received(const char *base, const struct tnd__param *p, struct tnd_via *out)
{
    struct tnd_str text = {base + p->value.off, p->value.len};

    if (p->value.len == 0 || !set_once(&out->received, p->value))
        return false;
    out->received_param = p->whole;
    if (!tnd__ipv4(base, p->value, &out->received_ip) &&
        !tnd_addr_parse_ip(text, &out->received_ip))
        memset(&out->received_ip, 0, sizeof out->received_ip);
    return true;
}

static bool take_rport(const char *base, const struct tnd__param *p, struct tnd_via *out)
{
    uint32_t port;

    if (!set_once(&out->rport, p->value))
        return false;
    out->rport_param = p->whole;
    if (tnd__number(base, p->value, 65535, &port))
        out->rport_value = (uint16_t)port;
    return true;
}

static bool take_param(const char *base, const struct tnd__param *p, struct tnd_via *out)
{
    if (TND__SPAN_IS(base, p->name, "branch"))
        return p->value.len > 0 && set_once(&out->branch, p->value);
    if (TND__SPAN_IS(base, p->name, "rport"))
        return take_rport(base, p, out);
    if (TND__SPAN_IS(base, p->name, "received"))
        return take_received(base, p, out);
    if (TND__SPAN_IS(base, p->name, "maddr"))
        return p->value.len > 0 && set_once(&out->maddr, p->value);
    return true;
}

// Whether a ';' follows the one at `at` with no parameter between.
static bool empty_param(const char *base, size_t at, size_t end)
{
    at = tnd__skip_lws(base, at + 1, end);
    return at == end || base[at] == ';' || base[at] == ',';
}

// Take the parameter at *at, where a ';' should be; on return *at is behind it.
// Returns: false when malformed, or one of those that count is there twice.
static bool via_param(struct tnd__text t, size_t *at, size_t end, struct tnd_via *out)
{
    struct tnd__param param;

    // s25.1 knows no empty parameter; a Via is what answers go by, so none passes here.
    return t.d[*at] == ';' && !empty_param(t.d, *at, end) &&
           tnd__param_next(t, at, end, &param) == TND__FOUND && take_param(t.d, &param, out);
}

size_t tnd__via_params(struct tnd__text t, size_t start, size_t at, size_t end, struct tnd_via *out)
{
    while (at < end && t.d[at] != ',')
        if (!via_param(t, &at, end, out))
            return 0;
    out->whole = tnd__span(start, tnd__trim_lws(t.d, start, at));
    return at;
}

size_t tnd__via_any(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    const char *base = t.d;
    size_t start = tnd__skip_lws(base, at, end), p;

    memset(out, 0, sizeof *out);
    p = start < end ? plain_protocol(t, start, end, out) : 0;
    if (p == 0 || (p = sent_by(t, p, end, out)) == 0)
        return 0;
    return tnd__via_params(t, start, p, end, out);
}

uint16_t tnd_via_parse(const char *base, uint16_t at, uint16_t end, struct tnd_via *out)
{
    struct tnd_scan_maps maps;
    struct tnd__text t = tnd__text(base, at, end, &maps);

    return (uint16_t)tnd__via_any(t, at, end, out);
}
