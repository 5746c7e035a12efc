// Rules 14 and 16: what is remembered, what waits, and bursts.
#include "unit/rules.h"

#define NEW_NAME "sip:new.example|carrier"

static const char *of(const char *method, const char *branch)
{
    return make_request(&(struct request){
        .method = method,
        .via = text_of("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK%s", branch),
        .call_id = text_of("call-%s", branch),
        .to = strcmp(method, "ACK") == 0 ? "<sip:+4930123@edge.example>;tag=callee" : NULL});
}

static void pbx(const char *text)
{
    run(h, PBX_SRC, LAN4, text, &r);
}

// ---- 14: memory ---------------------------------------------------------------------------------

static void set_without(const struct tnd_addr *gone)
{
    char was[TND_ADDR_TEXT_MAX];

    tnd_addr_text(gone, was);
    harness_set(h, CARRIER_NAME,
                strcmp(was, "203.0.113.11:5060") == 0 ? "0 1 203.0.113.12:5060"
                                                      : "0 1 203.0.113.11:5060");
}

static void drained(const struct tnd_addr *gone)
{
    char was[TND_ADDR_TEXT_MAX];

    tnd_addr_text(gone, was);
    harness_set(h, CARRIER_NAME, text_of("0 1 %s drained, 0 1 203.0.113.99:5060", was));
}

static void nothing_left(const struct tnd_addr *gone)
{
    (void)gone;
    harness_set(h, CARRIER_NAME, "");
}

static void name_gone(const struct tnd_addr *gone)
{
    (void)gone;
    harness_forget(h, CARRIER_NAME);
}

static void rules_gone(const struct tnd_addr *gone)
{
    (void)gone;
    h->policy.n_rules = 0;
}

static void rule_replies(const struct tnd_addr *gone)
{
    (void)gone;
    h->rules[0].to = TND_ROUTE_REPLY;
    h->rules[0].reply = 403;
}

static void other_trunk(const struct tnd_addr *gone)
{
    (void)gone;
    h->rules[0].trunk = SIX;
}

static void rule14_follows_whatever_changed(void **state)
{
    static void (*const changes[])(const struct tnd_addr *) = {
        set_without, drained, nothing_left, name_gone, rules_gone, rule_replies, other_trunk};
    static const char *const methods[] = {"INVITE", "CANCEL", "ACK", "INVITE", "CANCEL"};
    static struct reply first;

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *branch = text_of("m%zu", i);
        run(h, PBX_SRC, LAN4, of("INVITE", branch), &first);
        assert_forward(first);
        changes[i](&first.out[0].dst);
        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++) {
            pbx(of(methods[k], branch));
            assert_forward(r);
            assert_int_equal(r.how, TND_HOW_MEMORY);
            assert_true(tnd_addr_eq(&r.out[0].dst, &first.out[0].dst));
            assert_string_equal(branch_of(&r.out[0]), branch_of(&first.out[0]));
            // RFC 3261 9.1: the same Request-URI too, which a changed rule cannot give.
            assert_string_equal(strchr(start_line(&r.out[0]), ' '),
                                strchr(start_line(&first.out[0]), ' '));
        }
        gone(state);
        fresh(state);
    }
}

static void rule14_other_methods_too(void **state)
{
    (void)state;
    pbx(of("MESSAGE", "msg"));
    struct tnd_addr dst = r.out[0].dst;
    nothing_left(NULL);
    pbx(of("MESSAGE", "msg"));
    assert_true(tnd_addr_eq(&r.out[0].dst, &dst));
    pbx(of("MESSAGE", "other"));
    assert_answer(r, 503);
    // Another trunk's transaction of the same name is another.
    run(h, ACCESS_SRC, WAN4, of("MESSAGE", "msg"), &r);
    assert_answer(r, 500);
}

static void rule14_life(void **state)
{
    (void)state;
    pbx(of("INVITE", "life"));
    static struct reply ring;
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 180, "c", NULL), &ring);
    nothing_left(NULL);
    h->now_ms += 170000; // it rings
    pbx(of("CANCEL", "life"));
    assert_int_equal(r.how, TND_HOW_MEMORY);
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 200, "c", NULL), &r2); // CANCEL's own
    assert_forward(r2);
    pbx(of("INVITE", "life"));
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 487, "c", NULL), &r2);
    assert_forward(r2);
    h->now_ms += 31000;
    pbx(of("ACK", "life"));
    assert_int_equal(r.how, TND_HOW_MEMORY);
    h->now_ms += 2000;
    pbx(of("ACK", "life"));
    assert_drop(r, TND_DROP_EXHAUSTED_ACK);
}

// An RFC 2543 client's ACK of a 2xx has the key of its INVITE, and yet goes end to end.
static void rule14_old_clients_ack(void **state)
{
    struct request q = {.via = "SIP/2.0/UDP 10.0.0.5:5060"};

    (void)state;
    pbx(make_request(&q));
    const char *routes = text_of("%s%s", route_to(header(&r.out[0], "Record-Route", 1)),
                                 route_to(header(&r.out[0], "Record-Route", 0)));
    run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 200, "callee", NULL), &r2);
    assert_forward(r2);
    q = (struct request){.method = "ACK",
                         .via = q.via,
                         .to = "<sip:x@y.example>;tag=callee",
                         .uri = "sip:bob@203.0.113.200:5099",
                         .more = routes};
    pbx(make_request(&q));
    assert_dst(r.out[0], "203.0.113.200:5099");
}

static void rule14_answers_are_kept(void **state)
{
    (void)state;
    nothing_left(NULL);
    pbx(of("INVITE", "kept"));
    assert_answer(r, 503);
    const char *tag = tag_of(header(&r.out[0], "To", 0));
    harness_set(h, CARRIER_NAME, "0 1 203.0.113.11:5060");
    pbx(of("INVITE", "kept")); // no second life after its final answer
    assert_answer(r, 503);
    assert_string_equal(tag, tag_of(header(&r.out[0], "To", 0)));
    pbx(of("CANCEL", "kept"));
    assert_answer(r, 200);
    pbx(of("ACK", "kept"));
    assert_absorbed(r);
    h->now_ms += 33000; // repeating it does not keep it alive
    pbx(of("INVITE", "kept"));
    assert_forward(r);
}

static void rule14_family_gone(void **state)
{
    (void)state;
    h->rules[0].trunk = SIX;
    pbx(of("INVITE", "six"));
    assert_dst(r.out[0], "[2001:db8:6::5]:5070");
    h->policy.n_listeners = 2;
    pbx(of("CANCEL", "six"));
    assert_answer(r, 503);
    pbx(of("ACK", "six"));
    assert_drop(r, TND_DROP_EXHAUSTED_ACK);
}

// ---- 16: parking
// ----------------------------------------------------------------------------------

static int unknown_name(void **state)
{
    fresh(state);
    harness_trunk_uri(h, CARRIER, "sip:new.example");
    return 0;
}

#define PARKED(f) cmocka_unit_test_setup_teardown(f, unknown_name, gone)

static void resolve(void)
{
    harness_set(h, NEW_NAME, "0 1 203.0.113.21:5060");
}

static void rule16_waits_and_goes(void **state)
{
    static struct reply due[TND_BURST];

    (void)state;
    pbx(of("INVITE", "p1"));
    assert_parked(r);
    assert_int_equal(h->n_wants, 1);
    assert_string_equal(h->want, NEW_NAME);
    pbx(of("INVITE", "p1")); // one slot per transaction
    assert_absorbed(r);
    pbx(of("INVITE", "p2"));
    assert_parked(r);
    assert_int_equal(h->n_wants, 1); // asked once
    pbx(of("ACK", "p1"));
    assert_drop(r, TND_DROP_ACK_PARKED);
    assert_int_equal(run_due(h, due, TND_BURST), 0);
    resolve();
    assert_int_equal(run_due(h, due, TND_BURST), 2);
    for (unsigned i = 0; i < 2; i++) { // in their order
        assert_forward(due[i]);
        assert_dst(due[i].out[0], "203.0.113.21:5060");
        assert_string_equal(header(&due[i].out[0], "Call-ID", 0), i ? "call-p2" : "call-p1");
    }
    assert_int_equal(run_due(h, due, TND_BURST), 0);
    pbx(of("INVITE", "p1"));
    assert_int_equal(r.how, TND_HOW_MEMORY);
    assert_string_equal(r.out[0].text, due[0].out[0].text);
}

static void rule16_cancel(void **state)
{
    static struct reply due[TND_BURST];

    (void)state;
    run(h, "10.0.0.5:7777", LAN4, replaced(of("INVITE", "c1"), "5060;branch", "5060;rport;branch"),
        &r);
    assert_parked(r);
    run(h, "10.0.0.5:7777", LAN4, replaced(of("CANCEL", "c1"), "5060;branch", "5060;rport;branch"),
        &r);
    assert_answer(r, 200);
    assert_int_equal(r.n, 2);
    assert_string_equal(start_line(&r.out[1]), "SIP/2.0 487 Request Terminated");
    assert_string_equal(header(&r.out[0], "CSeq", 0), "1 CANCEL");
    assert_string_equal(header(&r.out[1], "CSeq", 0), "1 INVITE");
    assert_dst(r.out[1], "10.0.0.5:7777");
    assert_int_equal(r.out[1].listener, LAN4);
    const char *tag = tag_of(header(&r.out[1], "To", 0));
    resolve();
    assert_int_equal(run_due(h, due, TND_BURST), 0);
    run(h, "10.0.0.5:7777", LAN4, of("CANCEL", "c1"), &r);
    assert_answer(r, 200);
    assert_int_equal(r.n, 1);
    pbx(of("INVITE", "c1")); // late: the same end
    assert_answer(r, 487);
    assert_string_equal(tag, tag_of(header(&r.out[0], "To", 0)));
    pbx(replaced(of("ACK", "c1"), "tag=callee", text_of("tag=%s", tag)));
    assert_absorbed(r);
    harness_forget(h, NEW_NAME);
    pbx(of("CANCEL", "nobody"));
    assert_answer(r, 481);
}

static void rule16_cancel_in_the_same_burst(void **state)
{
    static struct reply out[5], due[TND_BURST];
    struct datagram in[5];
    static const char *const methods[5] = {"INVITE", "CANCEL", "CANCEL", "INVITE", "ACK"};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        const char *text = of(methods[i], "burst");
        in[i] = (struct datagram){addr_of(PBX_SRC), LAN4, text, strlen(text)};
    }
    run_burst(h, in, 5, out);
    assert_parked(out[0]);
    assert_answer(out[1], 200);
    assert_int_equal(out[1].n, 2);
    assert_string_equal(start_line(&out[1].out[1]), "SIP/2.0 487 Request Terminated");
    assert_answer(out[2], 200);
    assert_int_equal(out[2].n, 1);
    assert_answer(out[3], 487);
    assert_absorbed(out[4]);
    resolve();
    assert_int_equal(run_due(h, due, TND_BURST), 0);
}

static void rule16_deadline(void **state)
{
    static struct reply due[TND_BURST];

    (void)state;
    pbx(of("INVITE", "late"));
    run(h, ACCESS_SRC, WAN4, of("MESSAGE", "late"), &r);
    assert_parked(r);
    h->now_ms += 2999;
    assert_int_equal(run_due(h, due, TND_BURST), 0);
    h->now_ms += 2;
    assert_int_equal(run_due(h, due, TND_BURST), 2);
    assert_answer(due[0], 503); // each trunk's own
    assert_answer(due[1], 500);
    assert_dst(due[0].out[0], "10.0.0.5:5060");
    pbx(of("ACK", "late"));
    assert_absorbed(r);
    pbx(of("INVITE", "late2")); // asked again
    assert_parked(r);
    assert_int_equal(h->n_wants, 2);
}

static void rule16_limits(void **state)
{
    unsigned parked = 0, refused = 0;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        pbx(of("INVITE", text_of("l%u", i)));
        parked += r.verdict == TND_VERDICT_PARK;
        if (r.verdict == TND_VERDICT_PARK)
            continue;
        assert_answer(r, 503);
        refused++;
    }
    assert_in_range(parked, 16, 17); // a quarter of 64, and of the slots for large ones
    assert_int_equal(parked + refused, 40);
    run(h, ACCESS_SRC, WAN4, of("INVITE", "another-trunk"), &r);
    assert_parked(r);
}

// The listeners change places: the caller is still answered from the one it asked.
static void swap_listeners(void)
{
    struct tnd_listener was = h->listeners[LAN4];

    h->listeners[LAN4] = h->listeners[WAN4];
    h->listeners[WAN4] = was;
}

static void rule16_listeners_reordered(void **state)
{
    static struct reply due[TND_BURST];

    (void)state;
    pbx(of("INVITE", "forwarded"));
    pbx(of("INVITE", "cancelled"));
    assert_parked(r);
    swap_listeners();
    run(h, PBX_SRC, WAN4, of("CANCEL", "cancelled"), &r);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.out[1].listener, WAN4);
    resolve();
    assert_int_equal(run_due(h, due, TND_BURST), 1);
    assert_forward(due[0]);
    const char *answer = make_response(&due[0].out[0], 180, "t", NULL);
    run(h, "203.0.113.21:5060", LAN4, answer, &r);
    assert_forward(r);
    assert_int_equal(r.out[0].listener, WAN4);
    assert_dst(r.out[0], PBX_SRC);
}

static void rule16_expires_behind_another_place(void **state)
{
    static struct reply due[TND_BURST];

    (void)state;
    pbx(of("INVITE", "late"));
    run(h, SIX_SRC, WAN6, of("INVITE", "six"), &r);
    assert_parked(r);
    swap_listeners();
    h->policy.n_listeners = WAN6; // and one is taken out
    h->now_ms += 3001;
    assert_int_equal(run_due(h, due, TND_BURST), 2);
    assert_answer(due[0], 503);
    assert_int_equal(due[0].out[0].listener, WAN4);
    assert_drop(due[1], TND_DROP_NO_LISTENER); // no other of its family
}

static void rule16_routed_again(void **state)
{
    static struct reply due[TND_BURST];

    (void)state;
    pbx(of("INVITE", "reload"));
    h->rules[0].trunk = SIX; // a reload while it waits
    resolve();
    assert_int_equal(run_due(h, due, TND_BURST), 1);
    assert_forward(due[0]);
    assert_dst(due[0].out[0], "[2001:db8:6::5]:5070");
}

// ---- bursts
// -----------------------------------------------------------------------------------------

static const char *mixed(unsigned i)
{
    static const char *const methods[] = {"INVITE", "CANCEL", "ACK", "MESSAGE", "OPTIONS", "BYE"};

    switch (i % 8) {
    case 6:
        return "\r\n";
    case 7:
        return "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5\r\n\r\n";
    default:
        return of(methods[i % 8], text_of("mixed%u", i / 8 % 3));
    }
}

static void burst_is_one_by_one(void **state)
{
    static struct reply burst[TND_BURST], one;
    static const char *const sources[] = {PBX_SRC, CARRIER_SRC, FOREIGN_SRC, ACCESS_SRC};
    struct harness *single = harness_new();
    struct datagram in[TND_BURST];

    (void)state;
    harness_forget(h, "sip:access.example;transport=udp|access");
    harness_forget(single, "sip:access.example;transport=udp|access");
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < TND_BURST; i++) {
            const char *text = mixed(i * (round + 1) + round);
            in[i] = (struct datagram){addr_of(sources[(i + round) % 4]), WAN4, text, strlen(text)};
        }
        run_burst(h, in, TND_BURST, burst);
        for (unsigned i = 0; i < TND_BURST; i++) {
            run_octets(single, &in[i], &one);
            assert_int_equal(one.verdict, burst[i].verdict);
            assert_int_equal(one.drop, burst[i].drop);
            assert_int_equal(one.n, burst[i].n);
            for (unsigned k = 0; k < one.n; k++) {
                assert_string_equal(one.out[k].text, burst[i].out[k].text);
                assert_true(tnd_addr_eq(&one.out[k].dst, &burst[i].out[k].dst));
            }
        }
    }
    harness_free(single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rule14_follows_whatever_changed),
        CASE(rule14_other_methods_too),
        CASE(rule14_life),
        CASE(rule14_old_clients_ack),
        CASE(rule14_answers_are_kept),
        CASE(rule14_family_gone),
        PARKED(rule16_waits_and_goes),
        PARKED(rule16_cancel),
        PARKED(rule16_cancel_in_the_same_burst),
        PARKED(rule16_deadline),
        PARKED(rule16_limits),
        PARKED(rule16_listeners_reordered),
        PARKED(rule16_expires_behind_another_place),
        PARKED(rule16_routed_again),
        CASE(burst_is_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
