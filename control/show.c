// What the control socket answers: `show`, as JSON with the words of the documentation.
#include <stdlib.h>

#ifdef TND_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "control/control.h"

// ---- Counters of all workers ------------------------------------------------------------

struct totals {
    uint64_t requests, responses;
    uint64_t drop[TND_DROP_COUNT];
};

static void add_up(const struct tnd_control *c, struct totals *t)
{
    memset(t, 0, sizeof *t);
    for (uint16_t w = 0; w < tnd_dataplane_workers(c->dataplane); w++) {
        struct tnd_worker_stats s;
        tnd_dataplane_stats(c->dataplane, w, &s);
        t->requests += s.engine.requests;
        t->responses += s.engine.responses;
        for (int d = 0; d < TND_DROP_COUNT; d++)
            t->drop[d] += s.engine.drop[d];
    }
}

// ---- Topics of many -----------------------------------------------------------------------

// A list in an answer's text: what stands before it, and its entries. The last has none.
struct section {
    const char *before;
    uint32_t (*count)(const struct tnd_control *c); // may change from turn to turn
    json_t *(*entry)(const struct tnd_control *c, uint32_t i);
};

struct listing {
    const struct tnd_control *control;
    const struct section *section;
    uint32_t at;
    bool begun;
};

#define STEPS_AN_ENTRY 4 // of some microseconds each: JSON is slow

static bool next_entries(void *ctx, struct tnd_turn *turn, struct tnd_ctl_part *part)
{
    struct listing *l = ctx;

    while (tnd_turn_take(turn, STEPS_AN_ENTRY)) {
        if (!l->begun)
            tnd_ctl_part_text(part, l->section->before, strlen(l->section->before));
        l->begun = true;
        if (!l->section->entry)
            return false;
        if (l->at < l->section->count(l->control)) {
            if (l->at > 0)
                tnd_ctl_part_text(part, ",", 1);
            tnd_ctl_part_json(part, l->section->entry(l->control, l->at++));
            continue;
        }
        l->section++;
        l->at = 0;
        l->begun = false;
    }
    return true;
}

static json_t *show_listing(const struct tnd_control *c, const struct section *sections,
                            struct tnd_ctl_stream *stream)
{
    struct listing *l = calloc(1, sizeof *l);

    if (!l)
        return json_pack("{s:s}", "error", "out of memory");
    *l = (struct listing){.control = c, .section = sections};
    stream->next = next_entries;
    stream->end = free;
    stream->ctx = l;
    return NULL;
}

// ---- Topics -----------------------------------------------------------------------------

static json_t *trunk_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_config_trunk *t = &c->config->trunks[i];
    struct tnd_trunk_counter n;
    struct tnd_next_hop hop;
    uint32_t targets = 1, live = 1;

    tnd_dataplane_trunk(c->dataplane, (uint16_t)i, &n);
    tnd_next_hop_of_uri(t->uri.text.p, &t->uri.uri, t->name, &hop);
    if (hop.numeric.family) {
        live = tnd_adjacency_state(c->adjacencies, &hop.numeric) == TND_ADJACENCY_USABLE;
    } else {
        char name[TND_NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", hop.name_len, hop.name);
        tnd_names_live(c->names, name, &targets, &live);
    }
    return json_pack("{s:s%, s:s%, s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "name", t->name.p,
                     t->name.len, "uri", t->uri.text.p, t->uri.text.len, "targets", (int)targets,
                     "live", (int)live, "requests_in", (json_int_t)n.requests_in, "requests_out",
                     (json_int_t)n.requests_out, "responses_out", (json_int_t)n.responses_out,
                     "answered", (json_int_t)n.answered, "dropped", (json_int_t)n.dropped);
}

// An address that two trunks claim, and who keeps it.
static json_t *conflict_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_conflict *k = &c->conflicts.list[i];
    char ip[TND_ADDR_TEXT_MAX];

    tnd_addr_bare_text(&k->ip, ip);
    return json_pack("{s:s, s:s, s:s, s:s}", "address", ip, "kept_by",
                     c->config->trunks[k->keeper].name.p, "also_claimed_by",
                     c->config->trunks[k->loser].name.p, "because", tnd_conflict_reason(k));
}

static uint32_t n_trunks(const struct tnd_control *c)
{
    return c->config->n_trunks;
}

static uint32_t n_conflicts(const struct tnd_control *c)
{
    return c->conflicts.n;
}

static uint32_t one(const struct tnd_control *c)
{
    (void)c;
    return 1;
}

static json_t *left_out_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return json_integer((json_int_t)c->conflicts.left_out);
}

static const struct section trunks_sections[] = {
    {"{\"trunks\":[", n_trunks, trunk_json},
    {"],\"shared_sources\":[", n_conflicts, conflict_json},
    {"],\"shared_sources_left_out\":", one, left_out_json},
    {"}", NULL, NULL},
};

// `show targets` may name thousands: it goes out in parts, names first, then numeric trunks.
struct targets {
    struct tnd_control *control;
    struct tnd_names_walk walk;
    uint32_t trunk; // the next that may have an address for a uri
    bool begun, named, any;
    uint32_t n_counters;
    struct tnd_target_counter counters[TND_TARGETS_CNT]; // by id
};

static int compare_counters(const void *a, const void *b)
{
    const struct tnd_target_counter *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static uint64_t requests_of(void *ctx, uint64_t id)
{
    const struct targets *t = ctx;
    const struct tnd_target_counter key = {.id = id};
    const struct tnd_target_counter *found =
        bsearch(&key, t->counters, t->n_counters, sizeof key, compare_counters);

    return found ? found->requests : 0;
}

// A trunk whose uri is an address has one target that is in no table.
static void append_numeric(struct targets *t, uint32_t i, json_t *list)
{
    struct tnd_control *c = t->control;
    const struct tnd_config_trunk *k = &c->config->trunks[i];
    struct tnd_next_hop hop;
    char ip[TND_ADDR_TEXT_MAX];

    if (!tnd_next_hop_of_uri(k->uri.text.p, &k->uri.uri, k->name, &hop) || !hop.numeric.family)
        return;
    tnd_addr_bare_text(&hop.numeric, ip);
    bool up = tnd_adjacency_state(c->adjacencies, &hop.numeric) == TND_ADJACENCY_USABLE;
    json_array_append_new(
        list,
        json_pack("{s:s%, s:s%, s:i, s:s, s:s, s:i, s:s, s:i, s:i, s:f, s:i, s:s, s:I}", "trunk",
                  k->name.p, k->name.len, "name", k->uri.text.p, k->uri.text.len, "tier", 0,
                  "transport", tnd_transport_name((enum tnd_transport)hop.numeric.transport),
                  "address", ip, "port", (int)hop.numeric.port, "host", ip, "priority", 0, "weight",
                  1, "share", 1.0, "ttl", 0, "state", up ? "up" : "down", "requests",
                  (json_int_t)requests_of(t, tnd_target_id(&hop.numeric))));
}

static void put_list(struct targets *t, struct tnd_ctl_part *part, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (t->any)
            tnd_ctl_part_text(part, ",", 1);
        t->any = true;
        tnd_ctl_part_json(part, json_incref(json_array_get(list, i)));
    }
    json_decref(list);
}

// Returns: false when there is no further target.
static bool next_target(struct targets *t, json_t *list)
{
    if (!t->named && tnd_names_walk_next(t->control->names, &t->walk, requests_of, t, list))
        return true;
    t->named = true;
    if (t->trunk == t->control->config->n_trunks)
        return false;
    append_numeric(t, t->trunk++, list);
    return true;
}

#define STEPS_A_NAME 8

static bool next_targets(void *ctx, struct tnd_turn *turn, struct tnd_ctl_part *part)
{
    static const char begin[] = "{\"targets\":[", end[] = "]}";
    struct targets *t = ctx;

    if (!t->begun)
        tnd_ctl_part_text(part, begin, sizeof begin - 1);
    t->begun = true;
    while (tnd_turn_take(turn, STEPS_A_NAME)) {
        json_t *list = json_array();
        bool more = next_target(t, list);
        put_list(t, part, list);
        if (more)
            continue;
        tnd_ctl_part_text(part, end, sizeof end - 1);
        return false;
    }
    return true;
}

static void end_targets(void *ctx)
{
    struct targets *t = ctx;

    tnd_names_walk_end(&t->walk);
    free(t);
}

static json_t *show_targets(struct tnd_control *c, struct tnd_ctl_stream *stream)
{
    struct targets *t = calloc(1, sizeof *t);

    if (!t)
        return json_pack("{s:s}", "error", "out of memory");
    t->control = c;
    t->n_counters = tnd_dataplane_targets(c->dataplane, t->counters, TND_TARGETS_CNT);
    qsort(t->counters, t->n_counters, sizeof *t->counters, compare_counters);
    tnd_names_walk_begin(c->names, &t->walk);
    *stream = (struct tnd_ctl_stream){next_targets, end_targets, t};
    return NULL;
}

static json_t *stages_json(const struct tnd_control *c, const struct tnd_worker_stats *s)
{
    json_t *stages = json_object();
    double hz = (double)tnd_dataplane_hz(c->dataplane);

    for (int i = 0; i < TND_STAGE_COUNT; i++)
        json_object_set_new(stages, tnd_stage_name((enum tnd_stage)i),
                            json_real((double)s->io.cycles[i] / hz));
    return stages;
}

static json_t *worker_json(const struct tnd_control *c, uint16_t w)
{
    struct tnd_worker_stats s;
    json_t *o;

    tnd_dataplane_stats(c->dataplane, w, &s);
    o = json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "worker", (int)w,
                  "cpu", s.cpu == UINT16_MAX ? -1 : (int)s.cpu, "requests",
                  (json_int_t)s.engine.requests, "responses", (json_int_t)s.engine.responses,
                  "rx_packets", (json_int_t)s.io.rx_packets, "tx_packets",
                  (json_int_t)s.io.tx_packets, "given", (json_int_t)s.io.given, "taken",
                  (json_int_t)s.io.taken, "foreign", (json_int_t)s.io.foreign, "parked",
                  (json_int_t)s.park.waiting, "unremembered", (json_int_t)s.engine.unremembered);
    json_object_update_new(
        o, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "to_kernel",
                     (json_int_t)s.io.to_kernel, "fragments_in", (json_int_t)s.io.fragments_in,
                     "reassembled", (json_int_t)s.io.reassembled, "fragments_out",
                     (json_int_t)s.io.fragments_out, "vlan", (json_int_t)s.io.vlan, "new_calls",
                     (json_int_t)s.engine.new_calls, "sleeps", (json_int_t)s.io.sleeps,
                     "stage_seconds", stages_json(c, &s)));
    return o;
}

// All workers together. The stages' seconds add up to the workers' own.
static json_t *show_stages(struct tnd_control *c)
{
    double hz = (double)tnd_dataplane_hz(c->dataplane);
    uint64_t cycles[TND_STAGE_COUNT] = {0}, elapsed = 0, messages = 0;
    json_t *list = json_array();

    for (uint16_t w = 0; w < tnd_dataplane_workers(c->dataplane); w++) {
        struct tnd_worker_stats s;
        tnd_dataplane_stats(c->dataplane, w, &s);
        for (int i = 0; i < TND_STAGE_COUNT; i++) {
            cycles[i] += s.io.cycles[i];
            elapsed += s.io.cycles[i]; // not what was stamped later: shares add up to 1
        }
        messages += s.io.jobs;
    }
    for (int i = 0; i < TND_STAGE_COUNT; i++) {
        double seconds = (double)cycles[i] / hz;
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:f, s:f, s:s}", "stage", tnd_stage_name((enum tnd_stage)i),
                            "seconds", seconds, "share",
                            elapsed ? (double)cycles[i] / (double)elapsed : 0.0, "ns_per_message",
                            messages ? seconds * 1e9 / (double)messages : 0.0, "what",
                            tnd_stage_what((enum tnd_stage)i)));
    }
    return json_pack("{s:o, s:f, s:I, s:i}", "stages", list, "seconds", (double)elapsed / hz,
                     "messages", (json_int_t)messages, "workers",
                     (int)tnd_dataplane_workers(c->dataplane));
}

static double ms_of(uint64_t ns)
{
    return (double)ns / 1e6;
}

// The control thread: its turns by kind, the longest of each. `over`: longer than 2 ms.
static json_t *control_json(const struct tnd_control *c)
{
    const struct tnd_meter_kind *longest = tnd_meter_longest(&c->meter);
    json_t *list = json_array();

    for (uint32_t i = 0; i < c->meter.n; i++) {
        const struct tnd_meter_kind *k = &c->meter.kinds[i];
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:f, s:f, s:I, s:I}", "callback", k->name, "turns",
                            (json_int_t)k->turns, "longest_ms", ms_of(k->longest_ns),
                            "longest_cpu_ms", ms_of(k->longest_cpu_ns), "longest_steps",
                            (json_int_t)k->longest_steps, "over", (json_int_t)k->over));
    }
    return json_pack("{s:f, s:s, s:o}", "longest_ms", longest ? ms_of(longest->longest_ns) : 0.0,
                     "longest_callback", longest ? longest->name : "", "callbacks", list);
}

static json_t *show_workers(struct tnd_control *c)
{
    json_t *list = json_array();

    for (uint16_t w = 0; w < tnd_dataplane_workers(c->dataplane); w++)
        json_array_append_new(list, worker_json(c, w));
    return json_pack("{s:o, s:o}", "workers", list, "control", control_json(c));
}

static json_t *show_drops(struct tnd_control *c)
{
    json_t *list = json_array();
    struct totals t;

    add_up(c, &t);
    for (int d = TND_DROP_NONE + 1; d < TND_DROP_COUNT; d++)
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:s, s:s}", "reason", tnd_drop_name((enum tnd_drop)d),
                            "count", (json_int_t)t.drop[d], "what", tnd_drop_what((enum tnd_drop)d),
                            "remedy", tnd_drop_remedy((enum tnd_drop)d)));
    return json_pack("{s:o}", "drops", list);
}

// 0 with a sanitizer, which brings an allocator of its own.
static json_int_t heap_figure(const char *name)
{
    size_t v = 0;
#ifdef TND_JEMALLOC
    size_t len = sizeof v;
    if (mallctl(name, &v, &len, NULL, 0) != 0)
        return 0;
#endif
    return (json_int_t)v;
}

// jemalloc's figures are those of the last epoch.
static void renew_heap_figures(void)
{
#ifdef TND_JEMALLOC
    uint64_t epoch = 1;
    size_t len = sizeof epoch;

    mallctl("epoch", &epoch, &len, &epoch, len);
#endif
}

static json_t *show_memory(struct tnd_control *c)
{
    struct tnd_table_stats t;
    struct tnd_follow_stats f;

    renew_heap_figures();
    tnd_table_stats(c->table, &t);
    tnd_resolver_stats(c->resolver, &f);
    return json_pack("{s:{s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I}, "
                     "s:{s:I, s:I, s:I, s:I}}}",
                     "memory", "heap", "allocated", heap_figure("stats.allocated"), "active",
                     heap_figure("stats.active"), "resident", heap_figure("stats.resident"),
                     "mapped", heap_figure("stats.mapped"), "table", "names", (json_int_t)t.names,
                     "cells", (json_int_t)t.cells, "sets", (json_int_t)t.sets, "bytes",
                     (json_int_t)t.bytes, "retired_bytes", (json_int_t)t.retired_bytes,
                     "transactions", "entries_per_worker",
                     (json_int_t)c->config->limits.transactions, "bytes_per_worker",
                     (json_int_t)c->config->limits.transactions * 32, "resolver", "names",
                     (json_int_t)f.names, "brought", (json_int_t)f.strangers, "crowded_out",
                     (json_int_t)f.crowded_out, "record_sets", (json_int_t)f.entries);
}

static json_t *text_json(struct tnd_str s)
{
    return json_stringn(s.p ? s.p : "", s.len);
}

static json_t *listener_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_config_listener *l = &c->config->listeners[i];
    char address[TND_ADDR_TEXT_MAX], advertise[TND_ADDR_TEXT_MAX];

    tnd_addr_text(&l->address, address);
    tnd_addr_text(&l->advertise, advertise);
    return json_pack("{s:s, s:s, s:i}", "address", address, "advertise", advertise, "dscp",
                     (int)l->dscp);
}

static json_t *route_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_config_route *r = &c->config->routes[i];
    json_t *o = json_pack("{s:i}", "line", (int)r->pos.line);

    if (r->from_name.len)
        json_object_set_new(o, "from", text_json(r->from_name));
    if (r->user.len)
        json_object_set_new(o, "user", text_json(r->user));
    if (r->domain.len)
        json_object_set_new(o, "domain", text_json(r->domain));
    if (r->method.text.len)
        json_object_set_new(o, "method", text_json(r->method.text));
    if (r->to == TND_ROUTE_REPLY)
        json_object_set_new(o, "reply", json_integer((json_int_t)r->reply));
    else
        json_object_set_new(o, "to", text_json(r->to_name));
    return o;
}

static json_t *interface_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_config_interface *in = &c->config->interfaces[i];
    uint32_t frames, wanted;

    tnd_dataplane_rings(c->dataplane, (uint16_t)i, &frames, &wanted);
    return json_pack("{s:o, s:o, s:i, s:i}", "name", text_json(in->name),
                     in->vdev.len ? "vdev" : "device",
                     text_json(in->vdev.len ? in->vdev : in->device), "rings", (int)in->rings,
                     "ring-frames", (int)frames);
}

static json_t *configured_trunk_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_config_trunk *t = &c->config->trunks[i];

    return json_pack("{s:o, s:o, s:i, s:i}", "name", text_json(t->name), "uri",
                     text_json(t->uri.text), "exhausted", (int)t->exhausted, "source-linger-ms",
                     (int)t->source_linger_ms);
}

static json_t *file_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return text_json(c->config->path);
}

static json_t *workers_count_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return json_integer(tnd_dataplane_workers(c->dataplane));
}

static json_t *busy_poll_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return json_boolean(c->config->busy_poll);
}

static json_t *key_file_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return text_json(c->config->key_file);
}

static json_t *limits_json(const struct tnd_control *c, uint32_t i)
{
    const struct tnd_config_limits *l = &c->config->limits;

    (void)i;
    return json_pack("{s:i, s:i, s:i, s:i}", "transactions", (int)l->transactions, "ringing-ms",
                     (int)l->ringing_ms, "parked", (int)l->parked, "park-for-ms",
                     (int)l->park_for_ms);
}

static json_t *dns_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return json_pack("{s:i, s:i}", "timeout-ms", (int)c->config->dns.timeout_ms, "tries",
                     (int)c->config->dns.tries);
}

static json_t *generation_json(const struct tnd_control *c, uint32_t i)
{
    (void)i;
    return json_integer((json_int_t)c->policy_generation);
}

static uint32_t n_interfaces(const struct tnd_control *c)
{
    return c->config->n_interfaces;
}

static uint32_t n_listeners(const struct tnd_control *c)
{
    return c->config->n_listeners;
}

static uint32_t n_routes(const struct tnd_control *c)
{
    return c->config->n_routes;
}

static const struct section config_sections[] = {
    {"{\"config\":{\"file\":", one, file_json},
    {",\"interfaces\":[", n_interfaces, interface_json},
    {"],\"listen\":[", n_listeners, listener_json},
    {"],\"trunks\":[", n_trunks, configured_trunk_json},
    {"],\"routes\":[", n_routes, route_json},
    {"],\"workers\":", one, workers_count_json},
    {",\"busy-poll\":", one, busy_poll_json},
    {",\"key-file\":", one, key_file_json},
    {",\"limits\":", one, limits_json},
    {",\"dns\":", one, dns_json},
    {",\"policy-generation\":", one, generation_json},
    {"}}", NULL, NULL},
};

// One line of totals for the live view.
static json_t *show_summary(struct tnd_control *c)
{
    struct totals t;
    uint64_t drops = 0;

    add_up(c, &t);
    for (int d = 0; d < TND_DROP_COUNT; d++)
        drops += t.drop[d];
    return json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I}}", "summary", "up_ms",
                     (json_int_t)(uv_now(c->loop) - c->started_ms), "requests",
                     (json_int_t)t.requests, "responses", (json_int_t)t.responses, "drops",
                     (json_int_t)drops, "kernel_sent", (json_int_t)c->kernel_sent, "icmp_errors",
                     (json_int_t)c->icmp_errors);
}

// ---- Requests -----------------------------------------------------------------------------

static const struct {
    const char *topic;
    json_t *(*show)(struct tnd_control *c);
} topics[] = {
    {"workers", show_workers}, {"stages", show_stages},   {"drops", show_drops},
    {"memory", show_memory},   {"summary", show_summary},
};

json_t *tnd_control_answer(void *control, const json_t *request, struct tnd_ctl_stream *stream)
{
    struct tnd_control *c = control;
    const char *command = json_string_value(json_object_get(request, "command"));
    const char *topic = json_string_value(json_object_get(request, "topic"));

    if (command && strcmp(command, "stop") == 0) {
        c->on_stop(c->on_stop_ctx);
        return json_pack("{s:b}", "stopping", 1);
    }
    if (!command || strcmp(command, "show") != 0 || !topic)
        return json_pack("{s:s}", "error", "no such command; there are 'show' and 'stop'");
    if (strcmp(topic, "targets") == 0)
        return show_targets(c, stream);
    if (strcmp(topic, "trunks") == 0)
        return show_listing(c, trunks_sections, stream);
    if (strcmp(topic, "config") == 0)
        return show_listing(c, config_sections, stream);
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (strcmp(topic, topics[i].topic) == 0)
            return topics[i].show(c);
    return json_pack("{s:s}", "error",
                     "no such topic; there are trunks, targets, workers, drops, memory, config");
}
