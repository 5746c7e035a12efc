// Hex and base64url of a burst: every kernel against printf and libsodium, and none writes further
// than it says.
#include "cmocka_all.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "random.h"
#include "util/base64url.h"
#include "util/digits.h"

#define BURST 5
#define GUARD 16

static char room[BURST][TND_BASE64_ROOM + GUARD];
static char *const out[BURST] = {room[0], room[1], room[2], room[3], room[4]};

static void assert_room(unsigned n, size_t used)
{
    for (unsigned i = 0; i < BURST; i++)
        for (size_t k = i < n ? used : 0; k < sizeof room[i]; k++)
            assert_int_equal(room[i][k], '#');
}

static void hex(void **state)
{
    struct tnd_hex_words in[BURST];
    uint64_t seed = 1;
    char want[TND_HEX_DIGITS + 1];

    (void)state;
    for (unsigned kernel = 0; tnd_digits_kernel(kernel); kernel++)
        for (unsigned round = 0; round < 2000; round++) {
            unsigned n = round % (BURST + 1);
            for (unsigned i = 0; i < n; i++)
                for (unsigned k = 0; k < 4; k++)
                    in[i].word[k] = test_random(&seed);
            memset(room, '#', sizeof room);
            tnd_digits_kernel(kernel)->hex(in, n, out);
            assert_room(n, TND_HEX_ROOM);
            for (unsigned i = 0; i < n; i++) {
                snprintf(want, sizeof want, "%016llx%016llx%016llx",
                         (unsigned long long)in[i].word[0], (unsigned long long)in[i].word[1],
                         (unsigned long long)in[i].word[2]);
                assert_memory_equal(out[i], want, TND_HEX_DIGITS);
            }
        }
}

// Every length; every value of a character in turn.
static void base64url(void **state)
{
    struct tnd_base64_octets in[BURST];
    char want[TND_BASE64_ROOM];
    uint64_t seed = 2;

    (void)state;
    for (unsigned kernel = 0; tnd_digits_kernel(kernel); kernel++)
        for (unsigned round = 0; round < 8 * (TND_BASE64_MOST + 1); round++) {
            unsigned n = round % (BURST + 1);
            for (unsigned i = 0; i < n; i++) {
                in[i].len = (round + i) % (TND_BASE64_MOST + 1);
                for (unsigned k = 0; k < sizeof in[i].octet; k++)
                    in[i].octet[k] = (uint8_t)test_random(&seed);
                memset(in[i].octet + in[i].len, 0, 2);
            }
            memset(room, '#', sizeof room);
            tnd_digits_kernel(kernel)->base64url(in, n, out);
            assert_room(n, TND_BASE64_ROOM);
            for (unsigned i = 0; i < n; i++) {
                sodium_bin2base64(want, sizeof want, in[i].octet, in[i].len,
                                  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
                assert_memory_equal(out[i], want, TND_BASE64URL_LEN(in[i].len));
            }
        }
}

// What is read of a text that ends where memory ends is what the reference reads of it: of any
// length, as it was written or with a character changed.
static void from_base64url(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct tnd_base64_octets want[BURST], got[BURST];
    struct test_guard guard[BURST];
    struct tnd_str text[BURST];
    uint64_t seed = 3, good = 0;

    (void)state;
    for (unsigned i = 0; i < BURST; i++)
        test_guard_open(&guard[i]);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned n = round % (BURST + 1);
        for (unsigned i = 0; i < n; i++) {
            char in[TND_BASE64_CHARACTERS];
            size_t len = test_random(&seed) % (sizeof in + 1);
            for (size_t k = 0; k < len; k++)
                in[k] = digits[test_random(&seed) % 64];
            if (len && round % 2)
                in[len - 1] = "AQgw"[test_random(&seed) % 4]; // few bits are set in it
            if (len && round % 7 == 0)
                in[test_random(&seed) % len] = (char)test_random(&seed);
            text[i] = (struct tnd_str){test_guard_put(&guard[i], in, len), len};
        }
        tnd_digits_scalar.from_base64url(text, n, want);
        for (unsigned kernel = 1; tnd_digits_kernel(kernel); kernel++) {
            memset(got, '#', sizeof got);
            tnd_digits_kernel(kernel)->from_base64url(text, n, got);
            for (unsigned i = 0; i < n; i++) {
                assert_int_equal(got[i].len, want[i].len);
                assert_memory_equal(got[i].octet, want[i].octet, want[i].len);
                good += want[i].len > 0;
            }
        }
    }
    assert_true(good > 1000);
    for (unsigned i = 0; i < BURST; i++)
        test_guard_close(&guard[i]);
}

static void all_characters(void **state)
{
    static const char want[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct tnd_base64_octets in = {.len = 48};

    (void)state;
    assert_true(tnd_base64url_decode(want, 64, in.octet));
    for (unsigned kernel = 0; tnd_digits_kernel(kernel); kernel++) {
        memset(room, '#', sizeof room);
        tnd_digits_kernel(kernel)->base64url(&in, 1, out);
        assert_memory_equal(out[0], want, 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex),
        cmocka_unit_test(base64url),
        cmocka_unit_test(from_base64url),
        cmocka_unit_test(all_characters),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("digits", tests, NULL, NULL);
}
