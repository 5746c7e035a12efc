// The octets of a user part as they compare: escapes undone (RFC 3261 19.1.4: "%41" is "A"; once,
// never again), and of a telephone number only what is dialled (RFC 3966 s3, s4).
//
// Threads: pure.
#pragma once

#include "util/str.h"

static inline unsigned tnd__hex_value(char c)
{
    c = tnd_lower(c);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

// Take the next octet off the front. Requires: s->len > 0. What is no escape stands for itself.
static inline char tnd__unescape(struct tnd_str *s)
{
    size_t used = 1;
    char c = s->p[0];

    if (c == '%' && s->len > 2) {
        unsigned high = tnd__hex_value(s->p[1]), low = tnd__hex_value(s->p[2]);
        if (high < 16 && low < 16) {
            c = (char)(high << 4 | low);
            used = 3;
        }
    }
    s->p += used;
    s->len -= used;
    return c;
}

// For the eye only (RFC 3966 s3 visual-separator).
static inline bool tnd__is_separator(char c)
{
    return c == '-' || c == '.' || c == '(' || c == ')';
}

// Take the next octet that counts off the front. number: a telephone number: separators are left
// out, its digits A to F are lower case, and it ends at its parameters.
// Returns: false at the end.
static inline bool tnd__next_octet(struct tnd_str *s, bool number, char *c)
{
    while (s->len && !(number && *s->p == ';')) {
        *c = tnd__unescape(s);
        if (!number)
            return true;
        if (tnd__is_separator(*c))
            continue;
        *c = tnd_lower(*c);
        return true;
    }
    return false;
}
