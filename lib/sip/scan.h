// Scanning: the seam between the parser and the instruction set, and the character classes.
//
// The parser asks two questions of every octet of a header section: where do lines end, and
// which runs of characters end here. A kernel answers both for the whole section at once: a
// list of line ends, and per kind of run a map with one bit an octet, set where the run stops.
// "The token from here" is then a shift and a count of zeros, whatever the instruction set,
// and no octet outside the data is touched for it. Kernels make the maps 64 octets at a time;
// scan_blocks.h is the logic they share, each file scan_*.c the part that is one ISA's own. Each
// also compiles the parser itself (message.h): its inner loops are shifts and bit counts that the
// newer instruction sets do in one step.
// The scalar kernel is the reference: every other one must answer the same, bit by bit.
//
// Threads:  kernels are pure. tnd_scan_active is set before any worker starts, then only read.
// Cost:     see bench `parse.invite`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sip/msg.h"
#include "util/isa.h"

// What a kernel compiles into its parser, for its own instruction set.
#define TND__INLINE static inline __attribute__((always_inline))

// Physical lines of a header section: its fields, their folds, the start line and the empty line.
#define TND_SCAN_LINES_MAX 512
#define TND_SCAN_MAX       16384 // octets; TND_SIP_MAX, and what offsets of lines can name
#define TND_SCAN_WORDS     (TND_SCAN_MAX / 64 + 1)

// Runs of characters, each with a map of where it stops.
enum tnd_run {
    TND_RUN_TOKEN, // stops at what is not TND_C_TOKEN
    TND_RUN_URI,   // stops at what is not TND_C_URI
    TND_RUN_VALUE, // stops at what is not TND_C_VALUE
    TND_RUN_HOST,  // stops at what is not TND_C_HOST
    TND_RUN_QUOTE, // inside a quoted string: stops at '"' and '\\'
    TND_RUN_COUNT
};

// Bit i % 64 of word i / 64 stands for octet i. All bits from the end of the data to the end
// of the word after the last block read are set: every run ends.
struct tnd_scan_maps {
    uint64_t stop[TND_RUN_COUNT][TND_SCAN_WORDS];
};

struct tnd_scan {
    uint16_t n;       // lines listed
    uint16_t plain;   // lines [0, plain) are not empty, end with CRLF and have no other CR
    uint16_t bare_cr; // first CR with no LF after it, in the lines listed; `len` if none
    bool ended;       // the last line listed is the empty one
    uint16_t lf[TND_SCAN_LINES_MAX]; // [0, n): offset of the line's LF; `len` when it has none
    struct tnd_scan_maps maps;
};

struct tnd_scan_kernel {
    const char *name;
    // As tnd_sip_parse: the whole parser, compiled for the kernel's instruction set.
    enum tnd_sip_error (*parse)(const char *data, size_t len, struct tnd_sip_msg *out);
    // List the lines from data[0] up to and with the first empty line (LF or CRLF alone),
    // or to the end of the data, whose unterminated rest is a line too, or until the list
    // is full. The maps are written as far as that, to the end of a block of 64.
    // Requires: len <= TND_SCAN_MAX. Touches no octet at or after data + len.
    void (*lines)(const char *data, uint32_t len, struct tnd_scan *out);
    // Write the maps of the blocks that hold data[from] to data[to - 1].
    // Requires: from <= to <= TND_SCAN_MAX. Reads from the start of the first block to data + to.
    void (*maps)(const char *data, uint32_t from, uint32_t to, struct tnd_scan_maps *out);
};

extern const struct tnd_scan_kernel tnd_scan_scalar;

// The kernel tnd_sip_parse uses: the one of the level that tnd_isa_select chose.
extern const struct tnd_scan_kernel *tnd_scan_active;

// The kernels this processor runs, the slowest (the reference) first. For comparing them.
// Returns: the i-th, or NULL.
const struct tnd_scan_kernel *tnd_scan_kernel(unsigned i);

// Find where the run of kind `run` that starts at `at` stops, at the latest where the maps end.
static inline size_t tnd_scan_find(const struct tnd_scan_maps *maps, enum tnd_run run, size_t at)
{
    const char *map = (const char *)maps->stop[run];

    // A load at any octet of the map leaves 57 bits at least: most runs end within.
    for (;; at += 56) {
        uint64_t w;

        memcpy(&w, map + at / 8, sizeof w); // little endian hosts only: checked in meson.build
        w >>= at % 8;
        if (w)
            return at + (size_t)__builtin_ctzll(w);
    }
}

// Character classes (RFC 3261 s25.1), wider than the grammar where real user agents are.
enum {
    TND_C_TOKEN = 1, // token
    TND_C_URI = 2,   // inside a URI: all but blanks, controls, '<', '>' and '"'
    TND_C_HOST = 4,  // host name and IPv4 address: alphanum, '-', '.', and '_' as seen in use
    TND_C_LWS = 8,   // blanks, and the line ends of folds
    TND_C_DIGIT = 16,
    TND_C_ALPHA = 32,
    TND_C_HEX = 64,
    TND_C_VALUE = 128, // unquoted parameter value: as URI, without ',' and ';'
};

extern const uint8_t tnd_char_class[256];

static inline bool tnd_char_is(char c, unsigned classes)
{
    return (tnd_char_class[(uint8_t)c] & classes) != 0;
}
