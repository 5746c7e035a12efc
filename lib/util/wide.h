// Work on many messages or many octets at once: keyed hashes of a burst, sums, copies.
//
// SipHash is a chain of dependent steps: one message leaves most of a core idle, eight at a
// time cost little more than one. A burst's words are laid out lane by lane (struct
// tnd_wide); what they are, and which of them is whose, is the caller's.
//
// One kernel for each instruction set, chosen with all others (util/isa.h). The scalar kernel is
// the reference: every other one answers the same, bit by bit.
//
// Threads:  kernels are pure. tnd_wide_active is set before any worker starts.
// Cost:     AVX-512: 4 ns for a derivation, 9 for a MAC over nine words; bench `digest.invite`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/hash.h"
#include "util/str.h"

#define TND_WIDE       32 // messages at once: a burst
#define TND_WIDE_WORDS 32
#define TND_WIDE_TEXT  (TND_WIDE_WORDS * 8 - 1) // octets of the longest message

// word[k][i]: word k of message i, little endian. The last word of each is SipHash's: what is
// left of the message (0 to 7 octets) and the length's low octet above them.
struct tnd_wide {
    uint64_t words[TND_WIDE]; // of message i, the last one included: 1 .. TND_WIDE_WORDS
    uint64_t word[TND_WIDE_WORDS][TND_WIDE];
} __attribute__((aligned(64)));

struct tnd_wide_kernel {
    const char *name;
    // SipHash-2-4 of messages [0, n): out[i] as tnd_hash of message i.
    // Requires: n <= TND_WIDE. Lanes from n up may be read, and do not matter.
    void (*hash)(const struct tnd_hash_key *key, const struct tnd_wide *in, unsigned n,
                 uint64_t out[]);
};

extern const struct tnd_wide_kernel tnd_wide_scalar;
extern const struct tnd_wide_kernel *tnd_wide_active;

// The kernels this processor runs, the reference first. Returns: the i-th, or NULL.
const struct tnd_wide_kernel *tnd_wide_kernel(unsigned i);

// Message i is `n` whole words at `w`. Requires: n < TND_WIDE_WORDS.
static inline void tnd_wide_put_words(struct tnd_wide *l, unsigned i, const uint64_t w[],
                                      unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        l->word[k][i] = w[k];
    l->word[n][i] = (uint64_t)n << 59;
    l->words[i] = n + 1;
}

// The `n` octets (0 to 7) before `end`, the first one lowest. all: octets before `end` that are
// readable.
static inline uint64_t tnd__wide_rest(const char *end, size_t n, size_t all)
{
    uint64_t rest = 0;

    if (n == 0)
        return 0;
    if (all >= sizeof rest) {
        memcpy(&rest, end - sizeof rest, sizeof rest);
        return rest >> (64 - 8 * n);
    }
    for (size_t i = n; i > 0; i--)
        rest = rest << 8 | (uint8_t)end[(ptrdiff_t)i - 1 - (ptrdiff_t)n];
    return rest;
}

// Message i is the text. Requires: s.len <= TND_WIDE_TEXT.
static inline void tnd_wide_put_text(struct tnd_wide *l, unsigned i, struct tnd_str s)
{
    unsigned n = (unsigned)(s.len / 8);

    for (unsigned k = 0; k < n; k++)
        memcpy(&l->word[k][i], s.p + 8 * k, 8);
    l->word[n][i] = tnd__wide_rest(s.p + s.len, s.len % 8, s.len) | (uint64_t)s.len << 56;
    l->words[i] = n + 1;
}

// A message in pieces: begin, add, end. Requires: at most TND_WIDE_TEXT octets in all.
struct tnd_wide_text {
    struct tnd_wide *wide;
    unsigned i, words;
    uint64_t tail; // octets of an unfinished word
    uint64_t len;
};

static inline struct tnd_wide_text tnd_wide_begin(struct tnd_wide *l, unsigned i)
{
    return (struct tnd_wide_text){.wide = l, .i = i};
}

// Add the `n` octets (1 to 8) of v; what lies above them is 0.
static inline void tnd_wide_add(struct tnd_wide_text *m, uint64_t v, unsigned n)
{
    unsigned filled = (unsigned)(m->len & 7);

    m->tail |= v << 8 * filled;
    m->len += n;
    if (filled + n < 8)
        return;
    m->wide->word[m->words++][m->i] = m->tail;
    m->tail = filled ? v >> (64 - 8 * filled) : 0;
}

// Add a text, its letters lowered.
static inline void tnd_wide_add_lower(struct tnd_wide_text *m, struct tnd_str s)
{
    uint64_t v;
    size_t at = 0;

    for (; at + 8 <= s.len; at += 8) {
        memcpy(&v, s.p + at, sizeof v);
        tnd_wide_add(m, tnd_lower8(v), 8);
    }
    if (at < s.len) {
        v = tnd__wide_rest(s.p + s.len, s.len - at, s.len);
        tnd_wide_add(m, tnd_lower8(v), (unsigned)(s.len - at));
    }
}

static inline void tnd_wide_end(struct tnd_wide_text *m)
{
    m->wide->word[m->words][m->i] = m->tail | m->len << 56;
    m->wide->words[m->i] = m->words + 1;
}

// Message i is what tnd_derive hashes: a value of `digest` and `extra` of a domain of its own.
static inline void tnd_wide_put_derive(struct tnd_wide *l, unsigned i, enum tnd_hash_domain domain,
                                       uint64_t digest, uint64_t extra)
{
    const uint64_t w[3] = {(uint64_t)domain, digest, extra};

    tnd_wide_put_words(l, i, w, 3);
}
