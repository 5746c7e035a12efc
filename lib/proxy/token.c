#include "proxy/token.h"

#include "util/base64url.h"

// Octets, the numbers highest octet first:
//   0      version in the high four bits; IPv6 in bit 3; the flow's transport below
//   1      number of the sign key
//   2      target (6), listener (4), from_trunk (4), to_trunk (4), caller (4)
//   24     the flow's port (2)
//   26     the flow's IP (4 or 16)
//   30/42  MAC (8) of the octets before it and the call key
#define VERSION 1
#define IPV6    0x08
#define AT_IP   26
#define MAC_LEN 8
#define OCTETS4 (AT_IP + 4 + MAC_LEN)
#define OCTETS6 (AT_IP + 16 + MAC_LEN)
#define LEN4    TND_BASE64URL_LEN(OCTETS4)
#define LEN6    TND_BASE64URL_LEN(OCTETS6)

_Static_assert(LEN6 <= TND_TOKEN_MAX, "the longest token fits");

// Whole words: octet by octet, the hash that reads them back as words would wait for the stores.
static uint8_t *put64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint8_t *put16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static uint64_t get(const uint8_t **p, unsigned octets)
{
    uint64_t v = 0;

    while (octets-- > 0)
        v = v << 8 | *(*p)++;
    return v;
}

static uint64_t mac_of(const uint8_t *octets, size_t len, uint64_t call_key,
                       const struct tnd_hash_key *key)
{
    struct tnd_hasher h;

    tnd_hash_init(&h, key);
    tnd_hash_u64(&h, TND_DOMAIN_TOKEN);
    tnd_hash_u64(&h, call_key);
    tnd_hash_bytes(&h, octets, len);
    return tnd_hash_final(&h);
}

// What the MAC is over, behind the domain and the call key.
static void put_fields(const struct tnd_token *t, const struct tnd_keys *keys,
                       struct tnd_token_octets *o)
{
    uint8_t sign = keys->sign[keys->n_sign - 1].id, *p = o->octets;
    bool v6 = t->flow.family == 6;

    p = put64(p, (uint64_t)(VERSION << 4 | (v6 ? IPV6 : 0) | (t->flow.transport & 7)) << 56 |
                     (uint64_t)sign << 48 | (t->target & 0xffffffffffffULL));
    p = put64(p, (uint64_t)t->listener << 32 | t->from_trunk);
    p = put64(p, (uint64_t)t->to_trunk << 32 | t->caller);
    p = put16(p, t->flow.port);
    memcpy(p, t->flow.ip, sizeof t->flow.ip); // of IPv4 with its zeros
    o->len = AT_IP + (v6 ? 16 : 4);
}

void tnd_token_lay(const struct tnd_token *t, uint64_t call_key, const struct tnd_keys *keys,
                   struct tnd_token_octets *octets, struct tnd_wide *wide, unsigned i)
{
    struct tnd_wide_text text = tnd_wide_begin(wide, i);
    uint64_t w[3], ip[2];

    put_fields(t, keys, octets);
    memcpy(w, octets->octets, sizeof w);
    memcpy(ip, t->flow.ip, sizeof ip);
    tnd_wide_add(&text, TND_DOMAIN_TOKEN, 8);
    tnd_wide_add(&text, call_key, 8);
    for (int k = 0; k < 3; k++)
        tnd_wide_add(&text, w[k], 8);
    // From values: octets just stored in other sizes would be waited for.
    tnd_wide_add(&text, __builtin_bswap16(t->flow.port), 2);
    if (octets->len == OCTETS4 - MAC_LEN) {
        tnd_wide_add(&text, (uint32_t)ip[0], 4);
    } else {
        tnd_wide_add(&text, ip[0], 8);
        tnd_wide_add(&text, ip[1], 8);
    }
    tnd_wide_end(&text);
}

size_t tnd_token_print(struct tnd_token_octets *octets, uint64_t mac,
                       char out[static TND_TOKEN_MAX])
{
    put64(octets->octets + octets->len, mac);
    return tnd_base64url_encode_in(octets->octets, octets->len + MAC_LEN,
                                   sizeof octets->octets - octets->len - MAC_LEN, out);
}

size_t tnd_token_write(const struct tnd_token *t, uint64_t call_key, const struct tnd_keys *keys,
                       char out[static TND_TOKEN_MAX])
{
    const struct tnd_hash_key *key = &keys->sign[keys->n_sign - 1].key;
    struct tnd_token_octets o;

    put_fields(t, keys, &o);
    return tnd_token_print(&o, mac_of(o.octets, o.len, call_key, key), out);
}

static void get_fields(const uint8_t *octets, size_t ip_len, struct tnd_token *out)
{
    const uint8_t *p = octets + 2;

    *out = (struct tnd_token){0};
    out->flow.transport = octets[0] & 7;
    out->flow.family = ip_len == 16 ? 6 : 4;
    out->target = get(&p, 6);
    out->listener = (uint32_t)get(&p, 4);
    out->from_trunk = (uint32_t)get(&p, 4);
    out->to_trunk = (uint32_t)get(&p, 4);
    out->caller = (uint32_t)get(&p, 4);
    out->flow.port = (uint16_t)get(&p, 2);
    memcpy(out->flow.ip, p, ip_len);
}

enum tnd_token_state tnd_token_read(struct tnd_str text, uint64_t call_key,
                                    const struct tnd_keys *keys, struct tnd_token *out)
{
    const struct tnd_hash_key *key;
    uint8_t octets[OCTETS6];
    const uint8_t *mac;
    size_t ip_len;

    // By length first: almost every Route of others ends here.
    if (text.len != LEN4 && text.len != LEN6)
        return TND_TOKEN_NONE;
    ip_len = text.len == LEN6 ? 16 : 4;
    if (!tnd_base64url_decode(text.p, text.len, octets))
        return TND_TOKEN_NONE;
    if ((octets[0] & ~7) != (VERSION << 4 | (ip_len == 16 ? IPV6 : 0)))
        return TND_TOKEN_NONE;
    key = tnd_keys_find(keys, octets[1]);
    mac = octets + AT_IP + ip_len;
    // One comparison of whole words: its time tells nothing of how much of the MAC is right.
    if (!key || (mac_of(octets, AT_IP + ip_len, call_key, key) ^ get(&mac, MAC_LEN)) != 0)
        return TND_TOKEN_BAD;
    get_fields(octets, ip_len, out);
    return TND_TOKEN_GOOD;
}
