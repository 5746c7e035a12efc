// What the stages of reading a file share: syntax.c looks at it as YAML, read.c turns nodes into
// values along the descriptor table, file.c opens it and runs them in turn.
//
// Threads: those of config.h; a walk lives on the stack of one tnd_config_parse.
#pragma once

#include <yaml.h>

#include "control/config/internal.h"

#define TND__VALUES_MAX (4u << 20) // read in all; an alias counts each time

struct tnd__walk {
    struct tnd__reader r;
    yaml_document_t *doc;
    const char *text;
    size_t len;
};

static inline struct tnd_config_pos tnd__pos_of(yaml_mark_t m)
{
    return (struct tnd_config_pos){(uint32_t)m.line + 1, (uint32_t)m.column + 1};
}

static inline const char *tnd__node_text(const yaml_node_t *n)
{
    if (n->type == YAML_SEQUENCE_NODE)
        return "a list";
    return n->type == YAML_MAPPING_NODE ? "a map" : "a single value";
}

static inline bool tnd__is_nothing(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0 &&
           n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

// syntax.c: sets w->r.no_memory when there is none; `p` is to be deleted in any case.
void tnd__parser_begin(struct tnd__walk *w, yaml_parser_t *p);

// Whether the text is one YAML document that is safe to compose; else the error is noted.
bool tnd__syntax_check(struct tnd__walk *w);

// Note what the parser complains of, with a hint at what people mean.
void tnd__syntax_error(struct tnd__walk *w, const yaml_parser_t *p);

// read.c: the whole document, from its root, into w->r.config.
void tnd__read_document(struct tnd__walk *w);
