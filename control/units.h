// Numbers as people read them: three significant digits and a unit.
//
// Threads: pure. Every function writes at most TND_UNITS_MAX bytes, NUL included, and
// returns `out`.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TND_UNITS_MAX 32

// "0", "17", "1.24 k", "398 M"; below 1000 whole numbers stay whole, others get three digits.
const char *tnd_units_count(double v, char out[TND_UNITS_MAX]);

// "1.24 M/s"
const char *tnd_units_rate(double per_s, char out[TND_UNITS_MAX]);

// "398 ns", "1.20 ms", "2.50 s", "2 m 13 s", "4 h 05 m", "3 d 04 h"
const char *tnd_units_duration(double seconds, char out[TND_UNITS_MAX]);

// "50.02 %": of a fraction; two decimals, as shares are compared by eye, but more where those
// would say that there is nothing: "0.0015 %".
const char *tnd_units_percent(double fraction, char out[TND_UNITS_MAX]);

// "17 B", "1.50 kB", "239 MB": decimal multiples.
const char *tnd_units_bytes(double bytes, char out[TND_UNITS_MAX]);

// "7 861 204": all digits, in groups of three.
const char *tnd_units_total(uint64_t v, char out[TND_UNITS_MAX]);
