// Longest-prefix match against a scan of all prefixes, and the rules of precedence by name.
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "util/lpm.h"

static struct tnd_addr addr(const char *text)
{
    struct tnd_addr a;

    assert_true(tnd_addr_parse(tnd_str_of(text), &a));
    return a;
}

static struct tnd_lpm_entry entry(const char *prefix, uint16_t port, uint32_t value)
{
    struct tnd_lpm_entry e = {.value = value};

    assert_true(tnd_prefix_parse(tnd_str_of(prefix), &e.prefix));
    e.prefix.addr.port = port;
    return e;
}

static uint32_t look(const struct tnd_lpm *lpm, const char *text)
{
    struct tnd_addr a = addr(text);

    return tnd_lpm_lookup(lpm, &a);
}

static void precedence(void **state)
{
    const struct tnd_lpm_entry entries[] = {
        entry("0.0.0.0/0", 0, 1),          entry("198.51.100.0/24", 0, 2),
        entry("198.51.100.0/24", 5070, 3), entry("198.51.100.7", 0, 4),
        entry("203.0.113.0/24", 5060, 5),  entry("2001:db8::/33", 0, 6),
        entry("2001:db8::1", 5060, 7),     entry("198.51.100.7", 0, 8),
    };
    struct tnd_lpm *lpm = tnd_lpm_new(entries, sizeof entries / sizeof *entries);

    (void)state;
    assert_int_equal(look(lpm, "192.0.2.1:5060"), 1);
    assert_int_equal(look(lpm, "198.51.100.1:5060"), 2);
    assert_int_equal(look(lpm, "198.51.100.1:5070"), 3);
    assert_int_equal(look(lpm, "198.51.100.7:5070"), 8); // longer beats port; the later one won
    assert_int_equal(look(lpm, "203.0.113.1:5060"), 5);
    assert_int_equal(look(lpm, "203.0.113.1:5061"), 1);
    assert_int_equal(look(lpm, "203.0.113.1"), 1);
    assert_int_equal(look(lpm, "[2001:db8::1]:5060"), 7);
    assert_int_equal(look(lpm, "[2001:db8::1]:5061"), 6);
    assert_int_equal(look(lpm, "[2001:db8:8000::1]:5061"), TND_LPM_NONE); // no IPv6 default
    tnd_lpm_free(lpm);
}

static void empty_and_absent(void **state)
{
    struct tnd_lpm *lpm = tnd_lpm_new(NULL, 0);
    struct tnd_addr none = {0};

    (void)state;
    assert_non_null(lpm);
    assert_int_equal(look(lpm, "192.0.2.1"), TND_LPM_NONE);
    assert_int_equal(tnd_lpm_lookup(lpm, &none), TND_LPM_NONE);
    assert_int_equal(look(NULL, "192.0.2.1"), TND_LPM_NONE);
    tnd_lpm_free(lpm);
    tnd_lpm_free(NULL);
}

// Few distinct octets, so that prefixes nest and addresses hit them.
static struct tnd_lpm_entry random_entry(uint64_t *seed, uint32_t value)
{
    static const uint16_t ports[] = {0, 0, 5060, 5070};
    struct tnd_lpm_entry e = {.value = value};
    struct tnd_addr *a = &e.prefix.addr;
    unsigned width;

    a->family = test_random(seed) & 1 ? 4 : 6;
    a->port = ports[test_random(seed) & 3];
    width = a->family == 4 ? 4 : 16;
    for (unsigned i = 0; i < width; i++)
        a->ip[i] = (uint8_t)(test_random(seed) % 3 * 0x55);
    e.prefix.bits = (uint8_t)(test_random(seed) % (width * 8 + 1));
    for (unsigned i = e.prefix.bits; i < width * 8; i++)
        a->ip[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    return e;
}

static uint32_t naive(const struct tnd_lpm_entry *e, uint32_t n, const struct tnd_addr *a)
{
    int best = -1;
    uint32_t value = TND_LPM_NONE;

    for (uint32_t i = 0; i < n; i++) {
        int rank = e[i].prefix.bits * 2 + (e[i].prefix.addr.port != 0);
        if (rank >= best && tnd_prefix_covers(&e[i].prefix, a)) {
            best = rank;
            value = e[i].value;
        }
    }
    return value;
}

static void same_as_a_scan(void **state)
{
    enum { N = 600 };
    struct tnd_lpm_entry entries[N];

    (void)state;
    for (uint64_t round = 1; round <= 40; round++) {
        uint64_t seed = round;
        uint32_t n = (uint32_t)(test_random(&seed) % N);
        struct tnd_lpm *lpm;

        for (uint32_t i = 0; i < n; i++)
            entries[i] = random_entry(&seed, i);
        lpm = tnd_lpm_new(entries, n);
        for (uint32_t i = 0; i < 3000; i++) {
            struct tnd_addr a = random_entry(&seed, 0).prefix.addr;
            a.ip[3] |= (uint8_t)(test_random(&seed) & 1);
            if (tnd_lpm_lookup(lpm, &a) != naive(entries, n, &a))
                fail_msg("round %llu, lookup %u of %u prefixes differs from the scan",
                         (unsigned long long)round, i, n);
        }
        tnd_lpm_free(lpm);
    }
}

static void a_million(void **state)
{
    enum { N = 1000000 };
    struct tnd_lpm_entry *entries = calloc(N, sizeof *entries);
    struct tnd_lpm *lpm;

    (void)state;
    assert_non_null(entries);
    for (uint32_t i = 0; i < N; i++) {
        struct tnd_addr *a = &entries[i].prefix.addr;
        a->family = 4;
        a->ip[0] = 10;
        a->ip[1] = (uint8_t)(i >> 16);
        a->ip[2] = (uint8_t)(i >> 8);
        a->ip[3] = (uint8_t)i;
        entries[i].prefix.bits = 32;
        entries[i].value = i;
    }
    lpm = tnd_lpm_new(entries, N);
    assert_non_null(lpm);
    for (uint32_t i = 0; i < N; i++)
        if (tnd_lpm_lookup(lpm, &entries[i].prefix.addr) != i)
            fail_msg("entry %u was not found", i);
    assert_int_equal(look(lpm, "10.255.255.255"), TND_LPM_NONE);
    tnd_lpm_free(lpm);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence),
        cmocka_unit_test(empty_and_absent),
        cmocka_unit_test(same_as_a_scan),
        cmocka_unit_test(a_million),
    };

    return cmocka_run_group_tests_name("lpm", tests, NULL, NULL);
}
