// Longest-prefix match over IPv4 and IPv6: immutable, built once, read by anyone.
//
// One hash of all prefixes, probed from the longest length in use to the shortest; a
// carrier's configuration uses few lengths, so a lookup is a handful of probes. An entry
// with a port beats one of equal length without.
//
// Threads:  built by one, then read-only. Lifetime: the builder's.
// Cost:     one probe (a cache line) per prefix length in use.
#pragma once

#include "util/addr.h"
#include "util/hash.h"

#define TND_LPM_NONE UINT32_MAX

struct tnd_lpm_entry {
    struct tnd_prefix prefix;
    uint32_t value;
};

struct tnd_lpm;

// entries: copied; equal prefix and port twice is the caller's error (the later one wins).
// Returns: NULL when memory is short. Free with tnd_lpm_free.
struct tnd_lpm *tnd_lpm_new(const struct tnd_lpm_entry *entries, uint32_t n);
void tnd_lpm_free(struct tnd_lpm *lpm);

// The same in parts, for whoever must not stay away for long: begin, clear until it is done,
// then a place for each prefix, finish. Only then may it be looked up in.
struct tnd_lpm *tnd_lpm_begin(uint32_t n); // room for n prefixes; NULL when memory is short
bool tnd_lpm_clear(struct tnd_lpm *lpm, uint32_t slots); // some 30 ns each. Returns: done
// Returns: where the prefix's value stands, TND_LPM_NONE at first; NULL for no valid prefix.
uint32_t *tnd_lpm_place(struct tnd_lpm *lpm, const struct tnd_prefix *p);
void tnd_lpm_finish(struct tnd_lpm *lpm);

// Value of the longest prefix that covers `a` (IP and, where the entry has one, port).
// Returns: TND_LPM_NONE when nothing does. `lpm` may be NULL.
uint32_t tnd_lpm_lookup(const struct tnd_lpm *lpm, const struct tnd_addr *a);
