// The rewrite of a forwarded request (RFC 3261 16.4, 16.6; RFC 3581; RFC 5658).
//
// Changes are collected in any order, sorted by where they are, and applied in one pass.
#include "proxy/engine_internal.h"

// One for each header field, and for start line, Vias and the Request-URI's parts. Each is two
// pieces of the edit list at most.
#define CHANGES_MAX (TND_SIP_HDRS_MAX + 8)

_Static_assert(2 * CHANGES_MAX + 1 <= TND_EDIT_PIECES, "every list of changes can be applied");

struct change {
    uint16_t from, to;  // octets of the original that go
    uint16_t text, len; // what comes in their place
};

// Texts lie one after the other in the arena of the edit list that will send them.
struct changes {
    struct change item[CHANGES_MAX];
    uint32_t n;
    struct tnd_edit *edit;
    bool overflow;
};

static void open_change(struct changes *c, uint32_t from, uint32_t to)
{
    if (c->n == CHANGES_MAX) {
        c->overflow = true;
        c->n--;
    }
    c->item[c->n++] = (struct change){(uint16_t)from, (uint16_t)to, c->edit->arena_used, 0};
}

// Texts put since the last open_change belong to it.
static void close_change(struct changes *c)
{
    struct change *last = &c->item[c->n - 1];

    last->len = (uint16_t)(c->edit->arena_used - last->text);
}

// Neighbours go as one: however many Route lines of ours there are, they are one change.
static void leave_out(struct changes *c, uint32_t from, uint32_t to)
{
    struct change *last = c->n > 0 ? &c->item[c->n - 1] : NULL;

    if (last && last->len == 0 && last->to == from) {
        last->to = (uint16_t)to;
        return;
    }
    open_change(c, from, to);
    close_change(c);
}

// Room for `len` octets of text, of which the caller may leave some unused; NULL: overflow.
static inline char *text_room(struct changes *c, size_t len)
{
    if (len <= (size_t)TND_EDIT_ARENA - c->edit->arena_used)
        return c->edit->arena + c->edit->arena_used;
    c->overflow = true;
    return NULL;
}

static inline void text_used(struct changes *c, size_t len)
{
    c->edit->arena_used = (uint16_t)(c->edit->arena_used + len);
}

static inline void put_text(struct changes *c, const char *p, size_t len)
{
    char *to = text_room(c, len);

    if (!to)
        return;
    memcpy(to, p, len);
    text_used(c, len);
}

// A literal: its length is known here, so the copy is a store or two.
#define PUT(c, literal) put_text(c, literal, sizeof(literal) - 1)

static void put_u32(struct changes *c, uint32_t v)
{
    char text[10];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    put_text(c, text + at, sizeof text - at);
}

static void put_span(struct changes *c, const struct tnd_sip_msg *m, struct tnd_span s)
{
    put_text(c, m->data + s.off, s.len);
}

// ---- Via ------------------------------------------------------------------------------

static void put_branch(struct tnd_engine *e, const struct tnd_job *job, struct changes *c)
{
    const struct tnd_branch b = {
        .listener = e->policy->listeners[job->listener].id,
        .trunk = tnd__trunk_id(e, job),
        .target = job->target_id,
        .attempt = job->attempt,
        .has_loop = job->has_loop,
        .loop = job->loop,
    };
    const struct tnd_branch_scope scope = {job->txn, job->call_key, job->msg.cseq,
                                           tnd__response_address(job)};
    char *to = text_room(c, TND_BRANCH_MAX);

    if (to)
        text_used(c, tnd_branch_write(&b, &scope, e->cfg.keys, to));
}

static void put_via(struct tnd_engine *e, const struct tnd_job *job, struct changes *c)
{
    const struct tnd_listener *out = &e->policy->listeners[job->egress];

    PUT(c, "Via: SIP/2.0/UDP ");
    put_text(c, out->text, out->text_len);
    PUT(c, ";branch=");
    put_branch(e, job, c);
    PUT(c, "\r\n");
}

// RFC 3261 18.2.1, RFC 3581 4: `received` when the source is not what sent-by says, or when
// rport was asked for. One that is there already is a lie or a leftover, and goes.
static void fix_top_via(const struct tnd_job *job, struct changes *c)
{
    const struct tnd_via *via = &job->msg.via;
    bool rport = via->rport.off != 0;
    char text[TND_ADDR_TEXT_MAX];

    if (via->received_param.len)
        leave_out(c, via->received_param.off,
                  (uint32_t)via->received_param.off + via->received_param.len);
    if (rport) {
        open_change(c, via->rport_param.off, (uint32_t)via->rport_param.off + via->rport_param.len);
        PUT(c, ";rport=");
        put_u32(c, job->src.port);
        close_change(c);
    }
    if (!rport && tnd_addr_same_ip(&via->sent_by, &job->src))
        return;
    uint32_t end = (uint32_t)via->whole.off + via->whole.len;
    open_change(c, end, end);
    PUT(c, ";received=");
    put_text(c, text, tnd_addr_bare_text(&job->src, text));
    close_change(c);
}

// ---- Record-Route -----------------------------------------------------------------------

static bool wants_record_route(const struct tnd_engine *e, const struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint16_t trunk = job->trunk;
    enum tnd_rr rr;

    if (trunk == TND_NO_TRUNK)
        trunk = tnd_policy_trunk(e->policy, job->token.from_trunk);
    rr = trunk == TND_NO_TRUNK ? TND_RR_AUTO : (enum tnd_rr)e->policy->trunks[trunk].record_route;
    if (rr == TND_RR_NEVER || (m->to_tag.len && job->token_state != TND_TOKEN_GOOD))
        return false; // in-dialog without our token: this dialog was set up past us
    switch (m->method) {
    case TND_METHOD_INVITE:
    case TND_METHOD_SUBSCRIBE:
    case TND_METHOD_REFER:
    case TND_METHOD_NOTIFY:
        return true;
    case TND_METHOD_REGISTER: // RFC 3261 16.6: has no meaning there
    case TND_METHOD_ACK:
    case TND_METHOD_CANCEL:
        return false;
    default:
        return rr == TND_RR_ALWAYS;
    }
}

static size_t write_token(const struct tnd_engine *e, const struct tnd_job *job, char *out)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_token t = {
        .flow = job->src,
        .listener = e->policy->listeners[job->listener].id,
        .target = job->target_id,
        .from_trunk = tnd__trunk_id(e, job),
        .to_trunk = job->to_trunk == TND_NO_TRUNK ? 0 : e->policy->trunks[job->to_trunk].id,
        .caller = tnd__caller_hash(e->cfg.keys, tnd_text(m, m->from_tag), job->call_key),
    };

    if (job->token_state == TND_TOKEN_GOOD && m->to_tag.len)
        t = job->token; // the dialog's own, whoever re-invites
    return tnd_token_write(&t, job->call_key, e->cfg.keys, out);
}

static void put_record_route(const struct tnd_listener *l, struct tnd_str token, struct changes *c)
{
    PUT(c, "Record-Route: <sip:");
    put_text(c, token.p, token.len);
    PUT(c, "@");
    put_text(c, l->text, l->text_len);
    PUT(c, ";lr>\r\n");
}

// Rule 9: with two listeners, each side must find the one it can reach on its own end.
static void put_record_routes(const struct tnd_engine *e, const struct tnd_job *job,
                              struct changes *c)
{
    char text[TND_TOKEN_MAX];
    struct tnd_str token = {text, write_token(e, job, text)};

    put_record_route(&e->policy->listeners[job->egress], token, c);
    if (job->egress != job->listener)
        put_record_route(&e->policy->listeners[job->listener], token, c);
}

// ---- Route ------------------------------------------------------------------------------

// Take `drop_first` values off the top of the Route list, and its last one where asked.
struct route_walk {
    uint32_t drop_first;
    bool drop_last;
    uint32_t values; // in all
    struct tnd_span first_kept_uri, last_uri;
};

static void survey_routes(const struct tnd_sip_msg *m, struct route_walk *w)
{
    for (uint8_t h = m->first[TND_HDR_ROUTE]; h != TND_SIP_NO_HDR; h = m->hdr[h].next) {
        uint16_t at = m->hdr[h].value, end = (uint16_t)(at + m->hdr[h].value_len);
        struct tnd_span item, uri;
        while (tnd_name_addr_next(m->data, &at, end, &item, &uri)) {
            if (w->values++ == w->drop_first)
                w->first_kept_uri = uri;
            w->last_uri = uri;
        }
    }
}

// One header: kept values are contiguous, so at most its head and its tail go.
static void cut_route_header(const struct tnd_sip_msg *m, const struct tnd_sip_hdr *h,
                             const struct route_walk *w, uint32_t *seen, struct changes *c)
{
    uint16_t at = h->value, end = (uint16_t)(at + h->value_len);
    uint32_t keep_from = 0, keep_to = 0, n = 0;
    struct tnd_span item, uri;

    while (tnd_name_addr_next(m->data, &at, end, &item, &uri)) {
        uint32_t index = (*seen)++;
        if (index < w->drop_first || (w->drop_last && index + 1 == w->values))
            continue;
        if (n++ == 0)
            keep_from = item.off;
        keep_to = (uint32_t)item.off + item.len;
    }
    if (n == 0) {
        leave_out(c, h->line, h->end);
        return;
    }
    if (keep_from > h->value)
        leave_out(c, h->value, keep_from);
    if (keep_to < end)
        leave_out(c, keep_to, end);
}

static void cut_routes(const struct tnd_sip_msg *m, const struct route_walk *w, struct changes *c)
{
    uint32_t seen = 0;

    for (uint8_t h = m->first[TND_HDR_ROUTE]; h != TND_SIP_NO_HDR; h = m->hdr[h].next)
        cut_route_header(m, &m->hdr[h], w, &seen, c);
}

static uint32_t routes_end(const struct tnd_sip_msg *m)
{
    uint8_t h = m->first[TND_HDR_ROUTE];

    while (m->hdr[h].next != TND_SIP_NO_HDR)
        h = m->hdr[h].next;
    return m->hdr[h].end;
}

// RFC 3261 16.6 step 6: the Request-URI goes to the end of Route.
static void append_route(const struct tnd_sip_msg *m, struct tnd_span uri, struct changes *c)
{
    uint32_t at = routes_end(m);

    open_change(c, at, at);
    PUT(c, "Route: <");
    put_span(c, m, uri);
    PUT(c, ">\r\n");
    close_change(c);
}

static void fix_routes_and_uri(struct tnd_engine *e, const struct tnd_job *job, struct changes *c)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct route_walk w = {.drop_first = job->pop, .drop_last = job->strict_in};
    uint32_t uri_end = (uint32_t)m->ruri_text.off + m->ruri_text.len;

    survey_routes(m, &w);
    struct tnd_span uri = job->strict_in ? w.last_uri : m->ruri_text;
    bool next_is_strict = job->strict_out && w.values - job->pop > (job->strict_in ? 1u : 0u);
    if (next_is_strict)
        w.drop_first++;
    if (w.drop_first || w.drop_last)
        cut_routes(m, &w, c);
    if (next_is_strict)
        append_route(m, uri, c);
    if (!next_is_strict && !job->strict_in)
        return;
    open_change(c, m->ruri_text.off, uri_end);
    put_span(c, m, next_is_strict ? w.first_kept_uri : uri);
    close_change(c);
}

// Parameters say what the user is, not where it is; those that locate give way to the trunk's.
static bool locates(struct tnd_str param)
{
    static const char *const names[] = {"transport", "maddr", "ttl", "lr"};
    const char *eq = memchr(param.p, '=', param.len);
    struct tnd_str name = {param.p, eq ? (size_t)(eq - param.p) : param.len};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (tnd_uri_name_is(name, tnd_str_of(names[i])))
            return true;
    return false;
}

static void put_kept_params(const struct tnd_sip_msg *m, struct changes *c)
{
    struct tnd_str rest = tnd_text(m, m->ruri.params);

    while (rest.len && !c->overflow) {
        const char *semi = memchr(rest.p, ';', rest.len);
        struct tnd_str param = {rest.p, semi ? (size_t)(semi - rest.p) : rest.len};
        size_t used = param.len + (semi ? 1 : 0);
        if (param.len && !locates(param)) {
            PUT(c, ";");
            put_text(c, param.p, param.len);
        }
        rest.p += used;
        rest.len -= used;
    }
}

// Rule 4: a Request-URI that is ours becomes the trunk's, user (and password) kept.
static void fix_own_uri(struct tnd_engine *e, const struct tnd_job *job, struct changes *c)
{
    const struct tnd_sip_msg *m = &job->msg;
    const struct tnd_trunk *t;

    if (!job->own_uri || job->strict_in || job->strict_out || job->to_trunk == TND_NO_TRUNK)
        return;
    t = &e->policy->trunks[job->to_trunk];
    open_change(c, m->ruri_text.off, (uint32_t)m->ruri_text.off + m->ruri_text.len);
    if (t->scheme == TND_SCHEME_SIPS)
        PUT(c, "sips:");
    else
        PUT(c, "sip:");
    if (m->ruri.user.len) {
        put_span(c, m, m->ruri.user);
        if (m->ruri.password.len) {
            PUT(c, ":");
            put_span(c, m, m->ruri.password);
        }
        PUT(c, "@");
    }
    put_text(c, t->host, t->host_len);
    put_kept_params(m, c);
    close_change(c);
}

// A parameter of the Request-URI goes, from its ';'.
static void cut_param(const struct tnd_sip_msg *m, struct tnd_span value, struct changes *c)
{
    uint32_t from = value.off;

    while (m->data[from] != ';')
        from--;
    leave_out(c, from, (uint32_t)value.off + value.len);
}

// RFC 3261 16.4: a maddr that is ours, with a port or transport that are no defaults.
static void fix_own_maddr(const struct tnd_job *job, struct changes *c)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint32_t host_end = (uint32_t)m->ruri.host.off + m->ruri.host.len;

    if (!job->own_maddr || job->strict_in || job->strict_out ||
        (job->own_uri && job->to_trunk != TND_NO_TRUNK))
        return;
    if (m->ruri.port && m->ruri.port != 5060)
        leave_out(c, host_end, m->ruri.params.off - 1u);
    cut_param(m, m->ruri.maddr, c);
}

// ---- All of it ----------------------------------------------------------------------------

static void fix_max_forwards(const struct tnd_sip_msg *m, struct changes *c)
{
    const struct tnd_sip_hdr *h = &m->hdr[m->first[TND_HDR_MAX_FORWARDS]];

    open_change(c, h->value, (uint32_t)h->value + h->value_len);
    put_u32(c, m->max_forwards - 1u);
    close_change(c);
}

static void put_top_headers(struct tnd_engine *e, const struct tnd_job *job, struct changes *c)
{
    const struct tnd_sip_msg *m = &job->msg;

    open_change(c, m->start_line_end, m->start_line_end);
    put_via(e, job, c);
    if (wants_record_route(e, job))
        put_record_routes(e, job, c);
    if (m->max_forwards == TND_SIP_MF_ABSENT)
        PUT(c, "Max-Forwards: 70\r\n");
    close_change(c);
}

// Stable, so that changes at one place keep the order they were made in.
static void sort_changes(struct changes *c)
{
    for (uint32_t i = 1; i < c->n; i++) {
        struct change x = c->item[i];
        uint32_t k = i;
        for (; k > 0 && c->item[k - 1].from > x.from; k--)
            c->item[k] = c->item[k - 1];
        c->item[k] = x;
    }
}

static void apply(const struct changes *c)
{
    struct tnd_edit *edit = c->edit;

    for (uint32_t i = 0; i < c->n; i++) {
        const struct change *x = &c->item[i];
        tnd_edit_keep_to(edit, x->from);
        tnd_edit_ref(edit, (struct tnd_str){edit->arena + x->text, x->len});
        tnd_edit_skip_to(edit, x->to);
    }
    tnd_edit_end(edit);
}

bool tnd__write_request(struct tnd_engine *e, const struct tnd_job *job, struct tnd_edit *edit)
{
    struct changes c;

    c.n = 0;
    c.overflow = false;
    c.edit = edit;
    tnd_edit_begin(edit, job->msg.data, job->msg.len);
    put_top_headers(e, job, &c);
    fix_top_via(job, &c);
    fix_routes_and_uri(e, job, &c);
    fix_own_uri(e, job, &c);
    fix_own_maddr(job, &c);
    if (job->msg.max_forwards != TND_SIP_MF_ABSENT)
        fix_max_forwards(&job->msg, &c);
    sort_changes(&c);
    apply(&c);
    return !c.overflow && !edit->overflow && edit->out_len <= TND_SIP_MAX;
}
