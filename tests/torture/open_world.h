// The harness as one open relay: every source a trunk, every request to one place. For
// messages of others, whose addresses and numbers say nothing here.
//
// Threads: one.
#pragma once

#include "unit/engine_harness.h"

static inline struct harness *open_world(void)
{
    struct harness *h = harness_new();
    struct tnd_lpm_entry all[2] = {{.prefix = {.addr = {.family = 4}}, .value = CARRIER},
                                   {.prefix = {.addr = {.family = 6}}, .value = CARRIER}};

    tnd_lpm_free(h->policy.sources);
    h->policy.sources = tnd_lpm_new(all, 2);
    h->policy.n_rules = 1;
    h->rules[0] =
        (struct tnd_route_rule){.from = TND_NO_TRUNK, .to = TND_ROUTE_TRUNK, .trunk = CARRIER};
    return h;
}

// One message as it is; a response with our signed Via on top, as if its request had passed.
static inline void run_in_the_open(struct harness *h, const char *data, size_t len,
                                   const struct tnd_addr *src, struct reply *r)
{
    static char with_via[65536 + 512];
    struct datagram in = {*src, src->family == 6 ? WAN6 : WAN4, data, len};
    size_t lead = 0;

    while (lead < len && (data[lead] == '\r' || data[lead] == '\n'))
        lead++;
    if (len <= 65536 && len - lead > 4 && memcmp(data + lead, "SIP/", 4) == 0) {
        size_t n = sign_response(h, data, len, with_via);
        if (n) {
            in.data = with_via;
            in.len = n;
        }
    }
    run_octets(h, &in, r);
}
