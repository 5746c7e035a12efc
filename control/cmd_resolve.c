#include "control/cmd_resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/options.h"
#include "control/resolve_print.h"
#include "control/resolver.h"
#include "proxy/next_hop.h"

#define URI_MAX     2048u
#define PATIENCE_MS 60000u // one answer is shown, and that is the whole one

struct arguments {
    const char *uri;
    bool json, has_server;
    struct tnd_addr server;
};

struct run {
    const struct arguments *args;
    uv_loop_t loop;
    uv_timer_t waiting;
    struct tnd_resolver *resolver;
    struct tnd_resolver_options options;
    unsigned seconds;
    int exit_code;
};

static const char help[] =
    "usage: tandem resolve [--server ADDRESS:PORT] [--json] URI\n"
    "\n"
    "Find where requests to a sip: or sips: URI go (RFC 3263: NAPTR, SRV, A, AAAA):\n"
    "every question and its answer, then the targets by tier and the share of each.\n"
    "\n"
    "  --server ADDRESS:PORT  ask this DNS server, not those of /etc/resolv.conf\n"
    "  --json                 one JSON object instead of text\n"
    "  -h, --help             this text\n"
    "\n"
    "Examples (put your own domain in place of the address):\n"
    "  tandem resolve sip:192.0.2.10\n"
    "  tandem resolve --json 'sip:alice@192.0.2.10:5080;transport=tcp'\n"
    "  tandem resolve --server 127.0.0.1:53 'sips:[2001:db8::10]'\n"
    "\n"
    "Exit code: 0 there are targets, 1 there is none, 2 used wrong.\n";

// Returns: -1 to go on, or the exit code.
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option names[] = {{"server", required_argument, NULL, 's'},
                                          {"json", no_argument, NULL, 'j'},
                                          TND_COMMON_OPTIONS};
    static const struct tnd_options options = {"tandem resolve", help, ":s:jhV", names};
    int opt, code;

    while ((opt = tnd_options_next(&options, argc, argv, &code)) != 0) {
        if (opt == 'j')
            a->json = true;
        else if (!tnd_addr_parse(tnd_str_of(optarg), &a->server))
            return tnd_options_wrong_value(
                &options, opt, "is no address; give 192.0.2.53:53 or [2001:db8::53]:53");
        else
            a->has_server = true;
    }
    if (code >= 0)
        return code;
    if (optind + 1 != argc)
        return tnd_options_wrong(&options, "URI",
                                 optind == argc ? "none is given" : "more than one is given");
    a->uri = argv[optind];
    return -1;
}

static int refuse_uri(const char *uri, const char *why)
{
    fprintf(stderr, "tandem resolve: '%.100s': %s\n", uri, why);
    return 2;
}

// Returns: 0, or the exit code.
static int hop_of(const char *text, struct tnd_locate_hop *hop)
{
    struct tnd_next_hop next;
    struct tnd_next_hop_parts parts;
    struct tnd_uri uri;
    size_t len = strlen(text);

    memset(hop, 0, sizeof *hop);
    if (len > URI_MAX)
        return refuse_uri(text, "too long for a URI");
    if (!tnd_uri_parse(text, (struct tnd_span){0, (uint16_t)len}, &uri))
        return refuse_uri(text, "not a SIP URI; write sip:HOST or sips:HOST");
    if (uri.scheme != TND_SCHEME_SIP && uri.scheme != TND_SCHEME_SIPS)
        return refuse_uri(text, "neither sip: nor sips:; write sip:HOST or sips:HOST");
    if (!tnd_next_hop_of_uri(text, &uri, TND_STR(""), &next))
        return refuse_uri(text, "its host is no name that DNS can be asked for");
    hop->port = uri.port;
    hop->transport = uri.transport;
    hop->sips = uri.scheme == TND_SCHEME_SIPS;
    if (next.name_len == 0) {
        hop->numeric = next.numeric;
        hop->numeric.port = 0; // the port of the URI, or the transport's
        hop->numeric.transport = 0;
    } else if (tnd_next_hop_parse((struct tnd_str){next.name, next.name_len}, &parts)) {
        memcpy(hop->host, parts.host, sizeof hop->host);
    }
    return 0;
}

static void on_found(void *user, const char *name, void *name_user, const struct tnd_located *l)
{
    struct run *r = user;

    (void)name;
    (void)name_user;
    if (!l || r->exit_code >= 0)
        return;
    if (r->args->json)
        tnd_resolve_print_json(r->args->uri, l);
    else
        tnd_resolve_print_text(r->args->uri, l);
    r->exit_code = l->n_targets == 0;
    uv_stop(&r->loop);
}

// Nothing is silent for more than a second.
static void on_waiting(uv_timer_t *t)
{
    struct run *r = t->data;
    char server[TND_ADDR_TEXT_MAX];

    tnd_addr_text(&r->options.ask.servers[0], server);
    fprintf(stderr, "waiting for DNS (%s), %u s\n", server, ++r->seconds);
}

static void close_all(struct run *r)
{
    tnd_resolver_close(r->resolver);
    uv_close((uv_handle_t *)&r->waiting, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
}

int tnd_cmd_resolve(int argc, char **argv)
{
    struct arguments args = {0};
    struct run r = {.args = &args, .exit_code = -1};
    struct tnd_locate_policy policy = {0};
    struct tnd_locate_hop hop;
    struct tnd_error err;
    int code = parse_arguments(argc, argv, &args);

    if (code >= 0 || (code = hop_of(args.uri, &hop)) != 0)
        return code;
    tnd_resolver_defaults(&r.options);
    r.options.patience_ms = PATIENCE_MS;
    r.options.cb = on_found;
    r.options.user = &r;
    if (args.has_server) {
        r.options.ask.servers[0] = args.server;
        r.options.ask.n_servers = 1;
    }
    uv_loop_init(&r.loop);
    uv_timer_init(&r.loop, &r.waiting);
    r.waiting.data = &r;
    uv_timer_start(&r.waiting, on_waiting, 1000, 1000);
    r.resolver = tnd_resolver_new(&r.loop, &r.options, &err);
    if (!r.resolver) {
        fprintf(stderr, "tandem resolve: %s\n", err.text);
        r.exit_code = 1;
    } else if (tnd_resolver_follow_hop(r.resolver, args.uri, &hop, &policy, true, NULL) == 0) {
        uv_run(&r.loop, UV_RUN_DEFAULT);
    }
    close_all(&r);
    if (fflush(stdout) != 0 || ferror(stdout))
        return 1;
    return r.exit_code < 0 ? 1 : r.exit_code;
}
