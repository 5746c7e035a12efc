// Edits of a message as a gather list: what to keep of the original, what to put between.
//
// Keeps and inserts are given in ascending order of the original; the result is written
// once, into the buffer it is sent from. Inserted text lies in the list's own arena.
// A list that overflows (pieces or arena) is marked and nothing of it may be sent.
//
// Threads:  one owner. Lifetime: pieces point into the original, which must outlive them.
// Cost:     a copy of the message; see bench `route.stage.rewrite`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/str.h"

#define TND_EDIT_PIECES 416 // three for each of 128 header fields, and what comes with each message
#define TND_EDIT_ARENA  1536

struct tnd_edit {
    const char *base; // the original
    uint32_t base_len;
    uint32_t at;    // how far the original has been dealt with
    size_t out_len; // length of the result so far
    uint16_t n;
    uint16_t arena_used;
    bool overflow;
    char arena[TND_EDIT_ARENA];
    struct tnd_str piece[TND_EDIT_PIECES + 1];
};

// Start on `len` octets at `base`; nothing kept yet.
static inline void tnd_edit_begin(struct tnd_edit *e, const char *base, size_t len)
{
    e->base = base;
    e->base_len = (uint32_t)len;
    e->at = 0;
    e->out_len = 0;
    e->n = 0;
    e->arena_used = 0;
    e->overflow = len > UINT32_MAX;
}

// Append a piece. The array has one more than may be sent: to write there first and look then is
// less than to look first.
static inline void tnd__edit_append(struct tnd_edit *e, const char *p, size_t len)
{
    e->piece[e->n] = (struct tnd_str){p, len};
    e->out_len += len;
    e->n = (uint16_t)(e->n + (len > 0));
    if (e->n > TND_EDIT_PIECES) {
        e->n--;
        e->overflow = true;
    }
}

// A position behind us or past the end is a mistake of the caller's: nothing may be sent.
static inline bool tnd__edit_in_order(struct tnd_edit *e, uint32_t off)
{
    if (off < e->at || off > e->base_len)
        e->overflow = true;
    return !e->overflow;
}

// Keep the original from where we are up to `off` (not below the current position).
static inline void tnd_edit_keep_to(struct tnd_edit *e, uint32_t off)
{
    if (!tnd__edit_in_order(e, off))
        return;
    tnd__edit_append(e, e->base + e->at, off - e->at);
    e->at = off;
}

// Leave out the original from where we are up to `off`.
static inline void tnd_edit_skip_to(struct tnd_edit *e, uint32_t off)
{
    if (tnd__edit_in_order(e, off))
        e->at = off;
}

// Room for `len` octets of text, to be written there and then inserted here by tnd_edit_text, up
// to where it ends. Returns: NULL when there is none, which marks the list.
static inline char *tnd_edit_room(struct tnd_edit *e, size_t len)
{
    if (len > (size_t)TND_EDIT_ARENA - e->arena_used)
        e->overflow = true;
    return e->overflow ? NULL : e->arena + e->arena_used;
}

static inline void tnd_edit_text(struct tnd_edit *e, const char *end)
{
    const char *text = e->arena + e->arena_used;
    struct tnd_str *last = &e->piece[e->n - (e->n > 0)];
    size_t len = (size_t)(end - text);

    e->arena_used = (uint16_t)(e->arena_used + len);
    if (e->n == 0 || last->p + last->len != text) {
        tnd__edit_append(e, text, len);
        return;
    }
    last->len += len; // text behind text is one piece
    e->out_len += len;
}

// Insert a copy of `s` here.
void tnd_edit_put(struct tnd_edit *e, struct tnd_str s);
void tnd_edit_putz(struct tnd_edit *e, const char *z);
void tnd_edit_put_u32(struct tnd_edit *e, uint32_t v);             // decimal
void tnd_edit_put_hex(struct tnd_edit *e, uint64_t v, int digits); // lower case, leading zeros

// Insert octets that outlive the list (a span of the original, a constant), not copied.
static inline void tnd_edit_ref(struct tnd_edit *e, struct tnd_str s)
{
    tnd__edit_append(e, s.p, s.len);
}

// Keep all that is left.
static inline void tnd_edit_end(struct tnd_edit *e)
{
    tnd_edit_keep_to(e, e->base_len);
}

// Write the result, and its Internet checksum's sum (util/sum.h). `out` has room for e->out_len
// octets. Returns: the length, or 0 when the list overflowed.
size_t tnd_edit_write_sum(const struct tnd_edit *e, char *out, uint64_t *sum);
size_t tnd_edit_write(const struct tnd_edit *e, char *out);
