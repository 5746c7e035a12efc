#include "sip/edit.h"

#include <string.h>

#include "util/sum.h"

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

// Reserve `len` octets of the arena; NULL marks the overflow.
static char *reserve(struct tnd_edit *e, size_t len)
{
    char *p = e->arena + e->arena_used;

    if (e->overflow || len > (size_t)TND_EDIT_ARENA - e->arena_used) {
        e->overflow = true;
        return NULL;
    }
    e->arena_used = (uint16_t)(e->arena_used + len);
    if (e->n > 0 && e->piece[e->n - 1].p + e->piece[e->n - 1].len == p) {
        e->piece[e->n - 1].len += len; // text behind text is one piece
        e->out_len += len;
    } else {
        tnd__edit_append(e, p, len);
    }
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

void tnd_edit_end(struct tnd_edit *e)
{
    tnd_edit_keep_to(e, e->base_len);
}

size_t tnd_edit_write_sum(const struct tnd_edit *e, char *out, uint64_t *sum)
{
    if (e->overflow)
        return 0;
    *sum = tnd_sum_active->gather(out, e->piece, e->n);
    return e->out_len;
}

size_t tnd_edit_write(const struct tnd_edit *e, char *out)
{
    uint64_t sum;

    return tnd_edit_write_sum(e, out, &sum);
}
