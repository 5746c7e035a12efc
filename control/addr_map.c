#include "control/addr_map.h"

#include <stdlib.h>

// The keys are the kernel's neighbours and names' addresses. An owner of a zone chooses the
// latter, but a chain of some hundred of its own addresses costs it more than us.
static uint32_t hash(uint32_t number, const struct tnd_addr *ip)
{
    uint64_t lo, hi;

    memcpy(&lo, ip->ip, sizeof lo);
    memcpy(&hi, ip->ip + 8, sizeof hi);
    uint64_t h = (lo ^ ((uint64_t)number << 40) ^ ip->family) * 0x9e3779b97f4a7c15ULL;
    h = (h ^ (h >> 29) ^ hi) * 0xbf58476d1ce4e5b9ULL;
    return (uint32_t)(h >> 32);
}

struct tnd_addr_node *tnd_addr_map_find(const struct tnd_addr_map *map, uint32_t number,
                                        const struct tnd_addr *ip)
{
    if (!map->n)
        return NULL;
    struct tnd_addr_node *node = map->buckets[hash(number, ip) & (map->n_buckets - 1)];
    while (node && (node->number != number || !tnd_addr_same_ip(&node->ip, ip)))
        node = node->next;
    return node;
}

static void grow(struct tnd_addr_map *map)
{
    uint32_t n = map->n_buckets ? map->n_buckets * 2 : 64;
    struct tnd_addr_node **buckets = calloc(n, sizeof *buckets);

    if (!buckets)
        return; // longer chains, still right
    for (uint32_t i = 0; i < map->n_buckets; i++) {
        for (struct tnd_addr_node *node = map->buckets[i], *next; node; node = next) {
            uint32_t b = hash(node->number, &node->ip) & (n - 1);
            next = node->next;
            node->next = buckets[b];
            buckets[b] = node;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->n_buckets = n;
}

bool tnd_addr_map_add(struct tnd_addr_map *map, struct tnd_addr_node *node)
{
    if (map->n >= map->n_buckets)
        grow(map);
    if (!map->n_buckets)
        return false;
    struct tnd_addr_node **b = &map->buckets[hash(node->number, &node->ip) & (map->n_buckets - 1)];
    node->next = *b;
    *b = node;
    map->n++;
    return true;
}

void tnd_addr_map_remove(struct tnd_addr_map *map, struct tnd_addr_node *node)
{
    struct tnd_addr_node **p = &map->buckets[hash(node->number, &node->ip) & (map->n_buckets - 1)];

    while (*p != node)
        p = &(*p)->next;
    *p = node->next;
    map->n--;
}

void tnd_addr_map_each(struct tnd_addr_map *map,
                       void (*visit)(void *ctx, struct tnd_addr_node *node), void *ctx)
{
    for (uint32_t i = 0; i < map->n_buckets; i++) {
        for (struct tnd_addr_node *node = map->buckets[i], *next; node; node = next) {
            next = node->next;
            visit(ctx, node);
        }
    }
}

void tnd_addr_map_clear(struct tnd_addr_map *map)
{
    free(map->buckets);
    *map = (struct tnd_addr_map){0};
}
