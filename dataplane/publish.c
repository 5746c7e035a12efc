// What passes between control and workers: versions, wakes, wants, packets for the kernel.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_rcu_qsbr.h>

#include "dataplane/worker.h"

#define FREES_A_TICK 1024

struct rte_rcu_qsbr *tnd_dataplane_qsbr(struct tnd_dataplane *dp)
{
    return dp->qsbr;
}

void tnd_dataplane_publish_policy(struct tnd_dataplane *dp, const struct tnd_policy *policy,
                                  void (*free_fn)(void *))
{
    // Pairs with acquire in tnd_worker_poll: who sees the pointer sees the object.
    const struct tnd_policy *before =
        atomic_exchange_explicit(&dp->policy, policy, memory_order_acq_rel);

    if (before)
        tnd_dataplane_retire(dp, (void *)(uintptr_t)before, dp->policy_free);
    dp->policy_free = free_fn;
}

static void free_adjacency(void *t)
{
    tnd_adjacency_free(t);
}

void tnd_dataplane_publish_adjacency(struct tnd_dataplane *dp, struct tnd_adjacency_table *table)
{
    // Pairs with acquire in tnd_worker_poll.
    struct tnd_adjacency_table *before =
        atomic_exchange_explicit(&dp->adjacency, table, memory_order_acq_rel);

    if (before)
        tnd_dataplane_retire(dp, before, free_adjacency);
}

// Returns: room for one more element of `size`, or false when memory is short.
static bool grow(void **array, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(*array, more * size);
    if (!p)
        return false;
    *array = p;
    *cap = more;
    return true;
}

void tnd_dataplane_retire(struct tnd_dataplane *dp, void *p, void (*free_fn)(void *))
{
    if (!p || !free_fn)
        return;
    // Without memory to remember it by, it is kept: a leak is better than a reader's fault.
    if (!grow((void **)&dp->retired, dp->n_retired, &dp->cap_retired, sizeof *dp->retired))
        return;
    dp->retired[dp->n_retired++] = (struct tnd_retired){p, free_fn, rte_rcu_qsbr_start(dp->qsbr)};
}

uint32_t tnd_dataplane_retired(const struct tnd_dataplane *dp)
{
    return dp->n_retired;
}

static bool give_wake(struct tnd_worker *w, const struct tnd_name_digest *name)
{
    struct tnd_name_digest *slot = tnd_spsc_claim(&w->wakes);

    if (!slot)
        return false;
    *slot = *name;
    tnd_spsc_commit(&w->wakes);
    tnd_worker_ring(w);
    return true;
}

void tnd_dataplane_wake(struct tnd_dataplane *dp, const struct tnd_name_digest *name)
{
    bool all = dp->n_late == 0;

    for (uint16_t i = 0; all && i < dp->cfg.workers; i++)
        all = give_wake(dp->workers[i], name);
    if (all)
        return;
    // Given again to all: a second wake finds nothing to do. Without memory the parked
    // requests are answered at their deadline.
    if (grow((void **)&dp->late, dp->n_late, &dp->cap_late, sizeof *dp->late))
        dp->late[dp->n_late++] = *name;
}

static void give_late_wakes(struct tnd_dataplane *dp)
{
    uint32_t given = 0;

    for (; given < dp->n_late; given++) {
        bool all = true;
        for (uint16_t i = 0; all && i < dp->cfg.workers; i++)
            all = give_wake(dp->workers[i], &dp->late[given]);
        if (!all)
            break;
    }
    if (given == 0)
        return;
    memmove(dp->late, dp->late + given, (dp->n_late - given) * sizeof *dp->late);
    dp->n_late -= given;
}

void tnd_dataplane_poll(struct tnd_dataplane *dp)
{
    uint32_t freed = 0;

    // Tokens ascend, so the first that has to wait makes all others wait.
    while (freed < dp->n_retired && freed < FREES_A_TICK &&
           rte_rcu_qsbr_check(dp->qsbr, dp->retired[freed].token, false)) {
        dp->retired[freed].free_fn(dp->retired[freed].p);
        freed++;
    }
    if (freed > 0) {
        memmove(dp->retired, dp->retired + freed, (dp->n_retired - freed) * sizeof *dp->retired);
        dp->n_retired -= freed;
    }
    if (dp->n_late > 0)
        give_late_wakes(dp);
}

int tnd_dataplane_doorbell(const struct tnd_dataplane *dp)
{
    return dp->doorbell;
}

void tnd_dataplane_hush(struct tnd_dataplane *dp)
{
    uint64_t count;

    // Pairs with the exchange in the worker: what it puts in a queue after this rings again.
    if (read(dp->doorbell, &count, sizeof count) >= 0 || atomic_load(&dp->rung))
        atomic_exchange(&dp->rung, false);
}

bool tnd_dataplane_take_want(struct tnd_dataplane *dp, struct tnd_want *out)
{
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        struct tnd_worker *w = dp->workers[dp->next_want];
        dp->next_want = (uint16_t)((dp->next_want + 1) % dp->cfg.workers);
        const struct tnd_want *want = tnd_spsc_front(&w->wants);
        if (!want)
            continue;
        *out = *want;
        tnd_spsc_pop(&w->wants);
        return true;
    }
    return false;
}

bool tnd_dataplane_take_packet(struct tnd_dataplane *dp, struct tnd_kernel_packet *out)
{
    if (dp->shown)
        tnd_spsc_pop(&dp->shown->kernel);
    dp->shown = NULL;
    for (uint16_t i = 0; i < dp->cfg.workers; i++) {
        struct tnd_worker *w = dp->workers[dp->next_packet];
        dp->next_packet = (uint16_t)((dp->next_packet + 1) % dp->cfg.workers);
        const struct tnd_kernel_slot *s = tnd_spsc_front(&w->kernel);
        if (!s)
            continue;
        *out = (struct tnd_kernel_packet){.src = s->src,
                                          .dst = s->dst,
                                          .next_hop = s->next_hop,
                                          .interface = s->interface,
                                          .why = s->why,
                                          .len = s->len,
                                          .data = s->data};
        dp->shown = w;
        return true;
    }
    return false;
}
