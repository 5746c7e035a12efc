#include "cmocka_all.h"

#include "dns_zone.h"

static struct wire w;

static struct tnd_dns_answer *walk(const char *name, uint16_t type)
{
    struct tnd_dns_answer *a = tnd_dns_walk(w.p, w.n, name, type);

    assert_non_null(a);
    return a;
}

static void expect_outcome(enum tnd_dns_outcome want, const char *name, uint16_t type)
{
    struct tnd_dns_answer *a = walk(name, type);

    assert_string_equal(tnd_dns_outcome_code(a->outcome), tnd_dns_outcome_code(want));
    free(a);
}

static const char zone[] = "x.test 300 NAPTR 10 20 \"S\" \"SIP+D2U\" \"!a!b!\" _sip._udp.x.test\n"
                           "_sip._udp.x.test 120 SRV 20 5 5062 b.test\n"
                           "_sip._udp.x.test 60 SRV 10 5 5060 a.test\n"
                           "_sip._udp.x.test 60 SRV 10 7 5060 c.test\n"
                           "_sip._udp.x.test 60 SRV 10 7 5060 c.test\n"
                           "www.test 30 CNAME a.test\n"
                           "a.test 60 A 192.0.2.2\n"
                           "a.test 60 A 192.0.2.1\n"
                           "a.test 60 AAAA 2001:db8::1\n";

static void test_srv(void **state)
{
    (void)state;
    zone_message(zone, "_sip._udp.x.test", TND_DNS_SRV, false, &w);
    struct tnd_dns_answer *a = walk("_sip._udp.x.test", TND_DNS_SRV);
    assert_int_equal(a->outcome, TND_DNS_POSITIVE);
    assert_int_equal(a->n, 3); // sorted, and the double is gone
    assert_int_equal(a->ttl_s, 60);
    assert_true(a->authoritative);
    assert_string_equal(tnd_dns_text(a, a->rr[0].srv.target), "c.test");
    assert_string_equal(tnd_dns_text(a, a->rr[1].srv.target), "a.test");
    assert_string_equal(tnd_dns_text(a, a->rr[2].srv.target), "b.test");
    assert_int_equal(a->rr[2].srv.port, 5062);
    free(a);
}

static void test_naptr(void **state)
{
    (void)state;
    zone_message(zone, "x.test", TND_DNS_NAPTR, false, &w);
    struct tnd_dns_answer *a = walk("x.test", TND_DNS_NAPTR);
    assert_int_equal(a->n, 1);
    assert_int_equal(a->rr[0].naptr.order, 10);
    assert_int_equal(a->rr[0].naptr.preference, 20);
    assert_string_equal(tnd_dns_text(a, a->rr[0].naptr.flags), "S");
    assert_string_equal(tnd_dns_text(a, a->rr[0].naptr.service), "SIP+D2U");
    assert_string_equal(tnd_dns_text(a, a->rr[0].naptr.regexp), "!a!b!");
    assert_string_equal(tnd_dns_text(a, a->rr[0].naptr.replacement), "_sip._udp.x.test");
    free(a);
}

static void test_alias(void **state)
{
    (void)state;
    zone_message(zone, "www.test", TND_DNS_A, false, &w);
    struct tnd_dns_answer *a = walk("www.test", TND_DNS_A);
    assert_int_equal(a->outcome, TND_DNS_POSITIVE);
    assert_int_equal(a->n, 2);
    assert_int_equal(a->ttl_s, 30); // the chain's
    assert_int_equal(a->n_chain, 1);
    assert_string_equal(tnd_dns_text(a, a->chain[0]), "a.test");
    assert_int_equal(a->rr[0].ip[3], 1);
    free(a);
    zone_message(zone, "www.test", TND_DNS_A, true, &w);
    expect_outcome(TND_DNS_ALIAS, "www.test", TND_DNS_A);
    zone_message(zone, "www.test", TND_DNS_SRV, false, &w); // the end has no SRV
    expect_outcome(TND_DNS_NODATA, "www.test", TND_DNS_SRV);
}

static void test_negative(void **state)
{
    (void)state;
    zone_message(zone, "none.test", TND_DNS_A, false, &w);
    struct tnd_dns_answer *a = walk("none.test", TND_DNS_A);
    assert_int_equal(a->outcome, TND_DNS_NXDOMAIN);
    assert_int_equal(a->ttl_s, 77); // min(SOA minimum, SOA TTL)
    free(a);
    zone_message(zone, "a.test", TND_DNS_SRV, false, &w);
    expect_outcome(TND_DNS_NODATA, "a.test", TND_DNS_SRV);
}

static void test_failures(void **state)
{
    static const struct {
        unsigned flags;
        enum tnd_dns_outcome want;
    } rows[] = {{0x8181, TND_DNS_FORMERR},   {0x8182, TND_DNS_SERVFAIL},
                {0x8184, TND_DNS_NOTIMP},    {0x8185, TND_DNS_REFUSED},
                {0x8189, TND_DNS_RCODE},     {0x8380, TND_DNS_TRUNCATED},
                {0x0100, TND_DNS_MALFORMED}, {0xa180, TND_DNS_MALFORMED}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire_header(&w, rows[i].flags, "a.test", TND_DNS_A);
        expect_outcome(rows[i].want, "a.test", TND_DNS_A);
    }
    wire_header(&w, 0x8180, "b.test", TND_DNS_A);
    expect_outcome(TND_DNS_MISMATCH, "a.test", TND_DNS_A);
    expect_outcome(TND_DNS_MISMATCH, "b.test", TND_DNS_SRV);
    w.n = 12;
    w.p[3] = 0x81; // FORMERR without a question is legal
    w.p[5] = 0;
    expect_outcome(TND_DNS_FORMERR, "a.test", TND_DNS_A);
    w.p[3] = 0x80;
    expect_outcome(TND_DNS_MALFORMED, "a.test", TND_DNS_A);
}

// Wrong lengths of data, pointers forward and to themselves.
static void test_hostile(void **state)
{
    (void)state;
    wire_header(&w, 0x8180, "a.test", TND_DNS_A);
    w.p[7] = 1;
    wire_rr(&w, "a.test", TND_DNS_A, 1, "192.0.2.1");
    w.p[w.n - 5] = 3;
    w.n--;
    expect_outcome(TND_DNS_MALFORMED, "a.test", TND_DNS_A);
    wire_header(&w, 0x8180, "a.test", TND_DNS_A);
    w.p[7] = 1;
    wire_u16(&w, 0xc000 | (unsigned)w.n); // points to itself
    wire_u16(&w, 1);
    expect_outcome(TND_DNS_MALFORMED, "a.test", TND_DNS_A);
    wire_header(&w, 0x8180, "a.test", TND_DNS_A);
    w.p[7] = 1;
    wire_u16(&w, 0xc000 | (unsigned)(w.n + 2)); // forward
    wire_u16(&w, 1);
    expect_outcome(TND_DNS_MALFORMED, "a.test", TND_DNS_A);
    wire_header(&w, 0x8180, "a.test", TND_DNS_A);
    w.p[7] = 200; // more than there are
    expect_outcome(TND_DNS_MALFORMED, "a.test", TND_DNS_A);
}

// Every cut of a good message is malformed, never half an answer.
static void test_cuts(void **state)
{
    (void)state;
    zone_message(zone, "_sip._udp.x.test", TND_DNS_SRV, false, &w);
    for (size_t n = 0; n < w.n; n++) {
        uint8_t *copy = malloc(n + 1); // of its own, so that a sanitizer sees a read beyond
        memcpy(copy, w.p, n);
        struct tnd_dns_answer *a = tnd_dns_walk(copy, n, "_sip._udp.x.test", TND_DNS_SRV);
        assert_int_equal(a->outcome, TND_DNS_MALFORMED);
        free(a);
        free(copy);
    }
}

static void test_same(void **state)
{
    (void)state;
    struct tnd_dns_answer *a = zone_ask(zone, "a.test", TND_DNS_A, false);
    struct tnd_dns_answer *b =
        zone_ask("a.test 5 A 192.0.2.1\na.test 5 A 192.0.2.2\n", "a.test", TND_DNS_A, false);
    struct tnd_dns_answer *c =
        zone_ask("a.test 5 A 192.0.2.1\na.test 5 A 192.0.2.3\n", "a.test", TND_DNS_A, false);
    assert_true(tnd_dns_same(a, b)); // neither order nor TTL matters
    assert_false(tnd_dns_same(b, c));
    free(a);
    free(b);
    free(c);
}

static void test_question_case(void **state)
{
    static struct wire q, r;

    (void)state;
    wire_header(&q, 0x0100, "wWw.TesT", TND_DNS_A);
    wire_header(&r, 0x8180, "wWw.TesT", TND_DNS_A);
    assert_true(tnd_dns_same_question(q.p, q.n, r.p, r.n));
    wire_header(&r, 0x8180, "www.test", TND_DNS_A);
    assert_false(tnd_dns_same_question(q.p, q.n, r.p, r.n));
    struct tnd_dns_answer *a = tnd_dns_walk(q.p, 5, "www.test", TND_DNS_A);
    assert_int_equal(a->outcome, TND_DNS_MALFORMED);
    free(a);
}

static void test_names(void **state)
{
    char out[TND_DNS_NAME_MAX], label[80];

    (void)state;
    assert_true(tnd_dns_name("SIP.Example.COM.", 16, out));
    assert_string_equal(out, "sip.example.com");
    assert_false(tnd_dns_name("", 0, out));
    assert_false(tnd_dns_name(".", 1, out));
    assert_false(tnd_dns_name("a..b", 4, out));
    assert_false(tnd_dns_name(".a", 2, out));
    assert_false(tnd_dns_name("a b", 3, out));
    memset(label, 'a', sizeof label);
    assert_true(tnd_dns_name(label, 63, out));
    assert_false(tnd_dns_name(label, 64, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_srv),      cmocka_unit_test(test_naptr),
        cmocka_unit_test(test_alias),    cmocka_unit_test(test_negative),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_cuts),     cmocka_unit_test(test_same),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_question_case),
    };

    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
