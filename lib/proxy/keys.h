// The secrets: one digest key, which never changes, and the sign keys of branch and token.
//
// Nodes that must choose alike share the digest key; sign keys rotate: the last one signs,
// all of them verify, so that a rotation or restart loses no answer in flight.
//
// Threads: written by control before the workers start, then read-only.
#pragma once

#include "util/hash.h"

#define TND_SIGN_KEYS_MAX 8

struct tnd_sign_key {
    uint8_t id; // on the wire
    struct tnd_hash_key key;
};

struct tnd_keys {
    struct tnd_hash_key digest;
    uint8_t n_sign;                              // at least 1
    struct tnd_sign_key sign[TND_SIGN_KEYS_MAX]; // the last one signs
};

// What a MAC of this domain, by the key that signs, begins with.
static inline struct tnd_hasher tnd_keys_begin(const struct tnd_keys *k,
                                               enum tnd_hash_domain domain)
{
    return tnd_hash_begin(&k->sign[k->n_sign - 1].key, domain);
}

// The key with this id, or NULL.
static inline const struct tnd_hash_key *tnd_keys_find(const struct tnd_keys *k, uint8_t id)
{
    for (unsigned i = 0; i < k->n_sign; i++)
        if (k->sign[i].id == id)
            return &k->sign[i].key;
    return NULL;
}
