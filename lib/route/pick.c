#include "route/pick.h"

#include "route/pick_kernel.h"

#define BURST 32U // picks whose keys are made together; a multiple of 8

TND_ISA_FAMILY(tnd__pick);

// With equal weights the smallest score is the largest draw: no logarithm. Targets lie in
// order of family rank, so the first live one tells which rank serves. The complement of the
// index makes ties go to the lower one; 0 is less than any draw. No branch depends on a draw.
static uint32_t pick_address(const struct tnd_target_set *s, uint64_t key, uint16_t record)
{
    const struct tnd_record *r = &tnd_set_records(s)[record];
    const struct tnd_target *t = tnd_set_targets(s);
    uint32_t i = r->first, end = i + r->n;
    uint64_t best = 0;
    uint8_t rank;

    while (!(t[i].flags & TND_TARGET_LIVE))
        i++;
    rank = t[i].family_rank;
    for (; i < end && t[i].family_rank == rank; i++) {
        uint64_t draw = (uint64_t)tnd__pick_draw(key ^ TND__KEY_ADDRESS, t[i].id) << 32 | ~i;

        draw &= -(uint64_t)(t[i].flags & TND_TARGET_LIVE);
        best = draw > best ? draw : best;
    }
    return ~(uint32_t)best;
}

_Static_assert(TND_TARGET_LIVE == 1, "a mask of all bits when negated");

// What is left to decide of a burst, after the sets that leave no choice.
struct choices {
    uint32_t n;
    uint32_t of[BURST]; // positions in the burst
    struct tnd__draw draws[BURST];
    uint64_t call_keys[BURST], keys[BURST];
    uint32_t winners[BURST];
};

static void make_keys(struct choices *c, const struct tnd_hash_key *secret)
{
    for (uint32_t i = c->n; i % 8 != 0; i++)
        c->call_keys[i] = 0;
    tnd__pick_active->keys(secret, c->call_keys, (c->n + 7) & ~7U, c->keys);
}

// Nothing live, or one record with one address: known without a key.
static inline bool leaves_no_choice(const struct tnd_target_set *s, uint32_t *target)
{
    if (s->draw_n > 1)
        return false;
    *target = s->draw_n ? tnd_lanes_at(tnd_set_draw(s), 1).lanes[0].only : TND_NO_TARGET;
    return *target != TND_LANE_MANY;
}

static void pick_some(const struct tnd_target_set *const sets[], const struct tnd_hash_key *secret,
                      const uint64_t call_keys[], uint32_t n, uint32_t out[])
{
    struct choices c;
    uint32_t left = 0;

    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(tnd_set_draw(sets[i]));
    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_target_set *s = sets[i];

        if (leaves_no_choice(s, &out[i]))
            continue;
        c.of[left] = i;
        c.call_keys[left] = call_keys[i];
        c.draws[left++] =
            (struct tnd__draw){tnd_set_draw(s), s->draw_n, tnd_lanes_stride(s->draw_n)};
    }
    if (left == 0)
        return;
    c.n = left;
    make_keys(&c, secret);
    tnd__pick_active->draw(c.keys, c.draws, left, c.winners);
    for (uint32_t k = 0; k < left; k++) {
        const struct tnd_lane *lanes = c.draws[k].lanes;
        struct tnd_lane lane = lanes[3 * (size_t)c.draws[k].stride + c.winners[k]];

        out[c.of[k]] = lane.only != TND_LANE_MANY
                           ? lane.only
                           : pick_address(sets[c.of[k]], c.keys[k], lane.record);
    }
}

void tnd_pick_burst(const struct tnd_target_set *const sets[], const struct tnd_hash_key *secret,
                    const uint64_t call_keys[], uint32_t n, uint32_t out[])
{
    for (uint32_t i = 0; i < n; i += BURST)
        pick_some(sets + i, secret, call_keys + i, n - i < BURST ? n - i : BURST, out + i);
}

uint32_t tnd_pick(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                  uint64_t call_key)
{
    uint32_t out;

    pick_some(&s, secret, &call_key, 1, &out);
    return out;
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
static uint32_t order_addresses(const struct tnd_target_set *s, uint64_t key, uint16_t record,
                                uint32_t out[], uint32_t max)
{
    const struct tnd_record *r = &tnd_set_records(s)[record];
    const struct tnd_target *t = tnd_set_targets(s);
    struct ranking k;

    k.n = 0;
    k.max = max < TND_SET_TARGETS_MAX ? max : TND_SET_TARGETS_MAX;
    for (uint32_t i = r->first; i < (uint32_t)r->first + r->n; i++)
        if (t[i].flags & TND_TARGET_LIVE)
            rank(&k,
                 (uint32_t)t[i].family_rank << TND__DRAW_BITS |
                     (~tnd__pick_draw(key ^ TND__KEY_ADDRESS, t[i].id) &
                      ((1U << TND__DRAW_BITS) - 1)),
                 i);
    for (uint32_t i = 0; i < k.n; i++)
        out[i] = (uint32_t)k.entries[i];
    return k.n;
}

// The n lanes at `p`, in order of score. Scores are positive, so their bits sort alike.
static uint32_t order_lanes(const struct tnd_target_set *s, uint64_t key, const void *p, uint32_t n,
                            uint32_t out[], uint32_t max)
{
    struct tnd_lanes lanes = tnd_lanes_at(p, n);
    struct ranking k;
    uint32_t written = 0;

    k.n = 0;
    k.max = max < n ? max : n; // a live record has one target at least
    for (uint32_t i = 0; i < n; i++) {
        uint32_t draw = tnd__pick_draw(key, tnd_lane_id(&lanes, i)), bits;
        float score = tnd_pick_score(draw, lanes.rcp_weights[i]);

        memcpy(&bits, &score, sizeof bits);
        rank(&k, bits, i);
    }
    for (uint32_t i = 0; i < k.n && written < max; i++)
        written += order_addresses(s, key, lanes.lanes[(uint32_t)k.entries[i]].record,
                                   out + written, max - written);
    return written;
}

uint32_t tnd_pick_order(const struct tnd_target_set *s, const struct tnd_hash_key *secret,
                        uint64_t call_key, uint32_t out[], uint32_t max)
{
    uint64_t key = tnd__pick_key(secret, call_key);
    const char *lanes = (const char *)s + s->lanes_off;
    uint32_t n = 0;

    for (uint16_t i = 0; i < s->n_tiers; i++) {
        const struct tnd_tier *tier = &s->tiers[i];

        n += order_lanes(s, key, lanes, tier->n_live, out + n, max - n);
        lanes += tnd_lanes_size(tier->n_live);
        n += order_lanes(s, key, lanes, tier->n_zero_live, out + n, max - n);
        lanes += tnd_lanes_size(tier->n_zero_live);
    }
    return n;
}
