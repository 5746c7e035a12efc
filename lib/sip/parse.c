// A message: start line, header lines, body (RFC 3261 s7, s20; RFC 4475 for what is refused).
//
// The kernel lists the lines; one pass over the list names each header and parses those the
// engine reads. Each fault is noted, the first one kept, and the pass goes on: an answer
// needs Via, From, To, Call-ID and CSeq of a message that is refused.
#include "sip/lex.h"
#include "sip/parse.h"

struct reader {
    struct tnd_sip_msg *m;
    struct tnd__text t; // m->data, and what may be read of it
    unsigned avail;     // octets the datagram had from there on, also those above the limit
    uint32_t content_length;
    uint8_t last[TND_HDR_COUNT]; // last header of each id
    struct tnd_scan scan;
};

static void fault(struct tnd_sip_msg *m, enum tnd_sip_error e, unsigned at)
{
    if (m->error != TND_SIP_ERR_NONE)
        return;
    m->error = (uint8_t)e;
    m->error_at = (uint16_t)at;
}

// ---- start line -------------------------------------------------------------------------

// "SIP/2.0" and VERSION apart: another number is a version, anything else is no start line.
static enum tnd_sip_error version(const char *p, unsigned len)
{
    unsigned digits = 0, dots = 0;

    if (len == 7 && (memcmp(p, "SIP/2.0", 7) == 0 || tnd__is(p, 7, "sip/2.0", 7)))
        return TND_SIP_ERR_NONE;
    if (len < 7 || !tnd__is(p, 4, "sip/", 4))
        return TND_SIP_ERR_START_LINE;
    for (unsigned i = 4; i < len; i++) {
        if (tnd_char_is(p[i], TND_C_DIGIT))
            digits++;
        else if (p[i] == '.' && digits && i + 1 < len)
            dots++;
        else
            return TND_SIP_ERR_START_LINE;
    }
    return dots == 1 ? TND_SIP_ERR_VERSION : TND_SIP_ERR_START_LINE;
}

static void status_line(struct tnd_sip_msg *m, const char *d, unsigned end)
{
    const char *space = memchr(d, ' ', end);
    unsigned at = space ? (unsigned)(space - d) : end, p;
    enum tnd_sip_error e = version(d, at);
    uint32_t status = 0;

    if (e != TND_SIP_ERR_NONE)
        fault(m, e, 0);
    if (!space) {
        fault(m, TND_SIP_ERR_START_LINE, at);
        return;
    }
    at++;
    p = tnd__skip_digits(d, at, end);
    if (p == at || (p < end && d[p] != ' '))
        fault(m, TND_SIP_ERR_START_LINE, at);
    else if (!tnd__number(d, tnd__span(at, p), 699, &status) || status < 100 || p - at != 3)
        fault(m, TND_SIP_ERR_STATUS, at);
    else
        m->status = (uint16_t)status;
    // Some senders leave out the blank before an empty reason: the same to everybody.
    m->reason = tnd__span(p < end ? p + 1 : end, end);
}

static void request_uri(struct tnd_sip_msg *m, const struct tnd__text *t)
{
    if (!tnd__uri(t, m->ruri_text, &m->ruri))
        fault(m, TND_SIP_ERR_RURI, m->ruri_text.off);
    else if (m->ruri.scheme == TND_SCHEME_OTHER)
        fault(m, TND_SIP_ERR_SCHEME, m->ruri_text.off);
    else if (m->ruri.headers.off)
        fault(m, TND_SIP_ERR_RURI, m->ruri.headers.off); // s19.1.1: no headers there
}

static void request_line(struct tnd_sip_msg *m, const struct tnd__text *t, unsigned end)
{
    unsigned method = tnd__skip(t, TND_RUN_TOKEN, 0, end), last = end;
    const char *d = t->d;
    enum tnd_sip_error e;

    m->is_request = true;
    m->method_text = tnd__span(0, method);
    m->method = (uint8_t)tnd__method_lookup(d, method);
    if (end > method + 8 && memcmp(d + end - 8, " SIP/2.0", 8) == 0)
        last -= 7;
    while (last > method && d[last - 1] != ' ')
        last--;
    if (method == 0 || method == end || d[method] != ' ' || last <= method + 1) {
        fault(m, TND_SIP_ERR_START_LINE, method);
        return;
    }
    m->ruri_text = tnd__span(method + 1, last - 1);
    e = version(d + last, end - last);
    if (e != TND_SIP_ERR_NONE)
        fault(m, e, last);
    request_uri(m, t);
}

static bool is_sip_slash(const char *p)
{
    uint32_t want;

    memcpy(&want, "sip/", sizeof want);
    return (tnd__load4(p) | 0x00202020) == want;
}

static void start_line(struct reader *r)
{
    struct tnd_sip_msg *m = r->m;
    unsigned lf = r->scan.lf[0], end = lf;

    if (end > 0 && lf < r->t.len && r->t.d[end - 1] == '\r')
        end--;
    m->start_line_end = (uint16_t)(lf < r->t.len ? lf + 1 : r->t.len);
    if (end >= 4 && is_sip_slash(r->t.d))
        status_line(m, r->t.d, end);
    else
        request_line(m, &r->t, end);
}

// ---- header values ----------------------------------------------------------------------

static bool is_tag(const struct tnd__text *t, const struct tnd__param *p)
{
    return p->name.len == 3 && tnd__is(t->d + p->name.off, 3, "tag", 3);
}

static void from_to(struct reader *r, const struct tnd_sip_hdr *h, enum tnd_sip_error e,
                    struct tnd_span *uri, struct tnd_span *tag)
{
    struct tnd_sip_msg *m = r->m;
    unsigned end = h->value + h->value_len, p;
    struct tnd__param param;
    enum tnd__step step;

    p = tnd__name_addr(&r->t, h->value, end, uri);
    if (p == 0) {
        *uri = (struct tnd_span){0};
        fault(m, e, h->value);
        return;
    }
    while ((step = tnd__param_next(&r->t, &p, end, &param)) == TND__FOUND) {
        if (!is_tag(&r->t, &param))
            continue;
        if (param.value.len == 0 || tag->off) {
            fault(m, e, param.name.off);
            return;
        }
        *tag = param.value;
    }
    if (step == TND__MALFORMED || p != end)
        fault(m, e, p);
}

// Whether all octets are visible ASCII, 0x21 to 0x7e.
static bool visible(const char *p, unsigned len)
{
    const uint64_t each = 0x0101010101010101ULL;
    unsigned i = 0;

    for (; i + 8 <= len; i += 8) {
        uint64_t w;

        memcpy(&w, p + i, sizeof w);
        if ((w | (w - each * 0x21) | (w + each)) & (each * 0x80))
            return false;
    }
    for (; i < len; i++)
        if ((uint8_t)(p[i] - 0x21) >= 0x5e)
            return false;
    return true;
}

static void call_id(struct tnd_sip_msg *m, const struct tnd_sip_hdr *h)
{
    // Wider than word [ "@" word ]: a Call-ID is compared, never taken apart.
    if (h->value_len > 0 && visible(m->data + h->value, h->value_len))
        m->call_id = tnd__span(h->value, h->value + h->value_len);
    else
        fault(m, TND_SIP_ERR_CALL_ID, h->value);
}

static void cseq(struct reader *r, const struct tnd_sip_hdr *h)
{
    struct tnd_sip_msg *m = r->m;
    unsigned end = h->value + h->value_len, digits, at;
    uint64_t number;

    digits = tnd__digits(m->data, h->value, end, &number);
    at = tnd__skip_lws(m->data, digits, end);
    if (at == digits || at == end || tnd__skip(&r->t, TND_RUN_TOKEN, at, end) != end) {
        fault(m, TND_SIP_ERR_CSEQ, h->value);
        return;
    }
    m->cseq_method = tnd__span(at, end);
    if (digits > h->value && number <= INT32_MAX) // s8.1.1.5: less than 2^31
        m->cseq = (uint32_t)number;
    else
        fault(m, TND_SIP_ERR_CSEQ, h->value);
}

// s20.22: 0 to 255. A larger number reads as 70, what a proxy gives where there is none
// (RFC 4475 3.1.2.4 lets it be as good as absent).
static void max_forwards(struct tnd_sip_msg *m, const struct tnd_sip_hdr *h)
{
    unsigned end = h->value + h->value_len;
    uint64_t v;

    if (h->value_len == 0 || tnd__digits(m->data, h->value, end, &v) != end)
        fault(m, TND_SIP_ERR_MAX_FORWARDS, h->value);
    else
        m->max_forwards = v <= 255 ? (uint16_t)v : 70;
}

static void content_length(struct reader *r, const struct tnd_sip_hdr *h)
{
    unsigned end = h->value + h->value_len;
    uint64_t v;

    if (h->value_len > 0 && tnd__digits(r->t.d, h->value, end, &v) == end && v <= INT32_MAX) {
        r->content_length = (uint32_t)v;
        r->m->has_content_length = true;
    } else {
        fault(r->m, TND_SIP_ERR_CONTENT_LENGTH, h->value);
    }
}

// Walk a list of name-addrs to its end. `uri` keeps the first one found.
static void name_addrs(struct reader *r, const struct tnd_sip_hdr *h, enum tnd_sip_error e,
                       struct tnd_span *first)
{
    struct tnd_sip_msg *m = r->m;
    uint16_t at = h->value, end = (uint16_t)(h->value + h->value_len);
    struct tnd_span item, uri;

    while (tnd__name_addr_next(&r->t, &at, end, &item, &uri))
        if (first && first->off == 0)
            *first = uri;
    // A response goes its way even so: its Contact and routes are read by others only.
    if (m->is_request && (at != end || h->value_len == 0))
        fault(m, e, at);
}

static void contact(struct reader *r, const struct tnd_sip_hdr *h, bool first)
{
    struct tnd_sip_msg *m = r->m;

    if (h->value_len == 1 && m->data[h->value] == '*')
        return;
    name_addrs(r, h, TND_SIP_ERR_CONTACT, first ? &m->contact_uri : NULL);
}

static void vias(struct reader *r, const struct tnd_sip_hdr *h, bool first)
{
    struct tnd_sip_msg *m = r->m;
    unsigned end = h->value + h->value_len, next = 0;

    if (first) {
        next = tnd__via(&r->t, h->value, end, &m->via);
        if (next == 0) {
            fault(m, TND_SIP_ERR_VIA, h->value);
            return;
        }
        if (next == end)
            return;
        next++;
    } else {
        next = h->value;
    }
    // A request's other Vias are the business of those who wrote them.
    if (m->is_request || m->via2.whole.off)
        return;
    memset(&m->via2, 0, sizeof m->via2); // of one that was malformed
    if (tnd__via(&r->t, next, end, &m->via2) == 0)
        fault(m, TND_SIP_ERR_VIA, next);
}

// ---- header lines -----------------------------------------------------------------------

// s7.3.1: these have one value; the first one counts for the answer.
static const uint8_t repeated_error[TND_HDR_COUNT] = {
    [TND_HDR_FROM] = TND_SIP_ERR_FROM,
    [TND_HDR_TO] = TND_SIP_ERR_TO,
    [TND_HDR_CALL_ID] = TND_SIP_ERR_CALL_ID,
    [TND_HDR_CSEQ] = TND_SIP_ERR_CSEQ,
    [TND_HDR_MAX_FORWARDS] = TND_SIP_ERR_MAX_FORWARDS,
    [TND_HDR_CONTENT_LENGTH] = TND_SIP_ERR_CONTENT_LENGTH,
};

static void value(struct reader *r, const struct tnd_sip_hdr *h, enum tnd_hdr id, bool first)
{
    struct tnd_sip_msg *m = r->m;

    if (!first && repeated_error[id]) {
        fault(m, repeated_error[id], h->line);
        return;
    }
    switch (id) {
    case TND_HDR_VIA:
        vias(r, h, first);
        break;
    case TND_HDR_FROM:
        from_to(r, h, TND_SIP_ERR_FROM, &m->from_uri, &m->from_tag);
        break;
    case TND_HDR_TO:
        from_to(r, h, TND_SIP_ERR_TO, &m->to_uri, &m->to_tag);
        break;
    case TND_HDR_CALL_ID:
        call_id(m, h);
        break;
    case TND_HDR_CSEQ:
        cseq(r, h);
        break;
    case TND_HDR_MAX_FORWARDS:
        max_forwards(m, h);
        break;
    case TND_HDR_ROUTE:
    case TND_HDR_RECORD_ROUTE:
        name_addrs(r, h, TND_SIP_ERR_ROUTE, NULL);
        break;
    case TND_HDR_CONTACT:
        contact(r, h, first);
        break;
    case TND_HDR_CONTENT_LENGTH:
        content_length(r, h);
        break;
    default:
        break;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Find the name of the header whose first line is [line, lf), and its colon, blanks before it
// allowed (s25.1 HCOLON). Returns: its length, or 0 when it is not a token before a colon.
static inline unsigned name_length(const struct tnd__text *t, unsigned line, unsigned lf,
                                   unsigned *colon)
{
    unsigned end = tnd_scan_find(t->maps, TND_RUN_TOKEN, line), p = end; // at the LF if not before

    if (__builtin_expect(p < lf && t->d[p] != ':', 0))
        while (p < lf && is_blank(t->d[p]))
            p++;
    *colon = p;
    return p < lf && t->d[p] == ':' ? end - line : 0;
}

// Find the value behind the colon of a header that ends with the LF at `lf`, without the white
// space around it. Mostly that is one blank before it and CRLF behind it.
static inline struct tnd_span trimmed(const struct tnd__text *t, unsigned colon, unsigned lf)
{
    const char *d = t->d;
    unsigned at = colon + 1;

    if (at < lf && d[at] == ' ')
        at++;
    if (__builtin_expect(lf >= at + 2 && d[lf - 1] == '\r' && (uint8_t)d[at] > ' ' &&
                             (uint8_t)d[lf - 2] > ' ',
                         1))
        return tnd__span(at, lf - 1);
    at = tnd__skip_lws(d, at, lf);
    return tnd__span(at, tnd__trim_lws(d, at, lf));
}

// Enter header `index` into the list of its kind. Returns: whether it is the first there.
static inline bool chain(struct reader *r, struct tnd_sip_msg *m, unsigned index, enum tnd_hdr id)
{
    unsigned first = m->first[id], last = r->last[id];

    r->last[id] = (uint8_t)index;
    if (first == TND_SIP_NO_HDR)
        m->first[id] = (uint8_t)index;
    else
        m->hdr[last].next = (uint8_t)index;
    return first == TND_SIP_NO_HDR;
}

// One header field: a first line from `line` to the LF at `first`, its folds up to that at `lf`.
static inline void header(struct reader *r, unsigned line, unsigned first, unsigned lf)
{
    const struct tnd__text t = r->t;
    struct tnd_sip_msg *m = r->m;
    unsigned colon, len = name_length(&t, line, first, &colon), n = m->n_hdrs;
    struct tnd_sip_hdr *h = &m->hdr[n];
    struct tnd_span text;
    enum tnd_hdr id;

    if (__builtin_expect(len == 0, 0)) {
        fault(m, TND_SIP_ERR_HEADER, line);
        return;
    }
    if (__builtin_expect(n == TND_SIP_HDRS_MAX, 0)) {
        fault(m, TND_SIP_ERR_TOO_MANY_HEADERS, line);
        return;
    }
    text = trimmed(&t, colon, lf);
    id = tnd__hdr_lookup(&t, line, len);
    *h = (struct tnd_sip_hdr){.line = (uint16_t)line,
                              .value = text.off,
                              .value_len = text.len,
                              .end = (uint16_t)(lf + (lf < t.len)),
                              .id = (uint8_t)id,
                              .next = TND_SIP_NO_HDR};
    m->n_hdrs = (uint8_t)(n + 1);
    value(r, h, id, chain(r, m, n, id));
}

static void headers(struct reader *r)
{
    const struct tnd_scan *s = &r->scan;
    unsigned n = s->ended ? s->n - 1u : s->n, i = 1, line;
    const char *d = r->t.d;

    if (i < n && is_blank(d[s->lf[0] + 1])) {
        fault(r->m, TND_SIP_ERR_HEADER, s->lf[0] + 1u); // a fold of the start line
        i++;
    }
    line = s->lf[i - 1] + 1u;
    for (; i < n; i++) {
        unsigned first = s->lf[i], lf = first;

        while (i + 1 < n && (uint8_t)d[lf + 1] <= ' ' && is_blank(d[lf + 1]))
            lf = s->lf[++i]; // s7.3.1: a line that begins with a blank goes on with the one before
        header(r, line, first, lf);
        line = lf + 1;
    }
}

// ---- the whole --------------------------------------------------------------------------

// Set where headers and body lie, and check the one against the other (s18.3).
static void extent(struct reader *r)
{
    struct tnd_sip_msg *m = r->m;
    const struct tnd_scan *s = &r->scan;
    unsigned lf = s->lf[s->n - 1], rest;

    if (s->bare_cr < r->t.len)
        fault(m, TND_SIP_ERR_HEADER, s->bare_cr);
    if (!s->ended || s->n < 2) {
        fault(m, s->n == TND_SCAN_LINES_MAX ? TND_SIP_ERR_TOO_MANY_HEADERS : TND_SIP_ERR_NO_END,
              r->t.len);
        m->headers_end = (uint16_t)(lf < r->t.len ? lf + 1 : r->t.len);
        m->body = m->len = (uint16_t)r->t.len;
        return;
    }
    m->headers_end = (uint16_t)(s->lf[s->n - 2] + 1);
    m->body = (uint16_t)(lf + 1);
    rest = r->avail - m->body;
    if (m->has_content_length && r->content_length > rest)
        fault(m, TND_SIP_ERR_CONTENT_LENGTH, m->hdr[m->first[TND_HDR_CONTENT_LENGTH]].value);
    else if (m->has_content_length)
        rest = r->content_length;
    if (rest > r->t.len - m->body)
        rest = r->t.len - m->body;
    m->body_len = (uint16_t)rest;
    m->len = (uint16_t)(m->body + rest);
}

static void mandatory(struct tnd_sip_msg *m)
{
    static const struct {
        uint8_t id, error;
    } needed[] = {
        {TND_HDR_VIA, TND_SIP_ERR_VIA},   {TND_HDR_FROM, TND_SIP_ERR_FROM},
        {TND_HDR_TO, TND_SIP_ERR_TO},     {TND_HDR_CALL_ID, TND_SIP_ERR_CALL_ID},
        {TND_HDR_CSEQ, TND_SIP_ERR_CSEQ},
    };

    // Indices are below 128: one with that bit is TND_SIP_NO_HDR.
    if (((m->first[TND_HDR_VIA] | m->first[TND_HDR_FROM] | m->first[TND_HDR_TO] |
          m->first[TND_HDR_CALL_ID] | m->first[TND_HDR_CSEQ]) &
         128) == 0)
        return;
    for (unsigned i = 0; i < sizeof needed / sizeof *needed; i++)
        if (m->first[needed[i].id] == TND_SIP_NO_HDR)
            fault(m, (enum tnd_sip_error)needed[i].error, m->headers_end);
}

static void agree(struct tnd_sip_msg *m)
{
    struct tnd_str branch = tnd_text(m, m->via.branch);

    if (!m->is_request) {
        m->method = (uint8_t)tnd__method_lookup(m->data + m->cseq_method.off, m->cseq_method.len);
        return;
    }
    if (m->cseq_method.len &&
        (m->cseq_method.len != m->method_text.len ||
         !tnd__same(m->data + m->cseq_method.off, m->data, m->cseq_method.len)))
        fault(m, TND_SIP_ERR_CSEQ_METHOD, m->cseq_method.off);
    // s8.1.1.7: the cookie promises a unique branch; alone it would make all requests one.
    if (tnd_str_eq(branch, TND_STR("z9hG4bK")))
        fault(m, TND_SIP_ERR_VIA, m->via.branch.off);
}

static void clear(struct tnd_sip_msg *m)
{
    char *p = (char *)m;
    size_t i = 0;

    // By 64: known so small, it becomes stores and not a string instruction that starts slowly.
    for (; i + 64 <= offsetof(struct tnd_sip_msg, hdr); i += 64)
        memset(p + i, 0, 64);
    memset(p + i, 0, offsetof(struct tnd_sip_msg, hdr) % 64);
    memset(m->first, TND_SIP_NO_HDR, sizeof m->first);
    m->max_forwards = TND_SIP_MF_ABSENT;
}

enum tnd_sip_error tnd_sip_parse_with(const struct tnd_scan_kernel *kernel, const char *data,
                                      size_t len, struct tnd_sip_msg *out)
{
    struct reader r;

    clear(out);
    while (len > 0 && (*data == '\r' || *data == '\n')) {
        data++; // s7.5: before a start line they are ignored
        len--;
    }
    out->data = data;
    if (len == 0) {
        fault(out, TND_SIP_ERR_EMPTY, 0);
        return TND_SIP_ERR_EMPTY;
    }
    if (len > TND_SIP_MAX)
        fault(out, TND_SIP_ERR_TOO_LARGE, TND_SIP_MAX);
    r.m = out;
    r.t.d = data;
    r.t.len = len > TND_SIP_MAX ? TND_SIP_MAX : (unsigned)len;
    r.t.maps = &r.scan.maps;
    r.avail = (unsigned)len;
    r.content_length = 0;
    kernel->lines(data, r.t.len, &r.scan);
    start_line(&r);
    headers(&r);
    extent(&r);
    mandatory(out);
    agree(out);
    return (enum tnd_sip_error)out->error;
}

enum tnd_sip_error tnd_sip_parse(const char *data, size_t len, struct tnd_sip_msg *out)
{
    return tnd_sip_parse_with(tnd_scan_active, data, len, out);
}

const char *tnd_sip_error_text(enum tnd_sip_error e)
{
    static const char *const texts[] = {
#define X(name, text) text,
        TND_SIP_ERRORS(X)
#undef X
    };

    return (unsigned)e < TND_SIP_ERR_COUNT ? texts[e] : "unknown error";
}
