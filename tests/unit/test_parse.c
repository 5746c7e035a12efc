// The parser's verdicts and spans: one fault a case, in a message that is fine otherwise.
#include "cmocka_all.h"

#include <stdio.h>

#include "sip/parse.h"

#define CRLF "\r\n"

static char text[80000];
static struct tnd_sip_msg m;

static const char *const default_lines[] = {
    "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa1;rport",
    "From: \"A\" <sip:a@example.org>;tag=f1",
    "To: <sip:b@example.net>",
    "Call-ID: c1@192.0.2.1",
    "CSeq: 7 INVITE",
    "Max-Forwards: 70",
};

// A message whose line beginning like `line` (up to its colon) is `line`; one more line if none
// does.
static size_t compose(const char *start, const char *line)
{
    size_t name = line ? strcspn(line, ":") + 1 : 0, at;
    bool done = line == NULL;

    at = (size_t)sprintf(text, "%s" CRLF, start);
    for (size_t i = 0; i < sizeof default_lines / sizeof *default_lines; i++) {
        bool mine = !done && strncmp(line, default_lines[i], name) == 0;

        at += (size_t)sprintf(text + at, "%s" CRLF, mine ? line : default_lines[i]);
        done |= mine;
    }
    if (!done)
        at += (size_t)sprintf(text + at, "%s" CRLF, line);
    return at + (size_t)sprintf(text + at, CRLF);
}

struct verdict {
    const char *what;
    enum tnd_sip_error error;
};

#define INVITE "INVITE sip:b@example.net SIP/2.0"

static void start_lines(void **state)
{
    static const struct verdict cases[] = {
        {INVITE, TND_SIP_ERR_NONE},
        {"INVITE sip:b@example.net sip/2.0", TND_SIP_ERR_NONE},
        {"INVITE sips:b@example.net:5061;transport=tcp SIP/2.0", TND_SIP_ERR_NONE},
        {"INVITE sip:b@example.net SIP/2.1", TND_SIP_ERR_VERSION},
        {"INVITE sip:b@example.net SIP/20.0", TND_SIP_ERR_VERSION},
        {"INVITE sip:b@example.net SIP/2", TND_SIP_ERR_START_LINE},
        {"INVITE sip:b@example.net SIP/2.", TND_SIP_ERR_START_LINE},
        {"INVITE sip:b@example.net SIP/2.0.1", TND_SIP_ERR_START_LINE},
        {"INVITE sip:b@example.net HTTP/1.1", TND_SIP_ERR_START_LINE},
        {"INVITE sip:b@example.net SIP/2.0 ", TND_SIP_ERR_START_LINE},
        {"INVITE sip:b@example.net", TND_SIP_ERR_START_LINE},
        {"INVITE  SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE SIP/2.0", TND_SIP_ERR_START_LINE},
        {"INVITE", TND_SIP_ERR_START_LINE},
        {" INVITE sip:b@example.net SIP/2.0", TND_SIP_ERR_START_LINE},
        {"INVITE\tsip:b@example.net SIP/2.0", TND_SIP_ERR_START_LINE},
        {"INV@TE sip:b@example.net SIP/2.0", TND_SIP_ERR_START_LINE},
        {"INVITE  sip:b@example.net SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE sip:b@example.net\t SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE sip:b@example.net?Subject=x SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE sip: SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE b@example.net SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE tel:+4930123456 SIP/2.0", TND_SIP_ERR_NONE},
        {"INVITE tel:+4930123x SIP/2.0", TND_SIP_ERR_RURI},
        {"INVITE urn:service:sos SIP/2.0", TND_SIP_ERR_SCHEME},
        {"invite sip:b@example.net SIP/2.0", TND_SIP_ERR_CSEQ_METHOD},
        {"SIP/2.0 200 OK", TND_SIP_ERR_NONE},
        {"SIP/2.0 200 ", TND_SIP_ERR_NONE},
        {"SIP/2.0 200", TND_SIP_ERR_NONE},
        {"SIP/2.0 699 \xc3\xa9", TND_SIP_ERR_NONE},
        {"SIP/2.0 700 x", TND_SIP_ERR_STATUS},
        {"SIP/2.0 099 x", TND_SIP_ERR_STATUS},
        {"SIP/2.0 0200 x", TND_SIP_ERR_STATUS},
        {"SIP/2.0 20 x", TND_SIP_ERR_STATUS},
        {"SIP/2.0 2000 x", TND_SIP_ERR_STATUS},
        {"SIP/2.0  200 x", TND_SIP_ERR_START_LINE},
        {"SIP/2.0 OK", TND_SIP_ERR_START_LINE},
        {"SIP/2.0", TND_SIP_ERR_START_LINE},
        {"SIP/3.0 200 OK", TND_SIP_ERR_VERSION},
        {"SIP/x 200 OK", TND_SIP_ERR_START_LINE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tnd_sip_parse(text, compose(cases[i].what, NULL), &m);
        if (m.error != cases[i].error)
            fail_msg("'%s': %s", cases[i].what, tnd_sip_error_text(m.error));
        // Whatever the start line, an answer can be made.
        assert_int_equal(m.cseq, 7);
        assert_int_equal(m.call_id.len, 12);
        assert_int_equal(m.via.branch.len, 9);
    }
}

static void request_headers(void **state)
{
    static const struct verdict cases[] = {
        {"Via: SIP/2.0/UDP host", TND_SIP_ERR_NONE},
        {"Via: SIP/2.0/UDP host;branch=z9hG4bK", TND_SIP_ERR_VIA},
        {"Via: SIP/2.0/UDP", TND_SIP_ERR_VIA},
        {"Via:", TND_SIP_ERR_VIA},
        {"Via: SIP/2.0/UDP host, SIP/2.0/UDP", TND_SIP_ERR_NONE}, // not ours to judge
        {"From: sip:a@example.org;tag=1", TND_SIP_ERR_NONE},
        {"From: <sip:a@example.org>", TND_SIP_ERR_NONE}, // RFC 2543
        {"From: A B C <sip:a@example.org>;tag=1;x;y=\"a;tag=2\"", TND_SIP_ERR_NONE},
        {"From: J\xc3\xb6rg <sip:a@example.org>;tag=1", TND_SIP_ERR_NONE},
        {"From: \"x\\\"y\" <sip:a@example.org>;tag=1", TND_SIP_ERR_NONE},
        {"From: \"x\" <tel:+49301>;tag=1", TND_SIP_ERR_NONE},
        {"From: <sip:a@example.org>;tag=1;", TND_SIP_ERR_NONE},
        {"From: \"x\\\" <sip:a@example.org>;tag=1", TND_SIP_ERR_FROM},
        {"From: \\\"x\\\" <sip:a@example.org>;tag=1", TND_SIP_ERR_NONE},
        {"From: \"x\"y <sip:a@example.org>;tag=1", TND_SIP_ERR_FROM},
        {"From: A, B <sip:a@example.org>;tag=1", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org>;tag=1, <sip:c@example.org>", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org>;tag=1;tag=2", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org>;tag=", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org>;tag", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org>;tag=1 2", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org> x;tag=1", TND_SIP_ERR_FROM},
        {"From: <sip:a@example.org;tag=1", TND_SIP_ERR_FROM},
        {"From: <>;tag=1", TND_SIP_ERR_FROM},
        {"From: <sip:>;tag=1", TND_SIP_ERR_FROM},
        {"From: a@example.org;tag=1", TND_SIP_ERR_FROM},
        {"From:", TND_SIP_ERR_FROM},
        {"To: <sip:b@example.net>;tag=t1", TND_SIP_ERR_NONE},
        {"To: < sip:b@example.net>", TND_SIP_ERR_TO},
        {"To: sip:b@example.net?a=b", TND_SIP_ERR_TO},
        {"Call-ID: a", TND_SIP_ERR_NONE},
        {"Call-ID: a@b@c=|", TND_SIP_ERR_NONE},
        {"Call-ID: a b", TND_SIP_ERR_CALL_ID},
        {"Call-ID: a\x01", TND_SIP_ERR_CALL_ID},
        {"Call-ID: \xc3\xa9", TND_SIP_ERR_CALL_ID},
        {"Call-ID: !~bcdefghijkl", TND_SIP_ERR_NONE},
        {"Call-ID: abcdefg\x7fijkl", TND_SIP_ERR_CALL_ID},
        {"Call-ID: abcdefg ijkl", TND_SIP_ERR_CALL_ID},
        {"Call-ID: abcdefg\xffijkl", TND_SIP_ERR_CALL_ID},
        {"Call-ID:", TND_SIP_ERR_CALL_ID},
        {"CSeq: 0 INVITE", TND_SIP_ERR_NONE},
        {"CSeq: 2147483647  \t INVITE", TND_SIP_ERR_NONE},
        {"CSeq: 2147483648 INVITE", TND_SIP_ERR_CSEQ},
        {"CSeq: 18446744073709551617 INVITE", TND_SIP_ERR_CSEQ},
        {"CSeq: -1 INVITE", TND_SIP_ERR_CSEQ},
        {"CSeq: 1INVITE", TND_SIP_ERR_CSEQ},
        {"CSeq: 1", TND_SIP_ERR_CSEQ},
        {"CSeq: INVITE", TND_SIP_ERR_CSEQ},
        {"CSeq: 1 INVITE x", TND_SIP_ERR_CSEQ},
        {"CSeq: 1 ACK", TND_SIP_ERR_CSEQ_METHOD},
        {"CSeq: 1 INVITEX", TND_SIP_ERR_CSEQ_METHOD},
        {"Max-Forwards: 0", TND_SIP_ERR_NONE},
        {"Max-Forwards: x", TND_SIP_ERR_MAX_FORWARDS},
        {"Max-Forwards: -1", TND_SIP_ERR_MAX_FORWARDS},
        {"Max-Forwards: 7 0", TND_SIP_ERR_MAX_FORWARDS},
        {"Max-Forwards:", TND_SIP_ERR_MAX_FORWARDS},
        {"Contact: *", TND_SIP_ERR_NONE},
        {"Contact: <sip:a@192.0.2.1>, \"B, C\" <sip:b@192.0.2.1>;q=0.5", TND_SIP_ERR_NONE},
        {"Contact: <sip:a@192.0.2.1?x=y>", TND_SIP_ERR_NONE},
        {"Contact: sip:a@192.0.2.1?x=y", TND_SIP_ERR_CONTACT},
        {"Contact: <sip:a@192.0.2.1>,", TND_SIP_ERR_CONTACT},
        {"Contact: <sip:a@192.0.2.1>,,<sip:b@192.0.2.1>", TND_SIP_ERR_CONTACT},
        {"Contact: *, <sip:a@192.0.2.1>", TND_SIP_ERR_CONTACT},
        {"Contact:", TND_SIP_ERR_CONTACT},
        {"m: <sip:a@192.0.2.1", TND_SIP_ERR_CONTACT},
        {"Route: <sip:192.0.2.9;lr>,<sip:192.0.2.8;lr>", TND_SIP_ERR_NONE},
        {"Route: <sip:192.0.2.9;lr", TND_SIP_ERR_ROUTE},
        {"Route: x", TND_SIP_ERR_ROUTE},
        {"Record-Route: <sip:192.0.2.9;lr> <sip:192.0.2.8;lr>", TND_SIP_ERR_ROUTE},
        {"Content-Length: 0", TND_SIP_ERR_NONE},
        {"l: 000", TND_SIP_ERR_NONE},
        {"Content-Length: 1", TND_SIP_ERR_CONTENT_LENGTH},
        {"Content-Length: +0", TND_SIP_ERR_CONTENT_LENGTH},
        {"Content-Length: 0x0", TND_SIP_ERR_CONTENT_LENGTH},
        {"Content-Length: 4294967296", TND_SIP_ERR_CONTENT_LENGTH},
        {"Content-Length:", TND_SIP_ERR_CONTENT_LENGTH},
        {"X-Anything :  ;;,,\"", TND_SIP_ERR_NONE},
        {"X-Empty:", TND_SIP_ERR_NONE},
        {"X Y: z", TND_SIP_ERR_HEADER},
        {": z", TND_SIP_ERR_HEADER},
        {"no colon here", TND_SIP_ERR_HEADER},
        {"X-A\n : b", TND_SIP_ERR_HEADER}, // the colon is the fold's
        {"X-A: a\rb", TND_SIP_ERR_HEADER}, // another would see a line end here
        {"X-A: a\r", TND_SIP_ERR_HEADER},
        {"From: <sip:c@example.org>;tag=2" CRLF "f: <sip:a@example.org>;tag=1", TND_SIP_ERR_FROM},
        {"l: 0" CRLF "Content-Length: 0", TND_SIP_ERR_CONTENT_LENGTH},
        {"Max-Forwards: 70" CRLF "MAX-FORWARDS: 70", TND_SIP_ERR_MAX_FORWARDS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tnd_sip_parse(text, compose(INVITE, cases[i].what), &m);
        if (m.error != cases[i].error)
            fail_msg("'%s': %s at %u", cases[i].what, tnd_sip_error_text(m.error), m.error_at);
    }
}

// A response is refused only for what its way back hangs on.
static void response_headers(void **state)
{
    static const struct verdict cases[] = {
        {"Contact: sip:a@192.0.2.1?x=y", TND_SIP_ERR_NONE},
        {"Record-Route: nonsense", TND_SIP_ERR_NONE},
        {"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK", TND_SIP_ERR_NONE},
        {"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx, SIP/2.0/UDP", TND_SIP_ERR_VIA},
        {"Via: SIP/2.0/UDP 192.0.2.9" CRLF "Via: SIP/2.0/UDP", TND_SIP_ERR_VIA},
        {"From: A, B <sip:a@example.org>;tag=1", TND_SIP_ERR_FROM},
        {"CSeq: 1 NEWMETHOD", TND_SIP_ERR_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tnd_sip_parse(text, compose("SIP/2.0 200 OK", cases[i].what), &m);
        if (m.error != cases[i].error)
            fail_msg("'%s': %s", cases[i].what, tnd_sip_error_text(m.error));
    }
}

static void missing_headers(void **state)
{
    static const uint8_t errors[] = {TND_SIP_ERR_VIA,     TND_SIP_ERR_FROM, TND_SIP_ERR_TO,
                                     TND_SIP_ERR_CALL_ID, TND_SIP_ERR_CSEQ, TND_SIP_ERR_NONE};

    (void)state;
    for (size_t out = 0; out < sizeof errors; out++) {
        size_t at = (size_t)sprintf(text, INVITE CRLF);

        for (size_t i = 0; i < sizeof errors; i++)
            if (i != out)
                at += (size_t)sprintf(text + at, "%s" CRLF, default_lines[i]);
        at += (size_t)sprintf(text + at, CRLF);
        assert_int_equal(tnd_sip_parse(text, at, &m), errors[out]);
        assert_int_equal(m.n_hdrs, sizeof errors - 1);
    }
    assert_int_equal(m.max_forwards, TND_SIP_MF_ABSENT);
}

static void span_is(struct tnd_span s, const char *want)
{
    if (s.len != strlen(want) || memcmp(m.data + s.off, want, s.len) != 0)
        fail_msg("'%.*s' is not '%s'", s.len, m.data + s.off, want);
}

// Compact forms, folds, blanks before the colon, bare LF, empty lines in front: all at once.
static void loose_form(void **state)
{
    static const char loose[] = "\r\n\n\r\nMESSAGE sip:%61@[2001:db8::5]:5080;lr SIP/2.0\n"
                                "v : SIP / 2.0 /\r\n TCP  [2001:db8::9]:5070 ; Branch\r\n\t= "
                                "z9hG4bKq , SIP/2.0/UDP second\n"
                                "V:SIP/2.0/UDP third\n"
                                "f:\"Anna \\\"A\\\" B\"\n <sip:anna@example.org> ; TAG = abc ; x\n"
                                "t:<sip:ben@example.org;x=1>;tag=def\r\n"
                                "I:  callid  \r\n"
                                "cSEQ: 0012\r\n  \r\n \tMESSAGE\r\n"
                                "MAX-forwards:\t300\r\n"
                                "M: <sip:one@example.org>\n ,sip:two@example.org;expires=3\n"
                                "L:5\n"
                                "\n"
                                "hellonoise";

    (void)state;
    assert_int_equal(tnd_sip_parse(loose, sizeof loose - 1, &m), TND_SIP_ERR_NONE);
    assert_int_equal(m.method, TND_METHOD_MESSAGE);
    span_is(m.ruri.user, "%61");
    assert_int_equal(m.ruri.port, 5080);
    assert_true(m.ruri.lr);
    assert_int_equal(m.via.transport, TND_TRANSPORT_TCP);
    span_is(m.via.host, "[2001:db8::9]");
    assert_int_equal(m.via.sent_by.port, 5070);
    span_is(m.via.branch, "z9hG4bKq");
    assert_int_equal(m.via2.whole.len, 0);
    span_is(m.from_uri, "sip:anna@example.org");
    span_is(m.from_tag, "abc");
    span_is(m.to_uri, "sip:ben@example.org;x=1");
    span_is(m.to_tag, "def");
    span_is(m.call_id, "callid");
    assert_int_equal(m.cseq, 12);
    assert_int_equal(m.max_forwards, 70); // 300 is as good as absent
    span_is(m.contact_uri, "sip:one@example.org");
    assert_int_equal(m.body_len, 5);
    span_is((struct tnd_span){m.body, m.body_len}, "hello");
    assert_int_equal(m.len, m.body + 5);
    assert_int_equal(m.data - loose, 5);
    assert_int_equal(m.data[m.headers_end], '\n');
}

static void list_and_chains(void **state)
{
    static const char response[] = "SIP/2.0 183 Session Progress\r\n"
                                   "X-First: 1\r\n"
                                   "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKours\r\n"
                                   "Record-Route: <sip:192.0.2.1;lr>\r\n"
                                   "To: <sip:b@example.net>;tag=2\r\n"
                                   "v: SIP/2.0/UDP 198.51.100.7;received=198.51.100.8;rport=5099"
                                   ";branch=z9hG4bKtheirs, SIP/2.0/TCP third\r\n"
                                   "From: <sip:a@example.org>;tag=1\r\n"
                                   "Call-ID: x\r\n"
                                   "Retry-After: 5 (soon)\r\n"
                                   "CSeq: 3 PRACK\r\n"
                                   "Record-Route: <sip:192.0.2.2;lr>\r\n"
                                   "Via: SIP/2.0/UDP fourth\r\n"
                                   "\r\n"
                                   "body to the end";
    unsigned i;

    (void)state;
    assert_int_equal(tnd_sip_parse(response, sizeof response - 1, &m), TND_SIP_ERR_NONE);
    assert_false(m.is_request);
    assert_int_equal(m.status, 183);
    span_is(m.reason, "Session Progress");
    assert_int_equal(m.method, TND_METHOD_PRACK);
    span_is(m.via.branch, "z9hG4bKours");
    span_is(m.via2.branch, "z9hG4bKtheirs");
    assert_int_equal(m.via2.rport_value, 5099);
    assert_int_equal(m.via2.received_ip.ip[3], 8);
    span_is(m.via2.received_param, ";received=198.51.100.8");
    span_is(m.via2.rport_param, ";rport=5099");
    assert_int_equal(m.n_hdrs, 11);
    i = m.first[TND_HDR_VIA];
    assert_int_equal(i, 1);
    i = m.hdr[i].next;
    assert_int_equal(i, 4);
    i = m.hdr[i].next;
    assert_int_equal(i, 10);
    assert_int_equal(m.hdr[i].next, TND_SIP_NO_HDR);
    assert_int_equal(m.first[TND_HDR_RETRY_AFTER], 7);
    assert_int_equal(m.first[TND_HDR_ROUTE], TND_SIP_NO_HDR);
    assert_false(m.has_content_length);
    span_is((struct tnd_span){m.body, m.body_len}, "body to the end");
    // Header lines follow each other without a gap up to the empty line.
    assert_int_equal(m.hdr[0].line, m.start_line_end);
    for (i = 0; i + 1 < m.n_hdrs; i++)
        assert_int_equal(m.hdr[i].end, m.hdr[i + 1].line);
    assert_int_equal(m.hdr[i].end, m.headers_end);
}

static void kernels_by_name(void **state)
{
    const char *before = tnd_scan_active->name;

    (void)state;
    assert_false(tnd_isa_select("avx"));
    assert_false(tnd_isa_select(""));
    assert_string_equal(tnd_scan_active->name, before);
    assert_true(tnd_isa_select(NULL)); // the best: the last of those that run here
    for (unsigned i = 0; tnd_scan_kernel(i); i++)
        if (!tnd_scan_kernel(i + 1))
            assert_ptr_equal(tnd_scan_active, tnd_scan_kernel(i));
    assert_true(tnd_isa_select(before));
}

static void keepalives(void **state)
{
    (void)state;
    assert_int_equal(tnd_sip_parse("", 0, &m), TND_SIP_ERR_EMPTY);
    assert_int_equal(tnd_sip_parse("\r\n\r\n", 4, &m), TND_SIP_ERR_EMPTY);
    assert_int_equal(tnd_sip_parse("\n", 1, &m), TND_SIP_ERR_EMPTY);
    assert_int_equal(tnd_sip_parse("\0\0\0\0", 4, &m), TND_SIP_ERR_START_LINE);
    assert_int_equal(m.via.whole.len, 0);
}

static void sections_without_end(void **state)
{
    size_t len = compose(INVITE, NULL);

    (void)state;
    assert_int_equal(tnd_sip_parse(text, len - 2, &m), TND_SIP_ERR_NO_END);
    assert_int_equal(m.body_len, 0);
    assert_int_equal(m.max_forwards, 70);
    assert_int_equal(tnd_sip_parse(text, len - 4, &m), TND_SIP_ERR_NO_END);
    assert_int_equal(m.max_forwards, 70);
    assert_int_equal(tnd_sip_parse(INVITE CRLF CRLF, sizeof INVITE + 3, &m), TND_SIP_ERR_VIA);
    assert_int_equal(tnd_sip_parse(INVITE CRLF " x: y" CRLF CRLF, sizeof INVITE + 10, &m),
                     TND_SIP_ERR_HEADER);
    assert_int_equal(tnd_sip_parse(INVITE, sizeof INVITE - 1, &m), TND_SIP_ERR_NO_END);
    assert_int_equal(m.method, TND_METHOD_INVITE);
}

// Put `n` lines "X: n" between the defaults and the end.
static size_t with_more_lines(unsigned n, const char *line)
{
    size_t at = compose(INVITE, NULL) - 2;

    while (n--)
        at += (size_t)sprintf(text + at, "%s" CRLF, line);
    return at + (size_t)sprintf(text + at, CRLF);
}

static void bounds(void **state)
{
    const unsigned spare = TND_SIP_HDRS_MAX - 6;
    size_t len;

    (void)state;
    assert_int_equal(tnd_sip_parse(text, with_more_lines(spare, "X: y"), &m), TND_SIP_ERR_NONE);
    assert_int_equal(m.n_hdrs, TND_SIP_HDRS_MAX);
    assert_int_equal(tnd_sip_parse(text, with_more_lines(spare + 1, "X: y"), &m),
                     TND_SIP_ERR_TOO_MANY_HEADERS);
    assert_int_equal(m.cseq, 7);
    // Folds count against the lines of a section, not against its fields.
    assert_int_equal(tnd_sip_parse(text, with_more_lines(400, " fold"), &m),
                     TND_SIP_ERR_MAX_FORWARDS);
    assert_int_equal(tnd_sip_parse(text, with_more_lines(TND_SCAN_LINES_MAX - 8, "\t"), &m),
                     TND_SIP_ERR_NONE);
    assert_int_equal(tnd_sip_parse(text, with_more_lines(TND_SCAN_LINES_MAX - 7, "\t"), &m),
                     TND_SIP_ERR_TOO_MANY_HEADERS);

    len = compose(INVITE, NULL);
    memset(text + len, 'b', TND_SIP_MAX);
    assert_int_equal(tnd_sip_parse(text, TND_SIP_MAX, &m), TND_SIP_ERR_NONE);
    assert_int_equal(m.len, TND_SIP_MAX);
    assert_int_equal(tnd_sip_parse(text, TND_SIP_MAX + 1, &m), TND_SIP_ERR_TOO_LARGE);
    assert_int_equal(m.len, TND_SIP_MAX);
    span_is(m.call_id, "c1@192.0.2.1");
    memset(text + len, 'b', 65507 - len);
    assert_int_equal(tnd_sip_parse(text, 65507, &m), TND_SIP_ERR_TOO_LARGE);
    assert_int_equal(m.body_len, TND_SIP_MAX - len);
}

static void names(void **state)
{
    (void)state;
    for (unsigned i = 1; i < TND_METHOD_COUNT; i++) {
        char start[64], cseq[64];

        sprintf(start, "%s sip:b@example.net SIP/2.0", tnd_method_name((enum tnd_method)i));
        sprintf(cseq, "CSeq: 1 %s", tnd_method_name((enum tnd_method)i));
        assert_int_equal(tnd_sip_parse(text, compose(start, cseq), &m), TND_SIP_ERR_NONE);
        assert_int_equal(m.method, i);
        start[0] ^= 0x20; // a method's case counts (s7.1)
        cseq[8] ^= 0x20;
        assert_int_equal(tnd_sip_parse(text, compose(start, cseq), &m), TND_SIP_ERR_NONE);
        assert_int_equal(m.method, TND_METHOD_OTHER);
    }
    assert_string_equal(tnd_method_name(TND_METHOD_OTHER), "other");
    assert_string_equal(tnd_sip_error_text(TND_SIP_ERR_VIA), "missing or malformed Via");
}

static void header_names(void **state)
{
    static const struct {
        const char *name;
        enum tnd_hdr id;
    } known[] = {
        {"Via", TND_HDR_VIA},
        {"From", TND_HDR_FROM},
        {"To", TND_HDR_TO},
        {"Call-ID", TND_HDR_CALL_ID},
        {"CSeq", TND_HDR_CSEQ},
        {"Max-Forwards", TND_HDR_MAX_FORWARDS},
        {"Route", TND_HDR_ROUTE},
        {"Record-Route", TND_HDR_RECORD_ROUTE},
        {"Contact", TND_HDR_CONTACT},
        {"Content-Length", TND_HDR_CONTENT_LENGTH},
        {"Proxy-Require", TND_HDR_PROXY_REQUIRE},
        {"Proxy-Authorization", TND_HDR_PROXY_AUTHORIZATION},
        {"Retry-After", TND_HDR_RETRY_AFTER},
        {"v", TND_HDR_VIA},
        {"f", TND_HDR_FROM},
        {"t", TND_HDR_TO},
        {"i", TND_HDR_CALL_ID},
        {"m", TND_HDR_CONTACT},
        {"l", TND_HDR_CONTENT_LENGTH},
        {"c", TND_HDR_OTHER},
        {"k", TND_HDR_OTHER},
        {"Content-Type", TND_HDR_OTHER},
        {"Contents-Type", TND_HDR_OTHER},
        {"Allow-Event", TND_HDR_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t len = strlen(known[i].name);

        // Each letter in both cases; each octet changed in each bit but the case bit. Once with
        // the message's end near, once with more behind.
        for (unsigned flip = 0; flip < 2 * len * 8; flip++) {
            const char *body = flip < len * 8 ? "" : "sixteen octets..";
            char line[64];
            unsigned at = flip / 8 % (unsigned)len;
            char *octet = line + at;
            bool same;

            sprintf(line, "%s: x", known[i].name);
            *octet ^= (char)(1 << flip % 8);
            same = tnd_lower(*octet) == tnd_lower(known[i].name[at]);
            if (len < 2 && !same)
                continue; // another compact form
            tnd_sip_parse(text, (size_t)sprintf(text, INVITE CRLF "%s" CRLF CRLF "%s", line, body),
                          &m);
            if (!tnd_char_is(*octet, TND_C_TOKEN)) {
                if (m.n_hdrs == 1 && m.hdr[0].id == known[i].id)
                    fail_msg("octet %u of '%s' may be 0x%02x", at, known[i].name, *octet);
                continue;
            }
            assert_int_equal(m.n_hdrs, 1);
            if (m.hdr[0].id != (same ? known[i].id : TND_HDR_OTHER))
                fail_msg("'%s' is taken for %u", line, m.hdr[0].id);
        }
    }
}

// The fields of a message whose start line ends with LF are read the long way, one by one. So
// read, a message says what it says with CRLF there, one octet further on.
static void plain_lines_as_any(void **state)
{
    static const char *const names[] = {
        "Via",          "f", "CALL-ID", "content-length",      "Content-Type",  "Allow-Events",
        "Allow",        "X", "k",       "Proxy-Authorization", "proxy-require", "Subject",
        "Max-Forwards", "l", "i",       "P-Asserted",
    };
    static const char hostile[] = {'\r', '\n', ':', ' ', '\t', 0, 0x1a, '-', 'i', 'S', (char)0xba};
    static char lf[1024];
    struct tnd_sip_msg any;
    uint32_t rng = 7;

    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        size_t len = (size_t)sprintf(text, INVITE CRLF), start = len;

        for (unsigned i = 0; i < 6; i++) {
            rng = rng * 1664525 + 1013904223;
            len += (size_t)sprintf(
                text + len, "%s: %.*s" CRLF, names[(rng >> 16) % (sizeof names / sizeof *names)],
                (int)(rng >> 26), "0123456789 123456789;123456789<sip:789 12345678");
        }
        len += (size_t)sprintf(text + len, CRLF "%.*s", (int)(rng >> 20 & 31),
                               "body body body body body body b");
        for (unsigned i = 0; i < 2; i++) {
            rng = rng * 1664525 + 1013904223;
            text[start + (rng >> 8) % (len - start)] = hostile[(rng >> 4) % sizeof hostile];
        }
        memcpy(lf, text, start);
        lf[start - 2] = '\n';
        memcpy(lf + start - 1, text + start, len - start);
        tnd_sip_parse(text, len, &m);
        tnd_sip_parse(lf, len - 1, &any);
        assert_int_equal(m.n_hdrs, any.n_hdrs);
        assert_int_equal(m.error, any.error);
        assert_int_equal(m.error_at, any.error ? any.error_at + 1 : 0);
        assert_memory_equal(m.first, any.first, sizeof m.first);
        for (unsigned i = 0; i < m.n_hdrs; i++) {
            const struct tnd_sip_hdr *a = &m.hdr[i], *b = &any.hdr[i];

            if (a->line != b->line + 1 || a->value != b->value + 1 || a->end != b->end + 1 ||
                a->value_len != b->value_len || a->id != b->id || a->next != b->next)
                fail_msg("round %u, field %u: '%.*s'", round, i, a->end - a->line, text + a->line);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_lines),      cmocka_unit_test(request_headers),
        cmocka_unit_test(response_headers), cmocka_unit_test(missing_headers),
        cmocka_unit_test(loose_form),       cmocka_unit_test(list_and_chains),
        cmocka_unit_test(keepalives),       cmocka_unit_test(sections_without_end),
        cmocka_unit_test(bounds),           cmocka_unit_test(names),
        cmocka_unit_test(header_names),     cmocka_unit_test(plain_lines_as_any),
        cmocka_unit_test(kernels_by_name),
    };

    int failed = 0;

    for (unsigned i = 0; tnd_scan_kernel(i); i++) {
        char name[64];

        assert_true(tnd_isa_select(tnd_scan_kernel(i)->name));
        snprintf(name, sizeof name, "parse %s", tnd_scan_active->name);
        failed += _cmocka_run_group_tests(name, tests, sizeof tests / sizeof *tests, NULL, NULL);
    }
    return failed;
}
