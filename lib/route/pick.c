#include "route/pick.h"

#include "route/pick_kernel.h"

// Chosen once, before main; the bits are the same whichever it is.
static tnd__pick_kernel pick_min = tnd__pick_scalar;

__attribute__((constructor)) static void choose_kernel(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("fma"))
        pick_min = tnd__pick_fma;
#endif
}

float tnd_pick_score(uint32_t n24, float rcp_weight)
{
    return tnd__score_scalar(n24, rcp_weight);
}

// With equal weights the smallest score is the largest draw: no logarithm. Targets lie in
// order of family rank, so the first live one tells which rank serves.
static uint32_t pick_address(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                             uint64_t call_key, uint16_t record)
{
    uint64_t pick_key = tnd__pick_key(secret, TND_DOMAIN_ADDRESS, call_key);
    const struct tnd_record *r = &tnd_set_records(s)[record];
    const struct tnd_target *targets = tnd_set_targets(s);
    uint32_t winner = TND_NO_TARGET, best = 0;

    for (uint32_t i = r->first; i < (uint32_t)r->first + r->n; i++) {
        uint32_t draw;

        if (!(targets[i].flags & TND_TARGET_LIVE))
            continue;
        if (winner != TND_NO_TARGET && targets[i].family_rank != targets[winner].family_rank)
            break;
        draw = tnd__pick_draw(pick_key, targets[i].id);
        if (winner == TND_NO_TARGET || draw > best) {
            winner = i;
            best = draw;
        }
    }
    return winner;
}

uint32_t tnd_pick(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                  uint64_t call_key)
{
    struct tnd_lanes lanes;
    const struct tnd_tier *tier;
    uint32_t n, first, i = 0;

    if (s->best >= s->n_tiers)
        return TND_NO_TARGET;
    tier = &s->tiers[s->best];
    first = tier->first; // with no live record of the first draw the last resorts begin here
    n = tier->n_live ? tier->n_live : tier->n_zero_live;
    lanes = tnd_set_lanes(s);
    if (n > 1) {
        uint64_t pick_key = tnd__pick_key(secret, TND_DOMAIN_RECORD, call_key);
        i = pick_min(pick_key, lanes.ids + first, lanes.rcp_weights + first, n);
    }
    i += first;
    if (lanes.lanes[i].only != TND_LANE_MANY)
        return lanes.lanes[i].only;
    return pick_address(s, secret, call_key, lanes.lanes[i].record);
}

void tnd_pick_burst(const struct tnd_target_set *const sets[], const struct tnd_hash_key *secret,
                    const uint64_t call_keys[], uint32_t n, uint32_t out[])
{
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch((const char *)sets[i] + sets[i]->lanes_off);
    for (uint32_t i = 0; i < n; i++)
        out[i] = tnd_pick(sets[i], secret, call_keys[i]);
}

// ---- Failover order -----------------------------------------------------------------------

// The best `max` of what was offered, ascending. An entry is the sort key in the upper half
// and the index in the lower, so that ties go to the lower index.
struct ranking {
    uint64_t entries[TND_SET_TARGETS_MAX];
    uint32_t n, max;
};

static void rank(struct ranking *k, uint32_t key, uint32_t index)
{
    uint64_t e = (uint64_t)key << 32 | index;
    uint32_t at;

    if (k->n == k->max && (k->n == 0 || e > k->entries[k->n - 1]))
        return;
    at = k->n < k->max ? k->n++ : k->n - 1;
    for (; at > 0 && k->entries[at - 1] > e; at--)
        k->entries[at] = k->entries[at - 1];
    k->entries[at] = e;
}

// Live addresses of one record: by family rank, then by draw.
static uint32_t order_addresses(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                                uint64_t call_key, uint16_t record, uint32_t out[], uint32_t max)
{
    uint64_t pick_key = tnd__pick_key(secret, TND_DOMAIN_ADDRESS, call_key);
    const struct tnd_record *r = &tnd_set_records(s)[record];
    const struct tnd_target *t = tnd_set_targets(s);
    struct ranking k;

    k.n = 0;
    k.max = max < TND_SET_TARGETS_MAX ? max : TND_SET_TARGETS_MAX;
    for (uint32_t i = r->first; i < (uint32_t)r->first + r->n; i++)
        if (t[i].flags & TND_TARGET_LIVE)
            rank(&k,
                 (uint32_t)t[i].family_rank << TND__DRAW_BITS |
                     (~tnd__pick_draw(pick_key, t[i].id) & ((1U << TND__DRAW_BITS) - 1)),
                 i);
    for (uint32_t i = 0; i < k.n; i++)
        out[i] = (uint32_t)k.entries[i];
    return k.n;
}

// The n lanes at `first`, in order of score. Scores are positive, so their bits sort alike.
static uint32_t order_lanes(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                            uint64_t call_key, uint32_t first, uint32_t n, uint32_t out[],
                            uint32_t max)
{
    uint64_t pick_key = tnd__pick_key(secret, TND_DOMAIN_RECORD, call_key);
    struct tnd_lanes lanes = tnd_set_lanes(s);
    struct ranking k;
    uint32_t written = 0;

    k.n = 0;
    k.max = max < n ? max : n; // a live record has one target at least
    for (uint32_t i = first; i < first + n; i++) {
        float score = tnd_pick_score(tnd__pick_draw(pick_key, lanes.ids[i]), lanes.rcp_weights[i]);
        uint32_t bits;
        memcpy(&bits, &score, sizeof bits);
        rank(&k, bits, i);
    }
    for (uint32_t i = 0; i < k.n && written < max; i++)
        written += order_addresses(s, secret, call_key, lanes.lanes[(uint32_t)k.entries[i]].record,
                                   out + written, max - written);
    return written;
}

uint32_t tnd_pick_order(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                        uint64_t call_key, uint32_t out[], uint32_t max)
{
    uint32_t n = 0;

    for (uint16_t i = 0; i < s->n_tiers; i++) {
        const struct tnd_tier *tier = &s->tiers[i];
        uint32_t first = tier->first;

        n += order_lanes(s, secret, call_key, first, tier->n_live, out + n, max - n);
        first += tier->n_live;
        n += order_lanes(s, secret, call_key, first, tier->n_zero_live, out + n, max - n);
    }
    return n;
}
