#include <stdlib.h>

#include "control/adjacency_private.h"

#define TICK_MS          5
#define SECOND_MS        1000
#define POKES_PER_SECOND 1000
#define INTERRUPTIONS    5  // dumps that changed underneath, before one is taken as it is
#define FAILED_MS        20 // before a dump that broke off is tried again; doubles
#define COMPLAIN_MS      60000

static void on_tick(uv_timer_t *timer);
static void on_work(uv_timer_t *timer);

static void schedule_tick(struct tnd_adjacencies *a, uint64_t in_ms)
{
    if (!a->closing &&
        (!uv_is_active((uv_handle_t *)&a->tick) || uv_timer_get_due_in(&a->tick) > in_ms))
        uv_timer_start(&a->tick, on_tick, in_ms, 0);
}

void tnd__adjacency_schedule_work(struct tnd_adjacencies *a)
{
    if (!a->closing && !uv_is_active((uv_handle_t *)&a->work))
        uv_timer_start(&a->work, on_work, 0, 0);
}

// --- the kernel's news

static void dirty(struct tnd_adjacencies *a, uint32_t kinds)
{
    a->dirty |= kinds;
    schedule_tick(a, TICK_MS);
}

#define ROUTES (1u << TND_NL_ROUTE4 | 1u << TND_NL_ROUTE6)
#define ALL    ((1u << TND_NL_KINDS) - 1)

static void apply(struct tnd_adjacencies *a, unsigned change, bool routes)
{
    if (change & TND_MIRROR_PORT)
        dirty(a, ROUTES | 1u << TND_NL_ADDRESS | 1u << TND_NL_NEIGHBOUR);
    if (!(change & TND_MIRROR_TABLE))
        return;
    a->rebuild = true;
    a->reroute |= routes;
    schedule_tick(a, TICK_MS);
}

static void on_link(void *ctx, enum tnd_nl_how how, const struct tnd_nl_link *l)
{
    struct tnd_adjacencies *a = ctx;
    struct hop *h;

    unsigned change = tnd_mirror_link(&a->mirror, how, l);
    apply(a, change, true);
    if (how != TND_NL_DUMPED)
        dirty(a, ROUTES); // IPv4 routes come and go with a link and nothing says so
    for (h = TAILQ_FIRST(&a->all_hops); change && h; h = TAILQ_NEXT(h, all))
        tnd__adjacency_queue_hop(a, h);
}

static void on_neighbour(void *ctx, enum tnd_nl_how how, const struct tnd_nl_neighbour *n)
{
    struct tnd_adjacencies *a = ctx;
    int port = tnd_mirror_port_of(&a->mirror, n->ifindex);

    if (port < 0)
        return;
    unsigned change = tnd_mirror_neighbour(&a->mirror, how, n);
    bool multipath = a->mirror.routes[0].multipath || a->mirror.routes[1].multipath;
    if (multipath && (change & TND_MIRROR_NEIGHBOUR))
        change |= TND_MIRROR_TABLE; // another hop may be the better one now
    apply(a, change, multipath);
    if (how == TND_NL_GONE) {
        dirty(a, ROUTES);
        // What a running dump says of this entry may be older than its end.
        if (tnd_netlink_dumping(a->netlink, TND_NL_NEIGHBOUR))
            dirty(a, 1u << TND_NL_NEIGHBOUR);
    }
    struct hop *h = tnd__adjacency_find_hop(a, (uint16_t)port, &n->ip);
    if (!h || !change)
        return;
    if (how == TND_NL_GONE) {
        h->asked = false;
        h->failed = false;
    }
    tnd__adjacency_queue_hop(a, h);
    tnd__adjacency_queue_wants_of(a, h);
}

static void on_address(void *ctx, const struct tnd_nl_address *address)
{
    tnd_mirror_address(&((struct tnd_adjacencies *)ctx)->mirror, address);
}

static void on_route(void *ctx, const struct tnd_nl_route *route)
{
    tnd_mirror_route(&((struct tnd_adjacencies *)ctx)->mirror, route);
}

static void on_dump_begin(void *ctx, enum tnd_nl_kind kind)
{
    struct tnd_adjacencies *a = ctx;

    a->began_ms[kind] = uv_now(a->loop);
    a->counts.route_dumps += kind == TND_NL_ROUTE4;
    tnd_mirror_dump_begin(&a->mirror, kind);
}

static void take_dump(struct tnd_adjacencies *a, enum tnd_nl_kind kind);

// A big table takes long to dump: never spend more than a fifth of the time on that. A list of
// which a part is missing is never believed: what was known stands.
static void on_dump_end(void *ctx, enum tnd_nl_kind kind, enum tnd_nl_end how)
{
    struct tnd_adjacencies *a = ctx;
    uint64_t now = uv_now(a->loop);

    a->not_before_ms[kind] = now + 4 * (now - a->began_ms[kind]);
    if (how == TND_NL_FAILED) {
        unsigned times = a->failures[kind]++;
        a->not_before_ms[kind] += FAILED_MS << (times < 6 ? times : 6);
        dirty(a, 1u << kind);
        return;
    }
    a->failures[kind] = 0;
    if (how == TND_NL_CHANGED) {
        dirty(a, 1u << kind);
        if (++a->interruptions[kind] < INTERRUPTIONS)
            return;
    }
    a->interruptions[kind] = 0;
    if (ROUTES & 1u << kind) {
        a->sorting |= 1u << kind;
        schedule_tick(a, 0);
    } else {
        take_dump(a, kind);
    }
}

static void take_dump(struct tnd_adjacencies *a, enum tnd_nl_kind kind)
{
    if (ROUTES & 1u << kind) { // the routes that a job goes through are not there any more
        tnd_mirror_job_free(a->job);
        a->rebuild |= a->job != NULL;
        a->reroute |= a->job && a->job_reroutes;
        a->job = NULL;
    }
    apply(a, tnd_mirror_dump_end(&a->mirror, kind, true), true);
    bool was_ready = tnd__adjacency_ready(a);
    a->complete |= 1u << kind;
    if (tnd__adjacency_ready(a) && !was_ready) {
        a->rebuild = a->reroute = true;
        schedule_tick(a, 0);
    }
}

static void on_changed(void *ctx, enum tnd_nl_kind kind)
{
    // An address brings its routes, and takes them along silently.
    dirty(ctx, kind == TND_NL_ADDRESS ? ROUTES | 1u << kind : 1u << kind);
}

static void on_lost(void *ctx)
{
    struct tnd_adjacencies *a = ctx;

    a->counts.lost_events++;
    dirty(a, ALL);
}

static void on_refused(void *ctx, int error)
{
    struct tnd_adjacencies *a = ctx;
    uint64_t now = uv_now(a->loop);
    char text[256];

    if (error == ENOENT || error == ENODEV || error == ENXIO || error == ENETDOWN)
        return; // went away meanwhile: its own event tells
    a->counts.refusals++;
    if (!a->ops->complain || (a->complained_ms && now - a->complained_ms < COMPLAIN_MS))
        return;
    a->complained_ms = now;
    snprintf(text, sizeof text, "neighbours: the kernel refused to resolve one: %s; %s",
             strerror(error),
             error == ENOBUFS ? "raise net.ipv4.neigh.default.gc_thresh3 (IPv6 likewise)"
             : error == EPERM ? "give Tandem CAP_NET_ADMIN"
                              : "targets behind it stay unused");
    a->ops->complain(a->ctx, text);
}

static const struct tnd_nl_ops netlink_ops = {
    .link = on_link,
    .address = on_address,
    .route = on_route,
    .neighbour = on_neighbour,
    .dump_begin = on_dump_begin,
    .dump_end = on_dump_end,
    .changed = on_changed,
    .lost = on_lost,
    .refused = on_refused,
};

// --- ticks and slices

static void publish(struct tnd_adjacencies *a, struct tnd_adjacency_table *t)
{
    struct want *w;

    for (w = TAILQ_FIRST(&a->all_wants); (a->job_reroutes || !a->table) && w;
         w = TAILQ_NEXT(w, all))
        tnd__adjacency_queue_want(a, w);
    a->table = t;
    a->wants_due = true;
    a->counts.publications++;
    if (!TAILQ_EMPTY(&a->want_queue))
        tnd__adjacency_schedule_work(a);
    a->ops->publish(a->ctx, t);
}

static void begin_build(struct tnd_adjacencies *a)
{
    a->job = tnd_mirror_job_new(&a->mirror, (uint32_t)a->counts.publications + 1);
    if (!a->job) {
        schedule_tick(a, SECOND_MS);
        return;
    }
    a->job_reroutes = a->reroute;
    a->rebuild = a->reroute = false;
}

static void build(struct tnd_adjacencies *a, struct tnd_turn *turn)
{
    if (!tnd_mirror_job_step(a->job, turn))
        return;
    struct tnd_adjacency_table *t = tnd_mirror_job_take(a->job);
    a->job = NULL;
    if (t) {
        publish(a, t);
    } else { // memory is short: the table before stands
        a->rebuild = true;
        a->reroute |= a->job_reroutes;
        schedule_tick(a, SECOND_MS);
    }
}

static void sort(struct tnd_adjacencies *a, struct tnd_turn *turn)
{
    for (unsigned kind = 0; kind < TND_NL_KINDS; kind++) {
        if (!(a->sorting & 1u << kind))
            continue;
        if (!tnd_mirror_sort(&a->mirror, (enum tnd_nl_kind)kind, turn))
            return;
        a->sorting &= ~(1u << kind);
        take_dump(a, (enum tnd_nl_kind)kind);
    }
}

static void start_dumps(struct tnd_adjacencies *a)
{
    uint64_t now = uv_now(a->loop);

    for (unsigned kind = 0; kind < TND_NL_KINDS; kind++) {
        if (!(a->dirty & (1u << kind)))
            continue;
        if ((a->sorting & 1u << kind) || tnd_netlink_dumping(a->netlink, (enum tnd_nl_kind)kind)) {
            schedule_tick(a, TICK_MS); // the one before is not done with
            continue;
        }
        if (now < a->not_before_ms[kind]) {
            schedule_tick(a, a->not_before_ms[kind] - now);
            continue;
        }
        a->dirty &= ~(1u << kind);
        tnd_netlink_dump(a->netlink, (enum tnd_nl_kind)kind);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct tnd_adjacencies *a = timer->data;
    struct tnd_turn turn = tnd_turn_begin(a->loop, "routes");

    if (a->dirty)
        start_dumps(a);
    if (a->sorting)
        sort(a, &turn);
    if (a->rebuild && !a->job && tnd__adjacency_ready(a))
        begin_build(a);
    if (a->job)
        build(a, &turn);
    if (a->sorting || a->job)
        schedule_tick(a, 0);
    tnd_turn_end(&turn);
}

// Wants wait for a table that is being built: it decides what they will say. But never for two.
static void on_work(uv_timer_t *timer)
{
    struct tnd_adjacencies *a = timer->data;
    struct tnd_turn turn = tnd_turn_begin(a->loop, "next hops");
    bool stale = (a->rebuild || a->job) && tnd__adjacency_ready(a) && !a->wants_due;

    tnd__adjacency_serve_hops(a, &turn);
    if (!stale)
        tnd__adjacency_serve_wants(a, &turn);
    if (TAILQ_EMPTY(&a->want_queue))
        a->wants_due = false;
    if (!TAILQ_EMPTY(&a->hop_queue) || (!stale && !TAILQ_EMPTY(&a->want_queue)))
        tnd__adjacency_schedule_work(a);
    tnd_turn_end(&turn);
}

static void on_second(uv_timer_t *timer)
{
    struct tnd_adjacencies *a = timer->data;
    struct hop *h;

    a->pokes_left = POKES_PER_SECOND;
    for (h = TAILQ_FIRST(&a->all_hops); h; h = TAILQ_NEXT(h, all))
        tnd__adjacency_queue_hop(a, h);
}

// --- life

static void finish(struct tnd_adjacencies *a)
{
    void (*closed)(void *ctx) = a->closed;
    void *ctx = a->closed_ctx;

    tnd_mirror_job_free(a->job);
    tnd_mirror_clear(&a->mirror);
    tnd_addr_map_clear(&a->wants);
    tnd_addr_map_clear(&a->hops);
    free(a);
    if (closed)
        closed(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct tnd_adjacencies *a = handle->data;

    if (--a->open_handles == 0)
        finish(a);
}

static void on_netlink_closed(void *ctx)
{
    struct tnd_adjacencies *a = ctx;

    if (--a->open_handles == 0)
        finish(a);
}

static void init_timer(struct tnd_adjacencies *a, uv_timer_t *timer)
{
    uv_timer_init(a->loop, timer);
    timer->data = a;
    a->open_handles++;
}

static bool any_device(const struct tnd_adjacency_config *config)
{
    for (uint32_t i = 0; i < config->n_ports; i++)
        if (config->ports[i].device)
            return true;
    return false;
}

int tnd_adjacency_open(uv_loop_t *loop, const struct tnd_adjacency_config *config,
                       const struct tnd_adjacency_ops *ops, void *ctx, struct tnd_adjacencies **out,
                       struct tnd_error *err)
{
    struct tnd_adjacencies *a = calloc(1, sizeof *a);
    int rc;

    if (!a)
        return tnd_fail(err, TND_ENOMEM, "routes and neighbours: out of memory");
    a->loop = loop;
    a->ops = ops;
    a->ctx = ctx;
    a->never_managed = config->never_managed;
    a->has_devices = any_device(config);
    TAILQ_INIT(&a->all_wants);
    TAILQ_INIT(&a->want_queue);
    TAILQ_INIT(&a->all_hops);
    TAILQ_INIT(&a->hop_queue);
    a->pokes_left = POKES_PER_SECOND;
    rc = tnd_mirror_init(&a->mirror, config, err);
    if (rc == 0 && a->has_devices) {
        rc = tnd_netlink_open(loop, &netlink_ops, a, &a->netlink, err);
        if (rc < 0)
            tnd_mirror_clear(&a->mirror);
        a->open_handles++;
    }
    if (rc < 0) {
        free(a);
        return rc;
    }
    init_timer(a, &a->tick);
    init_timer(a, &a->work);
    init_timer(a, &a->second);
    uv_timer_start(&a->second, on_second, SECOND_MS, SECOND_MS);
    a->rebuild = true;
    if (a->has_devices)
        a->dirty = ALL;
    schedule_tick(a, 0);
    *out = a;
    return 0;
}

void tnd_adjacency_close(struct tnd_adjacencies *a, void (*closed)(void *ctx), void *ctx)
{
    a->closing = true;
    a->closed = closed;
    a->closed_ctx = ctx;
    tnd__adjacency_forget_all(a);
    uv_close((uv_handle_t *)&a->tick, on_handle_closed);
    uv_close((uv_handle_t *)&a->work, on_handle_closed);
    uv_close((uv_handle_t *)&a->second, on_handle_closed);
    if (a->netlink)
        tnd_netlink_close(a->netlink, on_netlink_closed, a);
}

enum tnd_adjacency_result tnd_adjacency_lookup(const struct tnd_adjacencies *a,
                                               const struct tnd_addr *dst,
                                               struct tnd_adjacency *out)
{
    return tnd_adjacency_find(a->table, dst, out);
}

int tnd_adjacency_interface_of(const struct tnd_adjacencies *a, const struct tnd_addr *own)
{
    return tnd_mirror_interface_of(&a->mirror, own);
}

void tnd_adjacency_counts(const struct tnd_adjacencies *a, struct tnd_adjacency_counts *out)
{
    *out = a->counts;
    out->routes = a->mirror.routes[0].n + a->mirror.routes[1].n;
    out->neighbours = a->mirror.neighbours.n;
    out->wanted = a->wants.n;
    out->hops = a->hops.n;
}

const char *tnd_adjacency_state_name(enum tnd_adjacency_state s)
{
    static const char *const names[] = {"unresolved", "usable", "failed"};

    return (unsigned)s < sizeof names / sizeof *names ? names[s] : "unknown";
}
