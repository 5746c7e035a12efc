// Our Via branch. Any text: read without a fault, and what is read as ours is written back
// digit by digit. A branch of ours that was changed in any way, or that comes back in
// another scope, does not verify.
#include "fuzz/fuzz.h"
#include "proxy/branch.h"

static const struct tnd_keys keys = {
    .n_sign = 2,
    .sign = {{.id = 7, .key = {0x1111, 0x2222}}, {.id = 0xa9, .key = {0x3333, 0x4444}}},
};

static struct tnd_branch_scope example_scope(void)
{
    return (struct tnd_branch_scope){
        .txn = 0x123456789abcdef0,
        .call_key = 0xfedcba9876543210,
        .cseq = 42,
        .flow = {.ip = {198, 51, 100, 7}, .port = 5062, .family = 4},
    };
}

static void any_text(const uint8_t *data, size_t size)
{
    struct tnd_branch_scope scope = example_scope();
    struct tnd_str text = {(const char *)data, size};
    char again[TND_BRANCH_MAX];
    struct tnd_branch b;

    scope.txn ^= 1; // no text of the corpus was signed for this one
    CHECK(!tnd_branch_verify(text, &scope, &keys));
    if (!tnd_branch_read(text, &b))
        return;
    CHECK(b.target >> 48 == 0 && b.attempt < 16);
    CHECK(tnd_branch_write(&b, &scope, &keys, again) == size);
    // All but the key's number and the MAC.
    CHECK(memcmp(again + 9, data + 9, size - 9 - 16) == 0);
}

static struct tnd_branch branch_of(const uint8_t *data, size_t size)
{
    struct tnd_branch b = {0};
    uint8_t raw[20] = {0};

    memcpy(raw, data, size < sizeof raw ? size : sizeof raw);
    memcpy(&b.listener, raw, 4);
    memcpy(&b.trunk, raw + 4, 4);
    memcpy(&b.target, raw + 8, 6);
    b.attempt = raw[14] & 15;
    return b;
}

static void written_then_changed(const uint8_t *data, size_t size)
{
    struct tnd_branch_scope scope = example_scope(), other = scope;
    struct tnd_branch b = branch_of(data, size), got;
    char out[TND_BRANCH_MAX];
    struct tnd_str text = {out, tnd_branch_write(&b, &scope, &keys, out)};
    size_t at;

    CHECK(text.len <= TND_BRANCH_MAX && tnd_branch_read(text, &got));
    CHECK(got.listener == b.listener && got.trunk == b.trunk && got.target == b.target);
    CHECK(got.attempt == b.attempt);
    CHECK(tnd_branch_verify(text, &scope, &keys));
    if (size < 22)
        return;
    other.flow.ip[data[20] & 15] ^= (uint8_t)(data[21] | 1);
    CHECK(!tnd_branch_verify(text, &other, &keys));
    at = data[20] % text.len;
    if (data[21] & 1)
        text.len = at; // cut
    else if ((char)data[21] != out[at])
        out[at] = (char)data[21];
    else
        return;
    CHECK(!tnd_branch_verify(text, &scope, &keys));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    any_text(data, size);
    written_then_changed(data, size);
    return 0;
}
