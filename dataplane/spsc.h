// A bounded queue of equal slots between one writer thread and one reader thread.
//
// Slots are written and read in place: claim, fill, commit on one side; front, use, pop on the
// other. Full is an answer, never a wait.
//
// Threads:  one producer, one consumer, each always the same thread (or handed over with a
//           happens-before of its own).
// Lifetime: a slot from front is the consumer's until pop.
// Cost:     two cache lines of indices; no locked operation.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct tnd_spsc {
    uint32_t mask, slot_size; // constant
    uint8_t *slots;
    _Alignas(64) _Atomic uint32_t head; // W: producer, R: consumer
    _Alignas(64) _Atomic uint32_t tail; // W: consumer, R: producer
};

// slots: a power of two. Returns: false when memory is short.
static inline bool tnd_spsc_init(struct tnd_spsc *q, uint32_t slots, uint32_t slot_size)
{
    q->mask = slots - 1;
    q->slot_size = (slot_size + 15) & ~15u;
    q->slots = malloc((size_t)slots * q->slot_size);
    atomic_init(&q->head, 0);
    atomic_init(&q->tail, 0);
    return q->slots != NULL;
}

static inline void tnd_spsc_fini(struct tnd_spsc *q)
{
    free(q->slots);
    q->slots = NULL;
}

// Producer: the next slot, or NULL when the queue is full.
static inline void *tnd_spsc_claim(struct tnd_spsc *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

    // Pairs with release in tnd_spsc_pop: the consumer is done with the slot.
    if (head - atomic_load_explicit(&q->tail, memory_order_acquire) > q->mask)
        return NULL;
    return q->slots + (size_t)(head & q->mask) * q->slot_size;
}

static inline void tnd_spsc_commit(struct tnd_spsc *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

    // Pairs with acquire in tnd_spsc_front: the slot is filled.
    atomic_store_explicit(&q->head, head + 1, memory_order_release);
}

// Consumer: the oldest slot, or NULL when the queue is empty.
static inline void *tnd_spsc_front(struct tnd_spsc *q)
{
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

    // Pairs with release in tnd_spsc_commit.
    if (atomic_load_explicit(&q->head, memory_order_acquire) == tail)
        return NULL;
    return q->slots + (size_t)(tail & q->mask) * q->slot_size;
}

static inline void tnd_spsc_pop(struct tnd_spsc *q)
{
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

    // Pairs with acquire in tnd_spsc_claim.
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
}
