#include "proxy/token.h"

#include "util/base64url.h"

#define OCTETS4 TND__TOKEN_OCTETS(4)
#define OCTETS6 TND__TOKEN_OCTETS(16)
#define LEN6    TND_BASE64URL_LEN(OCTETS6)

_Static_assert(LEN6 <= TND_TOKEN_MAX, "the longest token fits");
_Static_assert(OCTETS6 + 2 <= TND_BASE64_MOST, "it is printed in one go");

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
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
    uint64_t trunks = get64(octets + 12);

    *out = (struct tnd_token){
        .flow.transport = octets[0] & 7,
        .flow.family = ip_len == 16 ? 6 : 4,
        .flow.port = (uint16_t)(octets[24] << 8 | octets[25]),
        .target = get64(octets) & 0xffffffffffffULL,
        .listener = (uint32_t)(get64(octets + 8) >> 32),
        .from_trunk = (uint32_t)(trunks >> 32),
        .to_trunk = (uint32_t)trunks,
        .caller = (uint32_t)(get64(octets + 16)),
    };
    memcpy(out->flow.ip, octets + TND__TOKEN_IP, ip_len);
}

// Of the IP, or 0: these octets are no token of any key.
static size_t ip_len_of(const uint8_t *octets, size_t len)
{
    size_t ip_len = len == OCTETS6 ? 16 : 4;

    if (len != OCTETS4 && len != OCTETS6)
        return 0;
    return (octets[0] & ~7) == (TND__TOKEN_VERSION << 4 | (ip_len == 16 ? TND__TOKEN_IPV6 : 0))
               ? ip_len
               : 0;
}

// One comparison of whole words: its time tells nothing of how much of the MAC is right.
static bool is_right(const uint8_t *octets, size_t ip_len, uint64_t mac)
{
    return (get64(octets + TND__TOKEN_IP + ip_len) ^ mac) == 0;
}

static enum tnd_token_state judge_alone(const uint8_t *octets, size_t ip_len, uint64_t call_key,
                                        const struct tnd_keys *keys)
{
    const struct tnd_hash_key *key = tnd_keys_find(keys, octets[1]);

    return key && is_right(octets, ip_len, mac_of(octets, TND__TOKEN_IP + ip_len, call_key, key))
               ? TND_TOKEN_GOOD
               : TND_TOKEN_BAD;
}

enum tnd_token_state tnd_token_read(struct tnd_str text, uint64_t call_key,
                                    const struct tnd_keys *keys, struct tnd_token *out)
{
    uint8_t octets[OCTETS6];
    enum tnd_token_state state;
    size_t ip_len;

    if (!tnd_token_may_be(text) || !tnd_base64url_decode(text.p, text.len, octets))
        return TND_TOKEN_NONE;
    ip_len = ip_len_of(octets, TND_BASE64URL_OCTETS(text.len));
    if (ip_len == 0)
        return TND_TOKEN_NONE;
    state = judge_alone(octets, ip_len, call_key, keys);
    if (state == TND_TOKEN_GOOD)
        get_fields(octets, ip_len, out);
    return state;
}

static void lay_read(const uint8_t *octets, size_t ip_len, uint64_t call_key, struct tnd_wide *wide,
                     unsigned i)
{
    uint64_t w[6];

    memcpy(w, octets, sizeof w);
    wide->word[0][i] = call_key;
    for (int k = 0; k < 3; k++)
        wide->word[1 + k][i] = w[k];
    if (ip_len == 4) {
        wide->word[4][i] = (w[3] & 0xffffffffffffULL) | TND__TOKEN_END(4);
        wide->words[i] = 5;
    } else {
        wide->word[4][i] = w[3];
        wide->word[5][i] = w[4];
        wide->word[6][i] = (w[5] & 0xffff) | TND__TOKEN_END(16);
        wide->words[i] = 7;
    }
}

void tnd_token_read_burst(const struct tnd_str text[], const uint64_t call_key[], unsigned n,
                          const struct tnd_keys *keys, struct tnd_wide *wide,
                          struct tnd_token out[], enum tnd_token_state state[])
{
    const struct tnd_hasher begun = tnd_keys_begin(keys, TND_DOMAIN_TOKEN);
    uint8_t last = keys->sign[keys->n_sign - 1].id;
    struct tnd_base64_octets o[TND_WIDE];
    size_t ip_len[TND_WIDE];
    uint64_t mac[TND_WIDE];

    tnd_digits_active->from_base64url(text, n, o);
    for (unsigned i = 0; i < n; i++) {
        ip_len[i] = ip_len_of(o[i].octet, o[i].len);
        lay_read(o[i].octet, ip_len[i], call_key[i], wide, i);
    }
    tnd_wide_active->hash(&begun, wide, n, mac);
    for (unsigned i = 0; i < n; i++) {
        if (ip_len[i] == 0)
            state[i] = TND_TOKEN_NONE;
        else if (o[i].octet[1] != last)
            state[i] = judge_alone(o[i].octet, ip_len[i], call_key[i], keys);
        else
            state[i] = is_right(o[i].octet, ip_len[i], mac[i]) ? TND_TOKEN_GOOD : TND_TOKEN_BAD;
        if (state[i] == TND_TOKEN_GOOD)
            get_fields(o[i].octet, ip_len[i], &out[i]);
    }
}
