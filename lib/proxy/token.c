#include "proxy/token.h"

#include "util/base64url.h"

#define OCTETS4 (TND__TOKEN_IP + 4 + TND__TOKEN_MAC)
#define OCTETS6 (TND__TOKEN_IP + 16 + TND__TOKEN_MAC)
#define LEN4    TND_BASE64URL_LEN(OCTETS4)
#define LEN6    TND_BASE64URL_LEN(OCTETS6)

_Static_assert(LEN6 <= TND_TOKEN_MAX, "the longest token fits");
_Static_assert(OCTETS6 + 2 <= TND_BASE64_MOST, "it is printed in one go");

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
    struct tnd_hasher h = tnd_hash_begin(key, TND_DOMAIN_TOKEN);

    tnd_hash_u64(&h, call_key);
    tnd_hash_bytes(&h, octets, len);
    return tnd_hash_final(&h);
}

size_t tnd_token_write(const struct tnd_token *t, uint64_t call_key, const struct tnd_keys *keys,
                       char out[static TND_TOKEN_MAX])
{
    const struct tnd_hash_key *key = &keys->sign[keys->n_sign - 1].key;
    struct tnd_base64_octets o;
    char room[TND_BASE64_ROOM], *to = room;

    tnd__token_fields(t, keys, &o);
    size_t len = tnd_token_seal(&o, mac_of(o.octet, o.len, call_key, key));
    tnd_digits_active->base64url(&o, 1, &to);
    memcpy(out, room, len);
    return len;
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
    if ((octets[0] & ~7) != (TND__TOKEN_VERSION << 4 | (ip_len == 16 ? TND__TOKEN_IPV6 : 0)))
        return TND_TOKEN_NONE;
    key = tnd_keys_find(keys, octets[1]);
    mac = octets + TND__TOKEN_IP + ip_len;
    // One comparison of whole words: its time tells nothing of how much of the MAC is right.
    if (!key ||
        (mac_of(octets, TND__TOKEN_IP + ip_len, call_key, key) ^ get(&mac, TND__TOKEN_MAC)) != 0)
        return TND_TOKEN_BAD;
    get_fields(octets, ip_len, out);
    return TND_TOKEN_GOOD;
}
