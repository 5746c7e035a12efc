#include "control/cmd_ctl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/ctl_client.h"
#include "control/ctl_text.h"
#include "control/ctl_watch.h"
#include "control/options.h"

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

static const struct option names[] = {
    {"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'}, TND_COMMON_OPTIONS};
static const struct tnd_options options = {"tandem ctl", help, ":s:jhV", names};

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
        return r->json ? tnd_options_wrong(&options, "--json", "watch has none, show has")
                       : tnd_ctl_watch(r->socket);
    if (strcmp(r->command, "stop") == 0 && !r->topic)
        return ask_once(r);
    if (strcmp(r->command, "show") != 0)
        return tnd_options_wrong(&options, r->command, "no such command");
    if (!r->topic)
        return tnd_options_wrong(&options, "TOPIC", "which? the help names all");
    if (!tnd_ctl_text_knows(r->topic))
        return tnd_options_wrong(&options, r->topic, "no such topic");
    return ask_once(r);
}

int tnd_cmd_ctl(int argc, char **argv)
{
    struct request r = {.socket = DEFAULT_SOCKET};
    int opt, code;

    while ((opt = tnd_options_next(&options, argc, argv, &code)) != 0) {
        if (opt == 's')
            r.socket = optarg;
        else
            r.json = true;
    }
    if (code >= 0)
        return code;
    if (optind >= argc)
        return tnd_options_wrong(&options, "COMMAND", "which? show, watch or stop");
    if (argc - optind > 2)
        return tnd_options_wrong(&options, argv[optind + 2], "a word too many");
    r.command = argv[optind];
    r.topic = argv[optind + 1];
    return run(&r);
}
