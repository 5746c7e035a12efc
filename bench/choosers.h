// The textbook's other ways of choosing by weight, for comparing with the pick: what each costs,
// and what it moves when a target dies. Each is a pure function of a random 64-bit key and of a
// table built for one set of weights.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHOOSER_MAX  256U   // targets
#define MAGLEV_SIZE  65537U // the prime of its paper for a load within 1 %, up to some 650 targets
#define MAGLEV_NOONE UINT16_MAX

// RFC 2782's own: a running sum of weights, and a walk to a random number below the sum.
struct walk {
    uint32_t n;
    uint32_t sums[CHOOSER_MAX];
};

// The alias method (Walker 1977, Vose 1991): n columns of equal chance, two targets in each.
struct alias {
    uint32_t n;
    struct {
        uint32_t below; // chance of `first`, of 2^32
        uint16_t first, second;
    } columns[CHOOSER_MAX];
};

// Maglev (Eisenbud et al. 2016): each target prefers the slots of a permutation of its own, and
// all take turns, by weight, to take the next free one.
struct maglev {
    uint16_t slots[MAGLEV_SIZE];
};

// Build for the targets i with weights[i] > 0. n: at most CHOOSER_MAX.
void walk_build(struct walk *w, const uint32_t weights[], uint32_t n);
void alias_build(struct alias *a, const uint32_t weights[], uint32_t n);
void maglev_build(struct maglev *m, const uint32_t weights[], uint32_t n);

static inline uint32_t walk_choose(const struct walk *w, uint64_t key)
{
    uint32_t draw = (uint32_t)((key >> 32) * w->sums[w->n - 1] >> 32), at = 0;

    while (w->sums[at] <= draw)
        at++;
    return at;
}

static inline uint32_t alias_choose(const struct alias *a, uint64_t key)
{
    uint32_t column = (uint32_t)((key >> 32) * a->n >> 32);

    return (uint32_t)key < a->columns[column].below ? a->columns[column].first
                                                    : a->columns[column].second;
}

static inline uint32_t maglev_choose(const struct maglev *m, uint64_t key)
{
    return m->slots[(key >> 32) * MAGLEV_SIZE >> 32];
}
