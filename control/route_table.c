// From the mirror to the table: which of a prefix's routes, which of a route's hops.
#include <stdlib.h>

#include "control/route_mirror.h"

// The accepted routes that cover the one at hand, the longest on top. Routes come sorted by
// address, then length, so one look at the stack finds the covering one.
struct covers {
    uint32_t at[130]; // indices into builder.routes; one per prefix length at most
    unsigned n;
};

// What is being looked at of a family's routes.
struct cursor {
    uint32_t at;
    const struct tnd_mirror_route *taken; // the route that was the kernel's choice last
    struct covers covers;
};

struct builder {
    const struct tnd_mirror *m;
    struct tnd_adjacency_route *routes;
    struct tnd_adjacency_neighbour *neighbours;
    struct tnd_adjacency_interface *interfaces;
    uint32_t n_routes, room_routes, n_neighbours, room_neighbours;
    bool short_of_memory;
    bool static_default[2]; // by family: a vdev answers for everything else
};

struct tnd_mirror_job {
    struct builder b;
    uint32_t generation;
    int family; // being looked at; 2: both are done
    struct cursor cursor;
    struct tnd_adjacency_table *table; // routes are being entered
    bool done;
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
    if (b->n_routes == b->room_routes) {
        uint32_t room = b->room_routes ? b->room_routes * 2 : 64;
        void *routes = realloc(b->routes, room * sizeof *b->routes);
        if (!routes) {
            b->short_of_memory = true;
            return;
        }
        b->routes = routes;
        b->room_routes = room;
    }
    b->routes[b->n_routes++] = *r;
}

static void add_neighbour(struct builder *b, const struct tnd_adjacency_neighbour *n)
{
    if (b->n_neighbours == b->room_neighbours) {
        uint32_t room = b->room_neighbours ? b->room_neighbours * 2 : 64;
        void *neighbours = realloc(b->neighbours, room * sizeof *b->neighbours);
        if (!neighbours) {
            b->short_of_memory = true;
            return;
        }
        b->neighbours = neighbours;
        b->room_neighbours = room;
    }
    b->neighbours[b->n_neighbours++] = *n;
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
        struct tnd_adjacency_neighbour n = {.ip = port->neighbours[i].ip, .interface = index};
        memcpy(n.mac, port->neighbours[i].mac, sizeof n.mac);
        add_neighbour(b, &n);
        for (int f = 0; f < 2 && n.ip.family == 0; f++) {
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

// A route that says what its covering route says is left out: with a full table from one
// upstream nearly all are.
static bool redundant(const struct builder *b, struct covers *c,
                      const struct tnd_adjacency_route *r)
{
    while (c->n && !tnd_prefix_covers(&b->routes[c->at[c->n - 1]].prefix, &r->prefix.addr))
        c->n--;
    return c->n && same_outcome(&b->routes[c->at[c->n - 1]], r);
}

static void add_kernel_route(struct builder *b, int family, struct cursor *c)
{
    const struct tnd_mirror_routes *l = &b->m->routes[family];
    const struct tnd_mirror_route *from = &l->routes[c->at++];
    struct tnd_adjacency_route to = {.prefix = from->prefix,
                                     .kind = (enum tnd_route_kind)from->kind};

    // Sorted: the first usable one of a prefix is the kernel's choice.
    if (c->taken && c->taken->prefix.bits == from->prefix.bits &&
        tnd_addr_same_ip(&c->taken->prefix.addr, &from->prefix.addr))
        return;
    if (to.kind == TND_ROUTE_UNICAST && !unicast(b->m, l, from, &to))
        return;
    c->taken = from;
    if (from->prefix.bits == 0 && b->static_default[family] && to.kind != TND_ROUTE_UNICAST)
        return;
    if (redundant(b, &c->covers, &to))
        return;
    c->covers.at[c->covers.n++] = b->n_routes;
    add_route(b, &to);
}

static void add_kernel_neighbour(void *ctx, struct tnd_addr_node *node)
{
    const struct tnd_mirror_neighbour *n = (void *)node;
    struct builder *b = ctx;
    int port = tnd_mirror_port_of(b->m, (int)node->number);
    struct tnd_adjacency_neighbour to = {.ip = node->ip, .interface = (uint16_t)port};

    if (!n->usable || port < 0)
        return;
    memcpy(to.mac, n->mac, sizeof to.mac);
    add_neighbour(b, &to);
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

struct tnd_mirror_job *tnd_mirror_job_new(const struct tnd_mirror *m, uint32_t generation)
{
    struct tnd_mirror_job *j = calloc(1, sizeof *j);

    if (!j)
        return NULL;
    j->b.m = m;
    j->generation = generation;
    j->b.interfaces = calloc(m->n_ports + 1, sizeof *j->b.interfaces);
    if (!j->b.interfaces) {
        free(j);
        return NULL;
    }
    add_ports(&j->b);
    return j;
}

static struct tnd_adjacency_spec spec_of(const struct tnd_mirror_job *j)
{
    return (struct tnd_adjacency_spec){.interfaces = j->b.interfaces,
                                       .n_interfaces = j->b.m->n_ports,
                                       .routes = j->b.routes,
                                       .n_routes = j->b.n_routes,
                                       .neighbours = j->b.neighbours,
                                       .n_neighbours = j->b.n_neighbours,
                                       .generation = j->generation};
}

// All routes are chosen: enter them.
static void begin_table(struct tnd_mirror_job *j)
{
    struct tnd_adjacency_spec spec = spec_of(j);

    j->table = j->b.short_of_memory ? NULL : tnd_adjacency_begin(&spec);
    if (j->table)
        j->b.routes = NULL; // the table's
    else
        j->done = true;
}

#define A_STEP       8  // routes to choose
#define ENTER_A_STEP 32 // routes to enter, or places for them to clear

static void work(struct tnd_mirror_job *j)
{
    const struct tnd_mirror_routes *l = &j->b.m->routes[j->family & 1];

    if (j->table) {
        j->done = tnd_adjacency_step(j->table, ENTER_A_STEP);
        return;
    }
    for (int i = 0; i < A_STEP && j->cursor.at < l->n; i++)
        add_kernel_route(&j->b, j->family, &j->cursor);
    if (j->cursor.at < l->n)
        return;
    j->cursor = (struct cursor){.at = 0};
    if (++j->family == 2)
        begin_table(j);
}

bool tnd_mirror_job_step(struct tnd_mirror_job *j, struct tnd_turn *turn)
{
    while (!j->done) {
        if (turn && !tnd_turn_more(turn))
            return false;
        work(j);
    }
    return true;
}

// Neighbours come last: they are what changes most, and the latest is best.
struct tnd_adjacency_table *tnd_mirror_job_take(struct tnd_mirror_job *j)
{
    struct tnd_adjacency_table *t = j->table;

    j->table = NULL;
    tnd_addr_map_each((struct tnd_addr_map *)&j->b.m->neighbours, add_kernel_neighbour, &j->b);
    struct tnd_adjacency_spec spec = spec_of(j);
    if (t && (j->b.short_of_memory || !tnd_adjacency_finish(t, &spec))) {
        tnd_adjacency_free(t);
        t = NULL;
    }
    tnd_mirror_job_free(j);
    return t;
}

void tnd_mirror_job_free(struct tnd_mirror_job *j)
{
    if (!j)
        return;
    tnd_adjacency_free(j->table);
    free(j->b.routes);
    free(j->b.neighbours);
    free(j->b.interfaces);
    free(j);
}

struct tnd_adjacency_table *tnd_mirror_build(const struct tnd_mirror *m, uint32_t generation)
{
    struct tnd_mirror_job *j = tnd_mirror_job_new(m, generation);

    if (!j)
        return NULL;
    tnd_mirror_job_step(j, NULL);
    return tnd_mirror_job_take(j);
}
