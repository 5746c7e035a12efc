// Callees: what a SIP server behind a target does, RFC 3261 8.2, 9.2, 12, 13.3, 17.2.
#include "sim/ua.h"

#define POP "<sip:pop.carrier.example;lr>"

static void send_answer(struct sim *s, struct call *c, int status)
{
    struct text t;
    char text[PACKET_MAX], contact[80], tag[24];
    struct ua_response r = {.status = status, .to_tag = tag};
    char more[120] = "";

    if (!c->asked || !text_read(c->asked, c->asked_len, &t))
        return;
    snprintf(tag, sizeof tag, "t%u", c->n);
    if (status > 100 && status < 300) {
        // Behind a proxy that record-routes, the Contact is of no use to us.
        snprintf(contact, sizeof contact, "sip:uas@%s",
                 c->host->fqdn ? "192.168.77.7:5066" : addr_text(&c->host->addr));
        r.contact = contact;
        snprintf(more, sizeof more, "%s%s", c->host->fqdn ? "Record-Route: " POP "\r\n" : "",
                 status == 180 && c->reliable ? "Require: 100rel\r\nRSeq: 776\r\n" : "");
        r.more = more;
        r.body = status == 200 ? "v=0\r\nanswer\r\n" : NULL;
    } else if (status == 100) {
        r.to_tag = NULL;
    } else if (status == 503) {
        r.more = "Retry-After: 600\r\n";
    } else if (status == 407) {
        r.more = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n";
    }
    c->answer.src = c->host->addr;
    uint32_t len = ua_respond(&t, &r, text);
    ua_answer(s, &c->answer, text, len);
}

// What was planned for the INVITE with this CSeq, unless something else has ended it.
static void on_plan(struct sim *s, void *who, uint64_t n)
{
    struct call *c = who;
    uint32_t cseq = (uint32_t)(n >> 16);
    int status = (int)(n & 0xffff);

    if (c->asked && c->asked_cseq == cseq && !c->answer.final && !c->over)
        send_answer(s, c, status);
}

static void plan(struct sim *s, struct call *c, uint32_t ms, int status)
{
    sim_after(s, ms * MS + sim_below(s, 1000), on_plan, c,
              (uint64_t)c->asked_cseq << 16 | (uint64_t)status);
}

static void plan_first(struct sim *s, struct call *c, const struct text *t)
{
    uint32_t ring_ms = sim_below(s, 500);

    if (sim_below(s, 3) == 0)
        plan(s, c, 0, 100);
    if (c->kind == CALL_CHALLENGED && !text_header(t, "Proxy-Authorization", 0).p) {
        plan(s, c, sim_below(s, 50), 407);
        return;
    }
    if (c->kind == CALL_CANCELLED || sim_below(s, 10))
        plan(s, c, ring_ms, 180);
    if (c->kind == CALL_REJECTED)
        plan(s, c, ring_ms + sim_below(s, 3000), 486);
    else if (c->kind == CALL_TARGET_503)
        plan(s, c, sim_below(s, 200), 503);
    else
        plan(s, c, (c->kind == CALL_CANCELLED ? 15000 : 100) + ring_ms + sim_below(s, 5000), 200);
}

static void on_invite(struct sim *s, struct host *h, struct call *c, const struct packet *p,
                      const struct text *t)
{
    uint32_t cseq = text_cseq(t);
    bool in_dialog = text_has_param(text_header(t, "To", 0), "tag");

    if (c->asked && cseq == c->asked_cseq && (h == c->host || in_dialog)) {
        if (c->answer.text && c->answer.cseq == cseq)
            net_send(s, &c->answer.src, &c->answer.dst, c->answer.text, c->answer.len);
        return;
    }
    if (c->over || (c->asked && cseq <= c->asked_cseq))
        return;
    free(c->asked);
    c->asked = malloc(p->len + 1);
    memcpy(c->asked, p->text, p->len + 1);
    c->asked_len = p->len;
    c->asked_cseq = cseq;
    c->answer.final = false;
    c->answer.call = c;
    if (in_dialog) {
        plan(s, c, sim_below(s, 30), 200);
        return;
    }
    c->host = h;
    plan_first(s, c, t);
}

static void reply(struct sim *s, struct host *h, const struct text *t, int status)
{
    struct ua_response r = {.status = status, .to_tag = "other"};
    struct slice by = text_sent_by(text_header(t, "Via", 0));
    struct sim_addr dst;
    char text[PACKET_MAX];
    uint32_t len = ua_respond(t, &r, text);

    addr_read(by.p, by.n, &dst);
    net_send(s, &h->addr, &dst, text, len);
}

// ---- Hanging up -----------------------------------------------------------------------------

static void on_bye_answer(struct sim *s, struct client_tx *tx, const struct text *t)
{
    if (t && t->status < 200)
        return;
    call_end(s, tx->call, t && (t->status == 200 || t->status == 481));
}

// Its leg of the dialog, from the INVITE it answered.
static bool set_leg(struct call *c)
{
    struct leg *l = &c->callee;
    struct text t;
    struct slice from, to;

    if (c->ended || c->over || !c->asked || !text_read(c->asked, c->asked_len, &t))
        return false;
    from = text_header(&t, "From", 0);
    to = text_header(&t, "To", 0);
    snprintf(l->peer, sizeof l->peer, "%.*s", from.n, from.p);
    if (text_has_param(to, "tag"))
        snprintf(l->self, sizeof l->self, "%.*s", to.n, to.p);
    else
        snprintf(l->self, sizeof l->self, "%.*s;tag=t%u", to.n, to.p, c->n);
    l->src = l->listen = c->host->addr;
    snprintf(l->sent_by, sizeof l->sent_by, "%s", addr_text(&l->src));
    snprintf(l->contact, sizeof l->contact, "sip:uas@%s", addr_text(&l->src));
    return true;
}

static void hang_up(struct sim *s, void *who, uint64_t n)
{
    struct call *c = who;
    struct leg *l = &c->callee;
    struct ua_request r = {.method = "BYE", .uri = l->target, .in_dialog = true};

    if (!set_leg(c))
        return;
    c->over = true;
    r.cseq = ++l->cseq;
    ua_start(s, c, l, &c->bye, &r, on_bye_answer);
}

// ---- What else it does in the dialog ------------------------------------------------------------

static void on_other_answer(struct sim *s, struct client_tx *tx, const struct text *t)
{
    (void)s, (void)tx, (void)t; // the call goes on whatever came of it
}

static void on_reinvite_answer(struct sim *s, struct client_tx *tx, const struct text *t)
{
    if (t && t->status >= 200 && t->status < 300)
        ua_ack(s, tx->call, &tx->call->callee, tx->cseq);
}

static void send_other(struct sim *s, void *who, uint64_t n)
{
    struct call *c = who;
    struct leg *l = &c->callee;
    struct ua_request r = {.method = n ? "INVITE" : c->in_dialog_method,
                           .uri = l->target,
                           .in_dialog = true,
                           .body = "v=0\r\nhold\r\n"};

    if (!set_leg(c))
        return;
    r.cseq = ++l->cseq;
    ua_start(s, c, l, n ? &c->callee_invite : &c->callee_other, &r,
             n ? on_reinvite_answer : on_other_answer);
}

static void on_ack(struct sim *s, struct call *c, const struct text *t)
{
    struct text invite;

    ua_acked(&c->answer, text_cseq(t));
    if (c->confirmed || !c->dialog || !c->asked)
        return;
    c->confirmed = true;
    if (!text_read(c->asked, c->asked_len, &invite))
        return;
    ua_learn(c, &c->callee, &invite, false);
    if (c->callee_informs)
        sim_after(s, (500 + sim_below(s, 3000)) * MS, send_other, c, false);
    if (c->callee_reinvites)
        sim_after(s, (500 + sim_below(s, 5000)) * MS, send_other, c, true);
    if (c->callee_ends)
        sim_after(s, (1000 + sim_below(s, 12000)) * MS, hang_up, c, 0);
}

void callee_receive(struct sim *s, struct host *h, const struct packet *p)
{
    struct text t;
    struct call *c;

    if (!text_read(p->text, p->len, &t) || !(c = call_of(s, &t)))
        return;
    if (t.status) {
        if (!ua_heard(s, &c->bye, &t) && !ua_heard(s, &c->callee_other, &t))
            ua_heard(s, &c->callee_invite, &t);
    } else if (slice_is(t.method, "INVITE")) {
        on_invite(s, h, c, p, &t);
    } else if (slice_is(t.method, "ACK")) {
        on_ack(s, c, &t);
    } else if (slice_is(t.method, "CANCEL")) {
        bool known = c->asked && h == c->host && c->asked_cseq == text_cseq(&t);
        reply(s, h, &t, known ? 200 : 481);
        if (known && !c->answer.final)
            send_answer(s, c, 487);
    } else {
        if (slice_is(t.method, "BYE"))
            c->over = true;
        reply(s, h, &t, 200);
    }
}
