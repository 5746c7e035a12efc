// The rewrite of a forwarded request (RFC 3261 16.4, 16.6; RFC 3581; RFC 5658).
//
// The start line and what we put on top of the header come first; changes below are collected in
// any order, sorted by where they are, and applied in one pass. Texts are referred to where they
// lie (the original, the policy, the job), not copied: the only copy is the one that is sent.
#include "proxy/engine_internal.h"

// One for each header field, and for start line, Vias and the Request-URI's parts. Each is two
// pieces of the edit list at most.
#define CHANGES_MAX (TND_SIP_HDRS_MAX + 8)

_Static_assert(2 * CHANGES_MAX + 1 <= TND_EDIT_PIECES, "every list of changes can be applied");

struct change {
    uint16_t from, to; // octets of the original that go
    uint16_t len;
    const char *text; // what comes in their place
};

// Texts that are written here lie one after the other in the arena of the edit list that will
// send them.
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
    c->item[c->n++] = (struct change){
        .from = (uint16_t)from, .to = (uint16_t)to, .text = c->edit->arena + c->edit->arena_used};
}

// Texts put since the last open_change belong to it.
static void close_change(struct changes *c)
{
    struct change *last = &c->item[c->n - 1];

    last->len = (uint16_t)(c->edit->arena + c->edit->arena_used - last->text);
}

// A text that outlives the list.
static void insert(struct changes *c, uint32_t at, struct tnd_str text)
{
    open_change(c, at, at);
    c->item[c->n - 1].text = text.p;
    c->item[c->n - 1].len = (uint16_t)text.len;
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
    unsigned n = 1;
    char *to = text_room(c, 10);

    if (!to)
        return;
    for (uint32_t bound = 10; n < 10 && v >= bound; bound *= 10)
        n++;
    for (unsigned i = n; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    text_used(c, n);
}

// ---- Via ------------------------------------------------------------------------------

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

// ---- What we put on top -----------------------------------------------------------------

// Our Via, and Record-Route: of both listeners where there are two, so that each side finds the
// one it can reach on its own end (rule 9).
static void put_own_headers(const struct tnd_engine *e, const struct tnd_job *job,
                            struct tnd_edit *edit)
{
    const struct tnd_listener *out = &e->policy->listeners[job->egress];
    const struct tnd_listener *in = &e->policy->listeners[job->listener];
    const struct tnd_signed *s = job->sign;

    tnd_edit_ref(edit, (struct tnd_str){out->via, out->via_len});
    tnd_edit_ref(edit, (struct tnd_str){s->text, s->len});
    if (s->token == 0)
        return;
    tnd_edit_ref(edit, (struct tnd_str){out->route, out->route_len});
    if (in == out)
        return;
    tnd_edit_ref(edit, TND_STR("Record-Route: <sip:"));
    tnd_edit_ref(edit, (struct tnd_str){s->text + s->token, s->len - s->token});
    tnd_edit_ref(edit, (struct tnd_str){in->route, in->route_len});
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

    insert(c, at, TND_STR("Route: <"));
    insert(c, at, tnd_text(m, uri));
    insert(c, at, TND_STR(">\r\n"));
}

// What RFC 3261 16.4 and 16.6 step 6 make of the route set.
struct route_plan {
    struct route_walk walk;
    struct tnd_span uri; // the request's own
    bool next_is_strict;
};

static void plan_routes(const struct tnd_job *job, struct route_plan *p)
{
    const struct tnd_sip_msg *m = &job->msg;

    *p = (struct route_plan){.uri = m->ruri_text};
    if (m->first[TND_HDR_ROUTE] == TND_SIP_NO_HDR)
        return;
    p->walk.drop_first = job->pop;
    p->walk.drop_last = job->strict_in;
    survey_routes(m, &p->walk);
    if (job->strict_in)
        p->uri = p->walk.last_uri;
    p->next_is_strict = job->strict_out && p->walk.values - job->pop > (job->strict_in ? 1u : 0u);
    if (p->next_is_strict)
        p->walk.drop_first++;
}

static void fix_routes(const struct tnd_job *job, const struct route_plan *p, struct changes *c)
{
    if (p->walk.drop_first || p->walk.drop_last)
        cut_routes(&job->msg, &p->walk, c);
    if (p->next_is_strict)
        append_route(&job->msg, p->uri, c);
}

// ---- The start line ---------------------------------------------------------------------

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

static void put_kept_params(const struct tnd_sip_msg *m, struct tnd_edit *edit)
{
    struct tnd_str rest = tnd_text(m, m->ruri.params);

    while (rest.len && !edit->overflow) {
        const char *semi = memchr(rest.p, ';', rest.len);
        struct tnd_str param = {rest.p, semi ? (size_t)(semi - rest.p) : rest.len};
        size_t used = param.len + (semi ? 1 : 0);
        if (param.len && !locates(param)) {
            tnd_edit_ref(edit, (struct tnd_str){param.p - 1, param.len + 1}); // from its ';'
        }
        rest.p += used;
        rest.len -= used;
    }
}

// Rule 4: a Request-URI that is ours becomes the trunk's, user (and password) kept.
static void put_trunk_uri(const struct tnd_trunk *t, const struct tnd_sip_msg *m,
                          struct tnd_edit *edit)
{
    tnd_edit_ref(edit, t->scheme == TND_SCHEME_SIPS ? TND_STR("sips:") : TND_STR("sip:"));
    if (m->ruri.user.len) {
        tnd_edit_ref(edit, tnd_text(m, m->ruri.user));
        if (m->ruri.password.len) {
            tnd_edit_ref(edit, TND_STR(":"));
            tnd_edit_ref(edit, tnd_text(m, m->ruri.password));
        }
        tnd_edit_ref(edit, TND_STR("@"));
    }
    tnd_edit_ref(edit, (struct tnd_str){t->host, t->host_len});
    put_kept_params(m, edit);
}

// Whether put_trunk_uri would only repeat what stands before the host: "sip:user@".
static bool keeps_user(const struct tnd_trunk *t, const struct tnd_sip_msg *m)
{
    const struct tnd_uri *uri = &m->ruri;
    uint32_t user = uri->whole.off + 4u;

    return t->scheme == TND_SCHEME_SIP && memcmp(m->data + uri->whole.off, "sip:", 4) == 0 &&
           uri->user.len && uri->user.off == user && uri->host.off == user + uri->user.len + 1;
}

// RFC 3261 16.4: a maddr that is ours goes, with a port that is no default.
static void cut_own_maddr(const struct tnd_sip_msg *m, struct tnd_edit *edit)
{
    const struct tnd_span *maddr = &m->ruri.maddr;
    uint32_t from = maddr->off;

    if (m->ruri.port && m->ruri.port != 5060) {
        tnd_edit_keep_to(edit, (uint32_t)m->ruri.host.off + m->ruri.host.len);
        tnd_edit_skip_to(edit, m->ruri.params.off - 1u);
    }
    while (m->data[from] != ';')
        from--;
    tnd_edit_keep_to(edit, from);
    tnd_edit_skip_to(edit, (uint32_t)maddr->off + maddr->len);
}

static void write_start_line(struct tnd_engine *e, const struct tnd_job *job,
                             const struct route_plan *p, struct tnd_edit *edit)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint32_t uri = m->ruri_text.off, uri_end = uri + m->ruri_text.len;

    if (p->next_is_strict || job->strict_in) {
        tnd_edit_keep_to(edit, uri);
        tnd_edit_ref(edit, tnd_text(m, p->next_is_strict ? p->walk.first_kept_uri : p->uri));
        tnd_edit_skip_to(edit, uri_end);
    } else if (job->own_uri && !job->strict_out && job->to_trunk != TND_NO_TRUNK) {
        const struct tnd_trunk *t = &e->policy->trunks[job->to_trunk];
        if (keeps_user(t, m)) {
            tnd_edit_keep_to(edit, m->ruri.host.off);
            tnd_edit_ref(edit, (struct tnd_str){t->host, t->host_len});
            put_kept_params(m, edit);
        } else {
            tnd_edit_keep_to(edit, uri);
            put_trunk_uri(t, m, edit);
        }
        tnd_edit_skip_to(edit, uri_end);
    } else if (job->own_maddr && !job->strict_out) {
        cut_own_maddr(m, edit);
    }
    tnd_edit_keep_to(edit, m->start_line_end);
}

// ---- All of it ----------------------------------------------------------------------------

static void fix_max_forwards(const struct tnd_sip_msg *m, struct changes *c)
{
    const struct tnd_sip_hdr *h = &m->hdr[m->first[TND_HDR_MAX_FORWARDS]];

    open_change(c, h->value, (uint32_t)h->value + h->value_len);
    put_u32(c, m->max_forwards - 1u);
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
        tnd_edit_ref(edit, (struct tnd_str){x->text, x->len});
        tnd_edit_skip_to(edit, x->to);
    }
    tnd_edit_end(edit);
}

bool tnd__write_request(struct tnd_engine *e, struct tnd_job *job, struct tnd_edit *edit)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct route_plan plan;
    struct changes c;

    if (!job->sign)
        tnd_stage_sign(e, &job, 1);
    c.n = 0;
    c.overflow = false;
    c.edit = edit;
    plan_routes(job, &plan);
    tnd_edit_begin(edit, m->data, m->len);
    write_start_line(e, job, &plan, edit);
    put_own_headers(e, job, edit);
    if (m->max_forwards == TND_SIP_MF_ABSENT)
        tnd_edit_ref(edit, TND_STR("Max-Forwards: 70\r\n"));
    fix_top_via(job, &c);
    fix_routes(job, &plan, &c);
    if (m->max_forwards != TND_SIP_MF_ABSENT)
        fix_max_forwards(m, &c);
    sort_changes(&c);
    apply(&c);
    return !c.overflow && !edit->overflow && edit->out_len <= TND_SIP_MAX;
}
