// Escaped octets in URIs (RFC 3261 19.1.4): "%41" is "A"; undone once, never again.
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
