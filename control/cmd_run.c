#include "control/cmd_run.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/control.h"
#include "control/options.h"

static const char help[] =
    "usage: tandem run FILE\n"
    "\n"
    "Run the engine described by a configuration file, in the foreground, until SIGINT,\n"
    "SIGTERM or `tandem ctl stop`. Needs CAP_NET_RAW and CAP_NET_ADMIN for kernel interfaces.\n"
    "\n"
    "options:\n"
    "  -h, --help     this text\n"
    "  -V, --version  the version\n"
    "\n"
    "examples:\n"
    "  tandem check examples/two-trunks.yaml    what `run` would say of the file\n"
    "  tandem run /etc/tandem/edge.yaml         run it\n"
    "  tandem ctl show targets                  ask the running engine\n"
    "\n"
    "exit status: 0 ended as asked, 1 could not start, 2 used wrong\n";

struct run {
    struct tnd_control control;
    uv_loop_t loop;
    uv_signal_t on_int, on_term;
    uv_timer_t later;
    bool stopping;
};

static struct run *ending; // for at_once

// A second signal, also when the first one's work hangs; only what a handler may call.
static void at_once(int signum)
{
    if (ending && ending->control.ctl)
        tnd_ctl_server_remove_file(ending->control.ctl);
    _exit(1);
}

static void begin_to_end(struct run *r)
{
    sigset_t both, before;

    if (r->stopping)
        return;
    r->stopping = true;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &both, &before); // libuv leaves the default behind, which kills
    uv_signal_stop(&r->on_int);
    uv_signal_stop(&r->on_term);
    ending = r;
    signal(SIGINT, at_once);
    signal(SIGTERM, at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop(struct run *r)
{
    begin_to_end(r);
    uv_stop(&r->loop);
}

static void on_signal(uv_signal_t *h, int signum)
{
    stop(h->data);
}

static void on_later(uv_timer_t *t)
{
    stop(t->data);
}

// The answer to `ctl stop` shall still get out.
static void on_ctl_stop(void *ctx)
{
    struct run *r = ctx;

    uv_timer_start(&r->later, on_later, 20, 0);
}

static void watch_signals(struct run *r)
{
    uv_signal_init(&r->loop, &r->on_int);
    uv_signal_init(&r->loop, &r->on_term);
    uv_timer_init(&r->loop, &r->later);
    r->on_int.data = r->on_term.data = r->later.data = r;
    uv_signal_start(&r->on_int, on_signal, SIGINT);
    uv_signal_start(&r->on_term, on_signal, SIGTERM);
}

static void announce(const struct tnd_control *c)
{
    const struct tnd_config *k = c->config;
    uint16_t workers = tnd_dataplane_workers(c->dataplane);
    char text[TND_ADDR_TEXT_MAX];

    fprintf(stderr, "tandem: running with %u worker%s, %u trunk%s, %u route%s:", workers,
            workers == 1 ? "" : "s", k->n_trunks, k->n_trunks == 1 ? "" : "s", k->n_routes,
            k->n_routes == 1 ? "" : "s");
    for (uint32_t i = 0; i < k->n_listeners; i++) {
        tnd_addr_text(&k->listeners[i].address, text);
        fprintf(stderr, " udp:%s", text);
    }
    fprintf(stderr, "; control socket %s\n", k->control_socket.p);
}

static int run_engine(struct run *r, struct tnd_config *config)
{
    struct tnd_error err;
    int rc;

    signal(SIGPIPE, SIG_IGN); // a client of the control socket may leave before its answer
    uv_loop_init(&r->loop);
    watch_signals(r);
    r->control.on_stop = on_ctl_stop;
    r->control.on_stop_ctx = r;
    rc = tnd_control_open(&r->control, &r->loop, config, &err);
    if (rc < 0) {
        fprintf(stderr, "tandem: %s\n", err.text);
    } else {
        announce(&r->control);
        if (!r->stopping)
            uv_run(&r->loop, UV_RUN_DEFAULT);
        tnd_control_close(&r->control);
    }
    begin_to_end(r);
    uv_close((uv_handle_t *)&r->on_int, NULL);
    uv_close((uv_handle_t *)&r->on_term, NULL);
    uv_close((uv_handle_t *)&r->later, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    tnd_control_free(&r->control);
    uv_loop_close(&r->loop);
    return rc < 0 ? 1 : 0;
}

int tnd_cmd_run(int argc, char **argv)
{
    static const struct option names[] = {TND_COMMON_OPTIONS};
    static const struct tnd_options options = {"tandem run", help, ":hV", names};
    struct tnd_config_errors errors = {0};
    struct tnd_config *config;
    int code;

    tnd_options_next(&options, argc, argv, &code);
    if (code >= 0)
        return code;
    if (optind + 1 != argc)
        return tnd_options_wrong(&options, "FILE",
                                 optind == argc ? "none is given" : "more than one is given");
    if (tnd_config_read(argv[optind], &config, &errors) < 0) {
        tnd_config_errors_print(&errors, argv[optind], stderr);
        tnd_config_errors_free(&errors);
        return 1;
    }
    tnd_config_errors_free(&errors);
    struct run *r = calloc(1, sizeof *r);
    int status = r ? run_engine(r, config) : 1;
    ending = NULL;
    free(r);
    return status;
}
