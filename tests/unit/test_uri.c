// URIs, lists of name-addrs and tokens, parameters.
#include "cmocka_all.h"

#include <stdio.h>
#include <time.h>

#include "sip/host.h"

// Offsets count from `base`, never from the URI: it lies behind some octets.
static char base[512];

static struct tnd_span place(const char *text)
{
    size_t len = strlen(text);

    memset(base, '#', sizeof base);
    memcpy(base + 9, text, len);
    return (struct tnd_span){9, (uint16_t)len};
}

static void span_is(const char *where, struct tnd_span s, const char *want)
{
    if (s.len != strlen(want) || memcmp(base + s.off, want, s.len) != 0)
        fail_msg("%s: '%.*s' is not '%s'", where, s.len, base + s.off, want);
}

struct uri_case {
    const char *text, *user, *password, *host, *params, *headers, *maddr;
    unsigned port, family, transport, lr;
};

static void uris(void **state)
{
    static const struct uri_case cases[] = {
        {"sip:example.com", "", "", "example.com", "", "", "", 0, 0, 0, 0},
        {"SIP:example.com.", "", "", "example.com.", "", "", "", 0, 0, 0, 0},
        {"sip:a_b-1.example:1", "", "", "a_b-1.example", "", "", "", 1, 0, 0, 0},
        {"sips:a@h:65535", "a", "", "h", "", "", "", 65535, 0, 0, 0},
        {"sip:a:@h", "a", "", "h", "", "", "", 0, 0, 0, 0},
        {"sip:a:p;w?x:y@h", "a", "p;w?x:y", "h", "", "", "", 0, 0, 0, 0},
        {"sip:+49-30;phone-context=x@192.0.2.1:05060;user=phone", "+49-30;phone-context=x", "",
         "192.0.2.1", "user=phone", "", "", 5060, 4, 0, 0},
        {"sip:*%2306%23@h", "*%2306%23", "", "h", "", "", "", 0, 0, 0, 0},
        {"sip:#31#@h", "#31#", "", "h", "", "", "", 0, 0, 0, 0},
        {"sip:[2001:db8::1];lr", "", "", "[2001:db8::1]", "lr", "", "", 0, 6, 0, 1},
        {"sip:u@[::1]:5061;transport=TLS;x", "u", "", "[::1]", "transport=TLS;x", "", "", 5061, 6,
         TND_TRANSPORT_TLS, 0},
        {"sip:h;maddr=198.51.100.1;LR=on;transport=udp?a=b&c=d", "", "", "h",
         "maddr=198.51.100.1;LR=on;transport=udp", "a=b&c=d", "198.51.100.1", 0, 0,
         TND_TRANSPORT_UDP, 1},
        {"sip:h;%6Cr;%54ransport=sctp", "", "", "h", "%6Cr;%54ransport=sctp", "", "", 0, 0,
         TND_TRANSPORT_SCTP, 1},
        {"sip:h;transport=quic", "", "", "h", "transport=quic", "", "", 0, 0, TND_TRANSPORT_OTHER,
         0},
        {"sip:h;;lr;", "", "", "h", ";lr;", "", "", 0, 0, 0, 1},
        {"sip:h?", "", "", "h", "", "", "", 0, 0, 0, 0},
        {"sip:h;lrx;xlr;l%72x", "", "", "h", "lrx;xlr;l%72x", "", "", 0, 0, 0, 0},
        {"sip:J\xc3\xb6rg@h", "J\xc3\xb6rg", "", "h", "", "", "", 0, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct uri_case *c = &cases[i];
        struct tnd_uri u;

        if (!tnd_uri_parse(base, place(c->text), &u))
            fail_msg("%s: refused", c->text);
        span_is(c->text, u.whole, c->text);
        span_is(c->text, u.user, c->user);
        span_is(c->text, u.password, c->password);
        span_is(c->text, u.host, c->host);
        span_is(c->text, u.params, c->params);
        span_is(c->text, u.headers, c->headers);
        span_is(c->text, u.maddr, c->maddr);
        assert_int_equal(u.port, c->port);
        assert_int_equal(u.ip.family, c->family);
        assert_int_equal(u.ip.port, 0);
        assert_int_equal(u.transport, c->transport);
        assert_int_equal(u.lr, c->lr);
        assert_int_equal(u.scheme, tnd_lower(c->text[3]) == 's' ? TND_SCHEME_SIPS : TND_SCHEME_SIP);
    }
}

static void other_schemes(void **state)
{
    struct tnd_uri u;

    (void)state;
    assert_true(tnd_uri_parse(base, place("soap.beep://192.0.2.103:3002"), &u));
    assert_int_equal(u.scheme, TND_SCHEME_OTHER);
    span_is("soap", u.user, "//192.0.2.103:3002");
    assert_true(tnd_uri_parse(base, place("sipx:a@h"), &u));
    assert_int_equal(u.scheme, TND_SCHEME_OTHER);
}

// RFC 3966 s3, and its examples in s6.
static void tel_uris(void **state)
{
    static const struct {
        const char *text, *number, *context, *params;
    } cases[] = {
        {"tel:+1-201-555-0123", "+1-201-555-0123", "", ""},
        {"tel:7042;phone-context=example.com", "7042", "example.com", "phone-context=example.com"},
        {"TEL:863-1234;phone-context=+1-914-555", "863-1234", "", "phone-context=+1-914-555"},
        {"tel:+358-555-1234567;postd=pp22", "+358-555-1234567", "", "postd=pp22"},
        {"tel:+1(800).555;isub=1;ext=5;npdi;rn=+1-99", "+1(800).555", "",
         "isub=1;ext=5;npdi;rn=+1-99"},
        {"tel:1aF*%23;Phone-Context=A.Example", "1aF*%23", "A.Example", "Phone-Context=A.Example"},
        {"tel:*21#;phone-context=a.b", "*21#", "a.b", "phone-context=a.b"},
        {"tel:112", "112", "", ""}, // RFC 2806's clients name no context
        {"tel:%2B49", "%2B49", "", ""},
        {"tel:1;phone-context=a..b", "1", "", "phone-context=a..b"},
        {"tel:1;phone-context=192.0.2.1", "1", "", "phone-context=192.0.2.1"},
    };
    static const char *const bad[] = {
        "tel:",
        "tel:+",
        "tel:-",
        "tel:;ext=1",
        "tel:+1a",
        "tel:+1*",
        "tel:1+2",
        "tel:1 2",
        "tel:alice",
        "tel:1@h",
        "tel:1%",
        "tel:1%20",
        "tel://1",
        "tel:1?x=y",
        "tel:++1",
        "tel:%2B%2B",
        "tel:1%252",
        "tel:1\x01;ext=1",
        "tel:1;phone-context=",
        "tel:1;phone-context",
        "tel:1;phone-context=a;phone-context=b",
        "tel:1;phone-context=+1;x;PHONE-CONTEXT=+2",
    };
    struct tnd_uri u;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!tnd_uri_parse(base, place(cases[i].text), &u))
            fail_msg("%s: refused", cases[i].text);
        assert_int_equal(u.scheme, TND_SCHEME_TEL);
        span_is(cases[i].text, u.user, cases[i].number);
        span_is(cases[i].text, u.host, cases[i].context);
        span_is(cases[i].text, u.params, cases[i].params);
        assert_int_equal(u.ip.family, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (tnd_uri_parse(base, place(bad[i]), &u))
            fail_msg("'%s' was read", bad[i]);
}

static void malformed_uris(void **state)
{
    static const char *const texts[] = {
        "",
        "sip",
        "sip:",
        "sips:",
        ":a@h",
        "1sip:h",
        "a@h",
        "<sip:h>",
        "sip:h>",
        "sip: h",
        "sip:h ",
        "sip:a b@h",
        "sip:@h",
        "sip:a@",
        "sip:a@@h",
        "sip:a@b@h",
        "sip:a%@h",
        "sip:a%4@h",
        "sip:a%4g@h",
        "sip::pw@h",
        "sip:a\"@h",
        "sip:.",
        "sip:.h",
        "sip:a..h",
        "sip:h:",
        "sip:h:0",
        "sip:h:65536",
        "sip:h:5060x",
        "sip:h:-1",
        "sip:1.2.3",
        "sip:1.2.3.4.5",
        "sip:256.1.1.1",
        "sip:1.2.3.04",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[2001:db8::10]x",
        "sip:[192.0.2.1]",
        "sip:[]",
        "sip:[fe80::1%25eth0]",
        "sip:h/x",
        "sip:h;=x",
        "sip:h;transport=",
        "sip:h;transport=udp;transport=tcp",
        "sip:h;maddr=",
        "sip:h;maddr=a b",
        "sip:h;maddr=a;maddr=b",
        "sip:h;x=\x01",
    };
    struct tnd_uri u;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (tnd_uri_parse(base, place(texts[i]), &u))
            fail_msg("'%s' was read", texts[i]);
}

// Our own dotted quad and inet_pton's must never differ: one decides what is a name.
static void quads_agree(void **state)
{
    static const char alphabet[] = "0123456789.25 x";
    uint32_t rng = 4242;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[24 + TND__ROOM] = {0};
        unsigned len = 0, want = 1 + (rng >> 9) % 17;
        struct tnd_addr a, b, c = {0};
        bool ours, theirs;

        while (len < want) {
            rng = rng * 1664525 + 1013904223;
            if (i & 1 && len % 2)
                text[len++] = '.';
            else
                text[len++] = alphabet[(rng >> 16) % (sizeof alphabet - 1)];
        }
        memset(&a, 0, sizeof a);
        memset(&b, 0, sizeof b);
        ours = tnd__ipv4(text, (struct tnd_span){0, (uint16_t)len}, &a);
        theirs = tnd_addr_parse_ip((struct tnd_str){text, len}, &b);
        if (ours != theirs || (ours && !tnd_addr_eq(&a, &b)))
            fail_msg("'%.*s' (round %d)", (int)len, text, i);
        // The short way sees characters of host names only.
        if (len > 15 || strcspn(text, " ") < len)
            continue;
        if (tnd__quad(text, len, &c) != theirs || (theirs && !tnd_addr_eq(&b, &c)))
            fail_msg("the short way of '%.*s' (round %d)", (int)len, text, i);
    }
}

// Walk a list; the result is "item|uri" of each element and "!" where it is malformed.
static void walk(const char *text, char *result)
{
    struct tnd_span s = place(text), item, uri;
    uint16_t at = s.off, end = (uint16_t)(s.off + s.len);

    *result = 0;
    while (tnd_name_addr_next(base, &at, end, &item, &uri))
        result +=
            sprintf(result, "[%.*s|%.*s]", item.len, base + item.off, uri.len, base + uri.off);
    if (at != end)
        strcpy(result, "!");
}

static void name_addr_lists(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"<sip:a>", "[<sip:a>|sip:a]"},
        {"  <sip:a>\r\n , <sip:b>;x ", "[<sip:a>|sip:a][<sip:b>;x|sip:b]"},
        {"sip:a;x=1,sip:b", "[sip:a;x=1|sip:a][sip:b|sip:b]"},
        {"\"a,<b>\" <sip:a,b;c?d>;e=\"f,g\",t <h:i>",
         "[\"a,<b>\" <sip:a,b;c?d>;e=\"f,g\"|sip:a,b;c?d][t <h:i>|h:i]"},
        {"<sip:a>,", "!"},
        {"<sip:a>,,<sip:b>", "[<sip:a>|sip:a]!"},
        {",<sip:a>", "!"},
        {"<sip:a> <sip:b>", "!"},
        {"<sip:a>;\"x\"", "!"},
        {"<sip:a>;x=\"y", "!"},
        {"\"a <sip:a>", "!"},
        {"*", "!"},
        {"<sip:a", "!"},
    };
    char result[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        walk(cases[i][0], result);
        assert_string_equal(result, cases[i][1]);
    }
}

static void token_lists(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},          {"a", "[a]"},   {" a ,\r\n b-c.d ", "[a][b-c.d]"},
        {"a b", "!"},      {"a,", "!"},    {",a", "!"},
        {"a,(b)", "[a]!"}, {"\"a\"", "!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tnd_span s = place(cases[i][0]), token;
        uint16_t at = s.off, end = (uint16_t)(s.off + s.len);
        char result[256], *r = result;

        *r = 0;
        while (tnd_token_next(base, &at, end, &token))
            r += sprintf(r, "[%.*s]", token.len, base + token.off);
        if (at != end)
            strcpy(r, "!");
        assert_string_equal(result, cases[i][1]);
    }
}

static void parameters(void **state)
{
    static const struct {
        const char *text, *name, *value; // value NULL: absent
    } cases[] = {
        {";a=b;c", "a", "b"},
        {"a=b;c", "A", "b"},
        {"a=b;c", "c", ""},
        {"a=b;c", "b", NULL},
        {";a=\"x;c=y\";c=z", "c", "z"},
        {"; a\r\n = b ; c ", "a", "b"},
        {"; a = b ; c ", "c", ""},
        {";ab=1;a=2", "a", "2"},
        {";a=", "a", ""},
        {"", "a", NULL},
        {";;a", "a", ""},
        {";a!=1;a x=2", "a", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tnd_span value = {0};
        bool found = tnd_param_find(base, place(cases[i].text), tnd_str_of(cases[i].name), &value);

        assert_int_equal(found, cases[i].value != NULL);
        if (found) {
            span_is(cases[i].text, value, cases[i].value);
            assert_int_not_equal(value.off, 0);
        }
    }
}

static double walk_ns(const char *text, uint16_t len)
{
    struct timespec from, to;
    struct tnd_span item, uri;
    uint16_t at = 1;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    while (tnd_name_addr_next(text, &at, len, &item, &uri))
        ;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    assert_int_equal(at, len);
    return (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
}

// Work done for the whole rest of a list at each of its elements is a lever for who sends short
// ones: an octet must cost about the same in lists short enough for maps and in long ones.
static void list_walk_is_linear(void **state)
{
    const struct tnd_scan_kernel *before = tnd_scan_active;
    char text[4096];

    (void)state;
    text[0] = ' ';
    for (size_t i = 1; i < sizeof text; i++)
        text[i] = "a:b,"[(i - 1) % 4];
    for (unsigned k = 0; tnd_scan_kernel(k); k++) {
        double least[2] = {1e9, 1e9};
        tnd_scan_active = tnd_scan_kernel(k);
        for (int round = 0; round < 301; round++) {
            double small = walk_ns(text, 252) / 252, large = walk_ns(text, 4000) / 4000;
            least[0] = small < least[0] ? small : least[0];
            least[1] = large < least[1] ? large : least[1];
        }
        if (least[0] > 4 * least[1])
            fail_msg("%s: %.1f ns an octet, %.1f in a long list", tnd_scan_active->name, least[0],
                     least[1]);
        printf("%s: %.1f ns an octet, %.1f in a long list\n", tnd_scan_active->name, least[0],
               least[1]);
    }
    tnd_scan_active = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris),
        cmocka_unit_test(other_schemes),
        cmocka_unit_test(tel_uris),
        cmocka_unit_test(malformed_uris),
        cmocka_unit_test(quads_agree),
        cmocka_unit_test(name_addr_lists),
        cmocka_unit_test(token_lists),
        cmocka_unit_test(parameters),
        cmocka_unit_test(list_walk_is_linear),
    };

    return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
