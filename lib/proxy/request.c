// The rewrite of a forwarded request (RFC 3261 16.4, 16.6; RFC 3581; RFC 5658).
//
// One pass over what changes, in the order it stands in: the start line, what we put on top of
// the header, then the top Via, Max-Forwards and Routes. Texts are referred to where they lie (the
// original, the policy, the job), not copied: the only copy is the one that is sent.
#include "proxy/engine_internal.h"

static void cut(struct tnd_edit *edit, uint32_t from, uint32_t to)
{
    tnd_edit_keep_to(edit, from);
    tnd_edit_skip_to(edit, to);
}

// Four digits at once, the leading zeros shifted out. Writes four octets more than it needs at the
// most. Returns: the end of the digits. Little endian hosts only: checked in meson.build.
static inline char *print_u16(char *to, uint32_t v)
{
    unsigned skip = (v < 1000) + (v < 100) + (v < 10);

    if (v >= 10000) {
        *to++ = (char)('0' + v / 10000);
        v %= 10000;
        skip = 0;
    }
    uint32_t pairs = v / 100 | v % 100 << 16, tens = pairs * 103 >> 10 & 0x000f000f;
    uint32_t text = ((tens | (pairs - tens * 10) << 8) + 0x30303030) >> 8 * skip;
    memcpy(to, &text, sizeof text);
    return to + 4 - skip;
}

// ---- Via ------------------------------------------------------------------------------

static inline void put_rport(struct tnd_edit *edit, uint16_t port)
{
    static const char name[] = ";rport=";
    char *to = tnd_edit_room(edit, sizeof name + 8);

    if (!to)
        return;
    memcpy(to, name, sizeof name);
    tnd_edit_text(edit, print_u16(to + sizeof name - 1, port));
}

static inline void put_received(struct tnd_edit *edit, const struct tnd_addr *src)
{
    static const char name[] = ";received=";
    char *to = tnd_edit_room(edit, sizeof name + TND_ADDR_TEXT_MAX);

    if (!to)
        return;
    memcpy(to, name, sizeof name);
    to += sizeof name - 1;
    if (src->family == 4)
        tnd_edit_text(edit, tnd_addr_put_ipv4(src->ip, to));
    else
        tnd_edit_text(edit, to + tnd_addr_bare_text(src, to));
}

static inline void fix_rport(const struct tnd_job *job, struct tnd_edit *edit)
{
    const struct tnd_span *param = &job->msg.via.rport_param;

    if (job->msg.via.rport.off == 0)
        return;
    tnd_edit_keep_to(edit, param->off);
    put_rport(edit, job->src.port);
    tnd_edit_skip_to(edit, (uint32_t)param->off + param->len);
}

// RFC 3261 18.2.1, RFC 3581 4: `received` when the source is not what sent-by says, or when
// rport was asked for.
static inline void add_received(const struct tnd_job *job, struct tnd_edit *edit)
{
    const struct tnd_via *via = &job->msg.via;

    if (via->rport.off == 0 && tnd_addr_same_ip(&via->sent_by, &job->src))
        return;
    tnd_edit_keep_to(edit, (uint32_t)via->whole.off + via->whole.len);
    put_received(edit, &job->src);
}

// A `received` that is there already is a lie or a leftover, and goes.
static void fix_top_via(const struct tnd_job *job, struct tnd_edit *edit)
{
    const struct tnd_via *via = &job->msg.via;
    uint32_t old = via->received_param.off, old_end = old + via->received_param.len;
    bool behind = via->rport.off != 0 && old > via->rport_param.off;

    if (old_end > old && !behind)
        cut(edit, old, old_end);
    fix_rport(job, edit);
    if (old_end > old && behind)
        cut(edit, old, old_end);
    add_received(job, edit);
}

// ---- What we put on top -----------------------------------------------------------------

// Our Via, and Record-Route: of both listeners where there are two, so that each side finds the
// one it can reach on its own end (rule 9).
static inline void put_own_headers(const struct tnd_engine *e, const struct tnd_job *job,
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
    if (!job->strict_in && !job->strict_out)
        return;
    p->walk.drop_last = job->strict_in;
    survey_routes(m, &p->walk);
    if (job->strict_in)
        p->uri = p->walk.last_uri;
    p->next_is_strict = job->strict_out && p->walk.values - job->pop > (job->strict_in ? 1u : 0u);
    if (p->next_is_strict)
        p->walk.drop_first++;
}

static bool changes_routes(const struct route_plan *p)
{
    return p->walk.drop_first || p->walk.drop_last;
}

// One header, whose values are `seen` and on: those that are kept are contiguous, so at most its
// head and its tail go. Returns: how many values it has.
static uint32_t cut_route_header(const struct tnd_sip_msg *m, const struct tnd_sip_hdr *h,
                                 const struct route_walk *w, uint32_t seen, struct tnd_edit *edit)
{
    uint16_t at = h->value, end = (uint16_t)(at + h->value_len);
    uint32_t keep_from = 0, keep_to = 0, n = 0, index = seen;
    struct tnd_span item, uri;

    for (; tnd_name_addr_next(m->data, &at, end, &item, &uri); index++) {
        if (index < w->drop_first || (w->drop_last && index + 1 == w->values))
            continue;
        if (n++ == 0)
            keep_from = item.off;
        keep_to = (uint32_t)item.off + item.len;
    }
    if (n == 0) {
        cut(edit, h->line, h->end);
    } else {
        cut(edit, h->value, keep_from);
        cut(edit, keep_to, end);
    }
    return index - seen;
}

// RFC 3261 16.6 step 6: the Request-URI goes to the end of Route.
static void append_route(const struct tnd_sip_msg *m, uint32_t at, struct tnd_span uri,
                         struct tnd_edit *edit)
{
    tnd_edit_keep_to(edit, at);
    tnd_edit_ref(edit, TND_STR("Route: <"));
    tnd_edit_ref(edit, tnd_text(m, uri));
    tnd_edit_ref(edit, TND_STR(">\r\n"));
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

// What stands before the host of a Request-URI that becomes the trunk's.
static void put_trunk_user(const struct tnd_trunk *t, const struct tnd_sip_msg *m,
                           struct tnd_edit *edit)
{
    tnd_edit_ref(edit, t->scheme == TND_SCHEME_SIPS ? TND_STR("sips:") : TND_STR("sip:"));
    if (m->ruri.user.len == 0)
        return;
    tnd_edit_ref(edit, tnd_text(m, m->ruri.user));
    if (m->ruri.password.len) {
        tnd_edit_ref(edit, TND_STR(":"));
        tnd_edit_ref(edit, tnd_text(m, m->ruri.password));
    }
    tnd_edit_ref(edit, TND_STR("@"));
}

// Whether put_trunk_user would only repeat what is there: "sip:user@".
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

// Rule 4: the trunk whose URI a Request-URI that is ours becomes, user (and password) kept; or
// NULL.
static const struct tnd_trunk *new_uri_trunk(const struct tnd_engine *e, const struct tnd_job *job)
{
    bool becomes = job->own_uri && !job->strict_out && job->to_trunk != TND_NO_TRUNK;

    return becomes ? &e->policy->trunks[job->to_trunk] : NULL;
}

static void write_start_line(const struct tnd_job *job, const struct tnd_trunk *t,
                             const struct route_plan *p, struct tnd_edit *edit)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint32_t uri = m->ruri_text.off, uri_end = uri + m->ruri_text.len;

    if (p->next_is_strict || job->strict_in) {
        tnd_edit_keep_to(edit, uri);
        tnd_edit_ref(edit, tnd_text(m, p->next_is_strict ? p->walk.first_kept_uri : p->uri));
        tnd_edit_skip_to(edit, uri_end);
    } else if (t) {
        if (keeps_user(t, m)) {
            tnd_edit_keep_to(edit, m->ruri.host.off);
        } else {
            tnd_edit_keep_to(edit, uri);
            put_trunk_user(t, m, edit);
        }
        tnd_edit_ref(edit, (struct tnd_str){t->host, t->host_len});
        put_kept_params(m, edit);
        tnd_edit_skip_to(edit, uri_end);
    } else if (job->own_maddr && !job->strict_out) {
        cut_own_maddr(m, edit);
    }
    tnd_edit_keep_to(edit, m->start_line_end);
}

// ---- All of it ----------------------------------------------------------------------------

static inline void fix_max_forwards(const struct tnd_sip_msg *m, struct tnd_edit *edit)
{
    const struct tnd_sip_hdr *h = &m->hdr[m->first[TND_HDR_MAX_FORWARDS]];

    tnd_edit_keep_to(edit, h->value);
    tnd_edit_ref(edit, tnd_octet_text((uint8_t)(m->max_forwards - 1)));
    tnd_edit_skip_to(edit, (uint32_t)h->value + h->value_len);
}

#define NOWHERE UINT32_MAX

static uint32_t line_of(const struct tnd_sip_msg *m, uint8_t header)
{
    return header == TND_SIP_NO_HDR ? NOWHERE : m->hdr[header].line;
}

// Via, Max-Forwards and the Routes, whichever comes next.
static void fix_headers(const struct tnd_job *job, const struct route_plan *p,
                        struct tnd_edit *edit)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint8_t route = changes_routes(p) ? m->first[TND_HDR_ROUTE] : TND_SIP_NO_HDR;
    uint32_t at_via = m->via.whole.off, at_max = line_of(m, m->first[TND_HDR_MAX_FORWARDS]);
    uint32_t at_route = line_of(m, route), seen = 0;

    while (at_via != NOWHERE || at_max != NOWHERE || at_route != NOWHERE) {
        if (at_via < at_max && at_via < at_route) {
            fix_top_via(job, edit);
            at_via = NOWHERE;
        } else if (at_max < at_route) {
            fix_max_forwards(m, edit);
            at_max = NOWHERE;
        } else {
            const struct tnd_sip_hdr *h = &m->hdr[route];
            seen += cut_route_header(m, h, &p->walk, seen, edit);
            route = h->next;
            at_route = line_of(m, route);
            if (route == TND_SIP_NO_HDR && p->next_is_strict)
                append_route(m, h->end, p->uri, edit);
        }
    }
}

// Nothing else changes of most requests: it is done without asking, in the order it stands in.
static bool is_common(const struct tnd_job *job, const struct tnd_trunk *t)
{
    const struct tnd_sip_msg *m = &job->msg;

    return m->first[TND_HDR_ROUTE] == TND_SIP_NO_HDR && !job->own_maddr && !job->strict_in &&
           !job->strict_out && m->via.received_param.len == 0 &&
           m->max_forwards != TND_SIP_MF_ABSENT &&
           m->hdr[m->first[TND_HDR_MAX_FORWARDS]].line > m->via.whole.off &&
           (!t || (m->ruri.params.len == 0 && keeps_user(t, m)));
}

static bool write_common(const struct tnd_engine *e, const struct tnd_job *job,
                         const struct tnd_trunk *t, struct tnd_out *out)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_edit edit;

    tnd_edit_begin(&edit, &out->store, m->data, m->len);
    if (t) {
        tnd_edit_keep_to(&edit, m->ruri.host.off);
        tnd_edit_ref(&edit, (struct tnd_str){t->host, t->host_len});
        tnd_edit_skip_to(&edit, (uint32_t)m->ruri_text.off + m->ruri_text.len);
    }
    tnd_edit_keep_to(&edit, m->start_line_end);
    put_own_headers(e, job, &edit);
    fix_rport(job, &edit);
    add_received(job, &edit);
    fix_max_forwards(m, &edit);
    tnd_edit_end(&edit);
    out->edit = edit;
    return !edit.overflow && edit.out_len <= TND_SIP_MAX;
}

// Not inlined: it would have the registers that write_common needs.
__attribute__((noinline)) static bool write_any(const struct tnd_engine *e,
                                                const struct tnd_job *job,
                                                const struct tnd_trunk *t, struct tnd_out *out)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_edit *edit = &out->edit;
    struct route_plan plan;

    plan_routes(job, &plan);
    tnd_edit_begin(edit, &out->store, m->data, m->len);
    write_start_line(job, t, &plan, edit);
    put_own_headers(e, job, edit);
    if (m->max_forwards == TND_SIP_MF_ABSENT)
        tnd_edit_ref(edit, TND_STR("Max-Forwards: 70\r\n"));
    fix_headers(job, &plan, edit);
    tnd_edit_end(edit);
    return !edit->overflow && edit->out_len <= TND_SIP_MAX;
}

bool tnd__write_request(struct tnd_engine *e, struct tnd_job *job, struct tnd_out *out)
{
    const struct tnd_trunk *t = new_uri_trunk(e, job);

    if (!job->sign)
        tnd_stage_sign(e, &job, 1);
    return is_common(job, t) ? write_common(e, job, t, out) : write_any(e, job, t, out);
}
