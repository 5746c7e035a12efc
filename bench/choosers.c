#include "bench/choosers.h"

#include "bench/bench.h"

void walk_build(struct walk *w, const uint32_t weights[], uint32_t n)
{
    uint32_t sum = 0;

    w->n = n;
    for (uint32_t i = 0; i < n; i++)
        w->sums[i] = sum += weights[i];
}

// The next column: `first` for the chance `below`, `second` for the rest.
static void add_column(struct alias *a, double below, uint16_t first, uint16_t second)
{
    a->columns[a->n].below = below >= 1 ? UINT32_MAX : (uint32_t)(below * 4294967296.0);
    a->columns[a->n].first = first;
    a->columns[a->n++].second = second;
}

void alias_build(struct alias *a, const uint32_t weights[], uint32_t n)
{
    double chance[CHOOSER_MAX], sum = 0; // what a target has yet to fill, in columns
    uint16_t small[CHOOSER_MAX], large[CHOOSER_MAX];
    uint32_t n_small = 0, n_large = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < n; i++) {
        chance[i] = weights[i] * n / sum;
        if (chance[i] < 1)
            small[n_small++] = (uint16_t)i;
        else
            large[n_large++] = (uint16_t)i;
    }
    a->n = 0;
    while (n_small > 0 && n_large > 0) {
        uint16_t s = small[--n_small], l = large[n_large - 1];

        add_column(a, chance[s], s, l);
        chance[l] -= 1 - chance[s];
        if (chance[l] < 1) {
            n_large--;
            small[n_small++] = l;
        }
    }
    while (n_large-- > 0) // one list is empty: the rest, but for rounding, fill a column each
        add_column(a, 1, large[n_large], large[n_large]);
    while (n_small-- > 0)
        add_column(a, 1, small[n_small], small[n_small]);
}

void maglev_build(struct maglev *m, const uint32_t weights[], uint32_t n)
{
    uint32_t at[CHOOSER_MAX], step[CHOOSER_MAX], filled = 0, most = 0;
    double credit[CHOOSER_MAX] = {0};

    for (uint32_t i = 0; i < n; i++) {
        uint64_t seed = i + 1; // by the target, not by who else is there
        at[i] = (uint32_t)(bench_random(&seed) % MAGLEV_SIZE);
        step[i] = 1 + (uint32_t)(bench_random(&seed) % (MAGLEV_SIZE - 1));
        most = weights[i] > most ? weights[i] : most;
    }
    for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
        m->slots[i] = MAGLEV_NOONE;
    while (filled < MAGLEV_SIZE)
        for (uint32_t i = 0; i < n && filled < MAGLEV_SIZE; i++) {
            credit[i] += (double)weights[i] / most; // a turn is had when it comes to 1
            if (credit[i] < 1)
                continue;
            credit[i] -= 1;
            while (m->slots[at[i]] != MAGLEV_NOONE)
                at[i] = (at[i] + step[i]) % MAGLEV_SIZE;
            m->slots[at[i]] = (uint16_t)i;
            filled++;
        }
}
