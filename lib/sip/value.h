// Parameters and name-addrs of header values.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/lex.h"

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

enum tnd__step tnd__param_next_any(struct tnd__text t, size_t *at, size_t end,
                                   struct tnd__param *out);

// Step to the parameter whose ';' is at *at; on return *at is at the next ';', a ',' or `end`.
static inline enum tnd__step tnd__param_next(struct tnd__text t, size_t *at, size_t end,
                                             struct tnd__param *out)
{
    size_t semi = *at, p = semi + 1, q, r;

    if (semi >= end || t.d[semi] != ';')
        return TND__END;
    q = r = tnd__skip(t, TND_RUN_TOKEN, p, end);
    out->name = tnd__span(p, q);
    out->value = tnd__span(q, q);
    if (q < end && t.d[q] == '=') {
        r = tnd__skip(t, TND_RUN_VALUE, q + 1, end);
        out->value = tnd__span(q + 1, r);
        if (r == q + 1)
            return tnd__param_next_any(t, at, end, out);
    }
    if (q == p || (r < end && t.d[r] != ';' && t.d[r] != ','))
        return tnd__param_next_any(t, at, end, out);
    out->whole = tnd__span(semi, r);
    *at = r;
    return TND__FOUND;
}

// Whether a parameter or what has parameters may end at `at`.
TND__INLINE bool tnd__ends_param(const char *d, size_t at, size_t end)
{
    return at == end || d[at] == ';' || d[at] == ',';
}

size_t tnd__name_addr_any(struct tnd__text t, size_t at, size_t end, struct tnd_span *uri);

// Skip a display name of tokens, and blanks between them, at `at`. Returns: offset of what stops
// it, at most `end`: blanks may go on behind the value, to the message's last octet.
TND__INLINE size_t tnd__skip_tokens(struct tnd__text t, size_t at, size_t end)
{
    uint64_t stops = tnd__stops(t, TND_RUN_TOKEN, at);

    while (stops && at + tnd__first(stops) < end && t.d[at + tnd__first(stops)] == ' ')
        stops = tnd__but_first(stops);
    return stops ? at + tnd__first(stops) : at;
}

// As tnd__name_addr for the common forms, but for what may follow, which is at `behind`.
// Returns: false when only the long way can tell.
TND__INLINE bool tnd__plain_name_addr(struct tnd__text t, size_t at, size_t end,
                                      struct tnd_span *uri, size_t *behind)
{
    const char *d = t.d;
    size_t p = at, q;

    if (tnd__unlikely(!tnd__has_room(t, end)))
        return false;
    if (d[p] == '"') {
        p = tnd__run_end(t, TND_RUN_QUOTE, p + 1);
        if (tnd__unlikely(p >= end || d[p] != '"'))
            return false;
        p++;
        p += d[p] == ' ';
    } else if (tnd__unlikely(d[p] != '<')) {
        p = tnd__skip_tokens(t, p, end);
    }
    if (tnd__unlikely(d[p] != '<' || !tnd__is_sip(d + p + 1)))
        return false;
    q = tnd__run_end(t, TND_RUN_URI, p + 5);
    if (tnd__unlikely(d[q] != '>' || q == p + 5))
        return false;
    *uri = tnd__span(p + 1, q);
    *behind = q + 1;
    return true;
}

// Parse the display name and URI at `at` of From, To, Contact, Route (s20.10, s25.1).
// Returns: offset of what follows (';', ',' or `end`), or 0 when malformed.
TND__INLINE size_t tnd__name_addr(struct tnd__text t, size_t at, size_t end, struct tnd_span *uri)
{
    size_t p;

    if (t.maps && tnd__plain_name_addr(t, at, end, uri, &p) && tnd__ends_param(t.d, p, end))
        return p;
    return tnd__name_addr_any(t, at, end, uri);
}

// Skip the parameters from `at` on, each ";name", ";name=value" or ";name=\"quoted\"", in a value
// that has room. Returns: offset of what is no such parameter: a ',', `end`, or what only the long
// way can tell.
TND__INLINE size_t tnd__skip_params(struct tnd__text t, size_t at, size_t end)
{
    const char *d = t.d;

    while (at != end && d[at] == ';') {
        size_t p = tnd__run_end(t, TND_RUN_TOKEN, at + 1), from = p + 1;

        if (p == at + 1)
            break;
        if (d[p] == '=' && d[from] == '"') {
            p = tnd__run_end(t, TND_RUN_QUOTE, from + 1);
            if (p >= end || d[p++] != '"')
                break;
        } else if (d[p] == '=') {
            p = tnd__run_end(t, TND_RUN_VALUE, from);
        }
        if (!tnd__ends_param(d, p, end))
            break;
        at = p;
    }
    return at;
}

// As tnd_name_addr_next.
bool tnd__name_addr_next(struct tnd__text t, uint16_t *at, uint16_t end, struct tnd_span *item,
                         struct tnd_span *uri);
