// The engine under test: its stages over bursts, its table fed by the resolver's state machine.
//
// What the dataplane and control do around them is done here in the plainest way: a datagram
// waits for the next poll, which takes what has come by then as one burst; questions go to the
// zone's servers as events; a result is published with what is known of adjacencies.
#include "sim/node.h"

#define CARRIER_URI   "sip:sip.carrier.example"
#define REGISTRAR_URI "sip:reg.example;transport=udp"

#define RESOLVED_MAX 64

enum { CARRIER, REGISTRAR, PBX, NAT, SIX, BOX, PROXY, MUTE, N_TRUNKS };

static void die(const char *why)
{
    fprintf(stderr, "sim: %s\n", why);
    abort();
}

static uint64_t now_ms(const struct sim *s)
{
    return s->now_us / MS;
}

struct tnd_addr engine_addr(const struct sim_addr *a)
{
    struct tnd_addr out;

    memset(&out, 0, sizeof out);
    memcpy(out.ip, a->ip, sizeof out.ip);
    out.port = a->port;
    out.family = a->family;
    out.transport = TND_TRANSPORT_UDP;
    return out;
}

struct sim_addr plain_addr(const struct tnd_addr *a)
{
    struct sim_addr out;

    memset(&out, 0, sizeof out);
    memcpy(out.ip, a->ip, sizeof out.ip);
    out.port = a->port;
    out.family = a->family;
    return out;
}

// ---- The policy -----------------------------------------------------------------------------

static const struct {
    const char *addr, *advertise;
    uint16_t interface;
} listeners[N_LISTENERS] = {{"192.0.2.10:5060", "198.51.100.1:5060", 0},
                            {"10.0.0.1:5060", "10.0.0.1:5060", 1},
                            {"[2001:db8::10]:5060", "[2001:db8::10]:5060", 0}};

static void add_listeners(struct node_policy *p, unsigned turn)
{
    for (uint16_t i = 0; i < N_LISTENERS; i++) {
        struct tnd_listener *l = &p->listeners[(i + turn) % N_LISTENERS];
        struct sim_addr addr = addr_of(listeners[i].addr), adv = addr_of(listeners[i].advertise);
        l->addr = engine_addr(&addr);
        l->advertise = engine_addr(&adv);
        l->interface = listeners[i].interface;
        tnd_listener_name(l);
    }
}

// Its own address behind the 1:1 NAT is a name of it too, though nothing is sent there.
bool node_is_named(const struct sim_addr *a)
{
    struct sim_addr own = addr_of(listeners[0].addr);

    return node_listens(a) || same_addr(a, &own);
}

bool node_listens(const struct sim_addr *a)
{
    static struct sim_addr known[N_LISTENERS];

    for (int i = 0; i < N_LISTENERS; i++) {
        if (!known[i].family)
            known[i] = addr_of(listeners[i].advertise);
        if (same_addr(a, &known[i]))
            return true;
    }
    return false;
}

static uint16_t listener_of(const struct node_policy *p, const struct sim_addr *a)
{
    struct tnd_addr addr = engine_addr(a);

    for (uint16_t i = 0; i < N_LISTENERS; i++)
        if (tnd_addr_eq(&p->listeners[i].advertise, &addr))
            return i;
    die("a datagram to nobody");
    return 0;
}

static void add_trunk(struct node *n, struct tnd_trunk *t, const char *name, const char *uri,
                      uint16_t status)
{
    struct tnd_uri u;

    snprintf(t->name, sizeof t->name, "%s", name);
    t->id = tnd_trunk_id(name);
    t->exhausted = status;
    if (!tnd_uri_parse(uri, (struct tnd_span){0, (uint16_t)strlen(uri)}, &u) ||
        !tnd_next_hop_of_uri(uri, &u, tnd_str_of(name), &t->hop))
        die(uri);
    t->scheme = u.scheme;
    t->host_len = (uint16_t)snprintf(t->host, sizeof t->host, "%s", strchr(uri, ':') + 1);
    t->digest = tnd_name_digest(&n->keys.digest, (struct tnd_str){t->hop.name, t->hop.name_len});
}

// The addresses that the carrier's name stands for, those that linger too.
static uint32_t add_resolved(struct node *n, struct tnd_lpm_entry *entries, uint16_t carrier)
{
    struct tnd_source_list **lists = tnd_sources_hold(n->sources);
    uint32_t k = 0;

    if (!lists)
        die("no memory");
    for (; lists[0] && k < lists[0]->n && k < RESOLVED_MAX; k++) {
        entries[k].prefix.addr = lists[0]->list[k].ip;
        entries[k].prefix.bits = entries[k].prefix.addr.family == 4 ? 32 : 128;
        entries[k].value = carrier;
    }
    tnd_sources_release(lists, 1);
    return k;
}

static void add_sources(struct node *n, struct node_policy *p, const uint16_t at[N_TRUNKS])
{
    static const struct {
        const char *prefix;
        int trunk;
        uint16_t port;
    } sources[] = {{"203.0.113.96/27", CARRIER, 0}, // and `resolved`
                   {"10.0.0.0/16", PBX, 0},         {"10.0.1.0/24", BOX, 0},
                   {"10.0.2.9/32", PROXY, 5060}, // before the whole address, which is mute
                   {"10.0.2.9/32", MUTE, 0},        {"10.0.3.0/24", MUTE, 0},
                   {"100.64.0.0/16", NAT, 0},       {"2001:db8:6::/48", SIX, 0}};
    enum { N = sizeof sources / sizeof *sources };
    struct tnd_lpm_entry entries[N + RESOLVED_MAX];

    for (size_t i = 0; i < N; i++) {
        if (!tnd_prefix_parse(tnd_str_of(sources[i].prefix), &entries[i].prefix))
            die(sources[i].prefix);
        entries[i].prefix.addr.port = sources[i].port;
        entries[i].value = at[sources[i].trunk];
    }
    p->policy.sources = tnd_lpm_new(entries, N + add_resolved(n, entries + N, at[CARRIER]));
    if (!p->policy.sources)
        die("no memory");
}

struct rule {
    int from, to;
    const char *method, *user;
};

static const struct rule rules[] = {
    {PBX, REGISTRAR, "REGISTER", NULL}, {NAT, REGISTRAR, "REGISTER", NULL},
    {SIX, REGISTRAR, "REGISTER", NULL}, {PBX, CARRIER, NULL, NULL},
    {NAT, CARRIER, NULL, NULL},         {SIX, CARRIER, NULL, NULL},
    {CARRIER, PROXY, NULL, "hp*"},      {CARRIER, PROXY, NULL, "lp*"},
    {CARRIER, BOX, NULL, NULL},         {PROXY, PROXY, NULL, "lp*"},
    {PROXY, CARRIER, NULL, NULL},       {BOX, CARRIER, NULL, NULL},
};

static void add_rules(struct node_policy *p, const uint16_t at[N_TRUNKS])
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        p->rules[i] = (struct tnd_route_rule){.from = at[rules[i].from],
                                              .method = rules[i].method ? TND_METHOD_REGISTER
                                                                        : TND_METHOD_OTHER,
                                              .method_text = rules[i].method,
                                              .user = rules[i].user,
                                              .to = TND_ROUTE_TRUNK,
                                              .trunk = at[rules[i].to]};
}

// The same rules each time; listeners and trunks in an order turned by `turn`.
static void build_policy(struct node *n, struct node_policy *p, unsigned turn)
{
    static const struct {
        const char *name, *uri;
        uint16_t status;
    } trunks[N_TRUNKS] = {{"carrier", CARRIER_URI, 500},
                          {"registrar", REGISTRAR_URI, 500},
                          {"pbx", "sip:10.0.0.5:5060", 500},
                          {"nat", "sip:nat.example", 500},
                          {"six", "sip:[2001:db8:6::5]:5070", 503},
                          {"box", "sip:" BOX_ADDR, 500},
                          {"proxy", "sip:" PROXY_ADDR, 500},
                          {"mute", "sip:10.0.3.5", 500}};
    uint16_t at[N_TRUNKS];

    tnd_lpm_free(p->policy.sources);
    memset(p, 0, sizeof *p);
    add_listeners(p, turn);
    for (uint16_t i = 0; i < N_TRUNKS; i++) {
        at[i] = (uint16_t)((i + turn) % N_TRUNKS);
        add_trunk(n, &p->trunks[at[i]], trunks[i].name, trunks[i].uri, trunks[i].status);
    }
    add_rules(p, at);
    p->names[0] = "edge.example";
    p->policy = (struct tnd_policy){.generation = n->generation,
                                    .n_listeners = N_LISTENERS,
                                    .n_trunks = N_TRUNKS,
                                    .n_rules = sizeof rules / sizeof *rules,
                                    .n_names = 1,
                                    .listeners = p->listeners,
                                    .trunks = p->trunks,
                                    .rules = p->rules,
                                    .names = p->names};
    add_sources(n, p, at);
}

void node_rebuild(struct node *n)
{
    struct node_policy *p = &n->policies[++n->generation % 2];

    build_policy(n, p, n->turn);
    atomic_store(&n->current, &p->policy);
}

void node_reload(struct sim *s, struct node *n)
{
    (void)s;
    n->turn++;
    node_rebuild(n);
}

// ---- Life and death -------------------------------------------------------------------------

// What control knows of the carrier: its name is a source.
static const struct tnd_config_source resolved = {.resolved = true};
static const struct tnd_config_trunk carrier = {
    .sources = &resolved, .n_sources = 1, .source_linger_ms = LINGER_MS};
static const struct tnd_config config = {.trunks = &carrier, .n_trunks = 1};

static void start(struct sim *s, struct node *n)
{
    n->sources = tnd_sources_new(&config);
    if (!n->sources)
        die("no memory");
    node_rebuild(n);
    n->qsbr = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~(size_t)63);
    if (!n->qsbr || rte_rcu_qsbr_init(n->qsbr, 1) != 0)
        die("no memory");
    n->table = tnd_table_new(n->qsbr, 16);
    for (uint32_t w = 0; w < n->n_workers; w++) {
        struct tnd_engine_config cfg = {.keys = &n->keys,
                                        .policy = &n->current,
                                        .table = n->table,
                                        .transactions = 1u << 20,
                                        .parked = 4096,
                                        .park_for_ms = PARK_MS,
                                        .ringing_ms = 180000,
                                        .seed = w + n->incarnation};
        n->engine[w] = tnd_engine_new(&cfg);
        if (!n->engine[w])
            die("no memory");
    }
    node_names_start(s, n);
}

static void stop(struct node *n)
{
    node_names_stop(n);
    tnd_sources_free(n->sources);
    for (uint32_t w = 0; w < n->n_workers; w++)
        tnd_engine_free(n->engine[w]);
    tnd_table_free(n->table);
    free(n->qsbr);
    for (uint32_t i = 0; i < n->n_queued; i++)
        free(n->queued[i]);
    n->n_queued = 0;
    n->incarnation++;
}

static void on_tick(struct sim *s, void *who, uint64_t n);

struct node *node_new(struct sim *s, bool is_twin)
{
    struct node *n = calloc(1, sizeof *n);

    if (!n)
        die("no memory");
    n->is_twin = is_twin;
    n->random = s->seed + is_twin;
    n->n_workers = s->sc->workers ? s->sc->workers : 1;
    n->keys.digest = (struct tnd_hash_key){s->seed ^ 0x1122334455667788, 0x99aabbccddeeff00};
    n->keys.n_sign = 1;
    n->keys.sign[0] = (struct tnd_sign_key){7, {s->seed, 2}};
    start(s, n);
    sim_after(s, 50 * MS, on_tick, n, 0);
    return n;
}

void node_restart(struct sim *s, struct node *n)
{
    stop(n);
    start(s, n);
}

void node_rotate(struct sim *s, struct node *n)
{
    struct tnd_keys *k = &n->keys;

    k->sign[0] = k->sign[k->n_sign - 1]; // the current one and the one before
    k->sign[1] = (struct tnd_sign_key){(uint8_t)(k->sign[0].id + 1), {s->seed, s->now_us}};
    k->n_sign = 2;
    node_restart(s, n);
}

void node_free(struct node *n)
{
    stop(n);
    node_names_end(n);
    tnd_lpm_free(n->policies[0].policy.sources);
    tnd_lpm_free(n->policies[1].policy.sources);
    free(n);
}

// ---- The stages -----------------------------------------------------------------------------

static struct tnd_job *job_room(uint32_t i)
{
    static struct tnd_job jobs[TND_BURST]; // dirty on purpose: tnd_job_init writes all that is read

    return &jobs[i];
}

// The dataplane's part: 10/8 lies behind the inner interface, all else behind the outer one.
static void take_egress(struct node *n, struct tnd_job *job)
{
    bool inner = job->dst.family == 4 && job->dst.ip[0] == 10;

    if (job->verdict == TND_VERDICT_FORWARD && !job->egress_fixed)
        job->egress =
            tnd_egress_listener(atomic_load(&n->current), &job->dst, job->listener, inner);
}

static void take_outputs(struct sim *s, struct node *n, uint32_t w, struct tnd_job *job,
                         struct step *step)
{
    static struct tnd_out out;
    static char room[2][TND_SIP_MAX + 1];
    const struct node_policy *p = &n->policies[n->generation % 2];
    uint32_t n_out = job->n_out;

    if (job->verdict != TND_VERDICT_FORWARD && job->verdict != TND_VERDICT_ANSWER)
        return;
    for (uint32_t k = 0; k < n_out && k < 2; k++) {
        if (!tnd_stage_rewrite(n->engine[w], now_ms(s), job, k, &out))
            continue;
        struct step_out *o = &step->out[step->n_out++];
        o->len = (uint32_t)tnd_edit_write(&out.edit, room[k]);
        room[k][o->len] = 0;
        o->text = room[k];
        o->dst = plain_addr(&out.dst);
        o->src = plain_addr(&p->listeners[out.listener].advertise);
    }
}

static void finish(struct sim *s, struct node *n, uint32_t w, struct tnd_job *job, uint64_t number)
{
    static const char *const origins[] = {"wire", "parked", "expired"};
    const struct node_policy *p = &n->policies[n->generation % 2];
    const struct packet *packet = job->packet;
    static const struct sim_addr nowhere;
    // A CANCEL takes its INVITE's port on: what the engine was given counts.
    struct step step = {.src = packet ? packet->src : plain_addr(&job->src),
                        .dst = job->listener == TND_NO_LISTENER
                                   ? nowhere
                                   : plain_addr(&p->listeners[job->listener].advertise),
                        .text = job->data,
                        .len = job->len,
                        .origin = origins[job->origin],
                        .worker = w};

    take_egress(n, job);
    take_outputs(s, n, w, job, &step);
    step.verdict = tnd_verdict_name((enum tnd_verdict)job->verdict);
    step.reason = tnd_drop_name((enum tnd_drop)job->drop);
    tnd_job_count(n->engine[w], job);
    if (s->twin && !strcmp(step.origin, "wire"))
        node_compare(s, n, number, &step);
    if (n->is_twin)
        return;
    model_step(s, &step);
    for (uint32_t k = 0; k < step.n_out; k++)
        net_send(s, &step.out[k].src, &step.out[k].dst, step.out[k].text, step.out[k].len);
}

// Jobs of one owner, from the route stage on.
static void run_owned(struct sim *s, struct node *n, uint32_t w, struct tnd_job *const jobs[],
                      const uint64_t numbers[], uint32_t count)
{
    struct tnd_engine *e = n->engine[w];

    tnd_stage_route(e, now_ms(s), jobs, count);
    tnd_stage_pick(e, now_ms(s), jobs, count);
    tnd_stage_sign(e, jobs, count);
    for (uint32_t i = 0; i < count; i++)
        finish(s, n, w, jobs[i], numbers[i]);
    for (uint32_t i = 0; i < count; i++)
        tnd_engine_done(e, jobs[i]);
    node_names_wanted(s, n, e);
}

// Parse and digest where it came in, the rest where the call is owned.
static void run_burst(struct sim *s, struct node *n, uint32_t w, struct tnd_job *jobs[],
                      const uint64_t numbers[], uint32_t count)
{
    uint32_t of[TND_BURST];

    tnd_stage_parse(n->engine[w], jobs, count);
    tnd_stage_digest(n->engine[w], jobs, count);
    for (uint32_t i = 0; i < count; i++)
        of[i] = jobs[i]->verdict != TND_VERDICT_NONE ? w : tnd_job_owner(jobs[i], n->n_workers);
    for (uint32_t owner = 0; owner < n->n_workers; owner++) {
        struct tnd_job *owned[TND_BURST];
        uint64_t owned_numbers[TND_BURST];
        uint32_t k = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (of[i] != owner)
                continue;
            owned_numbers[k] = numbers[i];
            owned[k++] = jobs[i];
        }
        if (k)
            run_owned(s, n, owner, owned, owned_numbers, k);
    }
}

static void run_due(struct sim *s, struct node *n)
{
    struct tnd_job *jobs[TND_BURST];
    uint64_t none[TND_BURST] = {0};
    uint32_t count;

    for (uint32_t w = 0; w < n->n_workers; w++) {
        for (uint32_t i = 0; i < TND_BURST; i++)
            jobs[i] = job_room(i);
        while ((count = tnd_engine_due(n->engine[w], now_ms(s), jobs, TND_BURST)) > 0)
            run_burst(s, n, w, jobs, none, count);
    }
}

static void poll(struct sim *s, struct node *n)
{
    struct tnd_job *jobs[TND_BURST];
    uint64_t numbers[TND_BURST];
    uint32_t done = 0;

    run_due(s, n);
    while (done < n->n_queued) {
        uint32_t count = n->n_queued - done < TND_BURST ? n->n_queued - done : TND_BURST;
        for (uint32_t i = 0; i < count; i++) {
            struct packet *p = n->queued[done + i];
            struct tnd_addr src = engine_addr(&p->src);
            jobs[i] = job_room(i);
            numbers[i] = n->numbers[done + i];
            tnd_job_init(jobs[i], p->text, p->len, &src,
                         listener_of(&n->policies[n->generation % 2], &p->dst));
            jobs[i]->packet = p;
        }
        run_burst(s, n, (uint32_t)(numbers[0] % n->n_workers), jobs, numbers, count);
        done += count;
    }
    for (uint32_t i = 0; i < n->n_queued; i++)
        free(n->queued[i]);
    n->n_queued = 0;
    run_due(s, n);
}

static void on_poll(struct sim *s, void *who, uint64_t n)
{
    struct node *node = who;

    node->polls = false;
    poll(s, node);
}

static void on_tick(struct sim *s, void *who, uint64_t n)
{
    struct node *node = who;

    poll(s, node);
    if (tnd_sources_expire(node->sources, now_ms(s)))
        node_rebuild(node);
    node_names_run(s, node);
    while (tnd_table_reclaim(node->table))
        ;
    sim_after(s, 50 * MS, on_tick, node, 0);
}

void node_receive(struct sim *s, struct node *n, const struct packet *p)
{
    struct packet *copy = malloc(sizeof *p + p->len + 1);
    uint64_t us = test_random(&n->random) % 300;

    if (!copy)
        die("no memory");
    memcpy(copy, p, sizeof *p + p->len + 1);
    if (n->n_queued == NODE_QUEUE)
        poll(s, n);
    n->numbers[n->n_queued] = ++n->received;
    n->queued[n->n_queued++] = copy;
    if (n->polls)
        return;
    n->polls = true;
    if (test_random(&n->random) % 16 == 0)
        us += 4 * MS; // it slept
    sim_after(s, us, on_poll, n, 0);
}

// ---- Side by side -----------------------------------------------------------------------------

static uint64_t digest_of(const struct step *step)
{
    uint64_t h = 0xcbf29ce484222325; // FNV-1a

    for (uint32_t k = 0; k < step->n_out; k++) {
        for (size_t i = 0; i < sizeof step->out[k].dst; i++)
            h = (h ^ ((const uint8_t *)&step->out[k].dst)[i]) * 0x100000001b3;
        for (uint32_t i = 0; i < step->out[k].len; i++)
            h = (h ^ (uint8_t)step->out[k].text[i]) * 0x100000001b3;
    }
    return h;
}

// Two engines of the same keys do the same to the octet, but for what waits.
void node_compare(struct sim *s, struct node *n, uint64_t number, const struct step *step)
{
    struct node *other = n == s->twin ? s->node : s->twin;
    struct node_log *mine = &n->log[number % NODE_LOG], *its;

    mine->number = number;
    mine->comparable = step->n_out > 0;
    mine->digest = digest_of(step);
    its = other ? &other->log[number % NODE_LOG] : mine;
    if (its == mine || its->number != number || !its->comparable || !mine->comparable)
        return;
    n->compared++;
    if (its->digest != mine->digest)
        sim_violation(s, "the twins differ over %.40s (now to %s)", step->text,
                      addr_text(&step->out[0].dst));
}

uint64_t node_count(const struct node *n, const char *what)
{
    uint64_t sum = 0;

    if (strcmp(what, "compared") == 0)
        return n->compared;
    for (uint32_t w = 0; w < n->n_workers; w++)
        sum += strcmp(what, "unremembered") == 0 ? n->engine[w]->counters.unremembered
                                                 : n->engine[w]->counters.requests;
    return sum;
}
