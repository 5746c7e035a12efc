#include "dns/locate_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400u

// ---- Notes --------------------------------------------------------------------------------

// Room for one more in a growing array of the arena. Returns: the array, NULL: memory is short.
static void *grow(struct tnd__walk *w, void *array, uint32_t n, uint32_t *max, size_t size)
{
    if (n < *max)
        return array;
    uint32_t more = *max ? *max * 2 : 16;
    void *to = tnd_arena_alloc(w->out->arena, more * size);
    if (!to) {
        w->no_memory = true;
        return NULL;
    }
    if (n > 0)
        memcpy(to, array, n * size);
    *max = more;
    return to;
}

static void add_warning(struct tnd__walk *w, const char *text)
{
    struct tnd_located *o = w->out;

    for (uint32_t i = 0; text && i < o->n_warnings; i++)
        if (strcmp(o->warnings[i], text) == 0)
            return;
    const char **list =
        grow(w, o->warnings, o->n_warnings, &w->warnings_max, sizeof o->warnings[0]);
    if (!text || !list) {
        w->no_memory = true;
        return;
    }
    o->warnings = list;
    o->warnings[o->n_warnings++] = text;
}

#define WARNINGS_MAX 64 // a zone can be wrong a thousand times over; nobody reads on

void tnd__warn(struct tnd__walk *w, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (w->out->n_warnings == WARNINGS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add_warning(w, tnd_arena_printf(w->out->arena, "%s", text));
}

static void note_asked(struct tnd__walk *w, struct tnd_dns_entry *e)
{
    struct tnd_located *o = w->out;

    if (e->epoch == w->epoch)
        return;
    struct tnd_dns_entry **list = grow(w, o->asked, o->n_asked, &w->asked_max, sizeof o->asked[0]);
    if (!list)
        return;
    e->epoch = w->epoch;
    o->asked = list;
    o->asked[o->n_asked++] = e;
    if (!e->answer || e->answer->outcome != TND_DNS_POSITIVE)
        return;
    if (e->answer->ttl_s >= DAY_S)
        tnd__warn(w, "%s %s has a TTL of %u s: an edit takes a day to be seen; 300 s is usual",
                  tnd_dns_type_name(e->type), e->name, e->answer->ttl_s);
    if (e->answer->left_out > 0)
        tnd__warn(w, "%s %s has too many or unreadable records: %u left out",
                  tnd_dns_type_name(e->type), e->name, e->answer->left_out);
}

void tnd__lookup(struct tnd__walk *w, const char *name, uint16_t type, struct tnd__set *out)
{
    unsigned aliases = 0;

    *out = (struct tnd__set){.ttl_s = UINT32_MAX};
    for (;;) {
        struct tnd_dns_entry *e = tnd_dns_cache_want(w->cache, name, type, w->now_ms);
        if (!e) {
            w->no_memory = true;
            return;
        }
        note_asked(w, e);
        out->outcome = tnd_dns_cache_says(e);
        if (!e->answer)
            return;
        if (e->ttl_s < out->ttl_s)
            out->ttl_s = e->ttl_s;
        aliases += e->answer->n_chain;
        out->alias = aliases > 0;
        if (aliases > TND_DNS_CHAIN_MAX) {
            out->outcome = TND_DNS_LOOP;
            return;
        }
        if (out->outcome != TND_DNS_ALIAS) {
            out->answer = out->outcome == TND_DNS_POSITIVE ? e->answer : NULL;
            return;
        }
        name = tnd_dns_text(e->answer, e->answer->chain[e->answer->n_chain - 1]);
    }
}

enum tnd__found tnd__without(struct tnd__walk *w, const struct tnd__set *s, const char *name,
                             uint16_t type)
{
    if (s->outcome == TND_DNS_NONE) {
        w->waiting = true;
        return TND__WAIT;
    }
    if (s->outcome == TND_DNS_NXDOMAIN || s->outcome == TND_DNS_NODATA)
        return TND__ABSENT;
    tnd__warn(w, "%s %s: %s", tnd_dns_type_name(type), name, tnd_dns_outcome_text(s->outcome));
    if (!w->failed_name) {
        w->failed_name = tnd_arena_printf(w->out->arena, "%s", name);
        w->failed_type = type;
        w->out->outcome = s->outcome;
    }
    return TND__FAILED;
}

// ---- Hosts --------------------------------------------------------------------------------

struct host {
    struct tnd_spec_address *addresses;
    uint32_t n, max;
    bool alias, failed, waiting;
    unsigned missing; // families that answered NXDOMAIN
};

static void add_address(struct tnd__walk *w, struct host *h, const struct tnd_spec_address *a)
{
    if (w->out->n_targets + h->n >= TND_SET_TARGETS_MAX) {
        tnd__warn(w, "more than %u addresses; the rest is left out", TND_SET_TARGETS_MAX);
        return;
    }
    struct tnd_spec_address *list = grow(w, h->addresses, h->n, &h->max, sizeof *list);
    if (!list)
        return;
    h->addresses = list;
    h->addresses[h->n++] = *a;
}

static void add_family(struct tnd__walk *w, struct host *h, const char *host,
                       struct tnd_spec_address *a)
{
    uint16_t type = a->addr.family == 4 ? TND_DNS_A : TND_DNS_AAAA;
    struct tnd__set s;

    tnd__lookup(w, host, type, &s);
    h->alias |= s.alias;
    h->missing += s.outcome == TND_DNS_NXDOMAIN;
    if (!s.answer) {
        enum tnd__found f = tnd__without(w, &s, host, type);
        h->failed |= f == TND__FAILED;
        h->waiting |= f == TND__WAIT;
        return;
    }
    a->ttl_s = s.ttl_s;
    for (uint16_t i = 0; i < s.answer->n; i++) {
        memcpy(a->addr.ip, s.answer->rr[i].ip, sizeof a->addr.ip);
        add_address(w, h, a);
    }
}

// RFC 7984: both families are asked, in parallel, and all that comes is used.
static void find_host(struct tnd__walk *w, struct host *h, const char *host,
                      const struct tnd_spec_record *like)
{
    static const uint8_t both[] = {4, 6};
    bool ranked = w->policy->n_families > 0;
    uint8_t n = ranked ? w->policy->n_families : 2;

    for (uint8_t i = 0; i < n; i++) {
        struct tnd_spec_address a = {.family_rank = ranked ? i : 0};
        a.addr.port = like->port;
        a.addr.transport = like->transport;
        a.addr.family = ranked ? w->policy->families[i] : both[i];
        add_family(w, h, host, &a);
    }
    if (strcmp(host, w->hop->host) == 0)
        w->name_missing = h->missing == n;
    if (h->n == 0 && !h->failed && !h->waiting)
        tnd__warn(w, "%s has no address", host);
}

static bool add_record(struct tnd__walk *w, const char *host, const struct tnd_spec_record *like,
                       const struct host *h)
{
    struct tnd_set_spec *spec = &w->out->spec;

    if (spec->n_records == TND_SET_RECORDS_MAX) {
        tnd__warn(w, "more than %u records; the rest is left out", TND_SET_RECORDS_MAX);
        return false;
    }
    struct tnd_spec_record *list =
        grow(w, w->records, spec->n_records, &w->records_max, sizeof w->records[0]);
    const char *name = tnd_arena_printf(w->out->arena, "%s", host);
    if (!list || !name) {
        w->no_memory = true;
        return false;
    }
    w->records = list;
    spec->records = list;
    struct tnd_spec_record *r = &list[spec->n_records++];
    *r = *like;
    r->host = tnd_str_of(name);
    r->tier = w->tier;
    r->addresses = h->addresses;
    r->n_addresses = (uint16_t)h->n;
    w->out->n_targets += h->n;
    return true;
}

uint32_t tnd__add_host(struct tnd__walk *w, const char *host, const struct tnd_spec_record *like)
{
    struct host h = {0};
    struct tnd_spec_address literal = {.ttl_s = like->ttl_s};

    if (tnd_addr_parse_ip(tnd_str_of(host), &literal.addr)) {
        tnd__warn(w, "SRV target %s is an address; it has to be a name (RFC 2782)", host);
        literal.addr.port = like->port;
        literal.addr.transport = like->transport;
        add_address(w, &h, &literal);
    } else {
        find_host(w, &h, host, like);
        if (h.alias && like->ttl_s != UINT32_MAX)
            tnd__warn(w, "SRV target %s is an alias (CNAME); followed, but RFC 2782 forbids it",
                      host);
    }
    return h.n > 0 && add_record(w, host, like, &h) ? h.n : 0;
}

enum tnd__found tnd__host_group(struct tnd__walk *w, const char *host, enum tnd_transport transport,
                                uint16_t port)
{
    // No SRV record speaks for this host: its TTL is the addresses' alone.
    struct tnd_spec_record like = {
        .weight = 1, .port = port, .transport = (uint8_t)transport, .ttl_s = UINT32_MAX};

    if (tnd__add_host(w, host, &like) > 0) {
        struct tnd_spec_record *r = &w->records[w->out->spec.n_records - 1];
        for (uint16_t i = 0; i < r->n_addresses; i++)
            if (r->addresses[i].ttl_s < r->ttl_s)
                r->ttl_s = r->addresses[i].ttl_s;
        w->tier++;
    }
    return TND__FOUND;
}

// ---- SRV ----------------------------------------------------------------------------------

// What people should know of a tier that has just been filled.
static void judge_tier(struct tnd__walk *w, uint32_t first)
{
    uint32_t n = w->out->spec.n_records - first, zero = 0;

    for (uint32_t i = first; i < first + n; i++) {
        const struct tnd_spec_record *r = &w->records[i];
        zero += r->weight == 0;
        if (r->n_addresses > 1 && n > 1 && r->weight > 0)
            tnd__warn(w, "weight %u of %s is shared by %u addresses; each gets 1/%u of it",
                      r->weight, r->host.p, r->n_addresses, r->n_addresses);
    }
    if (n > 1 && zero == n)
        tnd__warn(w, "all weights of priority %u are 0: equal shares, nothing is drained",
                  w->records[first].priority);
}

static void add_srv(struct tnd__walk *w, const char *name, const struct tnd_dns_answer *a,
                    uint16_t i, const struct tnd_spec_record *base)
{
    const char *target = tnd_dns_text(a, a->rr[i].srv.target);
    struct tnd_spec_record like = *base;

    like.priority = a->rr[i].srv.priority;
    like.weight = a->rr[i].srv.weight;
    like.port = a->rr[i].srv.port;
    if (strcmp(target, ".") == 0)
        tnd__warn(w, "SRV %s: target \".\" beside others means nothing; skipped", name);
    else if (like.port == 0)
        tnd__warn(w, "SRV %s: %s has port 0; skipped", name, target);
    else
        tnd__add_host(w, target, &like);
}

enum tnd__found tnd__srv_group(struct tnd__walk *w, const char *name, enum tnd_transport transport)
{
    struct tnd__set s;

    tnd__lookup(w, name, TND_DNS_SRV, &s);
    if (!s.answer)
        return tnd__without(w, &s, name, TND_DNS_SRV);
    const struct tnd_dns_answer *a = s.answer;
    if (a->n == 1 && strcmp(tnd_dns_text(a, a->rr[0].srv.target), ".") == 0)
        return TND__DENIED;
    struct tnd_spec_record base = {.transport = (uint8_t)transport, .ttl_s = s.ttl_s};
    for (uint16_t i = 0; i < a->n;) {
        uint32_t first = w->out->spec.n_records;
        uint16_t priority = a->rr[i].srv.priority;
        for (; i < a->n && a->rr[i].srv.priority == priority; i++)
            add_srv(w, name, a, i, &base);
        judge_tier(w, first);
        w->tier = (uint16_t)(w->tier + (w->out->spec.n_records > first));
    }
    return TND__FOUND;
}
