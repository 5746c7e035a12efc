#include "util/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 8192u
#define ALIGN      16u

struct block {
    struct block *next;
    size_t size, used;
    _Alignas(ALIGN) char data[];
};

struct tnd_arena {
    struct block *first, *now;
};

static struct block *block_new(size_t size)
{
    struct block *b = malloc(sizeof *b + size);

    if (b) {
        b->next = NULL;
        b->size = size;
        b->used = 0;
    }
    return b;
}

struct tnd_arena *tnd_arena_new(void)
{
    struct tnd_arena *a = malloc(sizeof *a);

    if (!a)
        return NULL;
    a->first = a->now = block_new(BLOCK_SIZE);
    if (!a->first) {
        free(a);
        return NULL;
    }
    return a;
}

void tnd_arena_free(struct tnd_arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void tnd_arena_reset(struct tnd_arena *a)
{
    for (struct block *b = a->first->next, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->first->next = NULL;
    a->first->used = 0;
    a->now = a->first;
}

void *tnd_arena_alloc(struct tnd_arena *a, size_t size)
{
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->now->size - a->now->used < size) {
        struct block *b = block_new(size > 4 * BLOCK_SIZE ? size : 4 * BLOCK_SIZE);
        if (!b)
            return NULL;
        a->now->next = b;
        a->now = b;
    }
    void *p = a->now->data + a->now->used;
    a->now->used += size;
    return memset(p, 0, size);
}

const char *tnd_arena_printf(struct tnd_arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : tnd_arena_alloc(a, (size_t)n + 1);
    if (p) {
        va_start(ap, fmt);
        vsnprintf(p, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    return p;
}
