// The pick: scores against double precision, kernels against each other, what moves when.
#include "cmocka_all.h"

#include <math.h>

#include "guard.h"
#include "route/pick.h"
#include "route/pick_kernel.h"
#include "route_sets.h"
#include "stats.h"

#define SEED 20240607ULL

static const struct tnd_hash_key secret = {0x0123456789abcdefULL, 0xfedcba9876543210ULL};

// The mix, written down a second time from its description in pick_kernel.h, in 64 bits.
static uint32_t draw_by_the_book(uint64_t key, uint64_t id)
{
    const uint64_t word = 1ULL << 32;
    uint64_t k0 = key % word, k1 = key / word, x = id % word ^ k0;

    x ^= x / 65536;
    x = x * 2146121005 % word;
    x ^= x / 32768;
    x = (x + (id / word ^ k1)) % word;
    x ^= x / 65536;
    x = x * 2221713035 % word;
    x ^= x / 32768;
    return (uint32_t)(x * 2654435761 % word / 256);
}

static void draw_is_the_mix_of_the_derivation(void **state)
{
    uint64_t rng = SEED;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t call_key = rng_next(&rng), id = rng_next(&rng);
        uint64_t key = tnd_derive(&secret, TND_DOMAIN_RECORD, call_key, 0);
        assert_true(tnd__pick_key(&secret, call_key) == key);
        assert_int_equal(tnd__pick_draw(key, id), draw_by_the_book(key, id));
    }
}

// The kernel under test; and scores of `n` draws from `first` on, by it.
static const struct tnd__pick_kernel *kernel;

#define CHUNK 4096U

static void scores_from(const struct tnd__pick_kernel *k, uint32_t first, float rcp, float out[])
{
    uint32_t draws[CHUNK];
    float rcps[CHUNK];

    for (uint32_t i = 0; i < CHUNK; i++) {
        draws[i] = first + i;
        rcps[i] = rcp;
    }
    k->scores(draws, rcps, CHUNK, out);
}

static void keys_are_the_derivation(void **state)
{
    uint64_t rng = SEED, call_keys[32], keys[32];

    (void)state;
    for (unsigned round = 0; round < 1000; round++) {
        uint32_t n = 8 * (1 + (uint32_t)rng_next(&rng) % 4);
        for (unsigned i = 0; i < n; i++)
            call_keys[i] = rng_next(&rng);
        kernel->keys(&secret, call_keys, n, keys);
        for (unsigned i = 0; i < n; i++)
            assert_true(keys[i] == tnd__pick_key(&secret, call_keys[i]));
    }
}

// All 2^24 draws: relatively exact everywhere, so a weight of 1 beside 65535 gets its due.
static void scores_are_relatively_exact(void **state)
{
    double worst = 0;
    uint32_t at = 0;

    (void)state;
    for (uint32_t first = 0; first < 1U << 24; first += CHUNK) {
        float scores[CHUNK];

        scores_from(kernel, first, 1.0F, scores);
        for (uint32_t n = first; n < first + CHUNK; n++) {
            // 1 - u is exact in double precision, log1p(-(1 - u)) has no cancellation.
            double want = -log1p(-((double)(1 << 24) - n - 0.5) / (1 << 24)) / M_LN2;
            double error = fabs(scores[n - first] / want - 1);
            if (error > worst) {
                worst = error;
                at = n;
            }
        }
    }
    if (worst > 2.4e-7)
        fail_msg("relative error %g at n = %u", worst, at);
}

// All kernels and compilers must agree on the bits, whatever they contract or reorder elsewhere:
// so these are part of the format.
static void scores_are_these_bits_with_any_compiler(void **state)
{
    uint64_t digest = 0;

    (void)state;
    for (uint32_t first = 0; first < 1U << 24; first += CHUNK) {
        float scores[CHUNK];

        scores_from(kernel, first, 1.0F / 3, scores);
        for (uint32_t i = 0; i < CHUNK; i++) {
            uint32_t bits;
            memcpy(&bits, &scores[i], sizeof bits);
            digest = digest * 0x9e3779b97f4a7c15ULL + bits;
        }
    }
    if (digest != 0xc6e8cde2ae38e041ULL)
        fail_msg("scores differ: 0x%llx", (unsigned long long)digest);
}

static void scores_agree_for_each_weight(void **state)
{
    static const float rcps[] = {1.0F, 1.0F / 7, 1.0F / 65535, 1024.0F, 1.0F / 4294967296.0F};

    (void)state;
    for (uint32_t first = 0; first < 1U << 24; first += 61 * CHUNK)
        for (unsigned i = 0; i < sizeof rcps / sizeof *rcps; i++) {
            float a[CHUNK], b[CHUNK];

            scores_from(&tnd__pick_scalar, first, rcps[i], a);
            scores_from(kernel, first, rcps[i], b);
            if (memcmp(a, b, sizeof a) != 0)
                fail_msg("from n = %u, reciprocal %a", first, (double)rcps[i]);
        }
}

static void scores_fall_as_draws_rise(void **state)
{
    float last = INFINITY, scores[CHUNK];

    (void)state;
    for (uint32_t first = 0; first < 1U << 24; first += CHUNK) {
        scores_from(kernel, first, 1.0F, scores);
        for (uint32_t i = 0; i < CHUNK; last = scores[i++])
            if (scores[i] > last)
                fail_msg("score rises at n = %u", first + i);
    }
    assert_true(tnd_pick_score((1U << 24) - 1, 1.0F / 65535) > 0);
}

// A bound decides without the score: never above it, and near u = 1 close below.
static void bounds_hold(void **state)
{
    static const float rcps[] = {1.0F, 1.0F / 3, 1.0F / 65535, 1024.0F, 1.0F / 4294967296.0F};

    (void)state;
    for (uint32_t first = 0; first < 1U << 24; first += CHUNK)
        for (unsigned k = 0; k < sizeof rcps / sizeof *rcps; k++) {
            float scores[CHUNK];

            scores_from(kernel, first, rcps[k], scores);
            for (uint32_t i = 0; i < CHUNK; i++) {
                float least = tnd__pick_bound(first + i, rcps[k]) * TND__BOUND;
                bool near = tnd__pick_away(first + i) <= TND__BOUND_NEAR;

                if (least > scores[i] || (near && least * TND__BOUND_SLACK < scores[i]))
                    fail_msg("n = %u, reciprocal %a", first + i, (double)rcps[k]);
            }
        }
}

// ---- Lanes of their own, without a set ------------------------------------------------------

#define LANES_MAX 256U // a page

struct made_lanes {
    struct test_guard guard;
    _Alignas(64) uint32_t words[4 * LANES_MAX];
    const char *p; // a copy that ends at an unreadable page
    uint32_t n;
};

static void lane_set(struct made_lanes *l, uint32_t i, uint64_t id, float rcp)
{
    uint32_t stride = tnd_lanes_stride(l->n);

    l->words[i] = (uint32_t)id;
    l->words[stride + i] = (uint32_t)(id >> 32);
    memcpy(&l->words[2 * stride + i], &rcp, sizeof rcp);
    l->words[3 * stride + i] = 0x01010101; // means nothing to a kernel; as a float nearly 0
}

// What weights and ids are like: anything; equal ids, hence ties; a few heavy records whose
// bounds lie close together, so that some lane's second comes into question.
static void lanes_make(struct made_lanes *l, uint32_t n, unsigned kind, uint64_t *rng)
{
    l->n = n;
    for (uint32_t i = 0; i < tnd_lanes_stride(n); i++) {
        uint64_t id = rng_next(rng), r = rng_next(rng);
        float rcp = 1.0F / (float)(1 + (kind == 0 ? r & 0xffff : kind == 1 ? r % 3 : 0));

        if (kind == 2 && i % 16 == 5)
            rcp = 1.0F / 60000;
        lane_set(l, i, kind == 1 ? id % 8 : id, i < n ? rcp : INFINITY);
    }
    l->p = test_guard_put(&l->guard, l->words, tnd_lanes_size(n));
}

// The plain minimum of all scores: no bound, no lanes.
static uint32_t lowest(uint64_t key, const struct made_lanes *l)
{
    struct tnd_lanes lanes = tnd_lanes_at(l->p, l->n);
    uint32_t winner = 0;
    float best = INFINITY;

    for (uint32_t i = 0; i < l->n; i++) {
        float s = tnd_pick_score(tnd__pick_draw(key, tnd_lane_id(&lanes, i)), lanes.rcp_weights[i]);
        if (s < best) {
            best = s;
            winner = i;
        }
    }
    return winner;
}

// Several keys, so that kernels which take draws together do.
#define TOGETHER 5

static void winner_is_the_smallest_score(void **state)
{
    struct made_lanes l;
    uint64_t rng = SEED;

    (void)state;
    test_guard_open(&l.guard);
    for (unsigned round = 0; round < 12000; round++) {
        uint32_t n = 1 + rng_next(&rng) % (round % 4 ? 48 : LANES_MAX), winners[TOGETHER];
        struct tnd__draw draws[TOGETHER];
        uint64_t keys[TOGETHER];

        lanes_make(&l, n, round % 3, &rng);
        for (unsigned i = 0; i < TOGETHER; i++) {
            keys[i] = rng_next(&rng);
            draws[i] = (struct tnd__draw){l.p, n, tnd_lanes_stride(n)};
        }
        kernel->draw(keys, draws, TOGETHER, winners);
        for (unsigned i = 0; i < TOGETHER; i++)
            if (winners[i] != lowest(keys[i], &l))
                fail_msg("round %u: key %u of %u lanes, seed %llu", round, i, n, SEED);
    }
    test_guard_close(&l.guard);
}

static struct made_set *weighted(const uint16_t weights[], unsigned n)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);

    for (unsigned i = 0; i < n; i++)
        made_record(m, 0, weights[i]);
    return m;
}

static const uint16_t six[] = {50, 30, 20, 1, 400, 99};

static void shares_follow_weights(void **state)
{
    struct made_set *m = weighted(six, 6);
    struct tnd_target_set *s = made_build(m);
    uint64_t counts[6] = {0}, rng = SEED;
    double shares[6], p;

    (void)state;
    for (unsigned i = 0; i < 200000; i++)
        counts[tnd_pick(s, &secret, rng_next(&rng))]++;
    for (uint32_t i = 0; i < 6; i++)
        shares[i] = tnd_set_share(s, i);
    p = chi2_fit(counts, shares, 6, 200000);
    if (p < 1e-6)
        fail_msg("p = %g, seed %llu", p, SEED);
    free(s);
    free(m);
}

// A target that dies moves its own calls and no other, and they return with it; whatever a
// weight of 0 means, for a dead record of weight 0 leaves the others theirs.
static void removal_moves_only_its_own(void **state)
{
    static const uint16_t weights[2][6] = {{50, 30, 20, 1, 400, 99}, {2, 0, 1, 0, 0, 1}};
    uint64_t rng = SEED;

    (void)state;
    for (unsigned k = 0; k < 6; k++) {
        struct made_set *m = weighted(weights[k / 3], 6);
        struct tnd_target_set *all;
        unsigned own = 0, moved = 0;

        m->spec.weight_zero = (enum tnd_weight_zero)(k % 3);
        all = made_build(m);
        for (uint32_t gone = 0; gone < 6; gone++) {
            struct tnd_target_set *rest;
            m->addresses[gone][0].down = true;
            rest = made_build(m);
            for (unsigned i = 0; i < 20000; i++) {
                uint64_t key = rng_next(&rng);
                uint32_t before = made_record_of(all, tnd_pick(all, &secret, key));
                uint32_t after = made_record_of(rest, tnd_pick(rest, &secret, key));
                own += before == gone;
                moved += before != after;
                assert_true(after != gone);
                assert_true(before == after || before == gone);
            }
            m->addresses[gone][0].down = false;
            free(rest);
        }
        assert_true(own > 0);
        assert_int_equal(own, moved);
        free(all);
        free(m);
    }
}

static void weight_change_moves_the_difference(void **state)
{
    static const uint16_t to[] = {60, 40, 49, 1, 0};
    uint64_t rng = SEED;

    (void)state;
    for (unsigned k = 0; k < sizeof to / sizeof *to; k++) {
        struct made_set *m = weighted(six, 6);
        struct tnd_target_set *a = made_build(m), *b;
        unsigned moved = 0, n = 40000;
        double expect = fabs(50.0 / 600 - to[k] / (550.0 + to[k])) * n;

        m->records[0].weight = to[k];
        b = made_build(m);
        for (unsigned i = 0; i < n; i++) {
            uint64_t key = rng_next(&rng);
            uint32_t before = made_record_of(a, tnd_pick(a, &secret, key));
            uint32_t after = made_record_of(b, tnd_pick(b, &secret, key));
            moved += before != after;
            assert_true(before == after || (to[k] > 50 ? after == 0 : before == 0));
        }
        if (fabs(moved - expect) > 6 * sqrt(expect))
            fail_msg("weight 50 to %u moved %u of %u, expected %.0f", to[k], moved, n, expect);
        free(a);
        free(b);
        free(m);
    }
}

static struct made_set *manifold(enum tnd_weight_zero policy)
{
    static const uint16_t weights[] = {5, 0, 3, 0, 2, 0, 0, 9, 1, 4};
    struct made_set *m = made_new(policy);

    for (uint16_t i = 0; i < 10; i++) {
        uint32_t r = made_record(m, i < 4 ? 0 : i < 7 ? 1 : 2, weights[i]);
        for (unsigned a = 0; a < i % 4u; a++)
            made_address(m, r)->family_rank = a & 1;
    }
    m->addresses[2][0].down = true;
    m->addresses[3][1].drained = true;
    m->records[9].transport = TND_TRANSPORT_TCP;
    return m;
}

// The failover order begins with the pick, holds each live target that may serve once, tier by
// tier, record by record, ranks ascending within a record, and last resorts at a tier's end.
static void order_is_complete_and_grouped(void **state)
{
    uint64_t rng = SEED;

    (void)state;
    for (unsigned policy = 0; policy < 3; policy++) {
        struct made_set *m = manifold((enum tnd_weight_zero)policy);
        struct tnd_target_set *s = made_build(m);
        const struct tnd_target *t = tnd_set_targets(s);
        const struct tnd_record *r = tnd_set_records(s);
        uint32_t serving = 0;

        for (uint32_t i = 0; i < s->n_targets; i++)
            serving += t[i].flags & TND_TARGET_LIVE && r[t[i].record].rcp_weight > 0;
        for (unsigned k = 0; k < 2000; k++) {
            uint32_t order[64], brief[3], n;
            uint64_t key = rng_next(&rng);
            bool seen[64] = {false}, done[16] = {false};

            n = tnd_pick_order(s, &secret, key, order, 64);
            assert_int_equal(n, serving);
            assert_int_equal(order[0], tnd_pick(s, &secret, key));
            assert_int_equal(tnd_pick_order(s, &secret, key, brief, 3), 3);
            assert_memory_equal(brief, order, sizeof brief);
            for (uint32_t i = 0; i < n; i++) {
                const struct tnd_target *a = &t[order[i]], *b = i ? &t[order[i - 1]] : NULL;
                assert_false(seen[order[i]] || done[a->record]);
                seen[order[i]] = true;
                if (!b || a->record == b->record) {
                    assert_true(!b || a->family_rank >= b->family_rank);
                    continue;
                }
                done[b->record] = true;
                assert_true(r[a->record].tier >= r[b->record].tier);
                if (policy == TND_WEIGHT_ZERO_LAST_RESORT && r[a->record].tier == r[b->record].tier)
                    assert_true(r[a->record].weight == 0 || r[b->record].weight > 0);
            }
        }
        free(s);
        free(m);
    }
}

static void burst_equals_single(void **state)
{
    struct made_set *m[3];
    struct tnd_target_set *s[3];
    const struct tnd_target_set *sets[32];
    uint64_t keys[32], rng = SEED;
    uint32_t out[32];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        m[i] = manifold((enum tnd_weight_zero)i);
        s[i] = made_build(m[i]);
    }
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned i = 0; i < 32; i++) {
            sets[i] = s[rng_next(&rng) % 3];
            keys[i] = rng_next(&rng);
        }
        tnd_pick_burst(sets, &secret, keys, 32, out);
        for (unsigned i = 0; i < 32; i++)
            assert_int_equal(out[i], tnd_pick(sets[i], &secret, keys[i]));
    }
    for (unsigned i = 0; i < 3; i++) {
        free(s[i]);
        free(m[i]);
    }
}

static void nothing_live(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_NEVER);
    struct tnd_target_set *s = made_build(m);
    uint32_t order[4];

    (void)state;
    assert_int_equal(tnd_pick(s, &secret, 1), TND_NO_TARGET);
    assert_int_equal(tnd_pick_order(s, &secret, 1, order, 4), 0);
    free(s);
    made_record(m, 0, 1);
    made_record(m, 0, 0);
    m->addresses[0][0].down = true;
    s = made_build(m);
    assert_int_equal(tnd_pick(s, &secret, 1), TND_NO_TARGET);
    assert_int_equal(tnd_pick_order(s, &secret, 1, order, 4), 0);
    free(s);
    free(m);
}

static void one_target_set_is_picked(void **state)
{
    _Alignas(64) char mem[TND_SET_ONE_SIZE];
    struct tnd_addr a;

    (void)state;
    assert_true(tnd_addr_parse(TND_STR("192.0.2.1:5060"), &a));
    a.transport = TND_TRANSPORT_UDP;
    assert_int_equal(tnd_pick(tnd_set_one(&a, mem), &secret, 42), 0);
    a.transport = TND_TRANSPORT_TLS;
    assert_int_equal(tnd_pick(tnd_set_one(&a, mem), &secret, 42), TND_NO_TARGET);
}

// Another node, compiler or CPU must pick alike: these answers are part of the format.
static void picks_are_the_same_everywhere(void **state)
{
    struct made_set *m = weighted(six, 6);
    struct tnd_target_set *s = made_build(m);
    uint64_t rng = SEED, digest = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        digest = digest * 31 + made_record_of(s, tnd_pick(s, &secret, rng_next(&rng)));
    if (digest != 0x7c03571f296fca84ULL)
        fail_msg("picks differ: 0x%llx", (unsigned long long)digest);
    free(s);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draw_is_the_mix_of_the_derivation),
        cmocka_unit_test(keys_are_the_derivation),
        cmocka_unit_test(scores_are_relatively_exact),
        cmocka_unit_test(scores_are_these_bits_with_any_compiler),
        cmocka_unit_test(scores_agree_for_each_weight),
        cmocka_unit_test(scores_fall_as_draws_rise),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(winner_is_the_smallest_score),
        cmocka_unit_test(shares_follow_weights),
        cmocka_unit_test(removal_moves_only_its_own),
        cmocka_unit_test(weight_change_moves_the_difference),
        cmocka_unit_test(order_is_complete_and_grouped),
        cmocka_unit_test(burst_equals_single),
        cmocka_unit_test(nothing_live),
        cmocka_unit_test(one_target_set_is_picked),
        cmocka_unit_test(picks_are_the_same_everywhere),
    };
    int failed = 0;

    for (int isa = 0; isa < TND_ISA_COUNT; isa++) {
        char name[64];

        kernel = tnd__pick_kernel(isa);
        if (!kernel)
            continue;
        assert_true(tnd_isa_select(tnd_isa_name((enum tnd_isa)isa)));
        snprintf(name, sizeof name, "pick %s", tnd_isa_name((enum tnd_isa)isa));
        failed += _cmocka_run_group_tests(name, tests, sizeof tests / sizeof *tests, NULL, NULL);
    }
    return failed;
}
