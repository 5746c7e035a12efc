#include "sim/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define TURNS 16

static char *next_room(void)
{
    static char room[TURNS][80];
    static unsigned turn;

    return room[turn++ % TURNS];
}

const char *addr_host(const struct sim_addr *a)
{
    char *out = next_room(), ip[INET6_ADDRSTRLEN];

    inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, ip, sizeof ip);
    snprintf(out, 80, a->family == 4 ? "%s" : "[%s]", ip);
    return out;
}

const char *addr_text(const struct sim_addr *a)
{
    char host[80], *out;

    memcpy(host, addr_host(a), sizeof host);
    out = next_room();
    if (a->port)
        snprintf(out, 80, "%.70s:%u", host, a->port);
    else
        snprintf(out, 80, "%.70s", host);
    return out;
}

bool addr_read(const char *text, int len, struct sim_addr *out)
{
    char copy[80], *port = NULL, *host = copy;

    memset(out, 0, sizeof *out);
    if (len <= 0 || len >= (int)sizeof copy)
        return false;
    memcpy(copy, text, (size_t)len);
    copy[len] = 0;
    if (*copy == '[') {
        char *end = strchr(copy, ']');
        if (!end)
            return false;
        *end = 0;
        host = copy + 1;
        port = end[1] == ':' ? end + 2 : NULL;
    } else if (strchr(copy, ':') == strrchr(copy, ':')) {
        port = strchr(copy, ':');
        if (port)
            *port++ = 0;
    }
    out->port = port ? (uint16_t)atoi(port) : 0;
    out->family = strchr(host, ':') ? 6 : 4;
    if (inet_pton(out->family == 4 ? AF_INET : AF_INET6, host, out->ip) == 1)
        return true;
    memset(out, 0, sizeof *out);
    return false;
}

struct sim_addr addr_of(const char *text)
{
    struct sim_addr a;

    if (addr_read(text, (int)strlen(text), &a))
        return a;
    fprintf(stderr, "sim: not an address: %s\n", text);
    abort();
}

// ---- Messages -------------------------------------------------------------------------------

static struct slice trimmed(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct slice){p, (int)(end - p)};
}

static bool read_start(struct text *t)
{
    const char *p = t->start.p, *end = p + t->start.n, *space;

    t->status = 0;
    if (t->start.n > 12 && memcmp(p, "SIP/2.0 ", 8) == 0) {
        t->status = atoi(p + 8);
        return true;
    }
    space = memchr(p, ' ', (size_t)t->start.n);
    if (!space || end - space < 9 || memcmp(end - 8, " SIP/", 5) != 0)
        return false;
    t->method = (struct slice){p, (int)(space - p)};
    t->uri = (struct slice){space + 1, (int)(end - 8 - space - 1)};
    return true;
}

bool text_read(const char *p, uint32_t len, struct text *t)
{
    const char *end = p + len, *line_end, *colon;

    t->n = 0;
    t->method = t->uri = (struct slice){NULL, 0};
    line_end = memmem(p, len, "\r\n", 2);
    if (!line_end)
        return false;
    t->start = (struct slice){p, (int)(line_end - p)};
    if (!read_start(t))
        return false;
    for (p = line_end + 2;; p = line_end + 2) {
        line_end = memmem(p, (size_t)(end - p), "\r\n", 2);
        if (!line_end)
            return false;
        if (line_end == p)
            break;
        colon = memchr(p, ':', (size_t)(line_end - p));
        if (!colon || t->n == TEXT_HEADERS)
            return false;
        t->header[t->n].line = (struct slice){p, (int)(line_end - p)};
        t->header[t->n].name = trimmed(p, colon);
        t->header[t->n++].value = trimmed(colon + 1, line_end);
    }
    t->body = (struct slice){p + 2, (int)(end - p - 2)};
    return true;
}

bool text_is_named(struct slice name, const char *full)
{
    static const char *const compact[] = {
        "v:Via", "f:From", "t:To", "i:Call-ID", "m:Contact", "l:Content-Length", "k:Supported"};

    if (name.n == (int)strlen(full))
        return strncasecmp(name.p, full, (size_t)name.n) == 0;
    if (name.n != 1)
        return false;
    for (size_t i = 0; i < sizeof compact / sizeof *compact; i++)
        if ((name.p[0] | 32) == compact[i][0])
            return strcmp(compact[i] + 2, full) == 0;
    return false;
}

struct slice text_header(const struct text *t, const char *name, unsigned k)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (text_is_named(t->header[i].name, name) && k-- == 0)
            return t->header[i].value;
    return (struct slice){NULL, 0};
}

static unsigned split(struct slice value, struct slice out[], unsigned n, unsigned max)
{
    const char *from = value.p, *end = value.p + value.n;
    bool quoted = false, inside = false;

    for (const char *p = from; p <= end; p++) {
        if (p == end || (*p == ',' && !quoted && !inside)) {
            if (n < max)
                out[n++] = trimmed(from, p);
            from = p + 1;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && (*p == '<' || *p == '>')) {
            inside = *p == '<';
        }
    }
    return n;
}

unsigned text_items(const struct text *t, const char *name, struct slice out[], unsigned max)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < t->n; i++)
        if (text_is_named(t->header[i].name, name))
            n = split(t->header[i].value, out, n, max);
    return n;
}

static const char *find_param(struct slice value, const char *name)
{
    size_t len = strlen(name);
    const char *end = value.p + value.n,
               *p = value.p ? memchr(value.p, '>', (size_t)value.n) : NULL;

    for (p = p ? p : value.p; p && p < end; p++) {
        p = memchr(p, ';', (size_t)(end - p));
        if (!p)
            return NULL;
        if ((size_t)(end - p - 1) >= len && strncasecmp(p + 1, name, len) == 0 &&
            (p + 1 + len == end || p[1 + len] == '=' || p[1 + len] == ';'))
            return p + 1 + len;
    }
    return NULL;
}

bool text_has_param(struct slice value, const char *name)
{
    return find_param(value, name) != NULL;
}

struct slice text_param(struct slice value, const char *name)
{
    const char *p = find_param(value, name), *end = value.p + value.n, *to;

    if (!p || p == end || *p != '=')
        return (struct slice){NULL, 0};
    for (to = ++p; to < end && *to != ';'; to++)
        ;
    return trimmed(p, to);
}

struct slice text_uri(struct slice v)
{
    const char *from = v.p ? memchr(v.p, '<', (size_t)v.n) : NULL;
    const char *to = from ? memchr(from, '>', (size_t)(v.p + v.n - from)) : NULL;

    return to ? (struct slice){from + 1, (int)(to - from - 1)} : v;
}

struct slice text_host(struct slice uri)
{
    const char *end = uri.p + uri.n, *p = memchr(uri.p, ':', (size_t)uri.n), *at, *to;

    p = p ? p + 1 : uri.p;
    at = memchr(p, '@', (size_t)(end - p));
    p = at ? at + 1 : p;
    for (to = p; to < end && *to != ';' && *to != '?'; to++)
        ;
    return (struct slice){p, (int)(to - p)};
}

struct slice text_user(struct slice uri)
{
    const char *end = uri.p + uri.n, *p = memchr(uri.p, ':', (size_t)uri.n), *at;

    at = p ? memchr(p, '@', (size_t)(end - p)) : NULL;
    return at ? (struct slice){p + 1, (int)(at - p - 1)} : (struct slice){NULL, 0};
}

struct slice text_sent_by(struct slice via)
{
    const char *p = via.p, *end = p + via.n, *to;

    while (p < end && *p != ' ')
        p++;
    while (p < end && *p == ' ')
        p++;
    for (to = p; to < end && *to != ';'; to++)
        ;
    return trimmed(p, to);
}

struct slice text_method(const struct text *t)
{
    struct slice v = text_header(t, "CSeq", 0);
    const char *p = v.p ? memchr(v.p, ' ', (size_t)v.n) : NULL;

    if (t->status == 0)
        return t->method;
    return p ? trimmed(p, v.p + v.n) : (struct slice){"", 0};
}

uint32_t text_cseq(const struct text *t)
{
    struct slice v = text_header(t, "CSeq", 0);

    return v.p ? (uint32_t)strtoul(v.p, NULL, 10) : 0;
}
