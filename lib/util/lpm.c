#include "util/lpm.h"

#include <stdlib.h>

// An address as two words; what decides a match is a mask of each and the third word.
struct words {
    uint64_t w[2];
    uint32_t meta; // port, bits << 16, family << 24: never 0, because family is not
};

struct slot {
    struct words key; // meta 0: empty
    uint32_t value;
} __attribute__((aligned(32)));

_Static_assert(sizeof(struct slot) == 32, "a slot never straddles a cache line");

// One kind of prefix that is in use: a length, with or without a port.
struct kind {
    uint64_t mask[2];
    uint32_t meta; // bits and family, as in words
    uint32_t port_mask;
};

#define KINDS_MAX (2 * 129)

struct tnd_lpm {
    struct slot *slots;
    size_t mask;
    size_t cleared;                  // slots, while it is built
    bool used[2][129][2];            // family, length, port: while it is built
    uint32_t n_kinds[2];             // by family: 0 is IPv4
    struct kind kinds[2][KINDS_MAX]; // longest first, with port before without
};

// Prefixes come from the configuration, so the hash needs speed and no secret: two
// multiplications, the second of which spreads the high bits over the index.
static size_t index_of(const struct tnd_lpm *lpm, const struct words *k)
{
    uint64_t h = (k->w[0] ^ ((uint64_t)k->meta << 29)) * 0x9e3779b97f4a7c15ULL;

    h ^= h >> 32;
    h = (h + k->w[1] + k->meta) * 0xd6e8feb86659fd93ULL;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    return (size_t)(h >> 20) & lpm->mask;
}

static struct words words_of(const struct tnd_addr *a)
{
    struct words k = {.meta = a->port};

    memcpy(k.w, a->ip, sizeof k.w);
    return k;
}

static struct words masked(struct words k, const struct kind *kind)
{
    k.w[0] &= kind->mask[0];
    k.w[1] &= kind->mask[1];
    k.meta = (k.meta & kind->port_mask) | kind->meta;
    return k;
}

static struct kind kind_of(unsigned family, unsigned bits, bool port)
{
    uint8_t mask[16] = {0};
    struct kind kind = {.meta = bits << 16 | family << 24, .port_mask = port ? 0xffff : 0};

    memset(mask, 0xff, bits / 8);
    if (bits % 8)
        mask[bits / 8] = (uint8_t)(0xff00u >> bits % 8);
    memcpy(kind.mask, mask, sizeof mask);
    return kind;
}

static struct slot *find(const struct tnd_lpm *lpm, const struct words *k)
{
    for (size_t i = index_of(lpm, k);; i = (i + 1) & lpm->mask) {
        struct slot *s = &lpm->slots[i];
        if (s->key.meta == 0 ||
            (s->key.meta == k->meta && s->key.w[0] == k->w[0] && s->key.w[1] == k->w[1]))
            return s;
    }
}

static bool valid(const struct tnd_prefix *p)
{
    return (p->addr.family == 4 && p->bits <= 32) || (p->addr.family == 6 && p->bits <= 128);
}

struct tnd_lpm *tnd_lpm_begin(uint32_t n)
{
    struct tnd_lpm *lpm = calloc(1, sizeof *lpm);
    size_t capacity = 16;

    if (!lpm)
        return NULL;
    while (capacity < 2 * (size_t)n)
        capacity *= 2;
    lpm->mask = capacity - 1;
    lpm->slots = aligned_alloc(64, capacity * sizeof *lpm->slots);
    if (lpm->slots)
        return lpm;
    free(lpm);
    return NULL;
}

bool tnd_lpm_clear(struct tnd_lpm *lpm, uint32_t slots)
{
    size_t left = lpm->mask + 1 - lpm->cleared, n = slots < left ? slots : left;

    memset(&lpm->slots[lpm->cleared], 0, n * sizeof *lpm->slots);
    lpm->cleared += n;
    return n == left;
}

uint32_t *tnd_lpm_place(struct tnd_lpm *lpm, const struct tnd_prefix *p)
{
    bool port = p->addr.port != 0;

    if (!valid(p))
        return NULL;
    struct kind kind = kind_of(p->addr.family, p->bits, port);
    struct words k = masked(words_of(&p->addr), &kind);
    struct slot *s = find(lpm, &k);
    if (s->key.meta == 0)
        *s = (struct slot){.key = k, .value = TND_LPM_NONE};
    lpm->used[p->addr.family == 6][p->bits][port] = true;
    return &s->value;
}

void tnd_lpm_finish(struct tnd_lpm *lpm)
{
    for (unsigned f = 0; f < 2; f++)
        for (unsigned bits = 129; bits-- > 0;)
            for (unsigned port = 2; port-- > 0;)
                if (lpm->used[f][bits][port])
                    lpm->kinds[f][lpm->n_kinds[f]++] = kind_of(f ? 6 : 4, bits, port);
}

struct tnd_lpm *tnd_lpm_new(const struct tnd_lpm_entry *entries, uint32_t n)
{
    struct tnd_lpm *lpm = tnd_lpm_begin(n);

    if (!lpm)
        return NULL;
    tnd_lpm_clear(lpm, UINT32_MAX);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *value = tnd_lpm_place(lpm, &entries[i].prefix);
        if (value)
            *value = entries[i].value;
    }
    tnd_lpm_finish(lpm);
    return lpm;
}

void tnd_lpm_free(struct tnd_lpm *lpm)
{
    if (!lpm)
        return;
    free(lpm->slots);
    free(lpm);
}

uint32_t tnd_lpm_lookup(const struct tnd_lpm *lpm, const struct tnd_addr *a)
{
    unsigned f = a->family == 6;
    struct words whole = words_of(a);

    if (!lpm || (a->family != 4 && a->family != 6))
        return TND_LPM_NONE;
    for (uint32_t i = 0; i < lpm->n_kinds[f]; i++) {
        struct words k = masked(whole, &lpm->kinds[f][i]);
        const struct slot *s;

        if (lpm->kinds[f][i].port_mask && a->port == 0)
            continue; // would find nothing; saves the probe
        s = find(lpm, &k);
        if (s->key.meta)
            return s->value;
    }
    return TND_LPM_NONE;
}
