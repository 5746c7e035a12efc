// Header and method names: each lookup is one slot of a small table.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/lex.h"

struct tnd__name {
    uint64_t head, middle, tail; // the first eight letters, the next and the last, lower case
    uint8_t len, id;             // `middle` counts above 16 letters, `tail` from 8
};

struct tnd__method {
    uint64_t head; // the first eight letters
    uint8_t len, id;
};

// Nobody replaces these at run time: found without a table of addresses.
extern const struct tnd__name tnd__names[32] __attribute__((visibility("hidden")));
extern const struct tnd__method tnd__methods[16] __attribute__((visibility("hidden")));

// Find the header called by the token of `len` octets at `p`, where eight can be read, in any
// case, compact forms too.
TND__INLINE enum tnd_hdr tnd__hdr_lookup(const char *p, size_t len)
{
    // Setting bit 5 makes letters lower case, leaves '-' alone, and turns no other character of
    // tokens into one of either.
    const uint64_t fold = 0x2020202020202020ULL;
    uint64_t head = tnd__first_octets(tnd__load8(p) | fold, len); // of a long one anything
    const struct tnd__name *name = &tnd__names[head * 0xa5ac06d864c2f2e3ULL >> 59];

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

// Find the method called by the token `s`. Case counts (s7.1).
TND__INLINE enum tnd_method tnd__method_lookup(struct tnd__text t, struct tnd_span s)
{
    const struct tnd__method *method;
    const char *p = t.d + s.off;
    char copy[9] = {0};
    uint64_t head;

    if (tnd__unlikely(s.off + sizeof copy > t.len))
        p = memcpy(copy, p, s.len < sizeof copy ? s.len : sizeof copy);
    head = tnd__first_octets(tnd__load8(p), s.len);
    method = &tnd__methods[head * 0x25fe3a1848e772bbULL >> 60];
    if (method->head != head || method->len != s.len || (s.len > 8 && p[8] != 'E')) // SUBSCRIBE
        return TND_METHOD_OTHER;
    return (enum tnd_method)method->id;
}
