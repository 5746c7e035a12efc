#include "control/conflicts.h"

#include <stdlib.h>

void tnd_conflicts_add(struct tnd_conflicts *c, const struct tnd_conflict *conflict)
{
    if (c->n == c->room && c->n < TND_CONFLICTS_MAX) {
        uint32_t room = c->room ? c->room * 2 : 16;
        struct tnd_conflict *list = realloc(c->list, room * sizeof *list);
        if (list) {
            c->list = list;
            c->room = room;
        }
    }
    if (c->n == c->room || c->n == TND_CONFLICTS_MAX)
        c->left_out++;
    else
        c->list[c->n++] = *conflict;
}

// The reason may change without anything changing for the trunks.
static int compare(const void *a, const void *b)
{
    const struct tnd_conflict *x = a, *y = b;
    int d = memcmp(&x->ip, &y->ip, sizeof x->ip);

    if (d == 0)
        d = x->keeper - y->keeper;
    if (d == 0)
        d = x->loser - y->loser;
    return d;
}

void tnd_conflicts_sort(struct tnd_conflicts *c)
{
    if (c->n)
        qsort(c->list, c->n, sizeof *c->list, compare);
}

void tnd_conflicts_free(struct tnd_conflicts *c)
{
    free(c->list);
    *c = (struct tnd_conflicts){0};
}

const char *tnd_conflict_reason(const struct tnd_conflict *c)
{
    static const char *const reasons[] = {
        "its prefix is configured", "the other's name has left it", "it is first in the file"};

    return reasons[c->why];
}

void tnd_conflicts_compare(const struct tnd_conflicts *before, const struct tnd_conflicts *now,
                           void (*changed)(void *ctx, const struct tnd_conflict *c, bool begun),
                           void *ctx)
{
    uint32_t i = 0, k = 0;

    while (i < before->n || k < now->n) {
        int d = i == before->n ? 1 : k == now->n ? -1 : compare(&before->list[i], &now->list[k]);
        if (d < 0)
            changed(ctx, &before->list[i], false);
        else if (d > 0)
            changed(ctx, &now->list[k], true);
        i += d <= 0;
        k += d >= 0;
    }
}
