// Our Via branch: its layout, what it carries, and that nothing it binds can be changed.
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "proxy/branch.h"
#include "random.h"
#include "util/isa.h"

static const struct tnd_keys keys = {
    .n_sign = 2,
    .sign = {{.id = 7, .key = {0x1111, 0x2222}}, {.id = 0xa9, .key = {0x3333, 0x4444}}},
};

static struct tnd_branch_scope scope_of(void)
{
    struct tnd_branch_scope s = {
        .txn = 0x123456789abcdef0, .call_key = 0xfedcba987654321, .cseq = 42};

    assert_true(tnd_addr_parse(TND_STR("198.51.100.7:5062"), &s.flow));
    return s;
}

static struct tnd_branch example(void)
{
    return (struct tnd_branch){
        .listener = 0x01234567,
        .trunk = 0x89abcdef,
        .target = 0xfedcba987654,
        .attempt = 3,
    };
}

static struct tnd_str written(const struct tnd_branch *b, const struct tnd_branch_scope *s,
                              char out[static TND_BRANCH_MAX])
{
    return (struct tnd_str){out, tnd_branch_write(b, s, &keys, out)};
}

static void layout(void **state)
{
    struct tnd_branch b = example();
    struct tnd_branch_scope s = scope_of();
    char out[TND_BRANCH_MAX], again[TND_BRANCH_MAX];
    struct tnd_str t = written(&b, &s, out);

    (void)state;
    assert_int_equal(t.len, 55);
    assert_memory_equal(out, "z9hG4bKa90123456789abcdeffedcba98765430", 39);
    assert_true(tnd_str_eq(t, written(&b, &s, again))); // same request, same branch
}

// The MAC is SipHash-2-4 of these words: a second node must come to the same.
static void mac_words(void **state)
{
    struct tnd_branch b = example();
    struct tnd_branch_scope s = scope_of();
    uint64_t words[9] = {TND_DOMAIN_BRANCH,
                         0xa90123456789abcd,
                         0xeffedcba98765430,
                         42,
                         s.txn,
                         s.call_key,
                         0x076433c6,
                         0,
                         4 << 16 | 5062};
    char out[TND_BRANCH_MAX], want[17];

    (void)state;
    written(&b, &s, out);
    snprintf(want, sizeof want, "%016llx",
             (unsigned long long)tnd_hash(&keys.sign[1].key, words, sizeof words));
    assert_memory_equal(out + 39, want, 16);
}

static struct tnd_branch random_branch(uint64_t *seed)
{
    return (struct tnd_branch){
        .listener = (uint32_t)test_random(seed),
        .trunk = (uint32_t)test_random(seed),
        .target = test_random(seed) >> 16,
        .attempt = test_random(seed) & 15,
    };
}

static void assert_same(const struct tnd_branch *a, const struct tnd_branch *b)
{
    assert_true(a->listener == b->listener && a->trunk == b->trunk && a->target == b->target &&
                a->attempt == b->attempt);
}

static void there_and_back(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct tnd_branch b = random_branch(&seed), got;
        struct tnd_branch_scope s = scope_of();
        char out[TND_BRANCH_MAX];
        struct tnd_str t;

        s.txn = test_random(&seed);
        t = written(&b, &s, out);
        assert_true(tnd_branch_read(t, &got));
        assert_same(&b, &got);
        assert_true(tnd_branch_verify(t, &s, &keys));
    }
}

static void each_part_of_the_scope_is_bound(void **state)
{
    struct tnd_branch b = example();
    struct tnd_branch_scope s = scope_of(), other;
    char out[TND_BRANCH_MAX];
    struct tnd_str t = written(&b, &s, out);

    (void)state;
#define REFUSED(change)                                    \
    do {                                                   \
        other = s;                                         \
        change;                                            \
        assert_false(tnd_branch_verify(t, &other, &keys)); \
    } while (0)
    REFUSED(other.txn ^= 1);
    REFUSED(other.call_key ^= 1ULL << 63);
    REFUSED(other.cseq++);
    REFUSED(other.flow.port++);
    REFUSED(other.flow.family = 6);
    for (unsigned i = 0; i < 16; i++)
        REFUSED(other.flow.ip[i] ^= 1);
#undef REFUSED
}

// Every octet, every value: either not of our form or its MAC is wrong.
static void no_octet_can_change(void **state)
{
    struct tnd_branch_scope s = scope_of();
    struct tnd_branch b = example(), got;
    char out[TND_BRANCH_MAX];
    struct tnd_str t = written(&b, &s, out);

    (void)state;
    for (size_t i = 0; i < t.len; i++)
        for (unsigned v = 0; v < 256; v++) {
            char was = out[i];
            bool hex = strchr("0123456789abcdef", (int)v) && v;
            out[i] = (char)v;
            if (v != (uint8_t)was)
                assert_false(tnd_branch_verify(t, &s, &keys));
            if (i >= 7 && i != 38)
                assert_int_equal(tnd_branch_read(t, &got), hex);
            else
                assert_int_equal(tnd_branch_read(t, &got), v == (uint8_t)was);
            out[i] = was;
        }
}

static void keys_by_their_number(void **state)
{
    struct tnd_branch b = example();
    struct tnd_branch_scope s = scope_of();
    struct tnd_keys rotated = keys, gone = keys;
    char out[TND_BRANCH_MAX];
    struct tnd_str t = written(&b, &s, out);

    (void)state;
    rotated.sign[0] = keys.sign[1]; // the signer has become the previous key
    rotated.sign[1] = (struct tnd_sign_key){.id = 0xaa, .key = {5, 6}};
    assert_true(tnd_branch_verify(t, &s, &rotated));
    gone.sign[1] = rotated.sign[1];
    assert_false(tnd_branch_verify(t, &s, &gone));
}

// A burst of branches by both keys and by a third, some of them changed or in another scope: each
// kernel says of each what is said of it alone.
static void burst_as_alone(void **state)
{
    static struct tnd_wide wide;
    struct tnd_keys former = keys, other = keys;
    struct tnd_branch_claim claim[TND_WIDE];
    struct tnd_branch_scope s[TND_WIDE];
    enum tnd_isa before = tnd_isa_active();
    uint64_t seed = 9, right = 0, wrong = 0;

    (void)state;
    former.n_sign = 1;
    other.sign[1] = (struct tnd_sign_key){.id = 0xaa, .key = {5, 6}};
    for (enum tnd_isa isa = TND_ISA_SCALAR; isa < TND_ISA_COUNT; isa++)
        for (unsigned round = 0; tnd_isa_select(tnd_isa_name(isa)) && round < 2000; round++) {
            unsigned n = round % (TND_WIDE + 1);
            uint32_t want = 0;
            for (unsigned i = 0; i < n; i++) {
                unsigned how = test_random(&seed) % 8;
                struct tnd_branch b = random_branch(&seed);
                char out[TND_BRANCH_MAX];
                s[i] = scope_of();
                s[i].txn = test_random(&seed);
                tnd_branch_write(&b, &s[i], how == 0 ? &former : how == 1 ? &other : &keys, out);
                if (how == 2)
                    out[9 + test_random(&seed) % 29] = '5';
                if (how == 3)
                    s[i].flow.ip[test_random(&seed) % 16] ^= 4;
                assert_true(tnd_branch_claim((struct tnd_str){out, sizeof out}, &claim[i]));
                want |= (uint32_t)tnd_branch_verify((struct tnd_str){out, sizeof out}, &s[i], &keys)
                        << i;
            }
            assert_int_equal(tnd_branch_verify_burst(claim, s, n, &keys, &wide), want);
            right += (unsigned)__builtin_popcount(want);
            wrong += n - (unsigned)__builtin_popcount(want);
        }
    assert_true(right > 1000 && wrong > 1000);
    assert_true(tnd_isa_select(tnd_isa_name(before)));
}

// Text that ends where the mapped memory ends, at every length.
static void reads_no_further(void **state)
{
    struct tnd_branch b = example(), got;
    struct tnd_branch_scope s = scope_of();
    char out[TND_BRANCH_MAX];
    struct tnd_str t = written(&b, &s, out);
    struct test_guard g;

    (void)state;
    test_guard_open(&g);
    for (size_t len = 0; len <= t.len; len++) {
        struct tnd_str at_end = {test_guard_put(&g, out, len), len};
        assert_int_equal(tnd_branch_read(at_end, &got), len == t.len);
        assert_int_equal(tnd_branch_verify(at_end, &s, &keys), len == t.len);
    }
    assert_false(tnd_branch_read((struct tnd_str){NULL, 0}, &got));
    test_guard_close(&g);
}

static void others_are_not_ours(void **state)
{
    static const char *const texts[] = {
        "z9hG4bK",
        "z9hG4bK74bf9",
        "z9hG4bKa90123456789abcdeffedcba987654300123456789abcdef0", // one too long
        "z9hG4bKA90123456789abcdeffedcba987654300123456789abcdef",  // upper case
        "z9hG4bka90123456789abcdeffedcba987654300123456789abcdef",  // cookie's case
        "z9hG4bKa90123456789abcdeffedcba987654310123456789abcdef",  // the digit that is 0
    };
    struct tnd_branch got;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (tnd_branch_read(tnd_str_of(texts[i]), &got))
            fail_msg("read as ours: %s", texts[i]);
}

static void loop_there_and_back(void **state)
{
    static const uint32_t hashes[] = {1, 0xdeadbeef, 0x0000000a, 0xffffffff};
    static const char *const others[] = {"", "1234567", "123456789", "DEADBEEF", "deadbeeg"};
    char out[TND_LOOP_DIGITS];
    uint32_t got;

    (void)state;
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        tnd_loop_print(hashes[i], out);
        assert_true(tnd_loop_read((struct tnd_str){out, sizeof out}, &got));
        assert_int_equal(got, hashes[i]);
    }
    tnd_loop_print(0x0123abcd, out);
    assert_memory_equal(out, "0123abcd", sizeof out);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(tnd_loop_read(tnd_str_of(others[i]), &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test(mac_words),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(each_part_of_the_scope_is_bound),
        cmocka_unit_test(no_octet_can_change),
        cmocka_unit_test(keys_by_their_number),
        cmocka_unit_test(burst_as_alone),
        cmocka_unit_test(reads_no_further),
        cmocka_unit_test(others_are_not_ours),
        cmocka_unit_test(loop_there_and_back),
    };

    return cmocka_run_group_tests_name("branch", tests, NULL, NULL);
}
