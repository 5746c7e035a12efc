#include "bench/load/cmd_load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "bench/load/load.h"
#include "control/options.h"
#include "control/units.h"
#include "util/pcap.h"

#define RATE_MAX    1e7
#define WINDOW      65536u
#define WINDOW_MAX  (1u << 22)
#define SECONDS     10.0
#define SECONDS_MAX 86400.0
#define TIMEOUT_MS  2000u
#define REPLAY_MAX  65536u
#define FILE_MAX    (1u << 30)

static const char help[] =
    "usage: tandem load [options] ADDRESS[:PORT]\n"
    "\n"
    "Send SIP requests over UDP to a server and tell what became of each: answered, come back "
    "(from\n"
    "a proxy that sends them to this host), lost; with percentiles of the time to the final "
    "answer,\n"
    "counted from when a request was due. Nothing is retransmitted. Needs the rights of packet\n"
    "sockets (root). A host never sees what it sends to itself: the server is on another host, or\n"
    "in another network namespace.\n"
    "\n"
    "  --rate N         requests a second, each of a call of its own; 100 without\n"
    "  --calls N        whole calls a second instead: INVITE, ACK, BYE\n"
    "  --method NAME    of --rate's requests; OPTIONS without\n"
    "  --pcap FILE      send the requests of a capture in turn, our Via on top\n"
    "  --window N       at most so many under way; 65536 without. With --rate 0: that many always\n"
    "  --seconds N      how long; 10 without, 0: until Ctrl-C\n"
    "  --count N        end after so many requests or calls\n"
    "  --call-ids N     take so many Call-IDs in turn; every request has its own without\n"
    "  --domain NAME    of Request-URI and To; the server's address without\n"
    "  --seed N         Call-IDs, numbers and tags follow from it; 1 without\n"
    "  --timeout MS     after which a request is lost; 2000 without\n"
    "  --from ADDRESS[:PORT]  send from here; what the kernel would use, port 5060, without\n"
    "  --device NAME    by this interface; where the kernel's route leads without\n"
    "  --vdev ARGS      by a device of DPDK's that the kernel knows nothing of; with --mac, "
    "--from\n"
    "  --mac MAC        of the server or the router before it, for --vdev\n"
    "  --json           one object at the end, for programs\n"
    "  -h, --help       this text\n"
    "\n"
    "Examples:\n"
    "  tandem load --rate 1000 --seconds 30 192.0.2.1:5060\n"
    "  tandem load --calls 200 --domain sip.example.com 192.0.2.1\n"
    "  tandem load --rate 0 --window 256 --method INVITE --json 192.0.2.1\n"
    "\n"
    "Exit code: 0 all were answered or came back, 1 some were lost or it cannot run, 2 used "
    "wrong.\n";

enum option_code {
    OPT_RATE = 256,
    OPT_CALLS,
    OPT_METHOD,
    OPT_PCAP,
    OPT_WINDOW,
    OPT_SECONDS,
    OPT_COUNT,
    OPT_CALL_IDS,
    OPT_DOMAIN,
    OPT_SEED,
    OPT_TIMEOUT,
    OPT_FROM,
    OPT_DEVICE,
    OPT_VDEV,
    OPT_MAC,
    OPT_JSON,
};

static const struct option names[] = {{"rate", required_argument, NULL, OPT_RATE},
                                      {"calls", required_argument, NULL, OPT_CALLS},
                                      {"method", required_argument, NULL, OPT_METHOD},
                                      {"pcap", required_argument, NULL, OPT_PCAP},
                                      {"window", required_argument, NULL, OPT_WINDOW},
                                      {"seconds", required_argument, NULL, OPT_SECONDS},
                                      {"count", required_argument, NULL, OPT_COUNT},
                                      {"call-ids", required_argument, NULL, OPT_CALL_IDS},
                                      {"domain", required_argument, NULL, OPT_DOMAIN},
                                      {"seed", required_argument, NULL, OPT_SEED},
                                      {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                      {"from", required_argument, NULL, OPT_FROM},
                                      {"device", required_argument, NULL, OPT_DEVICE},
                                      {"vdev", required_argument, NULL, OPT_VDEV},
                                      {"mac", required_argument, NULL, OPT_MAC},
                                      {"json", no_argument, NULL, OPT_JSON},
                                      TND_COMMON_OPTIONS};
static const struct tnd_options options = {"tandem load", help, ":hV", names};

struct command {
    struct load_config load;
    struct load_parties parties;
    struct load_wire_config wire;
    const char *pcap;
    char *capture;
    bool json;
};

static volatile sig_atomic_t stopping;

static void on_signal(int signum)
{
    if (stopping) // the second: at once
        _exit(128 + signum);
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

// ---- Arguments ------------------------------------------------------------------------

static bool read_number(const char *text, double least, double most, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && *out >= least && *out <= most;
}

static bool read_whole(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 0);
    return end != text && *end == '\0' && errno == 0 && text[0] != '-' && *out >= least &&
           *out <= most;
}

static bool read_mac(const char *text, uint8_t mac[6])
{
    unsigned m[6];
    char rest;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
               &rest) != 6)
        return false;
    for (int i = 0; i < 6; i++)
        mac[i] = (uint8_t)m[i];
    return true;
}

static bool read_token(const char *text, size_t max)
{
    size_t len = strlen(text);

    return len > 0 && len < max && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

static bool read_domain(const char *text, size_t max)
{
    size_t len = strlen(text);

    return len > 0 && len < max &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") ==
               len;
}

// Options of the load itself. Returns: NULL, or what is expected.
static const char *read_load_option(struct command *c, int opt)
{
    uint64_t n;

    switch (opt) {
    case OPT_RATE:
        return read_number(optarg, 0, RATE_MAX, &c->load.rate) ? NULL : "0 to 10000000";
    case OPT_CALLS:
        c->load.calls = true;
        return read_number(optarg, 0, RATE_MAX, &c->load.rate) ? NULL : "0 to 10000000";
    case OPT_WINDOW:
        if (!read_whole(optarg, 1, WINDOW_MAX, &n))
            return "1 to 4194304";
        c->load.window = (uint32_t)n;
        return NULL;
    case OPT_SECONDS:
        return read_number(optarg, 0, SECONDS_MAX, &c->load.seconds) ? NULL : "0 to 86400";
    case OPT_COUNT:
        return read_whole(optarg, 1, UINT64_MAX, &c->load.count) ? NULL : "a number above 0";
    case OPT_CALL_IDS:
        if (!read_whole(optarg, 1, UINT32_MAX, &n))
            return "1 to 4294967295";
        c->parties.call_ids = (uint32_t)n;
        return NULL;
    case OPT_SEED:
        return read_whole(optarg, 0, UINT64_MAX, &c->parties.seed) ? NULL : "a number, 42 say";
    default:
        if (!read_whole(optarg, 1, 600000, &n))
            return "1 to 600000 milliseconds";
        c->load.timeout_ms = (uint32_t)n;
        return NULL;
    }
}

static const char *read_option(struct command *c, int opt)
{
    switch (opt) {
    case OPT_METHOD:
        if (!read_token(optarg, sizeof c->parties.method))
            return "a method in capitals, OPTIONS say";
        strcpy(c->parties.method, optarg);
        return NULL;
    case OPT_DOMAIN:
        if (!read_domain(optarg, sizeof c->parties.domain))
            return "a host name";
        strcpy(c->parties.domain, optarg);
        return NULL;
    case OPT_FROM:
        return tnd_addr_parse(tnd_str_of(optarg), &c->wire.from) ? NULL : "ADDRESS or ADDRESS:PORT";
    case OPT_MAC:
        return read_mac(optarg, c->wire.peer_mac) ? NULL : "02:00:00:00:00:01, say";
    case OPT_PCAP:
        c->pcap = optarg;
        return NULL;
    case OPT_DEVICE:
        c->wire.device = optarg;
        return NULL;
    case OPT_VDEV:
        c->wire.vdev = optarg;
        return NULL;
    case OPT_JSON:
        c->json = true;
        return NULL;
    default:
        return read_load_option(c, opt);
    }
}

static int read_target(struct command *c, int argc, char **argv)
{
    static const uint8_t none[6];
    struct tnd_addr *target = &c->wire.target;

    if (optind + 1 != argc)
        return tnd_options_wrong(
            &options, optind < argc ? argv[optind + 1] : "no server",
            "one ADDRESS[:PORT] is needed; `tandem resolve` finds those of a name");
    if (!tnd_addr_parse(tnd_str_of(argv[optind]), target))
        return tnd_options_wrong(&options, argv[optind],
                                 "no ADDRESS[:PORT]; `tandem resolve` finds those of a name");
    if (target->port == 0)
        target->port = 5060;
    target->transport = TND_TRANSPORT_UDP;
    if (c->wire.vdev && (!c->wire.from.family || memcmp(c->wire.peer_mac, none, 6) == 0))
        return tnd_options_wrong(&options, "--vdev",
                                 "needs --from and --mac: no kernel knows them");
    if (c->wire.from.family && c->wire.from.port == 0)
        c->wire.from.port = 5060;
    c->wire.from.transport = TND_TRANSPORT_UDP;
    return -1;
}

// Returns: -1 to go on, or the exit code.
static int parse_arguments(int argc, char **argv, struct command *c)
{
    bool given[OPT_JSON + 1] = {false};
    int opt, code;

    while ((opt = tnd_options_next(&options, argc, argv, &code)) != 0) {
        const char *expected = read_option(c, opt);
        if (expected)
            return tnd_options_wrong_value(&options, opt, expected);
        given[opt] = true;
    }
    if (code >= 0)
        return code;
    if (given[OPT_CALLS] && (given[OPT_RATE] || given[OPT_METHOD] || given[OPT_PCAP]))
        return tnd_options_wrong(&options, "--calls", "not with --rate, --method or --pcap");
    if (given[OPT_CALLS])
        strcpy(c->parties.method, "INVITE");
    return read_target(c, argc, argv);
}

// ---- A capture ------------------------------------------------------------------------

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    char *data = NULL;
    long size = 0;

    if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && size <= (long)FILE_MAX &&
        fseek(f, 0, SEEK_SET) == 0)
        data = malloc((size_t)size + 1);
    if (data && fread(data, 1, (size_t)size, f) != (size_t)size) {
        free(data);
        data = NULL;
    }
    if (f)
        fclose(f);
    *len = (size_t)size;
    return data;
}

// Requests that fit one frame with our Via on top; ACKs get no answer and are left out.
static bool is_replayed(const struct command *c, struct tnd_str s, uint32_t largest)
{
    static struct tnd_sip_msg m;
    char out[LOAD_TEXT_MAX];
    uint32_t len;

    if (tnd_sip_parse(s.p, s.len, &m) != TND_SIP_ERR_NONE || !m.is_request ||
        m.method == TND_METHOD_ACK)
        return false;
    len = load_with_our_via(&c->load.messages, s, 0, out, sizeof out);
    return len > 0 && len <= largest;
}

static int read_capture(struct command *c, uint32_t largest, struct tnd_error *err)
{
    static struct tnd_str list[REPLAY_MAX];
    struct tnd_pcap_udp u;
    struct tnd_pcap p;
    uint32_t others = 0;
    size_t len;

    c->capture = read_file(c->pcap, &len);
    if (!c->capture)
        return tnd_fail(err, TND_EIO, "--pcap: %s: cannot be read", c->pcap);
    if (!tnd_pcap_open(&p, (const uint8_t *)c->capture, len))
        return tnd_fail(err, TND_EINVAL, "--pcap: %s: is no capture file of the pcap format",
                        c->pcap);
    while (c->load.n_replay < REPLAY_MAX && tnd_pcap_next(&p, &u)) {
        struct tnd_str s = {(const char *)u.payload, u.len};
        if (is_replayed(c, s, largest))
            list[c->load.n_replay++] = s;
        else
            others++;
    }
    c->load.replay = list;
    if (c->load.n_replay == 0)
        return tnd_fail(err, TND_EINVAL,
                        "--pcap: %s: none of its %u datagrams is a SIP request of one frame",
                        c->pcap, others);
    if (!c->json)
        printf("%u requests of %s, %u other datagrams left out\n", c->load.n_replay, c->pcap,
               others);
    return 0;
}

// ---- Telling --------------------------------------------------------------------------

// "-" before there is any.
static const char *latency_text(const struct load_totals *t, double q, char out[TND_UNITS_MAX])
{
    if (t->latency.n == 0)
        return strcpy(out, "-");
    return tnd_units_duration((double)tnd_histogram_quantile(&t->latency, q) / 1e9, out);
}

static void print_line(const struct load *l, const struct load_totals *before, double s)
{
    const struct load_totals *t = load_totals(l);
    char sent[TND_UNITS_MAX], done[TND_UNITS_MAX], p99[TND_UNITS_MAX];
    double answered = (double)(t->answered + t->came_back - before->answered - before->came_back);

    printf("sent %s  answered %s  lost %lu  under way %u  p99 %s\n",
           tnd_units_rate((double)(t->sent - before->sent) / s, sent),
           tnd_units_rate(answered / s, done), t->lost, load_under_way(l),
           latency_text(t, 0.99, p99));
    fflush(stdout);
}

static const struct {
    const char *name;
    double q;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};

#define N_PERCENTILES (sizeof percentiles / sizeof *percentiles)

static void print_text(const struct load_totals *t, uint64_t unreachable)
{
    char a[TND_UNITS_MAX], b[TND_UNITS_MAX];

    printf("\nsent       %s requests in %s\n", tnd_units_total(t->sent, a),
           tnd_units_duration(t->seconds, b));
    printf("answered   %s", tnd_units_total(t->answered, a));
    for (unsigned s = 0; s < LOAD_STATUS_MAX; s++)
        if (t->status[s])
            printf("  %u: %s", s, tnd_units_total(t->status[s], a));
    printf("\ncame back  %s\n", tnd_units_total(t->came_back, a));
    printf("lost       %s\n", tnd_units_total(t->lost, a));
    if (t->calls)
        printf("calls      %s begun, %s completed\n", tnd_units_total(t->calls, a),
               tnd_units_total(t->completed, b));
    if (t->strays)
        printf("strays     %s datagrams that answer nothing\n", tnd_units_total(t->strays, a));
    if (t->late)
        printf("late       %s requests went out 1 ms or more after they were due\n",
               tnd_units_total(t->late, a));
    if (unreachable)
        printf("ICMP       %s errors: unreachable\n", tnd_units_total(unreachable, a));
    printf("latency  ");
    for (unsigned i = 0; i < N_PERCENTILES; i++)
        printf("  %s %s", percentiles[i].name, latency_text(t, percentiles[i].q, a));
    printf("\n");
}

static void print_json(const struct command *c, const struct load_totals *t, uint64_t unreachable)
{
    json_t *status = json_object(), *latency = json_object(), *all;
    char target[TND_ADDR_TEXT_MAX], code[16];

    for (unsigned s = 0; s < LOAD_STATUS_MAX; s++) {
        snprintf(code, sizeof code, "%u", s);
        if (t->status[s])
            json_object_set_new(status, code, json_integer((json_int_t)t->status[s]));
    }
    for (unsigned i = 0; i < N_PERCENTILES; i++)
        json_object_set_new(latency, percentiles[i].name,
                            t->latency.n ? json_integer((json_int_t)tnd_histogram_quantile(
                                               &t->latency, percentiles[i].q))
                                         : json_null());
    tnd_addr_text(&c->wire.target, target);
    all =
        json_pack("{s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "target",
                  target, "seconds", t->seconds, "sent", (json_int_t)t->sent, "answered",
                  (json_int_t)t->answered, "came_back", (json_int_t)t->came_back, "lost",
                  (json_int_t)t->lost, "strays", (json_int_t)t->strays, "late", (json_int_t)t->late,
                  "unreachable", (json_int_t)unreachable, "calls", (json_int_t)t->calls,
                  "completed", (json_int_t)t->completed, "status", status, "latency_ns", latency);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

// ---- Running --------------------------------------------------------------------------

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(const struct command *c, struct load *l)
{
    static struct load_totals before;
    double last = seconds_now(), now;

    while (load_turn(l, stopping)) {
        now = seconds_now();
        if (c->json || now - last < 1)
            continue;
        print_line(l, &before, now - last);
        before = *load_totals(l);
        last = now;
    }
}

static int prepare(struct command *c, struct load_wire *wire, struct tnd_error *err)
{
    tnd_addr_text(load_wire_local(wire), c->parties.local);
    if (!c->parties.domain[0])
        tnd_addr_host_text(&c->wire.target, c->parties.domain);
    load_template_init(&c->load.messages, &c->parties);
    return c->pcap ? read_capture(c, load_wire_largest(wire), err) : 0;
}

static int load_and_tell(struct command *c, struct load_wire *wire)
{
    struct load *l = load_new(&c->load, wire);

    if (!l) {
        fputs("tandem load: no memory; lower --window\n", stderr);
        return 1;
    }
    run(c, l);
    const struct load_totals *t = load_totals(l);
    if (c->json)
        print_json(c, t, load_wire_unreachable(wire));
    else
        print_text(t, load_wire_unreachable(wire));
    int rc = t->lost > 0;
    load_free(l);
    return rc;
}

int tnd_cmd_load(int argc, char **argv)
{
    static struct command c = {
        .load = {.rate = 100, .window = WINDOW, .seconds = SECONDS, .timeout_ms = TIMEOUT_MS},
        .parties = {.method = "OPTIONS", .seed = 1}};
    struct load_wire *wire;
    struct tnd_error err;
    int rc;

    if ((rc = parse_arguments(argc, argv, &c)) >= 0)
        return rc;
    catch_signals();
    if (load_wire_open(&c.wire, &wire, &err) != 0) {
        fprintf(stderr, "tandem load: %s\n", err.text);
        return 1;
    }
    if (prepare(&c, wire, &err) == 0) {
        rc = load_and_tell(&c, wire);
    } else {
        fprintf(stderr, "tandem load: %s\n", err.text);
        rc = 1;
    }
    load_wire_close(wire);
    free(c.capture);
    return rc;
}
