#include "control/sources.h"

#include <stdlib.h>

#define NEVER UINT64_MAX

struct known {
    struct tnd_addr *addresses; // what tnd_resolved_sources shows
    uint64_t *until_ms;         // NEVER: resolved to now
    uint32_t n, room;
    uint64_t linger_ms;
    bool wanted; // the trunk has a `resolved` source
};

struct tnd_sources {
    uint32_t n_trunks;
    struct known *known;
    struct tnd_resolved_sources *shown;
};

struct tnd_sources *tnd_sources_new(const struct tnd_config *c)
{
    struct tnd_sources *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->n_trunks = c->n_trunks;
    s->known = calloc(c->n_trunks + 1u, sizeof *s->known);
    s->shown = calloc(c->n_trunks + 1u, sizeof *s->shown);
    if (!s->known || !s->shown) {
        tnd_sources_free(s);
        return NULL;
    }
    for (uint32_t i = 0; i < c->n_trunks; i++) {
        s->known[i].linger_ms = c->trunks[i].source_linger_ms;
        for (uint32_t k = 0; k < c->trunks[i].n_sources; k++)
            s->known[i].wanted |= c->trunks[i].sources[k].resolved;
    }
    return s;
}

void tnd_sources_free(struct tnd_sources *s)
{
    for (uint32_t i = 0; s && s->known && i < s->n_trunks; i++) {
        free(s->known[i].addresses);
        free(s->known[i].until_ms);
    }
    if (s) {
        free(s->known);
        free(s->shown);
    }
    free(s);
}

static bool make_room(struct known *k)
{
    uint32_t room = k->room ? k->room * 2 : 8;
    struct tnd_addr *addresses = realloc(k->addresses, room * sizeof *addresses);
    uint64_t *until;

    if (addresses)
        k->addresses = addresses;
    until = addresses ? realloc(k->until_ms, room * sizeof *until) : NULL;
    if (!until)
        return false;
    k->until_ms = until;
    k->room = room;
    return true;
}

static void show(struct tnd_sources *s, uint32_t trunk)
{
    s->shown[trunk] = (struct tnd_resolved_sources){s->known[trunk].addresses, s->known[trunk].n};
}

// Returns: true when it was not known.
static bool see(struct known *k, const struct tnd_addr *a)
{
    struct tnd_addr ip = *a;

    ip.port = 0;
    ip.transport = 0;
    for (uint32_t i = 0; i < k->n; i++)
        if (tnd_addr_eq(&k->addresses[i], &ip)) {
            k->until_ms[i] = NEVER;
            return false;
        }
    if (k->n == k->room && !make_room(k))
        return false;
    k->addresses[k->n] = ip;
    k->until_ms[k->n++] = NEVER;
    return true;
}

bool tnd_sources_update(struct tnd_sources *s, uint32_t trunk, const struct tnd_set_spec *spec,
                        uint64_t now_ms)
{
    struct known *k = &s->known[trunk];
    bool changed = false;

    if (!k->wanted)
        return false;
    for (uint32_t i = 0; i < k->n; i++)
        if (k->until_ms[i] == NEVER)
            k->until_ms[i] = now_ms + k->linger_ms;
    for (uint32_t i = 0; i < spec->n_records; i++)
        for (uint16_t j = 0; j < spec->records[i].n_addresses; j++)
            changed |= see(k, &spec->records[i].addresses[j].addr);
    show(s, trunk);
    return changed;
}

void tnd_sources_fix(struct tnd_sources *s, uint32_t trunk, const struct tnd_addr *a)
{
    if (s->known[trunk].wanted)
        see(&s->known[trunk], a);
    show(s, trunk);
}

bool tnd_sources_expire(struct tnd_sources *s, uint64_t now_ms)
{
    bool changed = false;

    for (uint32_t t = 0; t < s->n_trunks; t++) {
        struct known *k = &s->known[t];
        for (uint32_t i = 0; i < k->n; i++) {
            if (k->until_ms[i] > now_ms)
                continue;
            k->addresses[i] = k->addresses[--k->n];
            k->until_ms[i] = k->until_ms[k->n];
            i--;
            changed = true;
        }
        show(s, t);
    }
    return changed;
}

const struct tnd_resolved_sources *tnd_sources_get(const struct tnd_sources *s)
{
    return s->shown;
}
