// Rules 10 and 11: answers made here, 503, and Max-Forwards.
#include "unit/rules.h"

static const char *via_n(void)
{
    static unsigned n;

    return text_of("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKan%u", n++);
}

static void from_pbx(struct request q)
{
    if (!q.via)
        q.via = via_n();
    run(h, PBX_SRC, LAN4, make_request(&q), &r);
}

// ---- 10 ---------------------------------------------------------------------------------------

static void rule10_each_status(void **state)
{
    (void)state;
    from_pbx((struct request){.from = "sip:a@b c;tag=1"});
    assert_answer(r, 400);
    assert_has(header(&r.out[0], "Warning", 0), "From");
    from_pbx((struct request){.uri = "sip:nobody@nowhere.example"});
    assert_answer(r, 404);
    from_pbx((struct request){.uri = "isdn:123"});
    assert_answer(r, 416);
    from_pbx((struct request){.more = "Proxy-Require: foo, bar\r\nProxy-Require: baz\r\n"});
    assert_answer(r, 420);
    assert_string_equal(header(&r.out[0], "Unsupported", 0), "foo, bar");
    assert_string_equal(header(&r.out[0], "Unsupported", 1), "baz");
    from_pbx((struct request){.more = "Proxy-Require:\r\n"});
    assert_forward(r);
    from_pbx((struct request){.more = "Proxy-Require: foo\r\n", .method = "CANCEL"});
    assert_forward(r);
    from_pbx((struct request){.max_forwards = "0"});
    assert_answer(r, 483);
    run(h, PBX_SRC, LAN4, replaced(invite(), "SIP/2.0\r\n", "SIP/3.0\r\n"), &r);
    assert_answer(r, 505);
    run(h, PBX_SRC, LAN4, replaced(invite(), "CSeq: 1 INVITE", "CSeq: 1 MESSAGE"), &r);
    assert_answer(r, 400);
    from_pbx((struct request){.method = "OPTIONS", .uri = "sip:edge.example"});
    assert_answer(r, 200);
    from_pbx((struct request){.method = "OPTIONS", .uri = "sip:edge.example", .max_forwards = "0"});
    assert_answer(r, 200); // it has come to its end anyway
    from_pbx(
        (struct request){.method = "OPTIONS", .uri = "sip:u@edge.example", .max_forwards = "0"});
    assert_answer(r, 483);
    run(h, ACCESS_SRC, WAN4,
        make_request(&(struct request){.method = "OPTIONS", .uri = "sip:x@y.example"}), &r);
    assert_answer(r, 200); // a rule's `reply`
}

static void rule10_what_an_answer_holds(void **state)
{
    struct request q = {
        .max_forwards = "0",
        .via = "SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/TCP b\r\nVia: SIP/2.0/TLS c",
        .more = "Subject: not for the answer\r\n",
        .body = "nor this"};

    (void)state;
    from_pbx(q);
    assert_answer(r, 483);
    assert_int_equal(header_count(&r.out[0], "Via"), 2);
    assert_string_equal(header(&r.out[0], "Via", 0),
                        "SIP/2.0/UDP a.example;branch=z9hG4bK1;received=10.0.0.5, SIP/2.0/TCP b");
    assert_string_equal(header(&r.out[0], "Via", 1), "SIP/2.0/TLS c");
    assert_string_equal(header(&r.out[0], "From", 0), "<sip:alice@pbx.example>;tag=alice");
    assert_has(header(&r.out[0], "To", 0), "<sip:+4930123@edge.example>;tag=");
    assert_string_equal(header(&r.out[0], "Call-ID", 0), "call-1@pbx.example");
    assert_string_equal(header(&r.out[0], "CSeq", 0), "1 INVITE");
    assert_string_equal(header(&r.out[0], "Content-Length", 0), "0");
    assert_lacks(r.out[0].text, "Subject");
    assert_string_equal(body(&r.out[0]), "");
}

static void rule10_tag_after_an_empty_parameter(void **state)
{
    (void)state;
    from_pbx((struct request){.max_forwards = "0", .to = "<sip:x@y.example>;a=b;;"});
    assert_answer(r, 483);
    assert_has(header(&r.out[0], "To", 0), "<sip:x@y.example>;a=b;tag=");
}

static void rule10_tag_is_of_the_transaction(void **state)
{
    struct harness *other = harness_new();
    struct request q = {.uri = "sip:nobody@x.example"};
    const char *tag;

    (void)state;
    from_pbx((struct request){.uri = q.uri, .via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKt"});
    tag = tag_of(header(&r.out[0], "To", 0));
    assert_int_equal(strlen(tag), 16);
    q.via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKt";
    run(other, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_string_equal(tag, tag_of(header(&r2.out[0], "To", 0)));
    q.via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKu";
    run(other, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_string_not_equal(tag, tag_of(header(&r2.out[0], "To", 0)));
    q.to = "<sip:x@y.example>;tag=theirs"; // in-dialog: as it is
    q.via = via_n();
    run(other, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_string_equal("theirs", tag_of(header(&r2.out[0], "To", 0)));
    // Its ACK ends here, even where nothing is remembered.
    q.method = "ACK";
    q.via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKt";
    q.to = text_of("<sip:+4930123@edge.example>;tag=%s", tag);
    harness_free(other);
    other = harness_new();
    run(other, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_absorbed(r2);
    q.to = "<sip:+4930123@edge.example>;tag=0123456789abcdef";
    run(other, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_drop(r2, TND_DROP_ACK_UNROUTED);
    harness_free(other);
}

static void rule10_ack_in_dialog_is_absorbed(void **state)
{
    struct request q = {.uri = "sip:nobody@x.example",
                        .to = "<sip:x@y.example>;tag=theirs",
                        .via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKre"};

    (void)state;
    from_pbx(q);
    assert_answer(r, 404);
    q.method = "ACK";
    from_pbx(q);
    assert_absorbed(r);
}

static void rule10_nothing_answers_an_ack(void **state)
{
    static const char *const to = "<sip:x@y.example>;tag=z";

    (void)state;
    from_pbx((struct request){.method = "ACK", .to = to, .uri = "sip:nobody@x.example"});
    assert_drop(r, TND_DROP_ACK_UNROUTED);
    from_pbx((struct request){.method = "ACK", .to = to, .max_forwards = "0"});
    assert_drop(r, TND_DROP_ACK_UNROUTED);
    from_pbx((struct request){.method = "ACK", .to = to, .from = "broken"});
    assert_drop(r, TND_DROP_MALFORMED_ACK);
    from_pbx((struct request){.method = "ACK", .to = to, .uri = "isdn:1"});
    assert_drop(r, TND_DROP_MALFORMED_ACK);
    from_pbx((struct request){.method = "ACK", .to = to, .more = "Proxy-Require: x\r\n"});
    assert_forward(r);
}

static void rule10_malformed_beyond_an_answer(void **state)
{
    static const char *const texts[] = {
        "INVITE sip:a@b SIP/2.0\r\n\r\n",
        "INVITE",
        "INVITE ",
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01",
        " sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        run(h, PBX_SRC, LAN4, texts[i], &r);
        assert_verdict(r, TND_VERDICT_DROP);
    }
    run(h, PBX_SRC, LAN4, "SIP/2.0 abc\r\nVia: x\r\n\r\n", &r);
    assert_drop(r, TND_DROP_MALFORMED_RESPONSE);
}

static void max_forwards(void **state)
{
    static const struct {
        const char *given, *want;
    } cases[] = {{"70", "69"}, {"1", "0"}, {"", "70"}, {"255", "254"}, {"300", "69"}, {"007", "6"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        from_pbx((struct request){.max_forwards = cases[i].given});
        assert_forward(r);
        assert_string_equal(header(&r.out[0], "Max-Forwards", 0), cases[i].want);
        assert_int_equal(header_count(&r.out[0], "Max-Forwards"), 1);
    }
}

// ---- 11 ---------------------------------------------------------------------------------------

static void rule11_exhausted_is_the_source_trunks(void **state)
{
    (void)state;
    harness_set(h, CARRIER_NAME, "0 1 203.0.113.11:5060 down");
    from_pbx((struct request){0});
    assert_answer(r, 503);
    assert_lacks(r.out[0].text, "Retry-After");
    run(h, ACCESS_SRC, WAN4, invite(), &r);
    assert_answer(r, 500);
    harness_set(h, CARRIER_NAME, "");
    run(h, SIX_SRC, WAN6, invite(), &r);
    assert_answer(r, 500);
    harness_trunk_uri(h, CARRIER, "sip:203.0.113.11;transport=tcp"); // not ours to send yet
    run(h, SIX_SRC, WAN6, make_request(&(struct request){.via = via_n()}), &r);
    assert_answer(r, 500);
    h->policy.n_listeners = 2; // IPv4 only
    harness_trunk_uri(h, CARRIER, "sip:[2001:db8::9]");
    from_pbx((struct request){0});
    assert_answer(r, 503);
}

static void rule11_a_targets_503(void **state)
{
    static const char more[] = "Retry-After: 120\r\nX-Reason: busy\r\nretry-after:\r\n 5\r\n";

    (void)state;
    run(h, ACCESS_SRC, WAN4,
        make_request(&(struct request){.via = "SIP/2.0/UDP 100.64.1.9;branch=z9hG4bK5"}), &r);
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 503, "c", more), &r2);
    assert_forward(r2);
    assert_string_equal(start_line(&r2.out[0]), "SIP/2.0 500 Server Internal Error");
    assert_int_equal(header_count(&r2.out[0], "Retry-After"), 0);
    assert_string_equal(header(&r2.out[0], "X-Reason", 0), "busy");
    assert_int_equal(header_count(&r2.out[0], "Via"), 1);
    from_pbx((struct request){0});
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 503, "c", more), &r2);
    assert_string_equal(start_line(&r2.out[0]), "SIP/2.0 503 Status");
    assert_int_equal(header_count(&r2.out[0], "Retry-After"), 0);
    // Retry-After before the Vias.
    const char *early =
        replaced(make_response(&r.out[0], 503, "c", NULL), "Via:", "Retry-After: 1\r\nVia:");
    run(h, CARRIER_SRC, WAN4, early, &r2);
    assert_forward(r2);
    assert_int_equal(header_count(&r2.out[0], "Retry-After"), 0);
    assert_int_equal(header_count(&r2.out[0], "Via"), 1);
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 486, "c", more), &r2);
    assert_int_equal(header_count(&r2.out[0], "Retry-After"), 2); // other finals' are the callee's
    // The trunk is gone since: what suits most.
    h->trunks[PBX].id ^= 1;
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 503, "c", NULL), &r2);
    assert_has(start_line(&r2.out[0]), "500");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rule10_each_status),
        CASE(rule10_what_an_answer_holds),
        CASE(rule10_tag_after_an_empty_parameter),
        CASE(rule10_tag_is_of_the_transaction),
        CASE(rule10_ack_in_dialog_is_absorbed),
        CASE(rule10_nothing_answers_an_ack),
        CASE(rule10_malformed_beyond_an_answer),
        CASE(max_forwards),
        CASE(rule11_exhausted_is_the_source_trunks),
        CASE(rule11_a_targets_503),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
