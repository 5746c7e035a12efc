#include "sip/edit.h"

#include <string.h>

void tnd_edit_put(struct tnd_edit *e, struct tnd_str s)
{
    char *to = tnd_edit_room(e, s.len);

    if (!to || s.len == 0)
        return;
    memcpy(to, s.p, s.len);
    tnd_edit_text(e, to + s.len);
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

size_t tnd_edit_write(const struct tnd_edit *e, char *out)
{
    uint64_t sum;

    return tnd_edit_write_sum(e, out, &sum);
}
