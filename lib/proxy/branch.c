#include "proxy/branch.h"

// After the cookie come 128 bits of fields and the MAC.
#define COOKIE_LEN TND_BRANCH_COOKIE_LEN
#define LEN        (COOKIE_LEN + TND_HEX_DIGITS)

_Static_assert(LEN == TND_BRANCH_MAX, "there is no other branch");

typedef uint8_t octets_t __attribute__((vector_size(16)));
typedef uint16_t pairs_t __attribute__((vector_size(16)));

// The word of sixteen lower-case hex digits. bad: ends up with bits set when one is none.
static uint64_t get_hex64(const char *p, octets_t *bad)
{
    octets_t c, digit, letter, is_letter;
    uint64_t word[2];

    memcpy(&c, p, sizeof c);
    digit = c - '0';
    letter = c - 'a';
    is_letter = (octets_t)(letter < 6);
    *bad |= ~(is_letter | (octets_t)(digit < 10));
    c = (is_letter & (letter + 10)) | (~is_letter & digit);
    pairs_t two = (pairs_t)c << 4 | (pairs_t)c >> 8; // of each pair the first one higher
    c = __builtin_shufflevector((octets_t)two, (octets_t)two, 14, 12, 10, 8, 6, 4, 2, 0, 14, 12, 10,
                                8, 6, 4, 2, 0);
    memcpy(word, &c, sizeof word);
    return word[0];
}

static bool is_clear(octets_t v)
{
    uint64_t word[2];

    memcpy(word, &v, sizeof word);
    return (word[0] | word[1]) == 0;
}

bool tnd_branch_claim(struct tnd_str text, struct tnd_branch_claim *out)
{
    const char *p = text.p + COOKIE_LEN;
    octets_t bad = {0};

    if (text.len != LEN || memcmp(text.p, TND_BRANCH_COOKIE, COOKIE_LEN) != 0)
        return false;
    out->fields.hi = get_hex64(p, &bad);
    out->fields.lo = get_hex64(p + 16, &bad);
    out->mac = get_hex64(p + 32, &bad);
    return is_clear(bad) && (out->fields.lo & 0xf) == 0;
}

static uint64_t mac_of(const struct tnd__branch_fields *f, const struct tnd_branch_scope *scope,
                       const struct tnd_hash_key *key)
{
    struct tnd_hasher h = tnd_hash_begin(key, TND_DOMAIN_BRANCH);
    uint64_t w[TND_BRANCH_WORDS];

    tnd__branch_words(f, scope, w);
    tnd_hash_bytes(&h, w, sizeof w);
    return tnd_hash_final(&h);
}

size_t tnd_branch_write(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                        const struct tnd_keys *keys, char out[static TND_BRANCH_MAX])
{
    const struct tnd_sign_key *sign = &keys->sign[keys->n_sign - 1];
    const struct tnd__branch_fields f = tnd__branch_fields(b, sign->id);
    struct tnd_hex_words words = {{f.hi, f.lo, mac_of(&f, scope, &sign->key), 0}};
    char digits[TND_HEX_ROOM], *to = digits;

    tnd_digits_active->hex(&words, 1, &to);
    memcpy(out, TND_BRANCH_COOKIE, COOKIE_LEN);
    memcpy(out + COOKIE_LEN, digits, LEN - COOKIE_LEN);
    return LEN;
}

struct tnd_branch tnd_branch_of(const struct tnd_branch_claim *claim)
{
    const struct tnd__branch_fields *f = &claim->fields;

    return (struct tnd_branch){
        .listener = (uint32_t)(f->hi >> 24),
        .trunk = (uint32_t)(f->hi << 8 | f->lo >> 56),
        .target = f->lo >> 8 & 0xffffffffffffULL,
        .attempt = f->lo >> 4 & 0xf,
    };
}

bool tnd_branch_read(struct tnd_str text, struct tnd_branch *out)
{
    struct tnd_branch_claim claim;

    if (!tnd_branch_claim(text, &claim))
        return false;
    *out = tnd_branch_of(&claim);
    return true;
}

// One comparison of whole words: its time tells nothing of how many digits are right.
static bool is_right(const struct tnd_branch_claim *claim, const struct tnd_branch_scope *scope,
                     const struct tnd_keys *keys)
{
    const struct tnd_hash_key *key = tnd_keys_find(keys, (uint8_t)(claim->fields.hi >> 56));

    return key && (mac_of(&claim->fields, scope, key) ^ claim->mac) == 0;
}

bool tnd_branch_verify(struct tnd_str text, const struct tnd_branch_scope *scope,
                       const struct tnd_keys *keys)
{
    struct tnd_branch_claim claim;

    return tnd_branch_claim(text, &claim) && is_right(&claim, scope, keys);
}

uint32_t tnd_branch_verify_burst(const struct tnd_branch_claim claim[],
                                 const struct tnd_branch_scope scope[], unsigned n,
                                 const struct tnd_keys *keys, struct tnd_wide *wide)
{
    const struct tnd_hasher begun = tnd_keys_begin(keys, TND_DOMAIN_BRANCH);
    uint8_t last = keys->sign[keys->n_sign - 1].id;
    uint64_t mac[TND_WIDE];
    uint32_t right = 0;

    for (unsigned i = 0; i < n; i++)
        tnd__branch_put(&claim[i].fields, &scope[i], wide, i);
    tnd_wide_active->hash_words(&begun, wide, TND_BRANCH_WORDS, n, mac);
    for (unsigned i = 0; i < n; i++) {
        bool ok = claim[i].fields.hi >> 56 == last ? (mac[i] ^ claim[i].mac) == 0
                                                   : is_right(&claim[i], &scope[i], keys);
        right |= (uint32_t)ok << i;
    }
    return right;
}

void tnd_loop_print(uint32_t loop, char out[static TND_LOOP_DIGITS])
{
    for (unsigned i = 0; i < TND_LOOP_DIGITS; i++)
        out[i] = "0123456789abcdef"[loop >> (28 - 4 * i) & 15];
}

bool tnd_loop_read(struct tnd_str text, uint32_t *loop)
{
    char digits[2 * TND_LOOP_DIGITS] = "00000000";
    octets_t bad = {0};

    if (text.len != TND_LOOP_DIGITS)
        return false;
    memcpy(digits + TND_LOOP_DIGITS, text.p, TND_LOOP_DIGITS);
    *loop = (uint32_t)get_hex64(digits, &bad);
    return is_clear(bad);
}
