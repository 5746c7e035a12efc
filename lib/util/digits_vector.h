// What the digit kernels share, over vectors of the size that the including file names as
// TND__VECTOR. From it too: TND__LOOK_UP(table, i), the octets of a table of sixteen, which stands
// in each sixteen of `table`; and TND__LESS(a, b), a - b or 0.
//
// Threads: pure. Private to the kernels.
#pragma once

#include <string.h>

#include "util/digits.h"

// Octets, and half as many of them.
typedef uint8_t OCTETS __attribute__((vector_size(TND__VECTOR)));
typedef uint8_t HALF __attribute__((vector_size(TND__VECTOR / 2)));
typedef uint16_t WORDS16 __attribute__((vector_size(TND__VECTOR)));
typedef uint32_t WORDS32 __attribute__((vector_size(TND__VECTOR)));

// The same order, or values, in each sixteen octets; and twelve octets from each sixteen.
#define TND__16(x, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                          \
    (x) + (a), (x) + (b), (x) + (c), (x) + (d), (x) + (e), (x) + (f), (x) + (g), (x) + (h), \
        (x) + (i), (x) + (j), (x) + (k), (x) + (l), (x) + (m), (x) + (n), (x) + (o), (x) + (p)
#define TND__SWAP8(x)  TND__16(x, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8)
#define TND__TRIPLE(x) TND__16(x, 2, 1, 0, 0, 5, 4, 3, 3, 8, 7, 6, 6, 11, 10, 9, 9)
#if TND__VECTOR == 64
#define TND__SWAP_HALF TND__SWAP8(0), TND__SWAP8(16)
#define TND__TRIPLES   TND__TRIPLE(0), TND__TRIPLE(16), TND__TRIPLE(32), TND__TRIPLE(48)
#define TND__SPREAD    0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11
#define TND__ALL(...)                                                          \
    TND__16(0, __VA_ARGS__), TND__16(0, __VA_ARGS__), TND__16(0, __VA_ARGS__), \
        TND__16(0, __VA_ARGS__)
#else
#define TND__SWAP_HALF TND__SWAP8(0)
#define TND__TRIPLES   TND__TRIPLE(0), TND__TRIPLE(16)
#define TND__SPREAD    0, 1, 2, 2, 3, 4, 5, 5
#define TND__ALL(...)  TND__16(0, __VA_ARGS__), TND__16(0, __VA_ARGS__)
#endif

// The digits of half a vector's octets, words of which the highest octet is the last.
static inline OCTETS tnd__hex_digits(HALF v)
{
    static const OCTETS digits = {
        TND__ALL('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f')};

    v = __builtin_shufflevector(v, v, TND__SWAP_HALF);
    WORDS16 w = __builtin_convertvector(v, WORDS16);
    w = (w >> 4 | w << 8) & 0x0f0f; // the high half of an octet comes first
    return TND__LOOK_UP(digits, (OCTETS)w);
}

static void hex(const struct tnd_hex_words in[], unsigned n, char *const out[])
{
    for (unsigned i = 0; i < n; i++)
        for (size_t at = 0; at < sizeof in[i].word; at += sizeof(HALF)) {
            HALF v;
            memcpy(&v, (const char *)in[i].word + at, sizeof v);
            OCTETS digits = tnd__hex_digits(v);
            memcpy(out[i] + 2 * at, &digits, sizeof digits);
        }
}

// The characters of the vector's first three quarters.
static inline OCTETS tnd__base64url_digits(OCTETS v)
{
    // To be added to: what is below 26, at 0; below 52, at 1; 52 to 61; 62; 63.
    static const OCTETS steps = {TND__ALL('A', 'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                          '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                          '0' - 52, '-' - 62, '_' - 63, 0, 0)};
    WORDS32 w = (WORDS32)v;

    w = __builtin_shufflevector(w, w, TND__SPREAD);                  // twelve octets in sixteen
    v = __builtin_shufflevector((OCTETS)w, (OCTETS)w, TND__TRIPLES); // three, the first one highest
    w = (WORDS32)v;
    w = (w >> 18 & 0x3f) | (w >> 4 & 0x3f00) | (w << 10 & 0x3f0000) | (w << 24 & 0x3f000000);
    v = (OCTETS)w;
    return v + TND__LOOK_UP(steps, TND__LESS(v, v - v + 51) - (OCTETS)(v > 25));
}

static void base64url(const struct tnd_base64_octets in[], unsigned n, char *const out[])
{
    for (unsigned i = 0; i < n; i++) {
        char *to = out[i];
        for (size_t at = 0; at < in[i].len; at += TND__VECTOR / 4 * 3, to += TND__VECTOR) {
            OCTETS v;
            memcpy(&v, in[i].octet + at, sizeof v);
            v = tnd__base64url_digits(v);
            memcpy(to, &v, sizeof v);
        }
    }
}
