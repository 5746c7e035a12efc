// Percentiles of the histogram against those of the sorted values themselves.
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "util/histogram.h"

#define SEED   7
#define VALUES 20000

static struct tnd_histogram h, other;

static void every_slot_is_reached_and_holds_its_values(void **state)
{
    (void)state;
    for (uint32_t slot = 0; slot < TND_HISTOGRAM_SIZE; slot++) {
        uint64_t highest = tnd_histogram_highest(slot);
        assert_int_equal(tnd_histogram_slot(highest), slot);
        if (slot + 1 < TND_HISTOGRAM_SIZE)
            assert_int_equal(tnd_histogram_slot(highest + 1), slot + 1);
        else
            assert_true(highest == UINT64_MAX);
    }
}

static void small_values_are_exact(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    for (uint64_t v = 1; v <= 100; v++)
        tnd_histogram_add(&h, v <= 50 ? v : 50);
    assert_int_equal(tnd_histogram_quantile(&h, 0), 1);
    assert_int_equal(tnd_histogram_quantile(&h, 0.01), 1);
    assert_int_equal(tnd_histogram_quantile(&h, 0.1), 10);
    assert_int_equal(tnd_histogram_quantile(&h, 0.49), 49);
    assert_int_equal(tnd_histogram_quantile(&h, 0.5), 50);
    assert_int_equal(tnd_histogram_quantile(&h, 1), 50);
    assert_int_equal(h.n, 100);
    assert_int_equal(h.max, 50);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

// Values of all magnitudes: what is told is never below the true percentile, and at most 1/64
// above.
static void percentiles_are_those_of_the_sorted_values(void **state)
{
    static const double qs[] = {0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    static uint64_t values[VALUES];
    uint64_t seed = SEED;

    (void)state;
    memset(&h, 0, sizeof h);
    for (uint32_t i = 0; i < VALUES; i++) {
        values[i] = test_random(&seed) >> (test_random(&seed) % 64);
        tnd_histogram_add(&h, values[i]);
    }
    qsort(values, VALUES, sizeof *values, ascending);
    for (unsigned i = 0; i < sizeof qs / sizeof *qs; i++) {
        uint64_t rank = (uint64_t)(qs[i] * VALUES), truth;
        if ((double)rank < qs[i] * VALUES)
            rank++;
        truth = values[rank - 1];
        uint64_t told = tnd_histogram_quantile(&h, qs[i]);
        if (told < truth || told - truth > truth / 64 + 1)
            fail_msg("seed %d: quantile %g: %llu told, %llu true", SEED, qs[i],
                     (unsigned long long)told, (unsigned long long)truth);
    }
    assert_true(tnd_histogram_quantile(&h, 1) == values[VALUES - 1]); // the largest is kept
}

static void empty(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    assert_int_equal(tnd_histogram_quantile(&h, 0.5), 0);
}

static void merged_is_as_if_added_to_one(void **state)
{
    static struct tnd_histogram all;
    uint64_t seed = SEED;

    (void)state;
    memset(&h, 0, sizeof h);
    memset(&other, 0, sizeof other);
    memset(&all, 0, sizeof all);
    for (uint32_t i = 0; i < 1000; i++) {
        uint64_t v = test_random(&seed) >> (i % 50);
        tnd_histogram_add(i % 3 ? &h : &other, v);
        tnd_histogram_add(&all, v);
    }
    tnd_histogram_merge(&h, &other);
    assert_memory_equal(&h, &all, sizeof h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_is_reached_and_holds_its_values),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
        cmocka_unit_test(empty),
        cmocka_unit_test(merged_is_as_if_added_to_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
