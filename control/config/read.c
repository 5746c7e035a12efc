// YAML nodes to structs, along the descriptor table.
#include "control/config/walk.h"

#include <stdlib.h>

#include "util/err.h"

static struct tnd_str scalar(const yaml_node_t *n)
{
    return (struct tnd_str){(const char *)n->data.scalar.value, n->data.scalar.length};
}

static yaml_node_t *node(struct tnd__walk *w, int id)
{
    return yaml_document_get_node(w->doc, id);
}

// ---- values ------------------------------------------------------------------------------

static void read_struct(struct tnd__walk *w, yaml_node_t *n, const struct tnd__struct *s,
                        char *base, const char *label);

// Aliases make a small file large: each value read counts.
static bool one_more(struct tnd__walk *w, const yaml_node_t *n)
{
    if (++w->r.values <= TND__VALUES_MAX)
        return true;
    if (!w->r.exhausted)
        tnd__error(&w->r, tnd__pos_of(n->start_mark), "more than %u values, aliases counted",
                   TND__VALUES_MAX);
    w->r.exhausted = true;
    return false;
}

static void wrong_type(struct tnd__walk *w, const struct tnd__field *f, const yaml_node_t *n,
                       const char *label, const char *wants)
{
    if (tnd__is_nothing(n))
        tnd__error(&w->r, tnd__pos_of(n->start_mark),
                   "'%s'%s has no value; expected %s, or leave it out", f->key, label, wants);
    else
        tnd__error(&w->r, tnd__pos_of(n->start_mark), "'%s'%s must be %s, not %s", f->key, label,
                   wants, tnd__node_text(n));
}

static bool read_scalar(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n, void *out,
                        const char *label)
{
    char why[TND__WHY_MAX], quoted[TND__QUOTE_MAX], words[128];

    if (!one_more(w, n))
        return false;
    if (n->type != YAML_SCALAR_NODE || tnd__is_nothing(n)) {
        wrong_type(w, f, n, label, tnd__kind_wants(f, words, sizeof words));
        return false;
    }
    if (!tnd__value_parse(&w->r, f, scalar(n), out, why)) {
        tnd__error(&w->r, tnd__pos_of(n->start_mark), "'%s'%s is '%s': %s", f->key, label,
                   tnd__quote(scalar(n), quoted), why);
        return false;
    }
    return true;
}

static bool read_item(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n, void *out,
                      const char *label)
{
    bool fine = read_scalar(w, f, n, out, label);

    if (fine)
        tnd__where_add(&w->r, out, tnd__pos_of(n->start_mark), true);
    return fine;
}

static const yaml_node_t *item_at(struct tnd__walk *w, const yaml_node_t *n, size_t i)
{
    if (n->type == YAML_SEQUENCE_NODE)
        return node(w, n->data.sequence.items.start[i]);
    return n->type == YAML_MAPPING_NODE ? node(w, n->data.mapping.pairs.start[i].key) : n;
}

// The error stands at the first entry beyond what is allowed.
static bool too_many(struct tnd__walk *w, const struct tnd__field *f, const yaml_node_t *n,
                     size_t items)
{
    size_t most = f->items_max ? f->items_max : TND__VALUES_MAX;

    if (items <= most)
        return false;
    tnd__error(&w->r, tnd__pos_of(item_at(w, n, most)->start_mark),
               "'%s' has %zu entries; %zu at most", f->key, items, most);
    return true;
}

// Room for the items of a list or a map of names; the count follows as they turn out right.
static char *items_begin(struct tnd__walk *w, const struct tnd__field *f, char *base, size_t items,
                         size_t size)
{
    char *list = items ? tnd__alloc(&w->r, items * size) : NULL;

    memcpy(base + f->off, &list, sizeof list);
    memset(base + f->n_off, 0, sizeof(uint32_t));
    return list;
}

static void items_end(const struct tnd__field *f, char *base, uint32_t n)
{
    memcpy(base + f->n_off, &n, sizeof n);
}

// Returns: whether every item could be kept.
static bool read_list(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n, char *base,
                      const char *label)
{
    bool maps = f->kind == TND__KIND_MAP, one = n->type == YAML_SCALAR_NODE && !maps;
    size_t items = one ? 1 : 0, size = maps ? f->sub->size : tnd__kind_size(f->kind);
    uint32_t count = 0;

    if (tnd__is_nothing(n) || (n->type != YAML_SEQUENCE_NODE && !one)) {
        wrong_type(w, f, n, label,
                   "a list (a line of its own for each entry, beginning with '- ')");
        return false;
    }
    if (!one)
        items = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    char *list = too_many(w, f, n, items) ? NULL : items_begin(w, f, base, items, size);
    for (size_t i = 0; list && i < items && !w->r.no_memory && !w->r.exhausted; i++) {
        yaml_node_t *item = one ? n : node(w, n->data.sequence.items.start[i]);
        char *out = list + count * size;
        if (!maps) {
            count += read_item(w, f, item, out, label);
        } else if (item->type != YAML_MAPPING_NODE) {
            tnd__error(&w->r, tnd__pos_of(item->start_mark), "%s must be a map of keys, not %s",
                       f->sub->what, tnd__is_nothing(item) ? "nothing" : tnd__node_text(item));
        } else if (one_more(w, item)) {
            char in[64];
            struct tnd_config_pos at = tnd__pos_of(item->start_mark);
            memcpy(out, &at, sizeof at);
            snprintf(in, sizeof in, " in %s", f->sub->what);
            read_struct(w, item, f->sub, out, in);
            count++;
        }
    }
    if (list)
        items_end(f, base, count);
    return count == items;
}

static bool is_name(struct tnd_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = tnd_lower(s.p[i]);
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return s.len > 0 && s.len <= TND_TRUNK_NAME;
}

// What begins each element of a map of names.
struct named {
    struct tnd_config_pos pos;
    struct tnd_str name;
};
_Static_assert(offsetof(struct tnd_config_trunk, name) == offsetof(struct named, name), "named");
_Static_assert(offsetof(struct tnd_config_interface, name) == offsetof(struct named, name),
               "named");

static int compare_names(const void *a, const void *b)
{
    const struct named *x = *(struct named *const *)a, *y = *(struct named *const *)b;
    int c = strcmp(x->name.p, y->name.p);

    if (c)
        return c;
    return x->pos.line < y->pos.line ? -1 : x->pos.line > y->pos.line;
}

static void refuse_twins(struct tnd__walk *w, const struct tnd__field *f, char *list, uint32_t n)
{
    struct named **sorted = n > 1 ? malloc(n * sizeof(struct named *)) : NULL;

    if (n > 1 && !sorted)
        w->r.no_memory = true;
    if (!sorted)
        return;
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = (struct named *)(void *)(list + i * f->sub->size);
    qsort(sorted, n, sizeof *sorted, compare_names);
    for (uint32_t i = 1; i < n; i++)
        if (strcmp(sorted[i - 1]->name.p, sorted[i]->name.p) == 0)
            tnd__error(&w->r, sorted[i]->pos,
                       "%s '%s' is there already, in line %u; names are unique", f->sub->what,
                       sorted[i]->name.p, sorted[i - 1]->pos.line);
    free(sorted);
}

static bool read_named_item(struct tnd__walk *w, const struct tnd__field *f, yaml_node_pair_t *pair,
                            struct named *out)
{
    yaml_node_t *key = node(w, pair->key), *value = node(w, pair->value);
    char quoted[TND__QUOTE_MAX], in[128];

    if (!one_more(w, key))
        return false;
    if (key->type != YAML_SCALAR_NODE || !is_name(scalar(key))) {
        struct tnd_str s = key->type == YAML_SCALAR_NODE ? scalar(key) : TND_STR("");
        tnd__error(
            &w->r, tnd__pos_of(key->start_mark),
            "'%s' cannot be a name in '%s'; expected letters, digits, '.', '_' and '-', %d at most",
            tnd__quote(s, quoted), f->key, TND_TRUNK_NAME);
        return false;
    }
    out->pos = tnd__pos_of(key->start_mark);
    out->name = tnd__copy(&w->r, scalar(key));
    if (value->type != YAML_MAPPING_NODE) {
        tnd__error(&w->r, tnd__pos_of(value->start_mark), "%s '%s' must be a map of keys, not %s",
                   f->sub->what, out->name.p,
                   tnd__is_nothing(value) ? "nothing" : tnd__node_text(value));
        return true; // the name exists: routes to it are not wrong as well
    }
    snprintf(in, sizeof in, " in %s '%s'", f->sub->what, out->name.p);
    read_struct(w, value, f->sub, (char *)out, in);
    tnd__where_add(&w->r, out, out->pos, true);
    return true;
}

static bool read_named(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n, char *base)
{
    uint32_t count = 0;

    if (n->type != YAML_MAPPING_NODE) {
        wrong_type(w, f, n, "", "a map of names");
        return false;
    }
    size_t items = (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    char *list = too_many(w, f, n, items) ? NULL : items_begin(w, f, base, items, f->sub->size);
    for (size_t i = 0; list && i < items && !w->r.no_memory && !w->r.exhausted; i++)
        count += read_named_item(w, f, &n->data.mapping.pairs.start[i],
                                 (struct named *)(void *)(list + count * f->sub->size));
    if (list && !w->r.no_memory) {
        items_end(f, base, count);
        refuse_twins(w, f, list, count);
    }
    return count == items;
}

static bool read_neighbours(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n,
                            char *base)
{
    static const struct tnd__field mac = {.key = "neighbours", .kind = TND__KIND_MAC};
    char quoted[TND__QUOTE_MAX];
    uint32_t count = 0;

    if (n->type != YAML_MAPPING_NODE) {
        wrong_type(w, f, n, "", "a map of IP address to MAC address");
        return false;
    }
    size_t items = (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    struct tnd_config_neighbour *list =
        too_many(w, f, n, items) ? NULL : (void *)items_begin(w, f, base, items, sizeof *list);
    for (size_t i = 0; list && i < items && !w->r.no_memory && !w->r.exhausted; i++) {
        yaml_node_t *key = node(w, n->data.mapping.pairs.start[i].key);
        yaml_node_t *value = node(w, n->data.mapping.pairs.start[i].value);
        struct tnd_str s = key->type == YAML_SCALAR_NODE ? scalar(key) : TND_STR("");
        struct tnd_config_neighbour *out = &list[count];
        out->pos = tnd__pos_of(key->start_mark);
        if (!tnd_str_eq(s, TND_STR("default")) && !tnd_addr_parse_ip(s, &out->addr))
            tnd__error(&w->r, out->pos,
                       "'%s' in 'neighbours' is neither an IP address nor 'default'",
                       tnd__quote(s, quoted));
        else
            count += read_item(w, &mac, value, &out->mac, "");
    }
    if (list)
        items_end(f, base, count);
    return count == items;
}

static void read_map(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n, char *base,
                     const char *label)
{
    char in[64];

    if (n->type != YAML_MAPPING_NODE) {
        wrong_type(w, f, n, label, "a map of keys");
        return;
    }
    snprintf(in, sizeof in, " in '%s'", f->key);
    read_struct(w, n, f->sub, base + f->off, in);
}

static void read_value(struct tnd__walk *w, const struct tnd__field *f, yaml_node_t *n, char *base,
                       const char *label)
{
    bool fine;

    if (f->kind == TND__KIND_MAP && !f->list) {
        read_map(w, f, n, base, label); // its first key has the same address
        return;
    }
    if (f->list)
        fine = read_list(w, f, n, base, label);
    else if (f->kind == TND__KIND_NAMED)
        fine = read_named(w, f, n, base);
    else if (f->kind == TND__KIND_NEIGHBOURS)
        fine = read_neighbours(w, f, n, base);
    else
        fine = read_scalar(w, f, n, base + f->off, label);
    tnd__where_add(&w->r, base + f->off, tnd__pos_of(n->start_mark), fine);
}

// ---- maps --------------------------------------------------------------------------------

static void preset_struct(struct tnd__walk *w, const struct tnd__struct *s, char *base)
{
    char why[TND__WHY_MAX];

    for (uint32_t i = 0; i < s->n_fields; i++) {
        const struct tnd__field *f = &s->fields[i];
        if (f->preset)
            tnd__value_parse(&w->r, f, tnd_str_of(f->preset), base + f->off, why);
        else if (f->kind == TND__KIND_MAP && !f->list)
            preset_struct(w, f->sub, base + f->off);
    }
}

static void unknown_key(struct tnd__walk *w, const struct tnd__struct *s, const yaml_node_t *key,
                        const char *label)
{
    struct tnd__nearest near = tnd__nearest_begin(scalar(key));
    char quoted[TND__QUOTE_MAX], keys[256];
    size_t n = 0;

    for (uint32_t i = 0; i < s->n_fields; i++) {
        tnd__nearest_try(&near, tnd_str_of(s->fields[i].key));
        if (n < sizeof keys)
            n += (size_t)snprintf(keys + n, sizeof keys - n, "%s%s", i ? ", " : "",
                                  s->fields[i].key);
    }
    tnd__quote(scalar(key), quoted);
    if (near.best.len)
        tnd__error(&w->r, tnd__pos_of(key->start_mark), "unknown key '%s'%s; did you mean '%s'?",
                   quoted, label, near.best.p);
    else
        tnd__error(&w->r, tnd__pos_of(key->start_mark), "unknown key '%s'%s; there are %s", quoted,
                   label, keys);
}

static void read_pair(struct tnd__walk *w, yaml_node_pair_t *pair, const struct tnd__struct *s,
                      char *base, const char *label, uint32_t line_of[])
{
    yaml_node_t *key = node(w, pair->key);
    uint32_t i;

    if (key->type != YAML_SCALAR_NODE) {
        tnd__error(&w->r, tnd__pos_of(key->start_mark), "a key%s must be a word, not %s", label,
                   tnd__node_text(key));
        return;
    }
    for (i = 0; i < s->n_fields; i++)
        if (tnd_str_eq(scalar(key), tnd_str_of(s->fields[i].key)))
            break;
    if (i == s->n_fields) {
        unknown_key(w, s, key, label);
    } else if (line_of[i]) {
        tnd__error(&w->r, tnd__pos_of(key->start_mark),
                   "'%s'%s is there already, in line %u; keep one", s->fields[i].key, label,
                   line_of[i]);
    } else {
        line_of[i] = tnd__pos_of(key->start_mark).line;
        read_value(w, &s->fields[i], node(w, pair->value), base, label);
    }
}

#define FIELDS_MAX 32

static void read_struct(struct tnd__walk *w, yaml_node_t *n, const struct tnd__struct *s,
                        char *base, const char *label)
{
    uint32_t line_of[FIELDS_MAX] = {0};

    preset_struct(w, s, base);
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        if (!one_more(w, n) || w->r.no_memory)
            return;
        read_pair(w, p, s, base, label, line_of);
    }
    for (uint32_t i = 0; i < s->n_fields; i++)
        if (s->fields[i].required && !line_of[i])
            tnd__error(&w->r, tnd__pos_of(n->start_mark), "'%s' is missing%s", s->fields[i].key,
                       label);
}

void tnd__read_document(struct tnd__walk *w)
{
    yaml_node_t *root = yaml_document_get_root_node(w->doc);

    if (!root || tnd__is_nothing(root))
        tnd__error(&w->r, (struct tnd_config_pos){1, 1},
                   "the file is empty; expected at least 'interfaces' and 'listen'");
    else if (root->type != YAML_MAPPING_NODE)
        tnd__error(&w->r, tnd__pos_of(root->start_mark), "the file must be a map of keys, not %s",
                   tnd__node_text(root));
    else
        read_struct(w, root, &tnd__config_root, (char *)w->r.config, "");
}
