#include "control/options.h"

#include <stdbool.h>
#include <stdio.h>

int tnd_options_wrong(const struct tnd_options *o, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s; see %s --help\n", o->command, what, why, o->command);
    return 2;
}

static const char *name_of(const struct tnd_options *o, int opt)
{
    for (const struct option *n = o->names; n->name; n++)
        if (n->val == opt)
            return n->name;
    return NULL;
}

int tnd_options_wrong_value(const struct tnd_options *o, int opt, const char *why)
{
    fprintf(stderr, "%s: --%s: '%.100s': %s; see %s --help\n", o->command, name_of(o, opt), optarg,
            why, o->command);
    return 2;
}

// getopt names a letter, but not a word.
static int unknown(const struct tnd_options *o, const char *word)
{
    char letter[3] = {'-', (char)optopt, 0};

    bool is_letter = optopt > ' ' && optopt < 127 && !name_of(o, optopt);

    return tnd_options_wrong(o, is_letter ? letter : word, "unknown option");
}

int tnd_options_next(const struct tnd_options *o, int argc, char **argv, int *code)
{
    int opt;

    *code = -1;
    opterr = 0;
    opt = getopt_long(argc, argv, o->letters, o->names, NULL);
    switch (opt) {
    case -1:
        return 0;
    case 'h':
        fputs(o->help, stdout);
        *code = 0;
        return 0;
    case 'V':
        puts("tandem " TND_VERSION);
        *code = 0;
        return 0;
    case ':':
        *code = tnd_options_wrong(o, argv[optind - 1], "needs a value");
        return 0;
    case '?':
        *code = unknown(o, argv[optind - 1]);
        return 0;
    default:
        return opt;
    }
}
