// Telephone numbers as URIs (RFC 3966).
#include "sip/escape.h"
#include "sip/uri.h"

// s3: digits, for local numbers also A to F, '*' and '#', and what is there for the eye only.
static bool phone_digit(char c, bool global)
{
    if (tnd_char_is(c, TND_C_DIGIT))
        return true;
    return !global && (tnd_char_is(c, TND_C_HEX) || c == '*' || c == '#');
}

// Whether [at, end) is a number: a '+' at most in front, and at least one digit. '#' can be in a
// URI only as "%23" (RFC 3986), so escapes of what may stand here are read too.
static bool number_fine(const char *base, size_t at, size_t end)
{
    struct tnd_str s = {base + at, end - at};
    bool first = true, global = false;
    unsigned digits = 0;

    for (; s.len; first = false) {
        char c = tnd__unescape(&s);

        if (first && c == '+')
            global = true;
        else if (phone_digit(c, global))
            digits++;
        else if (!tnd__is_separator(c))
            return false;
    }
    return digits > 0;
}

// s5.1.5: a local number belongs to the domain, or to the prefix ("+49"), of its phone-context.
static bool take_context(struct tnd__text t, struct tnd_uri *out)
{
    struct tnd_span rest = out->params, again, value;
    struct tnd_addr ip = {0};

    if (!tnd_param_find(t.d, rest, TND_STR("phone-context"), &value))
        return true;
    rest.len = (uint16_t)(rest.off + rest.len - (value.off + value.len));
    rest.off = (uint16_t)(value.off + value.len);
    if (value.len == 0 || tnd_param_find(t.d, rest, TND_STR("phone-context"), &again))
        return false; // s3: no parameter twice
    if (tnd__host_any(t, value.off, value.off + value.len, &ip) == (size_t)value.off + value.len &&
        ip.family == 0)
        out->host = value;
    return true;
}

bool tnd__tel(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    const char *semi = memchr(t.d + at, ';', end - at);
    size_t stop = semi ? (size_t)(semi - t.d) : end;

    out->user = tnd__span(at, stop);
    if (!number_fine(t.d, at, stop))
        return false;
    if (!semi)
        return true;
    out->params = tnd__span(stop + 1, end);
    return take_context(t, out);
}
