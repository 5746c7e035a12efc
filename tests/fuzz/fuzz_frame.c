// Frames and reassembly: the input is a row of frames, each behind its length (two octets).
//
// Nothing outside a frame is read; a datagram lies inside what it was read from; one that is
// written again and read again is the same; reassembly stays within its bounds.
#include <stdlib.h>

#include "dataplane/emit.h"
#include "dataplane/frag.h"
#include "dataplane/frame.h"
#include "fuzz.h"

static uint8_t again[70000];

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_datagram(const struct tnd_frame *f, const uint8_t *from, size_t len)
{
    struct tnd_emit e = {.src = f->src, .dst = f->dst};
    struct tnd_frame g;

    check(f->data >= from && f->data + f->len <= from + len);
    check(f->src.family == f->dst.family && f->src.port != 0);
    memcpy(again + tnd_emit_overhead(&e), f->data, f->len);
    uint32_t n = tnd_emit_whole(&e, again, f->len);
    check(tnd_frame_parse(again, n, true, &g) == TND_FRAME_DATAGRAM);
    check(tnd_addr_eq(&f->src, &g.src) && tnd_addr_eq(&f->dst, &g.dst));
    check(f->len == g.len && memcmp(f->data, g.data, f->len) == 0);
}

static void one(struct tnd_frag *frag, uint64_t now_ms, const uint8_t *frame, size_t len)
{
    struct tnd_frag_stats st;
    struct tnd_frag_whole w;
    struct tnd_frame f;
    uint32_t lost;

    enum tnd_frame_kind kind = tnd_frame_parse(frame, len, now_ms & 1, &f);
    if (kind == TND_FRAME_BAD)
        check(f.drop != TND_DROP_NONE && f.dst.family != 0);
    if (kind == TND_FRAME_DATAGRAM)
        check_datagram(&f, frame, len);
    if (kind != TND_FRAME_FRAGMENT)
        return;
    check(f.data >= frame && f.data + f.len <= frame + len && f.len > 0);
    if (tnd_frag_put(frag, now_ms, &f, &w, &lost) == TND_FRAG_WHOLE) {
        check(w.len <= TND_FRAG_MAX);
        if (tnd_frame_reassembled(&f, w.proto, w.data, w.len) == TND_FRAME_DATAGRAM)
            check_datagram(&f, w.data, w.len);
    }
    tnd_frag_stats(frag, &st);
    check(st.waiting <= 4 && lost <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tnd_frag *frag = tnd_frag_new(4);
    uint64_t now_ms = 0;

    while (frag && size >= 2) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        uint8_t *copy = malloc(n + 1); // so that a read past the frame is seen
        if (!copy)
            break;
        memcpy(copy + 1, data, n);
        one(frag, now_ms += 301, copy + 1, n);
        free(copy);
        data += n;
        size -= n;
    }
    tnd_frag_free(frag);
    return 0;
}
