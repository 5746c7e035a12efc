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
#include "util/sum.h"

#define TND_EDIT_PIECES 416 // three for each of 128 header fields, and what comes with each message
#define TND_EDIT_ARENA  1536

// What a list consists of.
struct tnd_edit_store {
    struct tnd_str
        piece[TND_EDIT_PIECES + 1]; // the last is never sent: written before it is looked
    char arena[TND_EDIT_ARENA];
};

// A list in the making: small, so that whoever makes it in one place has it in registers.
struct tnd_edit {
    const char *base; // the original
    uint32_t base_len;
    uint32_t at; // how far the original has been dealt with
    struct tnd_edit_store *store;
    struct tnd_str *next; // piece to be written
    char *text;           // what is free of the arena
    size_t out_len;       // length of the result so far
    bool overflow;
};

// Start on `len` octets at `base`; nothing kept yet.
static inline void tnd_edit_begin(struct tnd_edit *e, struct tnd_edit_store *store,
                                  const char *base, size_t len)
{
    *e = (struct tnd_edit){.base = base,
                           .base_len = (uint32_t)len,
                           .store = store,
                           .next = store->piece,
                           .text = store->arena,
                           .overflow = len > UINT32_MAX};
}

static inline unsigned tnd_edit_pieces(const struct tnd_edit *e)
{
    return (unsigned)(e->next - e->store->piece);
}

static inline void tnd__edit_append(struct tnd_edit *e, const char *p, size_t len)
{
    *e->next++ = (struct tnd_str){p, len};
    e->out_len += len;
    if (e->next > e->store->piece + TND_EDIT_PIECES) {
        e->next--;
        e->overflow = true;
    }
}

// Keep the original from where we are up to `off`. A position behind us or past the end is a
// mistake of the caller's: nothing may be sent.
static inline void tnd_edit_keep_to(struct tnd_edit *e, uint32_t off)
{
    if (off <= e->at || off > e->base_len) {
        e->overflow |= off != e->at;
        return;
    }
    tnd__edit_append(e, e->base + e->at, off - e->at);
    e->at = off;
}

// Leave out the original from where we are up to `off`.
static inline void tnd_edit_skip_to(struct tnd_edit *e, uint32_t off)
{
    if (off < e->at || off > e->base_len)
        e->overflow = true;
    else
        e->at = off;
}

// Room for `len` octets of text, to be written there and then inserted here by tnd_edit_text, up
// to where it ends. Returns: NULL when there is none, which marks the list.
static inline char *tnd_edit_room(struct tnd_edit *e, size_t len)
{
    if (len > (size_t)(e->store->arena + TND_EDIT_ARENA - e->text))
        e->overflow = true;
    return e->overflow ? NULL : e->text;
}

static inline void tnd_edit_text(struct tnd_edit *e, char *end)
{
    const char *text = e->text;
    size_t len = (size_t)(end - text);
    struct tnd_str *last = e->next - 1;

    e->text = end;
    if (e->next == e->store->piece || last->p + last->len != text) {
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
static inline size_t tnd_edit_write_sum(const struct tnd_edit *e, char *out, uint64_t *sum)
{
    if (e->overflow)
        return 0;
    *sum = tnd_sum_active->gather(out, e->store->piece, tnd_edit_pieces(e));
    return e->out_len;
}

size_t tnd_edit_write(const struct tnd_edit *e, char *out);
