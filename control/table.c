#include "control/table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP      2u
#define CELL_MAX 512u

struct tnd_table_text {
    const struct tnd_column *columns;
    unsigned n;
    char **cells; // n of each row
    unsigned rows, max;
};

struct tnd_table_text *tnd_table_text_new(const struct tnd_column *columns, unsigned n)
{
    struct tnd_table_text *t = calloc(1, sizeof *t);

    if (t) {
        t->columns = columns;
        t->n = n < TND_TABLE_COLUMNS_MAX ? n : TND_TABLE_COLUMNS_MAX;
    }
    return t;
}

void tnd_table_text_free(struct tnd_table_text *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->rows * t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}

void tnd_table_text_row(struct tnd_table_text *t, const char *const cells[])
{
    if (t->rows == t->max) {
        unsigned max = t->max ? t->max * 2 : 16;
        char **more = realloc(t->cells, (size_t)max * t->n * sizeof *more);
        if (!more)
            return;
        t->cells = more;
        t->max = max;
    }
    for (unsigned i = 0; i < t->n; i++)
        t->cells[t->rows * t->n + i] = strdup(cells[i] ? cells[i] : "");
    t->rows++;
}

static const char *cell(const struct tnd_table_text *t, unsigned row, unsigned col)
{
    const char *s = t->cells[row * t->n + col];

    return s ? s : "";
}

// Natural widths, then the widest column that may be cut gives way until the line fits.
static void fit(const struct tnd_table_text *t, unsigned width, unsigned *w)
{
    unsigned total = t->n > 0 ? GAP * (t->n - 1) : 0;

    for (unsigned c = 0; c < t->n; c++) {
        w[c] = (unsigned)strlen(t->columns[c].title);
        for (unsigned r = 0; r < t->rows; r++)
            if (strlen(cell(t, r, c)) > w[c])
                w[c] = (unsigned)strlen(cell(t, r, c));
        total += w[c];
    }
    while (width > 0 && total > width) {
        unsigned widest = t->n;
        for (unsigned c = 0; c < t->n; c++)
            if (t->columns[c].min > 0 && w[c] > t->columns[c].min &&
                (widest == t->n || w[c] > w[widest]))
                widest = c;
        if (widest == t->n)
            return;
        w[widest]--;
        total--;
    }
}

static void print_cell(const struct tnd_table_text *t, unsigned c, const char *text, unsigned w,
                       FILE *out)
{
    char cut[CELL_MAX];
    bool last = c + 1 == t->n;

    if (strlen(text) > w && w < CELL_MAX) // a column that may be cut is narrower than this
        text = tnd_cut_middle(text, w, cut);
    if (t->columns[c].align == TND_RIGHT)
        fprintf(out, "%*s", (int)w, text);
    else if (last)
        fputs(text, out);
    else
        fprintf(out, "%-*s", (int)w, text);
    fputs(last ? "\n" : "  ", out);
}

void tnd_table_text_print(const struct tnd_table_text *t, unsigned width, FILE *out)
{
    unsigned w[TND_TABLE_COLUMNS_MAX];

    fit(t, width, w);
    for (unsigned c = 0; c < t->n; c++)
        print_cell(t, c, t->columns[c].title, w[c], out);
    for (unsigned r = 0; r < t->rows; r++)
        for (unsigned c = 0; c < t->n; c++)
            print_cell(t, c, cell(t, r, c), w[c], out);
}

const char *tnd_cut_middle(const char *text, unsigned width, char *out)
{
    size_t len = strlen(text);

    if (len <= width) {
        memcpy(out, text, len + 1);
        return out;
    }
    if (width <= 2) {
        memcpy(out, text, width);
        out[width] = '\0';
        return out;
    }
    size_t tail = (width - 2) / 2, head = width - 2 - tail;
    memcpy(out, text, head);
    memcpy(out + head, "..", 2);
    memcpy(out + head + 2, text + len - tail, tail);
    out[width] = '\0';
    return out;
}
