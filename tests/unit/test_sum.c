// The Internet checksum's kernels against RFC 1071 by the letter: every length, every offset, up to
// the end of mapped memory; and copies of many pieces, which must write their own octets only.
#include "cmocka_all.h"

#include "guard.h"
#include "random.h"
#include "util/sum.h"

#define LONGEST 1600
#define PIECES  24

// RFC 1071 s4.1, in memory order.
static uint16_t by_the_letter(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)p[i] << (i % 2 ? 8 : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

// Both ways to write nothing: of octets that are all zero the sum is 0, else it may not be.
static void same(uint64_t got, const uint8_t *p, size_t len)
{
    assert_int_equal(tnd_sum_fold(got), by_the_letter(p, len));
}

static void fill(uint8_t *p, size_t len, uint64_t *seed, unsigned kind)
{
    for (size_t i = 0; i < len; i++)
        p[i] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)test_random(seed);
}

static void every_length(void **state)
{
    struct test_guard guard;
    uint64_t seed = 1;
    uint8_t text[LONGEST];

    (void)state;
    test_guard_open(&guard);
    for (unsigned kind = 0; kind < 3; kind++) {
        fill(text, sizeof text, &seed, kind);
        for (size_t len = 0; len <= LONGEST; len++) {
            const char *at = test_guard_put(&guard, text, len);
            for (unsigned k = 0; tnd_sum_kernel(k); k++)
                same(tnd_sum_kernel(k)->of(at, len), text, len);
        }
    }
    test_guard_close(&guard);
}

// Sums of the longest datagram: no carry may be lost.
static void the_largest(void **state)
{
    static uint8_t text[65535];

    (void)state;
    memset(text, 0xff, sizeof text);
    text[100] = 1;
    for (unsigned k = 0; tnd_sum_kernel(k); k++)
        same(tnd_sum_kernel(k)->of(text, sizeof text), text, sizeof text);
}

// Pieces of a message from memory that ends with each of them, to any offset.
static void gathers(void **state)
{
    static struct test_guard guard[PIECES];
    static uint8_t out[64 + PIECES * 400], want[sizeof out], text[400];
    uint64_t seed = 2;

    (void)state;
    for (unsigned i = 0; i < PIECES; i++)
        test_guard_open(&guard[i]);
    for (unsigned round = 0; round < 30000; round++) {
        struct tnd_str piece[PIECES];
        unsigned n = (unsigned)(test_random(&seed) % (PIECES + 1)), offset = round % 64;
        size_t most = round % 3 == 0 ? 3 : round % 3 == 1 ? 80 : sizeof text, len = 0;
        for (unsigned i = 0; i < n; i++) {
            size_t own = test_random(&seed) % (most + 1);
            fill(text, own, &seed, 2);
            piece[i] = (struct tnd_str){test_guard_put(&guard[i], text, own), own};
            memcpy(want + offset + len, text, own);
            len += own;
        }
        for (unsigned k = 0; tnd_sum_kernel(k); k++) {
            memset(out, 0xa5, sizeof out);
            uint64_t sum = tnd_sum_kernel(k)->gather((char *)out + offset, piece, n);
            same(sum, want + offset, len);
            assert_memory_equal(out + offset, want + offset, len);
            for (unsigned i = 0; i < 64; i++)
                assert_int_equal(out[offset + len + i], 0xa5);
            for (unsigned i = 0; i < offset; i++)
                assert_int_equal(out[i], 0xa5);
        }
    }
    for (unsigned i = 0; i < PIECES; i++)
        test_guard_close(&guard[i]);
}

// What is gathered fits the guard on its far side too.
static void gathers_to_the_end(void **state)
{
    struct test_guard guard;
    uint64_t seed = 3;
    uint8_t text[300];

    (void)state;
    test_guard_open(&guard);
    fill(text, sizeof text, &seed, 2);
    for (size_t len = 0; len <= sizeof text; len++)
        for (size_t cut = 0; cut <= len; cut += 7)
            for (unsigned k = 0; tnd_sum_kernel(k); k++) {
                const struct tnd_str piece[2] = {{(char *)text, cut},
                                                 {(char *)text + cut, len - cut}};
                char *to = guard.map + guard.page - len;
                same(tnd_sum_kernel(k)->gather(to, piece, 2), text, len);
                assert_memory_equal(to, text, len);
            }
    test_guard_close(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),
        cmocka_unit_test(the_largest),
        cmocka_unit_test(gathers),
        cmocka_unit_test(gathers_to_the_end),
    };

    return cmocka_run_group_tests_name("sum", tests, NULL, NULL);
}
