// The token in the user part of our Record-Route: a dialog's state, carried by the dialog.
//
// base64url (RFC 4648 s5, no padding) of: sign-key number, caller's flow (address, port,
// listener), chosen target, source and destination trunk, hash of the caller's tag, MAC
// with the Call-ID. 51 characters for an IPv4 flow, 67 for IPv6; one spelling for each value.
// Whoever comes back with it is let in, is sent to the same target whatever its weight is now, and
// finds the caller behind its NAT.
//
// Threads: pure.
#pragma once

#include "proxy/keys.h"
#include "util/addr.h"
#include "util/wide.h"

#define TND_TOKEN_MAX 80 // characters

struct tnd_token {
    struct tnd_addr flow; // where the caller sent from; family 4 or 6, UDP
    uint32_t listener;    // id of the listener it came in by
    uint64_t target;      // 48 bits
    uint32_t from_trunk;  // ids; 0 when none
    uint32_t to_trunk;
    uint32_t caller; // derived from the caller's tag
};

// call_key: digest of the Call-ID (never the To-AOR).
// Returns: length written, without NUL.
size_t tnd_token_write(const struct tnd_token *t, uint64_t call_key, const struct tnd_keys *keys,
                       char out[static TND_TOKEN_MAX]);

// The same for a burst: lay out what the MAC is over as message i, hash it with the last sign key,
// and write the token with that MAC.
struct tnd_token_octets {
    uint32_t len;
    uint8_t octets[56]; // the MAC's follow
};
void tnd_token_lay(const struct tnd_token *t, uint64_t call_key, const struct tnd_keys *keys,
                   struct tnd_token_octets *octets, struct tnd_wide *wide, unsigned i);
size_t tnd_token_print(struct tnd_token_octets *octets, uint64_t mac,
                       char out[static TND_TOKEN_MAX]);

enum tnd_token_state {
    TND_TOKEN_NONE = 0, // not of our form
    TND_TOKEN_BAD,      // of our form, MAC wrong or key unknown
    TND_TOKEN_GOOD,
};

enum tnd_token_state tnd_token_read(struct tnd_str text, uint64_t call_key,
                                    const struct tnd_keys *keys, struct tnd_token *out);
