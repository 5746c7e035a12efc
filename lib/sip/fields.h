// The list of header fields: where each begins and ends, which header it is (RFC 3261 s7.3).
//
// Threads: pure. Private to the kernels.
#pragma once

#include "sip/start_line.h"

// Fields are listed first and their values read later, header by header: of two faults the one
// that comes first in the message counts. The start line's come before all, and so does the size.
static inline void field_fault(struct tnd_sip_msg *m, enum tnd_sip_error e, size_t at)
{
    if (m->error != TND_SIP_ERR_NONE && (m->error == TND_SIP_ERR_TOO_LARGE || at >= m->error_at))
        return;
    m->error = (uint8_t)e;
    m->error_at = (uint16_t)at;
}

TND__INLINE bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// By id: where in the message the index of the next field of that header goes. First in first[],
// then in the field before.
struct chains {
    uint16_t next_of[TND_HDR_COUNT];
};

static const struct chains no_chains = {{
#define FIRST(id) (uint16_t)(offsetof(struct tnd_sip_msg, first) + (id))
    FIRST(0),
    FIRST(1),
    FIRST(2),
    FIRST(3),
    FIRST(4),
    FIRST(5),
    FIRST(6),
    FIRST(7),
    FIRST(8),
    FIRST(9),
    FIRST(10),
    FIRST(11),
    FIRST(12),
    FIRST(13),
#undef FIRST
}};
_Static_assert(TND_HDR_COUNT == 14, "no_chains names each header");

// Enter the n-th field: from `line` to before `end`, its value in [at, stop).
TND__INLINE void enter(struct tnd_sip_msg *m, struct chains *c, size_t n, size_t line, size_t at,
                       size_t stop, size_t end, enum tnd_hdr id)
{
    struct tnd_sip_hdr *h = &m->hdr[n];
    h->line = (uint16_t)line;
    h->value = (uint16_t)at;
    h->value_len = (uint16_t)(stop - at);
    h->end = (uint16_t)end;
    h->id = (uint8_t)id;
    h->next = TND_SIP_NO_HDR;
    ((uint8_t *)m)[c->next_of[id]] = (uint8_t)n;
    c->next_of[id] = (uint16_t)((uint8_t *)&h->next - (uint8_t *)m);
}

// Find the header called by the token at `line`, where the message may end soon.
static enum tnd_hdr lookup_near_end(struct tnd__text t, size_t line, size_t len)
{
    char copy[24] = {0}; // as much as the lookup would read of a longer name

    if (line + 8 <= t.len)
        return tnd__hdr_lookup(t.d + line, len);
    return tnd__hdr_lookup(memcpy(copy, t.d + line, len & 7), len);
}

// s7.3.1: a line that begins with a blank goes on with the one before, if that was listed.
static void fold(struct tnd__text t, struct tnd_sip_hdr *before, size_t line, size_t lf)
{
    size_t at;

    if (before->end != line)
        return;
    at = tnd__skip_lws(t.d, before->value, lf);
    before->value = (uint16_t)at;
    before->value_len = (uint16_t)(tnd__trim_lws(t.d, at, lf) - at);
    before->end = (uint16_t)(lf + (lf < t.len));
}

// Read the line from `line` to the LF at `lf`, in any form: a fold, a field whose value is empty
// or that has blanks before its colon (s25.1 HCOLON), one that nothing ends.
// Returns: how many fields there are now, where `n` were.
static __attribute__((noinline)) size_t any_line(struct reader *r, struct chains *c, size_t n,
                                                 size_t line, size_t lf)
{
    const struct tnd__text t = r->t;
    size_t name = tnd_scan_find(t.maps, TND_RUN_TOKEN, line), colon = name, at;

    if (is_blank(t.d[line])) {
        if (n > 0)
            fold(t, &r->m->hdr[n - 1], line, lf);
        return n;
    }
    while (colon < lf && is_blank(t.d[colon]))
        colon++;
    if (name == line || colon >= lf || t.d[colon] != ':') {
        field_fault(r->m, TND_SIP_ERR_HEADER, line);
        return n;
    }
    if (n == TND_SIP_HDRS_MAX) {
        field_fault(r->m, TND_SIP_ERR_TOO_MANY_HEADERS, line);
        return n;
    }
    at = tnd__skip_lws(t.d, colon + 1, lf);
    enter(r->m, c, n, line, at, tnd__trim_lws(t.d, at, lf), lf + (lf < t.len),
          lookup_near_end(t, line, name - line));
    return n + 1;
}

// Read the plain lines (scan.h) from line `i` to before `to`, as far as they are fields of the
// form that nearly all have: behind the name a colon and a blank, a value that begins and ends
// with none. They are the fields from `n` on.
// Requires: 16 octets from the start of each line on, and room for so many fields.
// Returns: the first line that is not of that form, or `to`.
TND__INLINE size_t plain_lines(const struct reader *r, struct chains *c, size_t n, size_t i,
                               size_t to)
{
    const uint16_t *lfs = r->scan.lf;
    const char *d = r->t.d;
    struct tnd_sip_msg *m = r->m;

    for (size_t line = lfs[i - 1] + 1u; i < to; i++, n++) {
        const struct tnd__form *form = tnd__form_at(d + line);
        size_t lf = lfs[i], value;
        enum tnd_hdr id;

        if (tnd__likely(form != NULL)) {
            id = (enum tnd_hdr)form->id;
            value = line + form->len;
        } else {
            size_t colon = tnd_scan_find(&r->scan.maps, TND_RUN_TOKEN, line);

            if (tnd__unlikely(colon == line || tnd__load2(d + colon) != tnd__load2(": ")))
                break;
            id = tnd__hdr_lookup(d + line, colon - line);
            value = colon + 2;
        }
        if (tnd__unlikely((uint8_t)d[value] <= ' ' || (uint8_t)d[lf - 2] <= ' '))
            break;
        enter(m, c, n, line, value, lf - 1, lf + 1, id);
        line = lf + 1;
    }
    return i;
}

// How many lines may be read as plain ones: they have 16 octets from their first on, and cannot be
// more fields than there is room for.
TND__INLINE size_t plain_ones(const struct tnd_scan *s, size_t len)
{
    size_t n = s->plain < TND_SIP_HDRS_MAX ? s->plain : TND_SIP_HDRS_MAX;

    while (n > 1 && s->lf[n - 2] + 17u > len)
        n--;
    return n;
}

// A function of its own: it needs all registers there are.
static __attribute__((noinline)) void list_fields(struct reader *r)
{
    const struct tnd_scan *s = &r->scan;
    size_t lines = s->ended ? s->n - 1u : s->n, plain = plain_ones(s, r->t.len), n = 0;
    struct chains c = no_chains;

    if (lines > 1 && is_blank(r->t.d[s->lf[0] + 1]))
        field_fault(r->m, TND_SIP_ERR_HEADER, s->lf[0] + 1u); // a fold of the start line
    for (size_t i = 1; i < lines; i++) {
        size_t next = i < plain ? plain_lines(r, &c, n, i, plain) : i;

        n += next - i;
        i = next;
        if (tnd__unlikely(i < lines))
            n = any_line(r, &c, n, s->lf[i - 1] + 1u, s->lf[i]);
    }
    r->m->n_hdrs = (uint8_t)n;
}
