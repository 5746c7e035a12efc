#include "control/route_mirror.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

static void *copy_of(const void *p, size_t n, size_t size)
{
    void *copy = calloc(n ? n : 1, size);

    if (copy && n)
        memcpy(copy, p, n * size);
    return copy;
}

static bool init_port(struct tnd_mirror_port *port, const struct tnd_adjacency_port *from)
{
    port->n_addresses = from->n_addresses;
    port->n_neighbours = from->n_neighbours;
    port->addresses = copy_of(from->addresses, from->n_addresses, sizeof *from->addresses);
    port->neighbours = copy_of(from->neighbours, from->n_neighbours, sizeof *from->neighbours);
    if (from->device) {
        port->device = strdup(from->device);
        return port->device && port->addresses && port->neighbours;
    }
    memcpy(port->mac, from->mac, sizeof port->mac);
    port->mtu = from->mtu ? from->mtu : 1500;
    port->up = true;
    return port->addresses && port->neighbours;
}

int tnd_mirror_init(struct tnd_mirror *m, const struct tnd_adjacency_config *config,
                    struct tnd_error *err)
{
    memset(m, 0, sizeof *m);
    m->ports = calloc(config->n_ports ? config->n_ports : 1, sizeof *m->ports);
    if (!m->ports)
        return tnd_fail(err, TND_ENOMEM, "interfaces: out of memory");
    for (; m->n_ports < config->n_ports; m->n_ports++) {
        if (!init_port(&m->ports[m->n_ports], &config->ports[m->n_ports])) {
            m->n_ports++;
            tnd_mirror_clear(m);
            return tnd_fail(err, TND_ENOMEM, "interfaces: out of memory");
        }
    }
    return 0;
}

static void clear_routes(struct tnd_mirror_routes *r)
{
    free(r->routes);
    free(r->hops);
    free(r->merge.to);
    memset(r, 0, sizeof *r);
}

static void drop_neighbour(void *ctx, struct tnd_addr_node *node)
{
    struct tnd_mirror *m = ctx;

    tnd_addr_map_remove(&m->neighbours, node);
    free(node); // the node is the first member
}

void tnd_mirror_clear(struct tnd_mirror *m)
{
    tnd_addr_map_each(&m->neighbours, drop_neighbour, m);
    tnd_addr_map_clear(&m->neighbours);
    for (int f = 0; f < 2; f++) {
        clear_routes(&m->routes[f]);
        clear_routes(&m->next_routes[f]);
    }
    free(m->addresses.list);
    free(m->next_addresses.list);
    for (uint32_t i = 0; i < m->n_ports; i++) {
        free(m->ports[i].device);
        free(m->ports[i].addresses);
        free(m->ports[i].neighbours);
    }
    free(m->ports);
    memset(m, 0, sizeof *m);
}

int tnd_mirror_port_of(const struct tnd_mirror *m, int ifindex)
{
    for (uint32_t i = 0; i < m->n_ports; i++)
        if (m->ports[i].device && m->ports[i].ifindex == ifindex)
            return (int)i;
    return -1;
}

struct tnd_mirror_neighbour *tnd_mirror_find(const struct tnd_mirror *m, int ifindex,
                                             const struct tnd_addr *ip)
{
    return (void *)tnd_addr_map_find(&m->neighbours, (uint32_t)ifindex, ip);
}

int tnd_mirror_interface_of(const struct tnd_mirror *m, const struct tnd_addr *own)
{
    for (uint32_t i = 0; i < m->addresses.n; i++)
        if (tnd_addr_same_ip(&m->addresses.list[i].ip, own))
            return tnd_mirror_port_of(m, m->addresses.list[i].ifindex);
    for (uint32_t i = 0; i < m->n_ports; i++)
        for (uint32_t j = 0; !m->ports[i].device && j < m->ports[i].n_addresses; j++)
            if (tnd_addr_same_ip(&m->ports[i].addresses[j].addr, own))
                return (int)i;
    return -1;
}

static unsigned lose_port(struct tnd_mirror_port *port)
{
    bool had = port->ifindex != 0;

    port->ifindex = 0;
    port->up = false;
    return had ? TND_MIRROR_TABLE | TND_MIRROR_PORT : TND_MIRROR_SAME;
}

unsigned tnd_mirror_link(struct tnd_mirror *m, enum tnd_nl_how how, const struct tnd_nl_link *l)
{
    unsigned change = TND_MIRROR_SAME;

    for (uint32_t i = 0; i < m->n_ports; i++) {
        struct tnd_mirror_port *port = &m->ports[i];
        bool same_name = port->device && strcmp(port->device, l->name) == 0;
        if (!port->device)
            continue;
        if (!same_name || how == TND_NL_GONE) { // gone, renamed, or moved to another namespace
            if (port->ifindex == l->ifindex)
                change |= lose_port(port);
            continue;
        }
        if (port->ifindex != l->ifindex)
            change |= TND_MIRROR_PORT | TND_MIRROR_TABLE;
        if (port->up != l->up || port->mtu != l->mtu || memcmp(port->mac, l->mac, 6) != 0)
            change |= TND_MIRROR_TABLE;
        port->seen = true;
        port->ifindex = l->ifindex;
        port->up = l->up;
        port->mtu = l->mtu;
        memcpy(port->mac, l->mac, sizeof port->mac);
    }
    return change;
}

static unsigned forget_neighbour(struct tnd_mirror *m, struct tnd_mirror_neighbour *old)
{
    unsigned change = TND_MIRROR_NEIGHBOUR | (old->usable ? TND_MIRROR_TABLE : 0u);

    drop_neighbour(m, &old->node);
    return change;
}

static struct tnd_mirror_neighbour *add_neighbour(struct tnd_mirror *m, int ifindex,
                                                  const struct tnd_addr *ip)
{
    struct tnd_mirror_neighbour *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    n->node.ip = *ip;
    n->node.number = (uint32_t)ifindex;
    if (tnd_addr_map_add(&m->neighbours, &n->node))
        return n;
    free(n);
    return NULL;
}

unsigned tnd_mirror_neighbour(struct tnd_mirror *m, enum tnd_nl_how how,
                              const struct tnd_nl_neighbour *n)
{
    struct tnd_mirror_neighbour *old = tnd_mirror_find(m, n->ifindex, &n->ip);
    bool usable = (n->state & NUD_USABLE) && n->has_mac;
    unsigned change = TND_MIRROR_SAME;

    if (how == TND_NL_GONE)
        return old ? forget_neighbour(m, old) : TND_MIRROR_SAME;
    if (tnd_mirror_port_of(m, n->ifindex) < 0)
        return TND_MIRROR_SAME;
    // An event that came while the dump ran is never older than the dump's view of the entry.
    if (how == TND_NL_DUMPED && old && old->told) {
        old->seen = m->neighbour_dump;
        return TND_MIRROR_SAME;
    }
    if (!old) {
        old = add_neighbour(m, n->ifindex, &n->ip);
        if (!old)
            return TND_MIRROR_SAME;
        change = TND_MIRROR_NEIGHBOUR;
    }
    if (usable != old->usable || (usable && memcmp(old->mac, n->mac, 6) != 0))
        change |= TND_MIRROR_TABLE | TND_MIRROR_NEIGHBOUR;
    // A failed entry that is being tried again is still failed.
    bool failed = !usable && ((n->state & NUD_FAILED) || old->failed);
    if (failed != old->failed || n->managed != old->managed)
        change |= TND_MIRROR_NEIGHBOUR;
    old->usable = usable;
    old->failed = failed;
    old->managed = n->managed;
    old->permanent = n->state & NUD_PERMANENT;
    old->told = how == TND_NL_NEW;
    old->seen = m->neighbour_dump;
    if (usable)
        memcpy(old->mac, n->mac, sizeof old->mac);
    return change;
}

void tnd_mirror_address(struct tnd_mirror *m, const struct tnd_nl_address *a)
{
    struct tnd_mirror_addresses *l = &m->next_addresses;

    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 16;
        void *list = realloc(l->list, cap * sizeof *l->list);
        if (!list) {
            l->short_of_memory = true;
            return;
        }
        l->list = list;
        l->cap = cap;
    }
    struct tnd_nl_address *to = &l->list[l->n++];
    memset(to, 0, sizeof *to); // padding too: lists are compared as bytes
    to->ifindex = a->ifindex;
    to->ip = a->ip;
    to->bits = a->bits;
    to->secondary = a->secondary;
    to->global = a->global;
}

static int rank_of(uint32_t table)
{
    return table == RT_TABLE_LOCAL     ? 0
           : table == RT_TABLE_MAIN    ? 1
           : table == RT_TABLE_DEFAULT ? 2
                                       : -1;
}

static int kind_of(uint8_t type)
{
    switch (type) {
    case RTN_UNICAST:
        return TND_ROUTE_UNICAST;
    case RTN_LOCAL:
    case RTN_ANYCAST:
        return TND_ROUTE_LOCAL;
    case RTN_BROADCAST:
    case RTN_MULTICAST:
    case RTN_BLACKHOLE:
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
        return TND_ROUTE_UNREACHABLE;
    default:
        return -1;
    }
}

// Room for one more route with all its hops.
static bool reserve(struct tnd_mirror_routes *l)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap ? l->cap * 2 : 64;
        void *p = realloc(l->routes, cap * sizeof *l->routes);
        if (!p)
            return false;
        l->routes = p;
        l->cap = cap;
    }
    if (l->n_hops + TND_NL_HOPS > l->cap_hops) {
        uint32_t cap = l->cap_hops ? l->cap_hops * 2 : 64;
        void *p = realloc(l->hops, cap * sizeof *l->hops);
        if (!p)
            return false;
        l->hops = p;
        l->cap_hops = cap;
    }
    return true;
}

void tnd_mirror_route(struct tnd_mirror *m, const struct tnd_nl_route *r)
{
    struct tnd_mirror_routes *l = &m->next_routes[r->prefix.addr.family == 6];
    int rank = rank_of(r->table), kind = kind_of(r->type);

    if (rank < 0 || kind < 0)
        return;
    if (!reserve(l)) {
        l->short_of_memory = true;
        return;
    }
    struct tnd_mirror_route *to = &l->routes[l->n++];
    memset(to, 0, sizeof *to); // padding too: lists are compared as bytes
    to->prefix.addr = r->prefix.addr;
    to->prefix.bits = r->prefix.bits;
    to->source = r->source;
    to->metric = r->metric;
    to->mtu = r->mtu;
    to->rank = (uint8_t)rank;
    to->kind = (uint8_t)kind;
    to->first_hop = l->n_hops;
    to->n_hops = r->n_hops;
    l->multipath |= r->n_hops > 1;
    memset(&l->hops[l->n_hops], 0, r->n_hops * sizeof *l->hops);
    for (unsigned i = 0; i < r->n_hops; i++) {
        struct tnd_nl_hop *hop = &l->hops[l->n_hops++];
        hop->ifindex = r->hops[i].ifindex;
        hop->dead = r->hops[i].dead;
        hop->gateway = r->hops[i].gateway;
    }
}

static int by_preference(const void *pa, const void *pb)
{
    const struct tnd_mirror_route *a = pa, *b = pb;
    int d = memcmp(a->prefix.addr.ip, b->prefix.addr.ip, sizeof a->prefix.addr.ip);

    if (d == 0)
        d = a->prefix.bits - b->prefix.bits;
    if (d == 0)
        d = a->rank - b->rank;
    if (d == 0)
        d = (a->metric > b->metric) - (a->metric < b->metric);
    return d ? d : (a->first_hop > b->first_hop) - (a->first_hop < b->first_hop);
}

// A natural merge sort that can be left at any time: the kernel lists each of its tables in
// order, so there are about as many runs as tables, and a pass merges two into one.

#define A_STEP 8 // routes

// Go on to the end of the run at `from`. Returns: whether it is reached.
static bool find_end(const struct tnd_mirror_routes *l, uint32_t from, uint32_t *at)
{
    for (int i = 0; i < A_STEP; i++, ++*at)
        if (*at == l->n || (*at > from && by_preference(&l->routes[*at - 1], &l->routes[*at]) > 0))
            return true;
    return false;
}

static void end_pass(struct tnd_mirror_routes *l)
{
    struct tnd_mirror_route *from = l->routes;

    l->routes = l->merge.to;
    l->merge = (struct tnd_mirror_merge){.to = from};
}

static void merge_runs(struct tnd_mirror_routes *l)
{
    struct tnd_mirror_merge *g = &l->merge;
    int n = 0;

    for (; n < A_STEP && g->out < g->right; n++) {
        bool first = g->j == g->right ||
                     (g->i < g->middle && by_preference(&l->routes[g->i], &l->routes[g->j]) <= 0);
        g->to[g->out++] = l->routes[first ? g->i++ : g->j++];
    }
    if (g->out < g->right)
        return;
    g->left = g->middle = g->right;
    g->phase = MERGE_MIDDLE;
    if (g->left == l->n)
        end_pass(l);
}

static void end_sort(struct tnd_mirror_routes *l)
{
    free(l->merge.to);
    l->merge = (struct tnd_mirror_merge){.sorted = true};
}

static void sort_some(struct tnd_mirror_routes *l)
{
    struct tnd_mirror_merge *g = &l->merge;

    switch (g->phase) {
    case MERGE_MIDDLE:
        if (!find_end(l, g->left, &g->middle))
            return;
        if (g->left == 0 && g->middle == l->n) { // one run: all of it
            end_sort(l);
            return;
        }
        if (!g->to && !(g->to = malloc(l->cap * sizeof *g->to))) {
            l->short_of_memory = true;
            end_sort(l);
            return;
        }
        g->right = g->middle;
        g->phase = MERGE_RIGHT;
        return;
    case MERGE_RIGHT:
        if (!find_end(l, g->middle, &g->right))
            return;
        g->i = g->out = g->left;
        g->j = g->middle;
        g->phase = MERGE_RUNS;
        return;
    case MERGE_RUNS:
        merge_runs(l);
        return;
    }
}

bool tnd_mirror_sort(struct tnd_mirror *m, enum tnd_nl_kind kind, struct tnd_turn *turn)
{
    struct tnd_mirror_routes *l = &m->next_routes[kind == TND_NL_ROUTE6];

    while (!l->merge.sorted) {
        if (turn && !tnd_turn_more(turn))
            return false;
        sort_some(l);
    }
    return true;
}

void tnd_mirror_dump_begin(struct tnd_mirror *m, enum tnd_nl_kind kind)
{
    struct tnd_mirror_routes *l = &m->next_routes[kind == TND_NL_ROUTE6];

    switch (kind) {
    case TND_NL_ADDRESS:
        m->next_addresses.n = 0;
        m->next_addresses.short_of_memory = false;
        break;
    case TND_NL_ROUTE4:
    case TND_NL_ROUTE6:
        end_sort(l);
        l->merge.sorted = false;
        l->n = l->n_hops = 0;
        l->short_of_memory = l->multipath = false;
        break;
    case TND_NL_NEIGHBOUR:
        m->neighbour_dump++;
        for (uint32_t i = 0; i < m->neighbours.n_buckets; i++)
            for (struct tnd_addr_node *n = m->neighbours.buckets[i]; n; n = n->next)
                ((struct tnd_mirror_neighbour *)(void *)n)->told = false;
        break;
    case TND_NL_LINK:
        for (uint32_t i = 0; i < m->n_ports; i++)
            m->ports[i].seen = false;
        break;
    }
}

static bool same_routes(const struct tnd_mirror_routes *a, const struct tnd_mirror_routes *b)
{
    return a->n == b->n && a->n_hops == b->n_hops &&
           (a->n == 0 || memcmp(a->routes, b->routes, a->n * sizeof *a->routes) == 0) &&
           (a->n_hops == 0 || memcmp(a->hops, b->hops, a->n_hops * sizeof *a->hops) == 0);
}

static unsigned commit_routes(struct tnd_mirror *m, int family)
{
    struct tnd_mirror_routes *now = &m->routes[family], *next = &m->next_routes[family], old = *now;

    tnd_mirror_sort(m, family ? TND_NL_ROUTE6 : TND_NL_ROUTE4, NULL);
    if (next->short_of_memory)
        return TND_MIRROR_SAME;
    unsigned change = same_routes(now, next) ? TND_MIRROR_SAME : TND_MIRROR_TABLE;
    *now = *next;
    *next = old;
    return change;
}

static unsigned commit_addresses(struct tnd_mirror *m)
{
    struct tnd_mirror_addresses old = m->addresses, *next = &m->next_addresses;

    if (next->short_of_memory)
        return TND_MIRROR_SAME;
    bool same = old.n == next->n &&
                (old.n == 0 || memcmp(old.list, next->list, old.n * sizeof *old.list) == 0);
    m->addresses = *next;
    *next = old;
    return same ? TND_MIRROR_SAME : TND_MIRROR_TABLE;
}

struct sweep {
    struct tnd_mirror *m;
    unsigned change;
};

static void drop_unseen(void *ctx, struct tnd_addr_node *node)
{
    struct tnd_mirror_neighbour *n = (void *)node;
    struct sweep *s = ctx;

    if (n->seen != s->m->neighbour_dump || tnd_mirror_port_of(s->m, (int)node->number) < 0)
        s->change |= forget_neighbour(s->m, n);
}

unsigned tnd_mirror_dump_end(struct tnd_mirror *m, enum tnd_nl_kind kind, bool complete)
{
    struct sweep sweep = {m, TND_MIRROR_SAME};

    if (!complete)
        return TND_MIRROR_SAME;
    switch (kind) {
    case TND_NL_ADDRESS:
        return commit_addresses(m);
    case TND_NL_ROUTE4:
        return commit_routes(m, 0);
    case TND_NL_ROUTE6:
        return commit_routes(m, 1);
    case TND_NL_NEIGHBOUR:
        tnd_addr_map_each(&m->neighbours, drop_unseen, &sweep);
        return sweep.change;
    case TND_NL_LINK: // went while nobody was told
        for (uint32_t i = 0; i < m->n_ports; i++)
            if (m->ports[i].device && !m->ports[i].seen)
                sweep.change |= lose_port(&m->ports[i]);
        return sweep.change;
    }
    return TND_MIRROR_SAME;
}
