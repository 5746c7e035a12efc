#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "proxy/next_hop.h"

struct row {
    const char *uri, *trunk;
    const char *want; // the name, the numeric target with its transport, or "" when refused
};

static const struct row rows[] = {
    {"sip:alice@SIP.Example.COM", "carrier-a", "sip:sip.example.com|carrier-a"},
    {"sip:sip.example.com.", "", "sip:sip.example.com|"},
    {"sips:sip.example.com", "", "sips:sip.example.com|"},
    {"sip:sip.example.com:5080", "t", "sip:sip.example.com:5080|t"},
    {"sip:sip.example.com;transport=TCP", "t", "sip:sip.example.com;transport=tcp|t"},
    {"sip:sip.example.com:1;transport=udp", "t", "sip:sip.example.com:1;transport=udp|t"},
    {"sip:sip.example.com;maddr=other.test", "t", "sip:other.test|t"},
    {"sip:sip.example.com;maddr=192.0.2.7", "t", "udp 192.0.2.7:5060"},
    {"sip:192.0.2.1", "t", "udp 192.0.2.1:5060"},
    {"sips:192.0.2.1", "t", "tls 192.0.2.1:5061"},
    {"sips:192.0.2.1;transport=tcp", "t", "tls 192.0.2.1:5061"},
    {"sip:[2001:db8::1]:5070;transport=tcp", "t", "tcp [2001:db8::1]:5070"},
    {"tel:+49301234", "t", ""},
};

static void test_of_uri(void **state)
{
    struct tnd_next_hop hop;
    char got[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tnd_uri uri;
        struct tnd_span all = {0, (uint16_t)strlen(rows[i].uri)};
        assert_true(tnd_uri_parse(rows[i].uri, all, &uri));
        got[0] = '\0';
        if (tnd_next_hop_of_uri(rows[i].uri, &uri, tnd_str_of(rows[i].trunk), &hop)) {
            if (hop.numeric.family) {
                char addr[TND_ADDR_TEXT_MAX];
                tnd_addr_text(&hop.numeric, addr);
                snprintf(got, sizeof got, "%s %s", tnd_transport_name(hop.numeric.transport), addr);
                assert_int_equal(hop.name_len, 0);
            } else {
                snprintf(got, sizeof got, "%.*s", hop.name_len, hop.name);
            }
        }
        assert_string_equal(got, rows[i].want);
    }
}

static void test_parse(void **state)
{
    struct tnd_next_hop_parts p;

    (void)state;
    assert_true(tnd_next_hop_parse(TND_STR("sips:a.test:5080;transport=tcp|carrier-a"), &p));
    assert_string_equal(p.host, "a.test");
    assert_int_equal(p.port, 5080);
    assert_int_equal(p.transport, TND_TRANSPORT_TCP);
    assert_true(p.sips);
    assert_true(tnd_str_eq(p.trunk, TND_STR("carrier-a")));
    assert_true(tnd_next_hop_parse(TND_STR("sip:a.test|"), &p));
    assert_int_equal(p.port, 0);
    assert_int_equal(p.transport, TND_TRANSPORT_NONE);
    assert_int_equal(p.trunk.len, 0);
    assert_false(tnd_next_hop_parse(TND_STR("sip:a.test"), &p));
    assert_false(tnd_next_hop_parse(TND_STR("sip:|x"), &p));
    assert_false(tnd_next_hop_parse(TND_STR("sip:a.test:0|"), &p));
    assert_false(tnd_next_hop_parse(TND_STR("sip:a.test:99999|"), &p));
    assert_false(tnd_next_hop_parse(TND_STR("tel:a|"), &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_uri), cmocka_unit_test(test_parse)};

    return cmocka_run_group_tests_name("next_hop", tests, NULL, NULL);
}
