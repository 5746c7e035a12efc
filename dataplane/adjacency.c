#include "dataplane/adjacency.h"

#include <stdlib.h>

#include "util/lpm.h"

// Open addressing; `used` false ends a probe.
struct neighbour_slot {
    struct tnd_addr ip;
    uint16_t interface;
    uint8_t mac[6];
    bool used;
};

struct interface {
    struct tnd_adjacency_interface link;
    uint8_t default_mac[6];
    bool has_default;
};

struct tnd_adjacency_table {
    struct tnd_lpm *lpm; // values are indices into routes
    struct tnd_adjacency_route *routes;
    struct interface *interfaces;
    struct neighbour_slot *slots;
    uint32_t n_interfaces, slot_mask, generation;
    uint32_t n_routes, n_entered; // while it is built
    bool cleared;
};

// Neighbours are entered by the kernel or the configuration, never by a stranger's packet,
// so the hash needs no key.
static uint32_t neighbour_hash(const struct tnd_addr *ip, uint16_t interface)
{
    uint64_t lo, hi;

    memcpy(&lo, ip->ip, sizeof lo);
    memcpy(&hi, ip->ip + 8, sizeof hi);
    uint64_t h = lo ^ (hi * 0x9e3779b97f4a7c15ULL) ^ ((uint64_t)interface << 48) ^ ip->family;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    h ^= h >> 32;
    return (uint32_t)h;
}

// The slot of (interface, ip), or the empty one where it would go. Load is at most a half.
static struct neighbour_slot *find_slot(const struct tnd_adjacency_table *t,
                                        const struct tnd_addr *ip, uint16_t interface)
{
    for (uint32_t i = neighbour_hash(ip, interface);; i++) {
        struct neighbour_slot *s = &t->slots[i & t->slot_mask];
        if (!s->used || (s->interface == interface && tnd_addr_same_ip(&s->ip, ip)))
            return s;
    }
}

static bool add_interfaces(struct tnd_adjacency_table *t, const struct tnd_adjacency_spec *spec)
{
    t->n_interfaces = spec->n_interfaces;
    t->interfaces = calloc(spec->n_interfaces + 1, sizeof *t->interfaces);
    if (!t->interfaces)
        return false;
    for (uint32_t i = 0; i < spec->n_interfaces; i++)
        t->interfaces[i].link = spec->interfaces[i];
    return true;
}

static bool add_neighbours(struct tnd_adjacency_table *t, const struct tnd_adjacency_spec *spec)
{
    uint32_t slots = 8;

    while (slots < 2 * spec->n_neighbours)
        slots *= 2;
    t->slot_mask = slots - 1;
    t->slots = calloc(slots, sizeof *t->slots);
    if (!t->slots)
        return false;
    for (uint32_t i = 0; i < spec->n_neighbours; i++) {
        const struct tnd_adjacency_neighbour *n = &spec->neighbours[i];
        if (n->interface >= t->n_interfaces)
            continue;
        if (n->ip.family == 0) {
            memcpy(t->interfaces[n->interface].default_mac, n->mac, sizeof n->mac);
            t->interfaces[n->interface].has_default = true;
            continue;
        }
        struct neighbour_slot *s = find_slot(t, &n->ip, n->interface);
        *s = (struct neighbour_slot){.ip = n->ip, .interface = n->interface, .used = true};
        memcpy(s->mac, n->mac, sizeof s->mac);
    }
    return true;
}

struct tnd_adjacency_table *tnd_adjacency_begin(const struct tnd_adjacency_spec *spec)
{
    struct tnd_adjacency_table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->generation = spec->generation;
    t->lpm = tnd_lpm_begin(spec->n_routes);
    if (!t->lpm || !add_interfaces(t, spec)) {
        tnd_adjacency_free(t);
        return NULL;
    }
    t->routes = (struct tnd_adjacency_route *)(uintptr_t)spec->routes;
    t->n_routes = spec->n_routes;
    return t;
}

bool tnd_adjacency_step(struct tnd_adjacency_table *t, uint32_t routes)
{
    if (!t->cleared) {
        t->cleared = tnd_lpm_clear(t->lpm, routes);
        return false;
    }
    for (; routes > 0 && t->n_entered < t->n_routes; routes--, t->n_entered++) {
        uint32_t *index = tnd_lpm_place(t->lpm, &t->routes[t->n_entered].prefix);
        if (index)
            *index = t->n_entered;
    }
    return t->n_entered == t->n_routes;
}

bool tnd_adjacency_finish(struct tnd_adjacency_table *t, const struct tnd_adjacency_spec *spec)
{
    tnd_lpm_finish(t->lpm);
    return add_neighbours(t, spec);
}

struct tnd_adjacency_table *tnd_adjacency_build(const struct tnd_adjacency_spec *spec)
{
    struct tnd_adjacency_spec own = *spec;
    struct tnd_adjacency_route *routes = malloc((spec->n_routes + 1u) * sizeof *routes);
    struct tnd_adjacency_table *t;

    if (!routes)
        return NULL;
    if (spec->n_routes)
        memcpy(routes, spec->routes, spec->n_routes * sizeof *routes);
    own.routes = routes;
    t = tnd_adjacency_begin(&own);
    if (!t) {
        free(routes);
        return NULL;
    }
    while (!tnd_adjacency_step(t, UINT32_MAX))
        ;
    if (tnd_adjacency_finish(t, &own))
        return t;
    tnd_adjacency_free(t);
    return NULL;
}

void tnd_adjacency_free(struct tnd_adjacency_table *t)
{
    if (!t)
        return;
    tnd_lpm_free(t->lpm);
    free(t->routes);
    free(t->interfaces);
    free(t->slots);
    free(t);
}

static enum tnd_adjacency_result resolve_unicast(const struct tnd_adjacency_table *t,
                                                 const struct tnd_adjacency_route *r,
                                                 const struct tnd_addr *dst,
                                                 struct tnd_adjacency *out)
{
    if (r->interface >= t->n_interfaces || !t->interfaces[r->interface].link.up)
        return TND_ADJACENCY_NO_ROUTE;

    const struct interface *ifc = &t->interfaces[r->interface];
    const uint8_t *mac = NULL;
    uint32_t mtu = ifc->link.mtu ? ifc->link.mtu : UINT32_MAX;

    out->interface = r->interface;
    out->mtu = r->mtu && r->mtu < mtu ? r->mtu : mtu;
    out->source = r->source;
    out->next_hop = r->gateway.family ? r->gateway : *dst;
    memcpy(out->src_mac, ifc->link.mac, sizeof out->src_mac);

    const struct neighbour_slot *s = find_slot(t, &out->next_hop, r->interface);
    if (s->used)
        mac = s->mac;
    else if (ifc->has_default)
        mac = ifc->default_mac;
    if (!mac)
        return TND_ADJACENCY_NO_NEIGHBOUR;
    memcpy(out->dst_mac, mac, sizeof out->dst_mac);
    return TND_ADJACENCY_FOUND;
}

enum tnd_adjacency_result tnd_adjacency_find(const struct tnd_adjacency_table *t,
                                             const struct tnd_addr *dst, struct tnd_adjacency *out)
{
    struct tnd_addr ip = *dst;

    memset(out, 0, sizeof *out);
    ip.port = 0;
    ip.transport = TND_TRANSPORT_NONE;
    uint32_t i = t ? tnd_lpm_lookup(t->lpm, &ip) : TND_LPM_NONE;
    if (i == TND_LPM_NONE)
        return TND_ADJACENCY_NO_ROUTE;

    const struct tnd_adjacency_route *r = &t->routes[i];
    switch (r->kind) {
    case TND_ROUTE_UNICAST:
        return resolve_unicast(t, r, &ip, out);
    case TND_ROUTE_FOREIGN:
        return TND_ADJACENCY_FOREIGN;
    case TND_ROUTE_LOCAL:
        return TND_ADJACENCY_LOCAL;
    case TND_ROUTE_UNREACHABLE:
        break;
    }
    return TND_ADJACENCY_NO_ROUTE;
}

const uint8_t *tnd_adjacency_own_mac(const struct tnd_adjacency_table *t, uint16_t interface)
{
    static const uint8_t none[6];
    const uint8_t *mac =
        t && interface < t->n_interfaces ? t->interfaces[interface].link.mac : none;

    return memcmp(mac, none, sizeof none) != 0 ? mac : NULL;
}

enum tnd_adjacency_result tnd_adjacency_find_cached(struct tnd_adjacency_cache *cache,
                                                    const struct tnd_adjacency_table *t,
                                                    const struct tnd_addr *dst,
                                                    struct tnd_adjacency *out)
{
    struct tnd_adjacency_cached *e = &cache->entries[neighbour_hash(dst, 0) % TND_ADJACENCY_CACHE];

    if (t && t->generation && e->generation == t->generation && e->family == dst->family &&
        memcmp(e->ip, dst->ip, sizeof e->ip) == 0) {
        *out = e->way;
        return TND_ADJACENCY_FOUND;
    }
    enum tnd_adjacency_result r = tnd_adjacency_find(t, dst, out);
    if (r == TND_ADJACENCY_FOUND) {
        memcpy(e->ip, dst->ip, sizeof e->ip);
        e->family = dst->family;
        e->generation = t->generation;
        e->way = *out;
    }
    return r;
}

const char *tnd_adjacency_result_name(enum tnd_adjacency_result r)
{
    static const char *const names[TND_ADJACENCY_RESULTS] = {"found", "no-neighbour", "no-route",
                                                             "foreign", "local"};

    return (unsigned)r < TND_ADJACENCY_RESULTS ? names[r] : "unknown";
}
