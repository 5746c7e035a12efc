// Values with units, and the one table style.
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/table.h"
#include "control/units.h"

static void test_counts(void **state)
{
    static const struct {
        double v;
        const char *count, *rate, *bytes;
    } rows[] = {
        {0, "0", "0/s", "0 B"},
        {17, "17", "17/s", "17 B"},
        {999, "999", "999/s", "999 B"},
        {1.5, "1.50", "1.50/s", "1.50 B"},
        {12.34, "12.3", "12.3/s", "12.3 B"},
        {999.6, "1.00 k", "1.00 k/s", "1.00 kB"},
        {1000, "1.00 k", "1.00 k/s", "1.00 kB"},
        {1240000, "1.24 M", "1.24 M/s", "1.24 MB"},
        {398e6, "398 M", "398 M/s", "398 MB"},
        {99.96e9, "100 G", "100 G/s", "100 GB"},
    };
    char s[TND_UNITS_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(tnd_units_count(rows[i].v, s), rows[i].count);
        assert_string_equal(tnd_units_rate(rows[i].v, s), rows[i].rate);
        assert_string_equal(tnd_units_bytes(rows[i].v, s), rows[i].bytes);
    }
}

static void test_durations(void **state)
{
    static const struct {
        double s;
        const char *want;
    } rows[] = {
        {0, "0 s"},          {398e-9, "398 ns"},   {1.5e-6, "1.50 us"}, {0.0012, "1.20 ms"},
        {0.9994, "999 ms"},  {0.9996, "1.00 s"},   {2.5, "2.50 s"},     {59.9, "59.9 s"},
        {60, "1 m 00 s"},    {133, "2 m 13 s"},    {3600, "1 h 00 m"},  {3599.6, "1 h 00 m"},
        {86400, "1 d 00 h"}, {273600, "3 d 04 h"},
    };
    char s[TND_UNITS_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(tnd_units_duration(rows[i].s, s), rows[i].want);
}

static void test_others(void **state)
{
    char s[TND_UNITS_MAX];

    (void)state;
    assert_string_equal(tnd_units_percent(0.50024, s), "50.02 %");
    assert_string_equal(tnd_units_percent(1, s), "100.00 %");
    assert_string_equal(tnd_units_percent(0, s), "0.00 %");
    assert_string_equal(tnd_units_percent(1.0 / 65536, s), "0.0015 %");
    assert_string_equal(tnd_units_percent(6.2e-7, s), "0.000062 %");
    assert_string_equal(tnd_units_total(0, s), "0");
    assert_string_equal(tnd_units_total(999, s), "999");
    assert_string_equal(tnd_units_total(7861204, s), "7 861 204");
    assert_string_equal(tnd_units_total(UINT64_MAX, s), "18 446 744 073 709 551 615");
}

static void test_cut(void **state)
{
    char s[64];

    (void)state;
    assert_string_equal(tnd_cut_middle("short", 10, s), "short");
    assert_string_equal(tnd_cut_middle("exactly.10", 10, s), "exactly.10");
    assert_string_equal(tnd_cut_middle("pop-us-east-1.example.com", 12, s), "pop-u..e.com");
    assert_string_equal(tnd_cut_middle("abcdef", 2, s), "ab");
}

static void test_table(void **state)
{
    static const struct tnd_column columns[] = {
        {"NAME", TND_LEFT, 10}, {"N", TND_RIGHT, 0}, {"WHAT", TND_LEFT, 0}};
    static const char *const one[] = {"a", "1", "x"};
    static const char *const two[] = {"a-rather-long-name.example.com", "1000", ""};
    struct tnd_table_text *t = tnd_table_text_new(columns, 3);
    char *text = NULL;
    size_t len = 0;

    (void)state;
    tnd_table_text_row(t, one);
    tnd_table_text_row(t, two);
    FILE *f = open_memstream(&text, &len);
    tnd_table_text_print(t, 30, f);
    fclose(f);
    assert_string_equal(text, "NAME                   N  WHAT\n"
                              "a                      1  x\n"
                              "a-rather..mple.com  1000  \n");
    free(text);
    tnd_table_text_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_durations),
        cmocka_unit_test(test_others), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
