// The Internet checksum (RFC 1071) over memory of any length and alignment.
//
// Sums are of 16-bit words in memory order: ones' complement addition commutes with a byte
// swap, so no word is ever swapped and a folded sum is stored as it is.
//
// Threads: pure.
// Cost:    one pass, 32 octets a step; the octets are in the first-level cache anyway.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline uint16_t tnd_sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}
