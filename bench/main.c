// usage: bench [--quick] [--only NAME] [--runs N] [--json FILE] | --host
#include "bench/bench.h"

#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "control/table.h"
#include "control/table_memory.h"
#include "control/units.h"
#include "sip/scan.h"

#define RESULTS_MAX 256
#define RUNS        7
#define RUNS_MAX    101
#define GROUP_MAX   16   // benchmarks of a file
#define NOISY       0.10 // spread above which a result is marked

#define MOSTLY_FREE_CPU 0.90 // a guess that is off by the rest is no worse than noise

struct result {
    const char *name, *unit;
    const char *note;        // why rounds were unfit; NULL: none was
    unsigned n, unfit;       // rounds
    double values[RUNS_MAX]; // by round
    double sorted[RUNS_MAX];
};

static struct result results[RESULTS_MAX];
static unsigned n_results;
bool bench_quick;

double bench_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_wall_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

uint64_t bench_random(uint64_t *seed)
{
    // SplitMix64 (Steele, Lea, Flood 2014).
    uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

const char *bench_name(const char *fmt, ...)
{
    char text[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (unsigned i = 0; i < n_results; i++)
        if (strcmp(results[i].name, text) == 0)
            return results[i].name;
    return strdup(text); // of the process's life
}

static struct result *find(const char *name)
{
    for (unsigned i = 0; i < n_results; i++)
        if (strcmp(results[i].name, name) == 0)
            return &results[i];
    return NULL;
}

void bench_record(const char *name, const char *unit, double value)
{
    struct result *r = find(name);

    if (!r && n_results == RESULTS_MAX) {
        fprintf(stderr, "bench: more than %u names; raise RESULTS_MAX\n", RESULTS_MAX);
        exit(1);
    }
    if (!r) {
        r = &results[n_results++];
        *r = (struct result){.name = name, .unit = unit};
    }
    if (r->n < RUNS_MAX)
        r->values[r->n++] = value;
}

void bench_unfit(const char *name, const char *why)
{
    struct result *r = find(name);

    r->unfit++;
    r->note = why;
}

struct bench_share bench_share(double cpu, double wall, uint64_t hz)
{
    double own = cpu < wall ? cpu / wall : 1;

    return (struct bench_share){1e9 / (double)hz * own, own > MOSTLY_FREE_CPU};
}

void bench_record_share(const struct bench_share *s, const char *name, const char *unit,
                        double value)
{
    bench_record(name, unit, value);
    if (!s->fit)
        bench_unfit(name, "others ran on the processor, and what they took of this is a guess");
}

static bool is_invalid(const struct result *r)
{
    return r->unfit * 2 > r->n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void sort_values(void)
{
    for (unsigned i = 0; i < n_results; i++) {
        memcpy(results[i].sorted, results[i].values, sizeof results[i].sorted);
        qsort(results[i].sorted, results[i].n, sizeof(double), compare);
    }
}

static double quantile(const struct result *r, double q)
{
    double at = q * (r->n - 1);
    unsigned i = (unsigned)at;

    return i + 1 < r->n ? r->sorted[i] + (at - i) * (r->sorted[i + 1] - r->sorted[i])
                        : r->sorted[r->n - 1];
}

static double spread(const struct result *r)
{
    double median = quantile(r, 0.5);

    return median > 0 ? (quantile(r, 0.75) - quantile(r, 0.25)) / median : 0;
}

// ---- What is told ---------------------------------------------------------------------

static const char *value_text(const struct result *r, double v, char out[TND_UNITS_MAX])
{
    if (strcmp(r->unit, "ns") == 0)
        return tnd_units_duration(v / 1e9, out);
    if (strcmp(r->unit, "requests/s") == 0)
        return tnd_units_rate(v, out);
    if (strcmp(r->unit, "bytes") == 0)
        return tnd_units_bytes(v, out);
    if (strcmp(r->unit, "bytes/s") == 0) {
        tnd_units_bytes(v, out);
        return strcat(out, "/s");
    }
    return tnd_units_percent(v, out);
}

static const char *mark(const struct result *r)
{
    if (is_invalid(r))
        return "invalid";
    return spread(r) > NOISY ? "noisy" : "";
}

// Each reason once, with the first result that it is of.
static void print_notes(FILE *out)
{
    for (unsigned i = 0; i < n_results; i++) {
        const struct result *r = &results[i];
        unsigned others = 0;
        bool told = false;

        for (unsigned k = 0; r->note && k < n_results; k++) {
            bool same = results[k].note && strcmp(results[k].note, r->note) == 0;
            told |= same && k < i;
            others += same && k > i;
        }
        if (!r->note || told)
            continue;
        fprintf(out, "%s: %u of %u rounds: %s", r->name, r->unfit, r->n, r->note);
        if (others)
            fprintf(out, "; so of %u more", others);
        fputc('\n', out);
    }
}

static void print_results(FILE *out)
{
    static const struct tnd_column columns[] = {{"NAME", TND_LEFT, 0},    {"MEDIAN", TND_RIGHT, 0},
                                                {"SPREAD", TND_RIGHT, 0}, {"BEST", TND_RIGHT, 0},
                                                {"RUNS", TND_RIGHT, 0},   {"", TND_LEFT, 0}};
    struct tnd_table_text *t = tnd_table_text_new(columns, 6);
    char median[TND_UNITS_MAX], wide[TND_UNITS_MAX], best[TND_UNITS_MAX], runs[16];

    for (unsigned i = 0; t && i < n_results; i++) {
        const struct result *r = &results[i];
        bool more_is_better = strstr(r->unit, "/s") != NULL;
        snprintf(runs, sizeof runs, "%u", r->n);
        tnd_table_text_row(
            t, (const char *const[]){r->name, value_text(r, quantile(r, 0.5), median),
                                     tnd_units_percent(spread(r), wide),
                                     value_text(r, quantile(r, more_is_better ? 1 : 0), best), runs,
                                     mark(r)});
    }
    if (t)
        tnd_table_text_print(t, TND_TABLE_WIDTH, out);
    tnd_table_text_free(t);
    print_notes(out);
}

// The value of a line "key<blanks>: value" of a file of /proc, or "".
static const char *proc_value(const char *path, const char *key, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    char line[512];

    out[0] = '\0';
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || !colon)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(out, size, "%s", colon);
        break;
    }
    if (f)
        fclose(f);
    return out;
}

static json_t *host(void)
{
    struct utsname u;
    char cpu[256], huge[64];

    uname(&u);
    proc_value("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    proc_value("/proc/meminfo", "HugePages_Free", huge, sizeof huge);
    return json_pack("{s:s, s:s, s:s, s:i, s:i}", "cpu", cpu, "kernel", u.release, "isa",
                     tnd_scan_active->name, "hugepages", atoi(huge), "cores",
                     (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static int print_host(void)
{
    json_t *all = host();
    int rc = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;

    json_decref(all);
    return rc ? 1 : 0;
}

static json_t *result_json(const struct result *r)
{
    json_t *values = json_array();
    json_t *all;

    for (unsigned i = 0; i < r->n; i++)
        json_array_append_new(values, json_real(r->values[i]));
    all = json_pack("{s:s, s:f, s:s, s:f, s:i, s:b, s:o}", "name", r->name, "value",
                    quantile(r, 0.5), "unit", r->unit, "spread", spread(r), "runs", (int)r->n,
                    "noisy", spread(r) > NOISY, "values", values);
    if (all && r->note)
        json_object_set_new(all, "note", json_string(r->note));
    if (all && is_invalid(r))
        json_object_set_new(all, "invalid", json_true());
    return all;
}

static int write_json(const char *path)
{
    const char *commit = getenv("TANDEM_COMMIT");
    json_t *list = json_array(), *all;

    for (unsigned i = 0; i < n_results; i++)
        json_array_append_new(list, result_json(&results[i]));
    all = json_pack("{s:o, s:s, s:o}", "host", host(), "commit",
                    commit && *commit ? commit : "unknown", "results", list);
    int rc = all ? json_dump_file(all, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) : -1;
    if (rc != 0)
        fprintf(stderr, "bench: %s: cannot be written\n", path);
    json_decref(all);
    return rc;
}

// ---- Running --------------------------------------------------------------------------

static const struct bench *const groups[] = {bench_sip,   bench_peers,   bench_pick,    bench_table,
                                             bench_route, bench_workers, bench_latency, bench_call};

#define N_GROUPS (sizeof groups / sizeof *groups)

static bool wanted(const struct bench *b, const char *only)
{
    return !only || strncmp(b->name, only, strlen(only)) == 0;
}

// What is under way: repainted in place on a terminal, else a line where something begins.
static void say(const char *what, unsigned round, const char *name)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Kbench: %s %u: %s", what, round, name);
    else if (!*name)
        fprintf(stderr, "bench: %s %u\n", what, round);
}

static bool open_all(const char *only, void *state[][GROUP_MAX], unsigned *n)
{
    for (size_t g = 0; g < N_GROUPS; g++)
        for (size_t i = 0; groups[g][i].name; i++) {
            if (!wanted(&groups[g][i], only))
                continue;
            say("preparing", ++*n, groups[g][i].name);
            state[g][i] = groups[g][i].open();
            if (!state[g][i]) {
                fprintf(stderr, "bench: %s: cannot be set up\n", groups[g][i].name);
                return false;
            }
        }
    if (*n == 0)
        fprintf(stderr, "bench: no benchmark is called '%s'\n", only ? only : "");
    return *n > 0;
}

static void run_round(void *state[][GROUP_MAX], unsigned round)
{
    say("round", round, "");
    for (size_t g = 0; g < N_GROUPS; g++)
        for (size_t i = 0; groups[g][i].name; i++)
            if (state[g][i]) {
                say("round", round, groups[g][i].name);
                groups[g][i].once(state[g][i]);
            }
}

static int run_all(const char *only, unsigned runs)
{
    static void *state[N_GROUPS][GROUP_MAX];
    unsigned n = 0;

    if (!open_all(only, state, &n))
        return -1;
    fprintf(stderr, "%sbench: %u rounds of %u benchmarks\n",
            isatty(STDERR_FILENO) ? "\r\033[K" : "", runs, n);
    for (unsigned r = 1; r <= runs; r++)
        run_round(state, r);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    for (size_t g = 0; g < N_GROUPS; g++)
        for (size_t i = 0; groups[g][i].name; i++)
            if (state[g][i])
                groups[g][i].close(state[g][i]);
    return 0;
}

// To the last core: interrupts and everybody else prefer the first.
static void pin(void)
{
    cpu_set_t set;
    int cpu = CPU_SETSIZE - 1;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    while (cpu > 0 && !CPU_ISSET(cpu, &set))
        cpu--;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"quick", no_argument, NULL, 'q'},      {"only", required_argument, NULL, 'o'},
        {"runs", required_argument, NULL, 'r'}, {"json", required_argument, NULL, 'j'},
        {"host", no_argument, NULL, 'h'},       {0}};
    const char *only = NULL, *json = NULL;
    bool host_only = false;
    unsigned runs = 0;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'q')
            bench_quick = true;
        else if (c == 'o')
            only = *optarg ? optarg : NULL;
        else if (c == 'j')
            json = optarg;
        else if (c == 'h')
            host_only = true;
        else if (c == 'r' && atoi(optarg) > 0 && atoi(optarg) <= RUNS_MAX)
            runs = (unsigned)atoi(optarg);
        else
            return 2;
    }
    if (!tnd_isa_select(getenv("TANDEM_KERNEL"))) {
        fprintf(stderr, "bench: TANDEM_KERNEL: this processor has no kernel '%s'; unset it\n",
                getenv("TANDEM_KERNEL"));
        return 2;
    }
    if (host_only)
        return print_host();
    tnd_table_memory(); // with its thread, which need not stay where we do
    pin();
    if (run_all(only, runs ? runs : bench_quick ? 2 : RUNS) != 0)
        return 1;
    sort_values();
    print_results(stdout);
    return json && write_json(json) != 0 ? 1 : 0;
}
