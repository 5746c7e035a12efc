#include "control/units.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

// Three significant digits of 0 <= v < 1000.
static int digits(double v, char *out, size_t size)
{
    int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;

    return snprintf(out, size, "%.*f", decimals, v);
}

static const char *scaled(double v, const char *const prefixes[], size_t n, const char *unit,
                          char *out)
{
    size_t i = 0;
    char number[16];

    while (i + 1 < n && v >= 999.5) {
        v /= 1000;
        i++;
    }
    if (i == 0 && v == floor(v))
        snprintf(number, sizeof number, "%.0f", v);
    else
        digits(v, number, sizeof number);
    const char *space = prefixes[i][0] || (unit[0] && unit[0] != '/') ? " " : "";
    snprintf(out, TND_UNITS_MAX, "%s%s%s%s", number, space, prefixes[i], unit);
    return out;
}

static const char *const decimal[] = {"", "k", "M", "G", "T", "P"};

const char *tnd_units_count(double v, char out[TND_UNITS_MAX])
{
    return scaled(v, decimal, 6, "", out);
}

const char *tnd_units_rate(double per_s, char out[TND_UNITS_MAX])
{
    return scaled(per_s, decimal, 6, "/s", out);
}

const char *tnd_units_bytes(double bytes, char out[TND_UNITS_MAX])
{
    return scaled(bytes, decimal, 6, "B", out);
}

static const char *long_duration(uint64_t s, char *out)
{
    unsigned d = (unsigned)(s / 86400), h = (unsigned)(s / 3600 % 24);
    unsigned m = (unsigned)(s / 60 % 60);

    if (d > 0)
        snprintf(out, TND_UNITS_MAX, "%u d %02u h", d, h);
    else if (h > 0)
        snprintf(out, TND_UNITS_MAX, "%u h %02u m", h, m);
    else
        snprintf(out, TND_UNITS_MAX, "%u m %02u s", m, (unsigned)(s % 60));
    return out;
}

const char *tnd_units_duration(double seconds, char out[TND_UNITS_MAX])
{
    static const char *const small[] = {"ns", "us", "ms"};
    double v = seconds * 1e9;
    char number[16];
    size_t i = 0;

    if (seconds >= 59.95)
        return long_duration((uint64_t)llround(seconds), out);
    if (seconds >= 0.9995) {
        digits(seconds, number, sizeof number);
        snprintf(out, TND_UNITS_MAX, "%s s", number);
        return out;
    }
    if (seconds <= 0) {
        snprintf(out, TND_UNITS_MAX, "0 s");
        return out;
    }
    for (; i < 2 && v >= 999.5; i++)
        v /= 1000;
    digits(v, number, sizeof number);
    snprintf(out, TND_UNITS_MAX, "%s %s", number, small[i]);
    return out;
}

const char *tnd_units_percent(double fraction, char out[TND_UNITS_MAX])
{
    double percent = fraction * 100;
    bool tiny = percent > 1e-12 && percent < 0.005;

    snprintf(out, TND_UNITS_MAX, "%.*f %%", tiny ? 1 - (int)floor(log10(percent)) : 2, percent);
    return out;
}

const char *tnd_units_total(uint64_t v, char out[TND_UNITS_MAX])
{
    char plain[24];
    int n = snprintf(plain, sizeof plain, "%llu", (unsigned long long)v);
    size_t at = 0;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ' ';
        out[at++] = plain[i];
    }
    out[at] = '\0';
    return out;
}
