// SipHash-2-4 against the paper's vector and libsodium, in one piece and in many, alone and wide.
#include "cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "guard.h"
#include "random.h"
#include "util/hash.h"
#include "util/wide.h"

static const struct tnd_hash_key paper_key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

// Aumasson, Bernstein 2012, appendix A: 15 octets 00..0e.
static void paper_vector(void **state)
{
    uint8_t in[15];

    (void)state;
    for (uint8_t i = 0; i < sizeof in; i++)
        in[i] = i;
    assert_true(tnd_hash(&paper_key, in, sizeof in) == 0xa129ca6149be45e5ULL);
}

static void same_as_libsodium(void **state)
{
    uint8_t in[300], key[16], out[8];
    uint64_t want;

    (void)state;
    memcpy(key, &paper_key, sizeof key);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof in; len++) {
        crypto_shorthash(out, in, len, key);
        memcpy(&want, out, sizeof want);
        assert_true(tnd_hash(&paper_key, in, len) == want);
    }
}

static void pieces_equal_whole(void **state)
{
    static const char text[] = "z9hG4bK-74bf9, INVITE, sip:bob@biloxi.example.com;transport=udp";
    size_t len = sizeof text - 1;

    (void)state;
    for (size_t a = 0; a <= len; a++)
        for (size_t b = a; b <= len; b++) {
            struct tnd_hasher h;
            tnd_hash_init(&h, &paper_key);
            tnd_hash_bytes(&h, text, a);
            tnd_hash_bytes(&h, text + a, b - a);
            tnd_hash_bytes(&h, text + b, len - b);
            assert_true(tnd_hash_final(&h) == tnd_hash(&paper_key, text, len));
        }
}

static void derivation_is_a_hash_of_three_words(void **state)
{
    uint64_t words[3] = {TND_DOMAIN_TRUNK, 0x1234, 0x5678};

    (void)state;
    assert_true(tnd_derive(&paper_key, TND_DOMAIN_TRUNK, 0x1234, 0x5678) ==
                tnd_hash(&paper_key, words, sizeof words));
    assert_false(tnd_derive(&paper_key, TND_DOMAIN_TRUNK, 1, 2) ==
                 tnd_derive(&paper_key, TND_DOMAIN_RECORD, 1, 2));
}

static char lowered(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

// What message i of a burst must be hashed to: its first words, and the text behind them.
static uint64_t alone(const uint64_t first[], unsigned words, const char *text, size_t len,
                      bool lower)
{
    char low[TND_WIDE_TEXT];
    struct tnd_hasher h;

    for (size_t i = 0; i < len; i++)
        low[i] = lower ? lowered(text[i]) : text[i];
    tnd_hash_init(&h, &paper_key);
    tnd_hash_bytes(&h, first, words * sizeof *first);
    tnd_hash_bytes(&h, low, len);
    return tnd_hash_final(&h);
}

// A burst of texts from memory that ends where the text does, each behind `at` words.
static void lay_and_hash(const struct tnd_wide_kernel *kernel, unsigned n, unsigned round,
                         uint64_t *seed)
{
    static struct test_guard guard[TND_WIDE];
    static bool open;
    static struct tnd_wide wide;
    struct tnd_str text[TND_WIDE];
    uint64_t want[TND_WIDE], got[TND_WIDE], first[4] = {0};
    unsigned at = round % 5;
    bool lower = round & 1;
    struct tnd_hasher begun;
    char octets[TND_WIDE_TEXT];
    // Rounds of one length, of short ones, of any.
    size_t most = round < 36 ? 0 : round < 50 ? 24 : TND_WIDE_TEXT - 8 * at;

    for (unsigned i = 0; i < TND_WIDE && !open; i++)
        test_guard_open(&guard[i]);
    open = true;
    for (unsigned i = 0; i < n; i++) {
        size_t len = most ? test_random(seed) % (most + 1) : round * 6;
        for (size_t k = 0; k < len; k++)
            octets[k] = (char)test_random(seed);
        for (unsigned k = 0; k < at; k++)
            wide.word[k][i] = first[k] = test_random(seed);
        text[i] = (struct tnd_str){test_guard_put(&guard[i], octets, len), len};
        want[i] = alone(first, at, octets, len, lower);
    }
    tnd_hash_init(&begun, &paper_key);
    kernel->lay(&wide, at, text, lower, n);
    kernel->hash(&begun, &wide, n, got);
    assert_memory_equal(got, want, n * sizeof *got);
}

static void wide_equals_alone(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned kernel = 0; tnd_wide_kernel(kernel); kernel++)
        for (unsigned n = 0; n <= TND_WIDE; n++)
            for (unsigned round = 0; round < 80; round++)
                lay_and_hash(tnd_wide_kernel(kernel), n, round, &seed);
}

// Whole words behind what all of them begin with.
static void wide_words(void **state)
{
    static struct tnd_wide wide;
    uint64_t seed = 3, want[TND_WIDE], got[TND_WIDE];

    (void)state;
    for (unsigned kernel = 0; tnd_wide_kernel(kernel); kernel++)
        for (unsigned n = 0; n <= TND_WIDE; n++)
            for (unsigned words = 0; words <= 12; words++) {
                const struct tnd_hasher begun = tnd_hash_begin(&paper_key, TND_DOMAIN_BRANCH);
                uint64_t w[13] = {TND_DOMAIN_BRANCH};
                for (unsigned i = 0; i < n; i++) {
                    for (unsigned k = 0; k < words; k++)
                        wide.word[k][i] = w[1 + k] = test_random(&seed);
                    want[i] = tnd_hash(&paper_key, w, 8 + 8 * words);
                }
                tnd_wide_kernel(kernel)->hash_words(&begun, &wide, words, n, got);
                assert_memory_equal(got, want, n * sizeof *got);
            }
    wide.word[0][5] = 0x1234;
    wide.word[1][5] = 0x5678;
    tnd_wide_derive(&paper_key, TND_DOMAIN_TRUNK, &wide, 6, got);
    assert_true(got[5] == tnd_derive(&paper_key, TND_DOMAIN_TRUNK, 0x1234, 0x5678));
}

// A message in pieces: words, and texts of letters to be lowered, at every offset in a word.
static void wide_in_pieces(void **state)
{
    static struct tnd_wide wide;
    struct tnd_hasher begun;
    struct test_guard guard;
    uint64_t seed = 2, out[TND_WIDE];
    char text[64], all[TND_WIDE_TEXT];

    (void)state;
    test_guard_open(&guard);
    tnd_hash_init(&begun, &paper_key);
    for (unsigned i = 0; i < 4; i++)
        wide.words[i] = 1;
    for (unsigned round = 0; round < 20000; round++) {
        struct tnd_wide_text m = tnd_wide_begin(&wide, 3, 0);
        size_t total = 0;
        for (unsigned piece = 0; piece < 3; piece++) {
            size_t len = test_random(&seed) % sizeof text;
            uint64_t word = test_random(&seed);
            memcpy(all + total, &word, sizeof word);
            total += sizeof word;
            tnd_wide_add(&m, word, 8);
            for (size_t i = 0; i < len; i++) {
                text[i] = (char)test_random(&seed);
                all[total++] = lowered(text[i]);
            }
            tnd_wide_add_text(&m, (struct tnd_str){test_guard_put(&guard, text, len), len}, true);
        }
        tnd_wide_end(&m);
        tnd_wide_scalar.hash(&begun, &wide, 4, out);
        assert_true(out[3] == tnd_hash(&paper_key, all, total));
    }
    test_guard_close(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paper_vector),       cmocka_unit_test(same_as_libsodium),
        cmocka_unit_test(pieces_equal_whole), cmocka_unit_test(derivation_is_a_hash_of_three_words),
        cmocka_unit_test(wide_equals_alone),  cmocka_unit_test(wide_words),
        cmocka_unit_test(wide_in_pieces),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
