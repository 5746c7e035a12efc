#include "control/turn.h"

#include <string.h>
#include <time.h>

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct tnd_turn tnd_turn_begin(const uv_loop_t *loop, const char *name)
{
    return (struct tnd_turn){.meter = loop->data,
                             .name = name,
                             .began_ns = uv_hrtime(),
                             .began_cpu_ns = loop->data ? cpu_ns() : 0};
}

static struct tnd_meter_kind *kind_of(struct tnd_meter *m, const char *name)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (m->kinds[i].name == name || strcmp(m->kinds[i].name, name) == 0)
            return &m->kinds[i];
    if (m->n == TND_METER_KINDS)
        return NULL;
    m->kinds[m->n].name = name;
    return &m->kinds[m->n++];
}

void tnd_turn_end(struct tnd_turn *t)
{
    struct tnd_meter_kind *k = t->meter ? kind_of(t->meter, t->name) : NULL;
    uint64_t took_ns = uv_hrtime() - t->began_ns, took_cpu_ns;

    if (!k)
        return;
    took_cpu_ns = cpu_ns() - t->began_cpu_ns;
    if (took_cpu_ns > k->longest_cpu_ns)
        k->longest_cpu_ns = took_cpu_ns;
    k->turns++;
    k->over += took_ns > TND_TURN_MAX_NS;
    if (took_ns > k->longest_ns)
        k->longest_ns = took_ns;
    if (t->steps > k->longest_steps)
        k->longest_steps = t->steps;
}

const struct tnd_meter_kind *tnd_meter_longest(const struct tnd_meter *m)
{
    const struct tnd_meter_kind *longest = NULL;

    for (uint32_t i = 0; i < m->n; i++)
        if (!longest || m->kinds[i].longest_ns > longest->longest_ns)
            longest = &m->kinds[i];
    return longest;
}
