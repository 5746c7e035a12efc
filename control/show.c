// What the control socket answers: `show`, as JSON with the words of the documentation.
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

// Addresses that two trunks claim, and who keeps each.
static json_t *conflicts_json(const struct tnd_control *c)
{
    json_t *list = json_array();
    char ip[TND_ADDR_TEXT_MAX];

    for (uint32_t i = 0; i < c->conflicts.n; i++) {
        const struct tnd_conflict *k = &c->conflicts.list[i];
        tnd_addr_bare_text(&k->ip, ip);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "address", ip, "kept_by",
                                              c->config->trunks[k->keeper].name.p,
                                              "also_claimed_by", c->config->trunks[k->loser].name.p,
                                              "because", tnd_conflict_reason(k)));
    }
    return list;
}

static json_t *show_trunks(struct tnd_control *c)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < c->config->n_trunks; i++)
        json_array_append_new(list, trunk_json(c, i));
    return json_pack("{s:o, s:o, s:I}", "trunks", list, "shared_sources", conflicts_json(c),
                     "shared_sources_left_out", (json_int_t)c->conflicts.left_out);
}

struct target_counts {
    struct tnd_target_counter list[TND_TARGETS_CNT];
    uint32_t n;
};

static uint64_t requests_of(void *ctx, uint64_t id)
{
    const struct target_counts *t = ctx;

    for (uint32_t i = 0; i < t->n; i++)
        if (t->list[i].id == id)
            return t->list[i].requests;
    return 0;
}

// A trunk whose uri is an address has one target that is in no table.
static void append_numeric(struct tnd_control *c, json_t *list, struct target_counts *counts)
{
    for (uint32_t i = 0; i < c->config->n_trunks; i++) {
        const struct tnd_config_trunk *t = &c->config->trunks[i];
        struct tnd_next_hop hop;
        char ip[TND_ADDR_TEXT_MAX];
        if (!tnd_next_hop_of_uri(t->uri.text.p, &t->uri.uri, t->name, &hop) || !hop.numeric.family)
            continue;
        tnd_addr_bare_text(&hop.numeric, ip);
        bool up = tnd_adjacency_state(c->adjacencies, &hop.numeric) == TND_ADJACENCY_USABLE;
        json_array_append_new(
            list,
            json_pack("{s:s%, s:s%, s:i, s:s, s:s, s:i, s:s, s:i, s:i, s:f, s:i, s:s, s:I}",
                      "trunk", t->name.p, t->name.len, "name", t->uri.text.p, t->uri.text.len,
                      "tier", 0, "transport",
                      tnd_transport_name((enum tnd_transport)hop.numeric.transport), "address", ip,
                      "port", (int)hop.numeric.port, "host", ip, "priority", 0, "weight", 1,
                      "share", 1.0, "ttl", 0, "state", up ? "up" : "down", "requests",
                      (json_int_t)requests_of(counts, tnd_target_id(&hop.numeric))));
    }
}

static json_t *show_targets(struct tnd_control *c)
{
    struct target_counts counts;

    counts.n = tnd_dataplane_targets(c->dataplane, counts.list, TND_TARGETS_CNT);
    json_t *list = tnd_names_json(c->names, requests_of, &counts);
    append_numeric(c, list, &counts);
    return json_pack("{s:o}", "targets", list);
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
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:f, s:I, s:I}", "callback", k->name, "turns",
                                        (json_int_t)k->turns, "longest_ms", ms_of(k->longest_ns),
                                        "longest_steps", (json_int_t)k->longest_steps, "over",
                                        (json_int_t)k->over));
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

static json_t *listeners_json(const struct tnd_config *k)
{
    json_t *list = json_array();
    char address[TND_ADDR_TEXT_MAX], advertise[TND_ADDR_TEXT_MAX];

    for (uint32_t i = 0; i < k->n_listeners; i++) {
        tnd_addr_text(&k->listeners[i].address, address);
        tnd_addr_text(&k->listeners[i].advertise, advertise);
        json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "address", address, "advertise",
                                              advertise, "dscp", (int)k->listeners[i].dscp));
    }
    return list;
}

static json_t *routes_json(const struct tnd_config *k)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < k->n_routes; i++) {
        const struct tnd_config_route *r = &k->routes[i];
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
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *interface_json(const struct tnd_control *c, uint16_t i)
{
    const struct tnd_config_interface *in = &c->config->interfaces[i];
    uint32_t frames, wanted;

    tnd_dataplane_rings(c->dataplane, i, &frames, &wanted);
    return json_pack("{s:o, s:o, s:i, s:i}", "name", text_json(in->name),
                     in->vdev.len ? "vdev" : "device",
                     text_json(in->vdev.len ? in->vdev : in->device), "rings", (int)in->rings,
                     "ring-frames", (int)frames);
}

static json_t *show_config(struct tnd_control *c)
{
    const struct tnd_config *k = c->config;
    json_t *interfaces = json_array(), *trunks = json_array();

    for (uint32_t i = 0; i < k->n_interfaces; i++)
        json_array_append_new(interfaces, interface_json(c, (uint16_t)i));
    for (uint32_t i = 0; i < k->n_trunks; i++)
        json_array_append_new(trunks, json_pack("{s:o, s:o, s:i, s:i}", "name",
                                                text_json(k->trunks[i].name), "uri",
                                                text_json(k->trunks[i].uri.text), "exhausted",
                                                (int)k->trunks[i].exhausted, "source-linger-ms",
                                                (int)k->trunks[i].source_linger_ms));
    return json_pack(
        "{s:{s:o, s:o, s:o, s:o, s:o, s:i, s:b, s:o, s:{s:i, s:i, s:i, s:i}, s:{s:i, s:i}, s:i}}",
        "config", "file", text_json(k->path), "interfaces", interfaces, "listen", listeners_json(k),
        "trunks", trunks, "routes", routes_json(k), "workers",
        (int)tnd_dataplane_workers(c->dataplane), "busy-poll", (int)k->busy_poll, "key-file",
        text_json(k->key_file), "limits", "transactions", (int)k->limits.transactions, "ringing-ms",
        (int)k->limits.ringing_ms, "parked", (int)k->limits.parked, "park-for-ms",
        (int)k->limits.park_for_ms, "dns", "timeout-ms", (int)k->dns.timeout_ms, "tries",
        (int)k->dns.tries, "policy-generation", (int)c->policy_generation);
}

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
    {"trunks", show_trunks},   {"targets", show_targets}, {"workers", show_workers},
    {"drops", show_drops},     {"memory", show_memory},   {"config", show_config},
    {"summary", show_summary},
};

json_t *tnd_control_answer(void *control, const json_t *request)
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
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (strcmp(topic, topics[i].topic) == 0)
            return topics[i].show(c);
    return json_pack("{s:s}", "error",
                     "no such topic; there are trunks, targets, workers, drops, memory, config");
}
