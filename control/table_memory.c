#include "control/table_memory.h"

#ifdef TND_JEMALLOC
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#define PAGE      4096U
#define HUGE_PAGE (2ULL << 20)
#define FIRST     (2 * HUGE_PAGE) // jemalloc's own, and the first extents
#define AHEAD     (4 * HUGE_PAGE) // what a table that loads takes in 60 ms

// What the hooks hand out next, and the end. Extents never go back: jemalloc keeps what it is
// told was not released, and reuses it.
static struct {
    uintptr_t at, end;
} region;

// jemalloc takes exactly the size it asked for or nothing: never round up here.
static void *extent_alloc(extent_hooks_t *hooks, void *wanted, size_t size, size_t align,
                          bool *zero, bool *commit, unsigned arena)
{
    uintptr_t at = (region.at + align - 1) & ~(uintptr_t)(align - 1);

    (void)hooks;
    (void)arena;
    if (at + size > region.end || (wanted && (uintptr_t)wanted != at))
        return NULL;
    region.at = at + size;
    *zero = *commit = true;
    return (void *)at; // NOLINT(performance-no-int-to-ptr)
}

static bool keep(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned arena)
{
    return true;
}

static bool keep_part(extent_hooks_t *hooks, void *p, size_t size, size_t off, size_t len,
                      unsigned arena)
{
    return true;
}

static bool split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b, bool committed,
                  unsigned arena)
{
    return false;
}

static bool merge(extent_hooks_t *hooks, void *a, size_t a_size, void *b, size_t b_size,
                  bool committed, unsigned arena)
{
    return false;
}

static extent_hooks_t hooks = {.alloc = extent_alloc,
                               .dalloc = keep,
                               .decommit = keep_part,
                               .purge_lazy = keep_part,
                               .purge_forced = keep_part,
                               .split = split,
                               .merge = merge};

static bool reserve_region(void)
{
    char *p = mmap(NULL, TND_TABLE_MEMORY_MAX, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return false;
    region.at = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    region.end = (uintptr_t)p + TND_TABLE_MEMORY_MAX;
    // Wishes both. The first touch of a hugepage clears it, and under a hypervisor that has to find
    // it first takes milliseconds: what a small table needs is touched before anything runs.
    madvise(p, TND_TABLE_MEMORY_MAX, MADV_HUGEPAGE);
    madvise((void *)region.at, FIRST, MADV_POPULATE_WRITE); // NOLINT(performance-no-int-to-ptr)
    return true;
}

// ---- The first touch ----------------------------------------------------------------------

// A thread of its own touches memory ahead of the table, since one hugepage can take as long as
// several turns of the loop may last in all.
static struct {
    _Atomic uintptr_t wanted; // W: the table's thread, R: the toucher
    _Atomic uintptr_t done;   // W: the toucher, R: the table's thread
    uintptr_t highest;        // of the table's thread: the end of what it has got so far
    sem_t more;
    bool runs;
} touch;

// One octet of each page, changed to what it is, whoever writes there meanwhile. Not by
// madvise(MADV_POPULATE_WRITE): that locks the whole address space against every mmap.
static void touch_pages(uintptr_t from, uintptr_t to)
{
    for (; from < to; from += PAGE)
        atomic_fetch_or_explicit((_Atomic char *)from, 0, // NOLINT(performance-no-int-to-ptr)
                                 memory_order_relaxed);
}

static void *touch_ahead(void *unused)
{
    uintptr_t done = atomic_load(&touch.done);

    for (;;) {
        while (sem_wait(&touch.more) != 0)
            ;
        // Relaxed: it is a wish, and nothing else is read by it.
        while (done < atomic_load_explicit(&touch.wanted, memory_order_relaxed)) {
            touch_pages(done, done + HUGE_PAGE);
            done += HUGE_PAGE;
            atomic_store_explicit(&touch.done, done, memory_order_relaxed);
        }
    }
    return NULL;
}

static void want(uintptr_t end)
{
    if (end > touch.highest)
        touch.highest = end;
    end = (touch.highest + AHEAD + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (end > region.end)
        end = region.end & ~(uintptr_t)(HUGE_PAGE - 1);
    if (!touch.runs || end <= atomic_load_explicit(&touch.wanted, memory_order_relaxed))
        return;
    atomic_store_explicit(&touch.wanted, end, memory_order_relaxed);
    sem_post(&touch.more);
}

// On the processors of who calls, which are no busy worker's. Without it the table touches its
// memory itself.
static void start_touching(void)
{
    sigset_t all, before;
    pthread_t thread;

    touch.highest = region.at;
    atomic_store(&touch.done, region.at + FIRST);
    atomic_store(&touch.wanted, region.at + FIRST);
    sigfillset(&all); // signals are the loop's
    pthread_sigmask(SIG_SETMASK, &all, &before);
    touch.runs =
        sem_init(&touch.more, 0, 0) == 0 && pthread_create(&thread, NULL, touch_ahead, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (touch.runs)
        pthread_detach(thread);
}

// ---- The arena ----------------------------------------------------------------------------

// Dirty extents are not split for a small request, so memory would double in use; retained ones
// are. With hooks that release nothing, a decay of 0 only moves them there.
static bool decay_at_once(unsigned arena)
{
    char name[64];
    ssize_t zero = 0;

    snprintf(name, sizeof name, "arena.%u.dirty_decay_ms", arena);
    if (mallctl(name, NULL, NULL, &zero, sizeof zero) != 0)
        return false;
    snprintf(name, sizeof name, "arena.%u.muzzy_decay_ms", arena);
    return mallctl(name, NULL, NULL, &zero, sizeof zero) == 0;
}

// The flags for mallocx; 0 when there is no arena.
static int make_arena(void)
{
    extent_hooks_t *p = &hooks;
    unsigned arena, cache;
    size_t size = sizeof arena;

    if (!reserve_region())
        return 0;
    start_touching();
    if (mallctl("arenas.create", &arena, &size, &p, sizeof p) != 0 || !decay_at_once(arena))
        return 0;
    size = sizeof cache;
    if (mallctl("tcache.create", &cache, &size, NULL, 0) != 0)
        return 0;
    return (int)(MALLOCX_ARENA(arena) | MALLOCX_TCACHE(cache));
}

static int flags;

static void *arena_alloc(void *ctx, size_t align, size_t size)
{
    void *p = mallocx(size, flags | MALLOCX_ALIGN(align));

    if ((uintptr_t)p + size > touch.highest)
        want((uintptr_t)p + size);
    return p;
}

static bool arena_ready(void *ctx, const void *p, size_t size)
{
    return !touch.runs ||
           (uintptr_t)p + size <= atomic_load_explicit(&touch.done, memory_order_relaxed);
}

static void arena_free(void *ctx, void *p, size_t size)
{
    dallocx(p, flags);
}

struct tnd_table_mem tnd_table_memory(void)
{
    static bool tried;

    if (!tried)
        flags = make_arena();
    tried = true;
    return flags ? (struct tnd_table_mem){arena_alloc, arena_free, arena_ready, NULL}
                 : (struct tnd_table_mem){0};
}
#else
struct tnd_table_mem tnd_table_memory(void)
{
    return (struct tnd_table_mem){0};
}
#endif
