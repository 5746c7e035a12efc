// The Record-Route token. Any text: read without a fault, and good only if we would write it
// so. A token of ours that was changed in any way is never good.
#include "fuzz/fuzz.h"
#include "proxy/token.h"

#define CALL 0x0123456789abcdefULL

static const struct tnd_keys keys = {
    .n_sign = 2,
    .sign = {{.id = 7, .key = {0x1111, 0x2222}}, {.id = 0xa9, .key = {0x3333, 0x4444}}},
};

// The fuzzer may find the previous key's token only by breaking the MAC.
static void any_text(const uint8_t *data, size_t size)
{
    struct tnd_str text = {(const char *)data, size};
    struct tnd_token t;

    CHECK(tnd_token_read(text, CALL ^ 1, &keys, &t) != TND_TOKEN_GOOD);
}

static struct tnd_token token_of(const uint8_t *data, size_t size)
{
    struct tnd_token t = {0};
    uint8_t raw[40] = {0};
    size_t ip_len;

    memcpy(raw, data, size < sizeof raw ? size : sizeof raw);
    t.flow.family = raw[0] & 1 ? 6 : 4;
    t.flow.transport = raw[0] >> 1 & 7;
    ip_len = t.flow.family == 6 ? 16 : 4;
    memcpy(t.flow.ip, raw + 1, ip_len);
    memcpy(&t.flow.port, raw + 17, 2);
    memcpy(&t.listener, raw + 19, 4);
    memcpy(&t.target, raw + 23, 6);
    memcpy(&t.from_trunk, raw + 29, 4);
    memcpy(&t.to_trunk, raw + 33, 3);
    memcpy(&t.caller, raw + 36, 4);
    return t;
}

static void written_then_changed(const uint8_t *data, size_t size)
{
    struct tnd_token t = token_of(data, size), got;
    char out[TND_TOKEN_MAX];
    struct tnd_str text = {out, tnd_token_write(&t, CALL, &keys, out)};
    size_t at;

    CHECK(text.len <= TND_TOKEN_MAX);
    CHECK(tnd_token_read(text, CALL, &keys, &got) == TND_TOKEN_GOOD);
    CHECK(tnd_addr_eq(&got.flow, &t.flow) && got.listener == t.listener);
    CHECK(got.target == t.target && got.from_trunk == t.from_trunk);
    CHECK(got.to_trunk == t.to_trunk && got.caller == t.caller);
    CHECK(tnd_token_read(text, CALL ^ 1, &keys, &got) == TND_TOKEN_BAD);
    if (size < 42)
        return;
    at = data[40] % text.len;
    if (data[41] & 1)
        text.len = at; // cut
    else if ((char)data[41] != out[at])
        out[at] = (char)data[41];
    else
        return;
    CHECK(tnd_token_read(text, CALL, &keys, &got) != TND_TOKEN_GOOD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    any_text(data, size);
    written_then_changed(data, size);
    return 0;
}
