#include "bench/load/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Fields by the octet that stands for them in a template's source.
#define BRANCH  '\1'
#define CALL_ID '\2'
#define TAG     '\3'
#define USER    '\4'

#define SDP                                 \
    "v=0\r\n"                               \
    "o=- 1700000000 1 IN IP4 0.0.0.0\r\n"   \
    "s=-\r\n"                               \
    "c=IN IP4 0.0.0.0\r\n"                  \
    "t=0 0\r\n"                             \
    "m=audio 30000 RTP/AVP 8 0 101\r\n"     \
    "a=rtpmap:8 PCMA/8000\r\n"              \
    "a=rtpmap:0 PCMU/8000\r\n"              \
    "a=rtpmap:101 telephone-event/8000\r\n" \
    "a=sendrecv\r\n"

struct text {
    char *p;
    uint32_t len, room;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(t->p + t->len, t->room - t->len, fmt, ap);
    va_end(ap);
    if (n < 0 || (uint32_t)n >= t->room - t->len)
        t->full = true;
    else
        t->len += (uint32_t)n;
}

static uint64_t mix(uint64_t z)
{
    // SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection.
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

// ---- Templates ------------------------------------------------------------------------

static uint32_t width_of(char kind)
{
    return kind == USER ? 10 : kind == TAG ? 8 : 16;
}

// Put fields of their width where their marks stand.
static void expand(struct load_template *t, const char *source)
{
    uint32_t len = 0;

    t->n_fields = 0;
    for (const char *s = source; *s && len + 16 < LOAD_TEXT_MAX; s++) {
        if (*s > USER) {
            t->text[len++] = *s;
            continue;
        }
        t->fields[t->n_fields].at = (uint16_t)len;
        t->fields[t->n_fields++].kind = *s;
        memset(t->text + len, '0', width_of(*s));
        len += width_of(*s);
    }
    t->len = (uint16_t)len;
}

void load_template_init(struct load_template *t, const struct load_parties *p)
{
    bool invite = strcmp(p->method, "INVITE") == 0;
    char source[LOAD_TEXT_MAX];
    struct text s = {.p = source, .room = sizeof source};

    t->parties = *p;
    add(&s, "%s sip:+49\4@%s SIP/2.0\r\n", p->method, p->domain);
    add(&s, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%c\1;rport\r\n", p->local,
        invite ? LOAD_INVITE : LOAD_REQUEST);
    add(&s, "Max-Forwards: 70\r\nContact: <sip:+4930901820@%s>\r\n", p->local);
    add(&s, "To: <sip:+49\4@%s>\r\n", p->domain);
    add(&s, "From: \"Front desk office\" <sip:+4930901820@%s>;tag=\3\r\n", p->local);
    add(&s, "Call-ID: \2@%s\r\nCSeq: 1 %s\r\n", p->local, p->method);
    add(&s, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK\r\n");
    if (invite)
        add(&s, "Supported: timer, replaces\r\nContent-Type: application/sdp\r\n");
    add(&s, "Content-Length: %zu\r\n\r\n%s", invite ? sizeof SDP - 1 : 0, invite ? SDP : "");
    expand(t, source);
}

static void put_hex(char *out, uint64_t v, uint32_t digits)
{
    for (; digits > 0; v >>= 4)
        out[--digits] = "0123456789abcdef"[v & 15];
}

static void put_digits(char *out, uint64_t v, uint32_t digits)
{
    for (; digits > 0; v /= 10)
        out[--digits] = (char)('0' + v % 10);
}

uint32_t load_template_write(const struct load_template *t, uint64_t number, char *out)
{
    const struct load_parties *p = &t->parties;
    uint64_t call = mix((p->call_ids ? number % p->call_ids : number) + mix(p->seed));

    memcpy(out, t->text, t->len);
    for (uint16_t i = 0; i < t->n_fields; i++) {
        char *at = out + t->fields[i].at;
        switch (t->fields[i].kind) {
        case BRANCH:
            put_hex(at, number ^ mix(p->seed), 16);
            break;
        case CALL_ID:
            put_hex(at, call, 16);
            break;
        case TAG:
            put_hex(at, mix(call), 8);
            break;
        default:
            put_digits(at, call, 10);
        }
    }
    return t->len;
}

// ---- Inside a dialog ------------------------------------------------------------------

static void copy(struct text *t, const struct tnd_sip_msg *m, enum tnd_hdr id)
{
    for (uint8_t i = m->first[id]; i != TND_SIP_NO_HDR; i = m->hdr[i].next)
        add(t, "%.*s", m->hdr[i].end - m->hdr[i].line, m->data + m->hdr[i].line);
}

// RFC 3261 12.1.2: the caller's route set is Record-Route's in reverse.
static void add_routes(struct text *t, const struct tnd_sip_msg *m)
{
    struct tnd_span items[32], uri;
    uint32_t n = 0;

    for (uint8_t i = m->first[TND_HDR_RECORD_ROUTE]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        uint16_t at = m->hdr[i].value, end = (uint16_t)(at + m->hdr[i].value_len);
        while (n < 32 && tnd_name_addr_next(m->data, &at, end, &items[n], &uri))
            n++;
    }
    while (n-- > 0)
        add(t, "Route: %.*s\r\n", items[n].len, m->data + items[n].off);
}

static void add_via(struct text *t, const struct load_template *l, enum load_part part,
                    uint64_t number)
{
    char hex[17] = "";

    put_hex(hex, number ^ mix(l->parties.seed), 16);
    add(t, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%c%s;rport\r\n", l->parties.local, part, hex);
}

static void add_rest(struct text *t, const struct tnd_sip_msg *m, const char *method, uint32_t cseq)
{
    add(t, "Max-Forwards: 70\r\n");
    copy(t, m, TND_HDR_FROM);
    copy(t, m, TND_HDR_TO);
    copy(t, m, TND_HDR_CALL_ID);
    add(t, "CSeq: %u %s\r\nContent-Length: 0\r\n\r\n", cseq, method);
}

// To the INVITE's Request-URI.
static void add_request_line(struct text *t, const struct load_template *l, const char *method,
                             uint64_t number)
{
    char invite[LOAD_TEXT_MAX];
    uint32_t len = load_template_write(l, number, invite);
    const char *space = memchr(invite, ' ', len), *end = memchr(invite, '\r', len);

    add(t, "%s%.*s\r\n", method, (int)(end - space), space);
}

uint32_t load_in_dialog(const struct load_template *l, const struct tnd_sip_msg *m,
                        enum load_part part, uint64_t number, char *out)
{
    const char *method = part == LOAD_ACK ? "ACK" : "BYE";
    struct text t = {.p = out, .room = LOAD_TEXT_MAX};

    if (m->contact_uri.len > 0)
        add(&t, "%s %.*s SIP/2.0\r\n", method, m->contact_uri.len, m->data + m->contact_uri.off);
    else
        add_request_line(&t, l, method, number);
    add_via(&t, l, part, number);
    add_routes(&t, m);
    add_rest(&t, m, method, part == LOAD_ACK ? 1 : 2);
    return t.full ? 0 : t.len;
}

uint32_t load_ack_refusal(const struct load_template *l, const struct tnd_sip_msg *m,
                          uint64_t number, char *out)
{
    struct text t = {.p = out, .room = LOAD_TEXT_MAX};

    add_request_line(&t, l, "ACK", number);
    add_via(&t, l, LOAD_INVITE, number);
    add_rest(&t, m, "ACK", 1);
    return t.full ? 0 : t.len;
}

uint32_t load_with_our_via(const struct load_template *l, struct tnd_str message, uint64_t number,
                           char *out, uint32_t room)
{
    const char *line = memchr(message.p, '\n', message.len);
    struct text t = {.p = out, .room = room};

    if (!line || (message.len > 8 && memcmp(message.p, "SIP/2.0 ", 8) == 0))
        return 0;
    add(&t, "%.*s", (int)(line + 1 - message.p), message.p);
    add_via(&t, l, LOAD_REQUEST, number);
    uint32_t rest = (uint32_t)(message.p + message.len - line - 1);
    if (t.full || t.len + rest > room)
        return 0;
    memcpy(out + t.len, line + 1, rest);
    return t.len + rest;
}

// ---- What comes back ------------------------------------------------------------------

static bool read_hex(const char *p, uint64_t *out)
{
    static const char hex[] = "0123456789abcdef";

    *out = 0;
    for (int i = 0; i < 16; i++) {
        const char *digit = memchr(hex, p[i], 16);
        if (!digit)
            return false;
        *out = *out << 4 | (uint64_t)(digit - hex);
    }
    return true;
}

static bool read_branch(const struct load_template *t, struct tnd_str branch, uint64_t *number,
                        enum load_part *part)
{
    if (branch.len != 7 + 1 + 16 || memcmp(branch.p, "z9hG4bK", 7) != 0 ||
        !read_hex(branch.p + 8, number))
        return false;
    *number ^= mix(t->parties.seed);
    *part = (enum load_part)branch.p[7];
    return true;
}

bool load_number_of(const struct load_template *t, const struct tnd_sip_msg *m, uint64_t *number,
                    enum load_part *part)
{
    struct tnd_via via = m->via;

    if (!m->is_request)
        return via.branch.len && read_branch(t, tnd_text(m, via.branch), number, part);
    for (uint8_t i = m->first[TND_HDR_VIA]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        uint16_t at = m->hdr[i].value, end = (uint16_t)(at + m->hdr[i].value_len);
        while (at < end) {
            at = tnd_via_parse(m->data, at, end, &via);
            if (at == 0)
                return false;
            at = (uint16_t)(at + (at < end));
            if (via.branch.len && read_branch(t, tnd_text(m, via.branch), number, part))
                return true;
        }
    }
    return false;
}
