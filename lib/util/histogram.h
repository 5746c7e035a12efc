// Counts of durations, from which percentiles are read: each power of two is cut in 64 parts, so
// that a percentile is at most 1.6 % above the true one, whatever the values are (the layout of
// HdrHistogram, Tene 2012).
//
// Threads:  one owner. Lifetime: a value; zeroed memory is an empty one.
// Cost:     one increment; 30 KB.
#pragma once

#include <stdint.h>

#define TND_HISTOGRAM_BITS 6
#define TND_HISTOGRAM_SUB  (1u << TND_HISTOGRAM_BITS)
#define TND_HISTOGRAM_SIZE ((64 - TND_HISTOGRAM_BITS + 1) * TND_HISTOGRAM_SUB)

struct tnd_histogram {
    uint64_t n, sum, max; // sum: modulo 2^64
    uint64_t counts[TND_HISTOGRAM_SIZE];
};

// Values below 64 have a slot each; above, the top seven bits tell the slot.
static inline uint32_t tnd_histogram_slot(uint64_t v)
{
    if (v < TND_HISTOGRAM_SUB)
        return (uint32_t)v;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(v) - TND_HISTOGRAM_BITS;
    return (shift + 1) * TND_HISTOGRAM_SUB + (uint32_t)(v >> shift) - TND_HISTOGRAM_SUB;
}

// The largest value that has this slot.
static inline uint64_t tnd_histogram_highest(uint32_t slot)
{
    if (slot < TND_HISTOGRAM_SUB)
        return slot;
    uint32_t shift = slot / TND_HISTOGRAM_SUB - 1;
    uint64_t top = slot % TND_HISTOGRAM_SUB + TND_HISTOGRAM_SUB;
    return (top << shift) + (((uint64_t)1 << shift) - 1);
}

static inline void tnd_histogram_add(struct tnd_histogram *h, uint64_t v)
{
    h->counts[tnd_histogram_slot(v)]++;
    h->n++;
    h->sum += v;
    if (v > h->max)
        h->max = v;
}

// The value that the share `q` (0 to 1) of all values does not exceed: the slot's largest, and
// never above the largest that was added. Returns: 0 when the histogram is empty.
uint64_t tnd_histogram_quantile(const struct tnd_histogram *h, double q);

// Add the counts of `from`.
void tnd_histogram_merge(struct tnd_histogram *h, const struct tnd_histogram *from);
