#include <stdlib.h>

#include "control/adjacency_private.h"

#define ANSWER_MS 5000  // the kernel gives up after 3 s: 3 solicitations, 1 s apart
#define PROBE_MS  10000 // fallback: how often an entry is asked whether it is there
#define RETRY_MS  5000  // fallback: how often a failed one is tried
#define REMARK_MS 1000  // how often a managed mark that was taken off is put back

void tnd__adjacency_queue_want(struct tnd_adjacencies *a, struct want *w)
{
    if (w->in_queue)
        return;
    w->in_queue = true;
    TAILQ_INSERT_TAIL(&a->want_queue, w, queued);
    tnd__adjacency_schedule_work(a);
}

void tnd__adjacency_queue_hop(struct tnd_adjacencies *a, struct hop *h)
{
    if (h->in_queue)
        return;
    h->in_queue = true;
    TAILQ_INSERT_TAIL(&a->hop_queue, h, queued);
    tnd__adjacency_schedule_work(a);
}

void tnd__adjacency_queue_wants_of(struct tnd_adjacencies *a, struct hop *h)
{
    struct want *w;

    for (w = TAILQ_FIRST(&h->wants); w; w = TAILQ_NEXT(w, of_hop))
        tnd__adjacency_queue_want(a, w);
}

static struct hop *hop_of(struct tnd_adjacencies *a, uint16_t interface, const struct tnd_addr *ip)
{
    struct hop *h = (void *)tnd_addr_map_find(&a->hops, interface, ip);

    if (h)
        return h;
    h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->node.ip = *ip;
    h->node.number = interface;
    TAILQ_INIT(&h->wants);
    if (!tnd_addr_map_add(&a->hops, &h->node)) {
        free(h);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&a->all_hops, h, all);
    return h;
}

static void leave_hop(struct tnd_adjacencies *a, struct want *w)
{
    if (!w->hop)
        return;
    TAILQ_REMOVE(&w->hop->wants, w, of_hop);
    if (--w->hop->n_wants == 0)
        tnd__adjacency_queue_hop(a, w->hop); // to be released, unless somebody comes until then
    w->hop = NULL;
}

static void join_hop(struct tnd_adjacencies *a, struct want *w, struct hop *h)
{
    if (w->hop == h)
        return;
    leave_hop(a, w);
    w->hop = h;
    if (!h)
        return;
    TAILQ_INSERT_TAIL(&h->wants, w, of_hop);
    h->n_wants++;
    if (!h->asked)
        tnd__adjacency_queue_hop(a, h);
}

static bool answers_only_statically(const struct tnd_adjacencies *a, uint16_t interface)
{
    return interface < a->mirror.n_ports && !a->mirror.ports[interface].device;
}

static enum tnd_adjacency_state state_of(const struct tnd_adjacencies *a,
                                         enum tnd_adjacency_result r,
                                         const struct tnd_adjacency *way, const struct hop *h)
{
    if (!a->table)
        return TND_ADJACENCY_UNRESOLVED;
    switch (r) {
    case TND_ADJACENCY_FOUND:
        return TND_ADJACENCY_USABLE;
    case TND_ADJACENCY_NO_NEIGHBOUR:
        if (answers_only_statically(a, way->interface) || (h && h->failed))
            return TND_ADJACENCY_FAILED;
        return TND_ADJACENCY_UNRESOLVED;
    default:
        return TND_ADJACENCY_FAILED;
    }
}

// Where the destination's way leads now, and what that means.
static enum tnd_adjacency_result evaluate(struct tnd_adjacencies *a, struct want *w)
{
    struct tnd_adjacency way;
    enum tnd_adjacency_result r = tnd_adjacency_find(a->table, &w->node.ip, &way);
    struct hop *h = NULL;

    if (r == TND_ADJACENCY_FOUND || r == TND_ADJACENCY_NO_NEIGHBOUR)
        h = hop_of(a, way.interface, &way.next_hop);
    join_hop(a, w, h);
    w->state = state_of(a, r, &way, h);
    return r;
}

int tnd_adjacency_want(struct tnd_adjacencies *a, const struct tnd_addr *dst)
{
    struct want *w = (void *)tnd_addr_map_find(&a->wants, 0, dst);

    if (w) {
        w->refs++;
        return (int)w->state;
    }
    w = calloc(1, sizeof *w);
    if (!w)
        return -TND_ENOMEM;
    w->node.ip = *dst;
    w->node.ip.port = 0;
    w->node.ip.transport = TND_TRANSPORT_NONE;
    w->refs = 1;
    if (!tnd_addr_map_add(&a->wants, &w->node)) {
        free(w);
        return -TND_ENOMEM;
    }
    TAILQ_INSERT_TAIL(&a->all_wants, w, all);
    evaluate(a, w);
    if (a->rebuild) // the table it was looked up in is older than the mirror
        tnd__adjacency_queue_want(a, w);
    return (int)w->state;
}

static void forget_want(struct tnd_adjacencies *a, struct want *w)
{
    leave_hop(a, w);
    if (w->in_queue)
        TAILQ_REMOVE(&a->want_queue, w, queued);
    TAILQ_REMOVE(&a->all_wants, w, all);
    tnd_addr_map_remove(&a->wants, &w->node);
    free(w);
}

void tnd_adjacency_unwant(struct tnd_adjacencies *a, const struct tnd_addr *dst)
{
    struct want *w = (void *)tnd_addr_map_find(&a->wants, 0, dst);

    if (w && --w->refs == 0)
        forget_want(a, w);
}

enum tnd_adjacency_state tnd_adjacency_state(const struct tnd_adjacencies *a,
                                             const struct tnd_addr *dst)
{
    const struct want *w = (void *)tnd_addr_map_find(&a->wants, 0, dst);
    struct tnd_adjacency way;

    if (w)
        return w->state;
    enum tnd_adjacency_result r = tnd_adjacency_find(a->table, dst, &way);
    return state_of(a, r, &way, (void *)tnd_addr_map_find(&a->hops, way.interface, &way.next_hop));
}

// --- the kernel's neighbours

static void release_entry(struct tnd_adjacencies *a, struct hop *h)
{
    const struct tnd_mirror_port *port = &a->mirror.ports[h->node.number];
    const struct tnd_mirror_neighbour *n;

    if (!h->asked || !a->netlink || !port->ifindex)
        return;
    n = tnd_mirror_find(&a->mirror, port->ifindex, &h->node.ip);
    if (n && n->permanent)
        return;
    // A known MAC stays, as after any ping: another process may be using it. An entry still
    // being resolved is not in the mirror (the kernel tells nothing before it has an answer).
    tnd_netlink_ask(a->netlink, n && n->usable ? TND_NL_RELEASE : TND_NL_DELETE, port->ifindex,
                    &h->node.ip);
}

static void forget_hop(struct tnd_adjacencies *a, struct hop *h)
{
    release_entry(a, h);
    if (h->in_queue)
        TAILQ_REMOVE(&a->hop_queue, h, queued);
    TAILQ_REMOVE(&a->all_hops, h, all);
    tnd_addr_map_remove(&a->hops, &h->node);
    free(h);
}

static void ask(struct tnd_adjacencies *a, struct hop *h, enum tnd_nl_ask what, int ifindex,
                uint64_t now)
{
    if (what == TND_NL_MANAGE && a->never_managed)
        what = TND_NL_RESOLVE;
    h->asked = true;
    h->asked_ms = now;
    tnd_netlink_ask(a->netlink, what, ifindex, &h->node.ip);
}

static void set_failed(struct tnd_adjacencies *a, struct hop *h, bool failed)
{
    if (h->failed == failed)
        return;
    h->failed = failed;
    tnd__adjacency_queue_wants_of(a, h);
}

// On a kernel without managed neighbours: ask for each entry from time to time.
static void keep_by_hand(struct tnd_adjacencies *a, struct hop *h,
                         const struct tnd_mirror_neighbour *n, int ifindex, uint64_t now)
{
    if (n->usable && now - h->asked_ms >= PROBE_MS)
        ask(a, h, TND_NL_PROBE, ifindex, now);
    else if (!n->usable && now - h->asked_ms >= RETRY_MS)
        ask(a, h, TND_NL_RESOLVE, ifindex, now);
}

// Bring one next hop's entry to what we want of it. Called when something about it changed,
// and every second.
static void serve_hop(struct tnd_adjacencies *a, struct hop *h)
{
    uint64_t now = uv_now(a->loop);
    const struct tnd_mirror_port *port = &a->mirror.ports[h->node.number];

    if (h->n_wants == 0) {
        forget_hop(a, h);
        return;
    }
    if (!port->device || !port->up || !port->ifindex) {
        h->asked = false; // the kernel dropped its entries with the link
        h->waiting_ms = 0;
        return;
    }
    struct tnd_mirror_neighbour *n = tnd_mirror_find(&a->mirror, port->ifindex, &h->node.ip);
    a->counts.managed |= n && n->managed && h->asked;
    if (n && n->usable)
        set_failed(a, h, false);
    else if (n && n->failed)
        set_failed(a, h, true);
    if (n && (n->usable || n->failed))
        h->waiting_ms = 0;
    else if (!h->waiting_ms)
        h->waiting_ms = now;
    else if (now - h->waiting_ms >= ANSWER_MS)
        set_failed(a, h, true);

    if (n && (n->permanent || (n->managed && !h->asked)))
        return; // somebody else keeps it
    if (!h->asked || (!n && now - h->asked_ms >= RETRY_MS))
        ask(a, h, TND_NL_MANAGE, port->ifindex, now);
    else if (n && !n->managed && a->counts.managed && now - h->asked_ms >= REMARK_MS)
        ask(a, h, TND_NL_MANAGE, port->ifindex, now); // its mark was taken off
    else if (n && !n->managed)
        keep_by_hand(a, h, n, port->ifindex, now);
}

void tnd_adjacency_poke(struct tnd_adjacencies *a, const struct tnd_addr *dst)
{
    struct tnd_adjacency way;

    if (tnd_adjacency_find(a->table, dst, &way) != TND_ADJACENCY_NO_NEIGHBOUR || !a->netlink ||
        a->pokes_left == 0 || answers_only_statically(a, way.interface))
        return;
    a->pokes_left--;
    tnd_netlink_ask(a->netlink, TND_NL_RESOLVE, a->mirror.ports[way.interface].ifindex,
                    &way.next_hop);
}

static void serve_want(struct tnd_adjacencies *a, struct want *w)
{
    enum tnd_adjacency_state before = w->state;
    enum tnd_adjacency_result why = evaluate(a, w);

    if (w->state != before) {
        struct tnd_addr dst = w->node.ip; // the callee may unwant it
        a->ops->changed(a->ctx, &dst, w->state, why);
    }
}

void tnd__adjacency_serve_hops(struct tnd_adjacencies *a, struct tnd_turn *turn)
{
    struct hop *h;

    while ((h = TAILQ_FIRST(&a->hop_queue)) && tnd_turn_more(turn)) {
        TAILQ_REMOVE(&a->hop_queue, h, queued);
        h->in_queue = false;
        serve_hop(a, h);
    }
}

void tnd__adjacency_serve_wants(struct tnd_adjacencies *a, struct tnd_turn *turn)
{
    struct want *w;

    while (!a->closing && (w = TAILQ_FIRST(&a->want_queue)) && tnd_turn_more(turn)) {
        TAILQ_REMOVE(&a->want_queue, w, queued);
        w->in_queue = false;
        serve_want(a, w);
    }
}

struct hop *tnd__adjacency_find_hop(const struct tnd_adjacencies *a, uint16_t interface,
                                    const struct tnd_addr *ip)
{
    return (void *)tnd_addr_map_find(&a->hops, interface, ip);
}

void tnd__adjacency_forget_all(struct tnd_adjacencies *a)
{
    struct want *w;
    struct hop *h;

    while ((w = TAILQ_FIRST(&a->all_wants)))
        forget_want(a, w);
    while ((h = TAILQ_FIRST(&a->all_hops)))
        forget_hop(a, h);
}
