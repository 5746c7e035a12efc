// Tables for kernels that look octets up sixteen at a time, by their low half.
//
// For the low half of an octet a table holds one bit for each high half from 0 to 7: whether
// the octet is of the set. The high half selects the bit. Shuffles yield 0 for octets from 0x80
// up, so these are outside of every set here: tables of runs that go on over them (URI, VALUE,
// QUOTE) hold the octets that stop the run, the others (TOKEN, HOST) those that do not.
#pragma once

#define TND__DIGIT(c) ((c) >= '0' && (c) <= '9')
#define TND__ALPHA(c) (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define TND__HOST(c)  (TND__DIGIT(c) || TND__ALPHA(c) || (c) == '-' || (c) == '.' || (c) == '_')
#define TND__TOKEN(c)                                                                       \
    (TND__HOST(c) || (c) == '!' || (c) == '%' || (c) == '\'' || (c) == '*' || (c) == '+' || \
     (c) == '`' || (c) == '~')
#define TND__NO_URI(c)   ((c) <= ' ' || (c) == 0x7f || (c) == '"' || (c) == '<' || (c) == '>')
#define TND__NO_VALUE(c) (TND__NO_URI(c) || (c) == ',' || (c) == ';')
#define TND__NO_QUOTE(c) ((c) == '"' || (c) == '\\')

#define TND__LOW(set, lo)                                                                     \
    (uint8_t)((set((lo)) ? 1 : 0) | (set(0x10 + (lo)) ? 2 : 0) | (set(0x20 + (lo)) ? 4 : 0) | \
              (set(0x30 + (lo)) ? 8 : 0) | (set(0x40 + (lo)) ? 16 : 0) |                      \
              (set(0x50 + (lo)) ? 32 : 0) | (set(0x60 + (lo)) ? 64 : 0) |                     \
              (set(0x70 + (lo)) ? 128 : 0))
#define TND__TABLE(set)                                                                           \
    {                                                                                             \
        TND__LOW(set, 0), TND__LOW(set, 1), TND__LOW(set, 2), TND__LOW(set, 3), TND__LOW(set, 4), \
            TND__LOW(set, 5), TND__LOW(set, 6), TND__LOW(set, 7), TND__LOW(set, 8),               \
            TND__LOW(set, 9), TND__LOW(set, 10), TND__LOW(set, 11), TND__LOW(set, 12),            \
            TND__LOW(set, 13), TND__LOW(set, 14), TND__LOW(set, 15)                               \
    }

#include "sip/scan.h"

// Whether a run's table holds the octets it goes on over.
#define TND__RUN_HOLDS_GOING(run) ((run) == TND_RUN_TOKEN || (run) == TND_RUN_HOST)

#define TND__FOUR(set)                                                     \
    {                                                                      \
        TND__TABLE(set), TND__TABLE(set), TND__TABLE(set), TND__TABLE(set) \
    }

// Each table four times: shuffles work within 16 octets of a wider register.
static const uint8_t tnd__low[TND_RUN_COUNT][4][16] __attribute__((aligned(64))) = {
    [TND_RUN_TOKEN] = TND__FOUR(TND__TOKEN),    [TND_RUN_URI] = TND__FOUR(TND__NO_URI),
    [TND_RUN_VALUE] = TND__FOUR(TND__NO_VALUE), [TND_RUN_HOST] = TND__FOUR(TND__HOST),
    [TND_RUN_QUOTE] = TND__FOUR(TND__NO_QUOTE),
};

#define TND__BITS                   \
    {                               \
        1, 2, 4, 8, 16, 32, 64, 128 \
    }

static const uint8_t tnd__high[4][16]
    __attribute__((aligned(64))) = {TND__BITS, TND__BITS, TND__BITS, TND__BITS};
