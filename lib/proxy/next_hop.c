#include "proxy/next_hop.h"

#include <stdio.h>
#include <string.h>

#define HOST_MAX  253
#define TRUNK_MAX 64

static struct tnd_str span_text(const char *base, struct tnd_span s)
{
    return (struct tnd_str){base + s.off, s.len};
}

// RFC 3263 s4: TARGET is maddr when there is one.
static struct tnd_str target_of(const char *base, const struct tnd_uri *uri)
{
    struct tnd_str s = span_text(base, uri->maddr.len > 0 ? uri->maddr : uri->host);

    if (s.len > 1 && s.p[s.len - 1] == '.')
        s.len--;
    return s;
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// Lower case into `to`. Returns: false unless it is a host name (RFC 1123; '_' is met in practice).
static bool copy_host(struct tnd_str s, char *to)
{
    char last = '.';

    if (s.len == 0 || s.len > HOST_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = tnd_lower(s.p[i]);
        if (!host_char(c) || (c == '.' && last == '.'))
            return false;
        to[i] = last = c;
    }
    return last != '.';
}

static enum tnd_transport numeric_transport(const struct tnd_uri *uri)
{
    enum tnd_transport t = (enum tnd_transport)uri->transport;

    if (uri->scheme == TND_SCHEME_SIPS)
        return t == TND_TRANSPORT_NONE || t == TND_TRANSPORT_TCP ? TND_TRANSPORT_TLS : t;
    return t == TND_TRANSPORT_NONE ? TND_TRANSPORT_UDP : t;
}

bool tnd_next_hop_of_uri(const char *base, const struct tnd_uri *uri, struct tnd_str trunk,
                         struct tnd_next_hop *out)
{
    struct tnd_str target = target_of(base, uri);
    bool sips = uri->scheme == TND_SCHEME_SIPS;
    size_t n = sips ? 5 : 4;

    out->name_len = 0;
    memset(&out->numeric, 0, sizeof out->numeric);
    if (!sips && uri->scheme != TND_SCHEME_SIP)
        return false;
    if (tnd_addr_parse_ip(target, &out->numeric)) {
        out->numeric.transport = (uint8_t)numeric_transport(uri);
        out->numeric.port = uri->port ? uri->port
                            : out->numeric.transport == TND_TRANSPORT_TLS ||
                                    out->numeric.transport == TND_TRANSPORT_WSS
                                ? 5061
                                : 5060;
        return true;
    }
    memset(&out->numeric, 0, sizeof out->numeric);
    memcpy(out->name, sips ? "sips:" : "sip:", n);
    if (trunk.len > TRUNK_MAX || !copy_host(target, out->name + n))
        return false;
    n += target.len;
    if (uri->port != 0)
        n += (size_t)snprintf(out->name + n, sizeof out->name - n, ":%u", uri->port);
    if (uri->transport != TND_TRANSPORT_NONE)
        n += (size_t)snprintf(out->name + n, sizeof out->name - n, ";transport=%s",
                              tnd_transport_name((enum tnd_transport)uri->transport));
    out->name[n++] = '|';
    if (trunk.len > 0)
        memcpy(out->name + n, trunk.p, trunk.len);
    out->name_len = (uint16_t)(n + trunk.len);
    return true;
}

static bool take(struct tnd_str *s, const char *prefix)
{
    size_t len = strlen(prefix);

    if (s->len < len || memcmp(s->p, prefix, len) != 0)
        return false;
    s->p += len;
    s->len -= len;
    return true;
}

static struct tnd_str take_until(struct tnd_str *s, const char *stops)
{
    struct tnd_str head = {s->p, 0};

    while (s->len > 0 && !strchr(stops, *s->p)) {
        s->p++;
        s->len--;
        head.len++;
    }
    return head;
}

static bool take_port(struct tnd_str *s, uint16_t *port)
{
    uint32_t v = 0;

    *port = 0;
    if (!take(s, ":"))
        return true;
    struct tnd_str digits = take_until(s, ";|");
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || digits.len > 5)
            return false;
        v = v * 10 + (uint32_t)(digits.p[i] - '0');
    }
    *port = (uint16_t)v;
    return v > 0 && v <= UINT16_MAX;
}

bool tnd_next_hop_parse(struct tnd_str name, struct tnd_next_hop_parts *out)
{
    memset(out, 0, sizeof *out);
    out->sips = take(&name, "sips:");
    if (!out->sips && !take(&name, "sip:"))
        return false;
    struct tnd_str host = take_until(&name, ":;|");
    if (!copy_host(host, out->host) || !take_port(&name, &out->port))
        return false;
    if (take(&name, ";transport="))
        out->transport = (uint8_t)tnd_transport_parse(take_until(&name, "|"));
    if (!take(&name, "|") || name.len > TRUNK_MAX)
        return false;
    out->trunk = name;
    return true;
}
