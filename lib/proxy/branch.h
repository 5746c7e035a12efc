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
#include "util/wide.h"

#define TND_BRANCH_MAX  55 // 7 + 2+8+8+12+1+1+16
#define TND_LOOP_DIGITS 8

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

// The same for a burst: lay out what the MAC is over as message i, hash it with the last sign key,
// and write the branch with that MAC.
void tnd_branch_lay(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                    const struct tnd_keys *keys, struct tnd_wide *wide, unsigned i);
size_t tnd_branch_print(const struct tnd_branch *b, const struct tnd_keys *keys, uint64_t mac,
                        char out[static TND_BRANCH_MAX]);

// Read the fields; says nothing about the MAC. Returns: false when it is not of our form.
bool tnd_branch_read(struct tnd_str text, struct tnd_branch *out);

// Whether the MAC of `text` (for which tnd_branch_read was true) is right for `scope`.
bool tnd_branch_verify(struct tnd_str text, const struct tnd_branch_scope *scope,
                       const struct tnd_keys *keys);

// The digits of a loop hash, lower-case hex. Reading returns false unless they are such.
void tnd_loop_print(uint32_t loop, char out[static TND_LOOP_DIGITS]);
bool tnd_loop_read(struct tnd_str text, uint32_t *loop);
