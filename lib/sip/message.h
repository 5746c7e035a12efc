// A message: start line, header lines, body (RFC 3261 s7, s20; RFC 4475 for what is refused).
//
// Each kernel compiles all of this for its own instruction set. The scan lists the lines and maps
// the octets; one pass over the lines lists and names the fields; then each header that the
// engine reads is read once. A fault is noted and the reading goes on: an answer needs Via,
// From, To, Call-ID and CSeq of a message that is refused.
//
// Threads: pure. Private to the kernels.
#pragma once

#include "sip/values.h"
#include "sip/scan_blocks.h"

// Set where headers and body lie, and check the one against the other (s18.3).
TND__INLINE void extent(struct reader *r)
{
    struct tnd_sip_msg *m = r->m;
    const struct tnd_scan *s = &r->scan;
    size_t lf = s->lf[s->n - 1], rest;

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

TND__INLINE void mandatory(struct tnd_sip_msg *m)
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
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (m->first[needed[i].id] == TND_SIP_NO_HDR)
            fault(m, (enum tnd_sip_error)needed[i].error, m->headers_end);
}

TND__INLINE void agree(struct reader *r)
{
    struct tnd_sip_msg *m = r->m;
    struct tnd_str branch = tnd_text(m, m->via.branch);

    if (!m->is_request) {
        m->method = (uint8_t)tnd__method_lookup(r->t, m->cseq_method);
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

TND__INLINE void clear(struct tnd_sip_msg *m)
{
    tnd_zero(m, offsetof(struct tnd_sip_msg, hdr));
    memset(m->first, TND_SIP_NO_HDR, sizeof m->first);
    m->max_forwards = TND_SIP_MF_ABSENT;
}

typedef void (*tnd__lines_fn)(const char *data, uint32_t len, struct tnd_scan *out);

TND__INLINE enum tnd_sip_error tnd__message(tnd__lines_fn lines, const char *data, size_t len,
                                            struct tnd_sip_msg *out)
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
    r.t.len = len > TND_SIP_MAX ? TND_SIP_MAX : (size_t)len;
    r.t.maps = &r.scan.maps;
    r.avail = (size_t)len;
    r.content_length = 0;
    lines(data, (uint32_t)r.t.len, &r.scan);
    start_line(&r);
    list_fields(&r);
    read_fields(&r);
    extent(&r);
    mandatory(out);
    agree(&r);
    return (enum tnd_sip_error)out->error;
}

// A kernel: whole, part and ends are its functions for one block (scan_blocks.h). The scan is a
// function of its own: it needs all registers there are.
#define TND_SCAN_KERNEL(isa, whole, part, ends)                                               \
    static __attribute__((noinline)) void lines(const char *data, uint32_t len,               \
                                                struct tnd_scan *out)                         \
    {                                                                                         \
        tnd__lines(whole, part, ends, data, len, out);                                        \
    }                                                                                         \
    static void maps(const char *data, uint32_t from, uint32_t to, struct tnd_scan_maps *out) \
    {                                                                                         \
        tnd__maps(whole, part, data, from, to, out);                                          \
    }                                                                                         \
    static enum tnd_sip_error parse(const char *data, size_t len, struct tnd_sip_msg *out)    \
    {                                                                                         \
        return tnd__message(lines, data, len, out);                                           \
    }                                                                                         \
    const struct tnd_scan_kernel tnd_scan_##isa = {                                           \
        .name = #isa, .lines = lines, .maps = maps, .parse = parse}
