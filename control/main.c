// The one binary: `tandem COMMAND ..`, each command in a file of its own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/cmd_load.h"
#include "control/cmd_check.h"
#include "control/cmd_ctl.h"
#include "control/cmd_demo.h"
#include "control/cmd_resolve.h"
#include "control/cmd_run.h"
#include "util/isa.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv); // argv[0] is the name; returns the exit code
    const char *summary;
};

static const struct command commands[] = {
    {"run", tnd_cmd_run, "run the engine of a configuration file"},
    {"check", tnd_cmd_check, "name every fault in a configuration file"},
    {"demo", tnd_cmd_demo, "watch calls being spread over the targets of a domain"},
    {"resolve", tnd_cmd_resolve, "show where requests to a URI go, and why"},
    {"load", tnd_cmd_load, "send requests to a SIP server and say what became of them"},
    {"ctl", tnd_cmd_ctl, "ask, watch or stop a running engine"},
};

#define N_COMMANDS (sizeof commands / sizeof *commands)

static void usage(FILE *out)
{
    fputs("usage: tandem COMMAND [..]\n\nCommands:\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`tandem COMMAND --help` says more. Exit code: 0 fine, 1 found wrong, 2 used wrong.\n",
          out);
}

// Choose the kernels before anything runs: by the processor, or as TANDEM_KERNEL says.
static bool choose_kernel(void)
{
    const char *want = getenv("TANDEM_KERNEL");

    if (tnd_isa_select(want))
        return true;
    fprintf(stderr, "tandem: TANDEM_KERNEL: this processor has no kernel '%s'; unset it, or use",
            want);
    for (int i = 0; i < TND_ISA_COUNT; i++)
        if (tnd_isa_here((enum tnd_isa)i))
            fprintf(stderr, "%s %s", i ? " or" : "", tnd_isa_name((enum tnd_isa)i));
    fputc('\n', stderr);
    return false;
}

int main(int argc, char **argv)
{
    if (!choose_kernel())
        return 2;
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("tandem " TND_VERSION);
        return 0;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "tandem: unknown command '%s'; see tandem --help\n", argv[1]);
    return 2;
}
