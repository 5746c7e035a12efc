// Whole calls through one worker: INVITE, 100, 180, 200, ACK, BYE, 200, each message made from
// the one before it as a caller and a target make theirs, so that branch, token and memory do all
// that they do in a real call. A step of thousands of calls waits in the ring before the engine
// takes it, in buffers that take turns, so that what it knows of a call has left the caches near
// to it. ns are of the engine's own time, for each message and for all seven together.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/bench.h"
#include "bench/ring.h"
#include "sip/msg.h"

#define CALLS (bench_quick ? 256u : 8192u) // of a batch
#define BATCH (bench_quick ? 1 : 3)        // batches measured; one before them is not
#define TEXT  2048u
#define BURST 32u

enum step { INVITE, TRYING, RINGING, OK, ACK, BYE, BYE_OK, STEPS };

static const char *const names[STEPS] = {"invite", "100", "180", "200", "ack", "bye", "bye200"};

struct call {
    struct tnd_addr target; // that got the INVITE
    uint32_t len;
    char text[TEXT]; // the message that the next ones are made of
};

struct calls {
    struct bench_ring ring;
    uint64_t first, engine_cycles[STEPS];
    enum step step;
    uint32_t arrived;
    struct tnd_sip_msg msg;
    char out[BURST][TEXT];
    struct call call[];
};

static void *open_calls(void)
{
    return calloc(1, sizeof(struct calls) + CALLS * sizeof(struct call));
}

static void fail(const struct calls *c, const char *why)
{
    fprintf(stderr, "bench: route.call: step %d of 7: %s\n", c->step + 1, why);
    exit(1);
}

// ---- Messages -------------------------------------------------------------------------

struct text {
    char *p;
    uint32_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    t->len += (uint32_t)vsnprintf(t->p + t->len, TEXT - t->len, fmt, ap);
    va_end(ap);
}

// Every line of this header as it stands, under `name` where that is not NULL.
static void copy(struct text *t, const struct tnd_sip_msg *m, enum tnd_hdr id, const char *name)
{
    for (uint8_t i = m->first[id]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        const struct tnd_sip_hdr *h = &m->hdr[i];
        if (name)
            add(t, "%s: %.*s\r\n", name, h->value_len, m->data + h->value);
        else
            add(t, "%.*s", h->end - h->line, m->data + h->line);
    }
}

// RFC 3261 8.2.6: what a target answers to the request that it got.
static uint32_t answer(const struct tnd_sip_msg *m, const struct tnd_addr *target,
                       const char *status, char *out)
{
    const struct tnd_sip_hdr *to = &m->hdr[m->first[TND_HDR_TO]];
    struct text t = {out, 0};
    char address[TND_ADDR_TEXT_MAX];

    tnd_addr_text(target, address);
    add(&t, "SIP/2.0 %s\r\n", status);
    copy(&t, m, TND_HDR_VIA, NULL);
    copy(&t, m, TND_HDR_RECORD_ROUTE, NULL);
    copy(&t, m, TND_HDR_FROM, NULL);
    add(&t, "To: %.*s%s\r\n", to->value_len, m->data + to->value, m->to_tag.len ? "" : ";tag=a6c8");
    copy(&t, m, TND_HDR_CALL_ID, NULL);
    copy(&t, m, TND_HDR_CSEQ, NULL);
    add(&t, "Contact: <sip:uas@%s>\r\nContent-Length: 0\r\n\r\n", address);
    return t.len;
}

// RFC 3261 12.2.1.1: a request inside the dialog that this 200 has made. One Record-Route, so
// the order of the route set does not matter.
static uint32_t in_dialog(const struct tnd_sip_msg *m, const char *method, uint32_t cseq, char *out)
{
    struct text t = {out, 0};

    add(&t, "%s %.*s SIP/2.0\r\n", method, m->contact_uri.len, m->data + m->contact_uri.off);
    add(&t, "Via: SIP/2.0/UDP " TND_RIG_PBX ";branch=z9hG4bK%s%.*s;rport\r\n", method, 16,
        m->data + m->call_id.off);
    copy(&t, m, TND_HDR_RECORD_ROUTE, "Route");
    add(&t, "Max-Forwards: 70\r\n");
    copy(&t, m, TND_HDR_FROM, NULL);
    copy(&t, m, TND_HDR_TO, NULL);
    copy(&t, m, TND_HDR_CALL_ID, NULL);
    add(&t, "CSeq: %u %s\r\nContent-Length: 0\r\n\r\n", cseq, method);
    return t.len;
}

static bool is_request(enum step s)
{
    return s == INVITE || s == ACK || s == BYE;
}

static const char *status_of(enum step s)
{
    return s == TRYING ? "100 Trying" : s == RINGING ? "180 Ringing" : "200 OK";
}

// The message of call `i` in this step, in `slot`.
static struct tnd_datagram make(struct calls *c, uint32_t i, uint32_t slot)
{
    struct call *call = &c->call[i];
    struct tnd_rig *rig = &c->ring.rig;
    struct tnd_datagram d = {.src = rig->pbx, .dst = rig->listener, .data = c->out[slot]};

    if (c->step == INVITE) {
        d.data = tnd_source_write(&c->ring.source, slot, c->first + i, 0);
        d.len = TND_SOURCE_LEN;
        return d;
    }
    if (tnd_sip_parse(call->text, call->len, &c->msg) != TND_SIP_ERR_NONE)
        fail(c, "what arrived cannot be read");
    if (is_request(c->step)) {
        d.len = in_dialog(&c->msg, c->step == ACK ? "ACK" : "BYE", c->step == ACK ? 1 : 2,
                          c->out[slot]);
        return d;
    }
    d.src = call->target;
    d.len = answer(&c->msg, &call->target, status_of(c->step), c->out[slot]);
    return d;
}

// ---- One step of all calls ------------------------------------------------------------

static uint32_t call_of(struct calls *c)
{
    char digits[17] = "";

    if (c->msg.call_id.len < 16)
        fail(c, "a Call-ID of nobody's arrived");
    memcpy(digits, c->msg.data + c->msg.call_id.off, 16);
    uint64_t i = (strtoull(digits, NULL, 16) ^ c->ring.source.seed) - c->first;
    if (i >= CALLS)
        fail(c, "a Call-ID of nobody's arrived");
    return (uint32_t)i;
}

static void take(struct calls *c, const struct tnd_datagram *d)
{
    if (tnd_sip_parse(d->data, d->len, &c->msg) != TND_SIP_ERR_NONE || d->len > TEXT)
        fail(c, "what arrived cannot be read");
    struct call *call = &c->call[call_of(c)];
    if (c->step == INVITE)
        call->target = d->dst;
    const struct tnd_addr *there = is_request(c->step) ? &call->target : &c->ring.rig.pbx;
    if (c->msg.is_request != is_request(c->step) || !tnd_addr_same_ip(&d->dst, there) ||
        d->dst.port != there->port)
        fail(c, "a message arrived elsewhere than at its call's target or at the caller");
    c->arrived++;
    if (c->step == INVITE || c->step == OK || c->step == BYE) {
        memcpy(call->text, d->data, d->len);
        call->len = d->len;
    }
}

static void drain(struct calls *c)
{
    struct tnd_dataplane *dp = c->ring.rig.dp;
    struct tnd_datagram d[TND_BURST];
    uint32_t busy, got;

    do {
        uint64_t start = rte_rdtsc();
        busy = tnd_dataplane_run(dp);
        if (busy > 0)
            c->engine_cycles[c->step] += rte_rdtsc() - start;
        while ((got = tnd_dataplane_collect(dp, 0, d, TND_BURST)) > 0)
            for (uint32_t i = 0; i < got; i++)
                take(c, &d[i]);
    } while (busy > 0);
}

static void do_step(struct calls *c)
{
    struct tnd_datagram d[BURST];

    c->arrived = 0;
    for (uint32_t i = 0; i < CALLS; i += BURST) {
        for (uint32_t k = 0; k < BURST; k++)
            d[k] = make(c, i + k, k);
        if (tnd_dataplane_offer(c->ring.rig.dp, 0, d, BURST) < BURST)
            fail(c, "the ring holds too little");
    }
    drain(c);
    if (c->arrived != CALLS)
        fail(c, "messages were lost");
    tnd_rig_tick(&c->ring.rig);
}

static void do_batch(struct calls *c)
{
    for (c->step = INVITE; c->step < STEPS; c->step++)
        do_step(c);
    c->first += CALLS;
}

static void calls_once(void *state)
{
    struct calls *c = state;
    struct tnd_rig_options o = {.seed = 1, .waiting = bench_ring_beyond_cache(), .cold = true};

    if (!bench_ring_open(&c->ring, &o))
        exit(1);
    c->first = 0;
    do_batch(c);
    memset(c->engine_cycles, 0, sizeof c->engine_cycles);
    double cpu = bench_cpu_ns(), wall = bench_wall_ns(), sum = 0;
    for (int i = 0; i < BATCH; i++)
        do_batch(c);
    cpu = bench_cpu_ns() - cpu;
    wall = bench_wall_ns() - wall;
    struct bench_share s = bench_share(cpu, wall, tnd_dataplane_hz(c->ring.rig.dp));
    double each = s.ns / ((double)BATCH * CALLS);
    for (int i = 0; i < STEPS; i++) {
        double cycles = (double)c->engine_cycles[i];
        bench_record_share(&s, bench_name("route.call.%s", names[i]), "ns", cycles * each);
        sum += cycles;
    }
    bench_record_share(&s, "route.call", "ns", sum * each);
    bench_ring_close(&c->ring);
}

const struct bench bench_call[] = {
    {"route.call", open_calls, calls_once, free},
    {0},
};
