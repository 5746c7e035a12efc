// Text that ends exactly where mapped memory ends: one octet further is a fault.
#pragma once

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmocka_all.h"

struct test_guard {
    char *map;
    size_t page;
};

static inline void test_guard_open(struct test_guard *g)
{
    g->page = (size_t)sysconf(_SC_PAGESIZE);
    g->map = mmap(NULL, 2 * g->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g->map != MAP_FAILED);
    assert_int_equal(mprotect(g->map + g->page, g->page, PROT_NONE), 0);
}

// Returns: a copy of `len` octets (at most a page) that ends at the guard.
static inline const char *test_guard_put(struct test_guard *g, const void *data, size_t len)
{
    return memcpy(g->map + g->page - len, data, len);
}

static inline void test_guard_close(struct test_guard *g)
{
    munmap(g->map, 2 * g->page);
}
