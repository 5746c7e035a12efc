// A proxy behind us, beside the PBX: what we send to it comes back to us for the next hop, by way
// of nothing but the message (RFC 3261 16.11). Calls from the carrier for "hp.." go out to the
// carrier again through it; those for "lp.." never find their way out.
#include "sim/ua.h"

static void put(char *out, uint32_t *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(out + *at, PACKET_MAX - *at, fmt, ap);
    va_end(ap);
    *at = n < 0 || *at + (uint32_t)n >= PACKET_MAX ? PACKET_MAX - 1 : *at + (uint32_t)n;
}

// 16.11: the same for a retransmission, a CANCEL and the ACK of a failure, as what it is made of
// is.
static uint64_t branch_of(const struct text *t)
{
    struct slice below = text_param(text_header(t, "Via", 0), "branch");
    uint64_t h = 0xcbf29ce484222325; // FNV-1a

    for (int i = 0; i < below.n; i++)
        h = (h ^ (uint8_t)below.p[i]) * 0x100000001b3;
    return h;
}

static bool from_caller(const struct text *t)
{
    struct slice via[16];
    unsigned n = text_items(t, "Via", via, 16);
    struct slice first = text_param(via[n - 1], "branch");

    return first.n > 8 && first.p[8] == 'c';
}

static bool is_proxy(struct slice uri)
{
    struct slice host = text_host(uri);

    return slice_is(host, PROXY_ADDR);
}

static void forward_request(struct sim *s, const struct call *c, const struct text *t)
{
    struct slice route[16], uri = t->uri, host;
    unsigned n = text_items(t, "Route", route, 16), first = 0;
    struct sim_addr self = addr_of(PROXY_ADDR), dst = addr_of("10.0.0.1:5060"), next;
    bool retargets = is_proxy(uri);
    char out[PACKET_MAX], own[64];
    uint32_t at = 0;

    if (retargets) { // the user is known elsewhere
        snprintf(own, sizeof own, "sip:%.*s@edge.example", text_user(uri).n, text_user(uri).p);
        uri = (struct slice){own, (int)strlen(own)};
    }
    put(out, &at, "%.*s %.*s SIP/2.0\r\n", t->method.n, t->method.p, uri.n, uri.p);
    put(out, &at, "Via: SIP/2.0/UDP " PROXY_ADDR ";branch=z9hG4bK-%c%016llx\r\n",
        from_caller(t) ? 'p' : 'q', (unsigned long long)branch_of(t));
    if (slice_is(t->method, "INVITE") && c->proxy_stays)
        put(out, &at, "Record-Route: <sip:" PROXY_ADDR ";lr>\r\n");
    while (first < n && is_proxy(text_uri(route[first])))
        first++;
    for (unsigned i = first; i < n; i++)
        put(out, &at, "Route: %.*s\r\n", route[i].n, route[i].p);
    for (uint32_t i = 0; i < t->n; i++) {
        struct slice line = t->header[i].line;
        if (text_is_named(t->header[i].name, "Max-Forwards"))
            put(out, &at, "Max-Forwards: %d\r\n", atoi(t->header[i].value.p) - 1);
        else if (!text_is_named(t->header[i].name, "Route"))
            put(out, &at, "%.*s\r\n", line.n, line.p);
    }
    put(out, &at, "\r\n%.*s", t->body.n, t->body.p);
    host = first < n ? text_host(text_uri(route[first])) : text_host(uri);
    if (addr_read(host.p, host.n, &next) && node_listens(&next) && next.family == 4)
        dst = next;
    if (at < PACKET_MAX - 1) // a loop that nobody ends outgrows any datagram
        net_send(s, &self, &dst, out, at);
}

static void forward_response(struct sim *s, const struct text *t)
{
    struct slice by = text_sent_by(text_header(t, "Via", 1));
    struct sim_addr self = addr_of(PROXY_ADDR), dst;
    char out[PACKET_MAX];
    uint32_t at = 0;
    bool via = false;

    put(out, &at, "%.*s\r\n", t->start.n, t->start.p);
    for (uint32_t i = 0; i < t->n; i++) {
        bool top = !via && text_is_named(t->header[i].name, "Via");
        via |= top;
        if (!top)
            put(out, &at, "%.*s\r\n", t->header[i].line.n, t->header[i].line.p);
    }
    put(out, &at, "\r\n%.*s", t->body.n, t->body.p);
    if (addr_read(by.p, by.n, &dst))
        net_send(s, &self, &dst, out, at);
}

void proxy_receive(struct sim *s, const struct packet *p)
{
    struct text t;
    struct call *c;

    if (!text_read(p->text, p->len, &t) || !(c = call_of(s, &t)))
        return;
    if (t.status)
        forward_response(s, &t);
    else
        forward_request(s, c, &t);
}
