// The distribution of the pick against RFC 2782, by chi-square over real picks. The fractions
// it is held to are computed here from weights and policy alone, not by the library.
#include "cmocka_all.h"

#include "route/pick.h"
#include "route/pick_kernel.h"
#include "route_sets.h"
#include "stats.h"

#define SEED  20240609ULL
#define P_MIN 1e-6

static const struct tnd_hash_key secret = {0x5bd1e9955bd1e995ULL, 0xc6a4a7935bd1e995ULL};

// The weight that a record of one tier draws with while `taken` are gone (RFC 2782 p.3-4 and
// enum tnd_weight_zero); all are live.
static double drawing_weight(const uint16_t w[], unsigned n, unsigned i,
                             enum tnd_weight_zero policy, const bool taken[])
{
    unsigned zeros = 0, positive_left = 0;

    for (unsigned k = 0; k < n; k++) {
        zeros += w[k] == 0;
        positive_left += w[k] > 0 && !taken[k];
    }
    if (taken[i])
        return 0;
    if (w[i] > 0)
        return w[i];
    if (zeros == n)
        return 1;
    switch (policy) {
    case TND_WEIGHT_ZERO_LAST_RESORT:
        return positive_left ? 0 : 1;
    case TND_WEIGHT_ZERO_RFC2782:
        return 1.0 / zeros;
    case TND_WEIGHT_ZERO_NEVER:
        break;
    }
    return 0;
}

static double chance(const uint16_t w[], unsigned n, unsigned i, enum tnd_weight_zero policy,
                     const bool taken[])
{
    double sum = 0;

    for (unsigned k = 0; k < n; k++)
        sum += drawing_weight(w, n, k, policy, taken);
    return sum > 0 ? drawing_weight(w, n, i, policy, taken) / sum : 0;
}

static struct made_set *weighted(const uint16_t w[], unsigned n, enum tnd_weight_zero policy)
{
    struct made_set *m = made_new(policy);

    for (unsigned i = 0; i < n; i++)
        made_record(m, 0, w[i]);
    return m;
}

// `picks` picks for random call keys, counted by target.
static void count_picks(const struct tnd_target_set *s, uint64_t picks, uint64_t *rng,
                        uint64_t counts[])
{
    const struct tnd_target_set *sets[32];
    uint64_t keys[32];
    uint32_t out[32];

    for (unsigned i = 0; i < 32; i++)
        sets[i] = s;
    for (uint64_t done = 0; done < picks; done += 32) {
        uint32_t n = picks - done < 32 ? (uint32_t)(picks - done) : 32;
        for (unsigned i = 0; i < n; i++)
            keys[i] = rng_next(rng);
        tnd_pick_burst(sets, &secret, keys, n, out);
        for (unsigned i = 0; i < n; i++)
            counts[out[i]]++;
    }
}

static double p_of_picks(const uint16_t w[], unsigned n, enum tnd_weight_zero policy,
                         uint64_t picks, uint64_t *rng)
{
    static const bool none[256];
    struct made_set *m = weighted(w, n, policy);
    struct tnd_target_set *s = made_build(m);
    uint64_t counts[256] = {0};
    double fractions[256];

    for (uint32_t i = 0; i < n; i++) {
        fractions[i] = chance(w, n, made_record_of(s, i), policy, none);
        assert_float_equal(tnd_set_share(s, i), fractions[i], 1e-9);
    }
    count_picks(s, picks, rng, counts);
    free(s);
    free(m);
    return chi2_fit(counts, fractions, n, picks);
}

// Each number of records from 1 to 256, weights of three kinds, each policy.
static void one_to_256_records(void **state)
{
    uint64_t rng = SEED;

    (void)state;
    for (unsigned n = 1; n <= 256; n++)
        for (unsigned policy = 0; policy < 3; policy++) {
            uint16_t w[256];
            double p;

            for (unsigned i = 0; i < n; i++)
                switch (n % 3) {
                case 0: // anything
                    w[i] = (uint16_t)rng_next(&rng);
                    break;
                case 1: // small ones, many of them 0
                    w[i] = (uint16_t)(rng_next(&rng) % 3);
                    break;
                default: // the extremes
                    w[i] = (const uint16_t[]){0, 1, 65535}[rng_next(&rng) % 3];
                }
            p = p_of_picks(w, n, (enum tnd_weight_zero)policy, 10000, &rng);
            if (p < P_MIN)
                fail_msg("%u records, policy %u: p = %g, seed %llu", n, policy, p, SEED);
        }
}

// What a logarithm that is not relatively exact gets wrong: a weight of 1 beside 65535.
static void a_light_record_gets_its_due(void **state)
{
    static const struct {
        uint16_t w[4];
        unsigned n;
    } cases[] = {{{65535, 1, 1}, 3}, {{0, 65535}, 2}, {{0, 0, 65535, 1}, 4}};
    uint64_t rng = SEED;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        double p = p_of_picks(cases[i].w, cases[i].n, TND_WEIGHT_ZERO_RFC2782, 24000000, &rng);
        if (p < P_MIN)
            fail_msg("case %u: p = %g, seed %llu", i, p, SEED);
    }
}

// First, second and third of the failover order together: the RFC's successive draw without
// replacement has a probability for each triple.
static double p_of_orders(const uint16_t w[], unsigned n, enum tnd_weight_zero policy,
                          uint64_t picks, uint64_t *rng)
{
    enum { MAX = 8 };
    struct made_set *m = weighted(w, n, policy);
    struct tnd_target_set *s = made_build(m);
    uint64_t counts[MAX * MAX * MAX] = {0};
    double fractions[MAX * MAX * MAX] = {0}, p;

    for (unsigned a = 0; a < n; a++)
        for (unsigned b = 0; b < n; b++)
            for (unsigned c = 0; c < n; c++) {
                bool taken[MAX] = {false};
                double f = chance(w, n, a, policy, taken);
                taken[a] = true;
                f *= chance(w, n, b, policy, taken);
                taken[b] = true;
                fractions[(a * MAX + b) * MAX + c] = f * chance(w, n, c, policy, taken);
            }
    for (uint64_t i = 0; i < picks; i++) {
        uint32_t order[3] = {0};
        assert_int_equal(tnd_pick_order(s, &secret, rng_next(rng), order, 3), 3);
        counts[(made_record_of(s, order[0]) * MAX + made_record_of(s, order[1])) * MAX +
               made_record_of(s, order[2])]++;
    }
    p = chi2_fit(counts, fractions, MAX * MAX * MAX, picks);
    free(s);
    free(m);
    return p;
}

static void order_is_the_successive_draw(void **state)
{
    static const struct {
        uint16_t w[8];
        unsigned n;
        enum tnd_weight_zero policy;
    } cases[] = {
        {{50, 30, 20}, 3, TND_WEIGHT_ZERO_LAST_RESORT},
        {{1, 2, 3, 4}, 4, TND_WEIGHT_ZERO_LAST_RESORT},
        {{1, 1, 1, 1, 1}, 5, TND_WEIGHT_ZERO_LAST_RESORT},
        {{65535, 1000, 100, 10, 1}, 5, TND_WEIGHT_ZERO_LAST_RESORT},
        {{100, 90, 80, 1, 7, 30, 12, 5}, 8, TND_WEIGHT_ZERO_NEVER},
        {{3, 0, 1, 0}, 4, TND_WEIGHT_ZERO_LAST_RESORT},
        {{9, 0, 0, 0, 0}, 5, TND_WEIGHT_ZERO_LAST_RESORT},
        {{3, 0, 1, 0}, 4, TND_WEIGHT_ZERO_RFC2782},
        {{2, 1, 5, 0, 0, 0}, 6, TND_WEIGHT_ZERO_RFC2782},
        {{3, 0, 1, 0, 2}, 5, TND_WEIGHT_ZERO_NEVER},
        {{0, 0, 0, 0}, 4, TND_WEIGHT_ZERO_LAST_RESORT},
        {{0, 0, 0, 0}, 4, TND_WEIGHT_ZERO_RFC2782},
        {{0, 0, 0, 0}, 4, TND_WEIGHT_ZERO_NEVER},
    };
    uint64_t rng = SEED;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        double p = p_of_orders(cases[i].w, cases[i].n, cases[i].policy, 400000, &rng);
        if (p < P_MIN)
            fail_msg("case %u: p = %g, seed %llu", i, p, SEED);
    }
}

// The addresses of a record share alike, independently of which record was drawn.
static void addresses_share_alike(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;
    uint64_t counts[16] = {0}, rng = SEED;
    double fractions[16], p;

    (void)state;
    for (uint16_t i = 0; i < 4; i++) {
        made_record(m, 0, (uint16_t)(i + 1));
        for (unsigned a = 1; a < 4; a++)
            made_address(m, i);
    }
    m->addresses[1][2].down = true;
    s = made_build(m);
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t record = made_record_of(s, i);
        bool down = tnd_set_targets(s)[i].flags & TND_TARGET_DOWN;
        fractions[i] = down ? 0 : (record + 1) / 10.0 / (record == 1 ? 3 : 4);
        assert_float_equal(tnd_set_share(s, i), fractions[i], 1e-12);
    }
    count_picks(s, 4000000, &rng, counts);
    p = chi2_fit(counts, fractions, 16, 4000000);
    if (p < P_MIN)
        fail_msg("p = %g, seed %llu", p, SEED);
    free(s);
    free(m);
}

// A hundred million draws: an error of 1 % in the share of a weight of 1 beside 65535 (1,526
// picks expected) is within its noise, one of 20 % is not.
static void a_hundred_million_draws(void **state)
{
    static const struct {
        uint16_t w[20];
        unsigned n;
        uint64_t draws;
    } cases[] = {{{1, 65535}, 2, 100000000},
                 {{1, 65535, 300, 20000}, 4, 20000000},
                 {{7, 9, 100, 65535, 1, 1, 50, 50, 50, 3, 1000, 30, 20, 10, 2, 5, 8, 400, 1, 6},
                  20,
                  20000000}};
    uint64_t rng = SEED;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        double p =
            p_of_picks(cases[i].w, cases[i].n, TND_WEIGHT_ZERO_LAST_RESORT, cases[i].draws, &rng);
        if (p < P_MIN)
            fail_msg("case %u: p = %g, seed %llu", i, p, SEED);
    }
}

// ---- The mix --------------------------------------------------------------------------------

#define MIX_DRAWS (1U << 22)

// 64 by 64 cells of the pair of draws of two ids, by six bits of each from `shift` on.
static double p_of_pair(uint64_t a, uint64_t b, unsigned shift, uint64_t *rng)
{
    static uint64_t counts[64 * 64];
    static double fractions[64 * 64];

    for (unsigned i = 0; i < 64 * 64; i++) {
        counts[i] = 0;
        fractions[i] = 1.0 / (64 * 64);
    }
    for (unsigned i = 0; i < MIX_DRAWS; i++) {
        uint64_t key = rng_next(rng);
        uint32_t x = tnd__pick_draw(key, a) >> shift & 63, y = tnd__pick_draw(key, b) >> shift & 63;
        counts[x * 64 + y]++;
    }
    return chi2_fit(counts, fractions, 64 * 64, MIX_DRAWS);
}

// Pairs of ids as hashing makes them, and such as it makes once in 2^32 pairs or less.
static void draws_of_two_ids_are_independent(void **state)
{
    uint64_t rng = SEED;

    (void)state;
    for (unsigned i = 0; i < 42; i++) {
        uint64_t a = rng_next(&rng), b = rng_next(&rng);
        const uint64_t other[] = {b,
                                  (a & UINT32_MAX) | (b & ~(uint64_t)UINT32_MAX), // low half alike
                                  (b & UINT32_MAX) | (a & ~(uint64_t)UINT32_MAX), // high half alike
                                  a ^ 1ULL << (i % 32),
                                  a + 1,
                                  b ^ a >> 32,
                                  ~a};
        double p = p_of_pair(a, other[i % 7], i % 3 * 9, &rng);
        if (p < P_MIN)
            fail_msg("ids %llx, %llx: p = %g, seed %llu", (unsigned long long)a,
                     (unsigned long long)other[i % 7], p, SEED);
    }
}

// All 120 orders of five draws are as likely.
static void orders_of_five_are_alike(void **state)
{
    uint64_t rng = SEED;

    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        uint64_t ids[5], counts[120] = {0};
        double fractions[120], p;

        for (unsigned i = 0; i < 5; i++)
            ids[i] = rng_next(&rng);
        for (unsigned i = 0; i < 120; i++)
            fractions[i] = 1.0 / 120;
        for (unsigned i = 0; i < MIX_DRAWS; i++) {
            uint64_t key = rng_next(&rng);
            uint32_t draws[5], order = 0;
            for (unsigned a = 0; a < 5; a++) {
                uint32_t below = 0;
                draws[a] = tnd__pick_draw(key, ids[a]);
                for (unsigned b = 0; b < a; b++)
                    below += draws[b] < draws[a];
                order = order * (a + 1) + below;
            }
            counts[order]++;
        }
        p = chi2_fit(counts, fractions, 120, MIX_DRAWS);
        if (p < P_MIN)
            fail_msg("round %u: p = %g, seed %llu", round, p, SEED);
    }
}

// Any bit of key or id changes each bit of the draw half of the time: as far as can be seen, and
// within 4 % for the halves that enter late and pass two multiplications, not three.
static void each_bit_matters(void **state)
{
    enum { TRIALS = 1 << 16 };
    uint64_t rng = SEED;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        unsigned flips[TND__DRAW_BITS] = {0};

        for (unsigned i = 0; i < TRIALS; i++) {
            uint64_t key = rng_next(&rng), id = rng_next(&rng);
            uint32_t draw = tnd__pick_draw(key, id);
            uint32_t d = draw ^ (i & 1 ? tnd__pick_draw(key ^ 1ULL << bit, id)
                                       : tnd__pick_draw(key, id ^ 1ULL << bit));
            for (unsigned k = 0; k < TND__DRAW_BITS; k++)
                flips[k] += d >> k & 1;
        }
        for (unsigned k = 0; k < TND__DRAW_BITS; k++) {
            double bias = fabs(flips[k] / (double)TRIALS - 0.5);
            if (bias > (bit < 32 ? 0.012 : 0.05))
                fail_msg("bit %u changes bit %u: bias %g", bit, k, bias);
        }
    }
}

int main(void)
{
    const struct CMUnitTest shares[] = {
        cmocka_unit_test(one_to_256_records),
        cmocka_unit_test(addresses_share_alike),
    };
    // The same bits whichever kernel: once, with the fastest.
    const struct CMUnitTest once[] = {
        cmocka_unit_test(a_light_record_gets_its_due),
        cmocka_unit_test(a_hundred_million_draws),
        cmocka_unit_test(order_is_the_successive_draw),
        cmocka_unit_test(draws_of_two_ids_are_independent),
        cmocka_unit_test(orders_of_five_are_alike),
        cmocka_unit_test(each_bit_matters),
    };
    int failed = 0;

    for (int isa = 0; isa < TND_ISA_COUNT; isa++) {
        char name[64];

        if (!tnd_isa_select(tnd_isa_name((enum tnd_isa)isa)))
            continue;
        snprintf(name, sizeof name, "pick against RFC 2782, %s", tnd_isa_name((enum tnd_isa)isa));
        failed += _cmocka_run_group_tests(name, shares, sizeof shares / sizeof *shares, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("pick against RFC 2782", once, NULL, NULL);
}
