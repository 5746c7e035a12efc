// A frame in, one verdict out: what the frame is, reassembly, all stages of lib/, and each output
// as a frame that is read again.
//
// The input is a row of items, each an octet of options, a length of two octets and as many octets:
//   bits 0..2  who sends (engine_check.c)
//   bit 3      the octets are a frame, else a datagram of the sender's, which is framed here
//   bit 4      a frame has its IPv4 and UDP lengths and its IPv4 checksum put right
//   bit 5      the port has verified UDP's checksum
//   bit 6      a second goes by
//   bit 7      a response gets a Via of ours on top, rightly signed
// The engine, its memory and what is parked stay from one item to the next.
#include <stdlib.h>

#include "util/sum.h"
#include "dataplane/emit.h"
#include "dataplane/frag.h"
#include "dataplane/frame.h"
#include "fuzz/engine_check.h"
#include "fuzz/fuzz.h"

#define MTU       1500
#define FRAME_MAX (TND_SIP_MAX + 4096)

struct pipeline {
    struct harness *h;
    struct tnd_frag *in, *out; // reassembly here, and at who receives
    uint32_t datagrams;        // that had to end, those of fragments when they did
    uint32_t verdicts;
};

static struct pipeline p;

static void *exact(const void *data, size_t len)
{
    void *copy = malloc(len ? len : 1); // of its own size: a read past the end is seen

    return len ? memcpy(copy, data, len) : copy;
}

// ---- Out ------------------------------------------------------------------------------------

static void must_be(const struct tnd_frame *f, const struct tnd_emit *e, const struct sent *s)
{
    must(tnd_addr_eq(&f->src, &e->src) && tnd_addr_eq(&f->dst, &e->dst), "other addresses left");
    must(f->len == s->len && memcmp(f->data, s->text, s->len) == 0, "another datagram left");
}

static void leaves_in_fragments(const struct tnd_emit *e, const struct sent *s)
{
    static uint8_t udp[FRAME_MAX], octets[TND_EMIT_HEADERS_MAX + MTU];
    struct tnd_frag_whole w = {0};
    uint32_t lost, n, k = 0;
    struct tnd_frame f;

    memcpy(udp + 8, s->text, s->len);
    tnd_emit_udp(e, udp, s->len);
    while ((n = tnd_emit_fragment(e, udp, s->len + 8, MTU, 1, k++, octets)) > 0) {
        must(tnd_frame_parse(octets, n, true, &f) == TND_FRAME_FRAGMENT, "a fragment is none");
        if (tnd_frag_put(p.out, p.h->now_ms, &f, &w, &lost) == TND_FRAG_WHOLE)
            break;
    }
    must(w.data && tnd_frame_reassembled(&f, w.proto, w.data, w.len) == TND_FRAME_DATAGRAM,
         "fragments do not make a datagram");
    must_be(&f, e, s);
    p.h->now_ms += 2 * TND_FRAG_TIMEOUT_MS; // the next one may have the same id
    tnd_frag_expire(p.out, p.h->now_ms);
}

static void leaves(const struct sent *s)
{
    static uint8_t octets[FRAME_MAX];
    struct tnd_emit e = {.src = p.h->listeners[s->listener].addr, .dst = s->dst};
    struct tnd_frame f;

    if (e.src.family != e.dst.family) // no-listener, as tx.c has it
        return;
    e.src.transport = e.dst.transport = TND_TRANSPORT_UDP;
    if (tnd_emit_packet_len(&e, s->len) > MTU) {
        leaves_in_fragments(&e, s);
        return;
    }
    memcpy(octets + tnd_emit_overhead(&e), s->text, s->len);
    uint32_t len = tnd_emit_whole(&e, octets, s->len);
    must(tnd_frame_parse(octets, len, true, &f) == TND_FRAME_DATAGRAM, "a frame nobody can read");
    must_be(&f, &e, s);
}

// ---- In -------------------------------------------------------------------------------------

static uint64_t counted(void)
{
    uint64_t n = 0;

    for (int v = 0; v < TND_VERDICT_COUNT; v++)
        n += p.h->engine->counters.verdict[v];
    return n;
}

static uint16_t listener_of(const struct tnd_addr *to)
{
    for (uint16_t i = 0; i < N_LISTENERS; i++)
        if (tnd_addr_eq(&p.h->listeners[i].addr, to))
            return i;
    return TND_NO_LISTENER;
}

static void datagram(const struct tnd_frame *f)
{
    static struct reply r;
    struct datagram in = {f->src, listener_of(&f->dst), (const char *)f->data, f->len};
    uint64_t before = counted();

    p.verdicts++;
    if (in.listener == TND_NO_LISTENER)
        return; // punted
    run_octets(p.h, &in, &r);
    must(counted() == before + 1, "not one verdict");
    check_reply(in.data, in.len, &r);
    for (uint32_t k = 0; k < r.n; k++)
        leaves(&r.out[k]);
}

static void fragment(struct tnd_frame *f)
{
    struct tnd_frag_whole w;
    uint32_t lost;
    enum tnd_frag_result got = tnd_frag_put(p.in, p.h->now_ms, f, &w, &lost);

    p.datagrams += lost + (got != TND_FRAG_HELD);
    p.verdicts += lost;
    if (got == TND_FRAG_BAD || got == TND_FRAG_TOO_LARGE)
        p.verdicts++; // dropped
    if (got != TND_FRAG_WHOLE)
        return;
    uint8_t *data = exact(w.data, w.len);
    if (tnd_frame_reassembled(f, w.proto, data, w.len) == TND_FRAME_DATAGRAM)
        datagram(f);
    else
        p.verdicts++; // punted or dropped
    free(data);
}

static enum tnd_frame_kind frame(const uint8_t *octets, size_t len, bool verify)
{
    uint8_t *data = exact(octets, len);
    struct tnd_frame f;
    enum tnd_frame_kind kind = tnd_frame_parse(data, len, verify, &f);

    switch (kind) {
    case TND_FRAME_FRAGMENT:
        fragment(&f);
        break;
    case TND_FRAME_DATAGRAM:
        p.datagrams++;
        datagram(&f);
        break;
    case TND_FRAME_BAD:
        must(f.drop != TND_DROP_NONE, "a bad frame without a reason");
        // fall through
    case TND_FRAME_PUNT:
        p.datagrams++;
        p.verdicts++;
    }
    free(data);
    return kind;
}

// What the fuzzer changes in a frame would else hardly ever be looked at beyond its IP header.
static void mend(uint8_t *octets, size_t len)
{
    uint8_t *ip = octets + 14, *udp;
    size_t left = len < 14 ? 0 : len - 14, head;

    if (left < 28 || octets[12] != 8 || octets[13] != 0 || ip[0] >> 4 != 4)
        return;
    head = (size_t)(ip[0] & 15) * 4;
    if (head < 20 || left < head + 8)
        return;
    ip[2] = (uint8_t)(left >> 8);
    ip[3] = (uint8_t)left;
    ip[10] = ip[11] = 0;
    uint16_t sum = (uint16_t)~tnd_sum_fold(tnd_sum_add(0, ip, head));
    memcpy(ip + 10, &sum, 2);
    udp = ip + head;
    udp[4] = (uint8_t)((left - head) >> 8);
    udp[5] = (uint8_t)(left - head);
}

static void framed(const struct sender *from, const char *data, size_t len, bool verify)
{
    static uint8_t octets[FRAME_MAX], udp[FRAME_MAX];
    struct tnd_emit e = {.src = addr_of(from->src), .dst = p.h->listeners[from->listener].addr};
    static uint32_t id;
    uint32_t n;

    if (tnd_emit_packet_len(&e, (uint32_t)len) <= MTU) {
        memcpy(octets + tnd_emit_overhead(&e), data, len);
        must(frame(octets, tnd_emit_whole(&e, octets, (uint32_t)len), verify) == TND_FRAME_DATAGRAM,
             "a framed datagram is none");
        return;
    }
    memcpy(udp + 8, data, len);
    tnd_emit_udp(&e, udp, (uint32_t)len);
    id = (id + 1) & 0xffff;
    for (uint32_t k = 0;
         (n = tnd_emit_fragment(&e, udp, (uint32_t)len + 8, MTU, id, k, octets)) > 0; k++)
        must(frame(octets, n, verify) == TND_FRAME_FRAGMENT, "a fragment is none");
}

static void item(uint8_t options, const uint8_t *octets, size_t len)
{
    static char buffer[FRAME_MAX];
    bool verify = !(options & 32);

    p.h->now_ms += options & 64 ? 1000 : 1;
    if (len > TND_SIP_MAX + 1024)
        return;
    if (options & 8) {
        memcpy(buffer, octets, len);
        if (options & 16)
            mend((uint8_t *)buffer, len);
        frame((uint8_t *)buffer, len, verify);
        return;
    }
    size_t n = options & 128 ? sign_response(p.h, (const char *)octets, len, buffer) : 0;
    framed(&senders[options & 7], n ? buffer : (const char *)octets, n ? n : len, verify);
}

// Whatever waits runs out of time: a verdict for it too, and nothing left for the next input.
static void wait_for_the_end(void)
{
    static struct reply due[TND_BURST];
    struct tnd_park_stats st;
    uint32_t n;

    p.h->now_ms += 4000000;
    n = tnd_frag_expire(p.in, p.h->now_ms);
    p.datagrams += n;
    p.verdicts += n;
    while ((n = run_due(p.h, due, TND_BURST)) > 0)
        for (uint32_t i = 0; i < n; i++) {
            must(due[i].verdict != TND_VERDICT_NONE && due[i].verdict != TND_VERDICT_PARK,
                 "no verdict after its time");
            for (uint32_t k = 0; k < due[i].n; k++)
                leaves(&due[i].out[k]);
        }
    tnd_park_stats(p.h->engine->park, &st);
    must(st.waiting == 0 && st.parked == st.released + st.expired + st.cancelled,
         "parked for ever");
    tnd_memory_sweep(p.h->engine->memory, p.h->now_ms, tnd_memory_buckets(p.h->engine->memory));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!p.h) {
        p.h = make_harness();
        p.in = tnd_frag_new(4);
        p.out = tnd_frag_new(4);
    }
    p.datagrams = p.verdicts = 0;
    while (size >= 3) {
        uint8_t options = data[0];
        size_t n = (size_t)data[1] << 8 | data[2];
        data += 3;
        size -= 3;
        n = n < size ? n : size;
        item(options, data, n);
        data += n;
        size -= n;
    }
    wait_for_the_end();
    must(p.verdicts == p.datagrams, "not one verdict for each datagram");
    return 0;
}
