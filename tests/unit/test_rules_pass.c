// Rules 1 to 5: what is ours, who may pass, which way, with which Request-URI, and loops.
#include <time.h>

#include "unit/rules.h"

static const char *options_to(const char *uri)
{
    return make_request(&(struct request){.method = "OPTIONS", .uri = uri});
}

// A Via no other message has: the memory must not decide here.
static const char *new_via(void)
{
    static unsigned n;

    return text_of("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKnew%u", n++);
}

// ---- 1: ours ------------------------------------------------------------------------------

static void rule1_ours(void **state)
{
    static const char *const ours[] = {
        "sip:192.0.2.10",
        "sip:192.0.2.10:5060",
        "sip:198.51.100.1",
        "sip:198.51.100.1:5080",
        "sip:10.0.0.1",
        "sip:[2001:db8:2::10]",
        "sip:[2001:DB8:2:0::10]:5060",
        "sip:edge.example",
        "sip:EDGE.example",
        "sip:sip.edge.example:5060",
        "sip:edge.example.",
        "sip:edge.example:5080",
        "sips:edge.example",
        "sip:edge.example;transport=udp",
    };
    static const char *const theirs[] = {
        "sip:192.0.2.10:5061",  "sip:192.0.2.11",        "sip:other.example",  "sip:xedge.example",
        "sip:edge.example.org", "sip:edge.example:6000", "sip:[2001:db8::11]", "sip:10.0.0.1:5080",
    };

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        run(h, PBX_SRC, LAN4, options_to(ours[i]), &r);
        if (r.verdict != TND_VERDICT_ANSWER || r.status != 200)
            fail_msg("%s is ours", ours[i]);
    }
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        run(h, PBX_SRC, LAN4, options_to(theirs[i]), &r);
        if (r.verdict == TND_VERDICT_ANSWER && r.status == 200)
            fail_msg("%s is not ours", theirs[i]);
    }
}

// ---- 2: sources ---------------------------------------------------------------------------

static void rule2_source_by_prefix_then_port(void **state)
{
    static const struct {
        const char *src;
        int trunk;
    } cases[] = {
        {"203.0.113.1:5060", CARRIER}, {"203.0.113.7:5060", CARRIER},
        {"203.0.113.7:5062", NARROW},  {"10.0.255.255:1", PBX},
        {"10.1.0.0:5060", -1},         {"[2001:db8:6::1]:9", SIX},
        {"[2001:db8:7::1]:9", -1},     {FOREIGN_SRC, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(h, cases[i].src, WAN4, invite(), &r);
        if (cases[i].trunk < 0)
            assert_drop(r, TND_DROP_FOREIGN_SOURCE);
        else
            assert_int_equal(r.trunk, cases[i].trunk);
    }
}

static void rule2_nothing_is_answered_to_strangers(void **state)
{
    (void)state;
    run(h, FOREIGN_SRC, WAN4, options_to("sip:edge.example"), &r);
    assert_drop(r, TND_DROP_FOREIGN_SOURCE);
    run(h, FOREIGN_SRC, WAN4, "INVITE sip:a@b SIP/2.0\r\nVia: nonsense\r\n\r\n", &r);
    assert_drop(r, TND_DROP_FOREIGN_SOURCE);
}

static void rule2_token_admits_in_dialog_only(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    assert_forward(r);
    const char *route = route_to(header(&r.out[0], "Record-Route", 0));
    struct request bye = {.method = "BYE",
                          .uri = "sip:alice@192.0.2.77:5062",
                          .from = "<sip:+4930123@edge.example>;tag=bob",
                          .to = "<sip:alice@pbx.example>;tag=alice",
                          .via = "SIP/2.0/UDP 192.0.2.200;branch=z9hG4bKbye",
                          .more = route};
    run(h, FOREIGN_SRC, WAN4, make_request(&bye), &r);
    assert_forward(r);
    assert_dst(r.out[0], "192.0.2.77:5062");
    bye.to = "<sip:alice@pbx.example>"; // no dialog: the token is worth nothing
    run(h, FOREIGN_SRC, WAN4, make_request(&bye), &r);
    assert_drop(r, TND_DROP_FOREIGN_SOURCE);
    bye.to = "<sip:alice@pbx.example>;tag=alice";
    bye.call_id = "another@call"; // the MAC binds the Call-ID
    run(h, FOREIGN_SRC, WAN4, make_request(&bye), &r);
    assert_drop(r, TND_DROP_BAD_TOKEN);
    run(h, CARRIER_SRC, WAN4, make_request(&bye), &r);
    assert_answer(r, 403);
}

// ---- 3: Route -----------------------------------------------------------------------------

static void rule3_ours_come_off(void **state)
{
    static const char *const routes[] = {
        "Route: <sip:198.51.100.1;lr>\r\n",
        "Route: <sip:edge.example;lr>, <sip:10.0.0.1;lr>\r\n",
        "Route: <sip:198.51.100.1;lr>\r\nX-Between: 1\r\nroute: <sip:10.0.0.1;lr>\r\n",
        "Route:\r\n <sip:198.51.100.1;lr>,\r\n\t<sip:10.0.0.1:5060;lr>\r\n",
        "Route: \"me, <myself>\" <sip:198.51.100.1;lr>;x=y\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        run(h, PBX_SRC, LAN4, make_request(&(struct request){.more = routes[i]}), &r);
        assert_forward(r);
        assert_int_equal(header_count(&r.out[0], "Route"), 0);
        assert_int_equal(r.to_trunk, CARRIER);
    }
}

// More than an octet counts, and more lines than a rewrite has changes.
static void rule3_ours_come_off_however_many(void **state)
{
    char list[TND_SIP_MAX] = "Route: ", lines[TND_SIP_MAX] = "";

    (void)state;
    for (int i = 0; i < 300; i++)
        strcat(list, "<sip:10.0.0.1;lr>,");
    strcat(list, "<sip:a.example;lr>\r\n");
    for (int i = 0; i < 100; i++)
        strcat(lines, "Route: <sip:10.0.0.1;lr>\r\n");
    strcat(lines, "Route: <sip:a.example;lr>\r\n");
    for (int i = 0; i < 2; i++) {
        run(h, PBX_SRC, LAN4, make_request(&(struct request){.more = i ? lines : list}), &r);
        assert_forward(r);
        assert_int_equal(header_count(&r.out[0], "Route"), 1);
        assert_string_equal(header(&r.out[0], "Route", 0), "<sip:a.example;lr>");
    }
}

static void rule3_foreign_below_ours_stay_and_rules_decide(void **state)
{
    static const char *const routes[] = {
        "Route: <sip:198.51.100.1;lr>, <sip:evil.example;lr>\r\n",
        "Route: <sip:198.51.100.1;lr>\r\nRoute: <sip:evil.example;lr>\r\n",
        "Route: <sip:evil.example;lr>\r\n",
        "Route: <sip:evil.example>\r\n", // a strict router: no reason to go there either
    };

    (void)state;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        run(h, PBX_SRC, LAN4, make_request(&(struct request){.more = routes[i]}), &r);
        assert_forward(r);
        assert_int_equal(r.to_trunk, CARRIER);
        assert_has(r.out[0].text, "INVITE sip:+4930123@sip.carrier.example SIP/2.0\r\n");
        assert_int_equal(header_count(&r.out[0], "Route"), 1);
        assert_has(header(&r.out[0], "Route", 0), "evil.example");
        assert_lacks(header(&r.out[0], "Route", 0), "198.51.100.1");
    }
}

static void rule3_middle_of_ours_stays(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){
            .more = "Route: <sip:10.0.0.1;lr>,<sip:a.example;lr> , <sip:10.0.0.1;lr>\r\n"}),
        &r);
    assert_string_equal(header(&r.out[0], "Route", 0), "<sip:a.example;lr> , <sip:10.0.0.1;lr>");
}

// What changes is found wherever it stands: Via, Max-Forwards and two Routes in every order.
static void rule3_in_any_order(void **state)
{
    static const char *const lines[] = {"Via: SIP/2.0/UDP 10.0.0.5;rport;branch=z9hG4bKo\r\n",
                                        "Max-Forwards: 10\r\n", "Route: <sip:10.0.0.1;lr>\r\n",
                                        "Route: <sip:198.51.100.1;lr>, <sip:a.example;lr>\r\n"};
    static const char *const want[] = {
        "Via: SIP/2.0/UDP 10.0.0.5;rport=5060;branch=z9hG4bKo;received=10.0.0.5\r\n",
        "Max-Forwards: 9\r\n", "", "Route: <sip:a.example;lr>\r\n"};

    (void)state;
    for (unsigned order = 0; order < 256; order++) {
        char text[2048], changed[2048] = "";
        unsigned seen = 0, at_route[2] = {0};
        int n = sprintf(text, "INVITE sip:+4930123@edge.example SIP/2.0\r\n");
        for (unsigned i = 0; i < 4; i++) {
            unsigned line = order >> 2 * i & 3;
            seen |= 1u << line;
            if (line >= 2)
                at_route[line - 2] = i;
            n += sprintf(text + n, "%sX-%u: %u\r\n", lines[line], i, order);
            sprintf(changed + strlen(changed), "%sX-%u: %u\r\n", want[line], i, order);
        }
        if (seen != 15 || at_route[0] > at_route[1])
            continue;
        sprintf(text + n, "From: <sip:alice@pbx.example>;tag=f\r\nTo: <sip:bob@edge.example>\r\n"
                          "Call-ID: order\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
        run(h, PBX_SRC, LAN4, text, &r);
        assert_forward(r);
        assert_has(r.out[0].text, changed);
    }
}

static void rule3_no_open_relay(void **state)
{
    (void)state;
    // In-dialog by its looks, but without a token of ours: rules only.
    run(h, CARRIER_SRC, WAN4,
        make_request(&(struct request){.method = "BYE",
                                       .uri = "sip:victim@198.18.0.1",
                                       .to = "<sip:x@y.example>;tag=made-up",
                                       .more = "Route: <sip:198.51.100.1;lr>, "
                                               "<sip:198.18.0.2;lr>\r\n"}),
        &r);
    assert_forward(r);
    assert_dst(r.out[0], "10.0.0.5:5060");
}

static void rule3_cancel_and_ack_match_as_invite(void **state)
{
    struct tnd_route_rule *first = &h->rules[0];

    (void)state;
    first->method = TND_METHOD_INVITE;
    first->method_text = "INVITE";
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.method = "CANCEL"}), &r);
    assert_forward(r);
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.method = "ACK", .to = "<sip:x@y.example>;tag=z"}), &r);
    assert_forward(r);
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.method = "MESSAGE", .via = new_via()}),
        &r);
    assert_answer(r, 404);
    first->method = TND_METHOD_OTHER;
    first->method_text = "PING";
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.method = "PING", .via = new_via()}), &r);
    assert_forward(r);
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.method = "ping", .via = new_via()}), &r);
    assert_answer(r, 404);
}

static void rule3_user_and_domain_patterns(void **state)
{
    static const struct {
        const char *uri;
        bool match;
    } cases[] = {
        {"sip:+49@a.example", true},      {"sip:+491;x=y@a.example", true},
        {"sip:%2b49301@a.example", true}, {"sip:%2B%34%39@a.example", true},
        {"sip:+48@a.example", false},     {"sip:+4@a.example", false},
        {"sip:a.example", false},         {"sip:%252B49@a.example", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(h, PBX_SRC, LAN4,
            make_request(&(struct request){.uri = cases[i].uri, .via = new_via()}), &r);
        if ((r.verdict == TND_VERDICT_FORWARD) != cases[i].match)
            fail_msg("%s", cases[i].uri);
    }
    h->rules[0].user = NULL;
    h->rules[0].domain = "*.partner.example";
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.uri = "sip:x@A.Partner.Example.", .via = new_via()}), &r);
    assert_forward(r);
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.uri = "sip:x@partner.example", .via = new_via()}), &r);
    assert_answer(r, 404);
}

// RFC 3966: a number goes by the rules as any foreign URI does.
static void rule3_numbers(void **state)
{
    static const struct {
        const char *user, *domain, *uri;
        bool match;
    } cases[] = {
        {NULL, NULL, "tel:+49301", true},
        {"+49*", NULL, "tel:+49301", true},
        {"+49*", NULL, "TEL:+4(9)-30.1", true},
        {"+49301", NULL, "tel:+49-301;ext=5", true},
        {"+49-301", NULL, "tel:+49.30-1", true},
        {"+49301", NULL, "tel:+49-3012", false},
        {"+49*", NULL, "tel:4930;phone-context=+49", false},
        {"1234", NULL, "tel:12-34;phone-context=a.example", true},
        {"12*", NULL, "tel:*12%23;phone-context=a.example", false},
        {"A1", NULL, "tel:a1;phone-context=a.example", true},
        {NULL, "*", "tel:+49301", false},
        {NULL, "*.example", "tel:+49301;x=a.example", false},
        {NULL, "*.example", "tel:1234;phone-context=A.Example", true},
        {NULL, "a.example", "tel:1234;ext=1;phone-context=a.example", true},
        {NULL, "*", "tel:1234;phone-context=+49", false},
        // A SIP URI that says it holds a number is no way round a rule about numbers.
        {"+49*", NULL, "sip:+4-9301@a.example;user=phone", true},
        {"+49*", NULL, "sip:%2B4%2D9301@a.example;x;USER=Phone", true},
        {"+49*", NULL, "sip:+4-9301@a.example;x=y;%75ser=%70hone", true},
        {"+49301", NULL, "sip:+49301;phone-context=b@a.example;user=phone", true},
        {"+49*", NULL, "sip:+4-9301@a.example", false},
        {"+49*", NULL, "sip:+4-9301@a.example;user=ip", false},
        {"+49*", NULL, "sip:+4-9301@a.example;xuser=phone", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        h->rules[0].user = cases[i].user;
        h->rules[0].domain = cases[i].domain;
        run(h, PBX_SRC, LAN4,
            make_request(&(struct request){
                .uri = cases[i].uri, .via = new_via(), .to = text_of("<%s>", cases[i].uri)}),
            &r);
        if ((r.verdict == TND_VERDICT_FORWARD) != cases[i].match)
            fail_msg("%s, user %s, domain %s: %s", cases[i].uri, cases[i].user, cases[i].domain,
                     tnd_verdict_name(r.verdict));
        if (!cases[i].match)
            continue;
        assert_string_equal(start_line(&r.out[0]), text_of("INVITE %s SIP/2.0", cases[i].uri));
        assert_int_equal(r.to_trunk, CARRIER);
        assert_int_equal(header_count(&r.out[0], "Record-Route"), 2);
        run(h, "203.0.113.11:5060", WAN4, make_response(&r.out[0], 180, "c", NULL), &r2);
        assert_forward(r2);
    }
}

// 21.4.5 and 21.4.17: a scheme that is known gets no 416; a number is no place to send it to.
static void rule4_number_without_next_hop(void **state)
{
    (void)state;
    run(h, NARROW_SRC, WAN4, make_request(&(struct request){.uri = "tel:+4930"}), &r);
    assert_answer(r, 404);
    run(h, NARROW_SRC, WAN4,
        make_request(&(struct request){.uri = "tel:1;phone-context=a.example", .via = new_via()}),
        &r);
    assert_answer(r, 404);
    run(h, NARROW_SRC, WAN4,
        make_request(&(struct request){.uri = "urn:service:sos", .via = new_via()}), &r);
    assert_answer(r, 416);
    run(h, NARROW_SRC, WAN4, make_request(&(struct request){.uri = "tel:+49x", .via = new_via()}),
        &r);
    assert_answer(r, 400);
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.method = "OPTIONS", .uri = "tel:+4930", .via = new_via()}),
        &r);
    assert_forward(r); // not for us
}

static double route_ns(const struct tnd_sip_msg *m, uint32_t rules)
{
    struct timespec from, to;
    double least = 1e9, ns;

    h->policy.n_rules = rules;
    for (int round = 0; round < 101; round++) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        assert_null(tnd_policy_route(&h->policy, PBX, m, TND_METHOD_INVITE));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
        least = ns < least ? ns : least;
    }
    return least;
}

// Whoever writes a long Request-URI must not have all of it read again for each rule.
static void rule3_rules_do_not_multiply_a_long_uri(void **state)
{
    static char uri[TND_SIP_MAX / 2] = "sip:+-49@elsewhere.example";
    static struct tnd_sip_msg m;

    (void)state;
    while (strlen(uri) < sizeof uri - 4)
        strcat(uri, ";a");
    for (int i = 0; i < HARNESS_RULES; i++)
        h->rules[i] = (struct tnd_route_rule){.from = PBX, .user = "x*"};
    const char *text = make_request(&(struct request){.uri = uri});
    assert_int_equal(tnd_sip_parse(text, strlen(text), &m), TND_SIP_ERR_NONE);
    double one = route_ns(&m, 1), all = route_ns(&m, HARNESS_RULES);
    if (all > 4 * one)
        fail_msg("%d rules: %.0f ns, one: %.0f ns", HARNESS_RULES, all, one);
}

// ---- 4: Request-URI -------------------------------------------------------------------------

static void rule4_own_uri_becomes_the_trunks(void **state)
{
    static const struct {
        const char *uri, *want;
    } cases[] = {
        {"sip:+49@198.51.100.1", "sip:+49@sip.carrier.example"},
        {"sip:+49:secret@edge.example:5060", "sip:+49:secret@sip.carrier.example"},
        {"sip:+49@edge.example;user=phone", "sip:+49@sip.carrier.example;user=phone"},
        {"sip:+49@edge.example;transport=tcp;user=phone;lr;maddr=1.2.3.4;x=y",
         "sip:+49@sip.carrier.example;user=phone;x=y"},
        // RFC 3261 19.1.4: an escaped name is the same name, and none may be there twice (19.1.1).
        {"sip:+49@edge.example;%74ransport=tcp;m%61ddr=1.2.3.4;%4Cr;%x=y",
         "sip:+49@sip.carrier.example;%x=y"},
        {"sip:+49;phone-context=a.b;q=1@10.0.0.1",
         "sip:+49;phone-context=a.b;q=1@sip.carrier.example"},
        {"sip:%2B49@edge.example", "sip:%2B49@sip.carrier.example"},
        {"sip:+49@elsewhere.example:5099;transport=tcp",
         "sip:+49@elsewhere.example:5099;transport=tcp"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(h, PBX_SRC, LAN4,
            make_request(&(struct request){.uri = cases[i].uri, .via = new_via()}), &r);
        assert_forward(r);
        assert_string_equal(start_line(&r.out[0]), text_of("INVITE %s SIP/2.0", cases[i].want));
    }
    harness_trunk_uri(h, CARRIER, "sips:[2001:db8::7]:5099;transport=udp");
    run(h, PBX_SRC, LAN4,
        make_request(
            &(struct request){.uri = "sip:+49@edge.example;transport=tls", .via = new_via()}),
        &r);
    assert_string_equal(start_line(&r.out[0]),
                        "INVITE sips:+49@[2001:db8::7]:5099;transport=udp SIP/2.0");
}

static void rule4_request_uri_route(void **state)
{
    (void)state;
    run(h, NARROW_SRC, WAN4,
        make_request(&(struct request){.uri = "sip:x@198.18.5.6:5099", .via = new_via()}), &r);
    assert_forward(r);
    assert_dst(r.out[0], "198.18.5.6:5099");
    assert_int_equal(r.how, TND_HOW_NUMERIC);
    run(h, NARROW_SRC, WAN4,
        make_request(&(struct request){.uri = "sip:x@edge.example", .via = new_via()}), &r);
    assert_answer(r, 404); // there is nobody but us
    run(h, NARROW_SRC, WAN4,
        make_request(
            &(struct request){.uri = "sip:x@198.18.5.6;maddr=198.18.5.7", .via = new_via()}),
        &r);
    assert_dst(r.out[0], "198.18.5.7:5060");
}

// RFC 3261 16.4: a maddr of ours, with the port and transport it came by, ends here.
static void rule4_own_maddr(void **state)
{
    static const struct {
        const char *uri, *want, *dst;
    } cases[] = {
        // To the Request-URI: where it would go without them.
        {"sip:x@198.18.5.6;maddr=198.51.100.1", "sip:x@198.18.5.6", "198.18.5.6:5060"},
        {"sip:x@198.18.5.6:5060;maddr=192.0.2.10", "sip:x@198.18.5.6:5060", "198.18.5.6:5060"},
        {"sip:x@198.18.5.6:5080;maddr=192.0.2.10;q=1", "sip:x@198.18.5.6;q=1", "198.18.5.6:5060"},
        {"sip:x@198.18.5.6;a;maddr=Edge.Example;b", "sip:x@198.18.5.6;a;b", "198.18.5.6:5060"},
        {"sip:x@198.18.5.6;transport=udp;%6dAddr=10.0.0.1", "sip:x@198.18.5.6;transport=udp",
         "198.18.5.6:5060"},
        {"sip:x@198.18.5.6;maddr=[2001:db8:2::10];z", "sip:x@198.18.5.6;z", "198.18.5.6:5060"},
        // Another's, another port, another transport: its own way, and whole.
        {"sip:x@198.18.5.6;maddr=198.18.5.7", "sip:x@198.18.5.6;maddr=198.18.5.7",
         "198.18.5.7:5060"},
        {"sip:x@198.18.5.6:5099;maddr=198.18.5.7", "sip:x@198.18.5.6:5099;maddr=198.18.5.7",
         "198.18.5.7:5099"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(h, NARROW_SRC, WAN4,
            make_request(&(struct request){.uri = cases[i].uri, .via = new_via()}), &r);
        assert_forward(r);
        assert_string_equal(start_line(&r.out[0]), text_of("INVITE %s SIP/2.0", cases[i].want));
        assert_dst(r.out[0], cases[i].dst);
    }
    // Nobody is left but ourselves.
    run(h, NARROW_SRC, WAN4,
        make_request(
            &(struct request){.uri = "sip:x@edge.example;maddr=198.51.100.1", .via = new_via()}),
        &r);
    assert_answer(r, 404);
    // By the rules to a trunk: not ours, but for its maddr; and ours in both.
    run(h, CARRIER_SRC, WAN4,
        make_request(&(struct request){.uri = "sip:x@other.example:5080;maddr=192.0.2.10;k=v",
                                       .via = new_via()}),
        &r);
    assert_string_equal(start_line(&r.out[0]), "INVITE sip:x@other.example;k=v SIP/2.0");
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.uri = "sip:+49@edge.example:5080;maddr=10.0.0.1:5060;k=v",
                                       .via = new_via()}),
        &r);
    assert_answer(r, 400); // a maddr has no port
    run(h, PBX_SRC, LAN4,
        make_request(
            &(struct request){.uri = "sip:+49@edge.example;maddr=10.0.0.1;k=v", .via = new_via()}),
        &r);
    assert_string_equal(start_line(&r.out[0]), "INVITE sip:+49@sip.carrier.example;k=v SIP/2.0");
    // TLS it did not come by.
    run(h, CARRIER_SRC, WAN4,
        make_request(
            &(struct request){.uri = "sips:x@other.example;maddr=192.0.2.10", .via = new_via()}),
        &r);
    assert_string_equal(start_line(&r.out[0]),
                        "INVITE sips:x@other.example;maddr=192.0.2.10 SIP/2.0");
}

// RFC 3261 16.4: so does a Route that names us by its maddr; not one that leads elsewhere.
static void rule3_route_by_maddr(void **state)
{
    static const struct {
        const char *route;
        unsigned left;
    } cases[] = {
        {"Route: <sip:other.example;maddr=10.0.0.1;lr>\r\n", 0},
        {"Route: <sip:other.example:5060;maddr=edge.example;lr>, <sip:10.0.0.1;lr>\r\n", 0},
        {"Route: <sip:10.0.0.1;maddr=198.18.0.1;lr>\r\n", 1},
        {"Route: <sip:other.example:5061;maddr=10.0.0.1;lr>\r\n", 1},
        {"Route: <sip:other.example;maddr=10.0.0.1;transport=tcp;lr>\r\n", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(h, PBX_SRC, LAN4,
            make_request(&(struct request){.more = cases[i].route, .via = new_via()}), &r);
        assert_forward(r);
        assert_int_equal(r.to_trunk, CARRIER);
        assert_int_equal(header_count(&r.out[0], "Route"), cases[i].left);
    }
}

// A loopback, a network or nobody: no URI leads there, and no zone.
static void rule4_nowhere_to_go(void **state)
{
    static const char *const hosts[] = {
        "127.0.0.1", "127.1.2.3:53", "0.0.0.0",   "224.0.1.75",         "255.255.255.255",
        "[::1]",     "[::]",         "[ff02::1]", "[::ffff:127.0.0.1]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        const char *uri = text_of("sip:x@%s", hosts[i]);
        run(h, NARROW_SRC, WAN4, make_request(&(struct request){.uri = uri, .via = new_via()}), &r);
        assert_answer(r, 500);
        run(h, NARROW_SRC, WAN4,
            make_request(&(struct request){
                .method = "ACK", .to = "<sip:x@y.example>;tag=1", .uri = uri, .via = new_via()}),
            &r);
        assert_drop(r, TND_DROP_EXHAUSTED_ACK);
    }
    harness_set(h, "sip:evil.example|", "0 1 127.0.0.1:5060");
    run(h, NARROW_SRC, WAN4,
        make_request(&(struct request){.uri = "sip:x@evil.example", .via = new_via()}), &r);
    assert_answer(r, 500);
}

// ---- 5: loops -------------------------------------------------------------------------------

// The request that left, as its next hop sends it back: one Via more.
static const char *sent_back(const struct sent *s, int hop, const char *uri)
{
    const char *rest = strstr(s->text, "\r\n") + 2;

    return text_of(
        "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.1:5060;branch=z9hG4bKhop%d\r\n%s", uri,
        hop, rest);
}

static void rule5_second_return_is_a_loop(void **state)
{
    const char *uri = "sip:x@elsewhere.example";

    (void)state;
    run(h, CARRIER_SRC, WAN4,
        make_request(
            &(struct request){.uri = uri, .via = "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKa"}),
        &r);
    assert_forward(r);
    run(h, CARRIER_SRC, WAN4, sent_back(&r.out[0], 1, uri), &r);
    assert_forward(r);
    run(h, CARRIER_SRC, WAN4, sent_back(&r.out[0], 2, uri), &r2);
    assert_answer(r2, 482);
    // With another Request-URI it is a spiral.
    run(h, CARRIER_SRC, WAN4, sent_back(&r.out[0], 3, "sip:y@elsewhere.example"), &r2);
    assert_forward(r2);
}

// Each field that the rule names makes another request of it; what it does not name makes none.
static void rule5_fields(void **state)
{
    static const struct {
        const char *from, *to;
        bool loop;
    } cases[] = {
        {"", "", true},
        {"Subject: a", "Subject: b", true},
        {"Max-Forwards: 68", "Max-Forwards: 9", true},
        {"Route: <sip:p.example;lr>", "Route: <sip:q.example;lr>", false},
        {"tag=alice", "tag=bob", false},
        {"Call-ID: call-1", "Call-ID: call-2", false},
        {"CSeq: 1 ", "CSeq: 2 ", false},
        {"edge.example>\r\n", "edge.example>;tag=t\r\n", false},
        {"Proxy-Authorization: Digest a", "Proxy-Authorization: Digest b", false},
    };
    static const char more[] = "Subject: a\r\nRoute: <sip:p.example;lr>\r\n"
                               "Proxy-Authorization: Digest a\r\n";
    const char *uri = "sip:x@elsewhere.example";

    (void)state;
    run(h, CARRIER_SRC, WAN4, make_request(&(struct request){.uri = uri, .more = more}), &r);
    assert_forward(r);
    run(h, CARRIER_SRC, WAN4, sent_back(&r.out[0], 100, uri), &r);
    assert_forward(r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *again = sent_back(&r.out[0], 101 + (int)i, uri);
        if (*cases[i].from)
            again = replaced(again, cases[i].from, cases[i].to);
        run(h, CARRIER_SRC, WAN4, again, &r2);
        if ((r2.verdict == TND_VERDICT_ANSWER && r2.status == 482) != cases[i].loop)
            fail_msg("%s: %s %d", cases[i].from, tnd_verdict_name(r2.verdict), r2.status);
    }
}

static void rule5_spiral_by_another_trunk(void **state)
{
    const char *uri = "sip:+49@elsewhere.example";

    (void)state;
    run(h, CARRIER_SRC, WAN4, make_request(&(struct request){.uri = uri}), &r);
    assert_dst(r.out[0], "10.0.0.5:5060");
    run(h, PBX_SRC, LAN4, sent_back(&r.out[0], 1, uri), &r);
    assert_forward(r);
    assert_int_equal(r.to_trunk, CARRIER);
}

// In a spiral ACK and CANCEL come with one Via and another To tag, and without the credentials that
// the INVITE had: theirs is its branch all the same, also after a restart.
static void rule5_spiral_keeps_the_branch(void **state)
{
    struct harness *other = harness_new();
    struct request again = {.uri = "sip:+49@elsewhere.example",
                            .more = "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK"
                                    "081122334455667788112233445566700000112233445566\r\n"
                                    "Proxy-Authorization: Digest username=\"a\"\r\n"};

    (void)state;
    again.via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKq";
    run(h, PBX_SRC, LAN4, make_request(&again), &r);
    assert_forward(r);
    assert_has(header(&r.out[0], "Via", 0), ";loop=");
    again.more = strchr(again.more, '\0');
    for (int k = 0; k < 2; k++) {
        again.method = "CANCEL";
        again.to = NULL;
        run(k ? other : h, PBX_SRC, LAN4, make_request(&again), &r2);
        assert_forward(r2);
        assert_string_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
        again.method = "ACK";
        again.to = "<sip:+4930123@edge.example>;tag=callee";
        run(k ? other : h, PBX_SRC, LAN4, make_request(&again), &r2);
        assert_forward(r2);
        assert_string_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
    }
    harness_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rule1_ours),
        CASE(rule2_source_by_prefix_then_port),
        CASE(rule2_nothing_is_answered_to_strangers),
        CASE(rule2_token_admits_in_dialog_only),
        CASE(rule3_in_any_order),
        CASE(rule3_ours_come_off),
        CASE(rule3_ours_come_off_however_many),
        CASE(rule3_foreign_below_ours_stay_and_rules_decide),
        CASE(rule3_middle_of_ours_stays),
        CASE(rule3_no_open_relay),
        CASE(rule3_cancel_and_ack_match_as_invite),
        CASE(rule3_user_and_domain_patterns),
        CASE(rule3_numbers),
        CASE(rule4_number_without_next_hop),
        CASE(rule3_rules_do_not_multiply_a_long_uri),
        CASE(rule4_own_uri_becomes_the_trunks),
        CASE(rule4_request_uri_route),
        CASE(rule4_own_maddr),
        CASE(rule4_nowhere_to_go),
        CASE(rule3_route_by_maddr),
        CASE(rule5_second_return_is_a_loop),
        CASE(rule5_fields),
        CASE(rule5_spiral_by_another_trunk),
        CASE(rule5_spiral_keeps_the_branch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
