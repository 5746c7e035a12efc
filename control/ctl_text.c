#include "control/ctl_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "control/table.h"
#include "control/units.h"

unsigned tnd_ctl_width(FILE *out)
{
    struct winsize w;

    return ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col >= 20 ? w.ws_col : TND_TABLE_WIDTH;
}

// ---- Cells ------------------------------------------------------------------------------

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static uint64_t number_of(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

// Cells of one row, each with room for a formatted number.
struct row {
    char text[TND_TABLE_COLUMNS_MAX][160];
    const char *cell[TND_TABLE_COLUMNS_MAX];
    unsigned n;
};

static void put(struct row *r, const char *text)
{
    snprintf(r->text[r->n], sizeof r->text[0], "%s", text);
    r->cell[r->n] = r->text[r->n];
    r->n++;
}

static void put_total(struct row *r, const json_t *o, const char *key)
{
    char text[TND_UNITS_MAX];

    put(r, tnd_units_total(number_of(o, key), text));
}

static void print_list(const struct tnd_column *columns, unsigned n, const json_t *list,
                       void (*fill)(struct row *r, const json_t *item), FILE *out)
{
    struct tnd_table_text *t = tnd_table_text_new(columns, n);
    const json_t *item;
    size_t i;

    json_array_foreach((json_t *)list, i, item)
    {
        struct row r = {.n = 0};
        fill(&r, item);
        if (r.n)
            tnd_table_text_row(t, r.cell);
    }
    tnd_table_text_print(t, tnd_ctl_width(out), out);
    tnd_table_text_free(t);
}

#define PRINT(columns, list, fill, out) \
    print_list(columns, sizeof(columns) / sizeof *(columns), list, fill, out)

// ---- Topics -----------------------------------------------------------------------------

static void trunk_row(struct row *r, const json_t *o)
{
    char live[32];

    snprintf(live, sizeof live, "%" PRIu64 " of %" PRIu64, number_of(o, "live"),
             number_of(o, "targets"));
    put(r, text_of(o, "name"));
    put(r, text_of(o, "uri"));
    put(r, live);
    put_total(r, o, "requests_in");
    put_total(r, o, "requests_out");
    put_total(r, o, "answered");
    put_total(r, o, "dropped");
}

static void shared_source_row(struct row *r, const json_t *o)
{
    put(r, text_of(o, "address"));
    put(r, text_of(o, "kept_by"));
    put(r, text_of(o, "also_claimed_by"));
    put(r, text_of(o, "because"));
}

static void show_shared_sources(const json_t *answer, FILE *out)
{
    static const struct tnd_column columns[] = {{"SHARED SOURCE", TND_LEFT, 0},
                                                {"KEPT BY", TND_LEFT, 8},
                                                {"ALSO CLAIMED BY", TND_LEFT, 8},
                                                {"BECAUSE", TND_LEFT, 12}};
    uint64_t left_out = number_of(answer, "shared_sources_left_out");

    fputc('\n', out);
    PRINT(columns, json_object_get(answer, "shared_sources"), shared_source_row, out);
    if (left_out)
        fprintf(out, "and %" PRIu64 " more\n", left_out);
}

static void show_trunks(const json_t *answer, FILE *out)
{
    static const struct tnd_column columns[] = {
        {"TRUNK", TND_LEFT, 8},        {"URI", TND_LEFT, 12}, {"LIVE", TND_RIGHT, 0},
        {"REQUESTS IN", TND_RIGHT, 0}, {"OUT", TND_RIGHT, 0}, {"ANSWERED", TND_RIGHT, 0},
        {"DROPPED", TND_RIGHT, 0},
    };

    PRINT(columns, json_object_get(answer, "trunks"), trunk_row, out);
    if (json_array_size(json_object_get(answer, "shared_sources")) > 0)
        show_shared_sources(answer, out);
}

static void target_row(struct row *r, const json_t *o)
{
    char text[TND_UNITS_MAX], target[96];
    bool v6 = strchr(text_of(o, "address"), ':') != NULL;

    snprintf(target, sizeof target, "%s %s%s%s:%" PRIu64, text_of(o, "transport"), v6 ? "[" : "",
             text_of(o, "address"), v6 ? "]" : "", number_of(o, "port"));
    put(r, *text_of(o, "trunk") ? text_of(o, "trunk") : text_of(o, "name"));
    snprintf(text, sizeof text, "%" PRIu64, number_of(o, "tier"));
    put(r, text);
    put(r, tnd_units_percent(json_number_value(json_object_get(o, "share")), text));
    put(r, target);
    put(r, text_of(o, "host"));
    snprintf(text, sizeof text, "%" PRIu64, number_of(o, "weight"));
    put(r, text);
    put_total(r, o, "requests");
    put(r, text_of(o, "state"));
}

static void show_targets(const json_t *answer, FILE *out)
{
    static const struct tnd_column columns[] = {
        {"TRUNK", TND_LEFT, 8},     {"TIER", TND_RIGHT, 0}, {"SHARE", TND_RIGHT, 0},
        {"TARGET", TND_LEFT, 22},   {"HOST", TND_LEFT, 4},  {"WEIGHT", TND_RIGHT, 0},
        {"REQUESTS", TND_RIGHT, 0}, {"STATE", TND_LEFT, 0},
    };

    PRINT(columns, json_object_get(answer, "targets"), target_row, out);
}

static void worker_row(struct row *r, const json_t *o)
{
    char text[TND_UNITS_MAX];
    const json_t *stages = json_object_get(o, "stage_seconds");
    double idle = json_number_value(json_object_get(stages, "idle")), all = 0;
    const char *name;
    json_t *seconds;

    json_object_foreach((json_t *)stages, name, seconds) all += json_number_value(seconds);
    snprintf(text, sizeof text, "%" PRIu64, number_of(o, "worker"));
    put(r, text);
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(json_object_get(o, "cpu")));
    put(r, text[0] == '-' ? "shared" : text);
    put(r, tnd_units_percent(all > 0 ? (all - idle) / all : 0, text));
    put_total(r, o, "requests");
    put_total(r, o, "responses");
    put_total(r, o, "given");
    put_total(r, o, "taken");
    put_total(r, o, "parked");
}

static void callback_row(struct row *r, const json_t *o)
{
    char text[TND_UNITS_MAX];

    put(r, text_of(o, "callback"));
    put_total(r, o, "turns");
    put(r, tnd_units_duration(json_number_value(json_object_get(o, "longest_ms")) / 1000, text));
    put(r,
        tnd_units_duration(json_number_value(json_object_get(o, "longest_cpu_ms")) / 1000, text));
    put_total(r, o, "over");
}

// How long the control thread was away, by what it was at.
static void show_control(const json_t *control, FILE *out)
{
    static const struct tnd_column columns[] = {{"CONTROL", TND_LEFT, 8},
                                                {"TURNS", TND_RIGHT, 0},
                                                {"LONGEST", TND_RIGHT, 0},
                                                {"OF CPU", TND_RIGHT, 0},
                                                {"OVER 2 ms", TND_RIGHT, 0}};

    PRINT(columns, json_object_get(control, "callbacks"), callback_row, out);
}

static void show_workers(const json_t *answer, FILE *out)
{
    static const struct tnd_column columns[] = {
        {"WORKER", TND_RIGHT, 0},   {"CPU", TND_RIGHT, 0},       {"BUSY", TND_RIGHT, 0},
        {"REQUESTS", TND_RIGHT, 0}, {"RESPONSES", TND_RIGHT, 0}, {"GIVEN", TND_RIGHT, 0},
        {"TAKEN", TND_RIGHT, 0},    {"PARKED", TND_RIGHT, 0},
    };

    PRINT(columns, json_object_get(answer, "workers"), worker_row, out);
    fputc('\n', out);
    show_control(json_object_get(answer, "control"), out);
}

static void stage_row(struct row *r, const json_t *o)
{
    char text[TND_UNITS_MAX];
    double each = json_number_value(json_object_get(o, "ns_per_message")) / 1e9;

    put(r, text_of(o, "stage"));
    put(r, tnd_units_percent(json_number_value(json_object_get(o, "share")), text));
    put(r, tnd_units_duration(json_number_value(json_object_get(o, "seconds")), text));
    put(r, tnd_units_duration(each, text));
    put(r, text_of(o, "what"));
}

static void show_stages(const json_t *answer, FILE *out)
{
    static const struct tnd_column columns[] = {{"STAGE", TND_LEFT, 0},
                                                {"SHARE", TND_RIGHT, 0},
                                                {"TIME", TND_RIGHT, 0},
                                                {"A MESSAGE", TND_RIGHT, 0},
                                                {"WHAT", TND_LEFT, 20}};
    char seconds[TND_UNITS_MAX], messages[TND_UNITS_MAX], each[TND_UNITS_MAX];
    const json_t *list = json_object_get(answer, "stages"), *item;
    double busy_ns = 0;
    size_t i;

    PRINT(columns, list, stage_row, out);
    json_array_foreach((json_t *)list, i, item) if (strcmp(text_of(item, "stage"), "idle") != 0)
        busy_ns += json_number_value(json_object_get(item, "ns_per_message"));
    fprintf(out, "\n%s of %" PRIu64 " worker%s, %s messages, %s each but idle\n",
            tnd_units_duration(json_number_value(json_object_get(answer, "seconds")), seconds),
            number_of(answer, "workers"), number_of(answer, "workers") == 1 ? "" : "s",
            tnd_units_total(number_of(answer, "messages"), messages),
            tnd_units_duration(busy_ns / 1e9, each));
}

static void drop_row(struct row *r, const json_t *o)
{
    if (number_of(o, "count") == 0)
        return;
    put(r, text_of(o, "reason"));
    put_total(r, o, "count");
    put(r, text_of(o, "what"));
}

static void show_drops(const json_t *answer, FILE *out)
{
    static const struct tnd_column columns[] = {
        {"REASON", TND_LEFT, 0}, {"COUNT", TND_RIGHT, 0}, {"WHAT", TND_LEFT, 20}};
    const json_t *list = json_object_get(answer, "drops"), *item;
    uint64_t all = 0;
    size_t i;

    json_array_foreach((json_t *)list, i, item) all += number_of(item, "count");
    if (all == 0)
        fprintf(out, "no packet was dropped\n");
    else
        PRINT(columns, list, drop_row, out);
}

static void print_value(const char *where, const json_t *value, FILE *out)
{
    char text[TND_UNITS_MAX];

    if (json_is_integer(value))
        tnd_units_total((uint64_t)json_integer_value(value), text);
    fprintf(out, "%-32s  %s\n", where,
            json_is_integer(value)   ? text
            : json_is_boolean(value) ? (json_is_true(value) ? "yes" : "no")
                                     : json_string_value(value));
}

// Nested objects as "part.figure  value" lines; of a list, its entries go by their name, or
// else by their number.
static void print_tree(const json_t *o, const char *path, FILE *out)
{
    const char *key;
    json_t *value, *item;
    char where[256];
    size_t i;

    json_object_foreach((json_t *)o, key, value)
    {
        snprintf(where, sizeof where, "%s%s%s", path, *path ? "." : "", key);
        if (json_is_object(value))
            print_tree(value, where, out);
        else if (json_is_array(value)) {
            size_t len = strlen(where);
            json_array_foreach(value, i, item)
            {
                if (*text_of(item, "name"))
                    snprintf(where + len, sizeof where - len, ".%s", text_of(item, "name"));
                else
                    snprintf(where + len, sizeof where - len, ".%zu", i + 1);
                print_tree(item, where, out);
            }
        } else if (!*path || strcmp(key, "name") != 0)
            print_value(where, value, out);
    }
}

static void print_bytes(const json_t *o, const char *part, const char *const keys[], unsigned n,
                        FILE *out)
{
    char text[TND_UNITS_MAX], what[48];

    for (unsigned i = 0; i < n; i++) {
        snprintf(what, sizeof what, "%s %s", part, keys[i]);
        for (char *c = what; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        fprintf(out, "%-30s  %10s\n", what,
                tnd_units_bytes((double)number_of(json_object_get(o, part), keys[i]), text));
    }
}

static void show_memory(const json_t *answer, FILE *out)
{
    static const char *const heap[] = {"allocated", "active", "resident", "mapped"};
    static const char *const table[] = {"bytes", "retired_bytes"};
    static const char *const transactions[] = {"bytes_per_worker"};
    static const struct {
        const char *what, *part, *key;
    } counts[] = {{"table names", "table", "names"},
                  {"table sets", "table", "sets"},
                  {"names brought by requests", "resolver", "brought"},
                  {"of these crowded out", "resolver", "crowded_out"},
                  {"DNS record sets", "resolver", "record_sets"}};
    const json_t *m = json_object_get(answer, "memory");
    char text[TND_UNITS_MAX];

    fprintf(out, "%-30s  %10s\n", "WHAT", "SIZE");
    print_bytes(m, "heap", heap, 4, out);
    print_bytes(m, "table", table, 2, out);
    print_bytes(m, "transactions", transactions, 1, out);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        fprintf(
            out, "%-30s  %10s\n", counts[i].what,
            tnd_units_total(number_of(json_object_get(m, counts[i].part), counts[i].key), text));
}

static void show_config(const json_t *answer, FILE *out)
{
    print_tree(json_object_get(answer, "config"), "", out);
}

static const struct {
    const char *topic;
    void (*show)(const json_t *answer, FILE *out);
} topics[] = {
    {"trunks", show_trunks}, {"targets", show_targets}, {"workers", show_workers},
    {"drops", show_drops},   {"memory", show_memory},   {"config", show_config},
    {"stages", show_stages},
};

bool tnd_ctl_text_knows(const char *topic)
{
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (strcmp(topics[i].topic, topic) == 0)
            return true;
    return false;
}

void tnd_ctl_text(const char *topic, const json_t *answer, FILE *out)
{
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        if (strcmp(topics[i].topic, topic) == 0)
            topics[i].show(answer, out);
}
