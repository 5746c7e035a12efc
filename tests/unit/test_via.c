// One via-parm: what is read of it, where the next begins, what is refused.
#include "cmocka_all.h"

#include "sip/msg.h"

static char base[512];
static struct tnd_via v;

// Returns: what follows the via-parm, or NULL when it is malformed.
static const char *parse(const char *text)
{
    size_t len = strlen(text);
    uint16_t at;

    memset(base, 0, sizeof base);
    memcpy(base + 7, text, len);
    at = tnd_via_parse(base, 7, (uint16_t)(7 + len), &v);
    return at ? base + at : NULL;
}

static void span_is(struct tnd_span s, const char *want)
{
    if (s.len != strlen(want) || memcmp(base + s.off, want, s.len) != 0)
        fail_msg("'%.*s' is not '%s'", s.len, base + s.off, want);
}

static void whole(void **state)
{
    (void)state;
    assert_string_equal(parse("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK-a.b;x=\"a,b;c\""),
                        "");
    assert_int_equal(v.transport, TND_TRANSPORT_UDP);
    span_is(v.host, "192.0.2.1");
    assert_int_equal(v.sent_by.family, 4);
    assert_int_equal(v.sent_by.port, 5060);
    span_is(v.branch, "z9hG4bK-a.b");
    assert_true(v.rport.off != 0 && v.rport.len == 0);
    span_is(v.rport_param, ";rport");
    assert_int_equal(v.rport_value, 0);
    assert_int_equal(v.received.off, 0);
}

static void blanks_and_lists(void **state)
{
    (void)state;
    assert_string_equal(
        parse(" sip / 2.0\r\n / tls \t host.example : 5061 ; Received = [2001:db8::5] ;"
              "\r\n RPORT = 5099 ; maddr=239.1.1.1;BRANCH=x  , SIP/2.0/UDP next"),
        ", SIP/2.0/UDP next");
    assert_int_equal(v.transport, TND_TRANSPORT_TLS);
    span_is(v.host, "host.example");
    assert_int_equal(v.sent_by.family, 0);
    assert_int_equal(v.sent_by.port, 5061);
    span_is(v.received, "[2001:db8::5]");
    assert_int_equal(v.received_ip.family, 6);
    span_is(v.received_param, "; Received = [2001:db8::5]");
    span_is(v.rport, "5099");
    span_is(v.rport_param, ";\r\n RPORT = 5099");
    assert_int_equal(v.rport_value, 5099);
    span_is(v.maddr, "239.1.1.1");
    span_is(v.branch, "x");
    assert_int_equal(base[v.whole.off], 's');
    assert_int_equal(base[v.whole.off + v.whole.len - 1], 'x');
}

static void odd_but_read(void **state)
{
    (void)state;
    assert_non_null(parse("SIP/2.0/UNKNOWN h"));
    assert_int_equal(v.transport, TND_TRANSPORT_OTHER);
    assert_int_equal(v.branch.off, 0);
    assert_non_null(parse("SIP/7.0/UDP h")); // a 505 goes back by it
    assert_non_null(parse("SIP/2.0/UDP [2001:db8::9:1]:6050;received=2001:db8::9:255"));
    assert_int_equal(v.sent_by.family, 6);
    assert_int_equal(v.sent_by.port, 6050);
    assert_int_equal(v.received_ip.family, 6);
    assert_non_null(parse("SIP/2.0/UDP h;received=not.an.address;rport=70000"));
    assert_int_equal(v.received_ip.family, 0);
    assert_int_equal(v.rport_value, 0);
    span_is(v.rport, "70000");
    assert_non_null(parse("SIP/2.0/UDP h;rport=;branch=a=b"));
    assert_true(v.rport.off != 0 && v.rport.len == 0);
    span_is(v.rport_param, ";rport=");
    span_is(v.branch, "a=b");
    assert_non_null(parse("SIP/2.0/UDP host_1"));
}

static void malformed(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 UDP h",
        "SIP/2.0/ h",
        "/2.0/UDP h",
        "SIP//UDP h",
        "SIP/2.0/UDPh",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:65536",
        "SIP/2.0/UDP h:5060x",
        "SIP/2.0/UDP h h2",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP [2001:db8::1",
        "SIP/2.0/UDP 1.2.3.256",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;branch=a",
        "SIP/2.0/UDP h;branch=a;",
        "SIP/2.0/UDP h;,SIP/2.0/UDP i",
        "SIP/2.0/UDP h;branch",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h;branch=a;branch=b",
        "SIP/2.0/UDP h;rport;rport=5",
        "SIP/2.0/UDP h;received=",
        "SIP/2.0/UDP h;received=192.0.2.1;received=192.0.2.2",
        "SIP/2.0/UDP h;maddr",
        "SIP/2.0/UDP h;branch=a b",
        "SIP/2.0/UDP h;=a",
        "SIP/2.0/UDP h;x=\"a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parse(texts[i]))
            fail_msg("'%s' was read", texts[i]);
    // With the parameters broken, where to answer is still known.
    assert_null(parse("SIP/2.0/UDP 192.0.2.15:5070;;,"));
    span_is(v.host, "192.0.2.15");
    assert_int_equal(v.sent_by.port, 5070);
    assert_int_equal(v.whole.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(blanks_and_lists),
        cmocka_unit_test(odd_but_read),
        cmocka_unit_test(malformed),
    };

    return cmocka_run_group_tests_name("via", tests, NULL, NULL);
}
