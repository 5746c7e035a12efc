// base64url without padding (RFC 4648 s5), strict: one text for each value.
//
// Threads: pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Characters of `n` octets, and octets of `n` characters (`n` % 4 is never 1).
#define TND_BASE64URL_LEN(n)    (((n)*8 + 5) / 6)
#define TND_BASE64URL_OCTETS(n) ((n)*6 / 8)

// Write TND_BASE64URL_LEN(len) characters, no NUL; those of a burst: util/digits.h.
// Returns: that number.
static inline size_t tnd_base64url_encode(const uint8_t *in, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *p = out;

    for (; len >= 3; len -= 3, in += 3) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = digits[v >> 6 & 63];
        *p++ = digits[v & 63];
    }
    if (len == 1) {
        *p++ = digits[in[0] >> 2];
        *p++ = digits[in[0] << 4 & 63];
    } else if (len == 2) {
        *p++ = digits[in[0] >> 2];
        *p++ = digits[(in[0] << 4 | in[1] >> 4) & 63];
        *p++ = digits[in[1] << 2 & 63];
    }
    return (size_t)(p - out);
}

// Value of one character, or 64 when it is none of the alphabet.
static inline uint32_t tnd_base64url_value(char c)
{
    // clang-format off
    static const uint8_t values[128] = {
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
        52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
        64, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
        64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
    };
    // clang-format on

    return (uint8_t)c < 128 ? values[(uint8_t)c] : 64;
}

// Read `len` characters into TND_BASE64URL_OCTETS(len) octets.
// Returns: false for another alphabet, an impossible length, or spare bits that are not 0.
static inline bool tnd_base64url_decode(const char *in, size_t len, uint8_t *out)
{
    uint32_t v, bad = 0, rest = 0;
    unsigned bits = 0;

    if (len % 4 == 1)
        return false;
    for (; len >= 4; len -= 4, in += 4, out += 3) {
        uint32_t a = tnd_base64url_value(in[0]), b = tnd_base64url_value(in[1]);
        uint32_t c = tnd_base64url_value(in[2]), d = tnd_base64url_value(in[3]);
        bad |= a | b | c | d;
        v = a << 18 | b << 12 | c << 6 | d;
        out[0] = (uint8_t)(v >> 16);
        out[1] = (uint8_t)(v >> 8);
        out[2] = (uint8_t)v;
    }
    for (; len > 0; len--, bits += 6) {
        v = tnd_base64url_value(*in++);
        bad |= v;
        rest = rest << 6 | v;
    }
    for (; bits >= 8; bits -= 8)
        *out++ = (uint8_t)(rest >> (bits - 8));
    return bad < 64 && (rest & ((1u << bits) - 1)) == 0;
}
