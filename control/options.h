// The options of a command: those that all commands have, and one way to say what is wrong.
//
// Threads: one; getopt(3) keeps what it knows in the process.
#pragma once

#include <getopt.h>

// Every command's: the last rows of its options.
#define TND_COMMON_OPTIONS                                                 \
    {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, \
    {                                                                      \
        NULL, 0, NULL, 0                                                   \
    }

struct tnd_options {
    const char *command;        // "tandem ctl"
    const char *help;           // what --help says
    const char *letters;        // as getopt's, of the command's own short options; ":" before them
    const struct option *names; // ends with TND_COMMON_OPTIONS
};

// The command's next option; its argument is in optarg, what follows the last one from optind on.
// --help and --version are answered here, and an option that nobody knows is told on stderr.
// Returns: the option, or 0 after the last, *code being -1 to go on or the exit code.
int tnd_options_next(const struct tnd_options *o, int argc, char **argv, int *code);

// Say that the command was used wrong: "tandem ctl: --sokcet: unknown option; see ..".
// Returns: 2, the exit code for that.
int tnd_options_wrong(const struct tnd_options *o, const char *what, const char *why);
// The same of the argument of option `opt`: "tandem load: --rate: 'many': 0 to 10000000; see ..".
int tnd_options_wrong_value(const struct tnd_options *o, int opt, const char *why);
