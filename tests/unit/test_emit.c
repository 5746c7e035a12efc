// Outgoing frames, octet by octet against ones made the slow way; and identifications.
#include "cmocka_all.h"

#include <stdio.h>

#include "dataplane/emit.h"
#include "dataplane/frame.h"
#include "frames.h"

static struct frame_maker want;
static uint8_t got[70000];
static uint8_t data[17000];

static struct tnd_emit emit_of(const char *src, const char *dst)
{
    struct tnd_emit e = {.src = addr_of(src), .dst = addr_of(dst)};

    memcpy(e.dst_mac, FM_OUR_MAC, 6);
    memcpy(e.src_mac, FM_PEER_MAC, 6);
    return e;
}

static void frames_equal_slow_ones(void **state)
{
    static const uint32_t lens[] = {0, 1, 2, 3, 7, 8, 9, 400, 901, 1472, 16384};

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 13 + 200);
    for (int v6 = 0; v6 < 2; v6++)
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            struct tnd_emit e = v6 ? emit_of("[2001:db8::1]:5060", "[2001:db8::2]:5070")
                                   : emit_of("192.0.2.1:5060", "198.51.100.2:5070");
            memcpy(got + tnd_emit_overhead(&e), data, lens[i]);
            uint32_t n = tnd_emit_whole(&e, got, lens[i]);
            unsigned type = v6 ? 0x86dd : 0x0800;
            fm_ether(&want, type);
            if (v6)
                fm_ipv6(&want, &e.src, &e.dst, 8 + lens[i], 17);
            else
                fm_ipv4(&want, &e.src, &e.dst, 8 + lens[i], 0, 0x4000, 0);
            fm_udp(&want, &e.src, &e.dst, data, lens[i], FM_FULL);
            assert_int_equal(n, want.n);
            assert_memory_equal(got, want.b, n);
            assert_int_equal(tnd_emit_packet_len(&e, lens[i]), n - 14);
        }
}

// A sum that comes out as zero is sent as 0xffff: zero would say "none", and IPv6 forbids it.
static void zero_checksum(void **state)
{
    struct tnd_emit e = emit_of("[2001:db8::1]:5060", "[2001:db8::2]:5070");
    struct tnd_frame f;
    unsigned found = 0;

    (void)state;
    for (unsigned v = 0; v < 0x10000; v++) {
        uint8_t *p = got + tnd_emit_overhead(&e);
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
        uint32_t n = tnd_emit_whole(&e, got, 2);
        assert_false(got[60] == 0 && got[61] == 0);
        found += got[60] == 0xff && got[61] == 0xff;
        assert_int_equal(tnd_frame_parse(got, n, true, &f), TND_FRAME_DATAGRAM);
    }
    assert_int_equal(found, 1);
}

static void dscp(void **state)
{
    struct tnd_emit e = emit_of("192.0.2.1:5060", "198.51.100.2:5070");

    (void)state;
    e.dscp = 46;
    tnd_emit_whole(&e, got, 10);
    assert_int_equal(got[15], 46 << 2);
    e = emit_of("[2001:db8::1]:5060", "[2001:db8::2]:5070");
    e.dscp = 46;
    tnd_emit_whole(&e, got, 10);
    assert_int_equal((got[14] & 15) << 4 | got[15] >> 4, 46 << 2);
    assert_int_equal(got[14] >> 4, 6);
}

static void fragment_headers(void **state)
{
    struct tnd_emit e = emit_of("192.0.2.1:5060", "198.51.100.2:5070");

    (void)state;
    tnd_emit_udp(&e, data, 2992);
    assert_int_equal(tnd_emit_fragment(&e, data, 3000, 1500, 0x1234, 0, got), 14 + 20 + 1480);
    assert_int_equal(got[18] << 8 | got[19], 0x1234);
    assert_int_equal(got[20] << 8 | got[21], 0x2000); // more, not "do not fragment"
    assert_int_equal(tnd_emit_fragment(&e, data, 3000, 1500, 0x1234, 2, got), 14 + 20 + 40);
    assert_int_equal(got[20] << 8 | got[21], 2960 / 8);
    assert_int_equal(naive_sum(got + 14, 20, 0), 0xffff);
    assert_int_equal(tnd_emit_fragment(&e, data, 3000, 1500, 0x1234, 3, got), 0);
    assert_int_equal(tnd_emit_fragment(&e, data, 2960, 1500, 0x1234, 2, got), 0); // no empty one
    // An MTU below the least is taken for the least.
    assert_int_equal(tnd_emit_fragment(&e, data, 3000, 0, 1, 0, got), 14 + 20 + 48);
    e = emit_of("[2001:db8::1]:5060", "[2001:db8::2]:5070");
    assert_int_equal(tnd_emit_fragment(&e, data, 3000, 500, 1, 0, got), 14 + 1280);
    assert_int_equal(got[14 + 6], 44);
    assert_int_equal(got[14 + 40], 17);
    assert_int_equal(got[14 + 43] & 1, 1);
}

static void ids_repeat_only_when_they_must(void **state)
{
    static uint8_t seen[0x10000];

    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint32_t id = tnd_emit_id(0x1122334455667788, i, 16);
        assert_true(id < 0x10000);
        assert_int_equal(seen[id]++, 0);
    }
    unsigned steps = 0;
    for (uint32_t i = 0; i < 1000; i++)
        steps += tnd_emit_id(99, i + 1, 32) - tnd_emit_id(99, i, 32) == 1;
    assert_true(steps < 3);
    assert_int_not_equal(tnd_emit_id(1, 5, 32), tnd_emit_id(2, 5, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_equal_slow_ones),
        cmocka_unit_test(zero_checksum),
        cmocka_unit_test(dscp),
        cmocka_unit_test(fragment_headers),
        cmocka_unit_test(ids_repeat_only_when_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
