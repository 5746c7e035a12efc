// The Internet checksum (RFC 1071) over memory of any length and alignment.
//
// Sums are of 16-bit words in memory order: ones' complement addition commutes with a byte
// swap, so no word is ever swapped and a folded sum is stored as it is.
//
// Kernels, chosen with all others (util/isa.h), sum long texts, and copy the pieces of a message
// to one place with the sum made on the way: octets that have just been stored are not read back.
// The scalar kernel is the reference: every other one answers the same after tnd_sum_fold.
//
// Threads: kernels are pure. tnd_sum_active is set before any worker starts.
// Cost:    one pass; 64 octets in some 5 instructions with AVX-512, a copy in 9. A request of 940
//          octets in 11 pieces: 81 cycles to copy, of which the sum is 6. So a sum that is worked
//          out from the received one, or left to a port, would gain less than it takes to ask for
//          it.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/str.h"

struct tnd_sum_kernel {
    const char *name;
    // The sum of `len` octets. Touches no others.
    uint64_t (*of)(const void *data, size_t len);
    // Copy the pieces to `out`, one behind the other, which they do not overlap; nothing behind
    // their end is written. Returns: the sum of all of them, as they lie at `out`.
    uint64_t (*gather)(char *out, const struct tnd_str piece[], unsigned n);
};

extern const struct tnd_sum_kernel tnd_sum_scalar;
extern const struct tnd_sum_kernel *tnd_sum_active;

// The kernels this processor runs, the reference first. Returns: the i-th, or NULL.
const struct tnd_sum_kernel *tnd_sum_kernel(unsigned i);

typedef uint64_t tnd_sum_lanes_t __attribute__((vector_size(16)));

// Add `len` octets. All pieces but the last must have an even length.
static inline uint64_t tnd_sum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    const tnd_sum_lanes_t low = {0xffffffff, 0xffffffff};
    tnd_sum_lanes_t even = {0}, odd = {0}, x, y;
    uint64_t word;

    // 32-bit words are added in 64 bits: no carry is lost below 2^32 of them.
    for (; len >= 32; len -= 32, p += 32) {
        memcpy(&x, p, 16);
        memcpy(&y, p + 16, 16);
        even += (x & low) + (y & low);
        odd += (x >> 32) + (y >> 32);
    }
    even += odd;
    sum += even[0] + even[1];
    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&word, p, 8);
        sum += (uint32_t)word + (word >> 32);
    }
    word = 0;
    memcpy(&word, p, len); // the octets behind an odd end count as zero
    return sum + (uint32_t)word + (word >> 32);
}

// A half that is added to the other one leaves its carry for it, whichever of them is above.
static inline uint16_t tnd_sum_fold(uint64_t sum)
{
    sum += sum << 32 | sum >> 32;
    uint32_t half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    return (uint16_t)(half >> 16);
}

// A sum of octets that lie at an odd offset counts the other way round.
static inline uint64_t tnd_sum_odd(uint64_t sum)
{
    return __builtin_bswap16(tnd_sum_fold(sum));
}
