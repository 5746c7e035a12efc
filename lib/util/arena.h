// Memory that is given back all at once.
//
// Threads:  one owner. Lifetime: until tnd_arena_reset or tnd_arena_free.
// Cost:     a bump of a pointer; the first block is kept over a reset.
#pragma once

#include <stddef.h>

struct tnd_arena;

struct tnd_arena *tnd_arena_new(void); // NULL: memory is short
void tnd_arena_free(struct tnd_arena *a);
void tnd_arena_reset(struct tnd_arena *a);

// Zeroed, aligned for any object. NULL: memory is short.
void *tnd_arena_alloc(struct tnd_arena *a, size_t size);

// Text by printf's rules. NULL: memory is short.
__attribute__((format(printf, 2, 3))) const char *tnd_arena_printf(struct tnd_arena *a,
                                                                   const char *fmt, ...);
