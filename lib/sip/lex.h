// Steps that the parsers of values share. A value may hold folds: a line end inside one is
// white space, for parse.c has checked that a blank follows it.
//
// Runs of characters are read off the maps of a scan (scan.h). The common forms are inline
// here, without blanks where the grammar allows them and hardly anybody writes them; whatever
// else there is goes the long way in value.c, from the start.
//
// Positions are offsets from `d`, wide for arithmetic; they fit 16 bits where stored.
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/msg.h"
#include "sip/scan.h"

struct tnd__text {
    const char *d;
    unsigned len;                     // octets of it that may be read
    const struct tnd_scan_maps *maps; // of what is parsed; NULL: none, it is read by octet
};

// Text from `from` to `to` for the functions below. `maps` is room for its maps, which are made
// only where that is cheap: who walks a list asks again for the whole rest at each element, and
// where no vector registers make them they cost more than the octets they save looking at.
static inline struct tnd__text tnd__text(const char *d, unsigned from, unsigned to,
                                         struct tnd_scan_maps *maps)
{
    if (to - from > 128 || tnd_scan_active == &tnd_scan_scalar)
        return (struct tnd__text){.d = d, .len = to, .maps = NULL};
    tnd_scan_active->maps(d, from, to, maps);
    return (struct tnd__text){.d = d, .len = to, .maps = maps};
}

static inline uint32_t tnd__load4(const char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint64_t tnd__load8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

static inline struct tnd_span tnd__span(unsigned from, unsigned to)
{
    return (struct tnd_span){(uint16_t)from, (uint16_t)(to - from)};
}

static inline unsigned tnd__skip_lws(const char *base, unsigned at, unsigned end)
{
    // Mostly there is nothing to skip: one comparison tells.
    while (at < end && (uint8_t)base[at] <= ' ' && tnd_char_is(base[at], TND_C_LWS))
        at++;
    return at;
}

static inline unsigned tnd__trim_lws(const char *base, unsigned from, unsigned to)
{
    while (to > from && (uint8_t)base[to - 1] <= ' ' && tnd_char_is(base[to - 1], TND_C_LWS))
        to--;
    return to;
}

static inline unsigned tnd__skip_digits(const char *base, unsigned at, unsigned end)
{
    while (at < end && (uint8_t)(base[at] - '0') <= 9)
        at++;
    return at;
}

unsigned tnd__skip_octets(const char *base, enum tnd_run run, unsigned at, unsigned end);

// Skip the run that starts at `at`, at most to `end`.
static inline unsigned tnd__skip(const struct tnd__text *t, enum tnd_run run, unsigned at,
                                 unsigned end)
{
    unsigned p;

    if (!t->maps)
        return tnd__skip_octets(t->d, run, at, end);
    p = tnd_scan_find(t->maps, run, at);
    return p < end ? p : end;
}

// Whether the four octets at `p` are "sip:" in any case.
static inline bool tnd__is_sip(const char *p)
{
    uint32_t w, fold = 0x00202020, want;

    memcpy(&w, p, sizeof w);
    memcpy(&want, "sip:", sizeof want);
    return (w | fold) == want;
}

// The bits to set in four octets so that letters where `lit` has some become lower case.
static inline uint32_t tnd__fold4(const char *lit)
{
    uint32_t fold = 0;

    for (unsigned i = 0; i < 4; i++)
        fold |= lit[i] >= 'a' && lit[i] <= 'z' ? 0x20u << (8 * i) : 0;
    return fold;
}

// Whether the `len` octets at `p` are `lit` (lower case), whatever their case. For literals:
// four letters or more are two loads that overlap.
static inline __attribute__((always_inline)) bool tnd__is(const char *p, unsigned len,
                                                          const char *lit, unsigned lit_len)
{
    const unsigned last = lit_len - 4;

    if (len != lit_len)
        return false;
    if (lit_len >= 4 && lit_len <= 8)
        return (tnd__load4(p) | tnd__fold4(lit)) == tnd__load4(lit) &&
               (tnd__load4(p + last) | tnd__fold4(lit + last)) == tnd__load4(lit + last);
    for (unsigned i = 0; i < lit_len; i++)
        if (tnd_lower(p[i]) != lit[i])
            return false;
    return true;
}

#define TND__SPAN_IS(base, s, lit) tnd__is((base) + (s).off, (s).len, lit, sizeof(lit) - 1)

// Whether `len` octets are the same here and there. For short texts: a call of memcmp costs
// more than most of these.
static inline bool tnd__same(const char *a, const char *b, unsigned len)
{
    if (len > 8)
        return memcmp(a, b, len) == 0;
    if (len >= 4)
        return tnd__load4(a) == tnd__load4(b) && tnd__load4(a + len - 4) == tnd__load4(b + len - 4);
    while (len > 0 && a[len - 1] == b[len - 1])
        len--;
    return len == 0;
}

// Skip the quoted string that starts at `at` (s25.1: any octet may follow a backslash).
// Returns: offset after the closing quote, or 0 when there is none.
unsigned tnd__skip_quoted(const char *base, unsigned at, unsigned end);

// Read the digits from `at` on. Returns: where they end; `v` is their number, or 2^32 and more
// when that is larger than any this is asked for.
static inline unsigned tnd__digits(const char *base, unsigned at, unsigned end, uint64_t *v)
{
    uint64_t n = 0;

    for (; at < end && (uint8_t)(base[at] - '0') <= 9; at++) {
        n = n * 10 + (uint8_t)(base[at] - '0');
        if (__builtin_expect(n >> 56 != 0, 0))
            n = 1ULL << 48; // ten times as many is above 2^32 still, and no overflow
    }
    *v = n;
    return at;
}

// Read a decimal number of at least one digit, leading zeros allowed.
// Returns: false when empty, not all digits, or above `max`.
static inline bool tnd__number(const char *base, struct tnd_span s, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(uint8_t)base[s.off + i] - '0';

        if (digit > 9)
            return false;
        v = v * 10 + digit;
        if (v > max)
            return false;
    }
    *out = (uint32_t)v;
    return s.len > 0;
}

// Parse a dotted quad that is the whole of `s`; the same verdict as tnd_addr_parse_ip's.
bool tnd__ipv4(const char *base, struct tnd_span s, struct tnd_addr *out);

// Parse the host at `at`: name, IPv4 address or bracketed IPv6 address.
// ip: all zero; filled when it is an address.
// Returns: offset after the host, or 0 when malformed.
unsigned tnd__host(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_addr *ip);

// As tnd_uri_parse and tnd_via_parse, into an `out` that is all zero.
bool tnd__uri(const struct tnd__text *t, struct tnd_span s, struct tnd_uri *out);
bool tnd__tel(const struct tnd__text *t, unsigned at, unsigned end,
              struct tnd_uri *out); // after "tel:"
unsigned tnd__via(const struct tnd__text *t, unsigned at, unsigned end, struct tnd_via *out);

// As tnd_name_addr_next.
bool tnd__name_addr_next(const struct tnd__text *t, uint16_t *at, uint16_t end,
                         struct tnd_span *item, struct tnd_span *uri);

// A parameter of a header value: ";name", ";name=value", blanks anywhere between.
struct tnd__param {
    struct tnd_span whole; // from the ';'
    struct tnd_span name;
    struct tnd_span value; // {off, 0} without one; quotes are part of it
};

enum tnd__step {
    TND__FOUND,
    TND__END,
    TND__MALFORMED,
};

enum tnd__step tnd__param_next_any(const struct tnd__text *t, unsigned *at, unsigned end,
                                   struct tnd__param *out);

// Step to the parameter whose ';' is at *at; on return *at is at the next ';', a ',' or `end`.
static inline enum tnd__step tnd__param_next(const struct tnd__text *t, unsigned *at, unsigned end,
                                             struct tnd__param *out)
{
    unsigned semi = *at, p = semi + 1, q, r;

    if (semi >= end || t->d[semi] != ';')
        return TND__END;
    q = r = tnd__skip(t, TND_RUN_TOKEN, p, end);
    out->name = tnd__span(p, q);
    out->value = tnd__span(q, q);
    if (q < end && t->d[q] == '=') {
        r = tnd__skip(t, TND_RUN_VALUE, q + 1, end);
        out->value = tnd__span(q + 1, r);
        if (r == q + 1)
            return tnd__param_next_any(t, at, end, out);
    }
    if (q == p || (r < end && t->d[r] != ';' && t->d[r] != ','))
        return tnd__param_next_any(t, at, end, out);
    out->whole = tnd__span(semi, r);
    *at = r;
    return TND__FOUND;
}

unsigned tnd__name_addr_any(const struct tnd__text *t, unsigned at, unsigned end,
                            struct tnd_span *uri);

// Parse the display name and URI at `at` of From, To, Contact, Route (s20.10, s25.1).
// Returns: offset of what follows (';', ',' or `end`), or 0 when malformed.
static inline unsigned tnd__name_addr(const struct tnd__text *t, unsigned at, unsigned end,
                                      struct tnd_span *uri)
{
    const char *d = t->d;
    unsigned p = at, q;

    if (p < end && d[p] == '"') {
        p = tnd__skip(t, TND_RUN_QUOTE, p + 1, end);
        if (p + 1 >= end || d[p] != '"')
            return tnd__name_addr_any(t, at, end, uri);
        p += d[p + 1] == ' ' ? 2 : 1;
    }
    if (p >= end || d[p] != '<')
        return tnd__name_addr_any(t, at, end, uri);
    q = tnd__skip(t, TND_RUN_URI, p + 1, end);
    if (q == end || d[q] != '>' || q - p <= 5 || !tnd__is_sip(d + p + 1) ||
        (q + 1 < end && d[q + 1] != ';' && d[q + 1] != ','))
        return tnd__name_addr_any(t, at, end, uri);
    *uri = tnd__span(p + 1, q);
    return q + 1;
}

struct tnd__name {
    uint64_t head, middle, tail; // the first eight letters, the next and the last, lower case
    uint8_t len, id;             // `middle` counts above 16 letters, `tail` from 8
};

extern const struct tnd__name tnd__names[32];

static inline unsigned tnd__name_slot(uint64_t head)
{
    return (unsigned)(head * 0xa5ac06d864c2f2e3ULL >> 59);
}

// Find the header called by the token of `len` at `at`, in any case, compact forms too.
static inline enum tnd_hdr tnd__hdr_lookup(const struct tnd__text *t, unsigned at, unsigned len)
{
    // Setting bit 5 makes letters lower case, leaves '-' alone, and turns no other character of
    // tokens into one of either.
    const uint64_t fold = 0x2020202020202020ULL;
    const struct tnd__name *name;
    const char *p = t->d + at;
    char copy[8] = {0};
    uint64_t head;

    if (__builtin_expect(at + 8 > t->len, 0))
        p = memcpy(copy, p, len < 8 ? len : 8);
    head = tnd__load8(p) | fold;
    if (len < 8)
        head &= (1ULL << (8 * len)) - 1;
    name = &tnd__names[tnd__name_slot(head)];
    if (name->head != head)
        return TND_HDR_OTHER;
    if (len < 8) // no letter is 0: the lengths are equal too
        return (enum tnd_hdr)name->id;
    if (name->len != len || name->tail != (tnd__load8(p + len - 8) | fold))
        return TND_HDR_OTHER;
    if (len > 16 && name->middle != (tnd__load8(p + 8) | fold))
        return TND_HDR_OTHER;
    return (enum tnd_hdr)name->id;
}

enum tnd_method tnd__method_lookup(const char *p, unsigned len); // case counts (s7.1)
