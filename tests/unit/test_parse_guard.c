// No octet outside the message is touched: it lies against pages that cannot be read, at
// either end, at every offset within a block of 64, cut at every length.
#include "cmocka_all.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sip/parse.h"

static const char *const messages[] = {
    "INVITE sip:+4930123456@[2001:db8::10]:5070;user=phone;transport=udp SIP/2.0\r\n"
    "Via: SIP/2.0/UDP pbx.example.org:5060;branch=z9hG4bK-1;rport;received=198.51.100.3,\r\n"
    " SIP/2.0/TLS [2001:db8::9];branch=z9hG4bK-0\r\n"
    "Max-Forwards: 69\r\n"
    "Route: <sip:192.0.2.9;lr>, \"x\\\"y\" <sip:192.0.2.8;lr>;p=\"q\"\r\n"
    "From: \"A \\\"B\\\"\" <sip:anna@example.org>;tag=1\r\n"
    "To: sip:ben@example.net\r\n"
    "Call-ID: 5f4dcc3b5aa765d61d8327deb882cf99@pbx.example.org\r\n"
    "CSeq: 10\r\n\tINVITE\r\n"
    "Contact: <sip:anna@198.51.100.3:5062;ob>;+sip.instance=\"<urn:uuid:1>\"\r\n"
    "Proxy-Require: sec-agree\r\n"
    "Content-Length: 5\r\n"
    "\r\n"
    "v=0\r\n",
    "\r\nSIP/2.0 486 Busy Here\r\n"
    "v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx, SIP/2.0/UDP 192.0.2.2:5099;rport=5098\r\n"
    "f: <sip:a@example.org>;tag=1\r\n"
    "t: \"B\" <sip:b@example.net>;tag=2\r\n"
    "i: q\r\n"
    "CSeq: 4 INVITE\r\n"
    "l: 0\r\n"
    "\r\n",
    "OPTIONS sip:h SIP/2.0\n"
    "Via:SIP/2.0/UDP h\n"
    "From:<sip:a>\n"
    "To:<sip:b>\n"
    "Call-ID:c\n"
    "CSeq:1 OPTIONS\n"
    "\n",
};

struct room {
    char *at, *end; // readable octets between two closed pages
    char *map;
    size_t page;
};

static struct room room;

static int make_room(void **state)
{
    (void)state;
    room.page = (size_t)sysconf(_SC_PAGESIZE);
    room.map = mmap(NULL, 3 * room.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room.map == MAP_FAILED || mprotect(room.map + room.page, room.page, PROT_READ | PROT_WRITE))
        return -1;
    room.at = room.map + room.page;
    room.end = room.at + room.page;
    return 0;
}

static int leave_room(void **state)
{
    (void)state;
    return munmap(room.map, 3 * room.page);
}

static bool same_verdict(const struct tnd_sip_msg *a, const struct tnd_sip_msg *b)
{
    const size_t from = offsetof(struct tnd_sip_msg, len), to = offsetof(struct tnd_sip_msg, hdr);

    return memcmp((const char *)a + from, (const char *)b + from, to - from) == 0 &&
           memcmp(a->hdr, b->hdr, a->n_hdrs * sizeof a->hdr[0]) == 0;
}

// Each length, each way to lie: against the closed page behind it, and against the one before.
static void every_length(void **state)
{
    struct tnd_sip_msg behind, before;

    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        size_t whole = strlen(messages[i]);

        for (size_t len = 0; len <= whole; len++) {
            memcpy(room.end - len, messages[i], len);
            tnd_sip_parse(room.end - len, len, &behind);
            memset(room.at, 'x', room.page);
            memcpy(room.at, messages[i], len);
            tnd_sip_parse(room.at, len, &before);
            if (!same_verdict(&behind, &before))
                fail_msg("message %zu cut at %zu: read differently by where it lies", i, len);
            if ((behind.error == TND_SIP_ERR_NONE) != (len == whole))
                fail_msg("message %zu cut at %zu: %s", i, len, tnd_sip_error_text(behind.error));
        }
    }
}

// Blanks behind a value belong to nothing, and may be the message's last octets.
static void blanks_to_the_end(void **state)
{
    static const char start[] = "OPTIONS sip:h SIP/2.0\r\nMax-Forwards: 70\r\nRoute: a b";
    struct tnd_sip_msg m;

    (void)state;
    for (size_t blanks = 0; blanks <= 256; blanks++) {
        char *at = room.end - blanks - (sizeof start - 1);

        memset(at, ' ', (size_t)(room.end - at));
        memcpy(at, start, sizeof start - 1);
        assert_int_not_equal(tnd_sip_parse(at, (size_t)(room.end - at), &m), TND_SIP_ERR_NONE);
    }
}

// What lies behind a message must not change what is read of it, wherever blocks begin.
static void every_offset(void **state)
{
    static const char behind[] = {'\r', '\n', ':', 0, ' ', 'x', '"', (char)0xff};
    struct tnd_sip_msg first, m;

    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        size_t len = strlen(messages[i]) - 1;

        for (size_t off = 0; off < 64; off++) {
            memset(room.at, behind[off % sizeof behind], room.page);
            memcpy(room.at + off, messages[i], len);
            tnd_sip_parse(room.at + off, len, off ? &m : &first);
            if (off && !same_verdict(&first, &m))
                fail_msg("message %zu at offset %zu: read differently", i, off);
        }
    }
}

// Each octet in turn becomes each of those that mean something to a parser.
static void every_octet(void **state)
{
    static const char hostile[] = {'\r', '\n', ':', ';', ',', '"',  '\\', '<', '>', '@',
                                   '[',  ']',  '=', '%', ' ', '\t', 0,    '?', '/', (char)0x80};
    struct tnd_sip_msg m;

    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        size_t len = strlen(messages[i]);
        char *at = room.end - len;

        memcpy(at, messages[i], len);
        for (size_t k = 0; k < len; k++) {
            for (size_t h = 0; h < sizeof hostile; h++) {
                at[k] = hostile[h];
                tnd_sip_parse(at, len, &m);
                assert_true(m.data >= at && m.data + m.len <= room.end);
                assert_true(m.body + m.body_len == m.len);
            }
            at[k] = messages[i][k];
        }
    }
}

// Hosts that begin like addresses, up to 39 octets before the closed page: what each kernel reads
// of them is what inet_pton says, with or without room to look further.
static void hosts_at_the_end(void **state)
{
    static const char start[] = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP ", alphabet[] = "0125.....a";
    struct tnd_sip_msg m;
    uint32_t rng = 1;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned host = 1 + i % 17, behind = i / 17 % 40;
        size_t len = sizeof start - 1 + host + behind;
        char *at = room.end - len;
        struct tnd_addr want = {0};

        memset(at, ' ', len);
        memcpy(at, start, sizeof start - 1);
        for (unsigned k = 0; k < host; k++) {
            rng = rng * 1664525 + 1013904223;
            at[sizeof start - 1 + k] = alphabet[(rng >> 16) % (sizeof alphabet - 1)];
        }
        if (!tnd_addr_parse_ip((struct tnd_str){at + sizeof start - 1, host}, &want))
            memset(&want, 0, sizeof want);
        tnd_sip_parse(at, len, &m);
        assert_true(m.via.host.len == host || m.via.host.len == 0);
        if (m.via.sent_by.family != want.family || memcmp(m.via.sent_by.ip, want.ip, 16) != 0)
            fail_msg("'%.*s', %u before the end", (int)host, at + sizeof start - 1, behind);
    }
}

// The kernel alone, at the borders of its blocks: a line end at each position.
static void scan_positions(void **state)
{
    static struct tnd_scan s;

    (void)state;
    for (unsigned len = 0; len < 200; len++) {
        char *at = room.end - len;

        for (unsigned k = 0; k < len; k++) {
            memset(at, 'a', len);
            at[k] = '\n';
            tnd_scan_active->lines(at, len, &s);
            assert_int_equal(s.ended, k == 0);
            assert_int_equal(s.n, k == 0 || k + 1 == len ? 1 : 2);
            assert_int_equal(s.lf[0], k);
            assert_int_equal(s.bare_cr, len);
            at[k] = '\r';
            tnd_scan_active->lines(at, len, &s);
            assert_int_equal(s.n, 1);
            assert_int_equal(s.lf[0], len);
            assert_int_equal(s.bare_cr, k);
        }
    }
}

// What an empty line is, with its LF at each position: LF or CRLF behind a line end.
static void scan_empty_lines(void **state)
{
    static struct tnd_scan s;

    (void)state;
    for (unsigned k = 4; k < 200; k++) {
        char *at = room.end - 200;

        memset(at, '\n', 200);
        memset(at, 'a', k - 1);
        memcpy(at + k - 3, "\na\r\n", 4);
        tnd_scan_active->lines(at, 200, &s);
        assert_int_equal(s.n, k == 199 ? 2 : 3);
        memcpy(at + k - 3, "\n\n\r\n", 4);
        tnd_scan_active->lines(at, 200, &s);
        assert_true(s.ended && s.n == 2 && s.lf[1] == k - 2);
        memcpy(at + k - 3, "a\n\r\n", 4);
        tnd_scan_active->lines(at, 200, &s);
        assert_true(s.ended && s.n == 2 && s.lf[1] == k);
        memcpy(at + k - 3, "a\r\r\n", 4);
        tnd_scan_active->lines(at, 200, &s);
        assert_int_equal(s.bare_cr, k - 2);
    }
}

// The lines of `data`, octet by octet.
static void model_lines(const char *data, uint32_t len, struct tnd_scan *s)
{
    uint32_t from = 0, at = 0;

    s->n = 0;
    s->ended = false;
    s->bare_cr = (uint16_t)len;
    for (; at < len && !s->ended; at++) {
        if (data[at] == '\r' && (at + 1 == len || data[at + 1] != '\n') && s->bare_cr == len)
            s->bare_cr = (uint16_t)at;
        if (data[at] != '\n')
            continue;
        s->lf[s->n++] = (uint16_t)at;
        s->ended = at == from || (at == from + 1 && data[from] == '\r');
        from = at + 1;
    }
    if (!s->ended && from < len)
        s->lf[s->n++] = (uint16_t)len;
}

// Lines of all lengths, CRLF and what looks like it at all borders of blocks, against the model.
static void scan_lines(void **state)
{
    static const char *const pieces[] = {"\r\n", "\r\n",     "\r\n", "\n",
                                         "\r",   "\r\n\r\n", "a\r",  "\n\r"};
    static struct tnd_scan want, got;
    uint32_t rng = 1, plain = 0;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        char text[400];
        uint32_t len = 0, strange = round & 1 ? 8 : 3; // of each other one all lines are plain

        for (;;) {
            const char *piece = pieces[(rng >> 12) % strange];
            uint32_t run = (rng >> 16) % (round & 2 ? 20 : 90), end = (uint32_t)strlen(piece);

            rng = rng * 1664525 + 1013904223;
            if (len + run + end > 300)
                break;
            memset(text + len, 'a', run);
            memcpy(text + len + run, piece, end);
            len += run + end;
        }
        memcpy(room.end - len, text, len);
        model_lines(room.end - len, len, &want);
        tnd_scan_active->lines(room.end - len, len, &got);
        if (got.n != want.n || got.ended != want.ended || got.bare_cr != want.bare_cr ||
            memcmp(got.lf, want.lf, want.n * sizeof want.lf[0]) != 0)
            fail_msg("round %u, %u octets: %u lines, want %u", round, len, got.n, want.n);
        for (unsigned i = 0; i < got.plain; i++) {
            const char *lf = room.end - len + got.lf[i];
            uint32_t line = i ? got.lf[i - 1] + 1u : 0;

            assert_true(got.lf[i] > line + 1u && lf[0] == '\n' && lf[-1] == '\r');
            assert_null(memchr(room.end - len + line, '\r', got.lf[i] - line - 1u));
        }
        plain += got.plain;
    }
    assert_true(plain > 200000); // else this compared the long way with itself
}

static bool stops(char c, enum tnd_run run)
{
    static const uint8_t classes[TND_RUN_COUNT] = {
        [TND_RUN_TOKEN] = TND_C_TOKEN,
        [TND_RUN_URI] = TND_C_URI,
        [TND_RUN_VALUE] = TND_C_VALUE,
        [TND_RUN_HOST] = TND_C_HOST,
    };

    if (run == TND_RUN_QUOTE)
        return c == '"' || c == '\\';
    return !tnd_char_is(c, classes[run]);
}

// Each octet at each place of a block, in each map: as its class says.
static void maps_of_each_octet(void **state)
{
    static struct tnd_scan_maps s;

    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        for (unsigned k = 0; k < 130; k++) {
            unsigned from = k / 64 * 64;
            char *at = room.end - 130;

            memset(at, 'a', 130);
            at[k] = (char)octet;
            tnd_scan_active->maps(at, from, 130, &s);
            for (unsigned run = 0; run < TND_RUN_COUNT; run++) {
                unsigned want = stops((char)octet, (enum tnd_run)run) ? k : 130;

                for (unsigned p = from; p <= k; p += 7)
                    if (tnd_scan_find(&s, (enum tnd_run)run, p) != want)
                        fail_msg("octet 0x%02x at %u, run %u from %u", octet, k, run, p);
            }
        }
    }
}

static void maps_of_each_length(void **state)
{
    static struct tnd_scan_maps s;

    (void)state;
    for (unsigned len = 0; len < 300; len++) {
        char *at = room.end - len;

        memset(at, 'a', len);
        for (unsigned from = 0; from <= len; from++) {
            tnd_scan_active->maps(at, from, len, &s);
            for (unsigned run = 0; run < TND_RUN_COUNT; run++)
                assert_int_equal(tnd_scan_find(&s, (enum tnd_run)run, from), len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length),       cmocka_unit_test(blanks_to_the_end),
        cmocka_unit_test(every_offset),       cmocka_unit_test(every_octet),
        cmocka_unit_test(scan_positions),     cmocka_unit_test(scan_empty_lines),
        cmocka_unit_test(maps_of_each_octet), cmocka_unit_test(maps_of_each_length),
        cmocka_unit_test(hosts_at_the_end),   cmocka_unit_test(scan_lines),
    };
    int failed = 0;

    for (unsigned i = 0; tnd_scan_kernel(i); i++) {
        char name[64];

        assert_true(tnd_isa_select(tnd_scan_kernel(i)->name));
        snprintf(name, sizeof name, "parse_guard %s", tnd_scan_active->name);
        failed += _cmocka_run_group_tests(name, tests, sizeof tests / sizeof *tests, make_room,
                                          leave_room);
    }
    return failed;
}
