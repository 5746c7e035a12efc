// Values of header fields: quoted strings, numbers, parameters, name-addrs, token lists.
#include "sip/value.h"

// The runs as the kernels know them, for text without maps.
static bool goes_on(char c, enum tnd_run run)
{
    static const uint8_t classes[TND_RUN_COUNT] = {
        [TND_RUN_TOKEN] = TND_C_TOKEN,
        [TND_RUN_URI] = TND_C_URI,
        [TND_RUN_VALUE] = TND_C_VALUE,
        [TND_RUN_HOST] = TND_C_HOST,
    };

    if (run == TND_RUN_QUOTE)
        return c != '"' && c != '\\';
    return tnd_char_is(c, classes[run]);
}

size_t tnd__skip_octets(const char *base, enum tnd_run run, size_t at, size_t end)
{
    while (at < end && goes_on(base[at], run))
        at++;
    return at;
}

size_t tnd__long_run_end(const uint64_t *stops, size_t at)
{
    uint64_t w = stops[at / 64] >> at % 64;

    if (w)
        return at + tnd__first(w);
    for (at = at / 64 + 1; stops[at] == 0; at++)
        ;
    return at * 64 + tnd__first(stops[at]);
}

size_t tnd__skip_quoted(const char *base, size_t at, size_t end)
{
    for (at++; at < end; at++) {
        if (base[at] == '"')
            return at + 1;
        if (base[at] == '\\')
            at++;
    }
    return 0;
}

// Step over empty parameters: ";;" and a last ";" are no part of the grammar, yet common.
static size_t next_name(const char *base, size_t at, size_t end)
{
    do
        at = tnd__skip_lws(base, at + 1, end);
    while (at < end && base[at] == ';');
    return at;
}

// Find the end of the value that starts at `at`; 0 when a quote stays open.
static size_t value_end(struct tnd__text t, size_t at, size_t end)
{
    if (at < end && t.d[at] == '"')
        return tnd__skip_quoted(t.d, at, end);
    return tnd__skip(t, TND_RUN_VALUE, at, end);
}

enum tnd__step tnd__param_next_any(struct tnd__text t, size_t *at, size_t end,
                                   struct tnd__param *out)
{
    const char *base = t.d;
    size_t semi = *at, p, q;

    if (semi >= end || base[semi] != ';')
        return TND__END;
    p = next_name(base, semi, end);
    if (p == end || base[p] == ',') {
        *at = p;
        return TND__END;
    }
    q = tnd__skip(t, TND_RUN_TOKEN, p, end);
    if (q == p)
        return TND__MALFORMED;
    out->name = tnd__span(p, q);
    out->value = tnd__span(q, q);
    p = tnd__skip_lws(base, q, end);
    if (p < end && base[p] == '=') {
        p = tnd__skip_lws(base, p + 1, end);
        q = value_end(t, p, end);
        if (q == 0)
            return TND__MALFORMED;
        out->value = tnd__span(p, q);
        p = tnd__skip_lws(base, q, end);
    }
    out->whole = tnd__span(semi, q);
    *at = p;
    return p == end || base[p] == ';' || base[p] == ',' ? TND__FOUND : TND__MALFORMED;
}

// Whether a URI begins as every URI must (RFC 3986 s3.1) and goes on after the colon.
static bool has_scheme(const char *base, struct tnd_span uri)
{
    size_t at = uri.off, end = uri.off + uri.len;

    if (uri.len > 4 && tnd__is_sip(base + at))
        return true;
    if (uri.len == 0 || !tnd_char_is(base[at], TND_C_ALPHA))
        return false;
    while (at < end && (tnd_char_is(base[at], TND_C_ALPHA | TND_C_DIGIT) || base[at] == '+' ||
                        base[at] == '-' || base[at] == '.'))
        at++;
    return at + 1 < end && base[at] == ':';
}

// Skip a display name: quoted, or tokens and blanks. Octets above ASCII pass unquoted too, and
// so do quotes that were escaped instead of opened (\"name\"), as phones in use write them.
// Returns: offset of the '<'; `at` itself when there is no name before an addr-spec; 0 malformed.
static size_t skip_display_name(const char *base, size_t at, size_t end)
{
    size_t p = at;

    if (base[at] == '"') {
        p = tnd__skip_quoted(base, at, end);
        if (p == 0)
            return 0;
        p = tnd__skip_lws(base, p, end);
        return p < end && base[p] == '<' ? p : 0;
    }
    while (p < end) {
        if (base[p] == '\\' && p + 1 < end && base[p + 1] == '"')
            p += 2;
        else if (tnd_char_is(base[p], TND_C_TOKEN | TND_C_LWS) || (base[p] & 0x80))
            p++;
        else
            break;
    }
    return p < end && base[p] == '<' ? p : at;
}

// An addr-spec without brackets ends where a header parameter begins; '?' and ',' would need
// brackets (s20). '?' in it is refused, ',' ends it.
static size_t bare_addr_spec(struct tnd__text t, size_t at, size_t end)
{
    size_t p = tnd__skip(t, TND_RUN_VALUE, at, end);

    return p > at && memchr(t.d + at, '?', p - at) ? 0 : p;
}

size_t tnd__name_addr_any(struct tnd__text t, size_t at, size_t end, struct tnd_span *uri)
{
    const char *base = t.d;
    size_t p, q;

    if (at >= end)
        return 0;
    p = skip_display_name(base, at, end);
    if (p == 0)
        return 0;
    if (base[p] == '<') {
        q = tnd__skip(t, TND_RUN_URI, p + 1, end);
        if (q == end || base[q] != '>')
            return 0;
        *uri = tnd__span(p + 1, q);
        q++;
    } else {
        q = bare_addr_spec(t, p, end);
        if (q == 0)
            return 0;
        *uri = tnd__span(p, q);
    }
    if (!has_scheme(base, *uri))
        return 0;
    q = tnd__skip_lws(base, q, end);
    return q == end || base[q] == ';' || base[q] == ',' ? q : 0;
}

// After a list element: its comma taken, or the end. Nothing behind a comma is malformed.
static bool step_over_comma(const char *base, size_t p, size_t end, uint16_t *at)
{
    if (p < end) {
        p = tnd__skip_lws(base, p + 1, end);
        if (p == end)
            return false;
    }
    *at = (uint16_t)p;
    return true;
}

bool tnd__name_addr_next(struct tnd__text t, uint16_t *at, uint16_t end, struct tnd_span *item,
                         struct tnd_span *uri)
{
    const char *base = t.d;
    size_t start = tnd__skip_lws(base, *at, end), p;
    struct tnd__param param;
    enum tnd__step step;

    if (start == end) {
        *at = end;
        return false;
    }
    p = tnd__name_addr(t, start, end, uri);
    if (p == 0)
        return false;
    do
        step = tnd__param_next(t, &p, end, &param);
    while (step == TND__FOUND);
    if (step == TND__MALFORMED)
        return false;
    *item = tnd__span(start, tnd__trim_lws(base, start, p));
    return step_over_comma(base, p, end, at);
}

bool tnd_name_addr_next(const char *base, uint16_t *at, uint16_t end, struct tnd_span *item,
                        struct tnd_span *uri)
{
    struct tnd_scan_maps maps;
    struct tnd__text t = tnd__text(base, *at, end, &maps);

    return tnd__name_addr_next(t, at, end, item, uri);
}

// Lists of tokens and parameters of others are short, rare and read by octet.
static size_t skip_token(const char *base, size_t at, size_t end)
{
    while (at < end && tnd_char_is(base[at], TND_C_TOKEN))
        at++;
    return at;
}

bool tnd_token_next(const char *base, uint16_t *at, uint16_t end, struct tnd_span *token)
{
    size_t start = tnd__skip_lws(base, *at, end), p;

    if (start == end) {
        *at = end;
        return false;
    }
    p = skip_token(base, start, end);
    if (p == start)
        return false;
    *token = tnd__span(start, p);
    p = tnd__skip_lws(base, p, end);
    if (p < end && base[p] != ',')
        return false;
    return step_over_comma(base, p, end, at);
}

// Find where the parameter at `at` ends: at a ';' outside quotes, or at `end`.
static size_t param_end(const char *base, size_t at, size_t end)
{
    while (at < end && base[at] != ';') {
        size_t after = base[at] == '"' ? tnd__skip_quoted(base, at, end) : 0;
        at = after ? after : at + 1;
    }
    return at;
}

bool tnd_param_find(const char *base, struct tnd_span params, struct tnd_str name,
                    struct tnd_span *value)
{
    size_t at = params.off, end = params.off + params.len;

    while (at < end) {
        size_t stop = param_end(base, at, end);
        size_t p = tnd__skip_lws(base, at, stop);
        size_t q = skip_token(base, p, stop);

        at = stop + 1;
        if (!tnd_str_ieq((struct tnd_str){base + p, q - p}, name))
            continue;
        p = tnd__skip_lws(base, q, stop);
        if (p == stop) {
            *value = tnd__span(q, q);
            return true;
        }
        if (base[p] == '=') {
            p = tnd__skip_lws(base, p + 1, stop);
            *value = tnd__span(p, tnd__trim_lws(base, p, stop));
            return true;
        }
    }
    return false;
}
