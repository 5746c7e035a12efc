// The one table style of all commands: a header line in capitals, columns two spaces apart,
// numbers right-aligned, no boxes, 80 columns. A cell that does not fit is cut in the middle
// with "..", since the ends of a name tell more than its middle.
//
// Threads:  one owner. Lifetime: cells are copied.
#pragma once

#include <stdio.h>

#define TND_TABLE_COLUMNS_MAX 12
#define TND_TABLE_WIDTH       80

enum tnd_align { TND_LEFT, TND_RIGHT };

struct tnd_column {
    const char *title;
    enum tnd_align align;
    unsigned min; // a column that may be cut is not cut below this; 0: never cut
};

struct tnd_table_text;

// columns: of static life. Returns: NULL when memory is short.
struct tnd_table_text *tnd_table_text_new(const struct tnd_column *columns, unsigned n);
void tnd_table_text_free(struct tnd_table_text *t);

// One row: as many texts as there are columns.
void tnd_table_text_row(struct tnd_table_text *t, const char *const cells[]);

// Print header and rows. width: columns of the terminal; 0: no limit.
void tnd_table_text_print(const struct tnd_table_text *t, unsigned width, FILE *out);

// `text` in at most `width` columns, cut in the middle: "_sip._udp.a-l..example.com".
// out: width + 1 bytes.
const char *tnd_cut_middle(const char *text, unsigned width, char *out);
