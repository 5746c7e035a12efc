// What all scan kernels share: lines and maps from the masks of one block of 64 octets.
//
// A kernel gives a function that fills `masks` from 64 readable octets, one for fewer, and one
// that sees whether there is anything in a block but the lines that nearly all messages are made
// of. Bit i of a mask stands for octet i.
//
// Threads: pure. Private to the kernels.
#pragma once

#include "sip/scan.h"

struct tnd__masks {
    uint64_t lf, cr;
    uint64_t stop[TND_RUN_COUNT];
};

typedef void (*tnd__block_fn)(const char *block, struct tnd__masks *m);
// As above for a block that has only its first `len` octets (1 to 63): the others read as 0.
typedef void (*tnd__part_fn)(const char *block, uint32_t len, struct tnd__masks *m);
// Find the CRs of a block, whose masks are there and behind which TND__AHEAD octets more can be
// read. Returns: whether any of its octets is a CR with no LF behind, has an LF behind and is no
// CR, or is the CR of a line with another CR behind: the one of an empty line, mostly.
typedef bool (*tnd__ends_fn)(const char *block, const struct tnd__masks *m, uint64_t *cr);
#define TND__AHEAD 2

// Fill the masks of the block at `at` and store the maps.
TND__INLINE void tnd__block(tnd__block_fn whole, tnd__part_fn part, const char *data, uint32_t at,
                            uint32_t len, struct tnd__masks *m, struct tnd_scan_maps *maps)
{
    if (__builtin_expect(len - at >= 64, 1)) {
        whole(data + at, m);
        for (unsigned run = 0; run < TND_RUN_COUNT; run++)
            maps->stop[run][at / 64] = m->stop[run];
    } else {
        part(data + at, len - at, m);
        for (unsigned run = 0; run < TND_RUN_COUNT; run++)
            maps->stop[run][at / 64] = m->stop[run] | ~0ULL << (len - at);
    }
}

static inline void tnd__close_maps(struct tnd_scan_maps *maps, uint32_t word)
{
    for (unsigned run = 0; run < TND_RUN_COUNT; run++)
        maps->stop[run][word] = ~0ULL;
}

// The lowest bit of `w`; 64 when it has none.
TND__INLINE unsigned tnd__lowest(uint64_t w)
{
#ifdef __BMI__
    return (unsigned)__builtin_ia32_tzcnt_u64(w);
#else
    return w ? (unsigned)__builtin_ctzll(w) : 64;
#endif
}

// List the lines whose LFs lie at `from` plus the positions of `ends`, behind the `n` there are.
// Two at once, which is as many as most blocks have: the processor guesses wrong less often than
// if asked for each whether there is another.
// Returns: how many there are now.
TND__INLINE size_t tnd__list(uint64_t ends, uint32_t from, size_t n, struct tnd_scan *out)
{
    size_t all = n + (size_t)__builtin_popcountll(ends);

    do {
        out->lf[n] = (uint16_t)(from + tnd__lowest(ends));
        ends &= ends - 1;
        out->lf[n + 1] = (uint16_t)(from + tnd__lowest(ends));
        ends &= ends - 1;
        n += 2;
    } while (__builtin_expect(n < all, 0));
    return all;
}

// As tnd__list, up to the empty line or until the list is full.
static inline uint32_t tnd__list_to_end(const char *data, uint64_t lf, uint32_t at, uint32_t n,
                                        struct tnd_scan *out)
{
    uint32_t from = n > 0 ? out->lf[n - 1] + 1u : 0;

    for (; lf && !out->ended && n < TND_SCAN_LINES_MAX; lf &= lf - 1) {
        uint32_t p = at + (unsigned)__builtin_ctzll(lf);

        out->lf[n++] = (uint16_t)p;
        out->ended = p - from <= 1 && (p == from || data[from] == '\r');
        from = p + 1;
    }
    return n;
}

// The blocks up to the one with anything odd in it, or the last octets: their lines end with CRLF
// one like another. Returns: where that block begins.
TND__INLINE uint32_t tnd__plain_lines(tnd__block_fn whole, tnd__ends_fn ends, const char *data,
                                      uint32_t len, struct tnd_scan *out)
{
    uint64_t *stop = out->maps.stop[0];
    const char *p = data;
    uint32_t from = 1; // of the LF of a CR that is the block's first octet
    size_t n = 0;

    if (len >= 64 + TND__AHEAD && data[0] != '\r' && data[0] != '\n') {
        const char *last = data + len - 64 - TND__AHEAD;

        for (; p <= last && n < TND_SCAN_LINES_MAX - 64; p += 64, from += 64, stop++) {
            struct tnd__masks m;
            uint64_t cr;

            whole(p, &m);
            if (__builtin_expect(ends(p, &m, &cr), 0))
                break;
            for (unsigned run = 0; run < TND_RUN_COUNT; run++)
                stop[run * TND_SCAN_WORDS] = m.stop[run];
            n = tnd__list(cr, from, n, out);
        }
    }
    out->n = out->plain = (uint16_t)n;
    return from - 1;
}

// List the lines of the block at `at` up to the empty line, if that is in it whole and all before
// is as in the blocks before: the last block of nearly all messages. Returns: whether it was.
TND__INLINE bool tnd__last_lines(const struct tnd__masks *m, uint32_t at, struct tnd_scan *out)
{
    uint64_t empty = m->cr & m->lf >> 1 & m->cr >> 2 & m->lf >> 3;
    uint64_t upto = (empty & -empty) * 16 - 1; // to the LF of the first, were it the last bit

    // An LF that is the block's first octet belongs to a CR of the block before, and is listed.
    if (!empty || ((m->cr << 1 ^ m->lf) & upto & ~1ULL) || (at == 0 && (m->cr & 1 || m->lf & 1)))
        return false;
    out->n = (uint16_t)tnd__list(m->cr & upto, at + 1, out->n, out);
    out->plain = (uint16_t)(out->n - 1);
    return true;
}

// List the lines from the block at `at` on, whatever they are, behind those there are.
TND__INLINE void tnd__other_lines(tnd__block_fn whole, tnd__part_fn part, const char *data,
                                  uint32_t at, uint32_t len, struct tnd_scan *out)
{
    uint32_t bare = len, n = out->n;
    uint64_t cr = at > 0 && data[at - 1] == '\r', listed = cr && n > 0; // the LF of that one

    for (; at < len && !out->ended && n < TND_SCAN_LINES_MAX; at += 64) {
        struct tnd__masks m;
        uint64_t alone;

        tnd__block(whole, part, data, at, len, &m, &out->maps);
        alone = (m.cr << 1 | cr) & ~m.lf; // bit i: octet i - 1 is a CR and this no LF
        if (alone && bare == len)
            bare = at + (unsigned)__builtin_ctzll(alone) - 1;
        cr = m.cr >> 63;
        n = tnd__list_to_end(data, m.lf & ~listed, at, n, out);
        listed = 0;
    }
    tnd__close_maps(&out->maps, at / 64);
    if (cr && at == len && bare == len)
        bare = len - 1;
    if (!out->ended && n < TND_SCAN_LINES_MAX && (n ? out->lf[n - 1] + 1u < len : len > 0))
        out->lf[n++] = (uint16_t)len;
    out->n = (uint16_t)n;
    // A CR behind the listed lines is not theirs.
    out->bare_cr = (uint16_t)(n && bare > out->lf[n - 1] ? len : bare);
}

TND__INLINE void tnd__lines(tnd__block_fn whole, tnd__part_fn part, tnd__ends_fn ends,
                            const char *data, uint32_t len, struct tnd_scan *out)
{
    uint32_t at = tnd__plain_lines(whole, ends, data, len, out);
    struct tnd__masks m;

    out->ended = false;
    out->bare_cr = (uint16_t)len;
    if (at < len) {
        tnd__block(whole, part, data, at, len, &m, &out->maps);
        out->ended = tnd__last_lines(&m, at, out);
    }
    if (__builtin_expect(out->ended, 1))
        tnd__close_maps(&out->maps, at / 64 + 1);
    else
        tnd__other_lines(whole, part, data, at, len, out);
}

TND__INLINE void tnd__maps(tnd__block_fn whole, tnd__part_fn part, const char *data, uint32_t from,
                           uint32_t to, struct tnd_scan_maps *maps)
{
    uint32_t at = from & ~63u;

    for (; at < to; at += 64) {
        struct tnd__masks m;

        tnd__block(whole, part, data, at, to, &m, maps);
    }
    tnd__close_maps(maps, at / 64);
}
