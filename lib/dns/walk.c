#include "dns/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"

#define HEADER_LEN 12

// Names of 256 octets that need no escape fit; one whose escapes make it longer is skipped.
enum name_result { NAME_OK, NAME_TOO_LONG, NAME_BROKEN };

struct msg {
    const uint8_t *p;
    size_t len;
};

struct rr_head {
    char owner[TND_DNS_NAME_MAX];
    bool owner_ok; // false: representable by no text we use, so nobody asked for it
    uint16_t type, class;
    uint32_t ttl_s;
    size_t rdata, rdata_end;
};

// Where records and text go. Without `a` it only counts, so that one walk sizes the block
// and a second fills it.
struct sink {
    struct tnd_dns_answer *a;
    size_t text; // octets of text so far
    uint32_t n;
    uint32_t left_out;
    size_t text_base; // offset of the text in the block
};

static uint16_t get16(const struct msg *m, size_t at)
{
    return (uint16_t)(m->p[at] << 8 | m->p[at + 1]);
}

static uint32_t get32(const struct msg *m, size_t at)
{
    return (uint32_t)get16(m, at) << 16 | get16(m, at + 2);
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Append a label in text form. Returns: the new length, or TND_DNS_NAME_MAX when it overflows.
static size_t append_label(char *out, size_t n, const uint8_t *label, size_t len)
{
    if (n > 0 && n < TND_DNS_NAME_MAX)
        out[n++] = '.';
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)tnd_lower((char)label[i]);
        size_t need = plain(c) ? 1 : 4;
        if (n + need >= TND_DNS_NAME_MAX)
            return TND_DNS_NAME_MAX;
        if (need == 1)
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, 5, "\\%03u", c);
    }
    return n;
}

// Read the name at *at, which moves behind it. A pointer must go before the place it was
// reached from (RFC 1035 4.1.4: "a prior occurrence"), which also ends every loop.
static enum name_result read_name(const struct msg *m, size_t *at, char out[TND_DNS_NAME_MAX])
{
    size_t pos = *at, floor = pos, n = 0, wire = 0;
    bool jumped = false;

    for (;;) {
        if (pos >= m->len)
            return NAME_BROKEN;
        uint8_t len = m->p[pos];
        if ((len & 0xc0) == 0xc0) {
            if (pos + 1 >= m->len)
                return NAME_BROKEN;
            size_t to = get16(m, pos) & 0x3fffu;
            if (!jumped)
                *at = pos + 2;
            jumped = true;
            if (to >= floor || to < HEADER_LEN)
                return NAME_BROKEN;
            pos = floor = to;
            continue;
        }
        if (len > 63)
            return NAME_BROKEN;
        wire += 1u + len;
        if (wire > 255 || pos + 1 + len > m->len)
            return NAME_BROKEN;
        if (len == 0)
            break;
        n = append_label(out, n, m->p + pos + 1, len);
        pos += 1u + len;
    }
    if (!jumped)
        *at = pos + 1;
    if (n >= TND_DNS_NAME_MAX)
        return NAME_TOO_LONG;
    if (n == 0)
        out[n++] = '.';
    out[n] = '\0';
    return NAME_OK;
}

static bool skip_question(const struct msg *m, size_t *at, char *name, uint16_t *type)
{
    if (read_name(m, at, name) != NAME_OK || *at + 4 > m->len)
        return false;
    *type = get16(m, *at);
    *at += 4;
    return true;
}

static bool read_rr(const struct msg *m, size_t *at, struct rr_head *rr)
{
    enum name_result r = read_name(m, at, rr->owner);

    if (r == NAME_BROKEN || *at + 10 > m->len)
        return false;
    rr->owner_ok = r == NAME_OK;
    rr->type = get16(m, *at);
    rr->class = get16(m, *at + 2);
    rr->ttl_s = get32(m, *at + 4);
    if (rr->ttl_s > INT32_MAX)
        rr->ttl_s = 0; // RFC 2181 s8
    rr->rdata = *at + 10;
    rr->rdata_end = rr->rdata + get16(m, *at + 8);
    *at = rr->rdata_end;
    return rr->rdata_end <= m->len;
}

static uint32_t put_text(struct sink *k, const char *s, size_t len)
{
    size_t at = k->text;

    k->text += len + 1;
    if (!k->a)
        return 0;
    char *to = (char *)k->a + k->text_base + at;
    memcpy(to, s, len);
    to[len] = '\0';
    return (uint32_t)(k->text_base + at);
}

// A <character-string>, with octets that are not printable made '?': it is shown to people.
static bool put_string(struct sink *k, const struct msg *m, size_t *at, size_t end, uint32_t *off)
{
    char s[256];

    if (*at >= end)
        return false;
    size_t len = m->p[*at];
    if (*at + 1 + len > end)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = m->p[*at + 1 + i];
        s[i] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
    }
    *off = put_text(k, s, len);
    *at += 1 + len;
    return true;
}

// A name that must end where the record ends. Too long a name makes the record unusable, not
// the message malformed: *usable.
static bool put_name(struct sink *k, const struct msg *m, size_t at, size_t end, uint32_t *off,
                     bool *usable)
{
    char name[TND_DNS_NAME_MAX];
    enum name_result r = read_name(m, &at, name);

    *usable = r == NAME_OK;
    if (r == NAME_BROKEN || at != end)
        return false;
    if (r == NAME_OK)
        *off = put_text(k, name, strlen(name));
    return true;
}

static bool read_srv(struct sink *k, const struct msg *m, const struct rr_head *h,
                     struct tnd_dns_rr *rr, bool *usable)
{
    if (h->rdata + 7 > h->rdata_end)
        return false;
    rr->srv.priority = get16(m, h->rdata);
    rr->srv.weight = get16(m, h->rdata + 2);
    rr->srv.port = get16(m, h->rdata + 4);
    return put_name(k, m, h->rdata + 6, h->rdata_end, &rr->srv.target, usable);
}

static bool read_naptr(struct sink *k, const struct msg *m, const struct rr_head *h,
                       struct tnd_dns_rr *rr, bool *usable)
{
    size_t at = h->rdata + 4;

    if (at > h->rdata_end)
        return false;
    rr->naptr.order = get16(m, h->rdata);
    rr->naptr.preference = get16(m, h->rdata + 2);
    return put_string(k, m, &at, h->rdata_end, &rr->naptr.flags) &&
           put_string(k, m, &at, h->rdata_end, &rr->naptr.service) &&
           put_string(k, m, &at, h->rdata_end, &rr->naptr.regexp) &&
           put_name(k, m, at, h->rdata_end, &rr->naptr.replacement, usable);
}

static bool read_ip(const struct msg *m, const struct rr_head *h, struct tnd_dns_rr *rr)
{
    size_t want = h->type == TND_DNS_A ? 4 : 16;

    if (h->rdata_end - h->rdata != want)
        return false;
    memcpy(rr->ip, m->p + h->rdata, want);
    return true;
}

// One record of the asked type. Returns: false when its data is broken.
static bool take_rr(struct sink *k, const struct msg *m, const struct rr_head *h)
{
    struct tnd_dns_rr rr;
    bool ok, usable = true;
    size_t text_before = k->text;

    if (k->n == TND_DNS_RECORDS_MAX) {
        k->left_out++;
        return true;
    }
    memset(&rr, 0, sizeof rr);
    switch (h->type) {
    case TND_DNS_SRV:
        ok = read_srv(k, m, h, &rr, &usable);
        break;
    case TND_DNS_NAPTR:
        ok = read_naptr(k, m, h, &rr, &usable);
        break;
    default:
        ok = read_ip(m, h, &rr);
        break;
    }
    if (!ok)
        return false;
    if (!usable) {
        k->text = text_before;
        k->left_out++;
        return true;
    }
    if (k->a)
        k->a->rr[k->n] = rr;
    k->n++;
    return true;
}

struct walk {
    struct msg m;
    size_t answers; // where the answer section begins
    uint16_t ancount, nscount;
    char owner[TND_DNS_NAME_MAX]; // end of the chain
    char chain[TND_DNS_CHAIN_MAX][TND_DNS_NAME_MAX];
    uint8_t n_chain;
    uint32_t ttl_s;
    uint16_t type;
};

// Follow the CNAMEs that lead from w->owner on, in whatever order the section has them.
static enum tnd_dns_outcome follow_chain(struct walk *w)
{
    struct rr_head h;

    for (;;) {
        size_t at = w->answers;
        bool moved = false;
        for (uint32_t i = 0; i < w->ancount && !moved; i++) {
            if (!read_rr(&w->m, &at, &h))
                return TND_DNS_MALFORMED;
            if (h.type != TND_DNS_CNAME || h.class != 1 || !h.owner_ok ||
                strcmp(h.owner, w->owner) != 0)
                continue;
            if (w->n_chain == TND_DNS_CHAIN_MAX)
                return TND_DNS_LOOP;
            size_t to = h.rdata;
            enum name_result r = read_name(&w->m, &to, w->owner);
            if (r == NAME_BROKEN || to != h.rdata_end)
                return TND_DNS_MALFORMED;
            if (r == NAME_TOO_LONG)
                return TND_DNS_BAD_NAME;
            memcpy(w->chain[w->n_chain++], w->owner, TND_DNS_NAME_MAX);
            if (h.ttl_s < w->ttl_s)
                w->ttl_s = h.ttl_s;
            moved = true;
        }
        if (!moved)
            return TND_DNS_POSITIVE;
    }
}

// The records at the end of the chain, into the sink.
static bool collect(struct walk *w, struct sink *k)
{
    struct rr_head h;
    size_t at = w->answers;

    for (uint32_t i = 0; i < w->ancount; i++) {
        if (!read_rr(&w->m, &at, &h))
            return false;
        if (h.type != w->type || h.class != 1 || !h.owner_ok || strcmp(h.owner, w->owner) != 0)
            continue;
        if (!take_rr(k, &w->m, &h))
            return false;
        if (h.ttl_s < w->ttl_s)
            w->ttl_s = h.ttl_s;
    }
    return true;
}

// RFC 2308 s5: a negative answer lives for the lesser of the SOA's TTL and its minimum field.
// Returns: false without a readable SOA, that is, without leave to remember the answer.
static bool negative_ttl(struct walk *w, uint32_t *ttl_s)
{
    struct rr_head h;
    char name[TND_DNS_NAME_MAX];
    size_t at = w->answers;

    for (uint32_t i = 0; i < (uint32_t)w->ancount + w->nscount; i++) {
        if (!read_rr(&w->m, &at, &h))
            return false;
        if (i < w->ancount || h.type != TND_DNS_SOA || h.class != 1)
            continue;
        size_t p = h.rdata;
        if (read_name(&w->m, &p, name) == NAME_BROKEN ||
            read_name(&w->m, &p, name) == NAME_BROKEN || p + 20 != h.rdata_end)
            return false;
        uint32_t minimum = get32(&w->m, p + 16);
        *ttl_s = minimum < h.ttl_s ? minimum : h.ttl_s;
        return true;
    }
    return false;
}

static int compare_text(const struct tnd_dns_answer *a, uint32_t x, uint32_t y)
{
    return strcmp(tnd_dns_text(a, x), tnd_dns_text(a, y));
}

// By priority, weight (heavy first), target, port.
static int compare_srv(const struct tnd_dns_rr *x, const struct tnd_dns_rr *y,
                       const struct tnd_dns_answer *a)
{
    if (x->srv.priority != y->srv.priority)
        return x->srv.priority < y->srv.priority ? -1 : 1;
    if (x->srv.weight != y->srv.weight)
        return x->srv.weight > y->srv.weight ? -1 : 1;
    int c = compare_text(a, x->srv.target, y->srv.target);
    return c ? c : (int)x->srv.port - (int)y->srv.port;
}

static int compare_naptr(const struct tnd_dns_rr *x, const struct tnd_dns_rr *y,
                         const struct tnd_dns_answer *a)
{
    int c;

    if (x->naptr.order != y->naptr.order)
        return x->naptr.order < y->naptr.order ? -1 : 1;
    if (x->naptr.preference != y->naptr.preference)
        return x->naptr.preference < y->naptr.preference ? -1 : 1;
    if ((c = compare_text(a, x->naptr.service, y->naptr.service)) != 0 ||
        (c = compare_text(a, x->naptr.replacement, y->naptr.replacement)) != 0 ||
        (c = compare_text(a, x->naptr.flags, y->naptr.flags)) != 0)
        return c;
    return compare_text(a, x->naptr.regexp, y->naptr.regexp);
}

static int compare_rr(const void *px, const void *py, void *arg)
{
    const struct tnd_dns_rr *x = px, *y = py;
    const struct tnd_dns_answer *a = arg;

    if (a->type == TND_DNS_SRV)
        return compare_srv(x, y, a);
    if (a->type == TND_DNS_NAPTR)
        return compare_naptr(x, y, a);
    return memcmp(x->ip, y->ip, sizeof x->ip);
}

// Sort, and leave out what stands there twice (RFC 2181 s5.5).
static void canonical(struct tnd_dns_answer *a)
{
    uint16_t n = 0;

    qsort_r(a->rr, a->n, sizeof a->rr[0], compare_rr, a);
    for (uint16_t i = 0; i < a->n; i++)
        if (n == 0 || compare_rr(&a->rr[n - 1], &a->rr[i], a) != 0)
            a->rr[n++] = a->rr[i];
    a->n = n;
}

// The second walk: everything is known to fit and to be readable.
static struct tnd_dns_answer *build(struct walk *w, uint32_t n, size_t text)
{
    size_t chain_text = 0, base = sizeof(struct tnd_dns_answer) + n * sizeof(struct tnd_dns_rr);
    struct sink k = {.text_base = base};

    for (uint8_t i = 0; i < w->n_chain; i++)
        chain_text += strlen(w->chain[i]) + 1;
    size_t size = base + text + chain_text;
    struct tnd_dns_answer *a = calloc(1, size);
    if (!a)
        return NULL;
    a->type = w->type;
    a->size = (uint32_t)size;
    k.a = a;
    if (n > 0)
        collect(w, &k);
    a->n = (uint16_t)k.n;
    a->left_out = (uint16_t)k.left_out;
    a->n_chain = w->n_chain;
    for (uint8_t i = 0; i < w->n_chain; i++)
        a->chain[i] = put_text(&k, w->chain[i], strlen(w->chain[i]));
    canonical(a);
    return a;
}

// A name error or an empty answer. An alias that leads out of what the server knows comes with
// neither records nor SOA: whoever asks has to go on with the alias.
static struct tnd_dns_answer *build_negative(struct walk *w, bool nxdomain)
{
    uint32_t ttl_s = 0;
    bool soa = negative_ttl(w, &ttl_s);
    struct tnd_dns_answer *a = build(w, 0, 0);

    if (!a)
        return NULL;
    a->outcome = nxdomain ? TND_DNS_NXDOMAIN : TND_DNS_NODATA;
    a->ttl_s = ttl_s;
    if (w->n_chain > 0 && !nxdomain && !soa)
        a->outcome = TND_DNS_ALIAS;
    if (w->n_chain > 0 && (w->ttl_s < ttl_s || a->outcome == TND_DNS_ALIAS))
        a->ttl_s = w->ttl_s;
    return a;
}

static struct tnd_dns_answer *walk_answers(struct walk *w, bool nxdomain)
{
    struct sink count = {0};
    enum tnd_dns_outcome o = follow_chain(w);

    if (o != TND_DNS_POSITIVE)
        return tnd_dns_no_answer(o, w->type);
    if (!nxdomain && !collect(w, &count))
        return tnd_dns_no_answer(TND_DNS_MALFORMED, w->type);
    if (count.n == 0 && count.left_out > 0)
        return tnd_dns_no_answer(TND_DNS_BAD_NAME, w->type);
    if (count.n == 0)
        return build_negative(w, nxdomain);
    struct tnd_dns_answer *a = build(w, count.n, count.text);
    if (a) {
        a->outcome = TND_DNS_POSITIVE;
        a->ttl_s = w->ttl_s;
    }
    return a;
}

static enum tnd_dns_outcome rcode_outcome(uint8_t rcode)
{
    switch (rcode) {
    case 0:
    case 3:
        return TND_DNS_POSITIVE;
    case 1:
        return TND_DNS_FORMERR;
    case 2:
        return TND_DNS_SERVFAIL;
    case 4:
        return TND_DNS_NOTIMP;
    case 5:
        return TND_DNS_REFUSED;
    default:
        return TND_DNS_RCODE;
    }
}

struct tnd_dns_answer *tnd_dns_walk(const uint8_t *msg, size_t len, const char *name, uint16_t type)
{
    struct walk w = {.m = {msg, len}, .ttl_s = INT32_MAX, .type = type, .answers = HEADER_LEN};
    struct tnd_dns_answer *a;
    uint16_t qtype;

    if (len < HEADER_LEN || !(msg[2] & 0x80) || (msg[2] & 0x78))
        return tnd_dns_no_answer(TND_DNS_MALFORMED, type);
    uint8_t rcode = msg[3] & 0x0f;
    uint16_t qdcount = get16(&w.m, 4);
    enum tnd_dns_outcome o = rcode_outcome(rcode);
    if (qdcount == 1) {
        if (!skip_question(&w.m, &w.answers, w.owner, &qtype))
            return tnd_dns_no_answer(TND_DNS_MALFORMED, type);
        if (qtype != type || strcmp(w.owner, name) != 0)
            return tnd_dns_no_answer(TND_DNS_MISMATCH, type);
    } else if (qdcount != 0 || o == TND_DNS_POSITIVE) {
        return tnd_dns_no_answer(TND_DNS_MALFORMED, type); // only an error may lack its question
    }
    if (o != TND_DNS_POSITIVE) {
        a = tnd_dns_no_answer(o, type);
    } else if (msg[2] & 0x02) {
        a = tnd_dns_no_answer(TND_DNS_TRUNCATED, type);
    } else {
        w.ancount = get16(&w.m, 6);
        w.nscount = get16(&w.m, 8);
        a = walk_answers(&w, rcode == 3);
    }
    if (a) {
        a->rcode = rcode;
        a->authoritative = (msg[2] & 0x04) != 0;
    }
    return a;
}

bool tnd_dns_same_question(const uint8_t *query, size_t query_len, const uint8_t *reply,
                           size_t reply_len)
{
    struct msg q = {query, query_len};
    char name[TND_DNS_NAME_MAX];
    size_t end = HEADER_LEN;
    uint16_t type;

    if (query_len < HEADER_LEN || !skip_question(&q, &end, name, &type) || reply_len < end)
        return false;
    return get16(&q, 4) == 1 && reply[4] == 0 && reply[5] == 1 &&
           memcmp(query + HEADER_LEN, reply + HEADER_LEN, end - HEADER_LEN) == 0;
}
