// Target sets for tests, from short descriptions.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route/target_set.h"

#define MADE_RECORDS 1024

// A specification that owns what it points to: one address for each record unless more are
// added with made_address.
struct made_set {
    struct tnd_set_spec spec;
    struct tnd_spec_record records[MADE_RECORDS];
    struct tnd_spec_address addresses[MADE_RECORDS][4];
    char hosts[MADE_RECORDS][32];
};

static inline struct made_set *made_new(enum tnd_weight_zero policy)
{
    struct made_set *m = calloc(1, sizeof *m);

    m->spec.records = m->records;
    m->spec.weight_zero = policy;
    return m;
}

static inline struct tnd_spec_address *made_address(struct made_set *m, uint32_t record)
{
    struct tnd_spec_record *r = &m->records[record];
    struct tnd_spec_address *a = &m->addresses[record][r->n_addresses];

    a->addr.family = 4;
    a->addr.ip[0] = 192;
    a->addr.ip[1] = (uint8_t)(record >> 8);
    a->addr.ip[2] = (uint8_t)record;
    a->addr.ip[3] = (uint8_t)++r->n_addresses;
    return a;
}

// Returns: the index of the record, whose host is "h<index>.example.net".
static inline uint32_t made_record(struct made_set *m, uint16_t tier, uint16_t weight)
{
    uint32_t i = m->spec.n_records++;
    struct tnd_spec_record *r = &m->records[i];

    snprintf(m->hosts[i], sizeof m->hosts[i], "h%u.example.net", i);
    *r = (struct tnd_spec_record){.host = tnd_str_of(m->hosts[i]),
                                  .tier = tier,
                                  .priority = (uint16_t)(10 * (tier + 1)),
                                  .weight = weight,
                                  .port = 5060,
                                  .transport = TND_TRANSPORT_UDP,
                                  .addresses = m->addresses[i]};
    made_address(m, i);
    return i;
}

// The set, to be freed with free().
static inline struct tnd_target_set *made_build(const struct made_set *m)
{
    size_t size = tnd_set_size(&m->spec);

    return size ? tnd_set_build(&m->spec, 1, aligned_alloc(64, size)) : NULL;
}

// The spec's record that a target belongs to, by the address that made_address gave it.
static inline uint32_t made_record_of(const struct tnd_target_set *s, uint32_t target)
{
    const uint8_t *ip = tnd_set_targets(s)[target].addr.ip;

    return (uint32_t)ip[1] << 8 | ip[2];
}
