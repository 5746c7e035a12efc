#include "control/cmd_ctl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/ctl_client.h"
#include "control/ctl_text.h"
#include "control/ctl_watch.h"

#define DEFAULT_SOCKET "/run/tandem/tandem.sock"

static const char help[] =
    "usage: tandem ctl [-s SOCKET] [--json] show TOPIC | watch | stop\n"
    "\n"
    "Ask a running engine. Topics: trunks, targets, workers, stages, drops, memory,\n"
    "config.\n"
    "\n"
    "commands:\n"
    "  show TOPIC     print it once\n"
    "  watch          the live view; q or Ctrl-C leaves\n"
    "  stop           end the engine\n"
    "\n"
    "options:\n"
    "  -s, --socket SOCKET   the engine's control-socket (default " DEFAULT_SOCKET ")\n"
    "  -j, --json            for a program\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n"
    "\n"
    "examples:\n"
    "  tandem ctl show targets\n"
    "  tandem ctl --json show drops\n"
    "  tandem ctl -s /tmp/edge.sock watch\n"
    "\n"
    "exit status: 0 fine, 1 the engine said no or does not answer, 2 used wrong\n";

struct request {
    const char *socket;
    bool json;
    const char *command, *topic;
};

static int wrong(const char *what, const char *arg)
{
    fprintf(stderr, "tandem ctl: %s%s%s%s; see `tandem ctl --help`\n", what, arg ? " '" : "",
            arg ? arg : "", arg ? "'" : "");
    return 2;
}

static int ask_once(const struct request *r)
{
    struct tnd_error err;
    struct tnd_ctl_client *c = tnd_ctl_client_open(r->socket, NULL, &err);
    json_t *answer = c ? tnd_ctl_client_ask(c, r->command, r->topic, &err) : NULL;

    tnd_ctl_client_close(c);
    if (!answer) {
        fprintf(stderr, "tandem ctl: %s\n", err.text);
        return 1;
    }
    if (r->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else if (r->topic) {
        tnd_ctl_text(r->topic, answer, stdout);
    }
    json_decref(answer);
    return 0;
}

static int run(const struct request *r)
{
    if (strcmp(r->command, "watch") == 0 && !r->topic)
        return r->json ? wrong("watch has no --json; use show", NULL) : tnd_ctl_watch(r->socket);
    if (strcmp(r->command, "stop") == 0 && !r->topic)
        return ask_once(r);
    if (strcmp(r->command, "show") != 0)
        return wrong("no such command", r->command);
    if (!r->topic)
        return wrong("show what?", NULL);
    if (!tnd_ctl_text_knows(r->topic))
        return wrong("no such topic", r->topic);
    return ask_once(r);
}

int tnd_cmd_ctl(int argc, char **argv)
{
    static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {0}};
    struct request r = {.socket = DEFAULT_SOCKET};
    int opt;

    while ((opt = getopt_long(argc, argv, "s:jhV", options, NULL)) != -1) {
        switch (opt) {
        case 's':
            r.socket = optarg;
            break;
        case 'j':
            r.json = true;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'V':
            puts("tandem " TND_VERSION);
            return 0;
        default:
            fputs("tandem ctl: see `tandem ctl --help`\n", stderr);
            return 2;
        }
    }
    if (optind >= argc)
        return wrong("what shall it do?", NULL);
    if (argc - optind > 2)
        return wrong("too many words:", argv[optind + 2]);
    r.command = argv[optind];
    r.topic = argv[optind + 1];
    return run(&r);
}
