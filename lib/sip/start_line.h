// The reader of a message, and its start line (RFC 3261 s7.1, s7.2).
//
// Threads: pure. Private to the kernels.
#pragma once

#include "sip/name.h"
#include "sip/uri.h"

struct reader {
    struct tnd_sip_msg *m;
    struct tnd__text t; // m->data, and what may be read of it
    size_t avail;       // octets the datagram had from there on, also those above the limit
    uint32_t content_length;
    struct tnd_scan scan;
};

static inline void fault(struct tnd_sip_msg *m, enum tnd_sip_error e, size_t at)
{
    if (m->error != TND_SIP_ERR_NONE)
        return;
    m->error = (uint8_t)e;
    m->error_at = (uint16_t)at;
}

// "SIP/2.0" and VERSION apart: another number is a version, anything else is no start line.
static enum tnd_sip_error version(const char *p, size_t len)
{
    size_t digits = 0, dots = 0;

    if (len == 7 && (memcmp(p, "SIP/2.0", 7) == 0 || tnd__is(p, 7, "sip/2.0", 7)))
        return TND_SIP_ERR_NONE;
    if (len < 7 || !tnd__is(p, 4, "sip/", 4))
        return TND_SIP_ERR_START_LINE;
    for (size_t i = 4; i < len; i++) {
        if (tnd_char_is(p[i], TND_C_DIGIT))
            digits++;
        else if (p[i] == '.' && digits && i + 1 < len)
            dots++;
        else
            return TND_SIP_ERR_START_LINE;
    }
    return dots == 1 ? TND_SIP_ERR_VERSION : TND_SIP_ERR_START_LINE;
}

static void status_line(struct tnd_sip_msg *m, const char *d, size_t end)
{
    const char *space = memchr(d, ' ', end);
    size_t at = space ? (size_t)(space - d) : end, p;
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

// Read on from where tnd__plain_uri ended.
static __attribute__((noinline)) void rest_of_uri(struct reader *r, size_t p)
{
    struct tnd_sip_msg *m = r->m;
    struct tnd_span s = m->ruri_text;

    if (!(p != 0 ? tnd__uri_tail(r->t, p, s.off + s.len, &m->ruri)
                 : tnd__uri_any(r->t, s, &m->ruri)))
        fault(m, TND_SIP_ERR_RURI, s.off);
    else if (m->ruri.scheme == TND_SCHEME_OTHER)
        fault(m, TND_SIP_ERR_SCHEME, s.off);
    else if (m->ruri.headers.off)
        fault(m, TND_SIP_ERR_RURI, m->ruri.headers.off); // s19.1.1: no headers there
}

// The long way: another version, more than one blank before it, or no start line at all.
// Returns: offset of the version, or 0.
static __attribute__((noinline)) size_t any_request_line(struct tnd_sip_msg *m, const char *d,
                                                         size_t method, size_t end)
{
    size_t last = end;
    enum tnd_sip_error e;

    while (last > method && d[last - 1] != ' ')
        last--;
    if (method == 0 || method == end || d[method] != ' ' || last <= method + 1) {
        fault(m, TND_SIP_ERR_START_LINE, method);
        return 0;
    }
    e = version(d + last, end - last);
    if (e != TND_SIP_ERR_NONE)
        fault(m, e, last);
    return last;
}

TND__INLINE void request_line(struct reader *r, struct tnd__text t, size_t end)
{
    size_t method = tnd__run_end(t, TND_RUN_TOKEN, 0), last = end - 7, p;
    struct tnd_sip_msg *m = r->m;
    const char *d = t.d;

    m->is_request = true;
    m->method_text = tnd__span(0, method);
    m->method = (uint8_t)tnd__method_lookup(t, m->method_text);
    if (tnd__unlikely(end < method + 10 || method == 0 || d[method] != ' ' ||
                      tnd__load8(d + end - 8) != tnd__load8(" SIP/2.0"))) {
        last = any_request_line(m, d, method, end);
        if (last == 0)
            return;
    }
    m->ruri_text = tnd__span(method + 1, last - 1);
    p = tnd__plain_uri(t, method + 1, last - 1, &m->ruri);
    if (tnd__unlikely(p != last - 1))
        rest_of_uri(r, p);
}

TND__INLINE bool is_sip_slash(const char *p)
{
    uint32_t want;

    memcpy(&want, "sip/", sizeof want);
    return (tnd__load4(p) | 0x00202020) == want;
}

TND__INLINE void start_line(struct reader *r)
{
    const struct tnd__text t = {.d = r->t.d, .len = r->t.len, .maps = &r->scan.maps};
    struct tnd_sip_msg *m = r->m;
    size_t lf = r->scan.lf[0], end = lf;

    if (end > 0 && lf < t.len && t.d[end - 1] == '\r')
        end--;
    m->start_line_end = (uint16_t)(lf < t.len ? lf + 1 : t.len);
    if (end >= 4 && is_sip_slash(t.d))
        status_line(m, t.d, end);
    else
        request_line(r, t, end);
}
