// Borrowed text: a pointer and a length, never NUL-terminated by contract.
//
// Threads:  values; no state.
// Lifetime: as long as the bytes pointed to; the struct owns nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tnd_str {
    const char *p;
    size_t len;
};

// A literal (or char array whose NUL is not part of it) as a tnd_str.
#define TND_STR(lit) ((struct tnd_str){(lit), sizeof(lit) - 1})

static inline struct tnd_str tnd_str_of(const char *z)
{
    return (struct tnd_str){z, strlen(z)};
}

// ASCII only, by design: SIP and DNS fold case in ASCII whatever the locale.
static inline char tnd_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

// Eight of them at once, in any octet order.
static inline uint64_t tnd_lower8(uint64_t x)
{
    uint64_t low = x & 0x7f7f7f7f7f7f7f7fULL;
    uint64_t from_a = low + 0x0101010101010101ULL * (0x80 - 'A');
    uint64_t above_z = low + 0x0101010101010101ULL * (0x7f - 'Z');

    return x | ((from_a & ~above_z & ~x & 0x8080808080808080ULL) >> 2);
}

static inline bool tnd_str_eq(struct tnd_str a, struct tnd_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool tnd__ieq8(const char *a, const char *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x == y || tnd_lower8(x) == tnd_lower8(y); // mostly they are spelled alike
}

static inline bool tnd_str_ieq(struct tnd_str a, struct tnd_str b)
{
    size_t i = 0;

    if (a.len != b.len)
        return false;
    for (; i + 8 <= a.len; i += 8)
        if (!tnd__ieq8(a.p + i, b.p + i))
            return false;
    if (a.len >= 8) // the rest, and some of it again
        return i == a.len || tnd__ieq8(a.p + a.len - 8, b.p + a.len - 8);
    for (; i < a.len; i++)
        if (tnd_lower(a.p[i]) != tnd_lower(b.p[i]))
            return false;
    return true;
}

// Make `len` octets zero, a constant: by 64, which become stores, where the whole may become a
// string instruction, which takes some 40 ns to begin.
static inline __attribute__((always_inline)) void tnd_zero(void *p, size_t len)
{
    size_t i = 0;

    for (; i + 64 <= len; i += 64)
        memset((char *)p + i, 0, 64);
    memset((char *)p + i, 0, len - i);
}
