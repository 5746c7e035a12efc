// Rules 6, 7, 12 and 13: our branch, keys, the way back, and large or odd messages.
#include "unit/rules.h"

#include <ctype.h>
#include <stdio.h>

#include "util/isa.h"

static const char *from_via(const char *method, const char *via)
{
    return make_request(&(struct request){.method = method, .via = via});
}

// ---- 6: the branch --------------------------------------------------------------------------

static void rule6_form(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    const char *b = branch_of(&r.out[0]);
    assert_int_equal(strlen(b), 55);
    assert_memory_equal(b, "z9hG4bK08", 9); // the last sign key signs
    for (b += 7; *b; b++)
        assert_true(isdigit(*b) || (*b >= 'a' && *b <= 'f'));
    assert_string_equal(header(&r.out[0], "Via", 1), "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKone");
}

static void rule6_same_request_same_branch(void **state)
{
    static const char *const vias[] = {
        "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKs",
        "SIP/2.0/UDP pbx.example;branch=z9hG4bKs",
        "SIP/2.0/UDP [2001:db8::5]:5062;branch=z9hG4bKs;rport",
        "SIP / 2.0 / UDP 10.0.0.5 ;received=1.2.3.4 ;rport ;branch=z9hG4bKt",
        "SIP/2.0/UDP 10.0.0.5", // RFC 2543
    };
    const char *seen[5];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        run(h, PBX_SRC, LAN4, from_via("INVITE", vias[i]), &r);
        assert_forward(r);
        seen[i] = branch_of(&r.out[0]);
        run(h, PBX_SRC, LAN4, from_via("INVITE", vias[i]), &r2);
        assert_string_equal(r2.out[0].text, r.out[0].text);
        run(h, PBX_SRC, LAN4, from_via("CANCEL", vias[i]), &r2);
        assert_string_equal(branch_of(&r2.out[0]), seen[i]);
        run(h, PBX_SRC, LAN4,
            make_request(&(struct request){
                .method = "ACK", .via = vias[i], .to = "<sip:+4930123@edge.example>;tag=callee"}),
            &r2);
        assert_string_equal(branch_of(&r2.out[0]), seen[i]);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[k], seen[i]);
    }
}

static void rule6_stateless_too(void **state)
{
    struct harness *other = harness_new(); // another node, or this one after a restart

    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    run(other, PBX_SRC, LAN4, invite(), &r2);
    assert_string_equal(r.out[0].text, r2.out[0].text);
    run(other, "203.0.113.11:5060", WAN4, make_response(&r.out[0], 180, "c", NULL), &r2);
    assert_forward(r2);
    harness_free(other);
}

static void rule6_differs(void **state)
{
    const struct request others[] = {
        {.cseq = 2},
        {.call_id = "call-2@pbx.example"},
        {.via = "SIP/2.0/UDP 10.0.0.5:5061;branch=z9hG4bKone"},
        {.via = "SIP/2.0/UDP 10.0.0.6:5060;branch=z9hG4bKone"},
        {.via = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKtwo"},
    };

    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        run(h, PBX_SRC, LAN4, make_request(&others[i]), &r2);
        assert_string_not_equal(branch_of(&r.out[0]), branch_of(&r2.out[0]));
    }
}

static void rule6_answers_come_back(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, from_via("INVITE", "SIP/2.0/UDP pbx.example:5062;rport;branch=z9hG4bKr"),
        &r);
    run(h, "203.0.113.11:5060", WAN4, make_response(&r.out[0], 200, "c", NULL), &r2);
    assert_forward(r2);
    assert_dst(r2.out[0], "10.0.0.5:5060");
    assert_int_equal(r2.out[0].listener, LAN4);
    assert_int_equal(header_count(&r2.out[0], "Via"), 1);
    assert_string_equal(
        header(&r2.out[0], "Via", 0),
        "SIP/2.0/UDP pbx.example:5062;rport=5060;branch=z9hG4bKr;received=10.0.0.5");
    assert_int_equal(header_count(&r2.out[0], "Record-Route"), 2);
}

// What servers on the way make of a Via without changing what it says.
static void rule6_respelled_vias_verify(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, from_via("INVITE", "SIP/2.0/UDP Pbx.example;branch=z9hG4bKr;rport"), &r);
    assert_forward(r);
    const char *ours = text_of("198.51.100.1:5060;branch=%s", branch_of(&r.out[0]));
    const char *tail = "From: <sip:alice@pbx.example>;tag=alice\r\n"
                       "To: <sip:+4930123@edge.example>;tag=c\r\nCall-ID: call-1@pbx.example\r\n"
                       "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    static const char *const forms[] = {
        "Via: SIP/2.0/UDP %s\r\nVia: SIP/2.0/UDP "
        "Pbx.example;branch=z9hG4bKr;rport=5060;received=10.0.0.5\r\n",
        "v: SIP/2.0/UDP %s,SIP/2.0/UDP pbx.EXAMPLE:5060;received=10.0.0.5;rport=5060;"
        "branch=z9hG4bKr\r\n",
        "VIA : SIP / 2.0 / UDP %s ,\r\n SIP/2.0/udp pbx.example : 5060 ; rport = 05060 ;\r\n\t"
        "received=10.0.0.5;branch=Z9HG4BKR;x=\"a,b;c\"\r\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char via[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(via, sizeof via, forms[i], ours);
#pragma GCC diagnostic pop
        run(h, "203.0.113.11:5060", WAN4, text_of("SIP/2.0 200 OK\r\n%s%s", via, tail), &r2);
        assert_forward(r2);
        assert_dst(r2.out[0], "10.0.0.5:5060");
        assert_lacks(r2.out[0].text, "198.51.100.1");
    }
}

static void rule6_spoofed(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, from_via("INVITE", "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKr;rport"), &r);
    const char *good = make_response(&r.out[0], 200, "c", NULL);
    const char *branch = branch_of(&r.out[0]);
    run(h, FOREIGN_SRC, WAN4, good, &r2); // whoever sends it: the MAC is what counts
    assert_forward(r2);
    const char *const pairs[][2] = {
        {"received=10.0.0.5", "received=10.0.0.6"},
        {"rport=5060", "rport=5061"},
        {"z9hG4bKr", "z9hG4bKs"},
        {"UDP 10.0.0.5;", "UDP 10.0.0.7;"},
        {"call-1@", "call-2@"},
        {"CSeq: 1 ", "CSeq: 2 "},
        {";received=10.0.0.5", ""},
        {branch, "z9hG4bKother"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        run(h, CARRIER_SRC, WAN4, replaced(good, pairs[i][0], pairs[i][1]), &r2);
        if (i == 6) { // sent-by says the same as the parameter did
            assert_forward(r2);
            continue;
        }
        assert_drop(r2, TND_DROP_BAD_BRANCH);
    }
    for (size_t i = 7; i < strlen(branch); i++) { // each of its digits counts
        char other[TND_BRANCH_MAX + 1];
        snprintf(other, sizeof other, "%s", branch);
        other[i] = other[i] == '0' ? '1' : '0';
        run(h, CARRIER_SRC, WAN4, replaced(good, branch, other), &r2);
        assert_drop(r2, TND_DROP_BAD_BRANCH);
    }
    run(h, CARRIER_SRC, WAN4, replaced(good, "198.51.100.1:5060", "198.51.100.2:5060"), &r2);
    assert_drop(r2, TND_DROP_STRAY_RESPONSE);
    run(h, CARRIER_SRC, WAN4, replaced(good, "198.51.100.1:5060", "198.51.100.1:5061"), &r2);
    assert_drop(r2, TND_DROP_STRAY_RESPONSE);
}

static void rule6_nowhere_to_go(void **state)
{
    static const char *const below[] = {
        "255.255.255.255", "0.0.0.0", "224.0.0.1", "[::]", "[ff02::1]", "name.example",
    };

    (void)state;
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        const char *text = text_of(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
            "To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
            below[i]);
        char out[1024];
        struct datagram in = {addr_of(CARRIER_SRC), WAN4, out, 0};
        in.len = sign_response(h, text, strlen(text), out);
        run_octets(h, &in, &r);
        assert_drop(r, TND_DROP_RESPONSE_NOWHERE);
    }
    run(h, PBX_SRC, LAN4, invite(), &r); // our Via alone: it answers nothing of anybody's
    run(h, CARRIER_SRC, WAN4,
        replaced(make_response(&r.out[0], 200, "c", NULL),
                 "Via: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKone\r\n", ""),
        &r2);
    assert_drop(r2, TND_DROP_BAD_BRANCH);
}

static void rule6_keys_rotate(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4, invite(), &r);
    const char *answer = make_response(&r.out[0], 200, "c", NULL);
    h->keys.sign[0] = h->keys.sign[1];
    h->keys.sign[1] = (struct tnd_sign_key){9, {5, 6}};
    run(h, CARRIER_SRC, WAN4, answer, &r2);
    assert_forward(r2);
    h->keys.sign[0] = (struct tnd_sign_key){10, {7, 8}};
    run(h, CARRIER_SRC, WAN4, answer, &r2);
    assert_drop(r2, TND_DROP_BAD_BRANCH);
}

// ---- 7: keys --------------------------------------------------------------------------------

static uint64_t call_key_of(const char *text)
{
    static struct tnd_job job;
    struct tnd_job *jobs[1] = {&job};
    struct tnd_addr src = addr_of(PBX_SRC);

    tnd_job_init(&job, text, (uint32_t)strlen(text), &src, LAN4);
    tnd_stage_parse(h->engine, jobs, 1);
    tnd_stage_digest(h->engine, jobs, 1);
    return job.call_key;
}

// RFC 3261 17.2.3, by the book: words, then texts with their lengths before them.
static uint64_t txn_by_hand(const char *sent_by, uint16_t port, const char *branch)
{
    struct tnd_addr ip;
    struct tnd_hasher hash;
    char low[400];

    if (!tnd_addr_parse_ip(tnd_str_of(sent_by), &ip))
        ip.family = 0;
    tnd_hash_init(&hash, &h->keys.digest);
    tnd_hash_u64(&hash, (uint64_t)ip.family << 16 | port);
    if (ip.family)
        tnd_hash_bytes(&hash, ip.ip, sizeof ip.ip);
    for (int host = 0; host < (ip.family ? 1 : 2); host++) {
        size_t n = strlen(host ? sent_by : branch);
        for (size_t i = 0; i < n; i++)
            low[i] = tnd_lower((host ? sent_by : branch)[i]);
        tnd_hash_u64(&hash, n);
        tnd_hash_bytes(&hash, low, n);
    }
    return tnd_hash_final(&hash);
}

// Digests of a burst are made side by side; each is its message's own, whatever its length.
static void digests_of_a_burst(void)
{
    static const char *const hosts[] = {"198.51.100.10", "[2001:db8::7]", "Gw.Example.ORG"};
    static struct tnd_job jobs[TND_BURST];
    static char text[TND_BURST][1024], branch[TND_BURST][320], id[TND_BURST][320];
    struct tnd_job *p[TND_BURST];
    struct tnd_addr src = addr_of(PBX_SRC);

    for (unsigned n = 1; n <= TND_BURST; n++) {
        for (unsigned i = 0; i < n; i++) {
            snprintf(branch[i], sizeof branch[i], "z9hG4bK%0*uAbC", (int)(1 + i * n * 7 % 290), i);
            snprintf(id[i], sizeof id[i], "%0*uId@x", (int)(1 + i * n * 11 % 290), i);
            int len = snprintf(text[i], sizeof text[i],
                               "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=%s\r\n"
                               "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: %s\r\n"
                               "CSeq: 1 OPTIONS\r\n\r\n",
                               hosts[i % 3], 5060 + i, branch[i], id[i]);
            tnd_job_init(&jobs[i], text[i], (uint32_t)len, &src, LAN4);
            p[i] = &jobs[i];
        }
        tnd_stage_parse(h->engine, p, n);
        tnd_stage_digest(h->engine, p, n);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(jobs[i].msg.error, TND_SIP_ERR_NONE);
            assert_true(jobs[i].call_key == tnd_hash(&h->keys.digest, id[i], strlen(id[i])));
            assert_true(jobs[i].txn == txn_by_hand(hosts[i % 3], (uint16_t)(5060 + i), branch[i]));
        }
    }
}

static void rule7_digests_of_a_burst(void **state)
{
    enum tnd_isa before = tnd_isa_active();

    (void)state;
    for (enum tnd_isa isa = TND_ISA_SCALAR; isa < TND_ISA_COUNT; isa++)
        if (tnd_isa_select(tnd_isa_name(isa)))
            digests_of_a_burst();
    assert_true(tnd_isa_select(tnd_isa_name(before)));
}

// What leaves is the same, octet by octet: of a burst by each kernel, alone by the scalar one,
// which signs each request by itself and copies it piece by piece.
static void burst_as_alone(const char *kernel)
{
    static const char *const methods[] = {"INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS", "BYE"};
    static char text[TND_BURST][2048];
    static struct reply burst[TND_BURST], alone[TND_BURST];
    struct datagram in[TND_BURST];

    for (uint32_t i = 0; i < TND_BURST; i++) {
        const char *method = methods[i % 5];
        int len =
            snprintf(text[i], sizeof text[i],
                     "%s sip:+49%0*u@carrier.example SIP/2.0\r\n%s"
                     "Via: SIP/2.0/UDP 198.51.100.%u:5060;%sbranch=z9hG4bKx%0*u\r\n"
                     "From: <sip:a@b>;tag=%0*u\r\nTo: <sip:a@b>\r\nCall-ID: %0*u\r\nCSeq: 1 %s\r\n"
                     "Content-Length: %u\r\n\r\n%0*u",
                     method, (int)(1 + i * 3), i, i % 3 ? "Max-Forwards: 70\r\n" : "", 10 + i % 2,
                     i % 4 ? "rport;" : "", (int)(1 + i * 5), i, (int)(1 + i * 9), i,
                     (int)(1 + i * 7), i, method, 1 + i * 17, (int)(1 + i * 17), i);
        in[i] = (struct datagram){addr_of(PBX_SRC), LAN4, text[i], (size_t)len};
    }
    assert_true(tnd_isa_select(kernel));
    run_burst(h, in, TND_BURST, burst);
    assert_true(tnd_isa_select("scalar"));
    for (uint32_t i = 0; i < TND_BURST; i++)
        run_octets(h, &in[i], &alone[i]);
    for (uint32_t i = 0; i < TND_BURST; i++) {
        assert_forward(burst[i]);
        assert_int_equal(burst[i].out[0].len, alone[i].out[0].len);
        assert_memory_equal(burst[i].out[0].text, alone[i].out[0].text, alone[i].out[0].len);
    }
}

static void rule6_burst_as_alone(void **state)
{
    enum tnd_isa before = tnd_isa_active();

    (void)state;
    for (enum tnd_isa isa = TND_ISA_SCALAR; isa < TND_ISA_COUNT; isa++)
        if (tnd_isa_here(isa))
            burst_as_alone(tnd_isa_name(isa));
    assert_true(tnd_isa_select(tnd_isa_name(before)));
}

static uint64_t register_key(const char *to, const char *call_id)
{
    return call_key_of(
        make_request(&(struct request){.method = "REGISTER", .to = to, .call_id = call_id}));
}

static void rule7_register_by_canonical_aor(void **state)
{
    static const char *const same[] = {
        "<sip:alice@Example.com>",           "sip:alice@example.com",
        "\"A\" <sip:alice@example.COM;x=y>", "<sip:%61lice@example.com>",
        "<sip:al%69c%65@example.com>;tag=9", "<sip:alice:pw@example.com>",
    };
    static const char *const others[] = {
        "<sip:Alice@example.com>",
        "<sip:alice@example.org>",
        "<sip:%2561lice@example.com>",
        "<sip:bob@example.com>",
    };
    uint64_t key = register_key("<sip:alice@example.com>", "one");

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (register_key(same[i], text_of("id-%zu", i)) != key)
            fail_msg("%s", same[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (register_key(others[i], "one") == key)
            fail_msg("%s", others[i]);
    assert_int_not_equal(call_key_of(make_request(&(struct request){.call_id = "one"})),
                         call_key_of(make_request(&(struct request){.call_id = "two"})));
    // Its answer has it too, whose CSeq alone says what it answers.
    assert_int_equal(
        call_key_of("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=1\r\n"
                    "t: sip:%61lice@EXAMPLE.com;tag=7\r\ni: z\r\nCSeq: 1 REGISTER\r\n\r\n"),
        key);
}

// RFC 3966 s4: numbers are compared without what is for the eye, local ones with their context.
static void rule7_register_of_a_number(void **state)
{
    static const char *const sets[][4] = {
        {"<tel:+49-30.1>", "<TEL:+4(930)1;ext=1>", "\"A\" <tel:+49301>;tag=9", "tel:+49301;x=y"},
        {"<tel:12;phone-context=a-b.example>", "<tel:1-2;x=y;phone-context=A-B.Example>",
         "<tel:12;phone-context=a-b.example;ext=1>", "<tel:(12);phone-context=a-b.example>"},
        {"<tel:12;phone-context=+49-30>", "<tel:1.2;phone-context=+4930>",
         "<tel:12;x;phone-context=+4(930)>", "<tel:12;phone-context=+49.30;y>"},
        {"<tel:1A;phone-context=+49>", "<tel:1a;phone-context=+49>", "<tel:1a-;phone-context=+4-9>",
         "<tel:1A;PHONE-CONTEXT=+49>"},
        {"<sip:+49301@example.com>", "<sip:+49301@Example.com;user=phone>",
         "<sip:%2B49301@example.com>", "<sips:+49301@example.com>"},
    };
    enum { N = sizeof sets / sizeof *sets };
    uint64_t keys[N];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        keys[i] = register_key(sets[i][0], "one");
        for (size_t k = 1; k < 4; k++)
            if (register_key(sets[i][k], text_of("id-%zu", k)) != keys[i])
                fail_msg("%s, %s", sets[i][0], sets[i][k]);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(keys[i], keys[k]);
    }
}

static void rule7_register_answer_verifies(void **state)
{
    struct request reg = {
        .method = "REGISTER", .to = "<sip:%41lice@Example.com>", .uri = "sip:+49@x.example"};

    (void)state;
    run(h, PBX_SRC, LAN4, make_request(&reg), &r);
    assert_forward(r);
    assert_int_equal(header_count(&r.out[0], "Record-Route"), 0);
    run(h, CARRIER_SRC, WAN4,
        replaced(make_response(&r.out[0], 200, "c", NULL), "%41lice@Example", "Alice@example"),
        &r2);
    assert_forward(r2);
}

static void rule7_owner_is_one_for_all(void **state)
{
    struct tnd_job job = {.call_key = 0};
    unsigned seen[4] = {0};

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        job.call_key = tnd_derive(&h->keys.digest, TND_DOMAIN_TAG, i, 0);
        seen[tnd_job_owner(&job, 4)]++;
        assert_int_equal(tnd_job_owner(&job, 1), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(seen[i], 850, 1150);
}

// NAT, or a client that opens a socket for each message.
static void rule7_cancel_from_another_port(void **state)
{
    const char *via = "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKp;rport";

    (void)state;
    run(h, "10.0.0.5:1111", LAN4, from_via("INVITE", via), &r);
    run(h, "10.0.0.5:2222", LAN4, from_via("CANCEL", via), &r2);
    assert_string_equal(branch_of(&r2.out[0]), branch_of(&r.out[0]));
    assert_true(tnd_addr_eq(&r2.out[0].dst, &r.out[0].dst));
    run(h, "203.0.113.11:5060", WAN4, make_response(&r2.out[0], 200, "c", NULL), &r);
    assert_forward(r);
    assert_dst(r.out[0], "10.0.0.5:1111");
}

// ---- 12: the way back -------------------------------------------------------------------------

static void rule12_received_and_rport(void **state)
{
    static const struct {
        const char *src, *via, *want, *back;
    } cases[] = {
        {"10.0.0.5:5060", "10.0.0.5:5060;branch=z9hG4bK1", "10.0.0.5:5060;branch=z9hG4bK1",
         "10.0.0.5:5060"},
        {"10.0.0.5:7000", "10.0.0.5;branch=z9hG4bK2", "10.0.0.5;branch=z9hG4bK2", "10.0.0.5:5060"},
        {"10.0.0.5:7000", "10.0.0.5:5070;branch=z9hG4bK3;rport",
         "10.0.0.5:5070;branch=z9hG4bK3;rport=7000;received=10.0.0.5", "10.0.0.5:7000"},
        {"10.0.0.5:7000", "10.0.0.5;rport=1;branch=z9hG4bK4",
         "10.0.0.5;rport=7000;branch=z9hG4bK4;received=10.0.0.5", "10.0.0.5:7000"},
        {"10.0.0.5:7000", "10.0.0.9:5070;branch=z9hG4bK5",
         "10.0.0.9:5070;branch=z9hG4bK5;received=10.0.0.5", "10.0.0.5:5070"},
        // A `received` that comes along is a lie or a leftover.
        {"10.0.0.5:7000", "10.0.0.9;received=198.18.0.1;branch=z9hG4bK6",
         "10.0.0.9;branch=z9hG4bK6;received=10.0.0.5", "10.0.0.5:5060"},
        {"10.0.0.5:7000", "10.0.0.5;branch=z9hG4bK7;received=198.18.0.1",
         "10.0.0.5;branch=z9hG4bK7", "10.0.0.5:5060"},
        {"10.0.0.5:7000", "10.0.0.9;rport;received=198.18.0.1;branch=z9hG4bK8",
         "10.0.0.9;rport=7000;branch=z9hG4bK8;received=10.0.0.5", "10.0.0.5:7000"},
        {"10.0.0.5:7000", "10.0.0.9;received=198.18.0.1;branch=z9hG4bK8;rport",
         "10.0.0.9;branch=z9hG4bK8;rport=7000;received=10.0.0.5", "10.0.0.5:7000"},
        {"10.0.0.5:7000", "10.0.0.9;rport=;received=198.18.0.1",
         "10.0.0.9;rport=7000;received=10.0.0.5", "10.0.0.5:7000"},
        {"10.0.0.5:7000", "pbx.example;branch=z9hG4bK9;maddr=198.18.0.1",
         "pbx.example;branch=z9hG4bK9;maddr=198.18.0.1;received=10.0.0.5", "10.0.0.5:5060"},
        {"[2001:db8:6::5]:7000", "[2001:db8:6::5]:5070;branch=z9hG4bKa",
         "[2001:db8:6::5]:5070;branch=z9hG4bKa", "[2001:db8:6::5]:5070"},
        {"[2001:db8:6::5]:7000", "[2001:DB8:6:0::5];branch=z9hG4bKb;rport",
         "[2001:DB8:6:0::5];branch=z9hG4bKb;rport=7000;received=2001:db8:6::5",
         "[2001:db8:6::5]:7000"},
        {"[2001:db8:6::5]:7000", "[::ffff:10.0.0.5];branch=z9hG4bKc",
         "[::ffff:10.0.0.5];branch=z9hG4bKc;received=2001:db8:6::5", "[2001:db8:6::5]:5060"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t in = cases[i].src[0] == '[' ? WAN6 : LAN4;
        run(h, cases[i].src, in, from_via("INVITE", text_of("SIP/2.0/UDP %s", cases[i].via)), &r);
        assert_forward(r);
        assert_string_equal(header(&r.out[0], "Via", 1), text_of("SIP/2.0/UDP %s", cases[i].want));
        run(h, "203.0.113.11:5060", WAN4, make_response(&r.out[0], 180, "c", NULL), &r2);
        assert_forward(r2);
        assert_dst(r2.out[0], cases[i].back);
        assert_int_equal(r2.out[0].listener, in);
        // What is answered here goes the same way, with the same Via.
        run(h, cases[i].src, in,
            make_request(&(struct request){.via = text_of("SIP/2.0/UDP %s", cases[i].via),
                                           .max_forwards = "0",
                                           .method = "MESSAGE"}),
            &r);
        assert_answer(r, 483);
        assert_dst(r.out[0], cases[i].back);
        assert_int_equal(r.out[0].listener, in);
        assert_has(header(&r.out[0], "Via", 0), strrchr(cases[i].want, ';'));
    }
}

static void rule12_several_vias(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4,
        from_via(
            "INVITE",
            "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport , SIP/2.0/TCP [::1]:9;branch=z9hG4bK0\r\n"
            "v: SIP/2.0/TLS a.example"),
        &r);
    assert_forward(r);
    assert_has(r.out[0].text, "Via: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport=5060"
                              ";received=10.0.0.5 , SIP/2.0/TCP [::1]:9;branch=z9hG4bK0\r\n"
                              "v: SIP/2.0/TLS a.example\r\n");
    // Ours with the next in one line: only ours goes.
    const char *ours = header(&r.out[0], "Via", 0);
    const char *answer =
        text_of("SIP/2.0 200 OK\r\nVia: %s, SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;"
                "rport=5060;received=10.0.0.5 ,SIP/2.0/TCP [::1]:9\r\n"
                "From: <sip:alice@pbx.example>;tag=alice\r\nTo: <sip:x@y>;tag=c\r\n"
                "Call-ID: call-1@pbx.example\r\nCSeq: 1 INVITE\r\n\r\n",
                ours);
    run(h, CARRIER_SRC, WAN4, answer, &r2);
    assert_forward(r2);
    assert_has(r2.out[0].text, "200 OK\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport=5060;"
                               "received=10.0.0.5 ,SIP/2.0/TCP [::1]:9\r\n");
}

static void rule12_keepalives(void **state)
{
    (void)state;
    for (const char *text = "\r\n\r\n\n"; *text; text++) {
        run(h, FOREIGN_SRC, WAN4, text, &r);
        assert_absorbed(r);
    }
    run(h, FOREIGN_SRC, WAN4, "", &r);
    assert_absorbed(r);
    run(h, PBX_SRC, LAN4, text_of("\r\n\r\n%s", invite()), &r);
    assert_forward(r);
    assert_int_equal(r.out[0].text[0], 'I');
}

// ---- 13: octets -------------------------------------------------------------------------------

static void rule13_body_is_untouched(void **state)
{
    enum { N = 6000 };
    static char text[N + 1024];
    const char *head =
        make_request(&(struct request){.max_forwards = "", .more = "Max-Forwards: 70\r\n"});
    size_t at = (size_t)(strstr(head, "Content-Length") - head);
    uint64_t seed = 1;

    (void)state;
    memcpy(text, head, at);
    at += (size_t)sprintf(text + at, "Content-Length: %d\r\n\r\n", N);
    for (size_t i = 0; i < N; i++, seed = seed * 6364136223846793005u + 1442695040888963407u)
        text[at + i] = (char)(seed >> 56);
    memset(text + at + 100, 0, 8);
    memcpy(text + at + N, "trailing noise", 15);
    struct datagram in = {addr_of(PBX_SRC), LAN4, text, at + N + 14};
    run_octets(h, &in, &r);
    assert_forward(r);
    assert_memory_equal(r.out[0].text + r.out[0].len - N, text + at, N);
    assert_memory_equal(r.out[0].text + r.out[0].len - N - 4, "\r\n\r\n", 4);
}

// Returns: an INVITE of exactly `len` octets.
static const char *sized(const char *method, size_t len)
{
    static char filler[66000];
    const char *base = make_request(&(struct request){.method = method, .more = "X: \r\n"});
    size_t have = strlen(base), at = (size_t)(strstr(base, "X: ") - base) + 3;
    static char text[66000];

    memset(filler, 'f', sizeof filler);
    memcpy(text, base, at);
    memcpy(text + at, filler, len - have);
    memcpy(text + at + len - have, base + at, have - at + 1);
    return text;
}

static void rule13_up_to_16_kilobytes(void **state)
{
    struct datagram in = {addr_of(PBX_SRC), LAN4, NULL, 0};
    size_t fits = 0;

    (void)state;
    for (size_t len = 14000; len <= TND_SIP_MAX; len += 7) {
        in.data = sized("MESSAGE", len);
        in.len = len;
        run_octets(h, &in, &r);
        if (r.verdict == TND_VERDICT_FORWARD) {
            assert_true(r.out[0].len <= TND_SIP_MAX);
            fits = len;
        } else {
            assert_answer(r, 513);
        }
    }
    assert_in_range(fits, TND_SIP_MAX - 300 - 256, TND_SIP_MAX); // what our Via leaves
    in.len = TND_SIP_MAX;
    in.data = sized("ACK", in.len);
    run_octets(h, &in, &r);
    assert_drop(r, TND_DROP_REWRITE);
    for (in.len = TND_SIP_MAX + 1; in.len < 65507; in.len += 9999) {
        in.data = sized("INVITE", in.len);
        run_octets(h, &in, &r);
        assert_answer(r, 513);
        in.data = sized("ACK", in.len);
        run_octets(h, &in, &r);
        assert_verdict(r, TND_VERDICT_DROP);
    }
}

static void rule13_folds_and_compact_forms(void **state)
{
    (void)state;
    run(h, PBX_SRC, LAN4,
        "INVITE sip:+4930123@198.51.100.1 SIP/2.0\n"
        "v:\r\n SIP/2.0/UDP 10.0.0.5:5060\r\n\t;branch=z9hG4bKfold\r\n"
        "f: \"A \\\" <x>\"\r\n <sip:a@b.example>\r\n ;tag=1\r\n"
        "t : <sip:+4930123@b.example>\r\n"
        "i:folded@call\r\nCSEQ: 0009\r\n INVITE\r\nMAX-FORWARDS:\r\n  0010\r\n"
        "m: <sip:a@10.0.0.5>\r\nSubject: first\r\n second\r\nl: 3\r\n\r\nabc",
        &r);
    assert_forward(r);
    assert_has(r.out[0].text, "Subject: first\r\n second\r\n");
    assert_has(r.out[0].text, "MAX-FORWARDS:\r\n  9\r\n");
    assert_has(r.out[0].text, "\r\n\r\nabc");
    run(h, CARRIER_SRC, WAN4,
        text_of("SIP/2.0 180 Ringing\r\nVia: %s\r\nv:\r\n SIP/2.0/UDP 10.0.0.5:5060\r\n\t;"
                "branch=z9hG4bKfold\r\nf: <sip:a@b.example>;tag=1\r\nt: <sip:x@y>;tag=2\r\n"
                "i: folded@call\r\nCSeq: 9 INVITE\r\nl: 0\r\n\r\n",
                header(&r.out[0], "Via", 0)),
        &r2);
    assert_forward(r2);
    assert_dst(r2.out[0], "10.0.0.5:5060");
}

// Phones and gateways write these; what nobody needs to understand passes as it is.
static void rule13_sloppy_senders(void **state)
{
    static const char *const froms[] = {
        "\\\"Empfang\\\" <sip:empfang@pbx.example>;tag=alice",
        "Zentrale Raum 5 <sip:z@pbx.example> ; tag=alice",
        "Z\xc3\xbcrich <sip:z@pbx.example>;tag=alice;x=\"a;b\"",
        "sip:z@pbx.example;tag=alice",
        "<sip:z@pbx.example;transport=udp>;;tag=alice;",
        "\"\" <sips:z@[2001:db8::1]:5061>;TAG=alice",
    };

    (void)state;
    for (size_t i = 0; i < sizeof froms / sizeof *froms; i++) {
        const char *via = text_of("SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKsloppy%zu", i);
        run(h, PBX_SRC, LAN4, make_request(&(struct request){.from = froms[i], .via = via}), &r);
        assert_forward(r);
        assert_string_equal(header(&r.out[0], "From", 0), froms[i]);
        run(h, CARRIER_SRC, WAN4, make_response(&r.out[0], 180, "c", NULL), &r2);
        assert_forward(r2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rule6_form),
        CASE(rule6_same_request_same_branch),
        CASE(rule6_stateless_too),
        CASE(rule6_differs),
        CASE(rule6_answers_come_back),
        CASE(rule6_respelled_vias_verify),
        CASE(rule6_spoofed),
        CASE(rule6_nowhere_to_go),
        CASE(rule6_keys_rotate),
        CASE(rule7_register_by_canonical_aor),
        CASE(rule6_burst_as_alone),
        CASE(rule7_digests_of_a_burst),
        CASE(rule7_register_of_a_number),
        CASE(rule7_register_answer_verifies),
        CASE(rule7_owner_is_one_for_all),
        CASE(rule7_cancel_from_another_port),
        CASE(rule12_received_and_rport),
        CASE(rule12_several_vias),
        CASE(rule12_keepalives),
        CASE(rule13_body_is_untouched),
        CASE(rule13_up_to_16_kilobytes),
        CASE(rule13_folds_and_compact_forms),
        CASE(rule13_sloppy_senders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
