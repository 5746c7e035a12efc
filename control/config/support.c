#include "control/config/internal.h"

#include <stdarg.h>
#include <stdlib.h>

#include "util/err.h"

// ---- memory ------------------------------------------------------------------------------

#define CHUNK 65536

struct chunk {
    struct chunk *next;
    size_t used, room;
    _Alignas(16) char data[];
};

void *tnd__alloc(struct tnd__reader *r, size_t size)
{
    struct chunk *c = r->config->arena;

    size = (size + 15) & ~(size_t)15;
    if (!c || c->room - c->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        c = calloc(1, sizeof *c + room);
        if (!c) {
            r->no_memory = true;
            return NULL;
        }
        c->room = room;
        c->next = r->config->arena;
        r->config->arena = c;
    }
    c->used += size;
    return c->data + c->used - size;
}

struct tnd_str tnd__copy(struct tnd__reader *r, struct tnd_str s)
{
    char *p = tnd__alloc(r, s.len + 1);

    if (!p)
        return (struct tnd_str){"", 0};
    if (s.len)
        memcpy(p, s.p, s.len);
    return (struct tnd_str){p, s.len};
}

void tnd_config_free(struct tnd_config *c)
{
    if (!c)
        return;
    for (struct chunk *chunk = c->arena, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(c);
}

// ---- errors ------------------------------------------------------------------------------

void tnd__error(struct tnd__reader *r, struct tnd_config_pos pos, const char *fmt, ...)
{
    struct tnd_config_errors *e = r->errs;
    char text[1024];
    va_list ap;

    if (e->n == TND_CONFIG_ERRORS_MAX) {
        e->left_out++;
        return;
    }
    if (!e->list)
        e->list = calloc(TND_CONFIG_ERRORS_MAX, sizeof *e->list);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *copy = e->list ? strdup(text) : NULL;
    if (!copy) {
        r->no_memory = true;
        return;
    }
    e->list[e->n++] = (struct tnd_config_error){.pos = pos, .text = copy};
}

static int compare_pos(const void *a, const void *b)
{
    const struct tnd_config_error *x = a, *y = b;

    if (x->pos.line != y->pos.line)
        return x->pos.line < y->pos.line ? -1 : 1;
    if (x->pos.column != y->pos.column)
        return x->pos.column < y->pos.column ? -1 : 1;
    return strcmp(x->text, y->text);
}

void tnd__errors_sort(struct tnd_config_errors *e)
{
    if (e->n)
        qsort(e->list, e->n, sizeof *e->list, compare_pos);
}

void tnd_config_errors_print(const struct tnd_config_errors *e, const char *path, FILE *out)
{
    uint64_t all = (uint64_t)e->n + e->left_out;

    for (uint32_t i = 0; i < e->n; i++) {
        const struct tnd_config_error *x = &e->list[i];
        if (x->pos.line)
            fprintf(out, "%s:%u:%u: %s\n", path, x->pos.line, x->pos.column, x->text);
        else
            fprintf(out, "%s: %s\n", path, x->text);
    }
    if (e->left_out)
        fprintf(out, "%u more not shown\n", e->left_out);
    fprintf(out, "%llu error%s\n", (unsigned long long)all, all == 1 ? "" : "s");
}

void tnd_config_errors_free(struct tnd_config_errors *e)
{
    for (uint32_t i = 0; i < e->n; i++)
        free(e->list[i].text);
    free(e->list);
    *e = (struct tnd_config_errors){0};
}

const char *tnd__quote(struct tnd_str s, char buf[static TND__QUOTE_MAX])
{
    const size_t half = (TND__QUOTE_MAX - 4) / 2;
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.len > 2 * half && i == half) {
            buf[n++] = '.';
            buf[n++] = '.';
            i = s.len - half;
        }
        unsigned char c = (unsigned char)s.p[i];
        buf[n++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    buf[n] = 0;
    return buf;
}

// ---- positions ---------------------------------------------------------------------------

void tnd__where_add(struct tnd__reader *r, const void *field, struct tnd_config_pos pos, bool fine)
{
    if (r->n_where == r->where_room) {
        size_t room = r->where_room ? 2 * r->where_room : 256;
        struct tnd__where *bigger = realloc(r->where, room * sizeof *bigger);
        if (!bigger) {
            r->no_memory = true;
            return;
        }
        r->where = bigger;
        r->where_room = room;
    }
    r->where[r->n_where++] = (struct tnd__where){field, pos, fine};
}

static int compare_where(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct tnd__where *)a)->field;
    uintptr_t y = (uintptr_t)((const struct tnd__where *)b)->field;

    return x < y ? -1 : x > y;
}

void tnd__where_sort(struct tnd__reader *r)
{
    if (r->n_where)
        qsort(r->where, r->n_where, sizeof *r->where, compare_where);
}

static const struct tnd__where *find(const struct tnd__reader *r, const void *field)
{
    struct tnd__where key = {.field = field};

    if (!r->n_where)
        return NULL;
    return bsearch(&key, r->where, r->n_where, sizeof *r->where, compare_where);
}

const struct tnd_config_pos *tnd__where(const struct tnd__reader *r, const void *field)
{
    const struct tnd__where *w = find(r, field);

    return w && w->fine ? &w->pos : NULL;
}

bool tnd__seen(const struct tnd__reader *r, const void *field)
{
    return find(r, field) != NULL;
}

bool tnd__seen_wrong(const struct tnd__reader *r, const void *field)
{
    const struct tnd__where *w = find(r, field);

    return w && !w->fine;
}

// ---- suggestions -------------------------------------------------------------------------

#define WORD_MAX 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

// Optimal string alignment distance: a swap of neighbours counts one. Case is ignored.
static unsigned distance(struct tnd_str a, struct tnd_str b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];

    for (unsigned j = 0; j <= b.len; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char x = tnd_lower(a.p[i - 1]), y = tnd_lower(b.p[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tnd_lower(b.p[j - 2]) && y == tnd_lower(a.p[i - 2]) &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.len];
}

struct tnd__nearest tnd__nearest_begin(struct tnd_str word)
{
    // A third of the word may differ; more is another word.
    return (struct tnd__nearest){.word = word, .distance = (unsigned)word.len / 3 + 2};
}

void tnd__nearest_try(struct tnd__nearest *n, struct tnd_str candidate)
{
    size_t gap =
        n->word.len > candidate.len ? n->word.len - candidate.len : candidate.len - n->word.len;

    if (n->word.len > WORD_MAX || candidate.len > WORD_MAX || gap >= n->distance)
        return;
    unsigned d = distance(n->word, candidate);
    if (d < n->distance && d < candidate.len) {
        n->distance = d;
        n->best = candidate;
    }
}
