// Our Via branch: all that a response needs to find its way back, signed (RFC 3261 16.11).
//
// z9hG4bK, then lower-case hex: sign-key number (2), ingress listener (8), source trunk (8),
// target (12), attempt (1), a 0, MAC (16).
// The MAC is over those fields and the next Via's (sent-by, branch, received, rport as
// values, not spelling), the call key and the CSeq number. Same request, same branch;
// CANCEL and the ACK of a non-2xx have their INVITE's: so the loop hash (rule 5), which they
// cannot repeat, stands beside the branch, in a parameter of its own.
//
// Threads: pure. Cost: bench `route.stage.rewrite`.
#pragma once

#include "proxy/keys.h"
#include "sip/msg.h"
#include "util/digits.h"
#include "util/wide.h"

#define TND_BRANCH_MAX        55 // 7 + 2+8+8+12+1+1+16
#define TND_BRANCH_COOKIE     "z9hG4bK"
#define TND_BRANCH_COOKIE_LEN 7
#define TND_BRANCH_WORDS      8
#define TND_LOOP_DIGITS       8

struct tnd_branch {
    uint32_t listener; // id of the ingress listener
    uint32_t trunk;    // id of the source trunk, by a valid token the one of its side; 0: none
    uint64_t target;   // 48 bits
    uint8_t attempt;   // 0..15
};

// What the MAC binds besides the branch's own fields.
struct tnd_branch_scope {
    uint64_t txn; // digest of the next Via's sent-by and branch (engine.h)
    uint64_t call_key;
    uint32_t cseq;
    struct tnd_addr flow; // where the response goes: received and rport of the next Via
};

// Write the branch, cookie included. Returns: its length (no NUL).
size_t tnd_branch_write(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                        const struct tnd_keys *keys, char out[static TND_BRANCH_MAX]);

// Read the fields; says nothing about the MAC. Returns: false when it is not of our form.
bool tnd_branch_read(struct tnd_str text, struct tnd_branch *out);

// Whether the MAC of `text` (for which tnd_branch_read was true) is right for `scope`.
bool tnd_branch_verify(struct tnd_str text, const struct tnd_branch_scope *scope,
                       const struct tnd_keys *keys);

// The digits of a loop hash, lower-case hex. Reading returns false unless they are such.
void tnd_loop_print(uint32_t loop, char out[static TND_LOOP_DIGITS]);
bool tnd_loop_read(struct tnd_str text, uint32_t *loop);

// As on the wire: hi is key 8, listener 32, trunk 24 bits; lo is trunk 8, target 48,
// attempt 4, zero 4.
struct tnd__branch_fields {
    uint64_t hi, lo;
};

// What a text says that has our form, right or not.
struct tnd_branch_claim {
    struct tnd__branch_fields fields;
    uint64_t mac;
};

// Returns: false when the text is not of our form.
bool tnd_branch_claim(struct tnd_str text, struct tnd_branch_claim *out);
struct tnd_branch tnd_branch_of(const struct tnd_branch_claim *claim);

// Which of n (at most TND_WIDE) claims have the right MAC: tnd_branch_verify side by side.
// Returns: bit i for claim i.
uint32_t tnd_branch_verify_burst(const struct tnd_branch_claim claim[],
                                 const struct tnd_branch_scope scope[], unsigned n,
                                 const struct tnd_keys *keys, struct tnd_wide *wide);

// ---- To sign a burst ------------------------------------------------------------------------
//
// Lay out what the MAC is over, hash it with the last sign key (tnd_keys_begin), put the MAC into
// digits->word[2] and print: TND_BRANCH_COOKIE, then the digits. Inline: for every request.

static inline struct tnd__branch_fields tnd__branch_fields(const struct tnd_branch *b, uint8_t sign)
{
    return (struct tnd__branch_fields){
        .hi = (uint64_t)sign << 56 | (uint64_t)b->listener << 24 | b->trunk >> 8,
        .lo = (uint64_t)b->trunk << 56 | (b->target & 0xffffffffffffULL) << 8 |
              (b->attempt & 0xfULL) << 4,
    };
}

// Fixed words only: no text of a stranger moves the boundary between two of them.
static inline void tnd__branch_words(const struct tnd__branch_fields *f,
                                     const struct tnd_branch_scope *scope,
                                     uint64_t w[static TND_BRANCH_WORDS])
{
    w[0] = f->hi;
    w[1] = f->lo;
    w[2] = scope->cseq;
    w[3] = scope->txn;
    w[4] = scope->call_key;
    memcpy(w + 5, scope->flow.ip, 16);
    w[7] = (uint64_t)scope->flow.family << 16 | scope->flow.port;
}

static inline void tnd__branch_put(const struct tnd__branch_fields *f,
                                   const struct tnd_branch_scope *scope, struct tnd_wide *wide,
                                   unsigned i)
{
    uint64_t w[TND_BRANCH_WORDS];

    tnd__branch_words(f, scope, w);
    for (unsigned k = 0; k < TND_BRANCH_WORDS; k++)
        wide->word[k][i] = w[k];
}

// As message i: TND_BRANCH_WORDS words behind its domain TND_DOMAIN_BRANCH.
static inline void tnd_branch_lay(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                                  const struct tnd_keys *keys, struct tnd_hex_words *digits,
                                  struct tnd_wide *wide, unsigned i)
{
    const struct tnd__branch_fields f = tnd__branch_fields(b, keys->sign[keys->n_sign - 1].id);

    tnd__branch_put(&f, scope, wide, i);
    digits->word[0] = f.hi;
    digits->word[1] = f.lo;
}
