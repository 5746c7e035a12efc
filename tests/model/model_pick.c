// The distribution of the pick against RFC 2782, by chi-square over real picks. The fractions
// it is held to are computed here from weights and policy alone, not by the library.
#include "cmocka_all.h"

#include "route/pick.h"
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

static double p_of_picks(const uint16_t w[], unsigned n, enum tnd_weight_zero policy,
                         uint64_t picks, uint64_t *rng)
{
    static const bool none[256];
    struct made_set *m = weighted(w, n, policy);
    struct tnd_target_set *s = made_build(m);
    uint64_t counts[256] = {0};
    uint32_t record_of[256];
    double fractions[256];

    for (uint32_t i = 0; i < n; i++) {
        record_of[i] = made_record_of(s, i);
        fractions[i] = chance(w, n, i, policy, none);
    }
    for (uint32_t i = 0; i < n; i++)
        assert_float_equal(tnd_set_share(s, i), fractions[record_of[i]], 1e-9);
    for (uint64_t i = 0; i < picks; i++)
        counts[record_of[tnd_pick(s, &secret, rng_next(rng))]]++;
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
    } cases[] = {{{1, 65535}, 2}, {{65535, 1, 1}, 3}, {{0, 65535}, 2}, {{0, 0, 65535, 1}, 4}};
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
    for (unsigned i = 0; i < 4000000; i++)
        counts[tnd_pick(s, &secret, rng_next(&rng))]++;
    p = chi2_fit(counts, fractions, 16, 4000000);
    if (p < P_MIN)
        fail_msg("p = %g, seed %llu", p, SEED);
    free(s);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_to_256_records),
        cmocka_unit_test(a_light_record_gets_its_due),
        cmocka_unit_test(order_is_the_successive_draw),
        cmocka_unit_test(addresses_share_alike),
    };

    return cmocka_run_group_tests_name("pick against RFC 2782", tests, NULL, NULL);
}
