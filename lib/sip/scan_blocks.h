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
    uint64_t beyond = 0;

    if (len - at >= 64) {
        whole(data + at, m);
    } else {
        part(data + at, len - at, m);
        beyond = ~0ULL << (len - at);
    }
    for (unsigned run = 0; run < TND_RUN_COUNT; run++)
        maps->stop[run][at / 64] = m->stop[run] | beyond;
}

static inline void tnd__close_maps(struct tnd_scan_maps *maps, uint32_t word)
{
    for (unsigned run = 0; run < TND_RUN_COUNT; run++)
        maps->stop[run][word] = ~0ULL;
}

// List the lines that end in the block at `at`; `begin` is where the first of them begins.
// Returns: whether the list is complete.
static inline bool tnd__list(const char *data, uint64_t lf, uint32_t at, uint32_t *begin,
                             struct tnd_scan *out)
{
    unsigned n = out->n;
    uint32_t from = *begin;

    for (; lf; lf &= lf - 1) {
        uint32_t p = at + (unsigned)__builtin_ctzll(lf);

        out->lf[n++] = (uint16_t)p;
        if (p - from <= 1 && (p == from || data[from] == '\r'))
            out->ended = true;
        if (out->ended || n == TND_SCAN_LINES_MAX) {
            out->n = (uint16_t)n;
            return true;
        }
        from = p + 1;
    }
    out->n = (uint16_t)n;
    *begin = from;
    return false;
}

static inline __attribute__((always_inline)) void tnd__lines(tnd__block_fn whole, tnd__part_fn part,
                                                             const char *data, uint32_t len,
                                                             struct tnd_scan *out)
{
    uint32_t at = 0, bare = len, begin = 0;
    bool complete = false;
    uint64_t cr = 0; // bit 0: the last octet of the block before

    out->n = 0;
    out->ended = false;
    for (; at < len && !complete; at += 64) {
        struct tnd__masks m;
        uint64_t alone;

        tnd__block(whole, part, data, at, len, &m, &out->maps);
        alone = (m.cr << 1 | cr) & ~m.lf; // bit i: octet i - 1 is a CR and this no LF
        if (__builtin_expect(alone != 0, 0) && bare == len)
            bare = at + (unsigned)__builtin_ctzll(alone) - 1;
        cr = m.cr >> 63;
        complete = tnd__list(data, m.lf, at, &begin, out);
    }
    tnd__close_maps(&out->maps, at / 64);
    if (cr && at == len && bare == len)
        bare = len - 1;
    if (!complete && begin < len)
        out->lf[out->n++] = (uint16_t)len;
    // A CR behind the listed lines is not theirs.
    out->bare_cr = (uint16_t)(out->n && bare > out->lf[out->n - 1] ? len : bare);
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
