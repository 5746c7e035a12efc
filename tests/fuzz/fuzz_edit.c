// A program of edits from the input, done by the gather list and by plain string building.
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "sip/edit.h"

#define NAIVE_MAX 65536

struct naive {
    char text[NAIVE_MAX];
    size_t len;
    uint32_t at;
    size_t put; // octets that went through the arena
    bool bad;   // a step went backwards or past the end, or asked for odd digits
};

static struct naive naive;
static struct tnd_edit list;
static struct tnd_edit_store store;
static char written[NAIVE_MAX];

static void add(const char *p, size_t len)
{
    if (naive.bad || naive.len + len > NAIVE_MAX)
        naive.bad = true;
    else
        memcpy(naive.text + naive.len, p, len);
    naive.len += len;
}

static void put(const char *p, size_t len)
{
    naive.put += len;
    add(p, len);
}

struct input {
    const uint8_t *p;
    size_t left;
};

static unsigned next(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

// Mostly forwards, now and then anywhere.
static uint32_t next_offset(struct input *in)
{
    unsigned a = next(in), b = next(in);

    return a >= 0xf8 ? (a & 7) * 256 + b : naive.at + (a >> 5) * 16 + b % 16;
}

static void move(struct input *in, const char *base, size_t base_len, bool keep)
{
    uint32_t off = next_offset(in);

    if (keep)
        tnd_edit_keep_to(&list, off);
    else
        tnd_edit_skip_to(&list, off);
    if (off < naive.at || off > base_len) {
        naive.bad = true;
        return;
    }
    if (keep)
        add(base + naive.at, off - naive.at);
    naive.at = off;
}

static void put_number(struct input *in, bool hex)
{
    uint64_t v = (uint64_t)next(in) << (next(in) % 57);
    int digits = (int)(next(in) % 19) - 1;
    char text[32];

    if (!hex) {
        tnd_edit_put_u32(&list, (uint32_t)v);
        put(text, (size_t)snprintf(text, sizeof text, "%u", (uint32_t)v));
        return;
    }
    tnd_edit_put_hex(&list, v, digits);
    if (digits < 1 || digits > 16) {
        naive.bad = true;
        return;
    }
    snprintf(text, sizeof text, "%016llx", (unsigned long long)v);
    put(text + 16 - digits, (size_t)digits);
}

static void step(struct input *in, const char *base, size_t base_len)
{
    static const char words[] = ";received=192.0.2.1;rport=5060\r\nVia: SIP/2.0/UDP ";
    unsigned op = next(in), len = op >> 3;
    struct tnd_str s = {words + len / 2, len};

    switch (op & 7) {
    case 0:
    case 1:
    case 2:
        move(in, base, base_len, true);
        break;
    case 3:
        move(in, base, base_len, false);
        break;
    case 4:
        tnd_edit_put(&list, s);
        put(s.p, s.len);
        break;
    case 5:
        put_number(in, len & 1);
        break;
    case 6:
        tnd_edit_putz(&list, words);
        put(words, sizeof words - 1);
        break;
    default:
        tnd_edit_ref(&list, s);
        add(s.p, s.len);
        break;
    }
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_edit: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t base_len = next(&in) * 8, len;
    static char base[256 * 8];
    char *exact;

    for (size_t i = 0; i < base_len; i++)
        base[i] = (char)('A' + i % 53);
    exact = calloc(1, base_len + 1);
    memcpy(exact, base, base_len);
    naive.len = naive.put = 0;
    naive.at = 0;
    naive.bad = false;
    tnd_edit_begin(&list, &store, exact, base_len);
    while (in.left && naive.len < NAIVE_MAX - 4096)
        step(&in, exact, base_len);
    tnd_edit_end(&list);
    if (!naive.bad)
        add(exact + naive.at, base_len - naive.at);

    check(list.out_len <= sizeof written || list.overflow, "longer than all of its pieces");
    len = tnd_edit_write(&list, written);
    if (list.overflow) {
        check(len == 0, "an overflowed list was written");
        check(naive.bad || naive.put > TND_EDIT_ARENA || tnd_edit_pieces(&list) == TND_EDIT_PIECES,
              "overflow without a reason");
    } else {
        check(!naive.bad && naive.put <= TND_EDIT_ARENA, "a bad list was not marked");
        check(len == list.out_len && len == naive.len, "length");
        check(memcmp(written, naive.text, len) == 0, "text");
    }
    free(exact);
    return 0;
}
