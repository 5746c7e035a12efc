// A datagram through the whole pipeline: one verdict, and outputs that are what they must be.
//
// The first octet chooses who sends: bits 0..2 the source, bit 3 to have our signed Via put on
// top of a response; the rest is the datagram.
#include <stdlib.h>

#include "fuzz/engine_check.h"
#include "fuzz/fuzz.h"

static bool same(const struct reply *a, const struct reply *b)
{
    if (a->verdict != b->verdict || a->status != b->status || a->n != b->n)
        return false;
    for (uint32_t k = 0; k < a->n; k++)
        if (!tnd_addr_eq(&a->out[k].dst, &b->out[k].dst) || a->out[k].len != b->out[k].len ||
            memcmp(a->out[k].text, b->out[k].text, a->out[k].len) != 0)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t size)
{
    static struct harness *h;
    static struct reply first, again;
    static char buffer[TND_SIP_MAX + 4096];
    static struct reply due[TND_BURST];

    if (size == 0 || size > TND_SIP_MAX + 2048)
        return 0;
    if (!h)
        h = make_harness();
    // In a block of its own size: a read past its end is seen.
    size_t len = size - 1;
    unsigned who = octets[0] & 7;
    char *data = malloc(len ? len : 1);
    memcpy(data, octets + 1, len);
    struct datagram in = {addr_of(senders[who].src), senders[who].listener, data, len};
    if (octets[0] & 8) {
        size_t n = sign_response(h, data, len, buffer);
        if (n) {
            free(data);
            data = memcpy(malloc(n), buffer, n);
            in.data = data;
            in.len = n;
        }
    }
    run_octets(h, &in, &first);
    check_reply(in.data, in.len, &first);
    run_octets(h, &in, &again);
    check_reply(in.data, in.len, &again);
    if (first.verdict == TND_VERDICT_PARK)
        must(again.verdict == TND_VERDICT_ABSORB, "parked twice");
    else
        must(same(&first, &again), "the same request, two outcomes");
    // What waits runs out of time, and nothing is left for the next input to meet.
    h->now_ms += 4000000;
    while (run_due(h, due, TND_BURST) > 0)
        ;
    tnd_memory_sweep(h->engine->memory, h->now_ms, tnd_memory_buckets(h->engine->memory));
    free(data);
    return 0;
}
