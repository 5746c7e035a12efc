#include "sip/edit.h"

#include <string.h>

void tnd_edit_begin(struct tnd_edit *e, const char *base, size_t len)
{
    e->base = base;
    e->base_len = (uint32_t)len;
    e->at = 0;
    e->out_len = 0;
    e->n = 0;
    e->arena_used = 0;
    e->overflow = len > UINT32_MAX;
}

// Append a piece; one that continues the last piece is made part of it.
static void append(struct tnd_edit *e, const char *p, size_t len)
{
    if (len == 0 || e->overflow)
        return;
    if (len > UINT32_MAX - e->out_len) {
        e->overflow = true;
        return;
    }
    e->out_len += (uint32_t)len;
    if (e->n > 0 && e->piece[e->n - 1].p + e->piece[e->n - 1].len == p) {
        e->piece[e->n - 1].len += (uint32_t)len;
        return;
    }
    if (e->n == TND_EDIT_PIECES) {
        e->overflow = true;
        return;
    }
    e->piece[e->n].p = p;
    e->piece[e->n].len = (uint32_t)len;
    e->n++;
}

// A position behind us or past the end is a mistake of the caller's: nothing may be sent.
static bool in_order(struct tnd_edit *e, uint32_t off)
{
    if (off < e->at || off > e->base_len)
        e->overflow = true;
    return !e->overflow;
}

void tnd_edit_keep_to(struct tnd_edit *e, uint32_t off)
{
    if (!in_order(e, off))
        return;
    append(e, e->base + e->at, off - e->at);
    e->at = off;
}

void tnd_edit_skip_to(struct tnd_edit *e, uint32_t off)
{
    if (in_order(e, off))
        e->at = off;
}

// Reserve `len` octets of the arena; NULL marks the overflow.
static char *reserve(struct tnd_edit *e, size_t len)
{
    char *p = e->arena + e->arena_used;

    if (e->overflow || len > (size_t)TND_EDIT_ARENA - e->arena_used) {
        e->overflow = true;
        return NULL;
    }
    e->arena_used = (uint16_t)(e->arena_used + len);
    append(e, p, len);
    return p;
}

void tnd_edit_put(struct tnd_edit *e, struct tnd_str s)
{
    char *p = reserve(e, s.len);

    if (p && s.len)
        memcpy(p, s.p, s.len);
}

void tnd_edit_putz(struct tnd_edit *e, const char *z)
{
    tnd_edit_put(e, tnd_str_of(z));
}

void tnd_edit_put_u32(struct tnd_edit *e, uint32_t v)
{
    char text[10];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    tnd_edit_put(e, (struct tnd_str){text + at, sizeof text - at});
}

void tnd_edit_put_hex(struct tnd_edit *e, uint64_t v, int digits)
{
    char text[16];

    if (digits < 1 || digits > (int)sizeof text) {
        e->overflow = true;
        return;
    }
    for (int i = digits; i-- > 0; v >>= 4)
        text[i] = "0123456789abcdef"[v & 15];
    tnd_edit_put(e, (struct tnd_str){text, (size_t)digits});
}

void tnd_edit_ref(struct tnd_edit *e, struct tnd_str s)
{
    append(e, s.p, s.len);
}

void tnd_edit_end(struct tnd_edit *e)
{
    tnd_edit_keep_to(e, e->base_len);
}

size_t tnd_edit_write(const struct tnd_edit *e, char *out)
{
    size_t len = 0;

    if (e->overflow)
        return 0;
    for (unsigned i = 0; i < e->n; i++) {
        memcpy(out + len, e->piece[i].p, e->piece[i].len);
        len += e->piece[i].len;
    }
    return len;
}
