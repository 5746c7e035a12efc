// From the mirror to the table: which of a prefix's routes, which of a route's hops.
#include <stdlib.h>

#include "control/route_mirror.h"

struct builder {
    const struct tnd_mirror *m;
    struct tnd_adjacency_route *routes;
    struct tnd_adjacency_neighbour *neighbours;
    struct tnd_adjacency_interface *interfaces;
    uint32_t n_routes, n_neighbours;
    bool static_default[2]; // by family: a vdev answers for everything else
};

static const struct tnd_addr any_address[2] = {{.family = 4}, {.family = 6}};

static struct tnd_prefix network_of(const struct tnd_prefix *own)
{
    struct tnd_prefix p = *own;

    p.addr.port = 0;
    p.addr.transport = TND_TRANSPORT_NONE;
    for (unsigned i = p.bits; i < (p.addr.family == 4 ? 32u : 128u); i++)
        p.addr.ip[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    return p;
}

static void add_route(struct builder *b, const struct tnd_adjacency_route *r)
{
    b->routes[b->n_routes++] = *r;
}

static void add_static_port(struct builder *b, uint16_t index)
{
    const struct tnd_mirror_port *port = &b->m->ports[index];
    struct tnd_addr source[2] = {{.family = 0}, {.family = 0}};

    for (uint32_t i = 0; i < port->n_addresses; i++) {
        const struct tnd_prefix *own = &port->addresses[i];
        struct tnd_adjacency_route r = {.prefix = network_of(own),
                                        .kind = TND_ROUTE_UNICAST,
                                        .interface = index,
                                        .source = own->addr};
        r.source.port = 0;
        r.source.transport = TND_TRANSPORT_NONE;
        if (!source[own->addr.family == 6].family)
            source[own->addr.family == 6] = r.source;
        add_route(b, &r);
        r.prefix = (struct tnd_prefix){r.source, own->addr.family == 4 ? 32 : 128};
        r.kind = TND_ROUTE_LOCAL;
        add_route(b, &r);
    }
    for (uint32_t i = 0; i < port->n_neighbours; i++) {
        struct tnd_adjacency_neighbour *n = &b->neighbours[b->n_neighbours++];
        n->ip = port->neighbours[i].ip;
        n->interface = index;
        memcpy(n->mac, port->neighbours[i].mac, sizeof n->mac);
        for (int f = 0; f < 2 && n->ip.family == 0; f++) {
            add_route(b, &(struct tnd_adjacency_route){.prefix = {any_address[f], 0},
                                                       .kind = TND_ROUTE_UNICAST,
                                                       .interface = index,
                                                       .source = source[f]});
            b->static_default[f] = true;
        }
    }
}

// How good a hop is to send by: 0 not at all, 1 leaves by another interface, then up.
static int hop_grade(const struct tnd_mirror *m, const struct tnd_nl_hop *hop)
{
    int port = tnd_mirror_port_of(m, hop->ifindex);

    if (hop->dead)
        return 0;
    if (port < 0)
        return 1;
    if (!m->ports[port].up)
        return 2;
    if (!hop->gateway.family)
        return 4;
    const struct tnd_mirror_neighbour *n = tnd_mirror_find(m, hop->ifindex, &hop->gateway);
    return n && n->failed ? 3 : n && n->usable ? 5 : 4;
}

// The address that the kernel would put in: RFC 6724 in spirit, an interface's first address
// of the family, best one of the gateway's subnet.
static struct tnd_addr source_for(const struct tnd_mirror *m, const struct tnd_nl_hop *hop,
                                  uint8_t family)
{
    struct tnd_addr best = {0};
    int best_grade = 0;

    for (uint32_t i = 0; i < m->addresses.n; i++) {
        const struct tnd_nl_address *a = &m->addresses.list[i];
        if (a->ifindex != hop->ifindex || a->ip.family != family)
            continue;
        struct tnd_prefix own = {a->ip, a->bits}, net = network_of(&own);
        int grade = 1 + (a->secondary ? 0 : 1) + (a->global ? 4 : 0);
        if (hop->gateway.family && a->global && tnd_prefix_covers(&net, &hop->gateway))
            grade += 2;
        if (grade > best_grade) {
            best_grade = grade;
            best = a->ip;
        }
    }
    return best;
}

// Returns: false when the kernel would pass this route over (all its hops are dead).
static bool unicast(const struct tnd_mirror *m, const struct tnd_mirror_routes *l,
                    const struct tnd_mirror_route *from, struct tnd_adjacency_route *to)
{
    const struct tnd_nl_hop *best = NULL;
    int best_grade = 0;

    for (uint32_t i = 0; i < from->n_hops; i++) {
        int grade = hop_grade(m, &l->hops[from->first_hop + i]);
        if (grade > best_grade) {
            best_grade = grade;
            best = &l->hops[from->first_hop + i];
        }
    }
    if (!best)
        return false;
    if (best_grade == 1) {
        to->kind = TND_ROUTE_FOREIGN;
        return true;
    }
    to->interface = (uint16_t)tnd_mirror_port_of(m, best->ifindex);
    to->gateway = best->gateway;
    to->source = from->source.family ? from->source : source_for(m, best, from->prefix.addr.family);
    to->mtu = from->mtu;
    return true;
}

static bool same_outcome(const struct tnd_adjacency_route *a, const struct tnd_adjacency_route *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind != TND_ROUTE_UNICAST ||
           (a->interface == b->interface && a->mtu == b->mtu &&
            tnd_addr_eq(&a->gateway, &b->gateway) && tnd_addr_eq(&a->source, &b->source));
}

// The accepted routes that cover the one at hand, the longest on top. Routes come sorted by
// address, then length, so one look at the stack finds the covering one.
struct covers {
    uint32_t at[130]; // indices into builder.routes; one per prefix length at most
    unsigned n;
};

// A route that says what its covering route says is left out: with a full table from one
// upstream nearly all are.
static bool redundant(const struct builder *b, struct covers *c,
                      const struct tnd_adjacency_route *r)
{
    while (c->n && !tnd_prefix_covers(&b->routes[c->at[c->n - 1]].prefix, &r->prefix.addr))
        c->n--;
    return c->n && same_outcome(&b->routes[c->at[c->n - 1]], r);
}

static void add_kernel_routes(struct builder *b, int family)
{
    const struct tnd_mirror_routes *l = &b->m->routes[family];
    const struct tnd_mirror_route *taken = NULL;
    struct covers covers = {.n = 0};

    for (uint32_t i = 0; i < l->n; i++) {
        const struct tnd_mirror_route *from = &l->routes[i];
        struct tnd_adjacency_route to = {.prefix = from->prefix,
                                         .kind = (enum tnd_route_kind)from->kind};
        // Sorted: the first usable one of a prefix is the kernel's choice.
        if (taken && taken->prefix.bits == from->prefix.bits &&
            tnd_addr_same_ip(&taken->prefix.addr, &from->prefix.addr))
            continue;
        if (to.kind == TND_ROUTE_UNICAST && !unicast(b->m, l, from, &to))
            continue;
        taken = from;
        if (from->prefix.bits == 0 && b->static_default[family] && to.kind != TND_ROUTE_UNICAST)
            continue;
        if (redundant(b, &covers, &to))
            continue;
        covers.at[covers.n++] = b->n_routes;
        add_route(b, &to);
    }
}

static void add_neighbour(void *ctx, struct tnd_addr_node *node)
{
    const struct tnd_mirror_neighbour *n = (void *)node;
    struct builder *b = ctx;
    int port = tnd_mirror_port_of(b->m, (int)node->number);

    if (!n->usable || port < 0)
        return;
    struct tnd_adjacency_neighbour *to = &b->neighbours[b->n_neighbours++];
    to->ip = node->ip;
    to->interface = (uint16_t)port;
    memcpy(to->mac, n->mac, sizeof to->mac);
}

static void add_ports(struct builder *b)
{
    for (uint32_t i = 0; i < b->m->n_ports; i++) {
        const struct tnd_mirror_port *port = &b->m->ports[i];
        b->interfaces[i].mtu = port->mtu;
        b->interfaces[i].up = port->up && (!port->device || port->ifindex);
        memcpy(b->interfaces[i].mac, port->mac, sizeof port->mac);
        if (!port->device)
            add_static_port(b, (uint16_t)i);
    }
}

struct tnd_adjacency_table *tnd_mirror_build(const struct tnd_mirror *m, uint32_t generation)
{
    struct tnd_adjacency_table *t = NULL;
    struct builder b = {.m = m};
    size_t routes = m->routes[0].n + m->routes[1].n, neighbours = m->neighbours.n;

    for (uint32_t i = 0; i < m->n_ports; i++) {
        routes += 2 * (m->ports[i].n_addresses + m->ports[i].n_neighbours);
        neighbours += m->ports[i].n_neighbours;
    }
    b.routes = calloc(routes + 1, sizeof *b.routes);
    b.neighbours = calloc(neighbours + 1, sizeof *b.neighbours);
    b.interfaces = calloc(m->n_ports + 1, sizeof *b.interfaces);
    if (b.routes && b.neighbours && b.interfaces) {
        add_ports(&b);
        add_kernel_routes(&b, 0);
        add_kernel_routes(&b, 1);
        tnd_addr_map_each((struct tnd_addr_map *)&m->neighbours, add_neighbour, &b);
        t = tnd_adjacency_build(&(struct tnd_adjacency_spec){.interfaces = b.interfaces,
                                                             .n_interfaces = m->n_ports,
                                                             .routes = b.routes,
                                                             .n_routes = b.n_routes,
                                                             .neighbours = b.neighbours,
                                                             .n_neighbours = b.n_neighbours,
                                                             .generation = generation});
    }
    free(b.routes);
    free(b.neighbours);
    free(b.interfaces);
    return t;
}
