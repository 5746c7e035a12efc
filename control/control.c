#include "control/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/keyfile.h"
#include "control/table_memory.h"

#define ADJACENCY_WAIT_MS 2000
#define CONFLICTS_TOLD    8  // of one change; all are in `show trunks`
#define PACKETS_A_TURN    64 // of one doorbell callback: about half a millisecond

// A file that was read without error fits: nothing is left to refuse here.
_Static_assert(TND_CONFIG_INTERFACES_MAX <= TND_INTERFACES_MAX, "see config.h");
_Static_assert(TND_CONFIG_SERVERS_MAX <= TND_ASKER_SERVERS_MAX, "see config.h");
_Static_assert(TND_CONFIG_WORKERS_MAX <= TND_WORKERS_MAX, "see config.h");

static void say(const char *text)
{
    fprintf(stderr, "tandem: %s\n", text);
}

// ---- Policy -------------------------------------------------------------------------------

// The interface a listener belongs to, where the kernel knows it and the file does not.
static void place_listeners(const struct tnd_control *c, struct tnd_policy *p)
{
    for (uint16_t i = 0; i < p->n_listeners; i++) {
        int at = tnd_adjacency_interface_of(c->adjacencies, &p->listeners[i].addr);
        if (at >= 0)
            c->interface_of[i] = (uint16_t)at; // else where it was: the link may be down
        p->listeners[i].interface = c->interface_of[i];
    }
}

// Both trunks by name, the address, and what to do: told once when it begins and when it ends.
static void on_conflict(void *ctx, const struct tnd_conflict *conflict, bool begun)
{
    struct tnd_control *c = ctx;
    const char *keeper = c->config->trunks[conflict->keeper].name.p;
    const char *loser = c->config->trunks[conflict->loser].name.p;
    char ip[TND_ADDR_TEXT_MAX];

    if (c->conflicts_told++ >= CONFLICTS_TOLD)
        return;
    tnd_addr_bare_text(&conflict->ip, ip);
    if (begun)
        fprintf(
            stderr,
            "tandem: warning: shared-source: %s: trunks '%s' and '%s' both claim it; '%s' keeps "
            "it (%s); correct one of the zones, or give it to one as a prefix\n",
            ip, keeper, loser, keeper, tnd_conflict_reason(conflict));
    else
        fprintf(stderr, "tandem: shared-source: %s: no longer between '%s' and '%s' (%s)\n", ip,
                keeper, loser, tnd_conflict_reason(conflict));
}

static void tell_conflicts(struct tnd_control *c, struct tnd_conflicts *now)
{
    c->conflicts_told = 0;
    tnd_conflicts_compare(&c->conflicts, now, on_conflict, c);
    if (c->conflicts_told > CONFLICTS_TOLD)
        fprintf(stderr, "tandem: warning: shared-source: %u more; see `tandem ctl show trunks`\n",
                c->conflicts_told - CONFLICTS_TOLD);
    tnd_conflicts_free(&c->conflicts);
    c->conflicts = *now;
}

static struct tnd_policy_job *begin_policy(struct tnd_control *c)
{
    c->policy_job_version = tnd_sources_version(c->sources);
    return tnd_policy_job_new(c->config, c->policy_parts, c->sources, c->policy_generation + 1);
}

static void publish_policy(struct tnd_control *c, struct tnd_policy_job *job)
{
    struct tnd_conflicts conflicts;
    struct tnd_policy *p = tnd_policy_job_take(job, &conflicts);

    c->policy_generation = p->generation;
    place_listeners(c, p);
    tnd_dataplane_publish_policy(c->dataplane, p, tnd_policy_free);
    tell_conflicts(c, &conflicts);
}

static int publish_first_policy(struct tnd_control *c, struct tnd_error *err)
{
    struct tnd_policy_job *job;

    c->policy_parts = tnd_policy_parts_new(c->config, &c->keys, err);
    if (!c->policy_parts)
        return -TND_ENOMEM;
    job = begin_policy(c);
    if (!job)
        return tnd_fail(err, TND_ENOMEM, "policy: out of memory");
    tnd_policy_job_step(job, NULL);
    publish_policy(c, job);
    return 0;
}

static void on_policy_work(uv_timer_t *t);

// However many names change at once, one version follows, and building takes a fifth of the
// time at most.
static void republish_policy(struct tnd_control *c)
{
    uint64_t now = uv_now(c->loop);

    if (c->policy_generation == 0 || !c->doorbell_open)
        return; // the first one will have it all; or the end is near
    if (!uv_is_active((uv_handle_t *)&c->policy_work))
        uv_timer_start(&c->policy_work, on_policy_work,
                       c->policy_not_before_ms > now ? c->policy_not_before_ms - now : 0, 0);
}

static void work_on_policy(struct tnd_control *c, struct tnd_turn *turn)
{
    if (!c->policy_job) {
        c->policy_began_ms = uv_now(c->loop);
        c->policy_job = begin_policy(c);
    }
    if (!c->policy_job) { // memory is short: the policy before stands
        c->policy_not_before_ms = uv_now(c->loop) + 1000;
        republish_policy(c);
    } else if (tnd_policy_job_step(c->policy_job, turn)) {
        c->policy_not_before_ms = uv_now(c->loop) + 4 * (uv_now(c->loop) - c->policy_began_ms);
        publish_policy(c, c->policy_job);
        c->policy_job = NULL;
        if (c->policy_job_version != tnd_sources_version(c->sources))
            republish_policy(c); // what came meanwhile
    } else {
        uv_timer_start(&c->policy_work, on_policy_work, 0, 0);
    }
}

static void on_policy_work(uv_timer_t *t)
{
    struct tnd_control *c = t->data;
    struct tnd_turn turn = tnd_turn_begin(c->loop, "policy");

    work_on_policy(c, &turn);
    tnd_turn_end(&turn);
}

// Lingering sources leave in their own time; a second early or late is nothing in a day.
static void on_second(uv_timer_t *t)
{
    struct tnd_control *c = t->data;

    tnd_usage_tick(&c->usage, uv_hrtime() / 1000000);
    if (tnd_sources_expire(c->sources, uv_now(c->loop)))
        republish_policy(c);
}

// ---- Names --------------------------------------------------------------------------------

// user: trunk index + 1, or NULL for a name that a request brought.
static void on_resolved(void *ctx, const char *name, void *user, const struct tnd_located *l)
{
    struct tnd_control *c = ctx;
    uint32_t trunk = (uint32_t)(uintptr_t)user - 1;

    tnd_names_update(c->names, name, l ? &l->spec : NULL);
    if (user && l && tnd_sources_update(c->sources, trunk, &l->spec, uv_now(c->loop)))
        republish_policy(c);
}

static void follow(struct tnd_control *c, struct tnd_str name, enum tnd_weight_zero weight_zero,
                   void *user)
{
    const struct tnd_locate_policy policy = {.weight_zero = weight_zero};
    char text[TND_NAME_MAX + 1];

    snprintf(text, sizeof text, "%.*s", (int)name.len, name.p);
    tnd_resolver_follow(c->resolver, text, &policy, user != NULL, user);
}

static int follow_trunk(struct tnd_control *c, uint32_t i, struct tnd_error *err)
{
    const struct tnd_config_trunk *t = &c->config->trunks[i];
    struct tnd_next_hop hop;

    if (!tnd_next_hop_of_uri(t->uri.text.p, &t->uri.uri, t->name, &hop))
        return tnd_fail(err, TND_ECONFIG, "trunk '%.*s': its uri names no host", (int)t->name.len,
                        t->name.p);
    if (hop.numeric.family) {
        tnd_sources_fix(c->sources, i, &hop.numeric);
        tnd_adjacency_want(c->adjacencies, &hop.numeric);
        return 0;
    }
    follow(c, (struct tnd_str){hop.name, hop.name_len}, (enum tnd_weight_zero)t->weight_zero,
           (void *)(uintptr_t)(i + 1));
    return 0;
}

// ---- What workers ask for -----------------------------------------------------------------

static struct tnd_guard *guard_of(struct tnd_control *c, const struct tnd_addr *local)
{
    for (uint32_t i = 0; i < c->config->n_listeners; i++) {
        const struct tnd_addr *a = c->guards[i] ? tnd_guard_local(c->guards[i]) : NULL;
        if (a && tnd_addr_same_ip(a, local) && a->port == local->port)
            return c->guards[i];
    }
    return NULL;
}

// The kernel is the slow path: what has no neighbour yet leaves through the guard socket, and
// the kernel is asked for the neighbour, so that the next packet is ours again.
static void send_by_kernel(struct tnd_control *c, const struct tnd_kernel_packet *p)
{
    struct tnd_guard *g = guard_of(c, &p->src);

    tnd_adjacency_poke(c->adjacencies, &p->dst);
    if (g && tnd_guard_send(g, p->data, p->len, &p->dst) == 0)
        c->kernel_sent++;
    else
        c->kernel_refused++;
}

static void ring_again(const struct tnd_control *c)
{
    const uint64_t one = 1;

    if (write(tnd_dataplane_doorbell(c->dataplane), &one, sizeof one) < 0)
        say("doorbell: cannot be rung; packets for the kernel wait for the next");
}

// Names workers ask for, each of which is looked up and made. Returns: false when there are more.
static bool take_wants(struct tnd_control *c, struct tnd_turn *turn)
{
    struct tnd_want want;

    while (tnd_turn_more(turn)) {
        if (!tnd_dataplane_take_want(c->dataplane, &want))
            return true;
        enum tnd_weight_zero zero =
            want.trunk == TND_NO_TRUNK
                ? TND_WEIGHT_ZERO_LAST_RESORT
                : (enum tnd_weight_zero)c->config->trunks[want.trunk].weight_zero;
        void *user = want.trunk == TND_NO_TRUNK ? NULL : (void *)(uintptr_t)(want.trunk + 1u);
        if (!user)
            tnd_usage_came(&c->usage, uv_hrtime() / 1000000);
        follow(c, (struct tnd_str){want.name, want.len}, zero, user);
    }
    return false;
}

static void on_doorbell(uv_poll_t *h, int status, int events)
{
    struct tnd_control *c = h->data;
    struct tnd_turn turn = tnd_turn_begin(c->loop, "workers' requests");
    struct tnd_kernel_packet packet;
    int n = 0;

    tnd_dataplane_hush(c->dataplane);
    for (; n < PACKETS_A_TURN && tnd_dataplane_take_packet(c->dataplane, &packet); n++)
        send_by_kernel(c, &packet);
    if (!take_wants(c, &turn) || n == PACKETS_A_TURN)
        ring_again(c); // there may be more, of which nobody rings
    tnd_turn_end(&turn);
}

// ---- Adjacencies and guards ---------------------------------------------------------------

static void on_adjacency_table(void *ctx, struct tnd_adjacency_table *table)
{
    struct tnd_control *c = ctx;

    c->adjacency_known = true;
    tnd_dataplane_publish_adjacency(c->dataplane, table);
}

static void on_adjacency_change(void *ctx, const struct tnd_addr *dst,
                                enum tnd_adjacency_state state, enum tnd_adjacency_result why)
{
    struct tnd_control *c = ctx;

    if (c->names)
        tnd_names_adjacency(c->names, dst);
}

static void on_adjacency_complaint(void *ctx, const char *text)
{
    say(text);
}

static const struct tnd_adjacency_ops adjacency_ops = {on_adjacency_table, on_adjacency_change,
                                                       on_adjacency_complaint};

static void describe_port(const struct tnd_config_interface *in, struct tnd_adjacency_port *out,
                          struct tnd_prefix *addresses, struct tnd_static_neighbour *neighbours)
{
    out->device = in->device.len ? in->device.p : NULL;
    memcpy(out->mac, in->mac.octets, sizeof out->mac);
    for (uint32_t k = 0; k < in->n_addresses; k++)
        addresses[k] = (struct tnd_prefix){in->addresses[k].addr, in->addresses[k].bits};
    for (uint32_t k = 0; k < in->n_neighbours; k++) {
        neighbours[k].ip = in->neighbours[k].addr;
        memcpy(neighbours[k].mac, in->neighbours[k].mac.octets, 6);
    }
    out->addresses = addresses;
    out->neighbours = neighbours;
    out->n_addresses = in->n_addresses;
    out->n_neighbours = in->n_neighbours;
}

static int open_adjacencies(struct tnd_control *c, struct tnd_error *err)
{
    const struct tnd_config *k = c->config;
    struct tnd_adjacency_port ports[TND_INTERFACES_MAX] = {0};
    struct tnd_prefix *addresses[TND_INTERFACES_MAX] = {0};
    struct tnd_static_neighbour *neighbours[TND_INTERFACES_MAX] = {0};
    const struct tnd_adjacency_config cfg = {.ports = ports, .n_ports = k->n_interfaces};
    int rc = -TND_ENOMEM;

    for (uint32_t i = 0; i < k->n_interfaces; i++) {
        addresses[i] = calloc(k->interfaces[i].n_addresses + 1u, sizeof **addresses);
        neighbours[i] = calloc(k->interfaces[i].n_neighbours + 1u, sizeof **neighbours);
        if (!addresses[i] || !neighbours[i])
            goto out;
        describe_port(&k->interfaces[i], &ports[i], addresses[i], neighbours[i]);
    }
    rc = tnd_adjacency_open(c->loop, &cfg, &adjacency_ops, c, &c->adjacencies, err);
out:
    for (uint32_t i = 0; i < k->n_interfaces; i++) {
        free(addresses[i]);
        free(neighbours[i]);
    }
    return rc;
}

static void on_deadline(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h);
}

// Start-up alone runs the loop here: policy and names need to know the kernel's state.
static int wait_for_kernel(struct tnd_control *c, struct tnd_error *err)
{
    uv_timer_t *deadline = calloc(1, sizeof *deadline);
    bool late = false;

    if (!deadline)
        return -TND_ENOMEM;
    uv_timer_init(c->loop, deadline);
    deadline->data = &late;
    uv_timer_start(deadline, on_deadline, ADJACENCY_WAIT_MS, 0);
    while (!c->adjacency_known && !late)
        uv_run(c->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)deadline, on_timer_closed);
    if (c->adjacency_known)
        return 0;
    return tnd_fail(err, TND_ETIMEDOUT, "netlink: the kernel did not list its routes within %d s",
                    ADJACENCY_WAIT_MS / 1000);
}

static void on_icmp(void *ctx, const struct tnd_guard_report *r)
{
    struct tnd_control *c = ctx;

    c->icmp_errors++; // a hint that failover will use; here it is shown
}

static const struct tnd_guard_ops guard_ops = {on_icmp};

static int open_guards(struct tnd_control *c, struct tnd_error *err)
{
    c->guards = calloc(c->config->n_listeners + 1u, sizeof *c->guards);
    c->interface_of = calloc(c->config->n_listeners + 1u, sizeof *c->interface_of);
    if (!c->guards || !c->interface_of)
        return -TND_ENOMEM;
    for (uint32_t i = 0; i < c->config->n_listeners; i++) {
        const struct tnd_config_listener *l = &c->config->listeners[i];
        int at = tnd_adjacency_interface_of(c->adjacencies, &l->address), rc;
        char text[TND_ADDR_TEXT_MAX];
        tnd_addr_text(&l->address, text);
        if (at < 0)
            return tnd_fail(err, TND_ECONFIG,
                            "%.*s:%u:%u: listen: udp:%s: no interface of this file has that "
                            "address; add it there, or name the interface that has it",
                            (int)c->config->path.len, c->config->path.p, l->pos.line, l->pos.column,
                            text);
        if (c->config->interfaces[at].device.len == 0)
            continue; // no kernel behind it
        rc = tnd_guard_open(c->loop, &l->address, (uint8_t)l->dscp, &guard_ops, c, &c->guards[i],
                            err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// ---- Data plane -----------------------------------------------------------------------------

static uint16_t auto_workers(const struct tnd_config *k)
{
    uv_cpu_info_t *info;
    int cores = 1;
    uint32_t n;

    if (uv_cpu_info(&info, &cores) == 0)
        uv_free_cpu_info(info, cores);
    n = cores > 2 ? (uint32_t)cores - 1 : 1;
    for (uint32_t i = 0; i < k->n_interfaces; i++) // each worker needs a transmit queue
        if (k->interfaces[i].rings && n > k->interfaces[i].rings)
            n = k->interfaces[i].rings;
    return (uint16_t)(n < TND_WORKERS_MAX ? n : TND_WORKERS_MAX);
}

// A shallow ring loses what comes while its worker is away for long: say so before it does.
static void tell_small_rings(const struct tnd_control *c, uint16_t i)
{
    const struct tnd_config_interface *in = &c->config->interfaces[i];
    uint32_t frames, wanted;
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

    tnd_dataplane_rings(c->dataplane, i, &frames, &wanted);
    if (frames >= wanted)
        return;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    fprintf(stderr,
            "tandem: warning: small-rings: interfaces.%s: %u frames a ring instead of %u: the "
            "process may lock ",
            in->name.p, frames, wanted);
    if (limit.rlim_cur == RLIM_INFINITY)
        fprintf(stderr, "no more memory");
    else
        fprintf(stderr, "%llu KB of memory", (unsigned long long)limit.rlim_cur / 1024);
    fprintf(stderr, "; bursts of more are lost: raise LimitMEMLOCK= (`ulimit -l`) or give it "
                    "CAP_IPC_LOCK\n");
}

static int open_dataplane(struct tnd_control *c, struct tnd_error *err)
{
    const struct tnd_config *k = c->config;
    struct tnd_interface_config interfaces[TND_INTERFACES_MAX] = {0};
    struct tnd_dataplane_config cfg = {
        .interfaces = interfaces,
        .n_interfaces = (uint16_t)k->n_interfaces,
        .workers = k->workers ? (uint16_t)k->workers : auto_workers(k),
        .busy_poll = k->busy_poll,
        .engine = {.keys = &c->keys,
                   .transactions = k->limits.transactions,
                   .parked = k->limits.parked,
                   .park_for_ms = k->limits.park_for_ms,
                   .ringing_ms = k->limits.ringing_ms,
                   .seed = c->keys.digest.k0},
    };

    for (uint32_t i = 0; i < k->n_interfaces; i++) {
        const struct tnd_config_interface *in = &k->interfaces[i];
        interfaces[i].name = in->name.p;
        interfaces[i].device = in->device.len ? in->device.p : NULL;
        interfaces[i].vdev = in->vdev.len ? in->vdev.p : NULL;
        memcpy(interfaces[i].mac, in->mac.octets, sizeof interfaces[i].mac);
        interfaces[i].rings = (uint16_t)in->rings;
    }
    c->dataplane = tnd_dataplane_new(&cfg, err);
    if (!c->dataplane)
        return -TND_EIO;
    for (uint16_t i = 0; i < cfg.n_interfaces; i++)
        tell_small_rings(c, i);
    return 0;
}

// ---- Resolver -------------------------------------------------------------------------------

static uint64_t last_used_ms(void *ctx, const char *name)
{
    return tnd_usage_last_ms(&((struct tnd_control *)ctx)->usage, name);
}

static int open_resolver(struct tnd_control *c, struct tnd_error *err)
{
    const struct tnd_config_dns *d = &c->config->dns;
    struct tnd_resolver_options o;

    tnd_resolver_defaults(&o);
    if (d->n_servers) {
        memcpy(o.ask.servers, d->servers, d->n_servers * sizeof *d->servers);
        o.ask.n_servers = d->n_servers;
    }
    o.ask.timeout_ms = d->timeout_ms;
    o.ask.tries = d->tries;
    o.last_used_ms = last_used_ms;
    o.cb = on_resolved;
    o.user = c;
    c->resolver = tnd_resolver_new(c->loop, &o, err);
    return c->resolver ? 0 : -TND_EIO;
}

static uint8_t listener_families(const struct tnd_config *k)
{
    uint8_t f = 0;

    for (uint32_t i = 0; i < k->n_listeners; i++)
        f |= k->listeners[i].address.family == 4 ? 1 : 2;
    return f;
}

static int open_names(struct tnd_control *c, struct tnd_error *err)
{
    const struct tnd_names_config cfg = {
        .loop = c->loop,
        .dataplane = c->dataplane,
        .table = c->table,
        .digest_key = &c->keys.digest,
        .adjacencies = c->adjacencies,
        .families = listener_families(c->config),
    };

    c->names = tnd_names_open(&cfg);
    return c->names ? 0 : tnd_fail(err, TND_ENOMEM, "names: out of memory");
}

// ---- Life -----------------------------------------------------------------------------------

static int open_keys(struct tnd_control *c, struct tnd_error *err)
{
    const char *path = c->config->key_file.len ? c->config->key_file.p : NULL;

    if (!path)
        say("key-file: none is configured, so the keys are random: answers in flight and "
            "running dialogs will not survive a restart; name one to keep them");
    return tnd_keyfile_load(path, &c->keys, err);
}

static int open_doorbell(struct tnd_control *c, struct tnd_error *err)
{
    int rc = uv_poll_init(c->loop, &c->doorbell, tnd_dataplane_doorbell(c->dataplane));

    if (rc < 0)
        return tnd_fail(err, TND_EIO, "doorbell: %s", uv_strerror(rc));
    c->doorbell_open = true;
    c->doorbell.data = c;
    uv_poll_start(&c->doorbell, UV_READABLE, on_doorbell);
    uv_timer_init(c->loop, &c->second);
    c->second.data = c;
    uv_timer_start(&c->second, on_second, 1000, 1000);
    uv_timer_init(c->loop, &c->policy_work);
    c->policy_work.data = c;
    if (c->policy_job_version != tnd_sources_version(c->sources))
        republish_policy(c); // a name was resolved since the first version
    return 0;
}

static int open_ctl(struct tnd_control *c, struct tnd_error *err)
{
    return tnd_ctl_server_open(c->loop, c->config->control_socket.p, tnd_control_answer, c, &c->ctl,
                               err);
}

static int start(struct tnd_control *c, struct tnd_error *err)
{
    int rc = 0;

    if ((rc = open_keys(c, err)) < 0 || (rc = open_dataplane(c, err)) < 0)
        return rc;
    c->table = tnd_table_new_with(
        tnd_dataplane_qsbr(c->dataplane),
        &(struct tnd_table_config){.names_hint = 1024, .mem = tnd_table_memory()});
    c->sources = tnd_sources_new(c->config);
    if (!c->table || !c->sources)
        return tnd_fail(err, TND_ENOMEM, "table: out of memory");
    tnd_usage_init(&c->usage, c->table, &c->keys.digest, uv_hrtime() / 1000000);
    if ((rc = open_adjacencies(c, err)) < 0 || (rc = wait_for_kernel(c, err)) < 0 ||
        (rc = open_guards(c, err)) < 0 || (rc = open_names(c, err)) < 0 ||
        (rc = open_resolver(c, err)) < 0)
        return rc;
    for (uint32_t i = 0; i < c->config->n_trunks && rc == 0; i++)
        rc = follow_trunk(c, i, err);
    if (rc < 0 || (rc = publish_first_policy(c, err)) < 0)
        return rc;
    if ((rc = tnd_dataplane_start(c->dataplane, c->table, err)) < 0 ||
        (rc = open_doorbell(c, err)) < 0)
        return rc;
    return open_ctl(c, err);
}

int tnd_control_open(struct tnd_control *c, uv_loop_t *loop, struct tnd_config *config,
                     struct tnd_error *err)
{
    int rc;

    c->loop = loop;
    loop->data = &c->meter;
    c->config = config;
    c->started_ms = uv_now(loop);
    err->text[0] = 0;
    rc = start(c, err);
    if (rc < 0 && err->text[0] == 0)
        tnd_fail(err, -rc, "start: %s", strerror(-rc));
    if (rc < 0)
        tnd_control_close(c);
    return rc;
}

// Workers first: nothing may read what is taken down after them.
void tnd_control_close(struct tnd_control *c)
{
    tnd_ctl_server_close(c->ctl);
    if (c->dataplane)
        tnd_dataplane_stop(c->dataplane);
    if (c->doorbell_open) {
        uv_close((uv_handle_t *)&c->doorbell, NULL);
        uv_close((uv_handle_t *)&c->second, NULL);
        uv_close((uv_handle_t *)&c->policy_work, NULL);
    }
    if (c->resolver)
        tnd_resolver_close(c->resolver);
    tnd_names_close(c->names);
    for (uint32_t i = 0; c->guards && i < c->config->n_listeners; i++)
        if (c->guards[i])
            tnd_guard_close(c->guards[i], NULL, NULL);
    if (c->adjacencies)
        tnd_adjacency_close(c->adjacencies, NULL, NULL);
    c->ctl = NULL;
    c->resolver = NULL;
    c->names = NULL;
    c->adjacencies = NULL;
    c->doorbell_open = false;
}

void tnd_control_free(struct tnd_control *c)
{
    if (c->table)
        tnd_table_free(c->table);
    if (c->dataplane)
        tnd_dataplane_free(c->dataplane);
    tnd_dataplane_cleanup();
    tnd_policy_job_free(c->policy_job);
    tnd_policy_parts_drop(c->policy_parts);
    tnd_conflicts_free(&c->conflicts);
    tnd_sources_free(c->sources);
    free(c->guards);
    free(c->interface_of);
    tnd_config_free(c->config);
}
