// Names of the engine under test: the resolver's state machine, asked and answered by events.
#include "sim/node.h"
#include "unit/dns_zone.h"

#define TIMEOUT_MS 2500
#define IDLE_MS    45000 // short, so that names come and go

// One question on its way to a server and back.
struct question {
    LIST_ENTRY(question) all;
    struct node *node;
    struct tnd_dns_entry *entry;
    uint32_t incarnation;
    uint64_t asked_us;
    const struct zone *zone; // what answers it; NULL: nothing does
    enum tnd_dns_outcome failure;
};

static uint64_t now_ms(const struct sim *s)
{
    return s->now_us / MS;
}

// ---- Results --------------------------------------------------------------------------------

static struct node_name *name_of(struct node *n, const char *name)
{
    for (uint32_t i = 0; i < n->n_names; i++)
        if (strcmp(n->names[i].name, name) == 0)
            return &n->names[i];
    if (n->n_names == NODE_NAMES)
        abort();
    struct node_name *x = &n->names[n->n_names++];
    memset(x, 0, sizeof *x);
    snprintf(x->name, sizeof x->name, "%s", name);
    x->digest = tnd_name_digest(&n->keys.digest, tnd_str_of(x->name));
    return x;
}

static void keep(struct node_name *x, const struct tnd_set_spec *spec)
{
    if (spec->n_records > NODE_RECORDS)
        abort();
    x->n = spec->n_records;
    for (uint32_t i = 0; i < spec->n_records; i++) {
        const struct tnd_spec_record *r = &spec->records[i];
        x->record[i] = *r;
        snprintf(x->host[i], sizeof x->host[i], "%.*s", (int)r->host.len, r->host.p);
        x->record[i].host = tnd_str_of(x->host[i]);
        x->record[i].addresses = x->address[i];
        if (r->n_addresses > 4)
            abort();
        memcpy(x->address[i], r->addresses, r->n_addresses * sizeof *r->addresses);
    }
}

static bool is_down(const struct node *n, const struct tnd_addr *a)
{
    struct sim_addr plain = plain_addr(a);

    for (uint32_t i = 0; i < n->n_down; i++)
        if (same_ip(&n->down[i], &plain))
            return true;
    return false;
}

static void publish(struct node *n, struct node_name *x)
{
    struct tnd_set_spec spec = {.records = x->record, .n_records = x->n};

    for (uint32_t i = 0; i < x->n; i++)
        for (uint16_t k = 0; k < x->record[i].n_addresses; k++)
            x->address[i][k].down = is_down(n, &x->address[i][k].addr);
    if (tnd_table_publish(n->table, &x->digest, &spec) != 0)
        abort();
    for (uint32_t w = 0; w < n->n_workers; w++)
        tnd_park_wake(n->engine[w]->park, &x->digest);
}

void node_adjacency(struct sim *s, struct node *n, const struct sim_addr *ip, bool usable)
{
    uint32_t i = 0;

    while (i < n->n_down && !same_ip(&n->down[i], ip))
        i++;
    if (usable && i < n->n_down)
        n->down[i] = n->down[--n->n_down];
    else if (!usable && i == n->n_down)
        n->down[n->n_down++] = *ip;
    for (i = 0; i < n->n_names; i++)
        if (n->names[i].n)
            publish(n, &n->names[i]);
}

static void take_results(struct sim *s, struct node *n)
{
    struct tnd_follow_result r;

    while (tnd_follow_result(n->follow, now_ms(s), &r)) {
        struct node_name *x = name_of(n, r.name);
        if (r.gone) {
            tnd_table_remove(n->table, &x->digest);
            x->n = 0;
            if (!n->is_twin)
                model_gone(s, r.name);
            continue;
        }
        keep(x, &r.located->spec);
        if (strncmp(r.name, "sip:sip.carrier.example|", 24) == 0 &&
            tnd_sources_update(n->sources, 0, &r.located->spec, now_ms(s)))
            node_rebuild(n);
        publish(n, x);
        if (!n->is_twin)
            sim_trace(s, "names: %s has %u targets%s", r.name, r.located->n_targets,
                      r.located->complete ? "" : ", more are awaited");
    }
}

// ---- Questions ------------------------------------------------------------------------------

static void on_answer(struct sim *s, void *who, uint64_t unused)
{
    struct question *q = who;
    struct node *n = q->node;
    struct tnd_dns_entry *e = q->entry;
    struct tnd_dns_answer *a;

    if (q->incarnation == n->incarnation) {
        if (!n->is_twin)
            sim_trace(s, "dns: %s %s: %s after %llu ms", e->name, tnd_dns_type_name(e->type),
                      q->zone ? "told" : tnd_dns_outcome_code(q->failure),
                      (unsigned long long)((s->now_us - q->asked_us) / MS));
        a = q->zone ? zone_ask(q->zone->text, e->name, e->type, false)
                    : tnd_dns_no_answer(q->failure, e->type);
        if (!n->is_twin)
            model_told(s, e->name, tnd_dns_type_name(e->type),
                       !a || !tnd_dns_is_answer((enum tnd_dns_outcome)a->outcome) ? MODEL_FAILED
                       : a->outcome == TND_DNS_POSITIVE                           ? MODEL_GOOD
                                                                                  : MODEL_NONE,
                       q->zone);
        tnd_follow_answer(n->follow, e, a, (uint32_t)(s->now_us - q->asked_us), now_ms(s));
        node_names_run(s, n);
    }
    LIST_REMOVE(q, all);
    free(q);
}

// The question is at the server.
static void on_question(struct sim *s, void *who, uint64_t way_us)
{
    struct question *q = who;

    switch (dns_state(s->zones)) {
    case DNS_WELL:
        q->zone = zone_now(s->zones);
        break;
    case DNS_SLOW:
        q->zone = zone_now(s->zones);
        way_us += 300 * MS + test_random(&q->node->random) % (2000 * MS);
        break;
    case DNS_REFUSING:
        q->failure = TND_DNS_REFUSED;
        break;
    case DNS_SILENT:
        q->failure = TND_DNS_TIMEOUT;
        way_us += TIMEOUT_MS * MS;
    }
    sim_after(s, way_us, on_answer, q, 0);
}

static void on_wake(struct sim *s, void *who, uint64_t at_us)
{
    struct node *n = who;

    if (n->wakes_us == at_us) {
        n->wakes_us = 0;
        node_names_run(s, n);
    }
}

static void ask(struct sim *s, struct node *n)
{
    struct tnd_dns_entry *e;

    while ((e = tnd_follow_question(n->follow, now_ms(s))) != NULL) {
        struct question *q = calloc(1, sizeof *q);
        uint64_t way_us = 500 + test_random(&n->random) % (10 * MS);
        if (!q)
            abort();
        *q = (struct question){
            .node = n, .entry = e, .incarnation = n->incarnation, .asked_us = s->now_us};
        LIST_INSERT_HEAD(&n->asked, q, all);
        sim_after(s, way_us, on_question, q, way_us);
    }
}

void node_names_run(struct sim *s, struct node *n)
{
    uint64_t ms, at_us;

    do {
        take_results(s, n);
        ask(s, n);
        ms = tnd_follow_wake_ms(n->follow);
    } while (ms <= now_ms(s) && ms == 0);
    if (ms == TND_DNS_NEVER)
        return;
    at_us = ms * MS <= s->now_us ? s->now_us + MS : ms * MS;
    if (n->wakes_us && n->wakes_us <= at_us)
        return;
    n->wakes_us = at_us;
    sim_at(s, at_us, on_wake, n, at_us);
}

// ---- Names ----------------------------------------------------------------------------------

static void follow(struct sim *s, struct node *n, const char *name, bool pinned)
{
    static const struct tnd_locate_policy policy = {0};
    struct tnd_next_hop_parts parts;
    struct tnd_locate_hop hop = {0};

    if (!tnd_next_hop_parse(tnd_str_of(name), &parts))
        abort();
    snprintf(hop.host, sizeof hop.host, "%.*s", (int)sizeof hop.host - 1, parts.host);
    hop.port = parts.port;
    hop.transport = parts.transport;
    hop.sips = parts.sips;
    if (!tnd_follow_add(n->follow, name, &hop, &policy, pinned, NULL, now_ms(s)))
        abort();
}

void node_names_wanted(struct sim *s, struct node *n, struct tnd_engine *e)
{
    for (uint32_t i = 0; i < e->n_wants; i++) {
        char name[TND_NAME_MAX + 1];
        memcpy(name, e->wants[i].name, e->wants[i].len);
        name[e->wants[i].len] = 0;
        if (!n->is_twin)
            sim_trace(s, "names: %s is wanted", name);
        if (!tnd_follow_touch(n->follow, name, now_ms(s)))
            follow(s, n, name, false);
    }
    if (e->n_wants)
        node_names_run(s, n);
    e->n_wants = 0;
}

void node_names_start(struct sim *s, struct node *n)
{
    struct tnd_follow_options o = {.key = {s->seed, 2},
                                   .seed = n->random,
                                   .limits = TND_DNS_LIMITS_DEFAULT,
                                   .window = 100,
                                   .patience_ms = TND_FOLLOW_PATIENCE_MS,
                                   .idle_ms = IDLE_MS};

    n->follow = tnd_follow_new(&o);
    if (!n->follow)
        abort();
    n->wakes_us = 0;
    n->n_names = 0;
    for (uint32_t i = 0; i < N_POLICY_TRUNKS; i++)
        if (!n->policies[n->generation % 2].trunks[i].hop.numeric.family &&
            n->policies[n->generation % 2].trunks[i].hop.name_len) {
            const struct tnd_next_hop *h = &n->policies[n->generation % 2].trunks[i].hop;
            char name[TND_NAME_MAX + 1];
            snprintf(name, sizeof name, "%.*s", h->name_len, h->name);
            follow(s, n, name, true);
        }
    node_names_run(s, n);
}

void node_names_stop(struct node *n)
{
    tnd_follow_free(n->follow);
}

void node_names_end(struct node *n)
{
    struct question *q;

    while ((q = LIST_FIRST(&n->asked)) != NULL) {
        LIST_REMOVE(q, all);
        free(q);
    }
}
