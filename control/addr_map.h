// A map from (number, IP address) to an object that embeds its node: neighbours by interface
// and address, interests by address. Chained, grows by doubling, allocates only its buckets.
//
// Threads:  one. Lifetime: nodes are the caller's and must leave before they are freed.
// Cost:     one bucket and, at a load of at most one, one or two nodes.
#pragma once

#include "util/addr.h"

struct tnd_addr_node {
    struct tnd_addr_node *next;
    struct tnd_addr ip; // port and transport are not looked at
    uint32_t number;
};

// Zero is an empty map.
struct tnd_addr_map {
    struct tnd_addr_node **buckets;
    uint32_t n_buckets, n;
};

struct tnd_addr_node *tnd_addr_map_find(const struct tnd_addr_map *map, uint32_t number,
                                        const struct tnd_addr *ip);

// Requires: node->ip and node->number set, and not in the map yet.
// Returns:  false when memory is short (only ever for the first node).
bool tnd_addr_map_add(struct tnd_addr_map *map, struct tnd_addr_node *node);
void tnd_addr_map_remove(struct tnd_addr_map *map, struct tnd_addr_node *node);

// Visit every node; the visitor may remove (and free) the one it is given, and no other.
void tnd_addr_map_each(struct tnd_addr_map *map,
                       void (*visit)(void *ctx, struct tnd_addr_node *node), void *ctx);

// Frees the buckets, not the nodes.
void tnd_addr_map_clear(struct tnd_addr_map *map);
