#include "route/table_private.h"

// The object around its link, and its size.
static void *object_of(enum tnd__kind kind, struct tnd__retired *r, uint64_t *size)
{
    char *p = (char *)r;
    void *object = NULL;

    *size = 0;
    switch (kind) {
    case TND__ENTRY:
        object = p - offsetof(struct tnd__entry, retired);
        *size = sizeof(struct tnd__entry);
        break;
    case TND__CELL:
        object = p - offsetof(struct tnd_cell, retired);
        *size = sizeof(struct tnd_cell);
        break;
    case TND__NODE:
        object = p - offsetof(struct tnd__node, retired);
        *size = ((struct tnd__node *)object)->size;
        break;
    case TND__SLOTS:
        object = p - offsetof(struct tnd__slots, retired);
        *size = ((struct tnd__slots *)object)->bytes;
        break;
    case TND__KINDS:
        break;
    }
    return object;
}

void tnd__retire_put(struct tnd__retire *r, enum tnd__kind kind, struct tnd__retired *object)
{
    uint64_t size;

    object_of(kind, object, &size);
    r->bytes += size;
    object->next = r->open.heads[kind];
    r->open.heads[kind] = object;
    r->open.any = true;
}

// Returns: true when the batch is empty.
static bool free_batch(struct tnd__retire *r, struct tnd__mem *m, unsigned budget)
{
    for (unsigned kind = 0; kind < TND__KINDS; kind++)
        while (r->freeing.heads[kind]) {
            struct tnd__retired *first = r->freeing.heads[kind];
            uint64_t size;
            void *object = object_of((enum tnd__kind)kind, first, &size);
            if (budget-- == 0)
                return false;
            r->freeing.heads[kind] = first->next;
            r->bytes -= size;
            tnd__mem_free(m, object, size);
        }
    r->freeing.any = false;
    return true;
}

bool tnd__retire_poll(struct tnd__retire *r, struct tnd__mem *m, unsigned budget)
{
    if (!free_batch(r, m, budget))
        return true;
    if (r->waiting.any && rte_rcu_qsbr_check(r->qsbr, r->token, false)) {
        r->freeing = r->waiting;
        r->waiting = (struct tnd__batch){.any = false};
    }
    if (!r->waiting.any && r->open.any) {
        r->waiting = r->open;
        r->open = (struct tnd__batch){.any = false};
        r->token = rte_rcu_qsbr_start(r->qsbr);
    }
    return r->freeing.any;
}

void tnd__retire_free(struct tnd__retire *r, struct tnd__mem *m)
{
    struct tnd__batch *batches[] = {&r->waiting, &r->open};

    free_batch(r, m, UINT32_MAX);
    for (unsigned i = 0; i < 2; i++) {
        r->freeing = *batches[i];
        *batches[i] = (struct tnd__batch){.any = false};
        free_batch(r, m, UINT32_MAX);
    }
}
