// Rules 8 and 9: dialogs that live in their Record-Route, and strict routers.
#include "unit/rules.h"

#include <stdio.h>

#include "util/isa.h"

// A call that has been set up: who went where, and the Routes of both sides.
struct call {
    const char *caller_src, *call_id;
    uint16_t caller_listener;
    struct tnd_addr target;
    const char *to_callee; // Route header for requests of the caller
    const char *to_caller; // .. of the callee
};

static struct call set_up(const char *src, uint16_t listener, const char *call_id)
{
    static unsigned n;
    struct call c = {src, call_id, listener, {{0}, 0, 0, 0}, "", ""};
    unsigned count;

    run(h, src, listener,
        make_request(
            &(struct request){.call_id = call_id,
                              .via = text_of("SIP/2.0/UDP 9.9.9.9;branch=z9hG4bKc%u;rport", n++)}),
        &r);
    assert_forward(r);
    c.target = r.out[0].dst;
    count = header_count(&r.out[0], "Record-Route");
    for (unsigned k = 0; k < count; k++) {
        const char *route = route_to(header(&r.out[0], "Record-Route", k));
        c.to_caller = text_of("%s%s", c.to_caller, route);
        c.to_callee = text_of("%s%s", route, c.to_callee);
    }
    return c;
}

// In-dialog, from the caller.
static void from_caller(const struct call *c, const char *method, const char *uri)
{
    static unsigned n;

    run(h, c->caller_src, c->caller_listener,
        make_request(
            &(struct request){.method = method,
                              .uri = uri,
                              .call_id = c->call_id,
                              .to = "<sip:+4930123@edge.example>;tag=callee",
                              .cseq = 2,
                              .more = c->to_callee,
                              .via = text_of("SIP/2.0/UDP 9.9.9.9;branch=z9hG4bKd%u", n++)}),
        &r);
}

static void from_callee(const struct call *c, const char *src, uint16_t listener,
                        const char *method, const char *uri)
{
    static unsigned n;

    run(h, src, listener,
        make_request(
            &(struct request){.method = method,
                              .uri = uri,
                              .call_id = c->call_id,
                              .from = "<sip:+4930123@edge.example>;tag=callee",
                              .to = "<sip:alice@pbx.example>;tag=alice",
                              .cseq = 7,
                              .more = c->to_caller,
                              .via = text_of("SIP/2.0/UDP 8.8.8.8;branch=z9hG4bKe%u", n++)}),
        &r);
}

// ---- 8: the token -----------------------------------------------------------------------------

static void rule8_record_route_by_method(void **state)
{
    static const struct {
        const char *method;
        unsigned pbx, access, narrow; // how many Record-Routes: auto, always, never
    } cases[] = {
        {"INVITE", 2, 1, 0},  {"SUBSCRIBE", 2, 1, 0}, {"REFER", 2, 1, 0}, {"NOTIFY", 2, 1, 0},
        {"MESSAGE", 0, 1, 0}, {"PUBLISH", 0, 1, 0},   {"INFO", 0, 1, 0},  {"REGISTER", 0, 0, 0},
        {"CANCEL", 0, 0, 0},  {"ACK", 0, 0, 0},       {"FOO", 0, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *m = cases[i].method;
        run(h, PBX_SRC, LAN4, make_request(&(struct request){.method = m}), &r);
        assert_int_equal(header_count(&r.out[0], "Record-Route"), cases[i].pbx);
        run(h, ACCESS_SRC, WAN4, make_request(&(struct request){.method = m}), &r);
        assert_int_equal(header_count(&r.out[0], "Record-Route"), cases[i].access);
        run(h, NARROW_SRC, WAN4,
            make_request(&(struct request){.method = m, .uri = "sip:x@198.18.0.1"}), &r);
        assert_int_equal(header_count(&r.out[0], "Record-Route"), cases[i].narrow);
    }
    // In-dialog past us: not now either.
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.to = "<sip:+49@x.example>;tag=z",
                                       .via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKpast"}),
        &r);
    assert_forward(r);
    assert_int_equal(header_count(&r.out[0], "Record-Route"), 0);
}

static void rule8_record_route_on_top(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.more = "Record-Route: <sip:p.example;lr>\r\n"}), &r);
    assert_int_equal(header_count(&r.out[0], "Record-Route"), 3);
    assert_string_equal(header(&r.out[0], "Record-Route", 2), "<sip:p.example;lr>");
    assert_has(header(&r.out[0], "Record-Route", 0), "@198.51.100.1:5060;lr>");
    assert_has(header(&r.out[0], "Record-Route", 1), "@10.0.0.1:5060;lr>");
}

static void rule8_callee_keeps_its_target(void **state)
{
    struct call calls[24];
    unsigned moved = 0;

    (void)state;
    for (unsigned i = 0; i < 24; i++)
        calls[i] = set_up(PBX_SRC, LAN4, text_of("keep-%u", i));
    // Weights turned round, one drained, and the caller's next hop is the name itself.
    harness_set(h, "sip:sip.carrier.example|",
                "0 0 203.0.113.11:5060, 0 0 203.0.113.12:5060 drained, 0 1 203.0.113.13:5060, "
                "0 65535 203.0.113.99:5060");
    for (unsigned i = 0; i < 24; i++) {
        from_caller(&calls[i], "BYE", "sip:x@sip.carrier.example");
        assert_forward(r);
        assert_true(tnd_addr_eq(&r.out[0].dst, &calls[i].target));
        assert_int_equal(r.how, TND_HOW_TOKEN);
        assert_int_equal(header_count(&r.out[0], "Route"), 0);
        assert_string_equal(start_line(&r.out[0]), "BYE sip:x@sip.carrier.example SIP/2.0");
    }
    // A target that is gone from the set cannot be gone to: drawn anew.
    harness_set(h, "sip:sip.carrier.example|", "0 1 203.0.113.99:5060");
    for (unsigned i = 0; i < 24; i++) {
        from_caller(&calls[i], "BYE", "sip:x@sip.carrier.example");
        assert_dst(r.out[0], "203.0.113.99:5060");
        moved += r.how == TND_HOW_DRAW;
    }
    assert_int_equal(moved, 24);
    // Nothing left at all.
    harness_set(h, "sip:sip.carrier.example|", "");
    from_caller(&calls[0], "BYE", "sip:x@sip.carrier.example");
    assert_answer(r, 503); // the PBX's choice
    from_caller(&calls[0], "ACK", "sip:x@sip.carrier.example");
    assert_drop(r, TND_DROP_EXHAUSTED_ACK);
}

static void rule8_numeric_contacts_both_ways(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "both-ways");

    (void)state;
    from_caller(&c, "ACK", "sip:bob@203.0.113.50:5090");
    assert_forward(r);
    assert_dst(r.out[0], "203.0.113.50:5090");
    assert_int_equal(r.how, TND_HOW_NUMERIC);
    from_callee(&c, "203.0.113.50:5090", WAN4, "BYE", "sip:alice@10.0.0.5:5060");
    assert_forward(r);
    assert_dst(r.out[0], "10.0.0.5:5060");
    assert_int_equal(r.to_trunk, PBX);
    assert_int_equal(header_count(&r.out[0], "Route"), 0);
}

static void rule8_foreign_routes_are_followed(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "foreign-routes");

    (void)state;
    c.to_callee = text_of("%sRoute: <sip:203.0.113.60:5070;lr>\r\n", c.to_callee);
    from_caller(&c, "BYE", "sip:bob@192.168.1.1");
    assert_dst(r.out[0], "203.0.113.60:5070");
    assert_string_equal(header(&r.out[0], "Route", 0), "<sip:203.0.113.60:5070;lr>");
    c.to_callee = text_of("%sRoute: <sips:bob@secure.example;lr>\r\n",
                          set_up(PBX_SRC, LAN4, "fr2").to_callee);
    c.call_id = "fr2";
    from_caller(&c, "BYE", "sip:bob@192.168.1.1");
    assert_parked(r); // a name nobody has asked for yet
    assert_string_equal(h->want, "sips:secure.example|");
}

// The ACK of a 2xx waits for a name like the BYE behind it, which must not overtake it.
static void rule16_ack_of_a_dialog_waits(void **state)
{
    static struct reply due[TND_BURST];
    struct call c = set_up(PBX_SRC, LAN4, "ack-waits");

    (void)state;
    c.to_callee = text_of("%sRoute: <sip:farm.example;lr>\r\n", c.to_callee);
    from_caller(&c, "ACK", "sip:bob@192.168.1.1");
    assert_parked(r);
    assert_string_equal(h->want, "sip:farm.example|");
    from_caller(&c, "BYE", "sip:bob@192.168.1.1");
    assert_parked(r);
    harness_set(h, "sip:farm.example|", "0 1 203.0.113.21:5060");
    assert_int_equal(run_due(h, due, TND_BURST), 2);
    assert_string_equal(start_line(&due[0].out[0]), "ACK sip:bob@192.168.1.1 SIP/2.0");
    assert_string_equal(start_line(&due[1].out[0]), "BYE sip:bob@192.168.1.1 SIP/2.0");
    for (unsigned i = 0; i < 2; i++)
        assert_dst(due[i].out[0], "203.0.113.21:5060");
}

static void rule8_nat(void **state)
{
    static const struct {
        enum tnd_nat nat;
        const char *contact, *want;
    } cases[] = {
        // The caller sent from 100.64.1.9:40001.
        {TND_NAT_AUTO, "192.168.1.2:5060", "100.64.1.9:40001"},
        {TND_NAT_AUTO, "10.20.30.40:5060", "100.64.1.9:40001"},
        {TND_NAT_AUTO, "172.31.0.1:5060", "100.64.1.9:40001"},
        {TND_NAT_AUTO, "172.32.0.1:5060", "172.32.0.1:5060"},
        {TND_NAT_AUTO, "[fd00::1]:5060", "100.64.1.9:40001"},
        {TND_NAT_AUTO, "[2001:db8::1]:5060", "[2001:db8::1]:5060"},
        {TND_NAT_AUTO, "203.0.113.77:5060", "203.0.113.77:5060"},
        {TND_NAT_AUTO, "100.64.1.9:5070", "100.64.1.9:5070"}, // private, but no NAT between
        {TND_NAT_YES, "203.0.113.77:5060", "100.64.1.9:40001"},
        {TND_NAT_YES, "192.168.1.2:5060", "100.64.1.9:40001"},
        {TND_NAT_NO, "192.168.1.2:5060", "192.168.1.2:5060"},
    };
    struct call c = set_up(ACCESS_SRC, ALT4, "nat");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        h->trunks[ACCESS].nat = (uint8_t)cases[i].nat;
        from_callee(&c, CARRIER_SRC, WAN4, "BYE", text_of("sip:alice@%s", cases[i].contact));
        assert_forward(r);
        assert_dst(r.out[0], cases[i].want);
        if (r.how == TND_HOW_FLOW) // out of the very socket that NAT knows
            assert_int_equal(r.out[0].listener, ALT4);
        assert_string_equal(start_line(&r.out[0]),
                            text_of("BYE sip:alice@%s SIP/2.0", cases[i].contact));
    }
    h->trunks[ACCESS].nat = TND_NAT_YES;
    // Towards the callee it means nothing.
    from_caller(&c, "BYE", "sip:bob@192.168.7.7");
    assert_dst(r.out[0], "192.168.7.7:5060");
    // Nor while another proxy of the caller's stands between.
    c.to_caller = text_of("%sRoute: <sip:100.64.2.2;lr>\r\n", c.to_caller);
    from_callee(&c, CARRIER_SRC, WAN4, "BYE", "sip:alice@192.168.1.2");
    assert_dst(r.out[0], "100.64.2.2:5060");
}

// What went by the flow is repeated by the flow, from the same socket.
static void rule8_flow_retransmission(void **state)
{
    struct call c = set_up(ACCESS_SRC, ALT4, "nat-again");
    struct request again = {.method = "INVITE",
                            .uri = "sip:alice@192.168.1.2",
                            .call_id = "nat-again",
                            .from = "<sip:+4930123@edge.example>;tag=callee",
                            .to = "<sip:alice@pbx.example>;tag=alice",
                            .more = c.to_caller,
                            .via = "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKre"};

    (void)state;
    run(h, CARRIER_SRC, WAN4, make_request(&again), &r);
    assert_int_equal(r.how, TND_HOW_FLOW);
    run(h, CARRIER_SRC, WAN4, make_request(&again), &r2);
    assert_int_equal(r2.how, TND_HOW_MEMORY);
    assert_string_equal(r.out[0].text, r2.out[0].text);
    assert_int_equal(r2.out[0].listener, ALT4);
    again.method = "CANCEL";
    run(h, CARRIER_SRC, WAN4, make_request(&again), &r2);
    assert_dst(r2.out[0], "100.64.1.9:40001");
    assert_string_equal(header(&r2.out[0], "Via", 0), header(&r.out[0], "Via", 0));
}

// A call that passes here twice, with nobody in between who record-routes.
static void rule8_spiral_last_token_counts(void **state)
{
    (void)state;
    run(h, ACCESS_SRC, WAN4, make_request(&(struct request){.call_id = "twice"}), &r);
    const char *first = route_to(header(&r.out[0], "Record-Route", 0));
    run(h, PBX_SRC, LAN4,
        make_request(&(struct request){.call_id = "twice",
                                       .via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKtwice"}),
        &r);
    const char *second = route_to(header(&r.out[0], "Record-Route", 0));
    run(h, CARRIER_SRC, WAN4,
        make_request(&(struct request){.method = "BYE",
                                       .uri = "sip:alice@192.168.1.2",
                                       .call_id = "twice",
                                       .from = "<sip:x@y.example>;tag=callee",
                                       .to = "<sip:alice@pbx.example>;tag=alice",
                                       .via = "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKbye",
                                       .more = text_of("%s%s", second, first)}),
        &r);
    assert_dst(r.out[0], "100.64.1.9:40001"); // not the PBX's flow, which was the second pass's
}

// ---- 6, 7: whose request it is ------------------------------------------------------------

// The same datagram from an address that is a trunk's, then nobody's, and the other way round;
// with the memory, and as after a restart.
static void same_from_source_and_stranger(const char *src, uint16_t listener, const char *text)
{
    struct tnd_lpm *sources = h->policy.sources;
    struct harness *other = harness_new();

    run(h, src, listener, text, &r);
    assert_forward(r);
    h->policy.sources = NULL;
    run(h, src, listener, text, &r2);
    h->policy.sources = sources;
    assert_forward(r2);
    assert_int_equal(r2.how, TND_HOW_MEMORY);
    assert_string_equal(r2.out[0].text, r.out[0].text);
    sources = other->policy.sources;
    other->policy.sources = NULL;
    run(other, src, listener, text, &r2);
    other->policy.sources = sources;
    assert_forward(r2);
    assert_string_equal(r2.out[0].text, r.out[0].text);
    run(other, src, listener, text, &r2);
    assert_int_equal(r2.how, TND_HOW_MEMORY);
    assert_string_equal(r2.out[0].text, r.out[0].text);
    harness_free(other);
}

static const char *in_dialog(const char *method, const char *call_id, bool from_caller,
                             const char *uri, const char *routes)
{
    return make_request(
        &(struct request){.method = method,
                          .uri = uri,
                          .call_id = call_id,
                          .from = from_caller ? NULL : "<sip:+4930123@edge.example>;tag=callee",
                          .to = from_caller ? "<sip:+4930123@edge.example>;tag=callee"
                                            : "<sip:alice@pbx.example>;tag=alice",
                          .cseq = 9,
                          .via = "SIP/2.0/UDP 9.9.9.9;branch=z9hG4bKonce",
                          .more = routes});
}

static void rule6_a_side_is_the_same_from_wherever(void **state)
{
    static const char *const methods[] = {"MESSAGE", "INVITE", "BYE"};
    struct call c = set_up(PBX_SRC, LAN4, "sides");

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        same_from_source_and_stranger(
            CARRIER_SRC, WAN4,
            in_dialog(methods[i], c.call_id, false, "sip:alice@10.0.0.7:5062", c.to_caller));
        same_from_source_and_stranger(
            PBX_SRC, LAN4,
            in_dialog(methods[i], c.call_id, true, "sip:bob@203.0.113.50", c.to_callee));
    }
}

// .. and the memory knows an answer to it.
static void rule6_a_side_hears_its_answer(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "hears");
    const char *invite = in_dialog("INVITE", c.call_id, true, "sip:bob@203.0.113.50", c.to_callee);
    struct tnd_lpm *sources = h->policy.sources;

    (void)state;
    run(h, PBX_SRC, LAN4, invite, &r);
    h->policy.sources = NULL;
    run(h, "203.0.113.50:5060", WAN4, make_response(&r.out[0], 180, NULL, NULL), &r2);
    assert_forward(r2);
    h->now_ms += 60000; // it rings, so it is remembered
    run(h, PBX_SRC, LAN4, replaced(replaced(invite, "INVITE", "CANCEL"), "INVITE", "CANCEL"), &r2);
    h->policy.sources = sources;
    assert_int_equal(r2.how, TND_HOW_MEMORY);
    assert_string_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
}

// A call that passes here twice, with nobody in between who record-routes: the side that speaks
// is the first token's, and its trunk says what a 503 becomes (rule 11).
static void rule6_spiral_first_token_speaks(void **state)
{
    const char *first, *second;

    (void)state;
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.call_id = "twice"}), &r);
    first = route_to(header(&r.out[0], "Record-Route", 0));
    run(h, ACCESS_SRC, WAN4,
        make_request(&(struct request){.call_id = "twice",
                                       .via = "SIP/2.0/UDP 100.64.1.9;branch=z9hG4bKtwice"}),
        &r);
    second = route_to(header(&r.out[0], "Record-Route", 0));
    run(h, PBX_SRC, LAN4,
        in_dialog("INFO", "twice", true, "sip:bob@203.0.113.50", text_of("%s%s", first, second)),
        &r);
    run(h, "203.0.113.50:5060", WAN4, make_response(&r.out[0], 503, NULL, NULL), &r2);
    assert_int_equal(r2.trunk, PBX);
    assert_string_equal(start_line(&r2.out[0]), "SIP/2.0 503 Status");
    // Where a strict router has put the first one into the Request-URI.
    run(h, PBX_SRC, LAN4,
        in_dialog("INFO", "twice", true, uri_in(first),
                  text_of("%sRoute: <sip:bob@203.0.113.50>\r\n", second)),
        &r);
    assert_string_equal(start_line(&r.out[0]), "INFO sip:bob@203.0.113.50 SIP/2.0");
    run(h, "203.0.113.50:5060", WAN4, make_response(&r.out[0], 503, NULL, NULL), &r2);
    assert_int_equal(r2.trunk, PBX);
}

// The callee of `to: request-uri` has no trunk in the token: its address tells.
static void rule11_side_without_a_trunk(void **state)
{
    struct call c;

    (void)state;
    h->rules[4].to = TND_ROUTE_REQUEST_URI; // of ACCESS
    run(h, ACCESS_SRC, WAN4,
        make_request(&(struct request){.call_id = "direct", .uri = "sip:bob@10.0.0.5"}), &r);
    assert_dst(r.out[0], PBX_SRC);
    c.to_caller = text_of("%s%s", route_to(header(&r.out[0], "Record-Route", 0)),
                          route_to(header(&r.out[0], "Record-Route", 1)));
    run(h, PBX_SRC, LAN4, in_dialog("INFO", "direct", false, "sip:alice@192.168.1.2", c.to_caller),
        &r);
    assert_forward(r);
    run(h, ACCESS_SRC, WAN4, make_response(&r.out[0], 503, NULL, NULL), &r2);
    assert_string_equal(start_line(&r2.out[0]), "SIP/2.0 503 Status");
}

// The token of one call opens no other: with its own, a callee cannot end what waits for the
// same trunk under a branch that it has guessed.
static void rule7_a_token_is_of_one_call(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "mine");

    (void)state;
    harness_forget(h, CARRIER_NAME);
    run(h, PBX_SRC, LAN4,
        make_request(
            &(struct request){.call_id = "yours", .via = "SIP/2.0/UDP 9.9.9.9;branch=z9hG4bKonce"}),
        &r);
    assert_parked(r);
    run(h, CARRIER_SRC, WAN4,
        in_dialog("CANCEL", c.call_id, true, "sip:x@sip.carrier.example", c.to_callee), &r);
    assert_answer(r, 481);
    assert_int_equal(r.n, 1);
}

// Rule 8: the callee's target is for who calls the callee.
static void rule8_callee_is_not_sent_to_itself(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "itself");

    (void)state;
    h->rules[5].trunk = CARRIER; // the callee's requests too, where the Request-URI is ours
    harness_set(h, CARRIER_NAME,
                "0 0 203.0.113.11:5060, 0 0 203.0.113.12:5060, 0 0 203.0.113.13:5060, "
                "0 1 203.0.113.99:5060");
    from_callee(&c, CARRIER_SRC, WAN4, "INFO", "sip:alice@edge.example");
    assert_dst(r.out[0], "203.0.113.99:5060");
}

static void rule8_spoofed_tokens(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "spoofed");
    const char *good = c.to_callee, *token = strstr(good, "sip:") + 4;

    (void)state;
    for (unsigned i = 0; token[i] != '@'; i++) {
        char bad[1024];
        snprintf(bad, sizeof bad, "%s", good);
        char *digit = bad + (token - good) + i;
        *digit = *digit == 'A' ? 'B' : 'A';
        c.to_callee = text_of("%.*s", (int)(strstr(bad, "\r\n") - bad) + 2, bad);
        from_caller(&c, "BYE", "sip:victim@198.18.0.1");
        if (r.verdict == TND_VERDICT_FORWARD) // no token by its form: the rules decide
            assert_int_equal(r.how, TND_HOW_DRAW);
        else if (r.status != 404)
            assert_answer(r, 403);
    }
}

static const char *inside(const struct call *c, bool by_caller, unsigned i)
{
    static const char *const tags[] = {"<sip:+4930123@edge.example>;tag=callee",
                                       "<sip:alice@pbx.example>;tag=alice"};

    return make_request(&(struct request){
        .method = i % 4 ? "INFO" : "BYE",
        .uri = by_caller ? "sip:x@sip.carrier.example" : "sip:alice@10.0.0.5:5060",
        .call_id = c->call_id,
        .from = tags[by_caller],
        .to = tags[!by_caller],
        .cseq = 3 + i,
        .more = by_caller ? c->to_callee : c->to_caller,
        .via = text_of("SIP/2.0/UDP 9.9.9.9;branch=z9hG4bKin%s%u", c->call_id, i)});
}

// Requests of dialogs both ways, each with both tokens of a pair, more than are judged at once;
// every fifth token is not its call's. Alone by the scalar kernel, and then as a burst by each: it
// is remembered what was said of each alone, so the same side spoke. Then their answers.
static void rule8_burst_as_alone(void **state)
{
    static struct reply alone[TND_BURST], burst[TND_BURST], answers[TND_BURST];
    static char text[TND_BURST][1024];
    enum tnd_isa before = tnd_isa_active();
    struct datagram in[TND_BURST], back[TND_BURST];
    struct tnd_addr pbx = addr_of(PBX_SRC);
    struct call calls[TND_BURST];

    (void)state;
    harness_set(h, "sip:sip.carrier.example|",
                "0 1 203.0.113.11:5060, 0 1 203.0.113.12:5060, 0 1 203.0.113.13:5060");
    assert_true(tnd_isa_select("scalar"));
    for (unsigned i = 0; i < TND_BURST; i++) {
        bool by_caller = i % 3 != 0;
        calls[i] = set_up(PBX_SRC, LAN4, text_of("burst-%u", i));
        if (i % 5 == 4) {
            calls[i].to_callee = calls[i - 1].to_callee;
            calls[i].to_caller = calls[i - 1].to_caller;
        }
        const char *made = inside(&calls[i], by_caller, i);
        memcpy(text[i], made, strlen(made) + 1); // it is lent, for so many messages
        in[i] = (struct datagram){addr_of(by_caller ? PBX_SRC : CARRIER_SRC),
                                  by_caller ? LAN4 : WAN4, text[i], strlen(made)};
        run_octets(h, &in[i], &alone[i]);
        if (i % 5 == 4)
            assert_answer(alone[i], 403);
        else
            assert_true(
                tnd_addr_same_ip(&alone[i].out[0].dst, by_caller ? &calls[i].target : &pbx));
    }
    for (enum tnd_isa isa = TND_ISA_SCALAR; isa < TND_ISA_COUNT; isa++) {
        if (!tnd_isa_select(tnd_isa_name(isa)))
            continue;
        run_burst(h, in, TND_BURST, burst);
        for (unsigned i = 0; i < TND_BURST; i++) {
            assert_int_equal(burst[i].verdict, alone[i].verdict);
            assert_int_equal(burst[i].how, i % 5 == 4 ? TND_HOW_NONE : TND_HOW_MEMORY);
            assert_int_equal(burst[i].out[0].len, alone[i].out[0].len);
            assert_memory_equal(burst[i].out[0].text, alone[i].out[0].text, alone[i].out[0].len);
            const char *answer = make_response(&burst[i].out[0], 183, "x", NULL);
            if (i % 7 == 2 && i % 5 != 4)
                answer = replaced(answer, "z9hG4bKin", "z9hG4bKon");
            back[i] = (struct datagram){addr_of(CARRIER_SRC), WAN4, answer, strlen(answer)};
        }
        run_burst(h, back, TND_BURST, answers);
        for (unsigned i = 0; i < TND_BURST; i++)
            if (i % 5 == 4) // ours, not a target's
                assert_drop(answers[i], TND_DROP_STRAY_RESPONSE);
            else if (i % 7 == 2)
                assert_drop(answers[i], TND_DROP_BAD_BRANCH);
            else
                assert_true(answers[i].verdict == TND_VERDICT_FORWARD &&
                            tnd_addr_same_ip(&answers[i].out[0].dst, &in[i].src));
    }
    assert_true(tnd_isa_select(tnd_isa_name(before)));
}

// ---- 9: two listeners ---------------------------------------------------------------------------

static void rule9_pairs(void **state)
{
    struct call c = set_up(SIX_SRC, WAN6, "six-to-four");

    (void)state;
    assert_has(c.to_callee, "@[2001:db8:2::10]:5060;lr>\r\nRoute: <sip:");
    assert_has(c.to_caller, "@198.51.100.1:5060;lr>\r\nRoute: <sip:");
    from_callee(&c, CARRIER_SRC, WAN4, "BYE", "sip:alice@[2001:db8:6::5]:5070");
    assert_forward(r);
    assert_dst(r.out[0], "[2001:db8:6::5]:5070");
    assert_int_equal(r.out[0].listener, WAN6);
    assert_int_equal(header_count(&r.out[0], "Route"), 0);
    from_caller(&c, "BYE", "sip:bob@203.0.113.9");
    assert_dst(r.out[0], "203.0.113.9:5060");
    assert_int_equal(r.out[0].listener, WAN4);
    assert_int_equal(header_count(&r.out[0], "Route"), 0);
    // One listener on both sides: one Record-Route.
    run(h, "203.0.113.1:5060", WAN4,
        make_request(&(struct request){.uri = "sip:x@198.51.100.1", .call_id = "one"}), &r);
    assert_int_equal(header_count(&r.out[0], "Record-Route"), 2); // to the PBX: two interfaces
    run(h, ACCESS_SRC, WAN4, make_request(&(struct request){.call_id = "two"}), &r);
    assert_int_equal(header_count(&r.out[0], "Record-Route"), 1);
    run(h, ACCESS_SRC, ALT4, make_request(&(struct request){.call_id = "three"}), &r);
    assert_int_equal(r.out[0].listener, ALT4);
    assert_int_equal(header_count(&r.out[0], "Record-Route"), 1);
}

// ---- strict routers (RFC 3261 16.4, 16.6 step 6) ----------------------------------------------

static const char *own_uri(const struct call *c, unsigned skip)
{
    const char *p = c->to_callee;

    while (skip--)
        p = strstr(p, "\r\n") + 2;
    return uri_in(p);
}

static void strict_before_us(void **state)
{
    struct call c = set_up(ACCESS_SRC, WAN4, "strict-in");
    const char *us = own_uri(&c, 0);

    (void)state;
    c.to_callee = "Route: <sip:bob@203.0.113.9:5070>\r\n";
    from_caller(&c, "BYE", us);
    assert_forward(r);
    assert_dst(r.out[0], "203.0.113.9:5070");
    assert_string_equal(start_line(&r.out[0]), "BYE sip:bob@203.0.113.9:5070 SIP/2.0");
    assert_int_equal(header_count(&r.out[0], "Route"), 0);
    c.to_callee = "Route: <sip:203.0.113.8;lr>,\r\n <sip:bob@203.0.113.9:5070>\r\n";
    from_caller(&c, "BYE", us);
    assert_dst(r.out[0], "203.0.113.8:5060");
    assert_string_equal(start_line(&r.out[0]), "BYE sip:bob@203.0.113.9:5070 SIP/2.0");
    assert_string_equal(header(&r.out[0], "Route", 0), "<sip:203.0.113.8;lr>");
    // A strict router on either side of us.
    c.to_callee = "Route: <sip:203.0.113.8>\r\nRoute: <sip:bob@203.0.113.9:5070>\r\n";
    from_caller(&c, "BYE", us);
    assert_dst(r.out[0], "203.0.113.8:5060");
    assert_string_equal(start_line(&r.out[0]), "BYE sip:203.0.113.8 SIP/2.0");
    assert_int_equal(header_count(&r.out[0], "Route"), 1);
    assert_string_equal(header(&r.out[0], "Route", 0), "<sip:bob@203.0.113.9:5070>");
}

// What a strict router may have made of our URI, and what it hands on.
static void strict_forms(void **state)
{
    struct call c = set_up(ACCESS_SRC, WAN4, "strict-forms");
    const char *us = own_uri(&c, 0);
    const char *const forms[] = {us, replaced(us, ";lr", ""), replaced(us, ";lr", ";lr=true"),
                                 replaced(us, ";lr", ";LR;x=y"),
                                 replaced(us, "@198.51.100.1:5060", "@198.51.100.1")};

    (void)state;
    c.to_callee = "Route: \"Bob, <b>\" <sip:bob@203.0.113.9:5070>;p=1\r\n";
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        from_caller(&c, "BYE", forms[i]);
        assert_forward(r);
        assert_dst(r.out[0], "203.0.113.9:5070");
        assert_string_equal(start_line(&r.out[0]), "BYE sip:bob@203.0.113.9:5070 SIP/2.0");
        assert_int_equal(header_count(&r.out[0], "Route"), 0);
    }
    // One value a line, and the last of them is not the next hop.
    c.to_callee = "Route: <sip:203.0.113.8;lr>\r\nX: 1\r\nRoute: <sip:203.0.113.7;lr>\r\n"
                  "Route: <sip:a?b@203.0.113.9>\r\n";
    from_caller(&c, "BYE", us);
    assert_dst(r.out[0], "203.0.113.8:5060");
    assert_string_equal(start_line(&r.out[0]), "BYE sip:a?b@203.0.113.9 SIP/2.0");
    assert_int_equal(header_count(&r.out[0], "Route"), 2);
    c.to_callee = "Route: <sip:203.0.113.8;lr>, <tel:+49-30>\r\n";
    from_caller(&c, "BYE", us);
    assert_string_equal(start_line(&r.out[0]), "BYE tel:+49-30 SIP/2.0");
    c.to_callee = "Route: <sip:203.0.113.8;lr>\r\nRoute: <sip:a?b@203.0.113.9>\r\n";
    // Repeated, cancelled and acknowledged the same way (rule 14).
    struct request again = {.uri = us,
                            .call_id = c.call_id,
                            .to = "<sip:+4930123@edge.example>;tag=callee",
                            .more = c.to_callee,
                            .via = "SIP/2.0/UDP 100.64.1.9;branch=z9hG4bKstrict"};
    run(h, c.caller_src, WAN4, make_request(&again), &r);
    for (int i = 0; i < 3; i++) {
        again.method = ((const char *[]){"INVITE", "CANCEL", "ACK"})[i];
        run(h, c.caller_src, WAN4, make_request(&again), &r2);
        assert_forward(r2);
        assert_true(tnd_addr_eq(&r2.out[0].dst, &r.out[0].dst));
        assert_string_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
        assert_string_equal(start_line(&r2.out[0]),
                            text_of("%s sip:a?b@203.0.113.9 SIP/2.0", again.method));
    }
}

static void strict_before_a_pair(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "strict-pair");
    const char *us = own_uri(&c, 0), *second = own_uri(&c, 1);

    (void)state;
    c.to_callee = text_of("Route: <%s>, <sip:bob@203.0.113.9:5070>\r\n", second);
    from_caller(&c, "BYE", us);
    assert_forward(r);
    assert_dst(r.out[0], "203.0.113.9:5070");
    assert_string_equal(start_line(&r.out[0]), "BYE sip:bob@203.0.113.9:5070 SIP/2.0");
    assert_int_equal(header_count(&r.out[0], "Route"), 0);
}

static void strict_behind_us(void **state)
{
    struct call c = set_up(PBX_SRC, LAN4, "strict-out");

    (void)state;
    c.to_callee =
        text_of("%sRoute: <sip:203.0.113.8:5080;x=y>, <sip:203.0.113.7;lr>\r\n", c.to_callee);
    from_caller(&c, "BYE", "sip:bob@203.0.113.9;transport=udp");
    assert_dst(r.out[0], "203.0.113.8:5080");
    assert_string_equal(start_line(&r.out[0]), "BYE sip:203.0.113.8:5080;x=y SIP/2.0");
    assert_string_equal(header(&r.out[0], "Route", 0), "<sip:203.0.113.7;lr>");
    assert_string_equal(header(&r.out[0], "Route", 1), "<sip:bob@203.0.113.9;transport=udp>");
    // Without a token of ours neither end is believed.
    c.to_callee = "Route: <sip:bob@203.0.113.9:5070>\r\n";
    from_caller(&c, "BYE", "sip:+49@edge.example;lr");
    assert_forward(r);
    assert_int_equal(r.to_trunk, CARRIER);
    assert_string_equal(start_line(&r.out[0]), "BYE sip:+49@sip.carrier.example SIP/2.0");
}

// 16.4: what a strict router left at the end of Route is the Request-URI, and has to be one.
static void strict_uri_must_be_one(void **state)
{
    struct call c = set_up(ACCESS_SRC, WAN4, "strict-bad");
    const char *us = own_uri(&c, 0);
    static const struct {
        const char *route;
        int status;
    } bad[] = {
        {"<sip:bob@203.0.113.9?Subject=x>", 400}, // 19.1.1: no headers in a Request-URI
        {"<sip:203.0.113.8;lr>, <sip:bob@203.0.113.9?Subject=x>", 400},
        {"<sip:203.0.113.8;lr>, <sip:%@203.0.113.9>", 400},
        {"<sip:203.0.113.8;lr>, <urn:service:sos>", 416},            // 16.3 check 2
        {"<tel:+4930123>", 404},                                     // a number is no next hop
        {"<sip:203.0.113.8?Subject=x>, <sip:bob@203.0.113.9>", 400}, // 16.6 step 6
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c.to_callee = text_of("Route: %s\r\n", bad[i].route);
        from_caller(&c, "BYE", us);
        assert_answer(r, bad[i].status);
        from_caller(&c, "ACK", us);
        assert_drop(r, TND_DROP_ACK_UNROUTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rule8_record_route_by_method),
        CASE(rule8_record_route_on_top),
        CASE(rule8_callee_keeps_its_target),
        CASE(rule8_numeric_contacts_both_ways),
        CASE(rule8_foreign_routes_are_followed),
        CASE(rule16_ack_of_a_dialog_waits),
        CASE(rule8_nat),
        CASE(rule8_flow_retransmission),
        CASE(rule8_spiral_last_token_counts),
        CASE(rule6_a_side_is_the_same_from_wherever),
        CASE(rule6_a_side_hears_its_answer),
        CASE(rule6_spiral_first_token_speaks),
        CASE(rule11_side_without_a_trunk),
        CASE(rule7_a_token_is_of_one_call),
        CASE(rule8_callee_is_not_sent_to_itself),
        CASE(rule8_spoofed_tokens),
        CASE(rule8_burst_as_alone),
        CASE(rule9_pairs),
        CASE(strict_before_us),
        CASE(strict_forms),
        CASE(strict_before_a_pair),
        CASE(strict_behind_us),
        CASE(strict_uri_must_be_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
