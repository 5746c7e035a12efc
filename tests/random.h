// A small generator for tests: the same numbers from the same seed, everywhere.
#pragma once

#include <stdint.h>

// SplitMix64 (Steele, Lea, Flood 2014).
static inline uint64_t test_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}
