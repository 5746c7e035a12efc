// What the files of control/config/ share: the descriptor table, the reader's state, errors.
//
// Threads: those of config.h; a reader lives on the stack of one tnd_config_parse.
#pragma once

#include "control/config/config.h"

// How a value is written, and the type that it is kept in.
enum tnd__kind {
    TND__KIND_TEXT,    // struct tnd_str
    TND__KIND_COUNT,   // uint32_t, suffixes k and M
    TND__KIND_TIME,    // uint32_t of milliseconds
    TND__KIND_BOOL,    // bool
    TND__KIND_WORD,    // uint16_t, one of `words`
    TND__KIND_HOST,    // struct tnd_config_host
    TND__KIND_LISTEN,  // struct tnd_addr: udp:ADDRESS[:PORT]
    TND__KIND_ADDRESS, // struct tnd_addr: ADDRESS[:PORT]
    TND__KIND_NET,     // struct tnd_config_net
    TND__KIND_MAC,     // struct tnd_config_mac
    TND__KIND_SOURCE,  // struct tnd_config_source
    TND__KIND_URI,     // struct tnd_config_uri
    TND__KIND_USER,    // struct tnd_str, a pattern
    TND__KIND_DOMAIN,  // struct tnd_str, a pattern, lower case
    TND__KIND_METHOD,  // struct tnd_config_method
    TND__KIND_TRUNK,   // struct tnd_str, looked up in check.c
    TND__KIND_SCALARS, // ---- number of the kinds above ----
    TND__KIND_MAP,     // a map with the keys of `sub`
    TND__KIND_NAMED,   // a map of free names, each a map with the keys of `sub`
    TND__KIND_NEIGHBOURS,
};

struct tnd__word {
    const char *word;
    uint32_t value;
};

struct tnd__struct;

// One key of the file. A list takes a single scalar for a list of one.
struct tnd__field {
    const char *key;
    enum tnd__kind kind;
    bool list, required;
    uint16_t off, n_off;           // into the struct; n_off where there is a number of items
    const char *preset;            // the default, as it would be written; NULL: none
    const char *preset_text;       // how the reference puts it where `preset` is NULL
    uint32_t min, max;             // of a number, a time, or the length of a text
    uint32_t items_max;            // of a list or a map of names; 0: bounded by the file only
    const struct tnd__word *words; // ends with a NULL word; for COUNT: words beside numbers
    const struct tnd__struct *sub;
    const char *doc;
};

// Elements of lists and of maps of names begin with pos, the latter then with name.
struct tnd__struct {
    const char *what; // "a listener", "trunk"
    const char *title;
    const struct tnd__field *fields;
    uint32_t n_fields;
    size_t size;
};

extern const struct tnd__struct tnd__config_root;

struct tnd__where {
    const void *field;
    struct tnd_config_pos pos;
    bool fine;
};

struct tnd__reader {
    struct tnd_config *config;
    struct tnd_config_errors *errs;
    struct tnd__where *where; // sorted by tnd__where_sort
    size_t n_where, where_room;
    uint64_t values; // read so far: aliases may name one node many times
    bool exhausted;  // too many values, said once
    bool no_memory;  // sticky; the result is discarded
};

// What TND__KIND_x wants, "a duration such as ..", and the size of its type.
const char *tnd__kind_wants(const struct tnd__field *f, char *buf, size_t room);
size_t tnd__kind_size(enum tnd__kind kind);

// Read one scalar into `out`.
// Returns: false with `why` ("expected ..") filled; then *out is zero.
#define TND__WHY_MAX 256
bool tnd__value_parse(struct tnd__reader *r, const struct tnd__field *f, struct tnd_str text,
                      void *out, char why[static TND__WHY_MAX]);

// Semantic checks over what was read; resolves the names in routes.
void tnd__config_check(struct tnd__reader *r);

// ---- memory, errors, positions (support.c) ---------------------------------------------

// Zeroed, aligned to 16; NULL sets r->no_memory.
void *tnd__alloc(struct tnd__reader *r, size_t size);
// A copy with a NUL after it.
struct tnd_str tnd__copy(struct tnd__reader *r, struct tnd_str s);

__attribute__((format(printf, 3, 4))) void
tnd__error(struct tnd__reader *r, struct tnd_config_pos pos, const char *fmt, ...);
void tnd__errors_sort(struct tnd_config_errors *e);

// Text for a message: control characters as '?', long text cut in the middle.
#define TND__QUOTE_MAX 64
const char *tnd__quote(struct tnd_str s, char buf[static TND__QUOTE_MAX]);

void tnd__where_add(struct tnd__reader *r, const void *field, struct tnd_config_pos pos, bool fine);
void tnd__where_sort(struct tnd__reader *r);
// Position of a value that stood in the file and was right, or NULL.
const struct tnd_config_pos *tnd__where(const struct tnd__reader *r, const void *field);
// Whether it stood in the file, right or wrong (a list: with all its items, or some wrong).
bool tnd__seen(const struct tnd__reader *r, const void *field);
bool tnd__seen_wrong(const struct tnd__reader *r, const void *field);

// The candidate nearest to a misspelt word; `best` stays empty when none is near.
struct tnd__nearest {
    struct tnd_str word, best;
    unsigned distance;
};
struct tnd__nearest tnd__nearest_begin(struct tnd_str word);
void tnd__nearest_try(struct tnd__nearest *n, struct tnd_str candidate);
