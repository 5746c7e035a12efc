// The INVITEs that parsers are timed with: the demo's, each of another call, more of them than
// the first two levels of cache hold.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "control/demo/source.h"

#define BENCH_MESSAGES    4096 // 3 MB
#define BENCH_STRIDE      768
#define BENCH_MESSAGE_LEN TND_SOURCE_LEN

struct bench_messages {
    char text[BENCH_MESSAGES][BENCH_STRIDE];
};

// Returns: to be freed with free(); NULL when memory is short.
static inline struct bench_messages *bench_messages_new(void)
{
    struct bench_messages *m = calloc(1, sizeof *m);
    struct tnd_source *s = malloc(sizeof *s);

    if (!m || !s) {
        free(m);
        free(s);
        return NULL;
    }
    tnd_source_init(s, 1);
    for (uint32_t i = 0; i < BENCH_MESSAGES; i++)
        memcpy(m->text[i], tnd_source_write(s, 0, i, 0), TND_SOURCE_LEN);
    free(s);
    return m;
}
