// Statistics of the tests: chi-square with its p-value, and a seeded generator.
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "util/chi2.h"

// SplitMix64 (Steele, Lea, Flood 2014): every state is good, so any seed will do.
static inline uint64_t rng_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

// p-value of counts against expected fractions, see util/chi2.h.
static inline double chi2_fit(const uint64_t counts[], const double fractions[], unsigned cells,
                              uint64_t total)
{
    return tnd_chi2_fit(counts, fractions, cells, total);
}
