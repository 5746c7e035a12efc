// What the parser says of each torture message; what the engine then does is tested apart.
#include "cmocka_all.h"

#include "sip/msg.h"
#include "torture/torture.h"

static struct torture_set set;

// The very fault, where "some 400" would hide a message refused for the wrong reason.
static const struct {
    const char *name;
    enum tnd_sip_error error;
} faults[] = {
    {"badinv01", TND_SIP_ERR_VIA},
    {"clerr", TND_SIP_ERR_CONTENT_LENGTH},
    {"ncl", TND_SIP_ERR_CONTENT_LENGTH},
    {"scalar02", TND_SIP_ERR_CSEQ},
    {"scalarlg", TND_SIP_ERR_CSEQ},
    {"quotbal", TND_SIP_ERR_TO},
    {"ltgtruri", TND_SIP_ERR_RURI},
    {"lwsruri", TND_SIP_ERR_RURI},
    {"lwsstart", TND_SIP_ERR_RURI},
    {"trws", TND_SIP_ERR_START_LINE},
    {"escruri", TND_SIP_ERR_RURI},
    {"regbadct", TND_SIP_ERR_CONTACT},
    {"badaspec", TND_SIP_ERR_TO},
    {"baddn", TND_SIP_ERR_FROM},
    {"badvers", TND_SIP_ERR_VERSION},
    {"mismatch01", TND_SIP_ERR_CSEQ_METHOD},
    {"mismatch02", TND_SIP_ERR_CSEQ_METHOD},
    {"bigcode", TND_SIP_ERR_STATUS},
    {"badbranch", TND_SIP_ERR_VIA},
    {"insuf", TND_SIP_ERR_FROM},
    {"unkscm", TND_SIP_ERR_SCHEME},
    {"novelsc", TND_SIP_ERR_SCHEME},
    {"multi01", TND_SIP_ERR_CSEQ},
    {"mcl01", TND_SIP_ERR_CONTENT_LENGTH},
    {"ipv6-bad", TND_SIP_ERR_RURI},
    {"telempty", TND_SIP_ERR_RURI},
    {"telctx", TND_SIP_ERR_RURI},
    {"telword", TND_SIP_ERR_RURI},
};

static enum tnd_sip_error expected(const struct torture_case *c)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (strcmp(faults[i].name, c->name) == 0)
            return faults[i].error;
    return TND_SIP_ERR_NONE;
}

// Whether the listed action follows from the parser's verdict alone.
static bool action_fits(const struct torture_case *c, const struct tnd_sip_msg *m)
{
    switch (c->action) {
    case TORTURE_FORWARD:
        return m->error == TND_SIP_ERR_NONE;
    case TORTURE_DROP: // bcast is well-formed: its next hop is what forbids it
        return !m->is_request && (m->error != TND_SIP_ERR_NONE || strcmp(c->name, "bcast") == 0);
    case TORTURE_ANSWER:
        break;
    default:
        return true;
    }
    switch (c->status) {
    case 400:
        return m->error != TND_SIP_ERR_NONE && m->error != TND_SIP_ERR_VERSION &&
               m->error != TND_SIP_ERR_SCHEME && m->is_request;
    case 416:
        return m->error == TND_SIP_ERR_SCHEME;
    case 505:
        return m->error == TND_SIP_ERR_VERSION;
    case 501:
        return m->error == TND_SIP_ERR_CSEQ_METHOD && m->method == TND_METHOD_OTHER;
    case 420:
        return m->error == TND_SIP_ERR_NONE && m->first[TND_HDR_PROXY_REQUIRE] != TND_SIP_NO_HDR;
    case 483:
        return m->error == TND_SIP_ERR_NONE && m->max_forwards == 0;
    default:
        return false;
    }
}

static void verdicts(void **state)
{
    struct tnd_sip_msg m;

    (void)state;
    assert_true(set.n > 60);
    for (size_t i = 0; i < set.n; i++) {
        const struct torture_case *c = &set.cases[i];

        if (c->action == TORTURE_NONE)
            continue;
        tnd_sip_parse(c->data, c->len, &m);
        if (m.error != expected(c) || !action_fits(c, &m))
            fail_msg("%s (%s): %s at %u, wanted %s", c->name, c->section,
                     tnd_sip_error_text(m.error), m.error_at, tnd_sip_error_text(expected(c)));
    }
}

// Whatever is refused with an answer must have what the answer is made of, where it is there.
static void answers_possible(void **state)
{
    struct tnd_sip_msg m;

    (void)state;
    for (size_t i = 0; i < set.n; i++) {
        const struct torture_case *c = &set.cases[i];

        if (c->action != TORTURE_ANSWER)
            continue;
        tnd_sip_parse(c->data, c->len, &m);
        if (m.via.host.len == 0 || m.first[TND_HDR_VIA] == TND_SIP_NO_HDR)
            fail_msg("%s: no way back", c->name);
        if (m.cseq_method.len == 0)
            fail_msg("%s: no CSeq", c->name);
        if (strcmp(c->name, "insuf") != 0 &&
            (m.call_id.len == 0 || m.first[TND_HDR_FROM] == TND_SIP_NO_HDR ||
             m.first[TND_HDR_TO] == TND_SIP_NO_HDR))
            fail_msg("%s: From, To or Call-ID not found", c->name);
    }
}

static void text_is(const struct tnd_sip_msg *m, struct tnd_span s, const char *want)
{
    char text[256];

    assert_true(s.len < sizeof text);
    memcpy(text, m->data + s.off, s.len);
    text[s.len] = 0;
    assert_string_equal(text, want);
}

static void parse_of(const char *name, struct tnd_sip_msg *m)
{
    const struct torture_case *c = torture_find(&set, name);

    assert_non_null(c);
    tnd_sip_parse(c->data, c->len, m);
}

// RFC 4475 3.1.1.1: every value behind folds, blanks and odd case.
static void wsinv(void **state)
{
    struct tnd_sip_msg m;

    (void)state;
    parse_of("wsinv", &m);
    text_is(&m, m.to_uri, "sip:vivekg@chair-dnrc.example.com");
    text_is(&m, m.to_tag, "1918181833n");
    text_is(&m, m.from_uri, "sip:jdrosen@example.com");
    text_is(&m, m.from_tag, "98asjd8");
    assert_int_equal(m.max_forwards, 68);
    assert_int_equal(m.cseq, 9);
    assert_int_equal(m.method, TND_METHOD_INVITE);
    text_is(&m, m.via.host, "192.0.2.2");
    text_is(&m, m.via.branch, "390skdjuw");
    assert_int_equal(m.via.sent_by.family, 4);
    assert_int_equal(m.body_len, 150);
    assert_int_not_equal(m.hdr[m.first[TND_HDR_VIA]].next, TND_SIP_NO_HDR);
    text_is(&m, m.contact_uri, "sip:jdrosen@example.com");
}

static void odd_ones(void **state)
{
    struct tnd_sip_msg m;

    (void)state;
    parse_of("intmeth", &m);
    text_is(&m, m.ruri.host, "example.com");
    text_is(&m, m.ruri.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
    text_is(&m, m.from_tag, "_token~1'+`*%!-.");
    text_is(&m, m.call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    parse_of("semiuri", &m);
    text_is(&m, m.ruri.user, "user;par=u%40example.net");
    parse_of("dblreq", &m);
    assert_int_equal(m.body_len, 0);
    assert_int_equal(m.len, m.body);
    parse_of("mpart01", &m);
    assert_int_equal(m.body_len, 553);
    parse_of("inv2543", &m);
    assert_false(m.has_content_length);
    assert_int_equal(m.max_forwards, TND_SIP_MF_ABSENT);
    assert_int_equal(m.len, torture_find(&set, "inv2543")->len);
    parse_of("noreason", &m);
    assert_true(m.reason.off != 0 && m.reason.len == 0);
    parse_of("unkscm", &m);
    text_is(&m, m.ruri.user, "totallyopaquecontent");
    parse_of("bcast", &m);
    text_is(&m, m.via2.host, "255.255.255.255");
}

static void ipv6(void **state)
{
    struct tnd_sip_msg m;

    (void)state;
    parse_of("port-ambiguous", &m);
    text_is(&m, m.ruri.host, "[2001:db8::10:5070]");
    assert_int_equal(m.ruri.port, 0);
    parse_of("port-unambiguous", &m);
    assert_int_equal(m.ruri.port, 5070);
    assert_int_equal(m.ruri.ip.family, 6);
    parse_of("via-received-param-with-delim", &m);
    assert_int_equal(m.via.received_ip.family, 6);
    parse_of("via-received-param-no-delim", &m);
    assert_int_equal(m.via.received_ip.family, 6);
    text_is(&m, m.via.branch, "z9hG4bKas3");
}

static int load(void **state)
{
    (void)state;
    return torture_load(TORTURE_DIR, &set) ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    torture_free(&set);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts), cmocka_unit_test(answers_possible),
        cmocka_unit_test(wsinv),    cmocka_unit_test(odd_ones),
        cmocka_unit_test(ipv6),
    };

    return cmocka_run_group_tests_name("torture_parse", tests, load, unload);
}
