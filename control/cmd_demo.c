#include "control/cmd_demo.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "control/demo/demo.h"
#include "control/options.h"
#include "control/screen.h"

#define SECONDS     24.0
#define SECONDS_MAX 3600.0
#define PAINT_S     0.2
#define TURNS       64 // between two looks at the clock

static const char help[] =
    "usage: tandem demo [--seconds N] [--seed N]\n"
    "\n"
    "Watch the engine spread calls over the targets of a domain: a source of INVITEs, one\n"
    "worker and a sink in this process, over DPDK's net_ring. Three targets of weights 50, 30\n"
    "and 20 and a standby; one is drained, then all of the tier go down, then they come back.\n"
    "Every request is accounted for, and the shares are held to RFC 2782 by chi-square.\n"
    "Needs no privilege, no network, no hugepages. q or Ctrl-C ends it early.\n"
    "\n"
    "  --seconds N    how long, 1 to 3600; 24 without\n"
    "  --seed N       keys and calls follow from it; a new one each time without\n"
    "  -h, --help     this text\n"
    "\n"
    "Examples:\n"
    "  tandem demo\n"
    "  tandem demo --seconds 8 --seed 1\n"
    "  tandem demo --seconds 5 | tail -n 20\n"
    "\n"
    "Exit code: 0 all held, 1 a request was lost or a share is wrong, 2 used wrong.\n";

static volatile sig_atomic_t stopping;

static void on_signal(int signum)
{
    if (stopping) { // the second: at once
        tnd_screen_restore();
        _exit(128 + signum);
    }
    stopping = 1;
}

static void catch_signals(void)
{
    struct sigaction sa = {.sa_handler = on_signal};

    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool read_seconds(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out >= 1 && *out <= SECONDS_MAX;
}

static bool read_seed(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return end != text && *end == '\0' && errno == 0 && text[0] != '-';
}

// Returns: -1 to go on, or the exit code.
static int parse_arguments(int argc, char **argv, struct tnd_demo *d)
{
    static const struct option names[] = {{"seconds", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          TND_COMMON_OPTIONS};
    static const struct tnd_options options = {"tandem demo", help, ":hV", names};
    int opt, code;

    while ((opt = tnd_options_next(&options, argc, argv, &code)) != 0) {
        if (opt == 'n' && !read_seconds(optarg, &d->seconds))
            return tnd_options_wrong_value(&options, opt, "1 to 3600; 24 without");
        if (opt == 's' && !read_seed(optarg, &d->seed))
            return tnd_options_wrong_value(&options, opt, "a number is needed, 42 say");
    }
    if (code < 0 && optind < argc)
        return tnd_options_wrong(&options, argv[optind], "takes options only");
    return code;
}

static int open_engine(struct tnd_demo *d, struct tnd_error *err)
{
    struct tnd_addr targets[TND_DEMO_TARGETS];
    struct tnd_demo_targets first;
    struct tnd_rig_options o = {.seed = d->seed};
    int rc;

    tnd_demo_targets(0, &first);
    if ((rc = tnd_rig_open(&d->rig, &o, &first.spec, err)) != 0)
        return rc;
    tnd_demo_addresses(targets);
    tnd_source_init(&d->source, d->seed);
    tnd_sink_init(&d->sink, &d->rig, d->seed, targets, TND_DEMO_TARGETS);
    d->traffic = (struct tnd_traffic){.rig = &d->rig, .source = &d->source, .sink = &d->sink};
    return 0;
}

struct interval {
    double from_s;
    uint64_t offered, engine_cycles;
};

static void measure(struct tnd_demo *d, struct interval *last)
{
    const struct tnd_traffic *t = &d->traffic;
    uint64_t n = t->offered - last->offered;
    double s = d->elapsed_s - last->from_s;

    if (n > 0 && s > 0) {
        d->rate = (double)n / s;
        d->engine_ns = (double)(t->engine_cycles - last->engine_cycles) * 1e9 /
                       (double)tnd_dataplane_hz(d->rig.dp) / (double)n;
    }
    *last = (struct interval){d->elapsed_s, t->offered, t->engine_cycles};
}

static bool wants_to_leave(void)
{
    int key = tnd_screen_key();

    return stopping || key == 'q' || key == 'Q' || key == 3;
}

static int run(struct tnd_demo *d)
{
    struct interval last = {0};
    double start = now_s();
    unsigned next = 0;
    int rc = 0;

    while (rc == 0 && !d->interrupted && (d->elapsed_s = now_s() - start) < d->seconds) {
        if (next < TND_DEMO_PHASES && d->elapsed_s >= tnd_demo_begins(d, next)) {
            if (next > 0)
                tnd_demo_end_phase(d);
            if ((rc = tnd_demo_begin_phase(d, next++)) != 0)
                break;
            tnd_demo_view_phase(d);
        }
        for (unsigned i = 0; i < TURNS; i++)
            tnd_traffic_turn(&d->traffic);
        tnd_rig_tick(&d->rig);
        if (d->elapsed_s - last.from_s >= PAINT_S) {
            measure(d, &last);
            tnd_demo_view_paint(d);
            d->interrupted = wants_to_leave();
        }
    }
    if (d->n_phases > 0)
        tnd_demo_end_phase(d);
    return rc;
}

int tnd_cmd_demo(int argc, char **argv)
{
    static struct tnd_demo d;
    struct tnd_error err;
    char why[TND_DEMO_EVENT];
    int rc;

    d.seconds = SECONDS;
    if (getrandom(&d.seed, sizeof d.seed, GRND_NONBLOCK) != sizeof d.seed)
        d.seed = (uint64_t)time(NULL);
    d.seed >>= 32; // short enough to be typed again
    if ((rc = parse_arguments(argc, argv, &d)) >= 0)
        return rc;
    catch_signals();
    tnd_demo_view_open(&d);
    if (open_engine(&d, &err) != 0) {
        tnd_demo_view_close();
        fprintf(stderr, "tandem demo: %s\n", err.text);
        return 1;
    }
    rc = run(&d);
    tnd_demo_view_close();
    if (rc != 0)
        fprintf(stderr, "tandem demo: no memory for the next version of the targets\n");
    else
        tnd_demo_view_summary(&d);
    bool passed = rc == 0 && tnd_demo_passed(&d, why);
    tnd_rig_close(&d.rig);
    tnd_dataplane_cleanup();
    return passed ? 0 : 1;
}
