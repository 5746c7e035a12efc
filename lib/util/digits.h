// Octets as text, those of a burst one after the other in whole vectors: lower-case hex, and
// base64url without padding (RFC 4648 s5).
//
// What is read and written is of fixed size, whatever of it the caller wants: a length that the
// compiler knows costs nothing, one that it does not costs more than the digits.
// One kernel for each instruction set, chosen with all others (util/isa.h); the scalar one is the
// reference.
//
// Threads:  kernels are pure. tnd_digits_active is set before any worker starts.
// Cost:     AVX-512: 15 instructions for 48 digits of hex, 20 for 64 characters of base64url.
#pragma once

#include <stdint.h>

#include "util/str.h"

#define TND_HEX_DIGITS        48 // of three words
#define TND_HEX_ROOM          64
#define TND_BASE64_MOST       72 // octets
#define TND_BASE64_ROOM       128
#define TND_BASE64_CHARACTERS 96 // that are read

struct tnd_hex_words {
    uint64_t word[4]; // the last one does not matter
};

struct tnd_base64_octets {
    uint8_t octet[112]; // of them [0, len), and then two that are 0; the others do not matter
    uint32_t len;       // at most TND_BASE64_MOST
} __attribute__((aligned(64)));

struct tnd_digits_kernel {
    const char *name;
    // The TND_HEX_DIGITS digits of each of `n`, the highest of the first word first, at out[i],
    // where TND_HEX_ROOM octets are written.
    void (*hex)(const struct tnd_hex_words in[], unsigned n, char *const out[]);
    // The TND_BASE64URL_LEN(len) characters of each at out[i], where as many as TND_BASE64_ROOM
    // octets are written.
    void (*base64url)(const struct tnd_base64_octets in[], unsigned n, char *const out[]);
    // The octets of each text, strictly as tnd_base64url_decode; len 0 when there are none.
    // Requires: text[i].len <= TND_BASE64_CHARACTERS.
    void (*from_base64url)(const struct tnd_str text[], unsigned n, struct tnd_base64_octets out[]);
};

extern const struct tnd_digits_kernel tnd_digits_scalar;
extern const struct tnd_digits_kernel *tnd_digits_active;

// The reference's, for a kernel that has none of its own.
void tnd__from_base64url(const struct tnd_str text[], unsigned n, struct tnd_base64_octets out[]);

// The kernels this processor runs, the reference first. Returns: the i-th, or NULL.
const struct tnd_digits_kernel *tnd_digits_kernel(unsigned i);
