#include "proxy/branch.h"

// After the cookie come words of eight digits: 128 bits of fields, the loop hash where
// there is one, and the MAC.
#define COOKIE      "z9hG4bK"
#define COOKIE_LEN  7
#define LEN_LOOP    (COOKIE_LEN + 7 * 8)
#define LEN_NO_LOOP (COOKIE_LEN + 6 * 8)

_Static_assert(LEN_LOOP < TND_BRANCH_MAX, "the longest branch fits");

#define BYTES(b) (0x0101010101010101ULL * (b))

// As on the wire: hi is key 8, listener 32, trunk 24 bits; lo is trunk 8, target 48,
// attempt 4, loop hash follows 4.
struct fields {
    uint64_t hi, lo;
    uint32_t loop;
};

// Eight digits of `v`, the highest first, all at once.
static void put_hex(char *p, uint32_t v)
{
    uint64_t x = __builtin_bswap32(v), letter;

    x = (x | x << 16) & 0x0000ffff0000ffffULL;
    x = (x | x << 8) & 0x00ff00ff00ff00ffULL;
    x = (x >> 4 & BYTES(0x0f)) | (x << 8 & 0x0f000f000f000f00ULL);
    letter = (x + BYTES(6)) >> 4 & BYTES(1);
    x += BYTES('0') + letter * ('a' - '0' - 10);
    memcpy(p, &x, sizeof x);
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

static void put_hex64(char *p, uint64_t v)
{
    put_hex(p, (uint32_t)(v >> 32));
    put_hex(p + 8, (uint32_t)v);
}

static bool get_fields(struct tnd_str text, struct fields *f, uint64_t *mac)
{
    bool has_loop = text.len == LEN_LOOP;
    const char *p;

    f->loop = 0;
    if ((text.len != LEN_NO_LOOP && !has_loop) || memcmp(text.p, COOKIE, COOKIE_LEN) != 0)
        return false;
    p = text.p + COOKIE_LEN;
    if (!get_hex64(p, &f->hi) || !get_hex64(p + 16, &f->lo) || (f->lo & 0xf) != has_loop)
        return false;
    if (has_loop && !get_hex(p + 32, &f->loop))
        return false;
    return get_hex64(p + (has_loop ? 40 : 32), mac);
}

// Fixed words only: no text of a stranger moves the boundary between two of them.
static uint64_t mac_of(const struct fields *f, const struct tnd_branch_scope *scope,
                       const struct tnd_hash_key *key)
{
    struct tnd_hasher h;
    uint64_t ip[2];

    memcpy(ip, scope->flow.ip, sizeof ip);
    tnd_hash_init(&h, key);
    tnd_hash_u64(&h, TND_DOMAIN_BRANCH);
    tnd_hash_u64(&h, f->hi);
    tnd_hash_u64(&h, f->lo);
    tnd_hash_u64(&h, (uint64_t)f->loop << 32 | scope->cseq);
    tnd_hash_u64(&h, scope->txn);
    tnd_hash_u64(&h, scope->call_key);
    tnd_hash_u64(&h, ip[0]);
    tnd_hash_u64(&h, ip[1]);
    tnd_hash_u64(&h, (uint64_t)scope->flow.family << 16 | scope->flow.port);
    return tnd_hash_final(&h);
}

size_t tnd_branch_write(const struct tnd_branch *b, const struct tnd_branch_scope *scope,
                        const struct tnd_keys *keys, char out[static TND_BRANCH_MAX])
{
    const struct tnd_sign_key *sign = &keys->sign[keys->n_sign - 1];
    struct fields f = {
        .hi = (uint64_t)sign->id << 56 | (uint64_t)b->listener << 24 | b->trunk >> 8,
        .lo = (uint64_t)b->trunk << 56 | (b->target & 0xffffffffffffULL) << 8 |
              (b->attempt & 0xfULL) << 4 | b->has_loop,
        .loop = b->has_loop ? b->loop : 0,
    };
    char *p = out + COOKIE_LEN;

    memcpy(out, COOKIE, COOKIE_LEN);
    put_hex64(p, f.hi);
    put_hex64(p + 16, f.lo);
    if (b->has_loop)
        put_hex(p + 32, f.loop);
    put_hex64(p + (b->has_loop ? 40 : 32), mac_of(&f, scope, &sign->key));
    return b->has_loop ? LEN_LOOP : LEN_NO_LOOP;
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
        .has_loop = f.lo & 1,
        .loop = f.loop,
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
