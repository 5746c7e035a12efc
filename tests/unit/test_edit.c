// Gather lists: what is kept, left out, put between, and what makes a list unfit to send.
#include "cmocka_all.h"

#include "sip/edit.h"

static struct tnd_edit e;
static struct tnd_edit_store store;
static char out[4096];

static void result_is(const char *want)
{
    size_t len;

    assert_int_equal(e.out_len, strlen(want));
    len = tnd_edit_write(&e, out);
    out[len] = 0;
    assert_string_equal(out, want);
}

static void keeps_and_puts(void **state)
{
    (void)state;
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_keep_to(&e, 3);
    tnd_edit_putz(&e, "abc");
    tnd_edit_put(&e, TND_STR("d"));
    tnd_edit_skip_to(&e, 5);
    tnd_edit_put_u32(&e, 0);
    tnd_edit_put_u32(&e, UINT32_MAX);
    tnd_edit_keep_to(&e, 5);
    tnd_edit_keep_to(&e, 6);
    tnd_edit_put_hex(&e, 0xbeef, 6);
    tnd_edit_put_hex(&e, 0x1234567890abcdefULL, 16);
    tnd_edit_put_hex(&e, 0x1ff, 2);
    tnd_edit_ref(&e, TND_STR("<ref>"));
    tnd_edit_end(&e);
    result_is("012abcd0"
              "4294967295"
              "5"
              "00beef"
              "1234567890abcdef"
              "ff"
              "<ref>"
              "6789");
}

static void nothing(void **state)
{
    (void)state;
    tnd_edit_begin(&e, &store, "", 0);
    tnd_edit_end(&e);
    result_is("");
    assert_false(e.overflow);
    tnd_edit_begin(&e, &store, "abc", 3);
    tnd_edit_skip_to(&e, 3);
    tnd_edit_put(&e, (struct tnd_str){NULL, 0});
    tnd_edit_end(&e);
    result_is("");
    tnd_edit_begin(&e, &store, "abc", 3);
    tnd_edit_end(&e);
    result_is("abc");
}

// Texts put behind each other become one piece, so that a list of small puts does not run full.
static void neighbours_join(void **state)
{
    (void)state;
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_keep_to(&e, 10);
    tnd_edit_keep_to(&e, 10); // nothing
    assert_int_equal(tnd_edit_pieces(&e), 1);
    for (int i = 0; i < 100; i++)
        tnd_edit_putz(&e, "x");
    assert_int_equal(tnd_edit_pieces(&e), 2);
    assert_false(e.overflow);
}

static void unfit(void)
{
    assert_true(e.overflow);
    assert_int_equal(tnd_edit_write(&e, out), 0);
    tnd_edit_putz(&e, "a"); // stays so
    tnd_edit_end(&e);
    assert_true(e.overflow);
    assert_int_equal(tnd_edit_write(&e, out), 0);
}

static void overflows(void **state)
{
    static char large[TND_EDIT_ARENA + 1];

    (void)state;
    memset(large, 'y', sizeof large);
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_put(&e, (struct tnd_str){large, TND_EDIT_ARENA});
    assert_false(e.overflow);
    assert_int_equal(tnd_edit_write(&e, out), TND_EDIT_ARENA);
    tnd_edit_putz(&e, "z");
    unfit();

    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_put(&e, (struct tnd_str){large, TND_EDIT_ARENA + 1});
    unfit();

    tnd_edit_begin(&e, &store, large, sizeof large);
    for (uint32_t i = 1; i <= TND_EDIT_PIECES; i++) {
        tnd_edit_skip_to(&e, 2 * i);
        tnd_edit_keep_to(&e, 2 * i + 1);
        assert_false(e.overflow);
        assert_int_equal(e.out_len, i);
        assert_int_equal(tnd_edit_write(&e, out), i);
    }
    assert_int_equal(tnd_edit_pieces(&e), TND_EDIT_PIECES);
    tnd_edit_putz(&e, "one more");
    unfit();
}

// A caller that goes backwards or past the end must not send what comes of it.
static void out_of_order(void **state)
{
    (void)state;
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_keep_to(&e, 4);
    tnd_edit_keep_to(&e, 3);
    unfit();
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_keep_to(&e, 4);
    tnd_edit_skip_to(&e, 3);
    unfit();
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_keep_to(&e, 11);
    unfit();
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_skip_to(&e, UINT32_MAX);
    unfit();
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_put_hex(&e, 1, 17);
    unfit();
    tnd_edit_begin(&e, &store, "0123456789", 10);
    tnd_edit_put_hex(&e, 1, 0);
    unfit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_and_puts),  cmocka_unit_test(nothing),
        cmocka_unit_test(neighbours_join), cmocka_unit_test(overflows),
        cmocka_unit_test(out_of_order),
    };

    return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
