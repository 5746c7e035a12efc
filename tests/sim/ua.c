#include "sim/ua.h"

struct call *call_of(struct sim *s, const struct text *t)
{
    struct slice id = text_header(t, "Call-ID", 0);
    uint32_t n;

    if (id.n < 5 || id.p[0] != 'c' || (unsigned)(id.p[1] - '0') > 9)
        return NULL;
    n = (uint32_t)strtoul(id.p + 1, NULL, 10);
    return n < s->n_calls && slice_is(id, s->calls[n].id) ? &s->calls[n] : NULL;
}

// ---- Requests -------------------------------------------------------------------------------

static uint32_t put(char *out, uint32_t at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(out + at, PACKET_MAX - at, fmt, ap);
    va_end(ap);
    if (n < 0 || at + (uint32_t)n >= PACKET_MAX)
        abort();
    return at + (uint32_t)n;
}

uint32_t ua_write(struct call *c, struct leg *l, const struct ua_request *r, char out[PACKET_MAX],
                  char branch[40])
{
    const char *body = r->body ? r->body : "";
    bool k = c->compact;
    uint32_t at;

    if (r->branch)
        snprintf(branch, 40, "%s", r->branch);
    else
        snprintf(branch, 40, "z9hG4bK-%c%u-%u", l == &c->caller ? 'c' : 's', c->n, l->branches++);
    at = put(out, 0, "%s %s SIP/2.0\r\n", r->method, r->uri);
    at = put(out, at, "%s: SIP/2.0/UDP %s;branch=%s%s\r\n", k ? "v" : "Via", l->sent_by, branch,
             l->rport ? ";rport" : "");
    if (r->in_dialog)
        at = put(out, at, "%s", l->routes);
    if (!r->forwards || *r->forwards)
        at = put(out, at, "Max-Forwards: %s\r\n", r->forwards ? r->forwards : "70");
    at = put(out, at, "%s: %s\r\n%s: %s\r\n", k ? "f" : "From", l->self, k ? "t" : "To", l->peer);
    at = put(out, at, "%s: %s\r\nCSeq: %u %s\r\n", k ? "i" : "Call-ID", c->id, r->cseq, r->method);
    if (strcmp(r->method, "ACK") != 0 && strcmp(r->method, "CANCEL") != 0 &&
        strcmp(r->method, "BYE") != 0)
        at = put(out, at, "%s: <%s>\r\n", k ? "m" : "Contact", l->contact);
    at = put(out, at, "%sUser-Agent: caller, \"of\"; <several>\r\n", r->more ? r->more : "");
    return put(out, at, "%s: %zu\r\n\r\n%s", k ? "l" : "Content-Length", strlen(body), body);
}

void ua_ack(struct sim *s, struct call *c, struct leg *l, uint32_t cseq)
{
    struct ua_request r = {.method = "ACK", .uri = l->target, .cseq = cseq, .in_dialog = true};
    char text[PACKET_MAX], branch[40];
    uint32_t len = ua_write(c, l, &r, text, branch);

    net_send(s, &l->src, &l->next, text, len);
}

// ---- Client transactions ----------------------------------------------------------------------

static void on_timer(struct sim *s, void *who, uint64_t generation)
{
    struct client_tx *tx = who;
    bool invite = strcmp(tx->method, "INVITE") == 0;

    if (!tx->active || tx->generation != generation || (invite && tx->proceeding))
        return;
    if (s->now_us - tx->started_us >= 64 * T1_MS * MS) { // timer B, F
        tx->active = false;
        tx->done(s, tx, NULL);
        return;
    }
    net_send(s, &tx->src, &tx->dst, tx->text, tx->len);
    tx->interval_ms *= 2;
    if (!invite && tx->interval_ms > T2_MS)
        tx->interval_ms = T2_MS;
    sim_after(s, tx->interval_ms * MS, on_timer, tx, generation);
}

// A callee that rang and was never heard of again.
static void on_patience(struct sim *s, void *who, uint64_t generation)
{
    struct client_tx *tx = who;

    if (!tx->active || tx->generation != generation)
        return;
    tx->active = false;
    tx->done(s, tx, NULL);
}

void ua_start(struct sim *s, struct call *c, struct leg *l, struct client_tx *tx,
              const struct ua_request *r,
              void (*done)(struct sim *, struct client_tx *, const struct text *))
{
    char text[PACKET_MAX];

    free(tx->text);
    tx->call = c;
    tx->done = done;
    tx->len = ua_write(c, l, r, text, tx->branch);
    tx->text = malloc(tx->len + 1);
    memcpy(tx->text, text, tx->len + 1);
    tx->src = l->src;
    tx->dst = l->next;
    snprintf(tx->method, sizeof tx->method, "%s", r->method);
    tx->cseq = r->cseq;
    tx->generation++;
    tx->interval_ms = T1_MS;
    tx->started_us = s->now_us;
    tx->active = true;
    tx->proceeding = false;
    net_send(s, &tx->src, &tx->dst, tx->text, tx->len);
    sim_after(s, T1_MS * MS, on_timer, tx, tx->generation);
}

bool ua_heard(struct sim *s, struct client_tx *tx, const struct text *t)
{
    struct slice via = text_header(t, "Via", 0);

    if (!tx->text || !slice_is(text_param(via, "branch"), tx->branch) ||
        !slice_is(text_method(t), tx->method))
        return false;
    if (t->status < 200) {
        if (tx->active && !tx->proceeding && strcmp(tx->method, "INVITE") == 0)
            sim_after(s, 90 * SECOND, on_patience, tx, tx->generation);
        tx->proceeding = true;
    } else if (!tx->active && strcmp(tx->method, "INVITE") != 0) {
        return true; // heard before
    } else {
        tx->active = false;
    }
    tx->done(s, tx, t);
    return true;
}

// ---- Answers to an INVITE -----------------------------------------------------------------------

static void on_repeat(struct sim *s, void *who, uint64_t generation)
{
    struct server_tx *tx = who;

    if (!tx->final || tx->acked || tx->generation != generation ||
        s->now_us - tx->started_us >= 64 * T1_MS * MS)
        return;
    net_send(s, &tx->src, &tx->dst, tx->text, tx->len);
    tx->interval_ms = tx->interval_ms * 2 < T2_MS ? tx->interval_ms * 2 : T2_MS;
    sim_after(s, tx->interval_ms * MS, on_repeat, tx, generation);
}

void ua_answer(struct sim *s, struct server_tx *tx, const char *text, uint32_t len)
{
    struct text t;
    struct slice by;

    free(tx->text);
    tx->text = malloc(len + 1);
    memcpy(tx->text, text, len + 1);
    tx->len = len;
    text_read(tx->text, len, &t);
    by = text_sent_by(text_header(&t, "Via", 0));
    addr_read(by.p, by.n, &tx->dst);
    tx->cseq = text_cseq(&t);
    tx->final = t.status >= 200;
    tx->acked = false;
    tx->generation++;
    tx->started_us = s->now_us;
    tx->interval_ms = T1_MS;
    net_send(s, &tx->src, &tx->dst, tx->text, tx->len);
    if (tx->final)
        sim_after(s, T1_MS * MS, on_repeat, tx, tx->generation);
}

void ua_acked(struct server_tx *tx, uint32_t cseq)
{
    if (tx->final && tx->cseq == cseq)
        tx->acked = true;
}

// ---- Responses ------------------------------------------------------------------------------

static uint32_t copy_lines(const struct text *t, const char *name, char *out, uint32_t at)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (text_is_named(t->header[i].name, name))
            at = put(out, at, "%.*s\r\n", t->header[i].line.n, t->header[i].line.p);
    return at;
}

uint32_t ua_respond(const struct text *request, const struct ua_response *r, char out[PACKET_MAX])
{
    const char *body = r->body ? r->body : "";
    struct slice to = text_header(request, "To", 0);
    uint32_t at = put(out, 0, "SIP/2.0 %d %s\r\n", r->status, r->status < 300 ? "Fine" : "No");

    at = copy_lines(request, "Via", out, at);
    if (r->more)
        at = put(out, at, "%s", r->more);
    if (r->contact)
        at = copy_lines(request, "Record-Route", out, at);
    at = copy_lines(request, "From", out, at);
    if (r->to_tag && !text_has_param(to, "tag"))
        at = put(out, at, "To: %.*s;tag=%s\r\n", to.n, to.p, r->to_tag);
    else
        at = put(out, at, "To: %.*s\r\n", to.n, to.p);
    at = copy_lines(request, "Call-ID", out, at);
    at = copy_lines(request, "CSeq", out, at);
    if (r->contact)
        at = put(out, at, "Contact: <%s>\r\n", r->contact);
    return put(out, at, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

// ---- Dialogs --------------------------------------------------------------------------------

void ua_learn(struct call *c, struct leg *l, const struct text *t, bool is_uac)
{
    struct slice rr[16], uri = text_uri(text_header(t, "Contact", 0)), host;
    unsigned n = text_items(t, "Record-Route", rr, 16);
    int at = 0;

    snprintf(l->target, sizeof l->target, "%.*s", uri.n, uri.p);
    l->routes[0] = 0;
    for (unsigned i = 0; i < n; i++) {
        struct slice v = rr[is_uac ? n - 1 - i : i];
        const char *lead = i == 0 || !c->has_rr_joined ? "Route: " : ", ";
        const char *tail = i + 1 == n || !c->has_rr_joined ? "\r\n" : "";
        at += snprintf(l->routes + at, sizeof l->routes - (size_t)at, "%s%.*s%s", lead, v.n, v.p,
                       tail);
        if (at >= (int)sizeof l->routes)
            abort();
        host = text_host(text_uri(v));
        if (i == 0)
            addr_read(host.p, host.n, &l->next);
    }
}

void ua_free(struct call *c)
{
    free(c->invite.text);
    free(c->other.text);
    free(c->cancel.text);
    free(c->bye.text);
    free(c->prack.text);
    free(c->callee_other.text);
    free(c->callee_invite.text);
    free(c->caller_answer.text);
    free(c->answer.text);
    free(c->ack);
    free(c->asked);
    c->invite.text = c->other.text = c->cancel.text = c->bye.text = c->answer.text = NULL;
    c->prack.text = c->callee_other.text = c->callee_invite.text = c->caller_answer.text = NULL;
    c->invite.active = c->other.active = c->cancel.active = c->bye.active = false;
    c->prack.active = c->callee_other.active = c->callee_invite.active = false;
    c->answer.final = c->caller_answer.final = false;
    c->ack = c->asked = NULL;
}
