// Callers: what a SIP client does with a call, RFC 3261 8.1, 9.1, 12, 13.2, 17.1.
#include "sim/ua.h"

#define PBX_ADDR "10.0.0.5:5060"

static void on_invite(struct sim *s, struct client_tx *tx, const struct text *t);
static void on_other(struct sim *s, struct client_tx *tx, const struct text *t);

static const char *body_of(struct sim *s)
{
    static char body[1200];
    uint32_t n = sim_below(s, 4) ? 100 + sim_below(s, 900) : 0;

    for (uint32_t i = 0; i < n; i++)
        body[i] = "v=0\r\nabcdefgh: SIP/2.0 ;,<>\""[sim_below(s, 28)];
    body[n] = 0;
    return body;
}

// ---- Who calls ------------------------------------------------------------------------------

static void set_address(struct call *c, struct leg *l, uint32_t chance)
{
    uint8_t hi = (uint8_t)(c->n >> 8), lo = (uint8_t)c->n;
    char text[80];

    if (c->side == SIDE_CARRIER) {
        snprintf(text, sizeof text, "203.0.113.%u:%u", 100 + lo % 20, 5060 + hi);
        l->src = l->listen = addr_of(text);
        l->next = addr_of("198.51.100.1:5060");
    } else if (c->side == SIDE_SIX) {
        snprintf(text, sizeof text, "[2001:db8:6::%x:%x]:5070", c->n >> 16, c->n & 0xffff);
        l->src = l->listen = addr_of(text);
        l->next = addr_of("[2001:db8::10]:5060");
    } else if (c->side == SIDE_NAT) {
        snprintf(text, sizeof text, "100.64.%u.%u:%u", hi, lo, 20000 + chance % 40000);
        l->src = l->listen = addr_of(text);
        l->next = addr_of("198.51.100.1:5060");
    } else {
        snprintf(text, sizeof text, "10.0.%u.%u:5060", 16u + hi, lo);
        l->src = l->listen = addr_of(chance & 1 ? PBX_ADDR : text);
        if ((chance & 6) == 0 && !(chance & 1)) // another socket for what it sends
            l->src.port = (uint16_t)(30000 + chance % 30000);
        l->next = addr_of("10.0.0.1:5060");
    }
    snprintf(l->sent_by, sizeof l->sent_by, "%s",
             c->side == SIDE_NAT ? "192.168.1.20:5062" : addr_text(&l->listen));
    l->rport = c->side == SIDE_NAT || (same_addr(&l->src, &l->listen) && (chance & 8));
}

static enum call_kind kind_of(uint32_t chance)
{
    static const struct {
        enum call_kind kind;
        uint32_t share;
    } kinds[] = {{CALL_PLAIN, 555},      {CALL_CANCELLED, 100}, {CALL_REJECTED, 60},
                 {CALL_TARGET_503, 30},  {CALL_CHALLENGED, 60}, {CALL_MESSAGE, 60},
                 {CALL_REGISTER, 70},    {CALL_OPTIONS, 30},    {CALL_OPTIONS_US, 10},
                 {CALL_NO_FORWARDS, 10}, {CALL_REQUIRES, 10},   {CALL_LOOPS, 5}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (chance < kinds[i].share)
            return kinds[i].kind;
        chance -= kinds[i].share;
    }
    return CALL_PLAIN;
}

// What is asked for: a user that the routes know by its first letters.
static void set_user(struct call *c, char user[24])
{
    bool inbound = c->side == SIDE_CARRIER;

    snprintf(user, 24, "%s%u",
             c->kind == CALL_LOOPS ? "lp"
             : c->hairpin          ? "hp"
             : inbound             ? "in"
                                   : "+49",
             c->n);
}

static void set_habits(struct sim *s, struct call *c)
{
    static const char *const in_dialog[] = {"INFO", "UPDATE", "MESSAGE", "NOTIFY", "REFER"};
    static const char *const other[] = {"MESSAGE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"};

    c->reinvites = sim_below(s, 4) == 0;
    c->informs = sim_below(s, 6) == 0;
    c->callee_ends = sim_below(s, 3) == 0;
    c->reliable = sim_below(s, 6) == 0;
    c->callee_informs = sim_below(s, 6) == 0;
    c->callee_reinvites = sim_below(s, 6) == 0;
    c->in_dialog_method = in_dialog[sim_below(s, 5)];
    c->other_method = other[sim_below(s, 5)];
    c->hairpin = sim_below(s, 3) == 0 && c->side == SIDE_CARRIER;
    c->proxy_stays = sim_below(s, 2);
}

static void set_up(struct sim *s, struct call *c)
{
    struct leg *l = &c->caller;
    char user[24];

    c->kind = kind_of(sim_below(s, 1000));
    c->side = sim_below(s, 5) ? (enum call_side)sim_below(s, 3) : SIDE_CARRIER;
    if (c->kind == CALL_LOOPS)
        c->side = SIDE_CARRIER;
    if (c->kind == CALL_REGISTER && c->side == SIDE_CARRIER)
        c->side = SIDE_PBX;
    set_habits(s, c);
    set_user(c, user);
    c->has_rr_joined = sim_below(s, 3) == 0;
    c->compact = sim_below(s, 5) == 0;
    c->to_our_name = sim_below(s, 2) == 0;
    set_address(c, l, sim_below(s, 1u << 30));
    snprintf(c->id, sizeof c->id, "c%u-%08x@caller", c->n, sim_below(s, UINT32_MAX));
    snprintf(l->self, sizeof l->self, "\"C, %u\" <sip:u%u@caller.example>;tag=f%08x", c->n, c->n,
             sim_below(s, UINT32_MAX));
    snprintf(l->peer, sizeof l->peer,
             c->kind == CALL_REGISTER ? "<sip:u%.0s%u@edge.example>" : "<sip:%s@edge.example>",
             user, c->n);
    snprintf(l->contact, sizeof l->contact, "sip:u%u@%s", c->n,
             c->side == SIDE_NAT ? l->sent_by : addr_text(&l->listen));
    snprintf(l->target, sizeof l->target,
             c->to_our_name            ? "sip:%s@edge.example"
             : c->kind == CALL_LOOPS   ? "sip:%s@192.0.2.10:5060"
             : c->side == SIDE_CARRIER ? "sip:%s@198.51.100.1:5060"
                                       : "sip:%s@sip.carrier.example",
             user);
    l->cseq = 1 + sim_below(s, 1000);
}

// ---- The end --------------------------------------------------------------------------------

static void reap(struct sim *s, void *who, uint64_t n)
{
    ua_free(who);
    s->n_reaped++;
}

void call_end(struct sim *s, struct call *c, bool ok)
{
    if (c->ended)
        return;
    c->ended = true;
    c->ok = ok;
    if (ok)
        s->completed++;
    else if (c->excused)
        s->excused++;
    else
        s->failed++;
    sim_trace(s, "call %u %s", c->n, ok ? "completed" : c->excused ? "lost, excused" : "LOST");
    sim_after(s, 140 * SECOND, reap, c, 0); // late repetitions still find it
}

// ---- In the dialog --------------------------------------------------------------------------

static void send_in_dialog(struct sim *s, struct call *c, struct client_tx *tx, const char *method,
                           void (*done)(struct sim *, struct client_tx *, const struct text *))
{
    struct ua_request r = {.method = method,
                           .uri = c->caller.target,
                           .cseq = ++c->caller.cseq,
                           .in_dialog = true,
                           .body = strcmp(method, "BYE") ? body_of(s) : NULL};

    ua_start(s, c, &c->caller, tx, &r, done);
}

static void on_bye(struct sim *s, struct client_tx *tx, const struct text *t)
{
    if (t && t->status < 200)
        return;
    call_end(s, tx->call, t && (t->status == 200 || t->status == 481));
}

static void next_step(struct sim *s, void *who, uint64_t n)
{
    struct call *c = who;

    if (c->ended || c->over)
        return;
    if (c->reinvites) {
        c->reinvites = false;
        send_in_dialog(s, c, &c->invite, "INVITE", on_invite);
    } else if (c->informs) {
        c->informs = false;
        send_in_dialog(s, c, &c->other, c->in_dialog_method, on_other);
    } else if (!c->callee_ends || n) {
        send_in_dialog(s, c, &c->other, "BYE", on_bye);
    } else { // the callee is to end it; one that fell silent never will
        sim_after(s, 60 * SECOND, next_step, c, 1);
    }
}

// ---- INVITE ---------------------------------------------------------------------------------

static void invite(struct sim *s, struct call *c)
{
    struct ua_request r = {
        .method = "INVITE", .uri = c->caller.target, .cseq = c->caller.cseq, .body = body_of(s)};

    if (c->authorized)
        r.more = "Proxy-Authorization: Digest username=\"u\", realm=\"r\", response=\"x\"\r\n";
    if (c->kind == CALL_NO_FORWARDS)
        r.forwards = "0";
    if (c->kind == CALL_REQUIRES)
        r.more = "Proxy-Require: teleport\r\n";
    else if (!r.forwards && sim_below(s, 10) == 0)
        r.forwards = "";
    ua_start(s, c, &c->caller, &c->invite, &r, on_invite);
}

// 17.1.1.3: the ACK of a non-2xx is the INVITE's again but for its method and To.
static void ack_failure(struct sim *s, struct client_tx *tx, const struct text *t)
{
    struct leg l = tx->call->caller;
    struct slice to = text_header(t, "To", 0);
    struct text was;
    char text[PACKET_MAX], branch[40], uri[160];
    struct ua_request r = {.method = "ACK", .uri = uri, .branch = tx->branch, .cseq = tx->cseq};

    text_read(tx->text, tx->len, &was);
    snprintf(uri, sizeof uri, "%.*s", was.uri.n, was.uri.p);
    snprintf(l.peer, sizeof l.peer, "%.*s", to.n, to.p);
    r.in_dialog = text_header(&was, "Route", 0).p != NULL;
    uint32_t len = ua_write(tx->call, &l, &r, text, branch);
    net_send(s, &tx->src, &tx->dst, text, len);
}

// 13.2.2.4: one ACK for each 2xx, the same each time.
static void ack_success(struct sim *s, struct client_tx *tx, const struct text *t)
{
    struct call *c = tx->call;
    struct slice to = text_header(t, "To", 0);
    char text[PACKET_MAX], branch[40];
    struct ua_request r = {.method = "ACK", .uri = c->caller.target, .in_dialog = true};
    bool first = !c->ack || c->ack_cseq != tx->cseq;

    if (first) {
        snprintf(c->caller.peer, sizeof c->caller.peer, "%.*s", to.n, to.p);
        if (!c->dialog) {
            ua_learn(c, &c->caller, t, true);
            r.uri = c->caller.target;
        }
        c->dialog = true;
        r.cseq = c->ack_cseq = tx->cseq;
        c->ack_len = ua_write(c, &c->caller, &r, text, branch);
        free(c->ack);
        c->ack = malloc(c->ack_len + 1);
        memcpy(c->ack, text, c->ack_len + 1);
    }
    net_send(s, &c->caller.src, &c->caller.next, c->ack, c->ack_len);
    if (first)
        sim_after(s, 200 * MS + sim_below(s, 8000) * MS, next_step, c, c->cancelling);
}

static void on_cancel(struct sim *s, struct client_tx *tx, const struct text *t)
{
    (void)s, (void)tx, (void)t; // what counts is the INVITE's answer
}

static void cancel(struct sim *s, void *who, uint64_t n)
{
    struct call *c = who;
    char uri[120];
    struct text was;
    struct ua_request r = {
        .method = "CANCEL", .uri = uri, .branch = c->invite.branch, .cseq = c->invite.cseq};

    if (!c->invite.active || c->dialog)
        return;
    text_read(c->invite.text, c->invite.len, &was);
    snprintf(uri, sizeof uri, "%.*s", was.uri.n, was.uri.p);
    c->cancelling = true;
    ua_start(s, c, &c->caller, &c->cancel, &r, on_cancel);
}

// The failure that the call was made for.
static int expected(const struct call *c)
{
    switch (c->kind) {
    case CALL_CANCELLED:
        return 487;
    case CALL_REJECTED:
        return 486;
    case CALL_TARGET_503: // what its trunk is told of one target's 503
        return c->side == SIDE_SIX ? 503 : 500;
    case CALL_NO_FORWARDS:
        return 483;
    case CALL_REQUIRES:
        return 420;
    case CALL_LOOPS:
        return 482;
    default:
        return 200;
    }
}

static void on_prack(struct sim *s, struct client_tx *tx, const struct text *t)
{
    (void)s, (void)tx, (void)t; // the INVITE's answer says how it goes on
}

// RFC 3262 4: the early dialog is known by the reliable response; once is enough here.
static void prack(struct sim *s, struct call *c, const struct text *t)
{
    struct slice to = text_header(t, "To", 0), rseq = text_header(t, "RSeq", 0);
    char before[sizeof c->caller.peer], rack[64];
    struct ua_request r = {.method = "PRACK", .in_dialog = true, .more = rack};

    if (!rseq.p || c->prack.text || c->dialog)
        return;
    memcpy(before, c->caller.peer, sizeof before);
    snprintf(c->caller.peer, sizeof c->caller.peer, "%.*s", to.n, to.p);
    snprintf(rack, sizeof rack, "RAck: %.*s %u INVITE\r\n", rseq.n, rseq.p, c->invite.cseq);
    ua_learn(c, &c->caller, t, true);
    r.uri = c->caller.target;
    r.cseq = ++c->caller.cseq;
    ua_start(s, c, &c->caller, &c->prack, &r, on_prack);
    memcpy(c->caller.peer, before, sizeof before); // the CANCEL, should there be one, has no tag
}

static void on_invite(struct sim *s, struct client_tx *tx, const struct text *t)
{
    struct call *c = tx->call;

    if (!t) {
        call_end(s, c, false);
    } else if (t->status < 200) {
        prack(s, c, t);
        if (c->kind == CALL_CANCELLED && !c->cancel.text && !c->cancelling) {
            c->cancelling = true;
            sim_after(s, sim_below(s, 3000) * MS, cancel, c, 0);
        }
    } else if (t->status < 300) {
        ack_success(s, tx, t);
    } else {
        ack_failure(s, tx, t);
        if (c->dialog && c->refused_cseq != tx->cseq) { // a re-INVITE: the call goes on as it was
            c->refused_cseq = tx->cseq;
            next_step(s, c, 0);
        }
        if (c->ended || c->dialog)
            return;
        if (t->status == 407 && !c->authorized) {
            c->authorized = true;
            c->caller.cseq++;
            invite(s, c);
        } else if (t->status != 407) {
            if (t->status != expected(c))
                sim_trace(s, "call %u was answered %d", c->n, t->status);
            call_end(s, c, t->status == expected(c));
        }
    }
}

// ---- Other requests -------------------------------------------------------------------------

static void send_other(struct sim *s, void *who, uint64_t n)
{
    struct call *c = who;
    struct ua_request r = {
        .method = c->other_method, .uri = c->caller.target, .cseq = c->caller.cseq++};

    if (c->kind == CALL_REGISTER) {
        r.method = "REGISTER";
        r.uri = "sip:edge.example";
    } else if (c->kind == CALL_OPTIONS) {
        r.method = "OPTIONS";
    } else if (c->kind == CALL_OPTIONS_US) {
        r.method = "OPTIONS";
        r.uri = c->side == SIDE_SIX   ? "sip:[2001:db8::10]:5060"
                : c->side == SIDE_NAT ? "sip:192.0.2.10:5060"
                                      : "sip:198.51.100.1:5060";
    } else {
        r.body = body_of(s);
    }
    ua_start(s, c, &c->caller, &c->other, &r, on_other);
}

static void on_other(struct sim *s, struct client_tx *tx, const struct text *t)
{
    struct call *c = tx->call;
    bool ok = t && t->status == 200;

    if (t && t->status < 200)
        return;
    if (c->dialog) {
        if (tx->cseq == c->caller.cseq)
            next_step(s, c, 0);
    } else if (ok && c->kind == CALL_REGISTER && sim_below(s, 3)) {
        sim_after(s, (1 + sim_below(s, 10)) * SECOND, send_other, c, 0);
    } else {
        call_end(s, c, ok);
    }
}

void caller_start(struct sim *s, uint32_t n)
{
    struct call *c = &s->calls[n];

    c->n = n;
    set_up(s, c);
    sim_trace(s, "call %u begins: kind %d side %d from %s", n, c->kind, c->side,
              addr_text(&c->caller.src));
    if (c->kind >= CALL_MESSAGE && c->kind <= CALL_OPTIONS_US)
        send_other(s, c, 0);
    else
        invite(s, c);
}

// ---- What comes in --------------------------------------------------------------------------

static void reply(struct sim *s, struct call *c, const struct packet *p, const struct text *t)
{
    struct ua_response r = {.status = 200};
    char text[PACKET_MAX];
    uint32_t len = ua_respond(t, &r, text);
    struct slice by = text_sent_by(text_header(t, "Via", 0));
    struct sim_addr dst;

    addr_read(by.p, by.n, &dst);
    net_send(s, &c->caller.src, c->side == SIDE_NAT ? &p->src : &dst, text, len);
}

static void answer_invite(struct sim *s, struct call *c, const struct text *t)
{
    struct ua_response r = {.status = 200, .contact = c->caller.contact};
    char text[PACKET_MAX];

    if (c->caller_answer.final && c->caller_answer.cseq == text_cseq(t)) {
        net_send(s, &c->caller_answer.src, &c->caller_answer.dst, c->caller_answer.text,
                 c->caller_answer.len);
        return;
    }
    c->caller_answer.call = c;
    c->caller_answer.src = c->caller.src;
    uint32_t len = ua_respond(t, &r, text);
    ua_answer(s, &c->caller_answer, text, len);
}

static void answer_bye(struct sim *s, struct call *c, const struct packet *p, const struct text *t)
{
    reply(s, c, p, t);
    if (!c->over)
        call_end(s, c, true);
    c->over = true;
    c->other.active = false;
}

void caller_receive(struct sim *s, struct call *c, const struct packet *p, const struct text *t)
{
    if (t->status == 0) {
        if (slice_is(t->method, "BYE"))
            answer_bye(s, c, p, t);
        else if (slice_is(t->method, "INVITE"))
            answer_invite(s, c, t);
        else if (slice_is(t->method, "ACK"))
            ua_acked(&c->caller_answer, text_cseq(t));
        else
            reply(s, c, p, t);
        return;
    }
    if (!ua_heard(s, &c->invite, t) && !ua_heard(s, &c->other, t) && !ua_heard(s, &c->cancel, t) &&
        !ua_heard(s, &c->prack, t))
        sim_trace(s, "call %u: a late %d", c->n, t->status);
}
