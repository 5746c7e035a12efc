#include "proxy/branch.h"

// After the cookie come 128 bits of fields and the MAC.
#define COOKIE_LEN TND_BRANCH_COOKIE_LEN
#define LEN        (COOKIE_LEN + TND_HEX_DIGITS)

_Static_assert(LEN == TND_BRANCH_MAX, "there is no other branch");

#define BYTES(b) (0x0101010101010101ULL * (b))

// High bit of each octet that is at least k; octets below 0x80.
static inline uint64_t at_least(uint64_t octets, unsigned k)
{
    return (octets + BYTES(0x80 - k)) & BYTES(0x80);
}

// Returns: false unless all eight are lower-case hex digits.
static bool get_hex(const char *p, uint32_t *v)
{
    uint64_t x, digit, letter;

    memcpy(&x, p, sizeof x);
    if (x & BYTES(0x80))
        return false;
    digit = at_least(x, '0') & ~at_least(x, '9' + 1);
    letter = at_least(x, 'a') & ~at_least(x, 'f' + 1);
    if ((digit | letter) != BYTES(0x80))
        return false;
    x = __builtin_bswap64((x & BYTES(0x0f)) + (letter >> 7) * 9);
    x = (x | x >> 4) & 0x00ff00ff00ff00ffULL;
    x = (x | x >> 8) & 0x0000ffff0000ffffULL;
    *v = (uint32_t)(x | x >> 16);
    return true;
}

static bool get_hex64(const char *p, uint64_t *v)
{
    uint32_t high, low;

    if (!get_hex(p, &high) || !get_hex(p + 8, &low))
        return false;
    *v = (uint64_t)high << 32 | low;
    return true;
}

static bool get_fields(struct tnd_str text, struct tnd__branch_fields *f, uint64_t *mac)
{
    const char *p;

    if (text.len != LEN || memcmp(text.p, TND_BRANCH_COOKIE, COOKIE_LEN) != 0)
        return false;
    p = text.p + COOKIE_LEN;
    return get_hex64(p, &f->hi) && get_hex64(p + 16, &f->lo) && (f->lo & 0xf) == 0 &&
           get_hex64(p + 32, mac);
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

bool tnd_branch_read(struct tnd_str text, struct tnd_branch *out)
{
    struct tnd__branch_fields f;
    uint64_t mac;

    if (!get_fields(text, &f, &mac))
        return false;
    *out = (struct tnd_branch){
        .listener = (uint32_t)(f.hi >> 24),
        .trunk = (uint32_t)(f.hi << 8 | f.lo >> 56),
        .target = f.lo >> 8 & 0xffffffffffffULL,
        .attempt = f.lo >> 4 & 0xf,
    };
    return true;
}

bool tnd_branch_verify(struct tnd_str text, const struct tnd_branch_scope *scope,
                       const struct tnd_keys *keys)
{
    const struct tnd_hash_key *key;
    struct tnd__branch_fields f;
    uint64_t mac;

    if (!get_fields(text, &f, &mac))
        return false;
    key = tnd_keys_find(keys, (uint8_t)(f.hi >> 56));
    // One comparison of whole words: its time tells nothing of how many digits are right.
    return key && (mac_of(&f, scope, key) ^ mac) == 0;
}

void tnd_loop_print(uint32_t loop, char out[static TND_LOOP_DIGITS])
{
    for (unsigned i = 0; i < TND_LOOP_DIGITS; i++)
        out[i] = "0123456789abcdef"[loop >> (28 - 4 * i) & 15];
}

bool tnd_loop_read(struct tnd_str text, uint32_t *loop)
{
    return text.len == TND_LOOP_DIGITS && get_hex(text.p, loop);
}
