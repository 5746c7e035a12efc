// SipHash-2-4 against the paper's vector and libsodium, in one piece and in many.
#include "cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "util/hash.h"

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
    uint64_t words[3] = {TND_DOMAIN_STEER, 0x1234, 0x5678};

    (void)state;
    assert_true(tnd_derive(&paper_key, TND_DOMAIN_STEER, 0x1234, 0x5678) ==
                tnd_hash(&paper_key, words, sizeof words));
    assert_false(tnd_derive(&paper_key, TND_DOMAIN_STEER, 1, 2) ==
                 tnd_derive(&paper_key, TND_DOMAIN_RECORD, 1, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paper_vector),
        cmocka_unit_test(same_as_libsodium),
        cmocka_unit_test(pieces_equal_whole),
        cmocka_unit_test(derivation_is_a_hash_of_three_words),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
