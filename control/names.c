#include "control/names.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "control/addr_map.h"
#include "control/turn.h"

struct name;

// One address of one name, as the index of addresses sees it.
struct use {
    LIST_ENTRY(use) same; // address
    struct name *name;
};

struct address {
    struct tnd_addr_node node; // first
    LIST_HEAD(uses, use) uses;
    TAILQ_ENTRY(address) queued; // while its names are being told of news
    struct use *telling;         // the next of them
    bool in_queue;
};

// What is wanted for a name, copied from the resolver, and what was published of it.
struct name {
    struct name *next;        // of the bucket
    TAILQ_ENTRY(name) all;    // in the order of their coming
    TAILQ_ENTRY(name) queued; // dirty or waiting
    uint64_t number;          // of its coming
    struct tnd_name_digest digest;
    struct tnd_spec_record *records;
    struct tnd_spec_address *addresses; // all records', in one block
    struct use *uses;                   // one per address
    uint32_t n_records, n_addresses;
    enum tnd_weight_zero weight_zero;
    uint64_t since_ms;                    // of this spec
    enum { CLEAN, DIRTY, WAITING } state; // waiting: for a neighbour, or for memory
    bool published;
    char text[];
};

TAILQ_HEAD(name_queue, name);

#define BUCKETS        4096
#define TARGETS_A_STEP 16 // of a walk

struct tnd_names {
    struct tnd_names_config cfg;
    uv_timer_t tick;
    struct tnd_addr_map addresses;
    struct name_queue all, dirty, waiting;
    TAILQ_HEAD(news, address) news; // addresses whose names are to be looked at
    LIST_HEAD(walks, tnd_names_walk) walks;
    uint64_t came;
    uint32_t n_waiting;
    bool closing;
    struct name *bucket[BUCKETS];
};

static void arm(struct tnd_names *n, uint64_t after_ms);

// ---- Names ------------------------------------------------------------------------------

static struct name **slot_of(const struct tnd_names *n, const char *text)
{
    uint64_t h = tnd_hash(n->cfg.digest_key, text, strlen(text));
    struct name **p = (struct name **)&n->bucket[h % BUCKETS];

    while (*p && strcmp((*p)->text, text) != 0)
        p = &(*p)->next;
    return p;
}

static struct name *find_or_make(struct tnd_names *n, const char *text)
{
    struct name **slot = slot_of(n, text), *name = *slot;
    size_t len = strlen(text);

    if (name)
        return name;
    name = calloc(1, sizeof *name + len + 1);
    if (!name)
        return NULL;
    memcpy(name->text, text, len + 1);
    name->digest = tnd_name_digest(n->cfg.digest_key, (struct tnd_str){text, len});
    *slot = name;
    name->number = n->came++;
    TAILQ_INSERT_TAIL(&n->all, name, all);
    return name;
}

static void set_state(struct tnd_names *n, struct name *name, int state)
{
    struct name_queue *queues[] = {[DIRTY] = &n->dirty, [WAITING] = &n->waiting};

    if (name->state != CLEAN)
        TAILQ_REMOVE(queues[name->state], name, queued);
    if (state != CLEAN)
        TAILQ_INSERT_TAIL(queues[state], name, queued);
    n->n_waiting += (state == WAITING) - (name->state == WAITING);
    name->state = state;
}

static void mark_dirty(struct tnd_names *n, struct name *name)
{
    if (name->state == CLEAN)
        set_state(n, name, DIRTY);
    arm(n, 0);
}

// ---- Addresses --------------------------------------------------------------------------

static bool can_send(const struct tnd_names *n, const struct tnd_spec_record *r,
                     const struct tnd_addr *a)
{
    return r->transport == TND_TRANSPORT_UDP && (n->cfg.families & (a->family == 4 ? 1 : 2));
}

static struct address *find_or_make_address(struct tnd_names *n, const struct tnd_addr *ip)
{
    struct address *a = (struct address *)tnd_addr_map_find(&n->addresses, 0, ip);

    if (a || !(a = calloc(1, sizeof *a)))
        return a;
    a->node.ip = *ip;
    if (tnd_addr_map_add(&n->addresses, &a->node))
        return a;
    free(a);
    return NULL;
}

static void use_addresses(struct tnd_names *n, struct name *name)
{
    for (uint32_t i = 0; i < name->n_addresses; i++) {
        struct address *a = find_or_make_address(n, &name->addresses[i].addr);
        if (!a)
            continue; // counts as without adjacency
        name->uses[i].name = name;
        LIST_INSERT_HEAD(&a->uses, &name->uses[i], same);
        tnd_adjacency_want(n->cfg.adjacencies, &a->node.ip);
    }
}

static void drop_address(struct tnd_names *n, struct address *a)
{
    if (a->in_queue)
        TAILQ_REMOVE(&n->news, a, queued);
    tnd_addr_map_remove(&n->addresses, &a->node);
    free(a);
}

static void unuse_addresses(struct tnd_names *n, struct name *name)
{
    for (uint32_t i = 0; i < name->n_addresses; i++) {
        struct use *u = &name->uses[i];
        if (!u->name)
            continue;
        struct address *a =
            (struct address *)tnd_addr_map_find(&n->addresses, 0, &name->addresses[i].addr);
        if (a->telling == u)
            a->telling = LIST_NEXT(u, same);
        LIST_REMOVE(u, same);
        tnd_adjacency_unwant(n->cfg.adjacencies, &a->node.ip);
        if (LIST_EMPTY(&a->uses))
            drop_address(n, a);
    }
}

void tnd_names_adjacency(struct tnd_names *n, const struct tnd_addr *dst)
{
    struct address *a = (struct address *)tnd_addr_map_find(&n->addresses, 0, dst);

    if (!a)
        return;
    a->telling = LIST_FIRST(&a->uses); // those that come meanwhile know already
    if (!a->in_queue)
        TAILQ_INSERT_TAIL(&n->news, a, queued);
    a->in_queue = true;
    arm(n, 0);
}

// One address may be that of very many names.
static void tell_names(struct tnd_names *n, struct tnd_turn *turn)
{
    struct address *a;

    while ((a = TAILQ_FIRST(&n->news)) != NULL) {
        for (unsigned i = 0; a->telling; i++) {
            if (i % 16 == 0 && !tnd_turn_more(turn))
                return;
            mark_dirty(n, a->telling->name);
            a->telling = LIST_NEXT(a->telling, same);
        }
        TAILQ_REMOVE(&n->news, a, queued);
        a->in_queue = false;
    }
}

// ---- Specs --------------------------------------------------------------------------------

struct copy {
    struct tnd_spec_record *records;
    struct tnd_spec_address *addresses;
    struct use *uses;
    uint32_t n_addresses;
};

// One block: records, addresses, uses, host names.
static bool copy_spec(const struct tnd_set_spec *spec, struct copy *out)
{
    size_t addresses = 0, text = 0;
    char *at;

    for (uint32_t i = 0; i < spec->n_records; i++) {
        addresses += spec->records[i].n_addresses;
        text += spec->records[i].host.len;
    }
    out->records =
        calloc(1, spec->n_records * sizeof *out->records +
                      addresses * (sizeof *out->addresses + sizeof *out->uses) + text + 1);
    if (!out->records)
        return false;
    out->uses = (struct use *)(out->records + spec->n_records);
    out->addresses = (struct tnd_spec_address *)(out->uses + addresses);
    out->n_addresses = 0;
    at = (char *)(out->addresses + addresses);
    for (uint32_t i = 0; i < spec->n_records; i++) {
        const struct tnd_spec_record *r = &spec->records[i];
        out->records[i] = *r;
        out->records[i].host.p = memcpy(at, r->host.p, r->host.len);
        at += r->host.len;
        out->records[i].addresses = &out->addresses[out->n_addresses];
        for (uint16_t k = 0; k < r->n_addresses; k++)
            out->addresses[out->n_addresses++] = r->addresses[k];
    }
    return true;
}

// A target drained by hand stays so in the next version of its name.
static void keep_drained(const struct name *old, struct copy *new)
{
    for (uint32_t i = 0; i < old->n_addresses; i++)
        for (uint32_t k = 0; old->addresses[i].drained && k < new->n_addresses; k++)
            if (tnd_addr_same_ip(&old->addresses[i].addr, &new->addresses[k].addr))
                new->addresses[k].drained = true;
}

static void drop_name(struct tnd_names *n, struct name *name)
{
    struct name **slot = slot_of(n, name->text);
    struct tnd_names_walk *w;

    LIST_FOREACH(w, &n->walks, all)
    if (w->next == name)
        w->next = TAILQ_NEXT(name, all);
    set_state(n, name, CLEAN);
    unuse_addresses(n, name);
    tnd_table_remove(n->cfg.table, &name->digest);
    *slot = name->next;
    TAILQ_REMOVE(&n->all, name, all);
    free(name->records);
    free(name);
}

void tnd_names_update(struct tnd_names *n, const char *text, const struct tnd_set_spec *spec)
{
    struct name *name = spec ? find_or_make(n, text) : *slot_of(n, text), old;
    struct copy copy;

    if (!spec && name)
        drop_name(n, name);
    if (!spec || !name || !copy_spec(spec, &copy))
        return; // without memory the version before stands
    keep_drained(name, &copy);
    old = *name;
    name->records = copy.records;
    name->addresses = copy.addresses;
    name->uses = copy.uses;
    name->n_records = spec->n_records;
    name->n_addresses = copy.n_addresses;
    name->weight_zero = spec->weight_zero;
    name->since_ms = uv_now(n->cfg.loop);
    use_addresses(n, name); // before the old ones are let go: what stays is never unwanted
    // The old uses are linked by their own addresses, so they are undone from the old block.
    unuse_addresses(n, &(struct name){.addresses = old.addresses,
                                      .uses = old.uses,
                                      .n_addresses = old.n_addresses});
    free(old.records);
    mark_dirty(n, name);
}

// ---- Publishing ---------------------------------------------------------------------------

struct census {
    uint32_t usable, unresolved, targets;
};

static struct census look(struct tnd_names *n, struct name *name)
{
    struct census c = {0};

    for (uint32_t i = 0; i < name->n_records; i++)
        for (uint16_t k = 0; k < name->records[i].n_addresses; k++) {
            struct tnd_spec_address *a = (struct tnd_spec_address *)&name->records[i].addresses[k];
            enum tnd_adjacency_state s = tnd_adjacency_state(n->cfg.adjacencies, &a->addr);
            bool sendable = can_send(n, &name->records[i], &a->addr);
            a->down = !sendable || s != TND_ADJACENCY_USABLE;
            c.targets++;
            c.usable += !a->down;
            c.unresolved += sendable && s == TND_ADJACENCY_UNRESOLVED;
        }
    return c;
}

static bool must_wait(const struct tnd_names *n, const struct name *name, const struct census *c)
{
    uint64_t age_ms = uv_now(n->cfg.loop) - name->since_ms;

    if (c->unresolved == 0)
        return false;
    if (c->usable == 0 && !name->published)
        return true; // the kernel says FAILED after 3 s at the latest
    return age_ms < TND_NAMES_GRACE_MS;
}

// Returns: false when memory is short; it may be back by the next tick.
static bool publish(struct tnd_names *n, struct name *name)
{
    const struct tnd_set_spec spec = {name->records, name->n_records, name->weight_zero};

    if (tnd_table_publish(n->cfg.table, &name->digest, &spec) < 0)
        return false;
    name->published = true;
    tnd_dataplane_wake(n->cfg.dataplane, &name->digest);
    return true;
}

// A step of some microseconds: the set is built, compared and published.
static void serve(struct tnd_names *n, struct name *name)
{
    struct census c = look(n, name);

    set_state(n, name, WAITING);
    if (!must_wait(n, name, &c) && publish(n, name))
        set_state(n, name, CLEAN);
}

static void on_tick(uv_timer_t *t)
{
    struct tnd_names *n = t->data;
    struct tnd_turn turn = tnd_turn_begin(t->loop, "names");
    uint32_t waiting;
    bool more;

    tell_names(n, &turn);
    while (!TAILQ_EMPTY(&n->dirty) && tnd_turn_more(&turn))
        serve(n, TAILQ_FIRST(&n->dirty));
    // One that goes on waiting goes to the end: a crowd must not hide those behind it.
    for (waiting = n->n_waiting; waiting > 0 && tnd_turn_more(&turn); waiting--)
        serve(n, TAILQ_FIRST(&n->waiting));
    more = tnd_table_reclaim(n->cfg.table);
    tnd_dataplane_poll(n->cfg.dataplane);
    if (!TAILQ_EMPTY(&n->dirty) || !TAILQ_EMPTY(&n->news) || more)
        arm(n, 0);
    else if (!TAILQ_EMPTY(&n->waiting) || tnd_dataplane_retired(n->cfg.dataplane))
        arm(n, 5);
    else
        arm(n, 500); // what is retired elsewhere is not lost sight of
    tnd_turn_end(&turn);
}

static void arm(struct tnd_names *n, uint64_t after_ms)
{
    if (n->closing)
        return;
    if (uv_is_active((uv_handle_t *)&n->tick) && uv_timer_get_due_in(&n->tick) <= after_ms)
        return;
    uv_timer_start(&n->tick, on_tick, after_ms, 0);
}

uint32_t tnd_names_drain(struct tnd_names *n, const struct tnd_addr *target, bool drained)
{
    struct name *name;
    uint32_t names = 0;

    TAILQ_FOREACH(name, &n->all, all)
    {
        bool holds = false;
        for (uint32_t i = 0; i < name->n_addresses; i++)
            if (tnd_addr_same_ip(&name->addresses[i].addr, target)) {
                name->addresses[i].drained = drained;
                holds = true;
            }
        if (holds)
            mark_dirty(n, name);
        names += holds;
    }
    return names;
}

// ---- Showing --------------------------------------------------------------------------------

static const char *state_word(const struct tnd_target *t, bool standby)
{
    if (t->flags & TND_TARGET_DRAINED)
        return "draining";
    if (!(t->flags & TND_TARGET_USABLE))
        return "unusable";
    if (!(t->flags & TND_TARGET_LIVE))
        return "down";
    return standby ? "standby" : "up";
}

static uint32_t ttl_of(const struct name *name, const struct tnd_addr *addr)
{
    for (uint32_t i = 0; i < name->n_addresses; i++)
        if (tnd_addr_same_ip(&name->addresses[i].addr, addr))
            return name->addresses[i].ttl_s;
    return 0;
}

static json_t *target_json(const struct name *name, const struct tnd_target_set *set, uint32_t i,
                           tnd_names_count_cb count, void *ctx)
{
    const struct tnd_target *t = &tnd_set_targets(set)[i];
    const struct tnd_record *r = &tnd_set_records(set)[t->record];
    struct tnd_str host = tnd_set_host(set, r);
    const char *bar = strchr(name->text, '|');
    char ip[TND_ADDR_TEXT_MAX];

    tnd_addr_bare_text(&t->addr, ip);
    return json_pack("{s:s, s:s%, s:i, s:s, s:s, s:i, s:s%, s:i, s:I, s:f, s:I, s:s, s:I, s:I}",
                     "trunk", bar && bar[1] ? bar + 1 : "", "name", name->text,
                     bar ? (size_t)(bar - name->text) : strlen(name->text), "tier", (int)r->tier,
                     "transport", tnd_transport_name((enum tnd_transport)t->addr.transport),
                     "address", ip, "port", (int)t->addr.port, "host", host.p, host.len, "priority",
                     (int)r->priority, "weight", (json_int_t)r->weight, "share",
                     tnd_set_share(set, i), "ttl", (json_int_t)ttl_of(name, &t->addr), "state",
                     state_word(t, r->tier > set->best), "requests", (json_int_t)count(ctx, t->id),
                     "generation", (json_int_t)set->generation);
}

void tnd_names_walk_begin(struct tnd_names *n, struct tnd_names_walk *w)
{
    w->next = TAILQ_FIRST(&n->all);
    w->target = 0;
    w->end = n->came;
    LIST_INSERT_HEAD(&n->walks, w, all);
}

bool tnd_names_walk_next(const struct tnd_names *n, struct tnd_names_walk *w,
                         tnd_names_count_cb count, void *ctx, json_t *list)
{
    const struct name *name = w->next;

    if (!name || name->number >= w->end)
        return false;
    const struct tnd_target_set *set =
        tnd_table_lookup(n->cfg.table, &name->digest); // the writer's own look
    uint32_t targets = set ? set->n_targets : 0, stop = w->target + TARGETS_A_STEP;
    for (; w->target < targets && w->target < stop; w->target++)
        json_array_append_new(list, target_json(name, set, w->target, count, ctx));
    if (w->target < targets)
        return true;
    w->next = TAILQ_NEXT(name, all);
    w->target = 0;
    return true;
}

void tnd_names_walk_end(struct tnd_names_walk *w)
{
    LIST_REMOVE(w, all);
}

void tnd_names_live(const struct tnd_names *n, const char *text, uint32_t *targets, uint32_t *live)
{
    const struct name *name = *slot_of(n, text);
    const struct tnd_target_set *set = name ? tnd_table_lookup(n->cfg.table, &name->digest) : NULL;

    *targets = *live = 0;
    for (uint32_t i = 0; set && i < set->n_targets; i++) {
        ++*targets;
        *live += (tnd_set_targets(set)[i].flags & TND_TARGET_LIVE) != 0;
    }
}

// ---- Life -----------------------------------------------------------------------------------

struct tnd_names *tnd_names_open(const struct tnd_names_config *cfg)
{
    struct tnd_names *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    n->cfg = *cfg;
    TAILQ_INIT(&n->all);
    TAILQ_INIT(&n->dirty);
    TAILQ_INIT(&n->waiting);
    TAILQ_INIT(&n->news);
    uv_timer_init(cfg->loop, &n->tick);
    n->tick.data = n;
    return n;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void tnd_names_close(struct tnd_names *n)
{
    if (!n)
        return;
    n->closing = true;
    while (!TAILQ_EMPTY(&n->all))
        drop_name(n, TAILQ_FIRST(&n->all));
    tnd_addr_map_clear(&n->addresses);
    uv_close((uv_handle_t *)&n->tick, on_closed);
}
