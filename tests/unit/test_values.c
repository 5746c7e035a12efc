// Values in their common forms, and in others that look like them: each kernel reads them as the
// long ways do, with and without room behind them, and what makes a value malformed is the same.
#include "cmocka_all.h"

#include <stdio.h>

#include "guard.h"
#include "long_way.h"
#include "random.h"
#include "sip/parse.h"

#define SEED   20261123
#define ROUNDS 60000

// What values are made of: mostly what is right where it stands.
static const char *const hosts[] = {
    "192.0.2.20",
    "198.51.100.200",
    "1.2.3.4",
    "example.org",
    "pbx.example.net",
    "h",
    "[2001:db8::1]",
    "1.2.3",
    "01.2.3.4",
    "256.1.1.1",
    "a..b",
    ".a",
    "1.2.3.4.",
    "a.b.",
    "h_1-2.example",
    "",
    "1.2.3.4.5",
    "[::1",
    "sip-edge-01.fra.voice.carrier.example.net.and.so.on.for.more.than.a.word.example",
};
static const char *const ports[] = {"",       ":5060",       ":1",     ":65535", ":65536",
                                    ":0",     ":05060",      ":50600", ":506a",  ":",
                                    ": 5060", ":4294972356", ":5060:", " :5060", ":99999999"};
static const char *const via_starts[] = {"SIP/2.0/UDP ",  "SIP/2.0/TCP ",  "SIP/2.0/TLS ",
                                         "SIP/2.0/WSS ",  "sip/2.0/udp ",  "SIP / 2.0 / UDP ",
                                         "SIP/2.0/UDP  ", "SIP/2.0/UDPx ", "SIP/2.0/UDP\t",
                                         "SIP/3.0/UDP ",  "SIP/2.0/udp ",  "SIP/2.0/UDP"};
static const char *const via_params[] = {";branch=z9hG4bK776asdhds",
                                         ";rport",
                                         ";branch=z9hG4bK-1-2",
                                         ";rport=5060",
                                         ";received=192.0.2.1",
                                         ";Branch=z9hG4bKx",
                                         ";RPORT",
                                         ";branch=",
                                         ";branch",
                                         ";rport=",
                                         ";rport=99999",
                                         "; rport",
                                         ";rports",
                                         ";ttl=1",
                                         ";maddr=h",
                                         ";;",
                                         ";",
                                         " ;rport ",
                                         ";branch=a b",
                                         ";branch=\"a\"",
                                         ";received=[::1]",
                                         ";alias",
                                         ";branch =x",
                                         "=",
                                         ",",
                                         ", SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2",
                                         ",SIP/2.0/TCP h:1;rport=2",
                                         ";branch=z9hG4bK<",
                                         ";comp=sigcomp"};
static const char *const schemes[] = {
    "sip:", "sip:", "sip:", "sips:", "SIP:", "tel:", "si:", "sip"};
static const char *const users[] = {"",      "anna@", "+4930901820@", "4930@", "@", "a:b@",
                                    "a%41@", "a;b@",  "+@",           "a@b@",  "+", "1:2@"};
static const char *const uri_tails[] = {"",
                                        "",
                                        "",
                                        ";lr",
                                        ";transport=udp",
                                        ";user=phone",
                                        ";x=a@b",
                                        "?h=v",
                                        ";transport=tcp;lr",
                                        ";maddr=1.2.3.4",
                                        ";LR",
                                        ";transport=",
                                        ";=x",
                                        ";%6cr",
                                        ";a;b",
                                        ";",
                                        " ",
                                        ";x=<"};
static const char *const names[] = {"",           "",          "\"Front desk\" ", "\"A\"",  "Anna ",
                                    "Anna Lena ", "\"",        "\"a\\\"b\" ",     "\"\"  ", "Anna",
                                    "a: ",        "\xc3\xa9 ", "A  B\t"};
static const char *const tags[] = {"",
                                   ";tag=1928301774",
                                   ";tag=a6c85cf",
                                   ";TAG=x",
                                   ";tag=",
                                   ";tag",
                                   " ;tag=1",
                                   ";tag =1",
                                   ";x=y;tag=1",
                                   ";tag=1;x=y",
                                   ";tag=1;tag=2",
                                   ";tag=a,b",
                                   ";tagx=1",
                                   ";",
                                   ";tag=\"q\"",
                                   ";;tag=3"};
static const char *const list_params[] = {"",
                                          "",
                                          ";expires=600",
                                          ";+sip.instance=\"<urn:uuid:1>\"",
                                          ";q=0.5;ob",
                                          ";x=\"a\\\"b\"",
                                          ";x=\"a",
                                          ";x=",
                                          ";=x",
                                          ";",
                                          ";;lr",
                                          " ;lr",
                                          ";x =y",
                                          ";x=a,b",
                                          ";x=\"a\"b",
                                          ";x=<y>"};
static const char *const commas[] = {",", ", ", " ,", ",,", ",  ", ",\r\n ", ", ,", ",\t"};
static const char *const numbers[] = {
    "0",    "1",          "70",         "255",        "256",
    "9999", "0001",       "12345",      "00070",      "7x",
    "x7",   "-1",         "",           " 7",         "7 ",
    "7 7",  "2147483647", "2147483648", "4294967296", "99999999999999999999"};
static const char *const methods[] = {" OPTIONS", " OPTIONS",  " OPTIONS",   "  OPTIONS", "OPTIONS",
                                      " options", "\tOPTIONS", " OPTIONS x", "",          " "};
static const char *const call_ids[] = {
    "843817637684230@998sdasdh09",
    "a",
    "a@b",
    "a@b@c",
    "a b",
    "@",
    "(a)@<b>",
    "",
    "a\x80",
    "a@",
    "5f4dcc3b5aa765d61d8327deb882cf99-5f4dcc3b5aa765d61d8327deb882cf99@pbx.example.org"};

struct text {
    char at[2048];
    size_t len;
};

static uint64_t seed = SEED;

static void put(struct text *t, const char *s)
{
    size_t len = strlen(s);

    assert_true(t->len + len < sizeof t->at);
    memcpy(t->at + t->len, s, len);
    t->len += len;
}

// One of a list: one of its first `usual` three times of four, so that most messages have one or
// two odd things, and not ten.
static void put_one(struct text *t, const char *const *of, size_t n, size_t usual)
{
    put(t, of[test_random(&seed) % (test_random(&seed) % 4 == 0 ? n : usual)]);
}

#define PUT(t, of, usual) put_one((t), (of), sizeof(of) / sizeof *(of), (usual))

static void put_uri(struct text *t)
{
    PUT(t, schemes, 3);
    PUT(t, users, 4);
    PUT(t, hosts, 6);
    PUT(t, ports, 4);
    PUT(t, uri_tails, 8);
}

static void put_name_addr(struct text *t)
{
    bool bare = test_random(&seed) % 8 == 0;

    PUT(t, names, 6);
    put(t, bare ? "" : "<");
    put_uri(t);
    put(t, bare ? "" : ">");
}

static void put_via(struct text *t)
{
    PUT(t, via_starts, 3);
    PUT(t, hosts, 8);
    PUT(t, ports, 4);
    for (unsigned n = (unsigned)(test_random(&seed) % 4); n > 0; n--)
        PUT(t, via_params, 5);
}

static void put_field(struct text *t, const char *name, void (*value)(struct text *))
{
    put(t, name);
    value(t);
    put(t, "\r\n");
}

static void put_party(struct text *t)
{
    put_name_addr(t);
    PUT(t, tags, 3);
}

static void put_list(struct text *t)
{
    put_name_addr(t);
    PUT(t, list_params, 5);
    while (test_random(&seed) % 3 == 0) {
        PUT(t, commas, 2);
        put_name_addr(t);
        PUT(t, list_params, 5);
    }
}

static void put_cseq(struct text *t)
{
    PUT(t, numbers, 6);
    PUT(t, methods, 3);
}

static void put_hops(struct text *t)
{
    PUT(t, numbers, 6);
}

static void put_call_id(struct text *t)
{
    PUT(t, call_ids, 3);
}

// A message whose last field ends as near to the end of memory as any may, or has a body behind.
static void put_message(struct text *t)
{
    bool response = test_random(&seed) % 3 == 0;

    t->len = 0;
    put(t, response ? "SIP/2.0 200 OK" : "OPTIONS ");
    if (!response)
        put_uri(t);
    put(t, response ? "\r\n" : " SIP/2.0\r\n");
    put_field(t, "Via: ", put_via);
    if (test_random(&seed) % 4 == 0)
        put_field(t, "v: ", put_via);
    put_field(t, "From: ", put_party);
    put_field(t, "To: ", put_party);
    put_field(t, "Max-Forwards: ", put_hops);
    put_field(t, test_random(&seed) % 4 ? "Contact: " : "Record-Route: ", put_list);
    put_field(t, "Call-ID: ", put_call_id);
    put_field(t, "CSeq: ", put_cseq);
    put(t, "l: 0\r\n\r\n");
    if (test_random(&seed) % 2)
        put(t, "a body of some length");
}

static void as_the_long_ways(void **state)
{
    static struct tnd_sip_msg first, m;
    struct test_guard guard;
    unsigned good = 0;
    struct text t;

    (void)state;
    test_guard_open(&guard);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const char *at, *differs;

        put_message(&t);
        at = test_guard_put(&guard, t.at, t.len);
        for (unsigned i = 0; tnd_scan_kernel(i); i++) {
            const size_t from = offsetof(struct tnd_sip_msg, len);

            tnd_sip_parse_with(tnd_scan_kernel(i), at, t.len, i ? &m : &first);
            if (i && memcmp((char *)&m + from, (char *)&first + from,
                            offsetof(struct tnd_sip_msg, hdr) - from) != 0)
                fail_msg("seed %d, round %u, kernel %s reads differently:\n%.*s", SEED, round,
                         tnd_scan_kernel(i)->name, (int)t.len, t.at);
        }
        differs = long_way_differs(&first);
        if (differs)
            fail_msg("seed %d, round %u: %s is read differently:\n%.*s", SEED, round, differs,
                     (int)t.len, t.at);
        good += first.error == TND_SIP_ERR_NONE;
    }
    test_guard_close(&guard);
    // As many of the one as of the other, or what is compared above is not what it says.
    assert_in_range(good, ROUNDS / 20, ROUNDS / 2);
}

// One address, or what looks like one, as the C library reads it.
static bool read_ipv6(const char *address)
{
    size_t len = strlen(address);
    struct tnd_addr want = {0};
    struct tnd_uri uri;
    char text[64];
    bool is;

    snprintf(text, sizeof text, "sip:[%s]", address);
    is = tnd_addr_parse_ip((struct tnd_str){text + 4, len + 2}, &want) && want.family == 6;
    if (tnd_uri_parse(text, (struct tnd_span){0, (uint16_t)(len + 6)}, &uri) != is ||
        (is && memcmp(&uri.ip, &want, sizeof want) != 0))
        fail_msg("seed %d: %s", SEED, text);
    return is;
}

static void ipv6_as_inet_pton(void **state)
{
    static const char alphabet[] = "0123:::::abF....gz";
    static const char *const edges[] = {"::",
                                        ":::",
                                        ":",
                                        "1:2:3:4:5:6:7:8",
                                        "1:2:3:4:5:6:7::",
                                        "::2:3:4:5:6:7:8",
                                        "1:2:3:4:5:6:7:8::",
                                        "::1:2:3:4:5:6:7:8",
                                        "1:2:3:4::5:6:7:8",
                                        "1::2::3",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:",
                                        "12345::",
                                        "1:2:3:4:5:6:7:8:9",
                                        ":1::",
                                        "::1:",
                                        "::ffff:192.0.2.1",
                                        "2001:DB8::a"};
    unsigned good = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof edges / sizeof *edges; i++)
        read_ipv6(edges[i]);
    for (unsigned round = 0; round < 400000; round++) {
        unsigned len = (unsigned)(test_random(&seed) % (round % 2 ? 12 : 41)),
                 group = 2 + round % 4;
        char address[64] = "";

        // Groups of equal length now and then, or hardly any address would have eight.
        for (unsigned i = 0; i < len; i++)
            address[i] = round % 3 == 0 && i % group == group - 1
                             ? ':'
                             : alphabet[test_random(&seed) % (round % 3 ? sizeof alphabet - 1 : 4)];
        good += read_ipv6(address);
    }
    assert_in_range(good, 5000, 200000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_long_ways),
        cmocka_unit_test(ipv6_as_inet_pton),
    };

    return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
