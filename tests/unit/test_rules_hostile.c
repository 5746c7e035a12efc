// What liars write, through the whole engine: each ends by name or with its answer, nobody else's
// call is touched, and the engine is neither a reflector nor a relay.
#include "unit/rules.h"

#include <stdio.h>

static const char *new_via(void)
{
    static unsigned n;

    return text_of("SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKho%u", n++);
}

// ---- Via ----------------------------------------------------------------------------------------

// The topmost Via alone is the transaction: one below it that says the same is text.
static void two_vias_with_one_branch(void **state)
{
    const char *one = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKtwin";

    (void)state;
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.via = one}), &r);
    assert_forward(r);
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.via = text_of("%s, %s", one, one)}), &r2);
    assert_string_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
    run(h, CARRIER_SRC, WAN4, make_response(&r2.out[0], 180, "c", NULL), &r);
    assert_forward(r);
    assert_dst(r.out[0], PBX_SRC);
    assert_string_equal(header(&r.out[0], "Via", 0), text_of("%s, %s", one, one));
}

// Ours twice: the second is where the first says the response goes, and we did not sign that.
static void our_via_twice(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    const char *ours = header(&r.out[0], "Via", 0),
               *answer = make_response(&r.out[0], 200, "c", "");
    run(h, CARRIER_SRC, WAN4, replaced(answer, "Via: ", text_of("Via: %s, ", ours)), &r2);
    assert_drop(r2, TND_DROP_BAD_BRANCH);
    run(h, CARRIER_SRC, WAN4, replaced(answer, "Via: ", text_of("Via: %s\r\nv: ", ours)), &r2);
    assert_drop(r2, TND_DROP_BAD_BRANCH);
    run(h, CARRIER_SRC, WAN4, answer, &r2);
    assert_forward(r2);
}

// A request that bears a branch of ours on top is a request like any other.
static void our_branch_in_a_request(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    const char *ours = header(&r.out[0], "Via", 0);
    run(h, CARRIER_SRC, WAN4,
        make_request(&(struct request){.uri = "sip:x@10.9.9.9", .via = ours, .call_id = "mirror"}),
        &r2);
    assert_forward(r2);
    assert_dst(r2.out[0], "10.0.0.5:5060");
    run(h, PBX_SRC, LAN4, make_response(&r2.out[0], 200, "c", NULL), &r);
    assert_forward(r);
    assert_dst(r.out[0], "203.0.113.1:5060"); // where it came from, not what it claimed
}

static void joined_and_folded(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    const char *rr0 = header(&r.out[0], "Record-Route", 0),
               *rr1 = header(&r.out[0], "Record-Route", 1);
    const char *const routes[] = {
        text_of("Route: %s,%s,<sip:203.0.113.9;lr>\r\n", rr1, rr0),
        text_of("ROUTE:\r\n %s\r\n ,\r\n\t%s ,<sip:203.0.113.9;lr>\r\n", rr1, rr0),
        text_of("Route: %s\r\nX-A: b\r\nroute : %s , <sip:203.0.113.9;lr>\r\n", rr1, rr0),
        text_of("Route: \"a,b<c\\\"\" %s;x=\"1,2\", %s\r\nRoute: <sip:203.0.113.9;lr>\r\n", rr1,
                rr0),
    };

    (void)state;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        run(h, PBX_SRC, LAN4,
            make_request(&(struct request){.method = "BYE",
                                           .uri = "sip:bob@192.168.1.1",
                                           .to = "<sip:+4930123@edge.example>;tag=c",
                                           .via = new_via(),
                                           .more = routes[i]}),
            &r2);
        assert_forward(r2);
        assert_dst(r2.out[0], "203.0.113.9:5060");
        assert_has(r2.out[0].text, "<sip:203.0.113.9;lr>\r\n");
        assert_lacks(r2.out[0].text, "@10.0.0.1:5060");
        assert_lacks(r2.out[0].text, "@198.51.100.1:5060");
    }
}

// ---- CANCEL and ACK -----------------------------------------------------------------------------

static void forged_cancel(void **state)
{
    const char *via = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKvictim";

    (void)state;
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.via = via}), &r);
    assert_forward(r);
    // A stranger, and another trunk: not this transaction.
    run(h, FOREIGN_SRC, WAN4, make_request(&(struct request){.method = "CANCEL", .via = via}), &r2);
    assert_drop(r2, TND_DROP_FOREIGN_SOURCE);
    run(h, CARRIER_SRC, WAN4, make_request(&(struct request){.method = "CANCEL", .via = via}), &r2);
    assert_int_not_equal(r2.how, TND_HOW_MEMORY);
    // Another address of the same trunk: it cannot have the branch, which binds the address.
    run(h, "10.0.0.66:5060", LAN4, make_request(&(struct request){.method = "CANCEL", .via = via}),
        &r2);
    assert_forward(r2);
    assert_string_not_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
    // Parked: the same.
    harness_forget(h, CARRIER_NAME);
    via = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKparked";
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.via = via}), &r);
    assert_parked(r);
    run(h, ACCESS_SRC, WAN4, make_request(&(struct request){.method = "CANCEL", .via = via}), &r2);
    assert_answer(r2, 481);
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.via = via}), &r);
    assert_absorbed(r); // it still waits
}

static void ack_with_our_tag(void **state)
{
    struct request q = {.uri = "sip:nobody@x.example",
                        .via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKat"};

    (void)state;
    run(h, PBX_SRC, LAN4, make_request(&q), &r);
    assert_answer(r, 404);
    q.to = text_of("<sip:+4930123@edge.example>;tag=%s", tag_of(header(&r.out[0], "To", 0)));
    q.method = "ACK";
    run(h, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_absorbed(r2);
    q.via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKother"; // the tag is of another transaction
    run(h, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_drop(r2, TND_DROP_ACK_UNROUTED);
    q.method = "BYE"; // nor is it a way into a dialog
    run(h, PBX_SRC, LAN4, make_request(&q), &r2);
    assert_answer(r2, 404);
}

// ---- Octets -------------------------------------------------------------------------------------

static void content_length_lies(void **state)
{
    static const struct {
        const char *value;
        int forwarded; // octets of body that go on; -1: 400
    } cases[] = {
        {"4", 4},
        {"3", 3},
        {"0", 0},
        {"0004", 4},
        {"5", -1},
        {"-1", -1},
        {"4 4", -1},
        {"4,4", -1},
        {"0x4", -1},
        {"", -1},
        {"+4", -1},
        {"2147483648", -1},
        {"4294967300", -1},
        {"18446744073709551620", -1},
        {"99999999999999999999999999999999999999999", -1},
        {"4\r\nl: 4", -1},
        {"\r\n 4", 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text =
            make_request(&(struct request){.method = "MESSAGE", .via = new_via(), .body = "abcd"});
        text = replaced(text, "Content-Length: 4", text_of("Content-Length: %s", cases[i].value));
        run(h, PBX_SRC, LAN4, text, &r);
        if (cases[i].forwarded < 0) {
            assert_answer(r, 400);
            continue;
        }
        assert_forward(r);
        assert_string_equal(body(&r.out[0]), text_of("%.*s", cases[i].forwarded, "abcd"));
        run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 200, "c", NULL), &r2);
        assert_forward(r2);
    }
}

// Returns: a request or response of exactly `len` octets, padded by a header in front of the last.
static const char *padded(const char *base, size_t len)
{
    static char text[70000];
    const char *at = strstr(base, "Content-Length");
    size_t head = (size_t)(at - base), pad = len - strlen(base);

    assert_true(pad > 5);
    memcpy(text, base, head);
    memcpy(text + head, "X: ", 3);
    memset(text + head + 3, 'x', pad - 5);
    memcpy(text + head + pad - 2, "\r\n", 2);
    memcpy(text + head + pad, at, strlen(at) + 1);
    return text;
}

static void sixteen_kilobytes_and_one(void **state)
{
    struct datagram in = {addr_of(PBX_SRC), LAN4, NULL, 0};

    (void)state;
    for (int off = -1; off <= 1; off++) {
        in.len = (size_t)(TND_SIP_MAX + off);
        in.data = padded(make_request(&(struct request){.via = new_via()}), in.len);
        run_octets(h, &in, &r);
        assert_answer(r, 513); // our headers do not fit
    }
    in.len = 65507;
    in.data = padded(make_request(&(struct request){.via = new_via()}), in.len);
    run_octets(h, &in, &r);
    assert_answer(r, 513);
    // A response becomes shorter: up to the limit it passes.
    run(h, PBX_SRC, LAN4, invite(), &r2);
    in.src = addr_of(CARRIER_SRC);
    in.listener = WAN4;
    for (int off = -1; off <= 1; off++) {
        in.len = (size_t)(TND_SIP_MAX + off);
        in.data = padded(make_response(&r2.out[0], 200, "c", NULL), in.len);
        run_octets(h, &in, &r);
        if (off > 0)
            assert_drop(r, TND_DROP_MALFORMED_RESPONSE);
        else
            assert_forward(r);
    }
}

// `n` lines of `line`, each with another header behind it: none has a neighbour of its kind.
static const char *scattered(unsigned n, const char *line)
{
    const char *text = "";

    while (n-- > 0)
        text = text_of("%s%s\r\nX-%u: y\r\n", text, line, n);
    return text;
}

// Header fields up to their limit of 128, in the order that costs the most.
static void scattered_headers(void **state)
{
    static char text[TND_SIP_MAX];

    (void)state;
    run(h, PBX_SRC, LAN4,
        make_request(
            &(struct request){.via = new_via(), .more = scattered(55, "Route: <sip:10.0.0.1;lr>")}),
        &r);
    assert_forward(r);
    assert_int_equal(header_count(&r.out[0], "Route"), 0);
    run(h, PBX_SRC, LAN4,
        make_request(
            &(struct request){.via = new_via(), .more = scattered(55, "Proxy-Require: a")}),
        &r);
    assert_answer(r, 420);
    assert_int_equal(header_count(&r.out[0], "Unsupported"), 55);
    run(h, PBX_SRC, LAN4,
        make_request(
            &(struct request){.via = new_via(),
                              .max_forwards = "0",
                              .more = scattered(55, "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx")}),
        &r);
    assert_answer(r, 483);
    assert_int_equal(header_count(&r.out[0], "Via"), 56);
    run(h, PBX_SRC, LAN4, make_request(&(struct request){.via = new_via()}), &r);
    snprintf(text, sizeof text, "%s",
             make_response(&r.out[0], 503, "c", scattered(55, "Retry-After: 9")));
    run(h, CARRIER_SRC, WAN4, text, &r2);
    assert_forward(r2);
    assert_int_equal(header_count(&r2.out[0], "Retry-After"), 0);
}

// A Request-URI of any length gets through whatever it is made into.
static void long_request_uris(void **state)
{
    static char fill[5001];
    const char *token;

    (void)state;
    memset(fill, 'u', sizeof fill - 1);
    const char *const uris[][2] = {
        {text_of("sip:+49%s@edge.example", fill), text_of("sip:+49%s@sip.carrier.example", fill)},
        {text_of("sips:+49:%s@edge.example;q", fill),
         text_of("sip:+49:%s@sip.carrier.example;q", fill)},
        {text_of("sip:+49@edge.example;a=%s;lr;b=%s", fill, fill),
         text_of("sip:+49@sip.carrier.example;a=%s;b=%s", fill, fill)},
        {text_of("tel:+49;a=%s", fill), text_of("tel:+49;a=%s", fill)},
    };
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        run(h, PBX_SRC, LAN4, make_request(&(struct request){.uri = uris[i][0], .via = new_via()}),
            &r);
        assert_forward(r);
        assert_string_equal(start_line(&r.out[0]), text_of("INVITE %s SIP/2.0", uris[i][1]));
    }
    // Moved between Request-URI and Route by strict routers on both sides.
    run(h, ACCESS_SRC, WAN4, make_request(&(struct request){.via = new_via(), .call_id = "long"}),
        &r);
    token = uri_in(header(&r.out[0], "Record-Route", 0));
    run(h, ACCESS_SRC, WAN4,
        make_request(&(struct request){
            .method = "BYE",
            .uri = token,
            .call_id = "long",
            .to = "<sip:x@y.example>;tag=c",
            .via = new_via(),
            .more =
                text_of("Route: <sip:203.0.113.8;x=%s>, <sip:%s@203.0.113.9>\r\n", fill, fill)}),
        &r);
    assert_forward(r);
    assert_string_equal(start_line(&r.out[0]), text_of("BYE sip:203.0.113.8;x=%s SIP/2.0", fill));
    assert_string_equal(header(&r.out[0], "Route", 0), text_of("<sip:%s@203.0.113.9>", fill));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_vias_with_one_branch),
        CASE(our_via_twice),
        CASE(our_branch_in_a_request),
        CASE(joined_and_folded),
        CASE(forged_cancel),
        CASE(ack_with_our_tag),
        CASE(content_length_lies),
        CASE(sixteen_kilobytes_and_one),
        CASE(scattered_headers),
        CASE(long_request_uris),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
