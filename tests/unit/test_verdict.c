// Names of verdicts and drop reasons: there, unlike each other, and spelt for people.
#include "cmocka_all.h"

#include <string.h>

#include "proxy/verdict.h"

static void spelling(void **state)
{
    (void)state;
    assert_string_equal(tnd_drop_name(TND_DROP_NONE), "none");
    assert_string_equal(tnd_drop_name(TND_DROP_FOREIGN_SOURCE), "foreign-source");
    assert_string_equal(tnd_drop_name(TND_DROP_MALFORMED_RESPONSE), "malformed-response");
    assert_string_equal(tnd_drop_name(TND_DROP_BAD_IP), "bad-ip");
    assert_string_equal(tnd_drop_name(TND_DROP_COUNT), "unknown");
    assert_string_equal(tnd_verdict_name(TND_VERDICT_FORWARD), "forward");
    assert_string_equal(tnd_verdict_name(TND_VERDICT_DROP), "drop");
    assert_string_equal(tnd_verdict_name(TND_VERDICT_COUNT), "unknown");
}

static void every_reason_is_whole(void **state)
{
    (void)state;
    for (unsigned d = 1; d < TND_DROP_COUNT; d++) {
        const char *name = tnd_drop_name((enum tnd_drop)d);
        assert_true(strlen(name) > 2);
        assert_true(strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name));
        assert_true(strlen(tnd_drop_what((enum tnd_drop)d)) > 0);
        assert_true(strlen(tnd_drop_remedy((enum tnd_drop)d)) > 0);
        assert_null(strchr(tnd_drop_what((enum tnd_drop)d), '|')); // would break the table
        assert_null(strchr(tnd_drop_remedy((enum tnd_drop)d), '|'));
        for (unsigned e = 0; e < d; e++)
            assert_string_not_equal(name, tnd_drop_name((enum tnd_drop)e));
    }
}

static void every_verdict_has_a_name(void **state)
{
    (void)state;
    for (unsigned v = 0; v < TND_VERDICT_COUNT; v++) {
        assert_non_null(tnd_verdict_name((enum tnd_verdict)v));
        for (unsigned w = 0; w < v; w++)
            assert_string_not_equal(tnd_verdict_name((enum tnd_verdict)v),
                                    tnd_verdict_name((enum tnd_verdict)w));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling),
        cmocka_unit_test(every_reason_is_whole),
        cmocka_unit_test(every_verdict_has_a_name),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
