// What the table cannot say: how the parts of a file must fit together.
//
// Every check looks only at values that were read without fault, so that one fault is one
// error. Twins are found by sorting: nothing here is quadratic in the size of the file.
#include "control/config/internal.h"

#include <stdlib.h>

#define SUGGESTIONS_MAX 100 // searching the nearest of many names is the slow part

// ---- interfaces --------------------------------------------------------------------------

static void check_device(struct tnd__reader *r, const struct tnd_config_interface *i)
{
    const void *only_vdev[] = {&i->mac, &i->addresses, &i->neighbours};
    static const char *const keys[] = {"mac", "addresses", "neighbours"};

    for (int k = 0; k < 3; k++) {
        const struct tnd_config_pos *at = tnd__where(r, only_vdev[k]);
        if (at)
            tnd__error(r, *at,
                       "'%s' in interface '%s' is the kernel's business; only a vdev has it",
                       keys[k], i->name.p);
    }
}

// DPDK's name of the device: what stands before its arguments.
static struct tnd_str vdev_name(const struct tnd_config_interface *i)
{
    const char *comma = i->vdev.len ? memchr(i->vdev.p, ',', i->vdev.len) : NULL;

    return (struct tnd_str){i->vdev.p, comma ? (size_t)(comma - i->vdev.p) : i->vdev.len};
}

static void check_vdev(struct tnd__reader *r, const struct tnd_config_interface *i)
{
    size_t len = vdev_name(i).len;

    if (len == 0 || len > TND_CONFIG_VDEV_NAME_MAX)
        tnd__error(r, *tnd__where(r, &i->vdev),
                   "'vdev' in interface '%s' begins with a device name of %zu characters; "
                   "expected 1 to %d before the first ','",
                   i->name.p, len, TND_CONFIG_VDEV_NAME_MAX);
    if (!tnd__seen(r, &i->mac))
        tnd__error(r, i->pos, "'mac' is missing in interface '%s'; a vdev has no kernel to ask",
                   i->name.p);
    if (!tnd__seen(r, &i->addresses))
        tnd__error(r, i->pos,
                   "'addresses' is missing in interface '%s'; a vdev has no kernel to ask",
                   i->name.p);
}

static int compare_neighbours(const void *a, const void *b)
{
    const struct tnd_config_neighbour *x = *(const struct tnd_config_neighbour *const *)a;
    const struct tnd_config_neighbour *y = *(const struct tnd_config_neighbour *const *)b;
    int c = memcmp(&x->addr, &y->addr, sizeof x->addr);

    return c ? c : x < y ? -1 : x > y;
}

static void check_neighbours(struct tnd__reader *r, const struct tnd_config_interface *i)
{
    const struct tnd_config_neighbour **sorted = calloc(i->n_neighbours + 1, sizeof *sorted);

    if (!sorted) {
        r->no_memory = true;
        return;
    }
    for (uint32_t n = 0; n < i->n_neighbours; n++)
        sorted[n] = &i->neighbours[n];
    qsort(sorted, i->n_neighbours, sizeof *sorted, compare_neighbours);
    for (uint32_t n = 1; n < i->n_neighbours; n++)
        if (tnd_addr_eq(&sorted[n]->addr, &sorted[n - 1]->addr))
            tnd__error(r, sorted[n]->pos, "this neighbour is there already, in line %u; keep one",
                       sorted[n - 1]->pos.line);
    free(sorted);
}

static void check_same_device(struct tnd__reader *r, const struct tnd_config *c, uint32_t n)
{
    const struct tnd_config_interface *i = &c->interfaces[n];

    for (uint32_t k = 0; k < n; k++) {
        const struct tnd_config_interface *other = &c->interfaces[k];
        if (i->device.len && tnd_str_eq(i->device, other->device))
            tnd__error(r, *tnd__where(r, &i->device), "device '%s' is interface '%s' already",
                       i->device.p, other->name.p);
        if (i->vdev.len && tnd_str_eq(vdev_name(i), vdev_name(other)))
            tnd__error(r, *tnd__where(r, &i->vdev), "vdev '%.*s' is interface '%s' already",
                       (int)vdev_name(i).len, i->vdev.p, other->name.p);
    }
}

static void check_device_name(struct tnd__reader *r, const struct tnd_config_interface *i)
{
    for (size_t k = 0; k < i->device.len; k++)
        if (strchr("/: \t", i->device.p[k])) {
            tnd__error(r, *tnd__where(r, &i->device),
                       "'device'%s%s%s is '%s': expected the name of "
                       "a kernel interface such as eth0",
                       " in interface '", i->name.p, "'", i->device.p);
            return;
        }
}

// Each worker transmits on a queue of its own.
static void check_rings(struct tnd__reader *r, const struct tnd_config *c,
                        const struct tnd_config_interface *i)
{
    const struct tnd_config_pos *at = tnd__where(r, &i->rings);

    if (i->rings && i->rings < c->workers)
        tnd__error(r, at ? *at : i->pos,
                   "interface '%s' has %u ring%s, but each of the %u workers needs one; expected "
                   "rings: %u",
                   i->name.p, i->rings, i->rings == 1 ? "" : "s", c->workers, c->workers);
}

static void check_interfaces(struct tnd__reader *r, const struct tnd_config *c)
{
    const struct tnd_config_pos *all = tnd__where(r, &c->interfaces);

    if (all && c->n_interfaces == 0)
        tnd__error(r, *all, "'interfaces' has no entry; expected at least one");
    for (uint32_t n = 0; n < c->n_interfaces; n++) {
        const struct tnd_config_interface *i = &c->interfaces[n];
        const struct tnd_config_pos *pci = tnd__where(r, &i->pci);
        if (pci)
            tnd__error(r, *pci,
                       "'pci' in interface '%s': NICs taken from the kernel come later; "
                       "use 'device'",
                       i->name.p);
        else if (i->device.len && i->vdev.len)
            tnd__error(r, i->pos, "interface '%s' has both 'device' and 'vdev'; keep one",
                       i->name.p);
        else if (i->device.len)
            check_device(r, i);
        else if (i->vdev.len)
            check_vdev(r, i);
        else if (!tnd__seen(r, &i->device) && !tnd__seen(r, &i->vdev) && tnd__seen(r, i))
            tnd__error(r, i->pos, "interface '%s' has neither 'device' nor 'vdev'; expected one",
                       i->name.p);
        check_device_name(r, i);
        check_rings(r, c, i);
        check_neighbours(r, i);
        check_same_device(r, c, n);
    }
}

// ---- listeners and names -----------------------------------------------------------------

static bool on_some_vdev(const struct tnd__reader *r, const struct tnd_config *c,
                         const struct tnd_addr *a)
{
    for (uint32_t n = 0; n < c->n_interfaces; n++) {
        const struct tnd_config_interface *i = &c->interfaces[n];
        // A device's addresses are known to the kernel only; wrong ones are reported already.
        if (!i->vdev.len || !tnd__where(r, &i->addresses))
            return true;
        for (uint32_t k = 0; k < i->n_addresses; k++)
            if (tnd_addr_same_ip(&i->addresses[k].addr, a))
                return true;
    }
    return c->n_interfaces == 0;
}

static void finish_advertise(struct tnd__reader *r, struct tnd_config_listener *l)
{
    const struct tnd_config_pos *at = tnd__where(r, &l->advertise);

    if (!at)
        l->advertise = l->address;
    else if (l->address.family && l->advertise.family != l->address.family)
        tnd__error(r, *at, "'advertise' must be an IPv%u address, as 'address' is one",
                   l->address.family);
    if (!l->advertise.port)
        l->advertise.port = l->address.port;
    l->advertise.transport = l->address.transport;
}

static int compare_listeners(const void *a, const void *b)
{
    const struct tnd_config_listener *x = *(struct tnd_config_listener *const *)a;
    const struct tnd_config_listener *y = *(struct tnd_config_listener *const *)b;
    int c = memcmp(&x->address, &y->address, sizeof x->address);

    if (c)
        return c;
    return x->pos.line < y->pos.line ? -1 : x->pos.line > y->pos.line;
}

static void check_listeners(struct tnd__reader *r, struct tnd_config *c)
{
    const struct tnd_config_pos *all = tnd__where(r, &c->listeners);
    struct tnd_config_listener **sorted = calloc(c->n_listeners + 1, sizeof *sorted);
    char text[TND_ADDR_TEXT_MAX];

    if (!sorted) {
        r->no_memory = true;
        return;
    }
    if (all && c->n_listeners == 0)
        tnd__error(r, *all, "'listen' has no entry; expected at least one");
    for (uint32_t n = 0; n < c->n_listeners; n++) {
        struct tnd_config_listener *l = (struct tnd_config_listener *)(uintptr_t)&c->listeners[n];
        const struct tnd_config_pos *at = tnd__where(r, &l->address);
        sorted[n] = l;
        finish_advertise(r, l);
        if (at && !on_some_vdev(r, c, &l->address)) {
            tnd_addr_host_text(&l->address, text);
            tnd__error(r, *at,
                       "%s is no address of an interface; it belongs into 'addresses' of one",
                       text);
        }
    }
    qsort(sorted, c->n_listeners, sizeof *sorted, compare_listeners);
    for (uint32_t n = 1; n < c->n_listeners; n++) {
        const struct tnd_config_pos *at = tnd__where(r, &sorted[n]->address);
        if (at && tnd_addr_eq(&sorted[n]->address, &sorted[n - 1]->address)) {
            tnd_addr_text(&sorted[n]->address, text);
            tnd__error(r, *at,
                       "udp:%s is listened on already, in line %u; each listener has its own "
                       "port",
                       text, sorted[n - 1]->pos.line);
        }
    }
    free(sorted);
}

static int compare_hosts(const void *a, const void *b)
{
    const struct tnd_config_host *x = *(struct tnd_config_host *const *)a;
    const struct tnd_config_host *y = *(struct tnd_config_host *const *)b;
    int c = strcmp(x->text.p, y->text.p);

    return c ? c : x < y ? -1 : x > y;
}

static void check_names(struct tnd__reader *r, const struct tnd_config *c)
{
    const struct tnd_config_host **sorted = calloc(c->n_names + 1, sizeof *sorted);

    if (!sorted) {
        r->no_memory = true;
        return;
    }
    for (uint32_t n = 0; n < c->n_names; n++)
        sorted[n] = &c->names[n];
    qsort(sorted, c->n_names, sizeof *sorted, compare_hosts);
    for (uint32_t n = 1; n < c->n_names; n++)
        if (tnd_str_eq(sorted[n]->text, sorted[n - 1]->text))
            tnd__error(r, *tnd__where(r, sorted[n]), "'%s' is in 'names' twice; keep one",
                       sorted[n]->text.p);
    free(sorted);
}

// ---- sources -----------------------------------------------------------------------------

// Where a source of a trunk is, in a form that sorts. `resolved` counts as the address of a
// numeric URI; of a name, as that name.
struct claim {
    struct tnd_prefix prefix;
    struct tnd_str host; // "host" of the URI; empty for a prefix
    uint16_t port;
    const struct tnd_config_trunk *trunk;
    const struct tnd_config_source *source;
};

static int compare_places(const struct claim *x, const struct claim *y)
{
    int c = memcmp(&x->prefix.addr, &y->prefix.addr, sizeof x->prefix.addr);

    if (c == 0)
        c = (int)x->prefix.bits - (int)y->prefix.bits;
    if (c == 0)
        c = (int)x->port - (int)y->port;
    if (c == 0 && x->host.len != y->host.len)
        c = x->host.len < y->host.len ? -1 : 1;
    for (size_t i = 0; c == 0 && i < x->host.len; i++)
        c = (int)tnd_lower(x->host.p[i]) - (int)tnd_lower(y->host.p[i]);
    return c;
}

static int compare_claims(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int c = compare_places(x, y);

    return c ? c : x->source < y->source ? -1 : x->source > y->source;
}

static struct claim claim_of(const struct tnd_config_trunk *t, const struct tnd_config_source *s)
{
    struct claim c = {.trunk = t, .source = s, .prefix = s->prefix};
    const struct tnd_uri *u = &t->uri.uri;

    if (!s->resolved)
        return c;
    if (u->ip.family) {
        c.prefix.addr = u->ip;
        c.prefix.addr.port = 0;
        c.prefix.addr.transport = 0;
        c.prefix.bits = u->ip.family == 4 ? 32 : 128;
    } else {
        c.host = (struct tnd_str){t->uri.text.p + u->host.off, u->host.len};
        c.port = u->port;
    }
    return c;
}

static void refuse_claim(struct tnd__reader *r, const struct claim *before, const struct claim *c)
{
    const struct tnd_config_pos *at = tnd__where(r, c->source),
                                *first = tnd__where(r, before->source);

    if (!at || !first)
        return;
    if (c->trunk == before->trunk)
        tnd__error(r, *at, "trunk '%s' has this source already, in line %u; keep one",
                   c->trunk->name.p, first->line);
    else
        tnd__error(r, *at,
                   "trunk '%s' has the same source as trunk '%s' in line %u; nothing tells "
                   "their requests apart",
                   c->trunk->name.p, before->trunk->name.p, first->line);
}

static void check_sources(struct tnd__reader *r, const struct tnd_config *c)
{
    size_t n = 0, room = 1;
    struct claim *claims;

    for (uint32_t t = 0; t < c->n_trunks; t++)
        room += c->trunks[t].n_sources;
    claims = calloc(room, sizeof *claims);
    if (!claims) {
        r->no_memory = true;
        return;
    }
    for (uint32_t t = 0; t < c->n_trunks; t++)
        for (uint32_t s = 0; s < c->trunks[t].n_sources; s++)
            if (!c->trunks[t].sources[s].resolved || c->trunks[t].uri.text.len)
                claims[n++] = claim_of(&c->trunks[t], &c->trunks[t].sources[s]);
    qsort(claims, n, sizeof *claims, compare_claims);
    for (size_t i = 1; i < n; i++)
        if (compare_places(&claims[i - 1], &claims[i]) == 0)
            refuse_claim(r, &claims[i - 1], &claims[i]);
    free(claims);
}

// ---- trunks ------------------------------------------------------------------------------

struct trunk_id {
    uint32_t id;
    const struct tnd_config_trunk *trunk;
};

static int compare_ids(const void *a, const void *b)
{
    const struct trunk_id *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->trunk < y->trunk ? -1 : x->trunk > y->trunk;
}

// Branches carry 32-bit content hashes of the trunks' names: two must not share one.
static void check_trunk_ids(struct tnd__reader *r, const struct tnd_config *c)
{
    struct trunk_id *ids = calloc(c->n_trunks + 1u, sizeof *ids);

    if (!ids) {
        r->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < c->n_trunks; i++)
        ids[i] = (struct trunk_id){tnd_trunk_id(c->trunks[i].name.p), &c->trunks[i]};
    qsort(ids, c->n_trunks, sizeof *ids, compare_ids);
    for (uint32_t i = 1; i < c->n_trunks; i++) {
        const struct tnd_config_trunk *t = ids[i].trunk, *other = ids[i - 1].trunk;
        if (ids[i].id == ids[i - 1].id && !tnd_str_eq(t->name, other->name))
            tnd__error(r, t->pos,
                       "trunk '%s' and trunk '%s' in line %u have the same 32-bit id; rename one",
                       t->name.p, other->name.p, other->pos.line);
    }
    free(ids);
}

// ---- routes ------------------------------------------------------------------------------

struct names {
    const struct tnd_config_trunk **sorted;
    uint32_t n, suggestions;
};

static int compare_trunks(const void *a, const void *b)
{
    const struct tnd_config_trunk *x = *(const struct tnd_config_trunk *const *)a;
    const struct tnd_config_trunk *y = *(const struct tnd_config_trunk *const *)b;

    return strcmp(x->name.p, y->name.p);
}

static uint16_t trunk_of(struct tnd__reader *r, struct names *names, const struct tnd_str *name)
{
    struct tnd_config_trunk key = {.name = *name};
    const struct tnd_config_trunk *pkey = &key, **found = NULL;
    struct tnd__nearest near = tnd__nearest_begin(*name);
    const struct tnd_config_pos *at = tnd__where(r, name);
    char quoted[TND__QUOTE_MAX];

    if (names->n)
        found = bsearch(&pkey, names->sorted, names->n, sizeof *names->sorted, compare_trunks);
    if (found)
        return (uint16_t)(*found - r->config->trunks);
    // With a trunk's name unreadable, it may be the one that is meant here.
    if (!at || tnd__seen_wrong(r, &r->config->trunks))
        return TND_NO_TRUNK;
    if (names->suggestions++ < SUGGESTIONS_MAX)
        for (uint32_t i = 0; i < names->n; i++)
            tnd__nearest_try(&near, names->sorted[i]->name);
    tnd__quote(*name, quoted);
    if (near.best.len)
        tnd__error(r, *at, "trunk '%s' in a route does not exist; there is '%s'", quoted,
                   near.best.p);
    else
        tnd__error(r, *at, "trunk '%s' in a route does not exist; add it to 'trunks'", quoted);
    return TND_NO_TRUNK;
}

static void check_route(struct tnd__reader *r, struct names *names, struct tnd_config_route *route)
{
    const struct tnd_config_pos *reply = tnd__where(r, &route->reply);
    const struct tnd_config_pos *to = tnd__where(r, &route->to_name);

    route->from = TND_NO_TRUNK;
    route->trunk = TND_NO_TRUNK;
    if (route->from_name.len)
        route->from = trunk_of(r, names, &route->from_name);
    if (to && reply)
        tnd__error(r, route->pos, "a route has both 'to' and 'reply'; keep one");
    else if (!tnd__seen(r, &route->to_name) && !tnd__seen(r, &route->reply))
        tnd__error(r, route->pos, "a route has neither 'to' nor 'reply'; expected one");
    if (reply) {
        route->to = TND_ROUTE_REPLY;
    } else if (tnd_str_eq(route->to_name, TND_STR("request-uri"))) {
        route->to = TND_ROUTE_REQUEST_URI;
    } else if (to) {
        route->to = TND_ROUTE_TRUNK;
        route->trunk = trunk_of(r, names, &route->to_name);
    }
}

static void check_routes(struct tnd__reader *r, struct tnd_config *c)
{
    struct names names = {.sorted = calloc(c->n_trunks + 1, sizeof *names.sorted)};

    if (!names.sorted) {
        r->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < c->n_trunks; i++) {
        const struct tnd_config_trunk *t = &c->trunks[i];
        if (tnd_str_eq(t->name, TND_STR("request-uri")))
            tnd__error(r, t->pos,
                       "a trunk cannot be called 'request-uri'; in a route it has a "
                       "meaning of its own");
        names.sorted[names.n++] = t;
    }
    qsort(names.sorted, names.n, sizeof *names.sorted, compare_trunks);
    for (uint32_t i = 0; i < c->n_routes; i++)
        check_route(r, &names, (struct tnd_config_route *)(uintptr_t)&c->routes[i]);
    free(names.sorted);
}

static void finish_dns(struct tnd_config *c)
{
    struct tnd_addr *servers = (struct tnd_addr *)(uintptr_t)c->dns.servers;

    for (uint32_t i = 0; i < c->dns.n_servers; i++)
        if (!servers[i].port)
            servers[i].port = 53;
}

void tnd__config_check(struct tnd__reader *r)
{
    struct tnd_config *c = r->config;

    finish_dns(c);
    check_interfaces(r, c);
    check_listeners(r, c);
    check_names(r, c);
    check_sources(r, c);
    check_trunk_ids(r, c);
    check_routes(r, c);
}
