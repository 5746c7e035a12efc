#include "dataplane/eal.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>

#include "dataplane/dataplane.h"

#define ARGS_MAX    24
#define ARG_MAX     4096
#define OWN_MEMORY  (48u << 20)  // EAL's, the drivers' and the rings' own
#define SPARE       (192u << 20) // ordinary memory costs nothing until it is touched
#define HUGE_PAGE   (2ul << 20)
#define HUGE_FOLDER "/sys/kernel/mm/hugepages"

static struct {
    bool started;
    uint16_t workers;
    uint16_t cpu[TND_WORKERS_MAX];
    cpu_set_t before; // the caller's affinity, given back at the end
    FILE *silence;
} eal;

struct args {
    int n;
    char *v[ARGS_MAX + 1];
    char text[ARGS_MAX][ARG_MAX];
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(a->text[a->n], ARG_MAX, fmt, ap);
    va_end(ap);
    a->v[a->n] = a->text[a->n];
    a->n++;
}

static uint64_t number_in(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long v = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%llu", &v) != 1)
        v = 0;
    fclose(f);
    return v;
}

// The most memory that free hugepages of one size make up.
static uint64_t free_hugepage_memory(void)
{
    char path[512];
    uint64_t most = 0;
    struct dirent *d;
    DIR *dir = opendir(HUGE_FOLDER);

    while (dir && (d = readdir(dir)) != NULL) {
        uint64_t kb = 0;
        if (sscanf(d->d_name, "hugepages-%lukB", &kb) != 1)
            continue;
        snprintf(path, sizeof path, HUGE_FOLDER "/%s/free_hugepages", d->d_name);
        uint64_t all = number_in(path) * kb * 1024;
        most = all > most ? all : most;
    }
    if (dir)
        closedir(dir);
    return most;
}

// "0@(0),1@1": workers have a CPU each where there are enough and the caller floats over the
// rest; else it floats over all and they share, from the last CPU down.
static void add_lcores(struct args *a, uint16_t workers)
{
    char text[ARG_MAX], floats[ARG_MAX / 2] = "";
    int cpus[CPU_SETSIZE] = {0}, n = 0, used;
    size_t at = 0;

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &eal.before))
            cpus[n++] = cpu;
    if (n == 0) // the kernel would not say
        n = 1;
    bool enough = n > workers;
    for (int i = 0; i < (enough ? n - workers : n) && at < sizeof floats - 8; i++)
        at += (size_t)snprintf(floats + at, sizeof floats - at, i ? ",%d" : "%d", cpus[i]);
    used = snprintf(text, sizeof text, "0@(%s)", floats);
    for (uint16_t i = 0; i < workers; i++) {
        int cpu = cpus[n - 1 - i % n];
        eal.cpu[i] = enough ? (uint16_t)cpu : UINT16_MAX;
        used += snprintf(text + used, sizeof text - (size_t)used, ",%d@%d", i + 1, cpu);
    }
    add(a, "--lcores=%s", text);
}

static void build_args(struct args *a, const struct tnd_eal_need *need)
{
    uint64_t memory = need->memory + OWN_MEMORY;
    const char *log = getenv("TANDEM_EAL_LOG");

    add(a, "tandem");
    // A page more than needed: a buffer pool may not use a hugepage's end.
    if (free_hugepage_memory() >= memory + memory / 8 + (4u << 20))
        add(a, "--in-memory");
    else {
        add(a, "--no-huge");
        add(a, "--no-shconf");
        memory += SPARE;
    }
    add(a, "-m");
    add(a, "%lu", (unsigned long)((memory + (1u << 20) - 1) >> 20));
    add(a, "--no-pci");
    add(a, "--no-telemetry");
    add(a, "--iova-mode=va");
    add(a, "--force-max-simd-bitwidth=512"); // Debian's DPDK allows 256 otherwise
    add(a, "--file-prefix=tandem-%d", (int)getpid());
    add(a, "--log-level=%s", log && strlen(log) > 1 ? log : log ? "info" : "critical");
    add_lcores(a, need->workers);
}

// EAL makes its (empty) folders below RUNTIME_DIRECTORY: let that be one of our own, and
// remove it at once. Nothing is put there without shared configuration and telemetry.
static void remove_folders(const char *top)
{
    char path[4096 + 64];
    const char *prefix = rte_eal_get_runtime_dir();

    if (prefix && strncmp(prefix, top, strlen(top)) == 0)
        rmdir(prefix);
    snprintf(path, sizeof path, "%s/dpdk", top);
    rmdir(path);
    rmdir(top);
}

static int init_in_own_folder(struct args *a)
{
    char top[4096], *before = getenv("RUNTIME_DIRECTORY");
    const char *tmp = getenv("TMPDIR");
    bool own;

    before = before ? strdup(before) : NULL;
    snprintf(top, sizeof top, "%s/tandem-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    own = mkdtemp(top) != NULL;
    if (own)
        setenv("RUNTIME_DIRECTORY", top, 1);
    int r = rte_eal_init(a->n, a->v);
    int code = rte_errno;
    if (own) {
        remove_folders(top);
        if (before)
            setenv("RUNTIME_DIRECTORY", before, 1);
        else
            unsetenv("RUNTIME_DIRECTORY");
    }
    free(before);
    rte_errno = code;
    return r;
}

// Ordinary memory on large pages where the kernel has some to give: a wish, before the first
// touch. Packet buffers are too many for the TLB otherwise.
static int wish_large_pages(const struct rte_memseg_list *list, void *unused)
{
    if (!list->external)
        madvise(list->base_va, list->len, MADV_HUGEPAGE);
    return 0;
}

int tnd_eal_start(const struct tnd_eal_need *need, struct tnd_error *err)
{
    sigset_t all, mask;

    if (eal.started) {
        if (need->workers > eal.workers)
            return tnd_fail(err, TND_EINVAL, "workers: %u: DPDK was started for %u", need->workers,
                            eal.workers);
        return 0;
    }
    struct args *a = calloc(1, sizeof *a);
    if (!a)
        return tnd_fail(err, TND_ENOMEM, "no memory");
    pthread_getaffinity_np(pthread_self(), sizeof eal.before, &eal.before);
    build_args(a, need);
    if (!getenv("TANDEM_EAL_LOG")) {
        eal.silence = fopen("/dev/null", "we");
        if (eal.silence)
            rte_openlog_stream(eal.silence);
    }
    // Its threads inherit the mask: signals are the control thread's.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    int r = init_in_own_folder(a);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    free(a);
    if (r < 0)
        return tnd_fail(err, TND_EIO,
                        "DPDK: cannot start: %s; TANDEM_EAL_LOG=info shows what it says itself",
                        rte_errno ? rte_strerror(rte_errno) : "no reason given");
    if (rte_eal_has_hugepages() == 0)
        rte_memseg_list_walk(wish_large_pages, NULL);
    eal.started = true;
    eal.workers = need->workers;
    return 0;
}

static size_t whole_pages(size_t len)
{
    return (len + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

// Address space that begins and ends with a hugepage, wished to be some. Returns: NULL: none left.
static char *map_large(size_t len)
{
    char *p = mmap(NULL, len + HUGE_PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    size_t before = whole_pages((size_t)p) - (size_t)p;
    if (before > 0)
        munmap(p, before);
    munmap(p + before + len, HUGE_PAGE - before);
    madvise(p + before, len, MADV_HUGEPAGE);
    return p + before;
}

static void unmap(struct rte_mempool_memhdr *part, void *unused)
{
    munmap(part->addr, part->len);
}

// EAL's ordinary memory is a shared file, which few hosts give hugepages: this is not, and it is
// in hugepages or, refused, in ordinary ones. Buffers of which a message takes the first of many
// pages stay in EAL's: there the rest is no memory at all.
static int populate(struct rte_mempool *pool)
{
    size_t least, align;
    ssize_t need = rte_mempool_op_calc_mem_size_default(pool, pool->size, 0, &least, &align);

    if (rte_eal_has_hugepages() || pool->elt_size > (uint32_t)getpagesize() || need <= 0)
        return rte_mempool_populate_default(pool);
    size_t len = whole_pages((size_t)need);
    char *p = map_large(len);
    if (!p)
        return -ENOMEM;
    int n = rte_mempool_populate_virt(pool, p, len, HUGE_PAGE, unmap, NULL);
    if (n <= 0)
        munmap(p, len);
    return n == (int)pool->size ? n : -ENOMEM;
}

// What rte_pktmbuf_pool_create does, but for one thing. A device may need each buffer in one piece
// of physical memory; of ordinary pages DPDK then gives every buffer whole ones. So the buffers'
// lines would be as many multiples of 4 KB apart, and a burst's messages share a few sets of a
// cache. A device needs hugepages anyway: without them nothing but the processor reads a buffer.
struct rte_mempool *tnd_eal_pool(const char *name, uint32_t n, uint32_t cache, size_t priv,
                                 uint32_t room)
{
    priv = RTE_ALIGN_CEIL(priv, RTE_CACHE_LINE_SIZE);
    struct rte_pktmbuf_pool_private own = {.mbuf_data_room_size = (uint16_t)room,
                                           .mbuf_priv_size = (uint16_t)priv};
    struct rte_mempool *pool = rte_mempool_create_empty(
        name, n, (unsigned)(sizeof(struct rte_mbuf) + priv + room), cache, sizeof own,
        SOCKET_ID_ANY, rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG);

    if (!pool)
        return NULL;
    if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0) {
        rte_mempool_free(pool);
        return NULL;
    }
    rte_pktmbuf_pool_init(pool, &own);
    if (populate(pool) < 0) {
        rte_mempool_free(pool);
        return NULL;
    }
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;
}

void tnd_eal_stop(void)
{
    if (!eal.started)
        return;
    rte_eal_cleanup();
    pthread_setaffinity_np(pthread_self(), sizeof eal.before, &eal.before);
    if (eal.silence) {
        rte_openlog_stream(NULL);
        fclose(eal.silence);
        eal.silence = NULL;
    }
    eal.started = false;
}

uint16_t tnd_eal_cpu(uint16_t worker)
{
    return worker < TND_WORKERS_MAX ? eal.cpu[worker] : UINT16_MAX;
}
