// Any octets: the parser stays inside them, lists headers in order, reads the message it cut out
// the same way again, and values by the short ways as by the long ones.
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "long_way.h"
#include "sip/parse.h"

static void inside(const struct tnd_sip_msg *m, struct tnd_span s)
{
    CHECK((size_t)s.off + s.len <= m->len);
}

static void check_uri(const struct tnd_sip_msg *m, const struct tnd_uri *u)
{
    inside(m, u->whole);
    inside(m, u->user);
    inside(m, u->password);
    inside(m, u->host);
    inside(m, u->params);
    inside(m, u->headers);
    inside(m, u->transport_text);
    inside(m, u->maddr);
    CHECK(u->scheme <= TND_SCHEME_OTHER && u->transport <= TND_TRANSPORT_OTHER);
}

static void check_via(const struct tnd_sip_msg *m, const struct tnd_via *v)
{
    const struct tnd_span parts[] = {v->whole, v->host,  v->branch,         v->received,
                                     v->rport, v->maddr, v->received_param, v->rport_param};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        inside(m, parts[i]);
        if (v->whole.len && parts[i].off)
            CHECK(parts[i].off >= v->whole.off &&
                  parts[i].off + parts[i].len <= v->whole.off + v->whole.len);
    }
    if (v->received.off)
        CHECK(m->data[v->received_param.off] == ';');
    if (v->rport.off)
        CHECK(m->data[v->rport_param.off] == ';');
}

static void check_headers(const struct tnd_sip_msg *m)
{
    unsigned at = m->start_line_end, chained = 0;

    CHECK(m->n_hdrs <= TND_SIP_HDRS_MAX);
    for (unsigned i = 0; i < m->n_hdrs; i++) {
        const struct tnd_sip_hdr *h = &m->hdr[i];

        CHECK(h->line >= at && h->value > h->line && h->value + h->value_len <= h->end);
        CHECK(h->end <= m->headers_end);
        CHECK(h->id < TND_HDR_COUNT);
        if (m->error == TND_SIP_ERR_NONE)
            CHECK(h->line == at); // no line is left out
        at = h->end;
    }
    for (unsigned id = 0; id < TND_HDR_COUNT; id++) {
        int before = -1;

        for (unsigned i = m->first[id]; i != TND_SIP_NO_HDR; i = m->hdr[i].next, chained++) {
            CHECK(i < m->n_hdrs && (int)i > before && m->hdr[i].id == id);
            before = (int)i;
        }
    }
    CHECK(chained == m->n_hdrs);
    if (m->error == TND_SIP_ERR_NONE)
        CHECK(at == m->headers_end);
}

static void check_message(const struct tnd_sip_msg *m, const char *data, size_t size)
{
    const struct tnd_span spans[] = {m->method_text, m->ruri_text,  m->reason,   m->call_id,
                                     m->cseq_method, m->from_uri,   m->from_tag, m->to_uri,
                                     m->to_tag,      m->contact_uri};

    CHECK(m->data >= data && m->data + m->len <= data + size && m->len <= TND_SIP_MAX);
    CHECK(m->error < TND_SIP_ERR_COUNT && m->error_at <= TND_SIP_MAX);
    CHECK(m->method < TND_METHOD_COUNT);
    CHECK(m->start_line_end <= m->headers_end || m->headers_end == 0);
    CHECK(m->headers_end <= m->body && m->body + m->body_len == m->len);
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        inside(m, spans[i]);
    check_uri(m, &m->ruri);
    check_via(m, &m->via);
    check_via(m, &m->via2);
    check_headers(m);
}

// What a message without fault promises to those who route it.
static void check_good(const struct tnd_sip_msg *m)
{
    CHECK(m->via.whole.len && m->via.host.len && m->call_id.len && m->cseq_method.len);
    CHECK(m->from_uri.len && m->to_uri.len && m->cseq <= INT32_MAX);
    CHECK(m->max_forwards <= 255 || m->max_forwards == TND_SIP_MF_ABSENT);
    CHECK(m->is_request
              ? (m->ruri.scheme == TND_SCHEME_TEL ? m->ruri.user.len : m->ruri.host.len) &&
                    !m->ruri.headers.off
              : m->status >= 100 && m->status <= 699);
}

static bool same(const struct tnd_sip_msg *a, const struct tnd_sip_msg *b)
{
    const size_t from = offsetof(struct tnd_sip_msg, len), to = offsetof(struct tnd_sip_msg, hdr);

    return memcmp((const char *)a + from, (const char *)b + from, to - from) == 0 &&
           memcmp(a->hdr, b->hdr, a->n_hdrs * sizeof a->hdr[0]) == 0;
}

// What compilers make of a wide load the sanitizers need not see: a page shows one octet too far.
static void same_with_each_kernel(const uint8_t *data, size_t size, const struct tnd_sip_msg *m)
{
    static struct tnd_sip_msg again;
    static struct fuzz_room room;
    char *at;

    if (size > 2 * TND_SIP_MAX)
        return;
    at = fuzz_edge(&room, 2 * TND_SIP_MAX) - size;
    memcpy(at, data, size);
    for (unsigned i = 0; tnd_scan_kernel(i); i++) {
        CHECK(tnd_sip_parse_with(tnd_scan_kernel(i), at, size, &again) == m->error &&
              same(m, &again));
        if (i > 0)
            fuzz_compared(tnd_scan_kernel(i)->name);
    }
    CHECK(long_way_differs(m) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tnd_sip_msg m, again;
    // A heap copy of the exact size: the sanitizer sees one octet too far.
    char *copy = malloc(size ? size : 1), *cut;

    memcpy(copy, data, size);
    CHECK(tnd_sip_parse(copy, size, &m) == m.error);
    check_message(&m, copy, size);
    same_with_each_kernel(data, size, &m);
    if (m.error == TND_SIP_ERR_NONE) {
        check_good(&m);
        cut = malloc(m.len);
        memcpy(cut, m.data, m.len);
        tnd_sip_parse(cut, m.len, &again);
        CHECK(same(&m, &again));
        free(cut);
    }
    free(copy);
    return 0;
}
