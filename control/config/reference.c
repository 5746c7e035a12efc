// docs/configuration.md, from the descriptor table.
#include "control/config/internal.h"

static const char *value_text(const struct tnd__field *f, char *buf, size_t room)
{
    static const char *const shapes[] = {
        [TND__KIND_TEXT] = "text",
        [TND__KIND_COUNT] = "number",
        [TND__KIND_TIME] = "duration",
        [TND__KIND_BOOL] = "yes, no",
        [TND__KIND_HOST] = "host",
        [TND__KIND_LISTEN] = "udp:ADDRESS:PORT",
        [TND__KIND_ADDRESS] = "ADDRESS:PORT",
        [TND__KIND_NET] = "ADDRESS/LENGTH",
        [TND__KIND_MAC] = "MAC address",
        [TND__KIND_SOURCE] = "source",
        [TND__KIND_URI] = "SIP URI",
        [TND__KIND_USER] = "pattern",
        [TND__KIND_DOMAIN] = "pattern",
        [TND__KIND_METHOD] = "method",
        [TND__KIND_TRUNK] = "trunk",
        [TND__KIND_MAP] = "map",
        [TND__KIND_NAMED] = "map of names",
        [TND__KIND_NEIGHBOURS] = "map",
    };
    size_t n = (size_t)snprintf(buf, room, "%s", f->list ? "list of " : "");

    for (const struct tnd__word *w = f->words; w && w->word && n < room; w++)
        n += (size_t)snprintf(buf + n, room - n, "%s%s", w == f->words ? "" : ", ", w->word);
    if (f->kind == TND__KIND_COUNT && n < room)
        snprintf(buf + n, room - n, "%s%u..%u", f->words ? ", " : "", f->min, f->max);
    else if (f->kind != TND__KIND_WORD && n < room)
        snprintf(buf + n, room - n, "%s%s", shapes[f->kind],
                 f->list && f->kind != TND__KIND_MAP ? "s" : "");
    return buf;
}

static void section(const struct tnd__struct *s, FILE *out)
{
    char value[128];

    fprintf(out, "| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < s->n_fields; i++) {
        const struct tnd__field *f = &s->fields[i];
        fprintf(out, "| `%s` | %s | ", f->key,
                f->list && f->kind == TND__KIND_MAP ? "list of maps"
                                                    : value_text(f, value, sizeof value));
        if (f->required)
            fprintf(out, "required");
        else if (f->preset)
            fprintf(out, "`%s`", f->preset);
        else
            fprintf(out, "%s", f->preset_text ? f->preset_text : "");
        fprintf(out, " | %s%s%s%s%s%s |\n", f->doc, f->sub ? " See [" : "",
                f->sub ? f->sub->title : "", f->sub ? "](#" : "", f->sub ? f->sub->title : "",
                f->sub ? ")." : "");
    }
}

void tnd_config_reference(FILE *out)
{
    const struct tnd__struct *root = &tnd__config_root;

    fputs(
        "# Configuration\n\n"
        "<!-- Made by `make docs` from control/config/fields.c: change it there. -->\n\n"
        "One YAML file. `tandem check FILE` names every fault in it with line and column. "
        "Complete\n"
        "files are in `examples/`.\n\n"
        "- Durations have a unit: `500ms`, `1.5s`, `3m`, `24h`, `1d`.\n"
        "- `k` and `M` after a number mean thousand and million.\n"
        "- A list of one may be written as its only value.\n"
        "- Write lists in lines of their own (`- entry`), not in brackets: YAML takes the `:` and\n"
        "  `[` of addresses for its own there.\n"
        "- Quote what begins with `*`, `&`, `@` or `!`, and what contains ` #` or `: `.\n\n"
        "## Top level\n\n",
        out);
    section(root, out);
    for (uint32_t i = 0; i < root->n_fields; i++)
        if (root->fields[i].sub) {
            fprintf(out, "\n## %s\n\n", root->fields[i].sub->title);
            section(root->fields[i].sub, out);
        }
}
