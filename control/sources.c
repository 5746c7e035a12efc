#include "control/sources.h"

#include <stdlib.h>
#include <string.h>

#define NEVER UINT64_MAX

struct known {
    struct tnd_source_list *now; // NULL: none
    uint64_t linger_ms;
    bool wanted; // the trunk has a `resolved` source
};

struct tnd_sources {
    uint32_t n_trunks;
    struct known *known;
    uint64_t version;
    uint64_t next_ms; // when the first of those that linger is done, or earlier
};

struct tnd_sources *tnd_sources_new(const struct tnd_config *c)
{
    struct tnd_sources *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->n_trunks = c->n_trunks;
    s->next_ms = NEVER;
    s->known = calloc(c->n_trunks + 1u, sizeof *s->known);
    if (!s->known) {
        free(s);
        return NULL;
    }
    for (uint32_t i = 0; i < c->n_trunks; i++) {
        s->known[i].linger_ms = c->trunks[i].source_linger_ms;
        for (uint32_t k = 0; k < c->trunks[i].n_sources; k++)
            s->known[i].wanted |= c->trunks[i].sources[k].resolved;
    }
    return s;
}

static void drop(struct tnd_source_list *l)
{
    if (l && --l->refs == 0)
        free(l);
}

void tnd_sources_free(struct tnd_sources *s)
{
    for (uint32_t i = 0; s && i < s->n_trunks; i++)
        drop(s->known[i].now);
    if (s)
        free(s->known);
    free(s);
}

static struct tnd_source_list *list_new(size_t room)
{
    struct tnd_source_list *l = malloc(sizeof *l + room * sizeof *l->list);

    if (l)
        *l = (struct tnd_source_list){.refs = 1};
    return l;
}

static void replace(struct tnd_sources *s, uint32_t trunk, struct tnd_source_list *l)
{
    drop(s->known[trunk].now);
    s->known[trunk].now = l;
    s->version++;
    for (uint32_t i = 0; i < l->n; i++)
        if (l->list[i].until_ms < s->next_ms)
            s->next_ms = l->list[i].until_ms;
}

static int compare(const void *a, const void *b)
{
    const struct tnd_source *x = a, *y = b;

    return memcmp(&x->ip, &y->ip, sizeof x->ip);
}

static struct tnd_source current(const struct tnd_addr *a)
{
    struct tnd_source s = {*a, TND_SOURCE_CURRENT};

    s.ip.port = 0;
    s.ip.transport = 0;
    return s;
}

// The addresses of a spec, each once, sorted.
static struct tnd_source_list *list_of(const struct tnd_set_spec *spec)
{
    struct tnd_source_list *l;
    uint32_t n = 0;

    for (uint32_t i = 0; i < spec->n_records; i++)
        n += spec->records[i].n_addresses;
    if (!(l = list_new(n)))
        return NULL;
    n = 0;
    for (uint32_t i = 0; i < spec->n_records; i++)
        for (uint16_t j = 0; j < spec->records[i].n_addresses; j++)
            l->list[n++] = current(&spec->records[i].addresses[j].addr);
    qsort(l->list, n, sizeof *l->list, compare);
    for (uint32_t i = 0; i < n; i++)
        if (l->n == 0 || compare(&l->list[l->n - 1], &l->list[i]) != 0)
            l->list[l->n++] = l->list[i];
    return l;
}

// What leaves begins to linger. Returns: whether anything changed.
static bool merge(const struct tnd_source_list *old, const struct tnd_source_list *new,
                  uint64_t until_ms, struct tnd_source_list *out)
{
    uint32_t i = 0, j = 0;
    bool changed = false;

    while (i < old->n || j < new->n) {
        int d = i == old->n ? 1 : j == new->n ? -1 : compare(&old->list[i], &new->list[j]);
        struct tnd_source s = d >= 0 ? new->list[j] : old->list[i];
        changed |= d > 0 || (old->list[i].until_ms == TND_SOURCE_CURRENT) != (d == 0);
        if (d < 0 && s.until_ms == TND_SOURCE_CURRENT)
            s.until_ms = until_ms;
        out->list[out->n++] = s;
        i += d <= 0;
        j += d >= 0;
    }
    return changed;
}

bool tnd_sources_update(struct tnd_sources *s, uint32_t trunk, const struct tnd_set_spec *spec,
                        uint64_t now_ms)
{
    static const struct tnd_source_list none = {.n = 0};
    struct known *k = &s->known[trunk];
    const struct tnd_source_list *old = k->now ? k->now : &none;
    struct tnd_source_list *new, *out;
    bool changed;

    if (!k->wanted)
        return false;
    new = list_of(spec);
    out = new ? list_new(old->n + new->n) : NULL;
    // Without memory what was known stands.
    changed = out && merge(old, new, now_ms + k->linger_ms, out);
    if (changed)
        replace(s, trunk, out);
    else
        drop(out);
    drop(new);
    return changed;
}

void tnd_sources_fix(struct tnd_sources *s, uint32_t trunk, const struct tnd_addr *a)
{
    struct tnd_source_list *one = s->known[trunk].wanted ? list_new(1) : NULL;

    if (!one)
        return;
    one->list[one->n++] = current(a);
    replace(s, trunk, one);
}

// Returns: false when memory is short.
static bool expire(struct tnd_sources *s, uint32_t trunk, uint64_t now_ms)
{
    const struct tnd_source_list *old = s->known[trunk].now;
    struct tnd_source_list *out = list_new(old->n);

    if (!out)
        return false;
    for (uint32_t i = 0; i < old->n; i++)
        if (old->list[i].until_ms > now_ms)
            out->list[out->n++] = old->list[i];
    replace(s, trunk, out);
    return true;
}

bool tnd_sources_expire(struct tnd_sources *s, uint64_t now_ms)
{
    uint64_t before = s->version, next_ms = NEVER;

    if (s->next_ms > now_ms)
        return false;
    for (uint32_t t = 0; t < s->n_trunks; t++) {
        const struct tnd_source_list *l = s->known[t].now;
        bool over = false;
        for (uint32_t i = 0; l && i < l->n; i++)
            over |= l->list[i].until_ms <= now_ms;
        if (over && !expire(s, t, now_ms))
            next_ms = now_ms + 1000; // again then
        l = s->known[t].now;
        for (uint32_t i = 0; l && i < l->n; i++)
            if (l->list[i].until_ms > now_ms && l->list[i].until_ms < next_ms)
                next_ms = l->list[i].until_ms;
    }
    s->next_ms = next_ms;
    return s->version != before;
}

struct tnd_source_list **tnd_sources_hold(const struct tnd_sources *s)
{
    struct tnd_source_list **lists = calloc(s->n_trunks + 1u, sizeof *lists);

    for (uint32_t i = 0; lists && i < s->n_trunks; i++)
        if ((lists[i] = s->known[i].now) != NULL)
            lists[i]->refs++;
    return lists;
}

void tnd_sources_release(struct tnd_source_list **lists, uint32_t n_trunks)
{
    for (uint32_t i = 0; lists && i < n_trunks; i++)
        drop(lists[i]);
    free(lists);
}

uint64_t tnd_sources_version(const struct tnd_sources *s)
{
    return s->version;
}
