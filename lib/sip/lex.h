// Steps that the parsers of values share: runs, blanks, digits, literals. A value may hold
// folds: a line end inside one is white space, for message.h has checked that a blank follows it.
//
// Runs of characters are read off the maps of a scan (scan.h). What each header of these
// (value.h, host.h, uri.h, via.h) has inline are the common forms, without blanks where the
// grammar allows them and hardly anybody writes them. Whatever else there is goes the long way,
// in the .c file of that name, from the start. A common form may look TND__ROOM octets past the
// value's end, so that no step of it asks where the message ends; a value with less behind it
// goes the long way too.
//
// Positions are offsets from `d`, wide for arithmetic; they fit 16 bits where stored.
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/msg.h"
#include "sip/scan.h"

#define tnd__likely(c)   __builtin_expect(!!(c), 1)
#define tnd__unlikely(c) __builtin_expect(!!(c), 0)

struct tnd__text {
    const char *d;
    size_t len;                       // octets of it that may be read
    const struct tnd_scan_maps *maps; // of what is parsed; NULL: none, it is read by octet
};

// Text from `from` to `to` for the functions below. `maps` is room for its maps, which are made
// only where that is cheap: who walks a list asks again for the whole rest at each element, and
// where no vector registers make them they cost more than the octets they save looking at.
static inline struct tnd__text tnd__text(const char *d, size_t from, size_t to,
                                         struct tnd_scan_maps *maps)
{
    if (to - from > 128 || tnd_scan_active == &tnd_scan_scalar)
        return (struct tnd__text){.d = d, .len = to, .maps = NULL};
    tnd_scan_active->maps(d, (uint32_t)from, (uint32_t)to, maps);
    return (struct tnd__text){.d = d, .len = to, .maps = maps};
}

#define TND__ROOM 20

// Whether the value that ends at `end` can be of a common form. No run in one passes `end`, for
// what ends a value (blank, line end) ends every run but that of a quoted string.
TND__INLINE bool tnd__has_room(struct tnd__text t, size_t end)
{
    return end + TND__ROOM <= t.len;
}

static inline uint16_t tnd__load2(const char *p)
{
    uint16_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint32_t tnd__load4(const char *p)
{
    uint32_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

static inline uint64_t tnd__load8(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return w;
}

static inline struct tnd_span tnd__span(size_t from, size_t to)
{
    return (struct tnd_span){(uint16_t)from, (uint16_t)(to - from)};
}

static inline size_t tnd__skip_lws(const char *base, size_t at, size_t end)
{
    // Mostly there is nothing to skip: one comparison tells.
    while (at < end && (uint8_t)base[at] <= ' ' && tnd_char_is(base[at], TND_C_LWS))
        at++;
    return at;
}

static inline size_t tnd__trim_lws(const char *base, size_t from, size_t to)
{
    while (to > from && (uint8_t)base[to - 1] <= ' ' && tnd_char_is(base[to - 1], TND_C_LWS))
        to--;
    return to;
}

static inline size_t tnd__skip_digits(const char *base, size_t at, size_t end)
{
    while (at < end && (uint8_t)(base[at] - '0') <= 9)
        at++;
    return at;
}

size_t tnd__skip_octets(const char *base, enum tnd_run run, size_t at, size_t end);

// Skip the run that starts at `at`, at most to `end`.
static inline size_t tnd__skip(struct tnd__text t, enum tnd_run run, size_t at, size_t end)
{
    size_t p;

    if (!t.maps)
        return tnd__skip_octets(t.d, run, at, end);
    p = tnd_scan_find(t.maps, run, at);
    return p < end ? p : end;
}

size_t tnd__long_run_end(const uint64_t *stops, size_t at);

// The octets from `at` on that stop a run of that kind: bit 0 stands for `at`, and the lower 57
// bits are there. For values with more than one mark in them: each is one step from the last.
TND__INLINE uint64_t tnd__stops(struct tnd__text t, enum tnd_run run, size_t at)
{
    return tnd__load8((const char *)t.maps->stop[run] + at / 8) >> at % 8;
}

TND__INLINE uint64_t tnd__but_first(uint64_t stops)
{
    return stops & (stops - 1);
}

TND__INLINE size_t tnd__first(uint64_t stops)
{
    return (size_t)__builtin_ctzll(stops);
}

// As tnd_scan_find, where the run is short: in one step.
TND__INLINE size_t tnd__run_end(struct tnd__text t, enum tnd_run run, size_t at)
{
    uint64_t stops = tnd__stops(t, run, at);

    return tnd__likely(stops != 0) ? at + tnd__first(stops)
                                   : tnd__long_run_end(t.maps->stop[run], at);
}

// The first `n` octets of `w`, zeros behind them; all eight for n from 8 to 31.
TND__INLINE uint64_t tnd__first_octets(uint64_t w, size_t n)
{
#ifdef __BMI2__
    return __builtin_ia32_bzhi_di(w, 8 * n);
#else
    return n < 8 ? w & ((1ULL << 8 * n) - 1) : w;
#endif
}

// Whether the four octets at `p` are "sip:" in any case.
static inline bool tnd__is_sip(const char *p)
{
    uint32_t w, fold = 0x00202020, want;

    memcpy(&w, p, sizeof w);
    memcpy(&want, "sip:", sizeof want);
    return (w | fold) == want;
}

// The bits to set in four octets so that letters where `lit` has some become lower case.
static inline uint32_t tnd__fold4(const char *lit)
{
    uint32_t fold = 0;

    for (size_t i = 0; i < 4; i++)
        fold |= lit[i] >= 'a' && lit[i] <= 'z' ? 0x20u << (8 * i) : 0;
    return fold;
}

// Whether the `len` octets at `p` are `lit` (lower case), whatever their case. For literals:
// four letters or more are two loads that overlap.
static inline __attribute__((always_inline)) bool tnd__is(const char *p, size_t len,
                                                          const char *lit, size_t lit_len)
{
    const size_t last = lit_len - 4;

    if (len != lit_len)
        return false;
    if (lit_len >= 4 && lit_len <= 8)
        return (tnd__load4(p) | tnd__fold4(lit)) == tnd__load4(lit) &&
               (tnd__load4(p + last) | tnd__fold4(lit + last)) == tnd__load4(lit + last);
    for (size_t i = 0; i < lit_len; i++)
        if (tnd_lower(p[i]) != lit[i])
            return false;
    return true;
}

#define TND__SPAN_IS(base, s, lit) tnd__is((base) + (s).off, (s).len, lit, sizeof(lit) - 1)

// Whether `len` octets are the same here and there. For short texts: a call of memcmp costs
// more than most of these.
static inline bool tnd__same(const char *a, const char *b, size_t len)
{
    if (len > 8)
        return memcmp(a, b, len) == 0;
    if (len >= 4)
        return tnd__load4(a) == tnd__load4(b) && tnd__load4(a + len - 4) == tnd__load4(b + len - 4);
    while (len > 0 && a[len - 1] == b[len - 1])
        len--;
    return len == 0;
}

// Skip the quoted string that starts at `at` (s25.1: any octet may follow a backslash).
// Returns: offset after the closing quote, or 0 when there is none.
size_t tnd__skip_quoted(const char *base, size_t at, size_t end);

// Read the digits from `at` on. Returns: where they end; `v` is their number, or 2^32 and more
// when that is larger than any this is asked for.
static inline size_t tnd__digits(const char *base, size_t at, size_t end, uint64_t *v)
{
    uint64_t n = 0;

    for (; at < end && (uint8_t)(base[at] - '0') <= 9; at++) {
        n = n * 10 + (uint8_t)(base[at] - '0');
        if (__builtin_expect(n >> 56 != 0, 0))
            n = 1ULL << 48; // ten times as many is above 2^32 still, and no overflow
    }
    *v = n;
    return at;
}

// Read a decimal number of at least one digit, leading zeros allowed.
// Returns: false when empty, not all digits, or above `max`.
static inline bool tnd__number(const char *base, struct tnd_span s, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.len; i++) {
        size_t digit = (size_t)(uint8_t)base[s.off + i] - '0';

        if (digit > 9)
            return false;
        v = v * 10 + digit;
        if (v > max)
            return false;
    }
    *out = (uint32_t)v;
    return s.len > 0;
}

// Read the number that the `n` octets at `p` are, one to four digits. Four octets can be read.
// Returns: false when they are anything else.
TND__INLINE bool tnd__digits4(const char *p, size_t n, uint32_t *number)
{
    uint32_t w;

    if (tnd__unlikely(n - 1 > 3))
        return false;
    w = (tnd__load4(p) ^ 0x30303030) << (32 - 8 * (uint32_t)n); // the digits are the upper octets
    if (tnd__unlikely(((w + 0x76767676) | w) & 0x80808080))
        return false;
    w = (w * (10 << 8 | 1) >> 8) & 0x00ff00ff; // two numbers of two digits
    *number = w * (100 << 16 | 1) >> 16;
    return true;
}

// Read the port number that the `n` octets at `p` are, one to five digits. Five octets can be read.
// Returns: false when they are anything else; no port is 0.
TND__INLINE bool tnd__port(const char *p, size_t n, uint16_t *port)
{
    uint32_t v, last;

    if (tnd__unlikely(!tnd__digits4(p, n, &v))) {
        last = (uint8_t)(p[4] - '0');
        if (n != 5 || last > 9 || !tnd__digits4(p, 4, &v))
            return false;
        v = v * 10 + last;
        if (v > 65535)
            return false;
    }
    *port = (uint16_t)v;
    return v != 0;
}
