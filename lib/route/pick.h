// Weighted choice among a set's targets: keyed weighted rendezvous hashing.
//
// For call key k and record i: n = 24 bits of hash(k, id_i), u = (n + 1/2) / 2^24, score =
// -log2(u) / weight_i; the smallest score of the best live tier wins, and ascending scores
// are the failover order. That is the RFC 2782 draw, made a pure function of the key: a
// record wins with probability weight_i / sum, and the order is the RFC's successive draw
// without replacement. The same key gives the same target on every core and node (RFC 3263
// s4.4); a target that leaves moves only its own calls. Then the same among the record's
// live addresses with equal weights.
//
// Kernels (util/isa.h) do several records, and the keys of several calls, at a time; all choose
// alike. How hash and score are made: pick_kernel.h.
//
// Threads:  pure. Lifetime: see target_set.h.
// Cost:     bench `pick.N`.
#pragma once

#include "route/target_set.h"
#include "util/isa.h"

// Pick one target.
// key:     tnd_derive is applied inside, in the record and address domains.
// Returns: index into the set's targets, TND_NO_TARGET when nothing is live.
uint32_t tnd_pick(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                  uint64_t call_key);

// Pick one target for each of `n` keys over sets[i]; the stage's form.
void tnd_pick_burst(const struct tnd_target_set *const sets[], const struct tnd_hash_key *secret,
                    const uint64_t call_keys[], uint32_t n, uint32_t out[]);

// The whole failover order for a key: live targets, tier by tier, a record's other addresses
// before the next record.
// Returns: how many were written, at most `max`.
uint32_t tnd_pick_order(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                        uint64_t call_key, uint32_t out[], uint32_t max);

// The score of one record, exposed so that kernels and explain can be compared bit by bit.
// n24: 24 random bits; rcp_weight > 0.
float tnd_pick_score(uint32_t n24, float rcp_weight);
