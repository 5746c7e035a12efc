// The table's arena: blocks are whole and apart, what is freed is used again, hugepages come.
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/table_memory.h"
#include "random.h"

#define BLOCKS 200000U
#define SEED   20241122ULL

struct block {
    unsigned char *p;
    size_t size, align;
};

static struct block blocks[BLOCKS];

// There is one wherever there is jemalloc.
static struct tnd_table_mem arena(void)
{
    struct tnd_table_mem m = tnd_table_memory();

#ifdef TND_JEMALLOC
    assert_non_null(m.alloc);
#else
    assert_null(m.alloc); // the heap then, with its sanitizer
    skip();
#endif
    return m;
}

// What a table asks for: entries, cells, sets.
static void take_all(const struct tnd_table_mem *m, uint64_t seed)
{
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct block *b = &blocks[i];
        uint64_t r = test_random(&seed);

        b->align = r % 2 ? 64 : 32;
        b->size = r % 2 ? 64 * (1 + r / 2 % 16) : 32;
        b->p = m->alloc(m->ctx, b->align, b->size);
        assert_non_null(b->p);
        assert_int_equal((uintptr_t)b->p % b->align, 0);
        memset(b->p, (int)(i & 0xff), b->size);
    }
}

static void free_all(const struct tnd_table_mem *m)
{
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const struct block *b = &blocks[i];
        for (size_t k = 0; k < b->size; k++)
            assert_int_equal(b->p[k], i & 0xff);
        m->free(m->ctx, b->p, b->size);
    }
}

static unsigned char *highest(void)
{
    unsigned char *top = NULL;

    for (uint32_t i = 0; i < BLOCKS; i++)
        if (blocks[i].p + blocks[i].size > top)
            top = blocks[i].p + blocks[i].size;
    return top;
}

// KB of a figure of /proc/self/smaps for the mapping that holds `p`.
static unsigned long smaps_kb(const void *p, const char *figure)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    unsigned long from, to, kb, found = 0;
    char line[512];
    bool here = false;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)p >= from && (uintptr_t)p < to;
        else if (here && strncmp(line, figure, strlen(figure)) == 0 &&
                 sscanf(line + strlen(figure), ": %lu", &kb) == 1)
            found = kb;
    }
    fclose(f);
    return found;
}

static bool hugepages_are_given(void)
{
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    char line[128] = "";
    bool given = f && fgets(line, sizeof line, f) && !strstr(line, "[never]");

    if (f)
        fclose(f);
    return given;
}

// Freeing all and taking it again needs no more room: an arena that keeps what is freed in large
// pieces which it does not split (see decay_at_once) would need twice as much.
static void freed_memory_is_used_again(void **state)
{
    struct tnd_table_mem m = arena();
    unsigned char *first_top;

    (void)state;
    take_all(&m, SEED);
    first_top = highest();
    if (hugepages_are_given())
        assert_true(smaps_kb(blocks[BLOCKS / 2].p, "AnonHugePages") > 0);
    free_all(&m);
    for (unsigned round = 1; round < 4; round++) {
        take_all(&m, SEED + round);
        assert_true(highest() < first_top + (16 << 20));
        free_all(&m);
    }
}

// A large block is touched by another thread: whole, and soon.
static void a_block_gets_ready(void **state)
{
    struct tnd_table_mem m = arena();
    size_t size = 48 << 20;
    unsigned long before;

    (void)state;
    void *first = m.alloc(m.ctx, 64, 64);
    before = smaps_kb(first, "Rss");
    void *p = m.alloc(m.ctx, 64, size);
    assert_non_null(p);
    for (int ms = 0; ms < 60000 && !m.ready(m.ctx, p, size); ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(m.ready(m.ctx, p, size));
    // What lies ahead of `first` may have been touched before it was looked at.
    assert_in_range(smaps_kb(first, "Rss"), size >> 10, before + (128 << 10));
    m.free(m.ctx, p, size);
    m.free(m.ctx, first, 64);
}

static void a_table_lives_there(void **state)
{
    struct tnd_table_config config = {.names_hint = 100000, .mem = tnd_table_memory()};
    struct rte_rcu_qsbr *qsbr = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~63UL);
    struct tnd_table *t;

    (void)state;
    assert_int_equal(rte_rcu_qsbr_init(qsbr, 1), 0);
    t = tnd_table_new_with(qsbr, &config);
    assert_non_null(t);
    tnd_table_free(t);
    free(qsbr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_gets_ready),
        cmocka_unit_test(freed_memory_is_used_again),
        cmocka_unit_test(a_table_lives_there),
    };

    return cmocka_run_group_tests_name("table_memory", tests, NULL, NULL);
}
