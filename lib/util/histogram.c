#include "util/histogram.h"

uint64_t tnd_histogram_quantile(const struct tnd_histogram *h, double q)
{
    double wanted = q * (double)h->n;
    uint64_t rank, seen = 0;

    if (h->n == 0)
        return 0;
    // The rank-th smallest, rank rounded up: of 100 values the 0.99 quantile is the 99th.
    rank = wanted <= 1 ? 1 : (uint64_t)wanted;
    if ((double)rank < wanted && rank < h->n)
        rank++;
    for (uint32_t i = 0; i < TND_HISTOGRAM_SIZE; i++) {
        seen += h->counts[i];
        if (seen >= rank) {
            uint64_t v = tnd_histogram_highest(i);
            return v < h->max ? v : h->max;
        }
    }
    return h->max;
}

void tnd_histogram_merge(struct tnd_histogram *h, const struct tnd_histogram *from)
{
    for (uint32_t i = 0; i < TND_HISTOGRAM_SIZE; i++)
        h->counts[i] += from->counts[i];
    h->n += from->n;
    h->sum += from->sum;
    if (from->max > h->max)
        h->max = from->max;
}
