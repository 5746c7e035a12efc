#include "control/policy_build.h"

#include <stdlib.h>

#include "util/arena.h"

// What all versions share.
struct tnd_policy_parts {
    struct tnd_arena *arena;
    uint32_t refs;
    struct tnd_policy policy; // its listeners and sources are empty
};

// A version.
struct built {
    struct tnd_policy policy; // first
    struct tnd_policy_parts *parts;
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

static bool build_listeners(const struct tnd_config *c, struct tnd_policy *p)
{
    p->listeners = calloc(c->n_listeners + 1u, sizeof *p->listeners);
    if (!p->listeners)
        return false;
    p->n_listeners = (uint16_t)c->n_listeners;
    for (uint32_t i = 0; i < c->n_listeners; i++) {
        struct tnd_listener *l = &p->listeners[i];
        l->addr = c->listeners[i].address;
        l->advertise = c->listeners[i].advertise;
        l->interface = static_interface(c, &l->addr);
        l->dscp = (uint8_t)c->listeners[i].dscp;
        tnd_listener_name(l);
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

static int build_trunks(const struct tnd_config *c, const struct tnd_keys *keys,
                        struct tnd_policy_parts *b, struct tnd_error *err)
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
    return 0;
}

// ---- Routes and names -----------------------------------------------------------------

static bool build_routes(const struct tnd_config *c, struct tnd_policy_parts *b)
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

static bool build_names(const struct tnd_config *c, struct tnd_policy_parts *b)
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

// ---- What all versions share --------------------------------------------------------------

struct tnd_policy_parts *tnd_policy_parts_new(const struct tnd_config *c,
                                              const struct tnd_keys *keys, struct tnd_error *err)
{
    struct tnd_policy_parts *b = calloc(1, sizeof *b);
    int rc = -TND_ENOMEM;

    if (b) {
        b->refs = 1;
        b->arena = tnd_arena_new();
    }
    if (b && b->arena && build_routes(c, b) && build_names(c, b))
        rc = build_trunks(c, keys, b, err);
    if (rc == 0)
        return b;
    if (rc == -TND_ENOMEM)
        tnd_fail(err, TND_ENOMEM, "policy: out of memory");
    tnd_policy_parts_drop(b);
    return NULL;
}

void tnd_policy_parts_drop(struct tnd_policy_parts *parts)
{
    if (!parts || --parts->refs > 0)
        return;
    tnd_arena_free(parts->arena);
    free(parts);
}

// ---- A version ----------------------------------------------------------------------------

// Whoever claims an address first keeps it, so the best claims are entered first.
enum claims { CONFIGURED, CURRENT, LINGERING, CLAIMS };

#define CLEAR_A_STEP 64 // slots

struct tnd_policy_job {
    const struct tnd_config *config;
    struct tnd_source_list **resolved;
    struct built *built;
    struct tnd_lpm *sources;
    bool cleared;
    unsigned claims; // enum claims
    uint32_t trunk, at;
    struct tnd_conflicts conflicts;
};

static uint32_t count_sources(const struct tnd_config *c, struct tnd_source_list *const *resolved)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_trunks; i++)
        n += c->trunks[i].n_sources + (resolved[i] ? resolved[i]->n : 0);
    return n;
}

static struct built *built_new(const struct tnd_config *c, struct tnd_policy_parts *parts,
                               uint64_t generation)
{
    struct built *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->policy = parts->policy;
    b->policy.generation = generation;
    b->parts = parts;
    parts->refs++;
    if (build_listeners(c, &b->policy))
        return b;
    tnd_policy_free(b);
    return NULL;
}

struct tnd_policy_job *tnd_policy_job_new(const struct tnd_config *c,
                                          struct tnd_policy_parts *parts,
                                          const struct tnd_sources *sources, uint64_t generation)
{
    struct tnd_policy_job *j = calloc(1, sizeof *j);

    if (!j)
        return NULL;
    j->config = c;
    j->resolved = tnd_sources_hold(sources);
    j->built = built_new(c, parts, generation);
    j->sources = j->resolved ? tnd_lpm_begin(count_sources(c, j->resolved)) : NULL;
    if (j->built && j->sources)
        return j;
    tnd_policy_job_free(j);
    return NULL;
}

static enum tnd_conflict_why why_kept(const struct tnd_policy_job *j, const struct tnd_addr *ip,
                                      uint32_t keeper)
{
    const struct tnd_config_trunk *t = &j->config->trunks[keeper];
    const struct tnd_source_list *r = j->resolved[keeper];

    for (uint32_t i = 0; i < t->n_sources; i++)
        if (!t->sources[i].resolved && tnd_addr_eq(&t->sources[i].prefix.addr, ip))
            return TND_CONFLICT_PREFIX;
    if (j->claims == CURRENT)
        return TND_CONFLICT_FIRST;
    for (uint32_t i = 0; r && i < r->n; i++)
        if (tnd_addr_eq(&r->list[i].ip, ip) && r->list[i].until_ms == TND_SOURCE_CURRENT)
            return TND_CONFLICT_CURRENT;
    return TND_CONFLICT_FIRST;
}

static void claim(struct tnd_policy_job *j, const struct tnd_prefix *p)
{
    uint32_t *keeper = tnd_lpm_place(j->sources, p);

    if (keeper && *keeper == TND_LPM_NONE)
        *keeper = j->trunk;
    else if (keeper && *keeper != j->trunk)
        tnd_conflicts_add(&j->conflicts,
                          &(struct tnd_conflict){p->addr, (uint16_t)*keeper, (uint16_t)j->trunk,
                                                 (uint8_t)why_kept(j, &p->addr, *keeper)});
}

// The next claim of the trunk. Returns: false when it has no more.
static bool claim_next(struct tnd_policy_job *j)
{
    const struct tnd_config_trunk *t = &j->config->trunks[j->trunk];
    const struct tnd_source_list *r = j->resolved[j->trunk];
    uint32_t i = j->at++;

    if (j->claims == CONFIGURED) {
        if (i < t->n_sources && !t->sources[i].resolved)
            claim(j, &t->sources[i].prefix);
        return i < t->n_sources;
    }
    if (!r || i >= r->n)
        return false;
    if ((r->list[i].until_ms == TND_SOURCE_CURRENT) == (j->claims == CURRENT))
        claim(j, &(struct tnd_prefix){r->list[i].ip, r->list[i].ip.family == 4 ? 32 : 128});
    return true;
}

bool tnd_policy_job_step(struct tnd_policy_job *j, struct tnd_turn *turn)
{
    while (j->claims < CLAIMS) {
        if (turn && !tnd_turn_more(turn))
            return false;
        if (!j->cleared) {
            j->cleared = tnd_lpm_clear(j->sources, CLEAR_A_STEP);
            continue;
        }
        if (j->trunk < j->config->n_trunks && claim_next(j))
            continue;
        j->at = 0;
        if (++j->trunk < j->config->n_trunks)
            continue;
        j->trunk = 0;
        j->claims++;
    }
    return true;
}

struct tnd_policy *tnd_policy_job_take(struct tnd_policy_job *j, struct tnd_conflicts *conflicts)
{
    struct built *b = j->built;

    tnd_lpm_finish(j->sources);
    b->policy.sources = j->sources;
    tnd_conflicts_sort(&j->conflicts);
    *conflicts = j->conflicts;
    tnd_sources_release(j->resolved, j->config->n_trunks);
    free(j);
    return &b->policy;
}

void tnd_policy_job_free(struct tnd_policy_job *j)
{
    if (!j)
        return;
    tnd_policy_free(j->built);
    tnd_lpm_free(j->sources);
    tnd_conflicts_free(&j->conflicts);
    tnd_sources_release(j->resolved, j->config->n_trunks);
    free(j);
}

void tnd_policy_free(void *policy)
{
    struct built *b = policy;

    if (!b)
        return;
    tnd_lpm_free(b->policy.sources);
    free(b->policy.listeners);
    tnd_policy_parts_drop(b->parts);
    free(b);
}
