// The values of the header fields that the engine reads (RFC 3261 s20).
//
// Threads: pure. Private to the kernels.
#pragma once

#include "sip/fields.h"
#include "sip/via.h"

TND__INLINE size_t value_end(const struct tnd_sip_hdr *h)
{
    return (size_t)h->value + h->value_len;
}

// The first field of that header, or NULL.
TND__INLINE const struct tnd_sip_hdr *first_of(const struct tnd_sip_msg *m, enum tnd_hdr id)
{
    return m->first[id] == TND_SIP_NO_HDR ? NULL : &m->hdr[m->first[id]];
}

TND__INLINE const struct tnd_sip_hdr *next_of(const struct tnd_sip_msg *m,
                                              const struct tnd_sip_hdr *h)
{
    return h->next == TND_SIP_NO_HDR ? NULL : &m->hdr[h->next];
}

// The field of a header that has one value (s7.3.1), or NULL. The first one counts for an answer.
TND__INLINE const struct tnd_sip_hdr *only_of(struct tnd_sip_msg *m, enum tnd_hdr id,
                                              enum tnd_sip_error repeated)
{
    const struct tnd_sip_hdr *h = first_of(m, id);

    if (h && tnd__unlikely(h->next != TND_SIP_NO_HDR))
        field_fault(m, repeated, m->hdr[h->next].line);
    return h;
}

// ---- Via --------------------------------------------------------------------------------

// Read on from where tnd__plain_via ended. As tnd_via_parse.
static __attribute__((noinline)) size_t rest_of_via(struct reader *r, size_t at, size_t p,
                                                    size_t end, struct tnd_via *via)
{
    if (p == 0)
        return tnd__via_any(r->t, at, end, via);
    tnd__plain_via_params(r->t, &p, end, via);
    return tnd__via_params(r->t, at, p, end, via);
}

// The second via-parm: at `at` in the field `h`, or in a field behind when that is 0.
static __attribute__((noinline)) void second_via(struct reader *r, const struct tnd_sip_hdr *h,
                                                 size_t at)
{
    struct tnd_sip_msg *m = r->m;

    for (;; at = h->value) {
        if (at != 0) {
            size_t end = value_end(h), start = tnd__skip_lws(r->t.d, at, end), p;

            memset(&m->via2, 0, sizeof m->via2); // of one that was malformed
            p = tnd__plain_via(r->t, start, end, &m->via2);
            if (p == end || rest_of_via(r, start, p, end, &m->via2) != 0)
                return;
            field_fault(m, TND_SIP_ERR_VIA, at);
        }
        h = next_of(m, h);
        if (!h)
            return;
    }
}

TND__INLINE void vias(struct reader *r, struct tnd_sip_msg *m, struct tnd__text t)
{
    const struct tnd_sip_hdr *h = first_of(m, TND_HDR_VIA);
    size_t end, p;

    if (!h)
        return;
    end = value_end(h);
    p = tnd__plain_via(t, h->value, end, &m->via);
    if (tnd__unlikely(p != end)) {
        p = rest_of_via(r, h->value, p, end, &m->via);
        if (p == 0)
            field_fault(m, TND_SIP_ERR_VIA, h->value);
    }
    // A request's other Vias are the business of those who wrote them.
    if (!m->is_request)
        second_via(r, h, p == 0 || p == end ? 0 : p + 1);
}

// ---- From and To ------------------------------------------------------------------------

// Look for the tag among parameters from `p` on.
static __attribute__((noinline)) void any_tag(struct reader *r, size_t p, size_t end,
                                              enum tnd_sip_error e, struct tnd_span *tag)
{
    struct tnd__param param;
    enum tnd__step step;

    while ((step = tnd__param_next(r->t, &p, end, &param)) == TND__FOUND) {
        if (!TND__SPAN_IS(r->t.d, param.name, "tag"))
            continue;
        if (param.value.len == 0 || tag->off) {
            field_fault(r->m, e, param.name.off);
            return;
        }
        *tag = param.value;
    }
    if (step == TND__MALFORMED || p != end)
        field_fault(r->m, e, p);
}

// Whether all that is in [p, end), in a value that has room, is one tag.
TND__INLINE bool lone_tag(struct tnd__text t, size_t p, size_t end, struct tnd_span *tag)
{
    size_t q;

    if (tnd__unlikely((tnd__load4(t.d + p) | 0x20202000) != tnd__load4(";tag") || // three letters
                      t.d[p + 4] != '='))
        return false;
    q = tnd__run_end(t, TND_RUN_VALUE, p + 5);
    if (tnd__unlikely(q != end || q == p + 5))
        return false;
    *tag = tnd__span(p + 5, q);
    return true;
}

// p: behind the name-addr; 0 when it is not of a common form.
static __attribute__((noinline)) void any_from_to(struct reader *r, const struct tnd_sip_hdr *h,
                                                  size_t p, enum tnd_sip_error e,
                                                  struct tnd_span *uri, struct tnd_span *tag)
{
    size_t end = value_end(h);

    if (p == 0 || !tnd__ends_param(r->t.d, p, end))
        p = tnd__name_addr_any(r->t, h->value, end, uri);
    if (p == 0) {
        *uri = (struct tnd_span){0};
        field_fault(r->m, e, h->value);
    } else if (p != end) {
        any_tag(r, p, end, e, tag);
    }
}

TND__INLINE void from_to(struct reader *r, struct tnd__text t, const struct tnd_sip_hdr *h,
                         enum tnd_sip_error e, struct tnd_span *uri, struct tnd_span *tag)
{
    size_t end, p;

    if (!h)
        return;
    end = value_end(h);
    if (tnd__unlikely(!tnd__plain_name_addr(t, h->value, end, uri, &p)))
        any_from_to(r, h, 0, e, uri, tag);
    else if (p != end && tnd__unlikely(!lone_tag(t, p, end, tag)))
        any_from_to(r, h, p, e, uri, tag);
}

// ---- Call-ID, CSeq and numbers ----------------------------------------------------------

// Whether all octets are visible ASCII, 0x21 to 0x7e.
static bool visible(const char *p, size_t len)
{
    const uint64_t each = 0x0101010101010101ULL;
    size_t i = 0;

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

// Whether [at, end) is a token, or two with a '@' between. Returns: false also when it is long.
TND__INLINE bool plain_call_id(struct tnd__text t, size_t at, size_t end)
{
    uint64_t stops = tnd__stops(t, TND_RUN_TOKEN, at);

    if (stops && at + tnd__first(stops) < end && t.d[at + tnd__first(stops)] == '@')
        stops = tnd__but_first(stops);
    return stops && at + tnd__first(stops) == end;
}

TND__INLINE void call_id(struct tnd_sip_msg *m, struct tnd__text t)
{
    const struct tnd_sip_hdr *h = only_of(m, TND_HDR_CALL_ID, TND_SIP_ERR_CALL_ID);

    if (!h)
        return;
    // Wider than word [ "@" word ]: a Call-ID is compared, never taken apart.
    if (h->value_len > 0 &&
        (plain_call_id(t, h->value, value_end(h)) || visible(t.d + h->value, h->value_len)))
        m->call_id = tnd__span(h->value, value_end(h));
    else
        field_fault(m, TND_SIP_ERR_CALL_ID, h->value);
}

// The long way: more than one blank, or a long number.
static __attribute__((noinline)) void any_cseq(struct reader *r, size_t value, size_t end)
{
    struct tnd_sip_msg *m = r->m;
    uint64_t number;
    size_t digits = tnd__digits(m->data, value, end, &number);
    size_t at = tnd__skip_lws(m->data, digits, end);

    if (at == digits || at == end || tnd__skip(r->t, TND_RUN_TOKEN, at, end) != end) {
        field_fault(m, TND_SIP_ERR_CSEQ, value);
        return;
    }
    m->cseq_method = tnd__span(at, end);
    if (digits > value && number <= INT32_MAX) // s8.1.1.5: less than 2^31
        m->cseq = (uint32_t)number;
    else
        field_fault(m, TND_SIP_ERR_CSEQ, value);
}

TND__INLINE void cseq(struct reader *r, struct tnd_sip_msg *m, struct tnd__text t)
{
    const struct tnd_sip_hdr *h = only_of(m, TND_HDR_CSEQ, TND_SIP_ERR_CSEQ);
    size_t end, digits;
    uint64_t stops, behind;

    if (!h)
        return;
    end = value_end(h);
    stops = tnd__stops(t, TND_RUN_TOKEN, h->value);
    behind = tnd__but_first(stops);
    if (tnd__likely(tnd__has_room(t, end) && behind && h->value + tnd__first(behind) == end)) {
        digits = tnd__first(stops);
        if (tnd__likely(t.d[h->value + digits] == ' ' &&
                        tnd__digits4(t.d + h->value, digits, &m->cseq))) {
            m->cseq_method = tnd__span(h->value + digits + 1, end);
            return;
        }
    }
    any_cseq(r, h->value, end);
}

// Read a value that is a number. Returns: false when it is none; `v` is 2^32 or more when it is
// larger than any that counts.
TND__INLINE bool number_value(struct tnd__text t, const struct tnd_sip_hdr *h, uint64_t *v)
{
    size_t at = h->value, len = h->value_len;
    uint32_t small;

    if (tnd__likely(at + 4 <= t.len && tnd__digits4(t.d + at, len, &small))) {
        *v = small;
        return true;
    }
    return len > 0 && tnd__digits(t.d, at, at + len, v) == at + len;
}

// s20.22: 0 to 255. A larger number reads as 70, what a proxy gives where there is none
// (RFC 4475 3.1.2.4 lets it be as good as absent).
TND__INLINE void max_forwards(struct tnd_sip_msg *m, struct tnd__text t)
{
    const struct tnd_sip_hdr *h = only_of(m, TND_HDR_MAX_FORWARDS, TND_SIP_ERR_MAX_FORWARDS);
    uint64_t v;

    if (!h)
        return;
    if (number_value(t, h, &v))
        m->max_forwards = v <= 255 ? (uint16_t)v : 70;
    else
        field_fault(m, TND_SIP_ERR_MAX_FORWARDS, h->value);
}

TND__INLINE void content_length(struct reader *r, struct tnd_sip_msg *m, struct tnd__text t)
{
    const struct tnd_sip_hdr *h = only_of(m, TND_HDR_CONTENT_LENGTH, TND_SIP_ERR_CONTENT_LENGTH);
    uint64_t v;

    if (!h)
        return;
    if (number_value(t, h, &v) && v <= INT32_MAX) {
        r->content_length = (uint32_t)v;
        m->has_content_length = true;
    } else {
        field_fault(m, TND_SIP_ERR_CONTENT_LENGTH, h->value);
    }
}

// ---- Contact and routes -----------------------------------------------------------------

// Whether all behind the first name-addr of a list, which ends at `p`, is of the common forms.
static bool plain_list(struct tnd__text t, size_t p, size_t end)
{
    struct tnd_span uri;

    while ((p = tnd__skip_params(t, p, end)) != end) {
        if (t.d[p] != ',' || p + 1 == end)
            return false;
        p += 1 + (t.d[p + 1] == ' ');
        if (!tnd__plain_name_addr(t, p, end, &uri, &p))
            return false;
    }
    return true;
}

// Walk a list of name-addrs to its end. `first` gets the first one's URI.
// p: behind the first one, which is `first`; 0 when it is not of a common form.
static __attribute__((noinline)) void name_addrs(struct reader *r, const struct tnd_sip_hdr *h,
                                                 size_t p, enum tnd_sip_error e,
                                                 struct tnd_span *first)
{
    uint16_t at = h->value, end = (uint16_t)value_end(h);
    struct tnd_span item, uri;
    bool more;

    if (p != 0 && plain_list(r->t, p, end))
        return;
    more = tnd__name_addr_next(r->t, &at, end, &item, first);
    if (!more)
        *first = (struct tnd_span){0};
    while (more)
        more = tnd__name_addr_next(r->t, &at, end, &item, &uri);
    // A response goes its way even so: its Contact and routes are read by others only.
    if (r->m->is_request && (at != end || h->value_len == 0))
        field_fault(r->m, e, at);
}

// The list of name-addrs that a field has; mostly one without parameters.
TND__INLINE void list_of(struct reader *r, struct tnd__text t, const struct tnd_sip_hdr *h,
                         enum tnd_sip_error e, struct tnd_span *first)
{
    size_t end = value_end(h), p;

    if (tnd__unlikely(!tnd__plain_name_addr(t, h->value, end, first, &p)))
        name_addrs(r, h, 0, e, first);
    else if (p != end)
        name_addrs(r, h, p, e, first);
}

TND__INLINE void contacts(struct reader *r, struct tnd_sip_msg *m, struct tnd__text t)
{
    struct tnd_span *first = &m->contact_uri, others;

    for (const struct tnd_sip_hdr *h = first_of(m, TND_HDR_CONTACT); h; h = next_of(m, h)) {
        if (h->value_len != 1 || t.d[h->value] != '*')
            list_of(r, t, h, TND_SIP_ERR_CONTACT, first);
        first = &others;
    }
}

static __attribute__((noinline)) void routes(struct reader *r, const struct tnd_sip_hdr *h)
{
    struct tnd_span uri;

    for (; h; h = next_of(r->m, h))
        list_of(r, r->t, h, TND_SIP_ERR_ROUTE, &uri);
}

TND__INLINE void read_fields(struct reader *r)
{
    const struct tnd__text t = {.d = r->t.d, .len = r->t.len, .maps = &r->scan.maps};
    struct tnd_sip_msg *m = r->m;

    vias(r, m, t);
    from_to(r, t, only_of(m, TND_HDR_FROM, TND_SIP_ERR_FROM), TND_SIP_ERR_FROM, &m->from_uri,
            &m->from_tag);
    from_to(r, t, only_of(m, TND_HDR_TO, TND_SIP_ERR_TO), TND_SIP_ERR_TO, &m->to_uri, &m->to_tag);
    call_id(m, t);
    cseq(r, m, t);
    max_forwards(m, t);
    content_length(r, m, t);
    contacts(r, m, t);
    if (m->is_request &&
        (m->first[TND_HDR_ROUTE] & m->first[TND_HDR_RECORD_ROUTE]) != TND_SIP_NO_HDR) {
        routes(r, first_of(m, TND_HDR_ROUTE));
        routes(r, first_of(m, TND_HDR_RECORD_ROUTE));
    }
}
