// What all scan kernels share: lines and maps from the masks of one block of 64 octets.
//
// A kernel gives a function that fills `masks` from 64 readable octets, and one for fewer. Bit i
// of a mask stands for octet i.
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

// Fill the masks of the block at `at` and store the maps.
static inline __attribute__((always_inline)) void tnd__block(tnd__block_fn whole, tnd__part_fn part,
                                                             const char *data, uint32_t at,
                                                             uint32_t len, struct tnd__masks *m,
                                                             struct tnd_scan_maps *maps)
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

// List the lines that end in the block at `at`, behind the `n` there are.
// Returns: how many there are now.
static inline size_t tnd__list(uint64_t lf, uint32_t at, size_t n, struct tnd_scan *out)
{
    for (; lf; lf &= lf - 1)
        out->lf[n++] = (uint16_t)(at + (unsigned)__builtin_ctzll(lf));
    return n;
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

// What a block's lines depend on of the block before: whether it ended in LF or CR (0 or 1).
struct tnd__carry {
    uint64_t lf, cr;
};

// Whether there is anything in a block but lines that end with CRLF or LF: a CR alone, or what
// may begin an empty line.
static inline __attribute__((always_inline)) uint64_t tnd__odd(const struct tnd__masks *m,
                                                               struct tnd__carry before)
{
    uint64_t after_cr = m->cr << 1 | before.cr, after_lf = m->lf << 1 | before.lf;

    return (after_cr & ~m->lf) | (after_lf & (m->cr | m->lf));
}

// The blocks up to the one with anything odd in it, or the last 63 octets: their lines end one
// like another. Returns: where that block begins.
static inline __attribute__((always_inline)) uint32_t
tnd__plain_lines(tnd__block_fn whole, const char *data, uint32_t len, struct tnd_scan *out)
{
    struct tnd__carry before = {.lf = 1}; // the first line begins as if behind an LF
    size_t at = 0, n = 0;

    for (; at + 64 <= len && n <= TND_SCAN_LINES_MAX - 64; at += 64) {
        struct tnd__masks m;

        whole(data + at, &m);
        for (unsigned run = 0; run < TND_RUN_COUNT; run++)
            out->maps.stop[run][at / 64] = m.stop[run];
        if (__builtin_expect(tnd__odd(&m, before) != 0, 0))
            break;
        n = tnd__list(m.lf, (uint32_t)at, n, out);
        before = (struct tnd__carry){.lf = m.lf >> 63, .cr = m.cr >> 63};
    }
    out->n = (uint16_t)n;
    return (uint32_t)at;
}

static inline __attribute__((always_inline)) void tnd__lines(tnd__block_fn whole, tnd__part_fn part,
                                                             const char *data, uint32_t len,
                                                             struct tnd_scan *out)
{
    uint32_t at = tnd__plain_lines(whole, data, len, out), bare = len, n = out->n;
    uint64_t cr = at > 0 && data[at - 1] == '\r';

    out->ended = false;
    for (; at < len && !out->ended && n < TND_SCAN_LINES_MAX; at += 64) {
        struct tnd__masks m;
        uint64_t alone;

        tnd__block(whole, part, data, at, len, &m, &out->maps);
        alone = (m.cr << 1 | cr) & ~m.lf; // bit i: octet i - 1 is a CR and this no LF
        if (alone && bare == len)
            bare = at + (unsigned)__builtin_ctzll(alone) - 1;
        cr = m.cr >> 63;
        n = tnd__list_to_end(data, m.lf, at, n, out);
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

static inline __attribute__((always_inline)) void tnd__maps(tnd__block_fn whole, tnd__part_fn part,
                                                            const char *data, uint32_t from,
                                                            uint32_t to, struct tnd_scan_maps *maps)
{
    uint32_t at = from & ~63u;

    for (; at < to; at += 64) {
        struct tnd__masks m;

        tnd__block(whole, part, data, at, to, &m, maps);
    }
    tnd__close_maps(maps, at / 64);
}
