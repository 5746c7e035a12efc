#include "proxy/branch.h"

// After the cookie come 128 bits of fields and the MAC.
#define COOKIE     "z9hG4bK"
#define COOKIE_LEN 7
#define LEN        (COOKIE_LEN + 6 * 8)

_Static_assert(LEN == TND_BRANCH_MAX, "there is no other branch");

#define BYTES(b) (0x0101010101010101ULL * (b))

// As on the wire: hi is key 8, listener 32, trunk 24 bits; lo is trunk 8, target 48,
// attempt 4, zero 4.
struct fields {
    uint64_t hi, lo;
};

typedef uint8_t octets_t __attribute__((vector_size(16)));

// The digits of sixteen octets, all at once.
static void put_hex(char *p, octets_t v)
{
    octets_t high = v >> 4, low = v & 15, digit[2];

    digit[0] =
        __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    digit[1] = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
                                       30, 15, 31);
    for (int i = 0; i < 2; i++)
        digit[i] += '0' + ((octets_t)(digit[i] > 9) & ('a' - '0' - 10));
    memcpy(p, digit, sizeof digit);
}

// The digits of two words, the highest first.
static void put_hex128(char *p, uint64_t hi, uint64_t lo)
{
    const uint64_t words[2] = {__builtin_bswap64(hi), __builtin_bswap64(lo)};
    octets_t v;

    memcpy(&v, words, sizeof v);
    put_hex(p, v);
}

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

static bool get_fields(struct tnd_str text, struct fields *f, uint64_t *mac)
{
    const char *p;

    if (text.len != LEN || memcmp(text.p, COOKIE, COOKIE_LEN) != 0)
        return false;
    p = text.p + COOKIE_LEN;
    return get_hex64(p, &f->hi) && get_hex64(p + 16, &f->lo) && (f->lo & 0xf) == 0 &&
           get_hex64(p + 32, mac);
}

// Fixed words only: no text of a stranger moves the boundary between two of them.
#define MAC_WORDS 9

static void mac_words(const struct fields *f, const struct tnd_branch_scope *scope,
                      uint64_t w[static MAC_WORDS])
{
    w[0] = TND_DOMAIN_BRANCH;
    w[1] = f->hi;
    w[2] = f->lo;
    w[3] = scope->cseq;
    w[4] = scope->txn;
    w[5] = scope->call_key;
    memcpy(w + 6, scope->flow.ip, 16);
    w[8] = (uint64_t)scope->flow.family << 16 | scope->flow.port;
}

static uint64_t mac_of(const struct fields *f, const struct tnd_branch_scope *scope,
                       const struct tnd_hash_key *key)
{
    uint64_t w[MAC_WORDS];

    mac_words(f, scope, w);
    return tnd_hash(key, w, sizeof w);
}

static struct fields fields_of(const struct tnd_branch *b, const struct tnd_keys *keys)
{
    const struct tnd_sign_key *sign = &keys->sign[keys->n_sign - 1];

    return (struct fields){
        .hi = (uint64_t)sign->id << 56 | (uint64_t)b->listener << 24 | b->trunk >> 8,
        .lo = (uint64_t)b->trunk << 56 | (b->target & 0xffffffffffffULL) << 8 |
              (b->attempt & 0xfULL) << 4,
    };
}

void tnd_branch_lay(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                    const struct tnd_keys *keys, struct tnd_wide *wide, unsigned i)
{
    struct fields f = fields_of(b, keys);
    uint64_t w[MAC_WORDS];

    mac_words(&f, scope, w);
    tnd_wide_put_words(wide, i, w, MAC_WORDS);
}

static size_t print(const struct fields *f, uint64_t mac, char out[static TND_BRANCH_MAX])
{
    char digits[32];

    memcpy(out, COOKIE, COOKIE_LEN);
    put_hex128(out + COOKIE_LEN, f->hi, f->lo);
    put_hex128(digits, mac, 0);
    memcpy(out + COOKIE_LEN + 32, digits, 16);
    return LEN;
}

size_t tnd_branch_print(const struct tnd_branch *b, const struct tnd_keys *keys, uint64_t mac,
                        char out[static TND_BRANCH_MAX])
{
    struct fields f = fields_of(b, keys);

    return print(&f, mac, out);
}

size_t tnd_branch_write(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                        const struct tnd_keys *keys, char out[static TND_BRANCH_MAX])
{
    struct fields f = fields_of(b, keys);

    return print(&f, mac_of(&f, scope, &keys->sign[keys->n_sign - 1].key), out);
}

bool tnd_branch_read(struct tnd_str text, struct tnd_branch *out)
{
    struct fields f;
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
    struct fields f;
    uint64_t mac;

    if (!get_fields(text, &f, &mac))
        return false;
    key = tnd_keys_find(keys, (uint8_t)(f.hi >> 56));
    // One comparison of whole words: its time tells nothing of how many digits are right.
    return key && (mac_of(&f, scope, key) ^ mac) == 0;
}

void tnd_loop_print(uint32_t loop, char out[static TND_LOOP_DIGITS])
{
    char digits[32];

    put_hex128(digits, (uint64_t)loop << 32, 0);
    memcpy(out, digits, TND_LOOP_DIGITS);
}

bool tnd_loop_read(struct tnd_str text, uint32_t *loop)
{
    return text.len == TND_LOOP_DIGITS && get_hex(text.p, loop);
}
