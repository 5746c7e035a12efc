// A configuration file as YAML, before any value of it is read.
//
// libyaml composes a document of nodes with positions, aliases as shared nodes. Before that,
// the events are walked once to bound what composing would cost: nesting, anchors (both are
// quadratic in libyaml), and documents beyond the first, which it would ignore in silence.
#include "control/config/walk.h"

#include <string.h>

#define DEPTH_MAX   32
#define ANCHORS_MAX 1024

// libyaml gives no mark for a wrong octet, only its offset.
static struct tnd_config_pos pos_of_offset(const struct tnd__walk *w, size_t offset)
{
    struct tnd_config_pos pos = {1, 1};

    for (size_t i = 0; i < offset && i < w->len; i++) {
        pos.column += ((unsigned char)w->text[i] & 0xc0) != 0x80;
        if (w->text[i] == '\n')
            pos = (struct tnd_config_pos){pos.line + 1, 1};
    }
    return pos;
}

static struct tnd_str line_at(const struct tnd__walk *w, size_t line)
{
    const char *p = w->text, *end = w->text + w->len;

    for (; line > 0 && p < end; p++)
        line -= *p == '\n';
    const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return (struct tnd_str){p, (size_t)((stop ? stop : end) - p)};
}

// What people run into most, in words that say what to do.
static const char *syntax_hint(const struct tnd__walk *w, const yaml_parser_t *p)
{
    struct tnd_str line = line_at(w, p->problem_mark.line);
    char at = p->problem_mark.column < line.len ? line.p[p->problem_mark.column] : 0;

    if (at == '\t')
        return "; a tab cannot indent, use spaces";
    if (at == '*' || (p->problem && strstr(p->problem, "alphabetic or numeric")))
        return "; quote a text that begins with '*', '&' or '@'";
    if (line.len && (memchr(line.p, '[', line.len) || memchr(line.p, '{', line.len)))
        return "; write lists in lines of their own, each beginning with '- '";
    if (p->problem && strstr(p->problem, "mapping values are not allowed"))
        return "; quote a text that contains ': '";
    return "; look at the indentation here and above";
}

void tnd__syntax_error(struct tnd__walk *w, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR) {
        w->r.no_memory = true;
        return;
    }
    if (p->error == YAML_READER_ERROR) {
        tnd__error(&w->r, pos_of_offset(w, p->problem_offset),
                   "this is not UTF-8 text: %s; save the file as UTF-8", p->problem);
        return;
    }
    tnd__error(&w->r, tnd__pos_of(p->problem_mark), "this is not YAML: %s%s%s%s",
               p->problem ? p->problem : "syntax error", p->context ? " " : "",
               p->context ? p->context : "", syntax_hint(w, p));
}

static bool has_anchor(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor;
    default:
        return false;
    }
}

struct bounds {
    unsigned depth, anchors, documents;
};

// Returns: false when this event ends the walk with an error.
static bool within_bounds(struct tnd__walk *w, struct bounds *b, const yaml_event_t *e)
{
    struct tnd_config_pos at = tnd__pos_of(e->start_mark);

    if (e->type == YAML_SEQUENCE_START_EVENT || e->type == YAML_MAPPING_START_EVENT)
        b->depth++;
    else if (e->type == YAML_SEQUENCE_END_EVENT || e->type == YAML_MAPPING_END_EVENT)
        b->depth--;
    b->documents += e->type == YAML_DOCUMENT_START_EVENT;
    b->anchors += has_anchor(e);
    if (b->depth > DEPTH_MAX)
        tnd__error(&w->r, at, "lists and maps are nested more than %u deep", DEPTH_MAX);
    else if (b->anchors > ANCHORS_MAX)
        tnd__error(&w->r, at, "more than %u anchors in one file", ANCHORS_MAX);
    else if (b->documents > 1)
        tnd__error(&w->r, at, "a second document begins here; a file has one");
    else
        return true;
    return false;
}

void tnd__parser_begin(struct tnd__walk *w, yaml_parser_t *p)
{
    if (!yaml_parser_initialize(p))
        w->r.no_memory = true;
    else
        yaml_parser_set_input_string(p, (const unsigned char *)w->text, w->len);
}

bool tnd__syntax_check(struct tnd__walk *w)
{
    struct bounds b = {0};
    yaml_parser_t p;
    bool fine, end = false;

    tnd__parser_begin(w, &p);
    for (fine = !w->r.no_memory; fine && !end;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&p, &e)) {
            tnd__syntax_error(w, &p);
            fine = false;
            break;
        }
        fine = within_bounds(w, &b, &e);
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    return fine;
}
