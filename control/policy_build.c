#include "control/policy_build.h"

#include <stdlib.h>

#include "util/arena.h"

// The policy and what it is made of; freed as one.
struct built {
    struct tnd_policy policy; // first
    struct tnd_arena *arena;
};

static const char *copy_text(struct tnd_arena *a, struct tnd_str s)
{
    return s.len ? tnd_arena_printf(a, "%.*s", (int)s.len, s.p) : NULL;
}

// ---- Listeners ------------------------------------------------------------------------

// The interface of a listener: the one whose configured address it is; control corrects it
// for kernel devices, whose addresses the kernel knows.
static uint16_t static_interface(const struct tnd_config *c, const struct tnd_addr *a)
{
    for (uint32_t i = 0; i < c->n_interfaces; i++)
        for (uint32_t k = 0; k < c->interfaces[i].n_addresses; k++)
            if (tnd_addr_same_ip(&c->interfaces[i].addresses[k].addr, a))
                return (uint16_t)i;
    return 0;
}

static bool build_listeners(const struct tnd_config *c, struct built *b)
{
    struct tnd_policy *p = &b->policy;

    p->listeners = tnd_arena_alloc(b->arena, c->n_listeners * sizeof *p->listeners + 1);
    if (!p->listeners)
        return false;
    p->n_listeners = (uint16_t)c->n_listeners;
    for (uint32_t i = 0; i < c->n_listeners; i++) {
        struct tnd_listener *l = &p->listeners[i];
        l->addr = c->listeners[i].address;
        l->advertise = c->listeners[i].advertise;
        l->id = tnd_listener_id(&l->addr);
        l->interface = static_interface(c, &l->addr);
        l->dscp = (uint8_t)c->listeners[i].dscp;
        l->text_len = (uint8_t)tnd_addr_text(&l->advertise, l->text);
    }
    return true;
}

// ---- Trunks ---------------------------------------------------------------------------

// Rule 4's Request-URI: "host[:port][;transport=x]".
static void write_host(struct tnd_trunk *t, const struct tnd_config_uri *u)
{
    struct tnd_str host = {u->text.p + u->uri.host.off, u->uri.host.len};
    struct tnd_str transport = {u->text.p + u->uri.transport_text.off, u->uri.transport_text.len};
    int n = snprintf(t->host, sizeof t->host, "%.*s", (int)host.len, host.p);

    if (u->uri.port)
        n += snprintf(t->host + n, sizeof t->host - (size_t)n, ":%u", u->uri.port);
    if (transport.len)
        n += snprintf(t->host + n, sizeof t->host - (size_t)n, ";transport=%.*s",
                      (int)transport.len, transport.p);
    t->host_len = (uint16_t)n;
}

static int build_trunk(const struct tnd_config_trunk *in, const struct tnd_keys *keys,
                       struct tnd_trunk *t, struct tnd_error *err)
{
    snprintf(t->name, sizeof t->name, "%.*s", (int)in->name.len, in->name.p);
    t->id = tnd_trunk_id(t->name);
    t->scheme = in->uri.uri.scheme;
    t->nat = (uint8_t)in->nat;
    t->record_route = (uint8_t)in->record_route;
    t->weight_zero = (uint8_t)in->weight_zero;
    t->exhausted = in->exhausted;
    if (!tnd_next_hop_of_uri(in->uri.text.p, &in->uri.uri, in->name, &t->hop))
        return tnd_fail(err, TND_ECONFIG, "trunk '%s': uri %.*s: no host to send to; name one",
                        t->name, (int)in->uri.text.len, in->uri.text.p);
    t->digest = tnd_name_digest(&keys->digest, (struct tnd_str){t->hop.name, t->hop.name_len});
    write_host(t, &in->uri);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    const struct tnd_trunk *const *x = a, *const *y = b;

    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

// Ids are 32-bit content hashes and travel in branches: two trunks must not share one.
static int check_ids(const struct tnd_policy *p, struct tnd_error *err)
{
    const struct tnd_trunk **by_id = calloc(p->n_trunks + 1u, sizeof *by_id);
    int rc = 0;

    if (!by_id)
        return -TND_ENOMEM;
    for (uint16_t i = 0; i < p->n_trunks; i++)
        by_id[i] = &p->trunks[i];
    qsort(by_id, p->n_trunks, sizeof *by_id, compare_ids);
    for (uint16_t i = 1; i < p->n_trunks && rc == 0; i++)
        if (by_id[i]->id == by_id[i - 1]->id)
            rc = tnd_fail(err, TND_ECONFIG,
                          "trunks '%s' and '%s': their names have the same 32-bit id; rename one",
                          by_id[i - 1]->name, by_id[i]->name);
    free(by_id);
    return rc;
}

static int build_trunks(const struct tnd_config *c, const struct tnd_keys *keys, struct built *b,
                        struct tnd_error *err)
{
    struct tnd_policy *p = &b->policy;

    p->trunks = tnd_arena_alloc(b->arena, c->n_trunks * sizeof *p->trunks + 1);
    if (!p->trunks)
        return -TND_ENOMEM;
    p->n_trunks = (uint16_t)c->n_trunks;
    for (uint32_t i = 0; i < c->n_trunks; i++) {
        int rc = build_trunk(&c->trunks[i], keys, &p->trunks[i], err);
        if (rc < 0)
            return rc;
    }
    return check_ids(p, err);
}

// ---- Sources --------------------------------------------------------------------------

static uint32_t count_sources(const struct tnd_config *c,
                              const struct tnd_resolved_sources *resolved)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_trunks; i++)
        n += c->trunks[i].n_sources + resolved[i].n;
    return n;
}

// Configured prefixes come last: of two equal ones the later wins, and what an operator
// wrote outranks what a zone says.
static bool build_sources(const struct tnd_config *c, const struct tnd_resolved_sources *resolved,
                          struct built *b)
{
    struct tnd_lpm_entry *e = calloc(count_sources(c, resolved) + 1u, sizeof *e);
    uint32_t n = 0;

    if (!e)
        return false;
    for (uint32_t i = 0; i < c->n_trunks; i++)
        for (uint32_t k = 0; k < resolved[i].n; k++) {
            e[n].prefix.addr = resolved[i].addresses[k];
            e[n].prefix.addr.port = 0;
            e[n].prefix.addr.transport = 0;
            e[n].prefix.bits = resolved[i].addresses[k].family == 4 ? 32 : 128;
            e[n++].value = i;
        }
    for (uint32_t i = 0; i < c->n_trunks; i++)
        for (uint32_t k = 0; k < c->trunks[i].n_sources; k++)
            if (!c->trunks[i].sources[k].resolved)
                e[n++] = (struct tnd_lpm_entry){c->trunks[i].sources[k].prefix, i};
    b->policy.sources = tnd_lpm_new(e, n);
    free(e);
    return b->policy.sources != NULL;
}

// ---- Routes and names -----------------------------------------------------------------

static bool build_routes(const struct tnd_config *c, struct built *b)
{
    struct tnd_policy *p = &b->policy;

    p->rules = tnd_arena_alloc(b->arena, c->n_routes * sizeof *p->rules + 1);
    if (!p->rules)
        return false;
    p->n_rules = c->n_routes;
    for (uint32_t i = 0; i < c->n_routes; i++) {
        const struct tnd_config_route *in = &c->routes[i];
        p->rules[i] = (struct tnd_route_rule){
            .from = in->from,
            .to = (uint8_t)in->to,
            .method = (uint8_t)in->method.method,
            .method_text = copy_text(b->arena, in->method.text),
            .user = copy_text(b->arena, in->user),
            .domain = copy_text(b->arena, in->domain),
            .trunk = in->trunk,
            .reply = (uint16_t)in->reply,
            .line = in->pos.line,
        };
    }
    return true;
}

static bool build_names(const struct tnd_config *c, struct built *b)
{
    struct tnd_policy *p = &b->policy;

    p->names = tnd_arena_alloc(b->arena, c->n_names * sizeof *p->names + 1);
    if (!p->names)
        return false;
    for (uint32_t i = 0; i < c->n_names; i++)
        p->names[i] = copy_text(b->arena, c->names[i].text);
    p->n_names = c->n_names;
    return true;
}

// ---- All of it --------------------------------------------------------------------------

struct tnd_policy *tnd_policy_build(const struct tnd_config *c, const struct tnd_keys *keys,
                                    const struct tnd_resolved_sources *resolved,
                                    uint64_t generation, struct tnd_error *err)
{
    struct built *b = calloc(1, sizeof *b);
    int rc = -TND_ENOMEM;

    if (b && (b->arena = tnd_arena_new())) {
        b->policy.generation = generation;
        if (build_listeners(c, b) && build_routes(c, b) && build_names(c, b) &&
            build_sources(c, resolved, b))
            rc = build_trunks(c, keys, b, err);
    }
    if (rc == 0)
        return &b->policy;
    if (rc == -TND_ENOMEM)
        tnd_fail(err, TND_ENOMEM, "policy: out of memory");
    tnd_policy_free(b);
    return NULL;
}

void tnd_policy_free(void *policy)
{
    struct built *b = policy;

    if (!b)
        return;
    tnd_lpm_free(b->policy.sources);
    tnd_arena_free(b->arena);
    free(b);
}
