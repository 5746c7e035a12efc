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

// word[k][i]: word k of message i, little endian. Of a message whose length is its own the last
// word is SipHash's: what is left of it (0 to 7 octets) and the length's low octet above them.
struct tnd_wide {
    uint64_t words[TND_WIDE]; // of message i, the last one included: 1 .. TND_WIDE_WORDS
    uint64_t word[TND_WIDE_WORDS + 3][TND_WIDE]; // texts are laid out four words at a time
} __attribute__((aligned(64)));

// SipHash-2-4 of messages [0, n), n <= TND_WIDE, which go on where `begun` is: behind the key
// (tnd_hash_init), and behind words that are the same in all of them. out: room for TND_WIDE.
// Lanes from n up may be read and written, and do not matter.
struct tnd_wide_kernel {
    const char *name;
    // Each as long as words[] says.
    void (*hash)(const struct tnd_hasher *begun, const struct tnd_wide *in, unsigned n,
                 uint64_t out[]);
    // Each `words` whole words; the kernel adds SipHash's own.
    void (*hash_words)(const struct tnd_hasher *begun, const struct tnd_wide *in, unsigned words,
                       unsigned n, uint64_t out[]);
    // Lay out text[i] behind the first `at` words of message i, whose last part it is.
    // lower: its letters lowered. Requires: text[i].len <= TND_WIDE_TEXT - 8 * at.
    void (*lay)(struct tnd_wide *to, unsigned at, const struct tnd_str text[], bool lower,
                unsigned n);
};

// The reference's, for a kernel that has none of its own.
void tnd__wide_lay(struct tnd_wide *to, unsigned at, const struct tnd_str text[], bool lower,
                   unsigned n);

extern const struct tnd_wide_kernel tnd_wide_scalar;
extern const struct tnd_wide_kernel *tnd_wide_active;

// The kernels this processor runs, the reference first. Returns: the i-th, or NULL.
const struct tnd_wide_kernel *tnd_wide_kernel(unsigned i);

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

// A message in pieces: begin, add, end. Requires: at most TND_WIDE_TEXT octets in all.
struct tnd_wide_text {
    struct tnd_wide *wide;
    unsigned i, words;
    uint64_t tail; // octets of an unfinished word
    uint64_t len;
};

// at: whole words that it has already.
static inline struct tnd_wide_text tnd_wide_begin(struct tnd_wide *l, unsigned i, unsigned at)
{
    return (struct tnd_wide_text){.wide = l, .i = i, .words = at, .len = 8 * at};
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

// Add a text. lower: its letters lowered.
static inline void tnd_wide_add_text(struct tnd_wide_text *m, struct tnd_str s, bool lower)
{
    uint64_t v;
    size_t at = 0;

    for (; at + 8 <= s.len; at += 8) {
        memcpy(&v, s.p + at, sizeof v);
        tnd_wide_add(m, lower ? tnd_lower8(v) : v, 8);
    }
    if (at < s.len) {
        v = tnd__wide_rest(s.p + s.len, s.len - at, s.len);
        tnd_wide_add(m, lower ? tnd_lower8(v) : v, (unsigned)(s.len - at));
    }
}

static inline void tnd_wide_end(struct tnd_wide_text *m)
{
    m->wide->word[m->words][m->i] = m->tail | m->len << 56;
    m->wide->words[m->i] = m->words + 1;
}

// What tnd_derive answers to the messages' words 0 and 1, `digest` and `extra` of `domain`.
static inline void tnd_wide_derive(const struct tnd_hash_key *key, enum tnd_hash_domain domain,
                                   const struct tnd_wide *in, unsigned n, uint64_t out[])
{
    const struct tnd_hasher begun = tnd_hash_begin(key, domain);

    tnd_wide_active->hash_words(&begun, in, 2, n, out);
}
