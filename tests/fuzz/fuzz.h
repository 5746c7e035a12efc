// What every fuzz target is: one function over octets. libFuzzer calls it with what it
// invents (option `fuzz`), replay.c with the files of the corpus (suite `fast`).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What an input was compared with the reference by: replay.c tells it, so that a run says which
// kernels it has really compared.
void fuzz_note_kernel(const char *name) __attribute__((weak));

static inline void fuzz_compared(const char *name)
{
    if (fuzz_note_kernel)
        fuzz_note_kernel(name);
}

// What must hold of every input: else the place is told and the process ends.
#define CHECK(cond)                                                          \
    do {                                                                     \
        if (!(cond)) {                                                       \
            fprintf(stderr, "fuzz: %s:%d: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                         \
        }                                                                    \
    } while (0)

// Memory that ends at a closed page: one octet further is a fault, for code of any compiler.
struct fuzz_room {
    char *end; // NULL until first asked for; lives as long as the process
};

// Returns: the end of at least `size` octets, the same at every call.
static inline char *fuzz_edge(struct fuzz_room *room, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), len = (size + page - 1) / page * page;
    char *map;

    if (room->end)
        return room->end;
    map = mmap(NULL, len + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && mprotect(map + len, page, PROT_NONE) == 0);
    return room->end = map + len;
}
