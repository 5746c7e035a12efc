#include "route/table_private.h"
#include "util/err.h"

// What two equal sets agree in: all but the generation and what is computed from the rest.
#define SAME_FROM offsetof(struct tnd_target_set, size)

static struct tnd__node **bucket(const struct tnd__intern *in, uint64_t b)
{
    unsigned k;

    if (b < TND__INTERN_FIRST)
        return &in->segments[0][b];
    k = 63U - (unsigned)__builtin_clzll(b / TND__INTERN_FIRST);
    return &in->segments[k + 1][b - ((uint64_t)TND__INTERN_FIRST << k)];
}

// The largest power of two up to the number of buckets.
static uint64_t level(const struct tnd__intern *in)
{
    return 1ULL << (63 - __builtin_clzll(in->buckets));
}

static struct tnd__node **bucket_of(const struct tnd__intern *in, uint64_t content)
{
    uint64_t low = level(in), b = content & (2 * low - 1);

    return bucket(in, b < in->buckets ? b : b & (low - 1));
}

static uint64_t segment_buckets(unsigned segment)
{
    return (uint64_t)TND__INTERN_FIRST << (segment ? segment - 1 : 0);
}

bool tnd__intern_init(struct tnd__intern *in, struct tnd__mem *m)
{
    size_t bytes = TND__INTERN_FIRST * sizeof(struct tnd__node *);

    in->segments[0] = tnd__mem_alloc(m, 64, bytes);
    if (!in->segments[0])
        return false;
    memset(in->segments[0], 0, bytes);
    in->buckets = TND__INTERN_FIRST;
    return true;
}

void tnd__intern_free(struct tnd__intern *in, struct tnd__mem *m)
{
    for (uint64_t b = 0; b < in->buckets; b++)
        for (struct tnd__node *n = *bucket(in, b), *next; n; n = next) {
            next = n->next;
            tnd__mem_free(m, n, n->size);
        }
    for (unsigned i = 0; i < TND__INTERN_SEGMENTS; i++)
        tnd__mem_free(m, in->segments[i], segment_buckets(i) * sizeof(struct tnd__node *));
    tnd__mem_free(m, in->scratch, in->scratch_size);
}

// Split the next bucket in two. Without memory for it the chains grow a little longer.
static void split(struct tnd__intern *in, struct tnd__mem *m)
{
    uint64_t low = level(in), from = in->buckets - low;
    struct tnd__node **a, **b, *n, *next;

    if (in->buckets == low) {
        unsigned k = 1U + 63U - (unsigned)__builtin_clzll(low / TND__INTERN_FIRST);
        if (k >= TND__INTERN_SEGMENTS)
            return;
        if (!in->segments[k])
            in->segments[k] =
                tnd__mem_alloc(m, 64, segment_buckets(k) * sizeof(struct tnd__node *));
        if (!in->segments[k])
            return;
    }
    a = bucket(in, from);
    b = bucket(in, in->buckets++);
    n = *a;
    *a = *b = NULL;
    for (; n; n = next) {
        struct tnd__node **to = n->set.content & low ? b : a;
        next = n->next;
        n->next = *to;
        *to = n;
    }
}

static bool reserve_scratch(struct tnd__intern *in, struct tnd__mem *m, size_t size)
{
    void *p;

    if (size <= in->scratch_size)
        return true;
    p = tnd__mem_alloc(m, 64, size);
    if (!p)
        return false;
    tnd__mem_free(m, in->scratch, in->scratch_size);
    in->scratch = p;
    in->scratch_size = size;
    return true;
}

int tnd__intern_get(struct tnd__intern *in, struct tnd__mem *m, const struct tnd_set_spec *spec,
                    uint64_t generation, struct tnd__node **out)
{
    size_t size = tnd_set_size(spec);
    const struct tnd_target_set *s;
    struct tnd__node *n, **at;

    if (size == 0)
        return -TND_EINVAL;
    if (!reserve_scratch(in, m, size))
        return -TND_ENOMEM;
    s = tnd_set_build(spec, generation, in->scratch);
    for (n = *bucket_of(in, s->content); n; n = n->next)
        if (n->set.content == s->content && n->set.size == s->size &&
            memcmp((const char *)&n->set + SAME_FROM, (const char *)s + SAME_FROM,
                   s->size - SAME_FROM) == 0) {
            *out = n;
            return 0;
        }
    size = offsetof(struct tnd__node, set) + s->size;
    n = tnd__mem_alloc(m, 64, size);
    if (!n)
        return -TND_ENOMEM;
    memset(n, 0, offsetof(struct tnd__node, set));
    memcpy(&n->set, s, s->size);
    n->size = (uint32_t)size;
    if (++in->count > in->buckets)
        split(in, m);
    at = bucket_of(in, s->content);
    n->next = *at;
    *at = n;
    *out = n;
    return 0;
}

void tnd__intern_remove(struct tnd__intern *in, struct tnd__node *n)
{
    struct tnd__node **at = bucket_of(in, n->set.content);

    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    in->count--;
}
