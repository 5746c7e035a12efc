// Chi-square: do counts agree with the fractions they should have?
//
// Threads: pure. Cost: some microseconds; for checks, not for packets.
#pragma once

#include <math.h>
#include <stdint.h>

// Upper tail of the chi-square distribution: Q(df/2, x/2), by series or continued fraction.
static inline double tnd_chi2_tail(double x, double df)
{
    double a = df / 2, y = x / 2, lead, sum, term;

    if (df <= 0 || x <= 0)
        return 1;
    lead = exp(-y + a * log(y) - lgamma(a));
    if (y < a + 1) {
        sum = term = 1 / a;
        for (int i = 1; i < 5000 && term > sum * 1e-15; i++)
            sum += term *= y / (a + i);
        return 1 - lead * sum;
    }
    double b = y + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 5000; i++) {
        double an = -i * (i - a), step;
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        step = c * d;
        h *= step;
        if (fabs(step - 1) < 1e-14)
            break;
    }
    return lead * h;
}

// p-value of counts against expected fractions. Cells that expect fewer than 5 are pooled into
// one; a count where the fraction is 0 is impossible and gives p = 0.
static inline double tnd_chi2_fit(const uint64_t counts[], const double fractions[], unsigned cells,
                                  uint64_t total)
{
    double x = 0, pooled_expected = 0;
    uint64_t pooled = 0;
    unsigned used = 0;

    for (unsigned i = 0; i < cells; i++) {
        double expected = fractions[i] * (double)total;
        if (fractions[i] <= 0) {
            if (counts[i])
                return 0;
        } else if (expected < 5) {
            pooled += counts[i];
            pooled_expected += expected;
        } else {
            x += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
            used++;
        }
    }
    if (pooled_expected >= 1) {
        x += ((double)pooled - pooled_expected) * ((double)pooled - pooled_expected) /
             pooled_expected;
        used++;
    }
    return used > 1 ? tnd_chi2_tail(x, used - 1) : 1;
}
