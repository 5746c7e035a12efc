// Header and method names: each lookup is one slot of a small table.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/lex.h"

#ifdef __AVX__
#include <immintrin.h>
#endif

struct tnd__name {
    uint64_t head, middle, tail; // the first eight letters, the next and the last, lower case
    uint8_t len, id;             // `middle` counts above 16 letters, `tail` from 8
};

// A header's name as nearly everybody writes it, with a colon and one blank behind it.
struct tnd__form {
    uint8_t text[16]; // lower case
    uint8_t bits[16]; // of the text's those that count
    uint8_t len, id;  // octets of the text; enum tnd_hdr
    uint8_t also;     // slot of another with the same first three letters, or 0
} __attribute__((aligned(64)));

struct tnd__method {
    uint64_t head; // the first eight letters
    uint8_t len, id;
};

// Nobody replaces these at run time: found without a table of addresses.
extern const struct tnd__name tnd__names[32] __attribute__((visibility("hidden")));
extern const struct tnd__form tnd__forms[64] __attribute__((visibility("hidden")));
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

// Whether the 16 octets at `p` begin with that form.
TND__INLINE bool tnd__is_form(const struct tnd__form *form, const char *p)
{
#ifdef __AVX__
    __m128i differ = _mm_xor_si128(_mm_loadu_si128((const __m128i *)p),
                                   _mm_load_si128((const __m128i *)form->text));

    return _mm_testz_si128(differ, _mm_load_si128((const __m128i *)form->bits));
#else
    const char *text = (const char *)form->text, *bits = (const char *)form->bits;

    return (((tnd__load8(p) ^ tnd__load8(text)) & tnd__load8(bits)) |
            ((tnd__load8(p + 8) ^ tnd__load8(text + 8)) & tnd__load8(bits + 8))) == 0;
#endif
}

// Find the form that the line at `p` begins with, where 16 octets can be read. One comparison
// tells the header, that all before the colon is a token, and where the value begins.
// Returns: NULL when it is none of them; tnd__hdr_lookup knows more.
TND__INLINE const struct tnd__form *tnd__form_at(const char *p)
{
    uint32_t three = tnd__load4(p) & 0x00dfdfdf; // in any case
    const struct tnd__form *form = &tnd__forms[(uint32_t)(three * 0x288bc781u) >> 26];

    while (tnd__unlikely(!tnd__is_form(form, p))) {
        if (form->also == 0)
            return NULL;
        form = &tnd__forms[form->also];
    }
    return form;
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
