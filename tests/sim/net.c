// The network between: what is sent may be lost, doubled, late and out of order.
#include "sim/ua.h"

struct host *host_at(struct sim *s, const struct sim_addr *a)
{
    for (uint32_t i = 0; i < s->n_hosts; i++)
        if (same_addr(&s->hosts[i].addr, a))
            return &s->hosts[i];
    return same_addr(&s->box.addr, a) ? &s->box : NULL;
}

struct host *host_named(struct sim *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_hosts; i++)
        if (strcmp(s->hosts[i].name, name) == 0)
            return &s->hosts[i];
    return NULL;
}

static void trace_packet(struct sim *s, const char *what, const struct sim_addr *src,
                         const struct sim_addr *dst, const char *text)
{
    struct text t;
    struct slice cseq;

    if (!s->trace)
        return;
    if (!text_read(text, (uint32_t)strlen(text), &t)) {
        sim_trace(s, "%s %s -> %s: not SIP", what, addr_text(src), addr_text(dst));
        return;
    }
    cseq = text_header(&t, "CSeq", 0);
    sim_trace(s, "%s %s -> %s: %.*s (CSeq %.*s, %.*s)", what, addr_text(src), addr_text(dst),
              t.start.n, t.start.p, cseq.n, cseq.p, text_header(&t, "Call-ID", 0).n,
              text_header(&t, "Call-ID", 0).p);
    if (s->only >= 0 && call_of(s, &t) == &s->calls[s->only])
        printf("%s\n", text);
}

static void excuse(struct sim *s, const struct packet *p)
{
    struct text t;
    struct call *c = text_read(p->text, p->len, &t) ? call_of(s, &t) : NULL;

    if (c)
        c->excused = true;
}

static void deliver(struct sim *s, void *who, uint64_t n)
{
    struct packet *p = who;
    static struct sim_addr proxy;
    struct host *h = host_at(s, &p->dst);
    struct call *c;
    struct text t;

    s->delivered++;
    if (!proxy.family)
        proxy = addr_of(PROXY_ADDR);
    if (node_listens(&p->dst)) {
        node_receive(s, s->node, p);
        if (s->twin)
            node_receive(s, s->twin, p);
    } else if (h && h->silent) {
        excuse(s, p);
    } else if (same_addr(&p->dst, &proxy)) {
        proxy_receive(s, p);
    } else if (h) {
        callee_receive(s, h, p);
    } else if (text_read(p->text, p->len, &t) && (c = call_of(s, &t)) != NULL) {
        caller_receive(s, c, p, &t);
    }
    free(p);
}

static void send_one(struct sim *s, const struct packet *p)
{
    struct packet *copy = malloc(sizeof *p + p->len + 1);
    uint64_t us = 200 + sim_below(s, 300);

    if (!copy)
        abort();
    memcpy(copy, p, sizeof *p + p->len + 1);
    if (s->sc->loss > 0 || sim_below(s, 4) == 0)
        us += sim_below(s, s->sc->delay_ms * 1000);
    sim_after(s, us, deliver, copy, UINT64_MAX);
}

void net_send(struct sim *s, const struct sim_addr *src, const struct sim_addr *dst,
              const char *text, uint32_t len)
{
    static union {
        struct packet p;
        char room[sizeof(struct packet) + 70000];
    } u;
    struct host *h = host_at(s, src);

    s->sent++;
    u.p.src = *src;
    u.p.dst = *dst;
    u.p.len = len;
    memcpy(u.p.text, text, len);
    u.p.text[len] = 0;
    if (h && h->silent) {
        excuse(s, &u.p);
        return;
    }
    if (sim_chance(s, s->sc->loss)) {
        s->lost++;
        trace_packet(s, "LOST", src, dst, u.p.text);
        return;
    }
    trace_packet(s, "sent", src, dst, u.p.text);
    send_one(s, &u.p);
    if (sim_chance(s, s->sc->duplicates))
        send_one(s, &u.p);
}
