// What a message must look like on the other side: RFC 3261 16.6, 16.7, 18.2; RFC 3581.
#include "sim/model.h"

bool model_is_ours(struct slice uri)
{
    struct slice host = text_host(uri);
    struct sim_addr a;

    return slice_is(host, "edge.example") || (addr_read(host.p, host.n, &a) && node_is_named(&a));
}

// RFC 3581 4, RFC 3261 18.2.2: the source, but sent-by's port where rport was not asked for.
struct sim_addr model_way_back(const struct call *c, const struct text *request,
                               const struct sim_addr *src)
{
    struct slice via = text_header(request, "Via", 0), by = text_sent_by(via);
    struct sim_addr a = *src, said;

    (void)c;
    if (text_has_param(via, "rport"))
        return a;
    a.port = addr_read(by.p, by.n, &said) && said.port ? said.port : 5060;
    return a;
}

// The topmost Via as the next one must see it: received and rport filled in, all else as it was.
static bool is_filled_via(struct slice was, struct slice is, const struct sim_addr *src)
{
    struct slice by = text_sent_by(was), received = text_param(is, "received");
    struct sim_addr said, got;
    bool rport = text_has_param(was, "rport");
    bool differs = !addr_read(by.p, by.n, &said) || !same_ip(&said, src);
    char port[8];

    if (!slice_same(text_sent_by(is), by) ||
        !slice_same(text_param(is, "branch"), text_param(was, "branch")))
        return false;
    snprintf(port, sizeof port, "%u", src->port);
    if (rport != text_has_param(is, "rport") || (rport && !slice_is(text_param(is, "rport"), port)))
        return false;
    if ((received.p != NULL) != (rport || differs))
        return false;
    return !received.p || (addr_read(received.p, received.n, &got) && same_ip(&got, src));
}

static const char *check_vias(const struct step *step, const struct text *in,
                              const struct text *out)
{
    struct slice was[16], is[16], branch;
    unsigned n = text_items(in, "Via", was, 16), m = text_items(out, "Via", is, 16);
    struct sim_addr by;

    if (m != n + 1)
        return "one Via more is due";
    if (!addr_read(text_sent_by(is[0]).p, text_sent_by(is[0]).n, &by) ||
        !same_addr(&by, &step->out[0].src))
        return "the topmost Via does not name the address it was sent from";
    branch = text_param(is[0], "branch");
    if (branch.n < 8 || memcmp(branch.p, "z9hG4bK", 7) != 0)
        return "the branch has no magic cookie";
    if (!is_filled_via(was[0], is[1], &step->src))
        return "received or rport of the second Via are wrong";
    for (unsigned i = 1; i < n; i++)
        if (!slice_same(was[i], is[i + 1]))
            return "a lower Via was changed";
    return NULL;
}

static const char *check_routes(const struct text *in, const struct text *out)
{
    struct slice was[16], is[16];
    unsigned n = text_items(in, "Route", was, 16), m = text_items(out, "Route", is, 16), first = 0;

    while (first < n && model_is_ours(text_uri(was[first])))
        first++;
    if (m != n - first)
        return "our Routes, and only ours, are to be taken off";
    for (unsigned i = 0; i < m; i++)
        if (!slice_same(was[first + i], is[i]))
            return "a Route was changed";
    return NULL;
}

static const char *check_record_routes(const struct step *step, const struct text *in,
                                       const struct text *out)
{
    struct slice was[16], is[16];
    unsigned n = text_items(in, "Record-Route", was, 16);
    unsigned m = text_items(out, "Record-Route", is, 16);
    static const char *const recorded[] = {"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"};
    bool records = false;
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
        records |= slice_is(in->method, recorded[i]);
    unsigned due = !records ? 0 : same_addr(&step->out[0].src, &step->dst) ? 1 : 2;
    struct sim_addr a;

    if (m != n + due)
        return "the number of Record-Routes";
    for (unsigned i = 0; i < due; i++) {
        struct slice host = text_host(text_uri(is[i]));
        if (!addr_read(host.p, host.n, &a) ||
            !same_addr(&a, i == 0 ? &step->out[0].src : &step->dst) ||
            !text_has_param(text_uri(is[i]), "lr") || !text_user(text_uri(is[i])).p)
            return "our Record-Route is wrong";
    }
    for (unsigned i = 0; i < n; i++)
        if (!slice_same(was[i], is[i + due]))
            return "a Record-Route was changed";
    return NULL;
}

static const char *check_forwards(const struct text *in, const struct text *out)
{
    struct slice was = text_header(in, "Max-Forwards", 0), is = text_header(out, "Max-Forwards", 0);

    if (!is.p || text_header(out, "Max-Forwards", 1).p)
        return "one Max-Forwards is due";
    return atoi(is.p) == (was.p ? atoi(was.p) - 1 : 70) ? NULL : "Max-Forwards";
}

// Rule 4: a Request-URI that is ours becomes the trunk's, the user kept; any other stays.
static const char *check_uri(const struct text *in, const struct text *out, const char *trunk)
{
    if (!model_is_ours(in->uri))
        return slice_same(in->uri, out->uri) ? NULL : "the Request-URI was changed";
    struct slice user = text_user(in->uri), now = text_user(out->uri);
    if (user.n != now.n || (user.n && memcmp(user.p, now.p, (size_t)user.n) != 0))
        return "the user of the Request-URI was changed";
    return slice_is(text_host(out->uri), trunk) ? NULL : "the Request-URI is not the trunk's";
}

static bool is_edited(struct slice name)
{
    return text_is_named(name, "Via") || text_is_named(name, "Route") ||
           text_is_named(name, "Record-Route") || text_is_named(name, "Max-Forwards");
}

// All other header lines, octet by octet and in their order.
static bool is_rest_same(const struct text *in, const struct text *out)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < in->n; i++) {
        if (is_edited(in->header[i].name))
            continue;
        while (k < out->n && is_edited(out->header[k].name))
            k++;
        if (k == out->n || !slice_same(in->header[i].line, out->header[k++].line))
            return false;
    }
    while (k < out->n && is_edited(out->header[k].name))
        k++;
    return k == out->n;
}

const char *model_request_text(const struct step *step, const struct text *in,
                               const struct text *out, const char *trunk)
{
    const char *wrong;

    if (!slice_same(in->method, out->method))
        return "another method";
    if (!slice_same(in->body, out->body))
        return "the body was changed";
    if ((wrong = check_vias(step, in, out)) || (wrong = check_routes(in, out)) ||
        (wrong = check_record_routes(step, in, out)) || (wrong = check_forwards(in, out)) ||
        (wrong = check_uri(in, out, trunk)))
        return wrong;
    return is_rest_same(in, out) ? NULL : "a header was changed";
}

// The same octets but for our own Via; rule 11: one target's 503 becomes what the trunk is told.
const char *model_response_text(const struct call *c, const struct step *step,
                                const struct text *in)
{
    static char expected[PACKET_MAX];
    bool hidden = in->status == 503 && c->side != SIDE_SIX;
    int at = snprintf(expected, sizeof expected, "%.*s\r\n", in->start.n, in->start.p);
    bool via = false;

    if (hidden)
        at = snprintf(expected, sizeof expected, "SIP/2.0 500 Server Internal Error\r\n");
    for (uint32_t i = 0; i < in->n; i++) {
        bool first = !via && text_is_named(in->header[i].name, "Via");
        via |= first;
        if (first || (in->status == 503 && text_is_named(in->header[i].name, "Retry-After")))
            continue;
        at += snprintf(expected + at, sizeof expected - (size_t)at, "%.*s\r\n",
                       in->header[i].line.n, in->header[i].line.p);
    }
    at += snprintf(expected + at, sizeof expected - (size_t)at, "\r\n%.*s", in->body.n, in->body.p);
    if ((uint32_t)at != step->out[0].len || memcmp(expected, step->out[0].text, (size_t)at) != 0)
        return "the response is not the same without our Via";
    return NULL;
}

const char *model_answer_text(const struct step *step, const struct text *in,
                              const struct text *out)
{
    static const char *const same[] = {"From", "Call-ID", "CSeq"};
    struct slice was[16], is[16];
    unsigned n = text_items(in, "Via", was, 16), m = text_items(out, "Via", is, 16);
    struct slice to = text_header(in, "To", 0), now = text_header(out, "To", 0);

    if (n != m || !is_filled_via(was[0], is[0], &step->src))
        return "the Vias of the answer";
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (!slice_same(text_header(in, same[i], 0), text_header(out, same[i], 0)))
            return same[i];
    if (now.n < to.n || memcmp(now.p, to.p, (size_t)to.n) != 0 || !text_has_param(now, "tag"))
        return "the To of the answer";
    return NULL;
}
