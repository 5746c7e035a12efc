// Addresses, ports, prefixes: what is read, what is refused, and back to text.
#include "cmocka_all.h"

#include <stdio.h>

#include "util/addr.h"

struct addr_case {
    const char *text;
    const char *back; // NULL: refused
};

static void addresses(void **state)
{
    static const struct addr_case cases[] = {
        {"192.0.2.1:5060", "192.0.2.1:5060"},
        {"192.0.2.1", "192.0.2.1"},
        {"[2001:db8::1]:5070", "[2001:db8::1]:5070"},
        {"[2001:DB8:0::1]", "[2001:db8::1]"},
        {"2001:db8::9:255", "[2001:db8::9:255]"},
        {"[2001:db8:::192.0.2.1]", "[2001:db8::c000:201]"}, // RFC 5118 4.10
        {"[::ffff:192.0.2.2]:5060", "[::ffff:192.0.2.2]:5060"},
        {"192.0.2.1:65535", "192.0.2.1:65535"},
        {"192.0.2.1:0", NULL},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:5060x", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]5060", NULL},
        {"[192.0.2.1", NULL},
        {"2001:db8::1::2", NULL},
        {"fe80::1%eth0", NULL},
        {"sip.example.com", NULL},
        {"", NULL},
        {"[", NULL},
        {"[]", NULL},
    };
    char text[TND_ADDR_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tnd_addr a;
        bool ok = tnd_addr_parse(tnd_str_of(cases[i].text), &a);
        if (ok != (cases[i].back != NULL))
            fail_msg("'%s' was %s", cases[i].text, ok ? "read" : "refused");
        if (ok) {
            tnd_addr_text(&a, text);
            assert_string_equal(text, cases[i].back);
        }
    }
}

static void prefixes(void **state)
{
    struct tnd_prefix p;
    struct tnd_addr in, out;

    (void)state;
    assert_true(tnd_prefix_parse(TND_STR("198.51.100.128/25"), &p));
    assert_true(tnd_addr_parse(TND_STR("198.51.100.129:5060"), &in));
    assert_true(tnd_addr_parse(TND_STR("198.51.100.127"), &out));
    assert_true(tnd_prefix_covers(&p, &in));
    assert_false(tnd_prefix_covers(&p, &out));
    p.addr.port = 5070;
    assert_false(tnd_prefix_covers(&p, &in));
    assert_true(tnd_prefix_parse(TND_STR("2001:db8::/33"), &p));
    assert_true(tnd_addr_parse(TND_STR("2001:db8:7fff::1"), &in));
    assert_true(tnd_addr_parse(TND_STR("2001:db8:8000::1"), &out));
    assert_true(tnd_prefix_covers(&p, &in));
    assert_false(tnd_prefix_covers(&p, &out));
    assert_true(tnd_prefix_parse(TND_STR("0.0.0.0/0"), &p));
    assert_false(tnd_prefix_covers(&p, &in));
    assert_false(tnd_prefix_parse(TND_STR("198.51.100.1/24"), &p));
    assert_false(tnd_prefix_parse(TND_STR("198.51.100.0/33"), &p));
    assert_false(tnd_prefix_parse(TND_STR("198.51.100.0/"), &p));
    assert_false(tnd_prefix_parse(TND_STR("198.51.100.0/2400"), &p));
}

static void transports(void **state)
{
    (void)state;
    assert_int_equal(tnd_transport_parse(TND_STR("UdP")), TND_TRANSPORT_UDP);
    assert_int_equal(tnd_transport_parse(TND_STR("unknown")), TND_TRANSPORT_OTHER);
    assert_int_equal(tnd_transport_parse(TND_STR("")), TND_TRANSPORT_NONE);
    assert_string_equal(tnd_transport_name(TND_TRANSPORT_TLS), "tls");
}

// Every octet, in every place.
static void every_octet(void **state)
{
    char got[TND_ADDR_TEXT_MAX], want[TND_ADDR_TEXT_MAX];

    (void)state;
    for (unsigned v = 0; v < 256; v++) {
        struct tnd_addr a = {.family = 4,
                             .ip = {(uint8_t)v, (uint8_t)(v + 1), (uint8_t)(v + 93), (uint8_t)~v}};
        snprintf(want, sizeof want, "%u.%u.%u.%u", a.ip[0], a.ip[1], a.ip[2], a.ip[3]);
        assert_int_equal(tnd_addr_bare_text(&a, got), strlen(want));
        assert_string_equal(got, want);
    }
}

// However an address is made, equal ones are equal octets.
static void set_of_a_packet(void **state)
{
    static const uint8_t four[4] = {192, 0, 2, 1}, sixteen[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct tnd_addr a, parsed;

    (void)state;
    memset(&a, 0xff, sizeof a);
    tnd_addr_set(&a, 4, four, TND_TRANSPORT_UDP, 65280);
    assert_true(tnd_addr_parse(TND_STR("192.0.2.1:65280"), &parsed));
    parsed.transport = TND_TRANSPORT_UDP;
    assert_memory_equal(&a, &parsed, sizeof a);
    memset(&a, 0xff, sizeof a);
    tnd_addr_set(&a, 6, sixteen, TND_TRANSPORT_TLS, 0);
    assert_true(tnd_addr_parse(TND_STR("[2001:db8::1]"), &parsed));
    parsed.transport = TND_TRANSPORT_TLS;
    assert_memory_equal(&a, &parsed, sizeof a);
    tnd_addr_set_port(&a, 6, TND_TRANSPORT_UDP, 5061);
    assert_true(tnd_addr_parse(TND_STR("[2001:db8::1]:5061"), &parsed));
    parsed.transport = TND_TRANSPORT_UDP;
    assert_memory_equal(&a, &parsed, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_octet),     cmocka_unit_test(addresses),
        cmocka_unit_test(prefixes),        cmocka_unit_test(transports),
        cmocka_unit_test(set_of_a_packet),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
