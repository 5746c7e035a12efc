// The clock, the scenarios, and the command line.
#include <time.h>

#include "sim/ua.h"

#define DEFAULT_SEED 20261122ull
#define LAST_CALL_US (900 * SECOND) // after its beginning every call has ended

static const struct scenario scenarios[] = {
    {.name = "stable",
     .calls = 18000,
     .rate = 400,
     .delay_ms = 40,
     .ttl_s = 60,
     .naptr = true,
     .shares = true},
    {.name = "lossy",
     .calls = 15000,
     .rate = 200,
     .loss = 0.04,
     .duplicates = 0.02,
     .delay_ms = 150,
     .ttl_s = 30,
     .shares = true},
    {.name = "edits",
     .covers = true,
     .calls = 15000,
     .rate = 40,
     .loss = 0.005,
     .delay_ms = 60,
     .ttl_s = 2,
     .edits = true,
     .naptr = true,
     .noise = true},
    {.name = "deaths", .calls = 10000, .rate = 60, .delay_ms = 50, .ttl_s = 10, .deaths = true},
    {.name = "dns",
     .covers = true,
     .calls = 10000,
     .rate = 20,
     .delay_ms = 50,
     .ttl_s = 2,
     .edits = true,
     .dns_trouble = true},
    {.name = "dead-start",
     .calls = 1000,
     .rate = 100,
     .delay_ms = 30,
     .ttl_s = 5,
     .dead_start = true,
     .naptr = true},
    {.name = "reloads",
     .calls = 8000,
     .rate = 100,
     .loss = 0.01,
     .delay_ms = 50,
     .ttl_s = 5,
     .dead_start = true, // so that requests wait across a reload
     .reloads = true,
     .edits = true},
    {.name = "restarts",
     .calls = 8000,
     .rate = 80,
     .loss = 0.01,
     .delay_ms = 50,
     .ttl_s = 10,
     .restarts = true,
     .edits = true,
     .noise = true},
    {.name = "rotation",
     .calls = 2400,
     .rate = 5,
     .loss = 0.01,
     .delay_ms = 150,
     .ttl_s = 10,
     .rotates = true},
    {.name = "twins",
     .calls = 5000,
     .rate = 100,
     .loss = 0.02,
     .duplicates = 0.01,
     .delay_ms = 60,
     .ttl_s = 20,
     .naptr = true,
     .twin = true},
    {.name = "workers",
     .calls = 4000,
     .rate = 200,
     .loss = 0.02,
     .duplicates = 0.02,
     .delay_ms = 60,
     .ttl_s = 5,
     .workers = 3,
     .edits = true,
     .noise = true},
    {.name = "sparse", .calls = 400, .rate = 1, .loss = 0.01, .delay_ms = 30, .ttl_s = 5},
    {.name = "storm",
     .calls = 4000,
     .rate = 40,
     .loss = 0.03,
     .duplicates = 0.02,
     .delay_ms = 200,
     .ttl_s = 3,
     .workers = 2,
     .naptr = true,
     .edits = true,
     .deaths = true,
     .dns_trouble = true,
     .reloads = true,
     .restarts = true,
     .noise = true},
};

#define N_SCENARIOS (sizeof scenarios / sizeof *scenarios)

// ---- Clock and chance -----------------------------------------------------------------------

struct sim_item {
    uint64_t at_us, sequence;
    sim_event fn;
    void *who;
    uint64_t n;
};

static bool is_before(const struct sim_item *a, const struct sim_item *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void sim_at(struct sim *s, uint64_t at_us, sim_event fn, void *who, uint64_t n)
{
    struct sim_queue *q = &s->queue;
    struct sim_item x = {at_us < s->now_us ? s->now_us : at_us, s->sequence++, fn, who, n};
    size_t i = q->n++;

    if (q->n > q->room) {
        q->room = q->room ? 2 * q->room : 1024;
        q->item = realloc(q->item, q->room * sizeof *q->item);
        if (!q->item)
            abort();
    }
    for (; i > 0 && is_before(&x, &q->item[(i - 1) / 2]); i = (i - 1) / 2)
        q->item[i] = q->item[(i - 1) / 2];
    q->item[i] = x;
}

void sim_after(struct sim *s, uint64_t us, sim_event fn, void *who, uint64_t n)
{
    sim_at(s, s->now_us + us, fn, who, n);
}

static struct sim_item take_first(struct sim_queue *q)
{
    struct sim_item first = q->item[0], last = q->item[--q->n];
    size_t i = 0;

    for (size_t k; (k = 2 * i + 1) < q->n; i = k) {
        if (k + 1 < q->n && is_before(&q->item[k + 1], &q->item[k]))
            k++;
        if (is_before(&last, &q->item[k]))
            break;
        q->item[i] = q->item[k];
    }
    q->item[i] = last;
    return first;
}

uint32_t sim_below(struct sim *s, uint32_t n)
{
    return n ? (uint32_t)((test_random(&s->random) >> 32) * n >> 32) : 0;
}

bool sim_chance(struct sim *s, double p)
{
    return p > 0 && (double)(test_random(&s->random) >> 11) * 0x1p-53 < p;
}

static void print_now(const struct sim *s, FILE *to)
{
    uint64_t us = s->now_us - s->started_us;

    fprintf(to, "%6llu.%06llu ", (unsigned long long)(us / SECOND),
            (unsigned long long)(us % SECOND));
}

// The call that a line is about: "call 17 ..", or its Call-ID, "c17-..". -1: none.
static int64_t call_of_line(const char *line)
{
    const char *p = strstr(line, "call ");

    if (p && (unsigned)(p[5] - '0') <= 9)
        return atoll(p + 5);
    for (p = line; (p = strchr(p, 'c')) != NULL; p++) {
        size_t digits = strspn(p + 1, "0123456789");
        if (p > line && (p[-1] == ' ' || p[-1] == '(') && digits && p[1 + digits] == '-')
            return atoll(p + 1);
    }
    return -1;
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
    static char line[8192];
    va_list ap;

    if (!s->trace)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (s->only >= 0 && call_of_line(line) >= 0 && call_of_line(line) != s->only)
        return;
    print_now(s, stdout);
    puts(line);
}

void sim_violation(struct sim *s, const char *fmt, ...)
{
    static char line[8192];
    va_list ap;

    if (s->violations++ >= VIOLATIONS_SHOWN && !s->trace)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (s->first_wrong < 0)
        s->first_wrong = call_of_line(line);
    fflush(stdout);
    print_now(s, stderr);
    fprintf(stderr, "VIOLATION: %s\n", line);
}

bool sim_over(const struct sim *s)
{
    return s->n_reaped == s->n_calls;
}

// ---- What happens to the world --------------------------------------------------------------

static void next_call(struct sim *s, void *who, uint64_t n)
{
    caller_start(s, (uint32_t)n);
    s->n_started++;
    s->last_call_us = s->now_us;
    if (n + 1 < s->n_calls)
        sim_after(s, 1 + sim_below(s, (uint32_t)(2 * SECOND / s->sc->rate)), next_call, NULL,
                  n + 1);
}

static void edit(struct sim *s, void *who, uint64_t n)
{
    if (s->n_started == s->n_calls)
        return;
    zone_edit(s);
    sim_after(s, (2 + sim_below(s, 12)) * SECOND, edit, NULL, 0);
}

static void tell_adjacency(struct sim *s, void *who, uint64_t usable)
{
    struct host *h = who;

    model_adjacency(s, &h->addr, usable);
    node_adjacency(s, s->node, &h->addr, usable);
    if (s->twin)
        node_adjacency(s, s->twin, &h->addr, usable);
}

static void revive(struct sim *s, void *who, uint64_t was_noticed)
{
    struct host *h = who;

    h->silent = false;
    sim_trace(s, "target %s is back", h->name);
    if (was_noticed)
        sim_after(s, sim_below(s, 1000) * MS, tell_adjacency, h, true);
}

static void kill_one(struct sim *s, void *who, uint64_t n)
{
    struct host *h = &s->hosts[sim_below(s, s->n_hosts)];
    bool noticed = sim_below(s, 3) != 0;

    if (s->n_started == s->n_calls)
        return;
    sim_after(s, (3 + sim_below(s, 10)) * SECOND, kill_one, NULL, 0);
    if (h->silent)
        return;
    h->silent = true;
    sim_trace(s, "target %s falls silent%s", h->name, noticed ? ", which the kernel notices" : "");
    if (noticed)
        sim_after(s, sim_below(s, 3000) * MS, tell_adjacency, h, false);
    sim_after(s, (4 + sim_below(s, 50)) * SECOND, revive, h, noticed);
}

static void reload(struct sim *s, void *who, uint64_t n)
{
    if (s->n_started == s->n_calls)
        return;
    sim_trace(s, "the policy is loaded again");
    node_reload(s, s->node);
    sim_after(s, (1 + sim_below(s, 8)) * SECOND, reload, NULL, 0);
}

static void rotate(struct sim *s, void *who, uint64_t n)
{
    if (s->n_started == s->n_calls)
        return;
    sim_trace(s, "the engine starts anew, with a new key to sign");
    model_restarted(s, true);
    node_rotate(s, s->node);
    sim_after(s, 150 * SECOND, rotate, NULL, 0); // no call lasts as long
}

static void restart(struct sim *s, void *who, uint64_t n)
{
    if (s->n_started == s->n_calls)
        return;
    sim_trace(s, "the engine starts anew");
    model_restarted(s, false);
    node_restart(s, s->node);
    sim_after(s, (5 + sim_below(s, 20)) * SECOND, restart, NULL, 0);
}

static void add_hosts(struct sim *s)
{
    static const char *const addrs[] = {
        "203.0.113.11:5060", "203.0.113.12:5060", "203.0.113.13:5060", "203.0.113.14:5060",
        "198.18.0.15:5062",  "198.18.0.16:5060",  "203.0.113.17:5060", "203.0.113.18:5060",
    };

    for (size_t i = 0; i < sizeof addrs / sizeof *addrs; i++) {
        struct host *h = &s->hosts[s->n_hosts++];
        snprintf(h->name, sizeof h->name, "h%zu.carrier.example", i + 1);
        h->addr = addr_of(addrs[i]);
        h->fqdn = i == 1 || i == 3;
    }
    struct host *six = &s->hosts[s->n_hosts++];
    snprintf(six->name, sizeof six->name, "h9.carrier.example");
    six->addr = addr_of("[2001:db8:c::19]:5060");
    s->box.addr = addr_of(BOX_ADDR);
}

static void begin(struct sim *s)
{
    const struct scenario *sc = s->sc;

    s->now_us = s->started_us = s->last_call_us = 1000 * SECOND + sim_below(s, 1000000);
    add_hosts(s);
    s->zones = zones_new(s);
    s->model = model_new(s);
    s->node = node_new(s, false);
    if (sc->twin)
        s->twin = node_new(s, true);
    sim_after(s, 20 * MS, next_call, NULL, 0);
    if (sc->edits)
        sim_after(s, 5 * SECOND, edit, NULL, 0);
    if (sc->deaths)
        sim_after(s, 4 * SECOND, kill_one, NULL, 0);
    if (sc->reloads)
        sim_after(s, 3 * SECOND, reload, NULL, 0);
    if (sc->restarts)
        sim_after(s, 7 * SECOND, restart, NULL, 0);
    if (sc->rotates)
        sim_after(s, 60 * SECOND, rotate, NULL, 0);
    if (sc->noise)
        noise_start(s);
}

static void end(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_calls; i++)
        ua_free(&s->calls[i]);
    for (size_t i = 0; i < s->queue.n; i++)
        if (s->queue.item[i].n == UINT64_MAX) // a packet on its way
            free(s->queue.item[i].who);
    node_free(s->node);
    if (s->twin)
        node_free(s->twin);
    model_free(s->model);
    zones_free(s->zones);
    free(s->queue.item);
    free(s->calls);
}

// ---- A run ----------------------------------------------------------------------------------

static double seconds_of_cpu(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void print_replay(const struct sim *s)
{
    fprintf(stderr, "replay: tests/sim/sim --seed %llu --scenario %s --calls %u --trace",
            (unsigned long long)s->seed, s->sc->name, s->n_calls);
    if (s->first_wrong >= 0)
        fprintf(stderr, " --call %lld", (long long)s->first_wrong);
    fputc('\n', stderr);
}

// only: the call to trace, in full; -1 for none; -2 for all of them, a line each.
static uint32_t run(const struct scenario *sc, uint64_t seed, uint32_t calls, int64_t only)
{
    struct sim s = {.sc = sc,
                    .seed = seed,
                    .trace = only != -1,
                    .only = only < (int64_t)calls ? only : -1,
                    .first_wrong = -1,
                    .n_calls = calls};
    double cpu = seconds_of_cpu();

    s.random = seed;
    for (const char *p = sc->name; *p; p++)
        s.random = s.random * 31 + (uint64_t)*p;
    s.calls = calloc(calls, sizeof *s.calls);
    if (!s.calls)
        abort();
    begin(&s);
    while (s.queue.n && !sim_over(&s) && s.now_us < s.last_call_us + LAST_CALL_US) {
        struct sim_item x = take_first(&s.queue);
        s.now_us = x.at_us;
        x.fn(&s, x.who, x.n);
    }
    model_end(&s);
    printf("%-10s %6u calls, %llu s: %llu completed, %llu lost with an excuse, %llu without; "
           "%llu datagrams sent, %llu lost; %.1f s of CPU; %u violations\n",
           sc->name, calls, (unsigned long long)((s.now_us - s.started_us) / SECOND),
           (unsigned long long)s.completed, (unsigned long long)s.excused,
           (unsigned long long)s.failed, (unsigned long long)s.sent, (unsigned long long)s.lost,
           seconds_of_cpu() - cpu, s.violations);
    fflush(stdout);
    if (s.violations)
        print_replay(&s);
    end(&s);
    return s.violations;
}

static int usage(int code)
{
    fprintf(code ? stderr : stdout,
            "usage: sim [--seed N] [--scenario NAME] [--calls N] [--trace [--call N]] [--quick]\n"
            "Scenarios:");
    for (size_t i = 0; i < N_SCENARIOS; i++)
        fprintf(code ? stderr : stdout, " %s", scenarios[i].name);
    fputc('\n', code ? stderr : stdout);
    return code;
}

int main(int argc, char **argv)
{
    uint64_t seed = DEFAULT_SEED;
    const char *only = NULL;
    uint32_t calls = 0, part = 1, found = 0, violations = 0;
    int64_t trace = -1;

    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--scenario") == 0 && more)
            only = argv[++i];
        else if (strcmp(argv[i], "--calls") == 0 && more)
            calls = (uint32_t)strtoul(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--quick") == 0)
            part = 20;
        else if (strcmp(argv[i], "--trace") == 0)
            trace = trace < 0 ? -2 : trace;
        else if (strcmp(argv[i], "--call") == 0 && more)
            trace = strtoll(argv[++i], NULL, 0);
        else
            return usage(strcmp(argv[i], "--help") == 0 ? 0 : 2);
    }
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        if (only && strcmp(only, scenarios[i].name) != 0)
            continue;
        found++;
        violations += run(&scenarios[i], seed, calls ? calls : scenarios[i].calls / part, trace);
    }
    if (!found)
        return usage(2);
    return violations != 0;
}
