// Target sets of any size, of made-up hosts and weights.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "route/target_set.h"

#define BENCH_RECORDS_MAX 256

struct bench_spec {
    struct tnd_set_spec spec;
    struct tnd_spec_record records[BENCH_RECORDS_MAX];
    struct tnd_spec_address addresses[BENCH_RECORDS_MAX];
    char hosts[BENCH_RECORDS_MAX][32];
};

// n records of one address each in one tier. set: another one has other weights and addresses.
static inline void bench_spec_fill(struct bench_spec *b, uint32_t n, uint32_t set)
{
    uint64_t seed = set + 1;

    *b = (struct bench_spec){.spec = {.records = b->records, .n_records = n}};
    for (uint32_t i = 0; i < n; i++) {
        uint16_t weight = (uint16_t)(1 + bench_random(&seed) % 100);
        struct tnd_addr *a = &b->addresses[i].addr;
        *a = (struct tnd_addr){.family = 4, .port = 5060, .transport = TND_TRANSPORT_UDP};
        a->ip[0] = 10;
        a->ip[1] = (uint8_t)(set >> 8);
        a->ip[2] = (uint8_t)set;
        a->ip[3] = (uint8_t)i;
        snprintf(b->hosts[i], sizeof b->hosts[i], "h%u.example.net", i);
        b->records[i] = (struct tnd_spec_record){.host = tnd_str_of(b->hosts[i]),
                                                 .priority = 10,
                                                 .weight = weight,
                                                 .port = 5060,
                                                 .transport = TND_TRANSPORT_UDP,
                                                 .ttl_s = 300,
                                                 .addresses = &b->addresses[i],
                                                 .n_addresses = 1};
    }
}
