// Fragments: written by emit, read by frame, put together by frag; in any order, and hostile.
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/emit.h"
#include "dataplane/frag.h"
#include "frames.h"

#define ENTRIES    16
#define FRAMES_MAX 300

static struct tnd_frag *frag;
static uint8_t message[TND_FRAG_MAX + 4096];
static uint8_t udp[TND_FRAG_MAX + 4096];
static uint8_t frames[FRAMES_MAX][2048];
static uint32_t lens[FRAMES_MAX];
static uint32_t seed = 20;

static uint32_t next_random(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

static int setup(void **state)
{
    (void)state;
    frag = tnd_frag_new(ENTRIES);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 31 + i / 251);
    return frag ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tnd_frag_free(frag);
    return 0;
}

static struct tnd_emit emit_of(int family)
{
    struct tnd_emit e = {.dscp = 24};

    memcpy(e.dst_mac, FM_OUR_MAC, 6);
    memcpy(e.src_mac, FM_PEER_MAC, 6);
    e.src = addr_of(family == 4 ? "192.0.2.1:5070" : "[2001:db8::1]:5070");
    e.dst = addr_of(family == 4 ? "192.0.2.10:5060" : "[2001:db8::10]:5060");
    return e;
}

// Cut `len` octets of message; returns the number of frames.
static uint32_t cut(const struct tnd_emit *e, uint32_t len, uint32_t mtu, uint32_t id)
{
    uint32_t n = 0;

    memcpy(udp + 8, message, len);
    tnd_emit_udp(e, udp, len);
    while ((lens[n] = tnd_emit_fragment(e, udp, 8 + len, mtu, id, n, frames[n])) > 0) {
        assert_true(lens[n] - 14 <= mtu);
        n++;
        assert_true(n < FRAMES_MAX);
    }
    return n;
}

static enum tnd_frag_result put(uint64_t now, uint32_t k, struct tnd_frame *f,
                                struct tnd_frag_whole *w)
{
    uint32_t lost;

    assert_int_equal(tnd_frame_parse(frames[k], lens[k], true, f), TND_FRAME_FRAGMENT);
    enum tnd_frag_result r = tnd_frag_put(frag, now, f, w, &lost);
    assert_int_equal(lost, 0);
    return r;
}

static void expect_whole(struct tnd_frame *f, const struct tnd_frag_whole *w, uint32_t len)
{
    assert_int_equal(w->len, 8 + len);
    assert_int_equal(tnd_frame_reassembled(f, w->proto, w->data, w->len), TND_FRAME_DATAGRAM);
    assert_int_equal(f->len, len);
    assert_memory_equal(f->data, message, len);
    assert_int_equal(f->src.port, 5070);
    assert_int_equal(f->dst.port, 5060);
}

static void every_size(void **state)
{
    static const uint32_t sizes[] = {1473, 1500, 2500, 2960, 2961, 8192, 16383, 16384};
    static const uint32_t mtus[] = {1500, 1280, 1492};
    struct tnd_frag_whole w;
    struct tnd_frame f;
    uint32_t id = 1;

    (void)state;
    for (int family = 4; family <= 6; family += 2)
        for (size_t m = 0; m < 3; m++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                struct tnd_emit e = emit_of(family);
                uint32_t n = cut(&e, sizes[s], mtus[m], id++);
                assert_true(n >= 2);
                for (uint32_t k = 0; k + 1 < n; k++)
                    assert_int_equal(put(0, k, &f, &w), TND_FRAG_HELD);
                assert_int_equal(put(0, n - 1, &f, &w), TND_FRAG_WHOLE);
                expect_whole(&f, &w, sizes[s]);
            }
    // The smallest pieces IPv4 allows.
    struct tnd_emit e = emit_of(4);
    uint32_t n = cut(&e, 9000, 68, id);
    assert_int_equal(n, (9008 + 47) / 48);
    for (uint32_t k = 0; k < n; k++)
        assert_int_equal(put(0, k, &f, &w), k + 1 < n ? TND_FRAG_HELD : TND_FRAG_WHOLE);
    expect_whole(&f, &w, 9000);
}

static void any_order_with_repetitions(void **state)
{
    struct tnd_frag_whole w;
    struct tnd_frame f;

    (void)state;
    for (int round = 0; round < 200; round++) {
        uint32_t order[2 * FRAMES_MAX], left = 0, start_seed = seed;
        struct tnd_emit e = emit_of(round % 2 ? 4 : 6);
        uint32_t len = 1473 + next_random() % 14000, n = cut(&e, len, 1500, 5000 + round);
        for (uint32_t k = 0; k < n; k++)
            order[left++] = k;
        for (uint32_t k = left; k > 1; k--) {
            uint32_t at = next_random() % k, keep = order[at];
            order[at] = order[k - 1];
            order[k - 1] = keep;
        }
        for (uint32_t k = 0; k < n; k++) {
            if (k > 0) // an earlier one again, changes nothing
                assert_int_equal(put(0, order[next_random() % k], &f, &w), TND_FRAG_HELD);
            enum tnd_frag_result r = put(0, order[k], &f, &w);
            if (r != (k + 1 < n ? TND_FRAG_HELD : TND_FRAG_WHOLE))
                fail_msg("seed %u: piece %u of %u: %d", start_seed, k, n, r);
        }
        expect_whole(&f, &w, len);
    }
}

static void overlaps_end_the_datagram(void **state)
{
    struct tnd_frag_whole w;
    struct tnd_frame f;
    struct tnd_frag_stats st;
    uint32_t lost;

    (void)state;
    for (int how = 0; how < 4; how++) {
        struct tnd_emit e = emit_of(how % 2 ? 4 : 6);
        uint32_t n = cut(&e, 6000, 1280, 100 + how);
        assert_int_equal(put(0, 0, &f, &w), TND_FRAG_HELD);
        assert_int_equal(put(0, n - 1, &f, &w), TND_FRAG_HELD);
        assert_int_equal(tnd_frame_parse(frames[1], lens[1], true, &f), TND_FRAME_FRAGMENT);
        if (how == 0)
            f.offset -= 8; // partly over the first
        else if (how == 1)
            f.offset = 0, f.len -= 8; // over the first with other octets
        else if (how == 2)
            f.offset = 5600; // over the last and beyond its end
        else
            f.more = false; // a second end
        assert_int_equal(tnd_frag_put(frag, 0, &f, &w, &lost), TND_FRAG_BAD);
        // Its other pieces come to nothing, and are not counted again.
        for (uint32_t k = 0; k < n; k++)
            assert_int_equal(put(0, k, &f, &w), TND_FRAG_HELD);
    }
    tnd_frag_stats(frag, &st);
    assert_int_equal(st.overlapping, 4);
    assert_int_equal(st.waiting, 0);
    assert_int_equal(tnd_frag_expire(frag, TND_FRAG_TIMEOUT_MS), 0);
}

static void too_large(void **state)
{
    struct tnd_frag_whole w;
    struct tnd_frame f;
    struct tnd_emit e = emit_of(6);
    uint32_t n = cut(&e, TND_FRAG_MAX + 1000, 1500, 77), large = 0;

    (void)state;
    for (uint32_t k = 0; k < n; k++) {
        enum tnd_frag_result r = put(0, k, &f, &w);
        assert_true(r == TND_FRAG_HELD || r == TND_FRAG_TOO_LARGE);
        large += r == TND_FRAG_TOO_LARGE;
    }
    assert_int_equal(large, 1);
}

static void time_and_room_are_bounded(void **state)
{
    struct tnd_frag_whole w;
    struct tnd_frame f;
    struct tnd_frag_stats st;
    uint32_t lost, all_lost = 0;

    (void)state;
    struct tnd_emit e = emit_of(6);
    cut(&e, 3000, 1500, 1);
    assert_int_equal(put(10000, 0, &f, &w), TND_FRAG_HELD);
    assert_int_equal(tnd_frag_expire(frag, 10000 + TND_FRAG_TIMEOUT_MS - 1), 0);
    assert_int_equal(tnd_frag_expire(frag, 10000 + TND_FRAG_TIMEOUT_MS), 1);
    assert_int_equal(tnd_frag_expire(frag, 99999), 0);
    assert_int_equal(put(99999, 1, &f, &w), TND_FRAG_HELD); // too late: starts anew
    tnd_frag_expire(frag, 200000);

    // One source: a quarter, and its oldest go first.
    assert_int_equal(tnd_frame_parse(frames[0], lens[0], true, &f), TND_FRAME_FRAGMENT);
    for (uint32_t i = 0; i < 100; i++) {
        f.id = 1000 + i;
        assert_int_equal(tnd_frag_put(frag, 300000 + i, &f, &w, &lost), TND_FRAG_HELD);
        all_lost += lost;
    }
    tnd_frag_stats(frag, &st);
    assert_int_equal(st.waiting, ENTRIES / 4);
    assert_int_equal(all_lost, 100 - ENTRIES / 4);
    // The newest is still whole with its second piece.
    uint32_t id = f.id;
    for (uint32_t k = 1; lens[k]; k++) {
        assert_int_equal(tnd_frame_parse(frames[k], lens[k], true, &f), TND_FRAME_FRAGMENT);
        f.id = id;
        assert_int_equal(tnd_frag_put(frag, 300200, &f, &w, &lost),
                         lens[k + 1] ? TND_FRAG_HELD : TND_FRAG_WHOLE);
    }
    // Many sources: the table's size.
    assert_int_equal(tnd_frame_parse(frames[0], lens[0], true, &f), TND_FRAME_FRAGMENT);
    for (uint32_t i = 0; i < 1000; i++) {
        f.src.ip[14] = (uint8_t)(i >> 8);
        f.src.ip[13] = (uint8_t)i;
        assert_int_equal(tnd_frag_put(frag, 300300, &f, &w, &lost), TND_FRAG_HELD);
    }
    tnd_frag_stats(frag, &st);
    assert_int_equal(st.waiting, ENTRIES);
    assert_int_equal(tnd_frag_expire(frag, 400000), ENTRIES);
}

// IPv4: the protocol is part of the identity, ports are not; IPv6: all pieces of one id mix.
static void identity(void **state)
{
    struct tnd_frag_whole w;
    struct tnd_frame f;
    uint32_t lost;
    struct tnd_emit e = emit_of(4);

    (void)state;
    assert_int_equal(cut(&e, 2000, 1500, 9), 2);
    assert_int_equal(put(0, 0, &f, &w), TND_FRAG_HELD);
    assert_int_equal(tnd_frame_parse(frames[1], lens[1], true, &f), TND_FRAME_FRAGMENT);
    f.id++;
    assert_int_equal(tnd_frag_put(frag, 0, &f, &w, &lost), TND_FRAG_HELD);
    f.id--;
    f.src.ip[3]++;
    assert_int_equal(tnd_frag_put(frag, 0, &f, &w, &lost), TND_FRAG_HELD);
    f.src.ip[3]--;
    assert_int_equal(tnd_frag_put(frag, 0, &f, &w, &lost), TND_FRAG_WHOLE);
    expect_whole(&f, &w, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_size, setup, teardown),
        cmocka_unit_test_setup_teardown(any_order_with_repetitions, setup, teardown),
        cmocka_unit_test_setup_teardown(overlaps_end_the_datagram, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(time_and_room_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(identity, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
