#include "control/cmd_check.h"

#include <jansson.h>
#include <stdio.h>

#include "control/config/config.h"
#include "control/options.h"
#include "util/err.h"

static const char help[] =
    "usage: tandem check [--json] FILE\n"
    "\n"
    "Read a configuration and name every fault in it, with line and column. Nothing is\n"
    "started, and nothing but FILE is looked at.\n"
    "\n"
    "  --json     one JSON object on standard output instead of text\n"
    "  --help     this text\n"
    "  --version  the version\n"
    "\n"
    "Exit code: 0 the file is fine, 1 it is not, 2 wrong usage.\n"
    "\n"
    "Examples:\n"
    "  tandem check examples/two-trunks.yaml\n"
    "  tandem check --json examples/two-trunks.yaml\n"
    "  tandem check edge.yaml && tandem run edge.yaml\n";

static void print_count(uint32_t n, const char *what, const char *after)
{
    printf("%u %s%s%s", n, what, n == 1 ? "" : "s", after);
}

static void print_fine(const char *path, const struct tnd_config *c)
{
    printf("%s: fine: ", path);
    print_count(c->n_trunks, "trunk", ", ");
    print_count(c->n_listeners, "listener", ", ");
    print_count(c->n_routes, "route", "\n");
}

static json_t *errors_json(const struct tnd_config_errors *errs)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < errs->n; i++) {
        const struct tnd_config_error *e = &errs->list[i];
        // A cut quotation may end inside a character: then the text is no UTF-8.
        json_t *text = json_string(e->text);
        json_array_append_new(list, json_pack("{s:i, s:i, s:o}", "line", (int)e->pos.line, "column",
                                              (int)e->pos.column, "text",
                                              text ? text : json_string("not UTF-8")));
    }
    return list;
}

static int print_json(const char *path, const struct tnd_config *c,
                      const struct tnd_config_errors *errs)
{
    json_t *root = json_pack("{s:s, s:b, s:o, s:i}", "file", path, "fine", c != NULL, "errors",
                             errors_json(errs), "errors_left_out", (int)errs->left_out);

    if (c && root)
        json_object_set_new(root, "configuration",
                            json_pack("{s:i, s:i, s:i, s:i}", "interfaces", (int)c->n_interfaces,
                                      "trunks", (int)c->n_trunks, "listeners", (int)c->n_listeners,
                                      "routes", (int)c->n_routes));
    if (!root || json_dumpf(root, stdout, JSON_INDENT(2)) != 0) {
        fprintf(stderr, "check: %s: the result cannot be written as JSON; try without --json\n",
                path);
        json_decref(root);
        return 1;
    }
    putchar('\n');
    json_decref(root);
    return c ? 0 : 1;
}

static int check_file(const char *path, bool json)
{
    struct tnd_config_errors errs;
    struct tnd_config *c;
    int rc = tnd_config_read(path, &c, &errs);

    if (rc == -TND_ENOMEM) {
        fprintf(stderr, "check: %s: out of memory\n", path);
        rc = 1;
    } else if (json) {
        rc = print_json(path, c, &errs);
    } else if (rc) {
        tnd_config_errors_print(&errs, path, stderr);
        rc = 1;
    } else {
        print_fine(path, c);
    }
    tnd_config_errors_free(&errs);
    tnd_config_free(c);
    return rc;
}

int tnd_cmd_check(int argc, char **argv)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'}, TND_COMMON_OPTIONS};
    static const struct tnd_options options = {"tandem check", help, ":hV", names};
    bool json = false;
    int code;

    while (tnd_options_next(&options, argc, argv, &code) != 0)
        json = true;
    if (code >= 0)
        return code;
    if (optind + 1 != argc)
        return tnd_options_wrong(&options, "FILE",
                                 optind == argc ? "none is given" : "more than one is given");
    return check_file(argv[optind], json);
}
