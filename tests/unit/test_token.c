// The Record-Route token: what it carries comes back, and nothing else is let in.
#include "cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "guard.h"
#include "proxy/token.h"
#include "random.h"
#include "util/base64url.h"
#include "util/isa.h"

#define CALL 0x0123456789abcdefULL

static const struct tnd_keys keys = {
    .n_sign = 2,
    .sign = {{.id = 7, .key = {0x1111, 0x2222}}, {.id = 0xa9, .key = {0x3333, 0x4444}}},
};

static struct tnd_token example(const char *flow)
{
    struct tnd_token t = {
        .listener = 0x01234567,
        .target = 0xfedcba987654,
        .from_trunk = 0x89abcdef,
        .to_trunk = 0x76543210,
        .caller = 0xcafef00d,
    };

    assert_true(tnd_addr_parse(tnd_str_of(flow), &t.flow));
    t.flow.transport = TND_TRANSPORT_UDP;
    return t;
}

static const char *const flows[] = {"198.51.100.7:5062", "[2001:db8::7:1]:5062"};

static void assert_same(const struct tnd_token *a, const struct tnd_token *b)
{
    assert_true(tnd_addr_eq(&a->flow, &b->flow));
    assert_true(a->listener == b->listener && a->target == b->target &&
                a->from_trunk == b->from_trunk && a->to_trunk == b->to_trunk &&
                a->caller == b->caller);
}

// The layout is what a second version must be able to read.
static void layout(void **state)
{
    static const uint8_t want[30] = {0x11, 0xa9, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x01, 0x23,
                                     0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x76, 0x54, 0x32, 0x10,
                                     0xca, 0xfe, 0xf0, 0x0d, 0x13, 0xc6, 198,  51,   100,  7};
    struct tnd_token t = example(flows[0]);
    char out[TND_TOKEN_MAX];
    uint8_t octets[60];
    uint64_t words[2] = {TND_DOMAIN_TOKEN, CALL}, mac, got = 0;
    struct tnd_hasher h;

    (void)state;
    assert_int_equal(tnd_token_write(&t, CALL, &keys, out), 51);
    assert_true(tnd_base64url_decode(out, 51, octets));
    assert_memory_equal(octets, want, sizeof want);
    tnd_hash_init(&h, &keys.sign[1].key);
    tnd_hash_bytes(&h, words, sizeof words);
    tnd_hash_bytes(&h, want, sizeof want);
    mac = tnd_hash_final(&h);
    for (int i = 30; i < 38; i++)
        got = got << 8 | octets[i];
    assert_true(got == mac);
    t = example(flows[1]);
    assert_int_equal(tnd_token_write(&t, CALL, &keys, out), 67);
}

static void there_and_back(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct tnd_token t = {.listener = (uint32_t)test_random(&seed),
                              .target = test_random(&seed) >> 16,
                              .from_trunk = (uint32_t)test_random(&seed),
                              .to_trunk = (uint32_t)test_random(&seed),
                              .caller = (uint32_t)test_random(&seed)},
                         got;
        uint64_t call = test_random(&seed);
        char out[TND_TOKEN_MAX];
        struct tnd_str text = {out, 0};

        t.flow.family = i & 1 ? 4 : 6;
        t.flow.transport = TND_TRANSPORT_UDP;
        t.flow.port = (uint16_t)test_random(&seed);
        for (int b = 0; b < (i & 1 ? 4 : 16); b++)
            t.flow.ip[b] = (uint8_t)test_random(&seed);
        memset(&got, 0xee, sizeof got);
        text.len = tnd_token_write(&t, call, &keys, out);
        assert_int_equal(tnd_token_read(text, call, &keys, &got), TND_TOKEN_GOOD);
        assert_same(&t, &got);
        assert_int_equal(tnd_token_read(text, call ^ 1, &keys, &got), TND_TOKEN_BAD);
    }
}

// Every character, every value: not of our form, or bad; never good.
static void no_character_can_change(void **state)
{
    (void)state;
    for (unsigned f = 0; f < 2; f++) {
        struct tnd_token t = example(flows[f]), got;
        char out[TND_TOKEN_MAX];
        struct tnd_str text = {out, tnd_token_write(&t, CALL, &keys, out)};

        for (size_t i = 0; i < text.len; i++)
            for (unsigned v = 0; v < 256; v++) {
                char was = out[i];
                enum tnd_token_state s;
                out[i] = (char)v;
                s = tnd_token_read(text, CALL, &keys, &got);
                if (v == (uint8_t)was)
                    assert_int_equal(s, TND_TOKEN_GOOD);
                else if (tnd_base64url_value((char)v) > 63)
                    assert_int_equal(s, TND_TOKEN_NONE);
                else if (i >= 2 && i + 1 < text.len)
                    assert_int_equal(s, TND_TOKEN_BAD);
                else
                    assert_int_not_equal(s, TND_TOKEN_GOOD);
                out[i] = was;
            }
    }
}

// The last character's two spare bits: four spellings of one value, one of them ours.
static void one_spelling(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct tnd_token t = example(flows[0]), got;
    char out[TND_TOKEN_MAX];
    size_t len = tnd_token_write(&t, CALL, &keys, out);
    unsigned last = tnd_base64url_value(out[len - 1]);

    (void)state;
    assert_int_equal(last & 3, 0);
    for (unsigned spare = 1; spare < 4; spare++) {
        out[len - 1] = digits[last | spare];
        assert_int_equal(tnd_token_read((struct tnd_str){out, len}, CALL, &keys, &got),
                         TND_TOKEN_NONE);
    }
}

static void foreign_text(void **state)
{
    struct tnd_token t = example(flows[0]), got;
    char out[TND_TOKEN_MAX + 8], copy[TND_TOKEN_MAX + 8];
    size_t len = tnd_token_write(&t, CALL, &keys, out);

    (void)state;
    assert_int_equal(tnd_token_read((struct tnd_str){NULL, 0}, CALL, &keys, &got), TND_TOKEN_NONE);
    assert_int_equal(tnd_token_read(TND_STR("alice"), CALL, &keys, &got), TND_TOKEN_NONE);
    memcpy(out + len, "=====", 6);
    for (size_t n = 0; n < len + 6; n++)
        assert_int_equal(tnd_token_read((struct tnd_str){out, n}, CALL, &keys, &got),
                         n == len ? TND_TOKEN_GOOD : TND_TOKEN_NONE);
    memcpy(copy, out, len);
    copy[0] = 'I'; // version 2
    assert_int_equal(tnd_token_read((struct tnd_str){copy, len}, CALL, &keys, &got),
                     TND_TOKEN_NONE);
    memset(copy, 'A', sizeof copy); // another program's user part of that length: version 0
    assert_int_equal(tnd_token_read((struct tnd_str){copy, 51}, CALL, &keys, &got), TND_TOKEN_NONE);
    assert_int_equal(tnd_token_read((struct tnd_str){copy, 67}, CALL, &keys, &got), TND_TOKEN_NONE);
}

static void keys_by_their_number(void **state)
{
    struct tnd_token t = example(flows[1]), got;
    struct tnd_keys rotated = keys, gone = keys;
    char out[TND_TOKEN_MAX];
    struct tnd_str text = {out, tnd_token_write(&t, CALL, &keys, out)};

    (void)state;
    rotated.sign[0] = keys.sign[1];
    rotated.sign[1] = (struct tnd_sign_key){.id = 0xaa, .key = {5, 6}};
    assert_int_equal(tnd_token_read(text, CALL, &rotated, &got), TND_TOKEN_GOOD);
    gone.sign[1] = rotated.sign[1];
    assert_int_equal(tnd_token_read(text, CALL, &gone, &got), TND_TOKEN_BAD);
}

// A burst of tokens by both keys and by a third, of both families, some of them changed: each
// kernel reads of each what is read of it alone.
static void burst_as_alone(void **state)
{
    static struct tnd_wide wide;
    static char out[TND_WIDE][TND_TOKEN_MAX];
    struct tnd_keys former = keys, other = keys;
    struct tnd_str text[TND_WIDE];
    uint64_t call[TND_WIDE], seed = 9;
    struct tnd_token got[TND_WIDE], want;
    enum tnd_token_state states[TND_WIDE];
    enum tnd_isa before = tnd_isa_active();
    unsigned seen[3] = {0};

    (void)state;
    former.n_sign = 1;
    other.sign[1] = (struct tnd_sign_key){.id = 0xaa, .key = {5, 6}};
    for (enum tnd_isa isa = TND_ISA_SCALAR; isa < TND_ISA_COUNT; isa++)
        for (unsigned round = 0; tnd_isa_select(tnd_isa_name(isa)) && round < 2000; round++) {
            unsigned n = round % (TND_WIDE + 1);
            for (unsigned i = 0; i < n; i++) {
                unsigned how = test_random(&seed) % 8;
                struct tnd_token t = example(flows[test_random(&seed) % 2]);
                t.caller = (uint32_t)test_random(&seed);
                t.listener = (uint32_t)test_random(&seed);
                t.flow.port = (uint16_t)test_random(&seed);
                for (unsigned k = 0; k < (t.flow.family == 6 ? 16u : 4u); k++)
                    t.flow.ip[k] = (uint8_t)test_random(&seed);
                call[i] = test_random(&seed);
                text[i].p = out[i];
                text[i].len = tnd_token_write(&t, call[i],
                                              how == 0   ? &former
                                              : how == 1 ? &other
                                                         : &keys,
                                              out[i]);
                if (how == 2 || how == 3)
                    out[i][test_random(&seed) % text[i].len] = how == 2 ? 'x' : '%';
                if (how == 4)
                    call[i]++;
            }
            memset(got, 0xee, sizeof got);
            tnd_token_read_burst(text, call, n, &keys, &wide, got, states);
            for (unsigned i = 0; i < n; i++) {
                assert_int_equal(states[i], tnd_token_read(text[i], call[i], &keys, &want));
                if (states[i] == TND_TOKEN_GOOD)
                    assert_same(&got[i], &want);
                seen[states[i]]++;
            }
        }
    assert_true(seen[TND_TOKEN_NONE] > 1000 && seen[TND_TOKEN_BAD] > 1000 &&
                seen[TND_TOKEN_GOOD] > 1000);
    assert_true(tnd_isa_select(tnd_isa_name(before)));
}

static void reads_no_further(void **state)
{
    struct test_guard g;

    (void)state;
    test_guard_open(&g);
    for (unsigned f = 0; f < 2; f++) {
        struct tnd_token t = example(flows[f]), got;
        char out[TND_TOKEN_MAX];
        size_t whole = tnd_token_write(&t, CALL, &keys, out);

        for (size_t len = 0; len <= whole; len++) {
            struct tnd_str text = {test_guard_put(&g, out, len), len};
            assert_int_equal(tnd_token_read(text, CALL, &keys, &got),
                             len == whole ? TND_TOKEN_GOOD : TND_TOKEN_NONE);
        }
    }
    test_guard_close(&g);
}

static void codec_same_as_libsodium(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (size_t len = 0; len < 64; len++) {
        uint8_t in[64] = {0}, back[64];
        char ours[128], theirs[128];

        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t)test_random(&seed);
        sodium_bin2base64(theirs, sizeof theirs, in, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        assert_int_equal(tnd_base64url_encode(in, len, ours), strlen(theirs));
        assert_memory_equal(ours, theirs, strlen(theirs));
        assert_true(tnd_base64url_decode(ours, strlen(theirs), back));
        assert_memory_equal(back, in, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(no_character_can_change),
        cmocka_unit_test(one_spelling),
        cmocka_unit_test(foreign_text),
        cmocka_unit_test(keys_by_their_number),
        cmocka_unit_test(burst_as_alone),
        cmocka_unit_test(reads_no_further),
        cmocka_unit_test(codec_same_as_libsodium),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
