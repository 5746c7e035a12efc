#include "torture/torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    long size;

    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        data = malloc((size_t)size + 1);
        if (data && fread(data, 1, (size_t)size, f) != (size_t)size) {
            free(data);
            data = NULL;
        }
        *len = (size_t)size;
    }
    fclose(f);
    if (data)
        data[*len] = 0;
    return data;
}

static bool copy_field(char *out, size_t room, const char *field)
{
    return field && (size_t)snprintf(out, room, "%s", field) < room;
}

static bool read_action(const char *text, struct torture_case *c)
{
    if (!text)
        return false;
    if (strncmp(text, "FORWARD", 7) == 0)
        c->action = TORTURE_FORWARD;
    else if (strncmp(text, "DROP", 4) == 0)
        c->action = TORTURE_DROP;
    else if (strcmp(text, "-") == 0)
        c->action = TORTURE_NONE;
    else
        c->action = TORTURE_ANSWER;
    c->status = c->action == TORTURE_ANSWER ? atoi(text) : 0;
    return c->action != TORTURE_ANSWER || (c->status >= 400 && c->status <= 599);
}

// Columns: corpus, name, section, top_via, class, proxy_action, note.
static bool read_case(const char *dir, char *line, struct torture_case *c)
{
    char path[512], *fields[7];

    for (int i = 0; i < 7; i++)
        fields[i] = strsep(&line, "\t");
    memset(c, 0, sizeof *c);
    if (!copy_field(c->corpus, sizeof c->corpus, fields[0]) ||
        !copy_field(c->name, sizeof c->name, fields[1]) ||
        !copy_field(c->section, sizeof c->section, fields[2]) ||
        !copy_field(c->top_via, sizeof c->top_via, fields[3]) || !read_action(fields[5], c))
        return false;
    snprintf(path, sizeof path, "%s/%s/%s.dat", dir, c->corpus, c->name);
    c->data = read_file(path, &c->len);
    if (!c->data)
        fprintf(stderr, "torture: %s: cannot be read\n", path);
    return c->data != NULL;
}

bool torture_load(const char *dir, struct torture_set *out)
{
    char path[512], *text, *rest, *line;
    size_t len;
    bool header = true;

    *out = (struct torture_set){0};
    snprintf(path, sizeof path, "%s/EXPECT.tsv", dir);
    text = read_file(path, &len);
    if (!text) {
        fprintf(stderr, "torture: %s: cannot be read\n", path);
        return false;
    }
    rest = text;
    while ((line = strsep(&rest, "\n")) != NULL) {
        struct torture_case *grown;

        if (header || !*line) {
            header = false;
            continue;
        }
        grown = realloc(out->cases, (out->n + 1) * sizeof *grown);
        if (!grown || (out->cases = grown, !read_case(dir, line, &grown[out->n]))) {
            fprintf(stderr, "torture: %s: case %zu: malformed\n", path, out->n + 1);
            torture_free(out);
            break;
        }
        out->n++;
    }
    free(text);
    return out->n > 0;
}

void torture_free(struct torture_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free(set->cases[i].data);
    free(set->cases);
    *set = (struct torture_set){0};
}

const struct torture_case *torture_find(const struct torture_set *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->cases[i].name, name) == 0)
            return &set->cases[i];
    return NULL;
}
