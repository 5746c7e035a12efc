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
#include "util/base64url.h"
#include "util/digits.h"
#include "util/wide.h"

#define TND_TOKEN_MAX 80 // characters

// Octets, the numbers highest octet first:
//   0      version in the high four bits; IPv6 in bit 3; the flow's transport below
//   1      number of the sign key
//   2      target (6), listener (4), from_trunk (4), to_trunk (4), caller (4)
//   24     the flow's port (2)
//   26     the flow's IP (4 or 16)
//   30/42  MAC (8) of the octets before it and the call key
#define TND__TOKEN_VERSION 1
#define TND__TOKEN_IPV6    0x08
#define TND__TOKEN_IP      26
#define TND__TOKEN_MAC     8

// For an IP of so many octets: of the whole; and in the MAC's last word the length of what it is
// over, domain and call key too.
#define TND__TOKEN_OCTETS(ip) (TND__TOKEN_IP + (ip) + TND__TOKEN_MAC)
#define TND__TOKEN_END(ip)    ((16 + TND__TOKEN_IP + (ip) + 0ULL) << 56)

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

enum tnd_token_state {
    TND_TOKEN_NONE = 0, // not of our form
    TND_TOKEN_BAD,      // of our form, MAC wrong or key unknown
    TND_TOKEN_GOOD,
};

enum tnd_token_state tnd_token_read(struct tnd_str text, uint64_t call_key,
                                    const struct tnd_keys *keys, struct tnd_token *out);

// Whether a text is as long as a token: almost every user part of others is not.
static inline bool tnd_token_may_be(struct tnd_str text)
{
    return text.len == TND_BASE64URL_LEN(TND__TOKEN_OCTETS(4)) ||
           text.len == TND_BASE64URL_LEN(TND__TOKEN_OCTETS(16));
}

// tnd_token_read of n (at most TND_WIDE) texts that may be tokens, side by side.
void tnd_token_read_burst(const struct tnd_str text[], const uint64_t call_key[], unsigned n,
                          const struct tnd_keys *keys, struct tnd_wide *wide,
                          struct tnd_token out[], enum tnd_token_state state[]);

// ---- To sign a burst ------------------------------------------------------------------------
//
// Lay out what the MAC is over, hash it with the last sign key (tnd_keys_begin), seal the octets
// with that MAC and print them. Inline: for every dialog's first request.

// Whole words: octet by octet, the hash that reads them back as words would wait for the stores.
static inline uint8_t *tnd__put64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *tnd__put16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

// What the MAC is over, behind the domain and the call key.
static inline void tnd__token_fields(const struct tnd_token *t, const struct tnd_keys *keys,
                                     struct tnd_base64_octets *o)
{
    uint8_t sign = keys->sign[keys->n_sign - 1].id, *p = o->octet;
    bool v6 = t->flow.family == 6;

    p = tnd__put64(
        p,
        (uint64_t)(TND__TOKEN_VERSION << 4 | (v6 ? TND__TOKEN_IPV6 : 0) | (t->flow.transport & 7))
                << 56 |
            (uint64_t)sign << 48 | (t->target & 0xffffffffffffULL));
    p = tnd__put64(p, (uint64_t)t->listener << 32 | t->from_trunk);
    p = tnd__put64(p, (uint64_t)t->to_trunk << 32 | t->caller);
    p = tnd__put16(p, t->flow.port);
    memcpy(p, t->flow.ip, sizeof t->flow.ip); // of IPv4 with its zeros
    o->len = TND__TOKEN_IP + (v6 ? 16 : 4);
}

// As message i, behind its domain TND_DOMAIN_TOKEN.
static inline void tnd_token_lay(const struct tnd_token *t, uint64_t call_key,
                                 const struct tnd_keys *keys, struct tnd_base64_octets *octets,
                                 struct tnd_wide *wide, unsigned i)
{
    uint64_t w[3], ip[2], port = __builtin_bswap16(t->flow.port);

    tnd__token_fields(t, keys, octets);
    memcpy(w, octets->octet, sizeof w);
    memcpy(ip, t->flow.ip, sizeof ip);
    wide->word[0][i] = call_key;
    for (int k = 0; k < 3; k++)
        wide->word[1 + k][i] = w[k];
    // The rest of the octets, their length with domain and call key above it. From values: octets
    // just stored in other sizes would be waited for.
    if (octets->len == TND__TOKEN_IP + 4) {
        wide->word[4][i] = port | ip[0] << 16 | TND__TOKEN_END(4);
        wide->words[i] = 5;
    } else {
        wide->word[4][i] = port | ip[0] << 16;
        wide->word[5][i] = ip[0] >> 48 | ip[1] << 16;
        wide->word[6][i] = ip[1] >> 48 | TND__TOKEN_END(16);
        wide->words[i] = 7;
    }
}

// Returns: the length of the token.
static inline size_t tnd_token_seal(struct tnd_base64_octets *octets, uint64_t mac)
{
    tnd__put64(tnd__put64(octets->octet + octets->len, mac), 0);
    octets->len += TND__TOKEN_MAC;
    return TND_BASE64URL_LEN(octets->len);
}
