// Sleeping when there is nothing to do, and being woken.
//
// Ports of a kernel interface have a socket that becomes readable; so the worker sleeps in
// poll() on them and its doorbell. Ports without one are looked at again after naps that grow
// to a millisecond.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_rcu_qsbr.h>

#include "dataplane/worker.h"

#define SLEEP_MAX_MS  100
#define PARKED_MAX_MS 5 // how late a parked request's deadline may be seen
#define FDS_MAX       (TND_INTERFACES_MAX * 8 + 1)

static uint32_t gather(struct tnd_worker *w, struct pollfd fds[], bool *all_have_one)
{
    uint32_t n = 0;

    fds[n++] = (struct pollfd){.fd = w->doorbell, .events = POLLIN};
    *all_have_one = true;
    for (uint16_t i = 0; i < w->dp->cfg.n_interfaces; i++) {
        const struct tnd_port *p = &w->dp->ports[i];
        // Who fills such a port rings the doorbell.
        if (p->local)
            continue;
        for (uint16_t q = w->index; q < p->queues; q = (uint16_t)(q + w->dp->cfg.workers)) {
            if (p->fd[q] < 0 || n == FDS_MAX)
                *all_have_one = false;
            else
                fds[n++] = (struct pollfd){.fd = p->fd[q], .events = POLLIN};
        }
    }
    return n;
}

static struct timespec how_long(struct tnd_worker *w, bool all_have_one)
{
    static const long nap_ns[] = {20000, 100000, 300000, 1000000};
    struct tnd_park_stats park;
    long ms = SLEEP_MAX_MS;

    tnd_park_stats(w->engine->park, &park);
    if (park.waiting > 0)
        ms = PARKED_MAX_MS;
    if (all_have_one)
        return (struct timespec){.tv_nsec = ms * 1000000};
    uint32_t step = w->naps / 16 < 3 ? w->naps / 16 : 3;
    w->naps++;
    return (struct timespec){.tv_nsec = nap_ns[step]};
}

// A socket of an interface that went down reports an error until it is read (ENETDOWN).
static void clear_errors(const struct pollfd fds[], uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        int code;
        socklen_t len = sizeof code;
        if (fds[i].revents & (POLLERR | POLLHUP | POLLNVAL))
            getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &code, &len);
    }
}

void tnd_worker_sleep(struct tnd_worker *w)
{
    struct pollfd fds[FDS_MAX];
    bool all_have_one;
    uint64_t count;
    uint32_t n = gather(w, fds, &all_have_one);
    struct timespec t = how_long(w, all_have_one);

    tnd_count(&w->io.sleeps);
    // Sequentially consistent, as the fence in tnd_worker_ring: either we see what was put in
    // a queue, or who put it sees that we sleep.
    atomic_store(&w->sleeping, true);
    rte_rcu_qsbr_thread_offline(w->dp->qsbr, w->index);
    if (!tnd_steer_waiting(w) && !tnd_spsc_front(&w->wakes) && !atomic_load(&w->dp->stop))
        ppoll(fds, n, &t, NULL);
    else
        n = 1;
    rte_rcu_qsbr_thread_online(w->dp->qsbr, w->index);
    atomic_store_explicit(&w->sleeping, false, memory_order_relaxed);
    if (read(w->doorbell, &count, sizeof count) > 0)
        w->naps = 0;
    clear_errors(fds, n);
}

void tnd_worker_ring(struct tnd_worker *w)
{
    uint64_t one = 1;

    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&w->sleeping, memory_order_relaxed))
        return;
    // One bell a sleep is enough; a lost write cannot be, the counter is far from its limit.
    if (atomic_exchange(&w->sleeping, false) && write(w->doorbell, &one, sizeof one) < 0)
        return;
}

void tnd_worker_ring_control(struct tnd_worker *w)
{
    w->rang = true;
}
