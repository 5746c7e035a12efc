// Frames: each layer's edges and what is hostile there; and that nothing past the end is read.
#include "cmocka_all.h"

#include <stdlib.h>

#include "dataplane/frame.h"
#include "frames.h"

static struct frame_maker fm;
static const char payload[] = "OPTIONS sip:a SIP/2.0\r\n";
#define LEN (sizeof payload - 1)

static struct tnd_addr a4, b4, a6, b6;

static int setup(void **state)
{
    (void)state;
    a4 = addr_of("192.0.2.1:5070");
    b4 = addr_of("192.0.2.10:5060");
    a6 = addr_of("[2001:db8::1]:5070");
    b6 = addr_of("[2001:db8::10]:5060");
    return 0;
}

// Parse a copy that ends where the heap's allocation ends, for the sanitizer's sake.
static enum tnd_frame_kind parse_n(size_t n, struct tnd_frame *f)
{
    static uint8_t *copy;

    free(copy);
    copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, fm.b, n);
    return tnd_frame_parse(copy, n, true, f);
}

static enum tnd_frame_kind parse(struct tnd_frame *f)
{
    return parse_n(fm.n, f);
}

static void whole(const struct tnd_addr *src, const struct tnd_addr *dst)
{
    struct tnd_frame f;

    assert_int_equal(parse(&f), TND_FRAME_DATAGRAM);
    assert_int_equal(f.kind, TND_FRAME_DATAGRAM);
    assert_true(tnd_addr_eq(&f.src, src));
    assert_true(tnd_addr_eq(&f.dst, dst));
    assert_int_equal(f.len, LEN);
    assert_memory_equal(f.data, payload, LEN);
}

static void bad(enum tnd_drop why)
{
    struct tnd_frame f;

    assert_int_equal(parse(&f), TND_FRAME_BAD);
    assert_int_equal(f.kind, TND_FRAME_BAD);
    assert_string_equal(tnd_drop_name(f.drop), tnd_drop_name(why));
    assert_int_not_equal(f.dst.family, 0);
}

static void make4(enum fm_check check, size_t options)
{
    fm_ether(&fm, 0x0800);
    fm_ipv4(&fm, &a4, &b4, 8 + LEN, 7, 0x4000, options);
    fm_udp(&fm, &a4, &b4, payload, LEN, check);
}

static void make6(enum fm_check check)
{
    fm_ether(&fm, 0x86dd);
    fm_ipv6(&fm, &a6, &b6, 8 + LEN, 17);
    fm_udp(&fm, &a6, &b6, payload, LEN, check);
}

static void plain(void **state)
{
    struct tnd_frame f;

    (void)state;
    make4(FM_FULL, 0);
    whole(&a4, &b4);
    make4(FM_FULL, 4);
    whole(&a4, &b4);
    make4(FM_FULL, 40);
    whole(&a4, &b4);
    make6(FM_FULL);
    whole(&a6, &b6);
    // Ethernet's padding is not ours.
    make4(FM_FULL, 0);
    fm_bytes(&fm, "padding", 7);
    whole(&a4, &b4);
    // Every cut: never a datagram, and no octet behind the end is read.
    for (int family = 4; family <= 6; family += 2) {
        if (family == 4)
            make4(FM_FULL, 8);
        else
            make6(FM_FULL);
        for (size_t n = 0; n < fm.n; n++) {
            enum tnd_frame_kind kind = parse_n(n, &f);
            assert_true(kind == TND_FRAME_PUNT ||
                        (kind == TND_FRAME_BAD && f.drop == TND_DROP_TRUNCATED));
            if (n >= 14 + 28 + 8) // the addresses were there: the cut is told
                assert_int_equal(kind, family == 4 || n >= 54 ? TND_FRAME_BAD : TND_FRAME_PUNT);
        }
    }
}

static void checksums(void **state)
{
    struct tnd_frame f;

    (void)state;
    make4(FM_PARTIAL, 0);
    whole(&a4, &b4);
    make4(FM_NONE, 0);
    whole(&a4, &b4);
    make4(FM_WRONG, 0);
    bad(TND_DROP_BAD_CHECKSUM);
    make6(FM_PARTIAL);
    whole(&a6, &b6);
    make6(FM_NONE);
    bad(TND_DROP_BAD_CHECKSUM);
    make6(FM_WRONG);
    bad(TND_DROP_BAD_CHECKSUM);
    assert_int_equal(tnd_frame_parse(fm.b, fm.n, false, &f), TND_FRAME_DATAGRAM);
    // One flipped bit anywhere in the payload is found.
    make4(FM_FULL, 0);
    for (size_t i = 42; i < fm.n; i++) {
        fm.b[i] ^= 1 << i % 8;
        bad(TND_DROP_BAD_CHECKSUM);
        fm.b[i] ^= 1 << i % 8;
    }
    // Every length, odd and even, 0 to 200.
    for (size_t n = 0; n <= 200; n++) {
        static uint8_t data[200];
        for (size_t i = 0; i < n; i++)
            data[i] = (uint8_t)(255 - 7 * i);
        fm_ether(&fm, 0x0800);
        fm_ipv4(&fm, &a4, &b4, 8 + n, 7, 0, 0);
        fm_udp(&fm, &a4, &b4, data, n, FM_FULL);
        assert_int_equal(parse(&f), TND_FRAME_DATAGRAM);
        assert_int_equal(f.len, n);
    }
}

// A priority tag is no tag; what is in a VLAN is the kernel's, whatever else it holds.
static void vlan(void **state)
{
    static const struct {
        unsigned tpid, tci, inner, kind, vlan;
    } cases[] = {
        {0x8100, 0x0000, 0, TND_FRAME_DATAGRAM, 0},
        {0x8100, 0xe000, 0, TND_FRAME_DATAGRAM, 0},
        {0x88a8, 0x1000, 0, TND_FRAME_DATAGRAM, 0},
        {0x8100, 0xe064, 0, TND_FRAME_PUNT, 100},
        {0x8100, 0x0001, 0, TND_FRAME_PUNT, 1},
        {0x88a8, 0x0fff, 0, TND_FRAME_PUNT, 4095},
        {0x8100, 0xa000, 0x6000, TND_FRAME_DATAGRAM, 0}, // twice 802.1p
        {0x88a8, 0x0005, 0x0006, TND_FRAME_PUNT, 5},
        {0x88a8, 0x0000, 0x0006, TND_FRAME_PUNT, 6},
        {0x8100, 0x0007, 0x0000, TND_FRAME_PUNT, 7},
        {0x9100, 0x0000, 0, TND_FRAME_PUNT, 0},
    };
    struct tnd_frame f;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int v6 = 0; v6 < 2; v6++) {
            unsigned type = v6 ? 0x86dd : 0x0800;
            bool two = cases[i].inner || i == 9;
            fm_tagged(&fm, cases[i].tpid, cases[i].tci, two ? 0x8100 : type);
            if (two) {
                fm_u16(&fm, cases[i].inner);
                fm_u16(&fm, type);
            }
            if (v6)
                fm_ipv6(&fm, &a6, &b6, 8 + LEN, 17);
            else
                fm_ipv4(&fm, &a4, &b4, 8 + LEN, 7, 0, 0);
            fm_udp(&fm, v6 ? &a6 : &a4, v6 ? &b6 : &b4, payload, LEN, FM_FULL);
            assert_int_equal(parse(&f), cases[i].kind);
            assert_int_equal(f.vlan, cases[i].vlan);
            if (cases[i].kind == TND_FRAME_DATAGRAM)
                whole(v6 ? &a6 : &a4, v6 ? &b6 : &b4);
            for (size_t n = 14; n < 22; n++) // cut inside the tags
                assert_int_equal(parse_n(n, &f), TND_FRAME_PUNT);
        }
    // Three tags are nobody's.
    fm_tagged(&fm, 0x8100, 0, 0x8100);
    fm_bytes(&fm, "\0\0\x81\0\0\0\x08\0", 8);
    fm_ipv4(&fm, &a4, &b4, 8 + LEN, 7, 0, 0);
    fm_udp(&fm, &a4, &b4, payload, LEN, FM_FULL);
    assert_int_equal(parse(&f), TND_FRAME_PUNT);
}

static void ipv4_faults(void **state)
{
    struct tnd_frame f;
    static const char *const sources[] = {"0.0.0.0:5060",         "0.1.2.3:5060",
                                          "127.0.0.1:5060",       "224.0.0.1:5060",
                                          "255.255.255.255:5060", "240.0.0.1:5060"};

    (void)state;
    make4(FM_FULL, 0);
    fm.b[14 + 10] ^= 1; // header checksum
    bad(TND_DROP_BAD_IP);
    make4(FM_FULL, 0);
    fm.b[14] = 0x44; // header of 16
    bad(TND_DROP_BAD_IP);
    make4(FM_FULL, 0);
    fm.b[14 + 2] = 0, fm.b[14 + 3] = 19; // total below the header
    bad(TND_DROP_BAD_IP);
    make4(FM_FULL, 0);
    fm.b[14] = 0x65;
    assert_int_equal(parse(&f), TND_FRAME_PUNT);
    for (unsigned proto = 0; proto < 256; proto++) {
        make4(FM_FULL, 0);
        fm.b[14 + 9] = (uint8_t)proto;
        if (proto != 17)
            assert_int_equal(parse(&f), TND_FRAME_PUNT);
    }
    struct tnd_addr keep = a4;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        a4 = addr_of(sources[i]);
        make4(FM_FULL, 0);
        bad(TND_DROP_BAD_IP);
    }
    a4 = keep;
    fm_ether(&fm, 0x0806); // ARP
    fm_bytes(&fm, "\0\1\x08\0\6\4\0\1", 8);
    assert_int_equal(parse(&f), TND_FRAME_PUNT);
}

static void udp_faults(void **state)
{
    (void)state;
    make4(FM_FULL, 0);
    fm.b[34 + 4] = 0, fm.b[34 + 5] = 7;
    bad(TND_DROP_BAD_UDP);
    make4(FM_FULL, 0);
    fm.b[34 + 5]++; // longer than the packet
    bad(TND_DROP_BAD_UDP);
    fm_ether(&fm, 0x0800);
    fm_ipv4(&fm, &a4, &b4, 7, 7, 0, 0);
    fm_bytes(&fm, "\x13\xc4\x13\xc4\0\7\0", 7);
    bad(TND_DROP_BAD_UDP);
    struct tnd_addr none = a4;
    none.port = 0;
    fm_ether(&fm, 0x0800);
    fm_ipv4(&fm, &none, &b4, 8 + LEN, 7, 0, 0);
    fm_udp(&fm, &none, &b4, payload, LEN, FM_FULL);
    bad(TND_DROP_BAD_UDP);
    // Shorter than the packet is fine: what follows is not the datagram's.
    fm_ether(&fm, 0x0800);
    fm_ipv4(&fm, &a4, &b4, 8 + LEN + 5, 7, 0, 0);
    fm_udp(&fm, &a4, &b4, payload, LEN, FM_FULL);
    fm_bytes(&fm, "extra", 5);
    whole(&a4, &b4);
}

// An extension header of 8 * units octets.
static void extension(unsigned next, unsigned units)
{
    fm_u8(&fm, next);
    fm_u8(&fm, units - 1);
    for (unsigned i = 2; i < 8 * units; i++)
        fm_u8(&fm, 0);
}

static void make_extended(unsigned first, const unsigned *chain, size_t n, unsigned units)
{
    fm_ether(&fm, 0x86dd);
    fm_ipv6(&fm, &a6, &b6, n * 8 * units + 8 + LEN, first);
    for (size_t i = 0; i < n; i++)
        extension(chain[i], units);
    fm_udp(&fm, &a6, &b6, payload, LEN, FM_FULL);
}

static void ipv6_extensions(void **state)
{
    static const unsigned three[] = {43, 60, 17}, six_in_six[] = {41}, hop_by_hop_late[] = {0, 17};
    unsigned many[12];
    struct tnd_frame f;

    (void)state;
    make_extended(0, three, 3, 1);
    whole(&a6, &b6);
    make_extended(0, three, 3, 4);
    whole(&a6, &b6);
    fm.b[54 + 32 + 3] = 1; // routing header with one address to visit
    assert_int_equal(parse(&f), TND_FRAME_PUNT);
    make_extended(60, hop_by_hop_late, 2, 1); // RFC 8200 s4.1: only right behind the IP header
    bad(TND_DROP_BAD_IP);
    assert_int_equal(tnd_frame_reassembled(&f, 0, (const uint8_t *)"\x11\0\0\0\0\0\0\0", 8),
                     TND_FRAME_BAD);
    make_extended(60, six_in_six, 1, 1);
    assert_int_equal(parse(&f), TND_FRAME_PUNT);
    for (size_t i = 0; i < 12; i++)
        many[i] = i == 11 ? 17 : 60;
    make_extended(60, many, 12, 1);
    bad(TND_DROP_BAD_IP);
    make_extended(60, many + 4, 8, 1);
    whole(&a6, &b6);
    // A header that claims more than there is.
    make_extended(0, three + 2, 1, 1);
    fm.b[54 + 1] = 200;
    bad(TND_DROP_BAD_IP);
    for (size_t n = 54; n < fm.n; n++) {
        enum tnd_frame_kind kind = parse_n(n, &f);
        assert_true(kind == TND_FRAME_BAD && f.drop == TND_DROP_TRUNCATED);
    }
    for (int i = 0; i < 3; i++) {
        static const char *const sources[] = {"[::1]:5060", "[ff02::1]:5060",
                                              "[::ffff:192.0.2.1]:5060"};
        struct tnd_addr keep = a6;
        a6 = addr_of(sources[i]);
        make6(FM_FULL);
        bad(TND_DROP_BAD_IP);
        a6 = keep;
    }
}

static void fragments(void **state)
{
    struct tnd_frame f;

    (void)state;
    fm_ether(&fm, 0x0800);
    fm_ipv4(&fm, &a4, &b4, 16, 0xbeef, 0x2000 | 3, 0);
    fm_bytes(&fm, "0123456789abcdef", 16);
    assert_int_equal(parse(&f), TND_FRAME_FRAGMENT);
    assert_int_equal(f.id, 0xbeef);
    assert_int_equal(f.offset, 24);
    assert_true(f.more);
    assert_int_equal(f.len, 16);
    assert_int_equal(f.src.port, 0);
    fm_ether(&fm, 0x0800); // not the last, and no multiple of 8
    fm_ipv4(&fm, &a4, &b4, 15, 0xbeef, 0x2000 | 3, 0);
    fm_bytes(&fm, "0123456789abcde", 15);
    bad(TND_DROP_FRAGMENT);
    fm_ether(&fm, 0x0800); // ping of death
    fm_ipv4(&fm, &a4, &b4, 16, 0xbeef, 0x1fff, 0);
    fm_bytes(&fm, "0123456789abcdef", 16);
    bad(TND_DROP_FRAGMENT);
    fm_ether(&fm, 0x0800); // empty
    fm_ipv4(&fm, &a4, &b4, 0, 0xbeef, 3, 0);
    bad(TND_DROP_FRAGMENT);

    fm_ether(&fm, 0x86dd);
    fm_ipv6(&fm, &a6, &b6, 8 + 16, 44);
    fm_bytes(&fm, "\x11\0\0\x19\xde\xad\xbe\xef", 8);
    fm_bytes(&fm, "0123456789abcdef", 16);
    assert_int_equal(parse(&f), TND_FRAME_FRAGMENT);
    assert_int_equal(f.id, 0xdeadbeef);
    assert_int_equal(f.offset, 24);
    assert_true(f.more);
    assert_int_equal(f.proto, 17);
    // Atomic: whole in itself (RFC 6946).
    fm_ether(&fm, 0x86dd);
    fm_ipv6(&fm, &a6, &b6, 8 + 8 + LEN, 44);
    fm_bytes(&fm, "\x11\0\0\0\xde\xad\xbe\xef", 8);
    fm_udp(&fm, &a6, &b6, payload, LEN, FM_FULL);
    whole(&a6, &b6);
    // A fragment header in a fragment.
    fm_ether(&fm, 0x86dd);
    fm_ipv6(&fm, &a6, &b6, 16 + 8 + LEN, 44);
    fm_bytes(&fm, "\x2c\0\0\0\xde\xad\xbe\xef\x11\0\0\0\xde\xad\xbe\xef", 16);
    fm_udp(&fm, &a6, &b6, payload, LEN, FM_FULL);
    bad(TND_DROP_FRAGMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),      cmocka_unit_test(checksums),
        cmocka_unit_test(vlan),       cmocka_unit_test(ipv4_faults),
        cmocka_unit_test(udp_faults), cmocka_unit_test(ipv6_extensions),
        cmocka_unit_test(fragments),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
