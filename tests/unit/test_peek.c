// A look at the Call-ID: what the parser finds, in the forms it has; nothing it cannot be sure of.
#include "guard.h"

#include <stdio.h>

#include "sip/msg.h"
#include "sip/peek.h"

static struct test_guard guard;

#define HEAD "INVITE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
#define TAIL "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCSeq: 1 INVITE\r\n\r\n"

static const struct {
    const char *line; // as lies between HEAD and TAIL
    const char *want; // "": nothing
} cases[] = {
    {"Call-ID: 1@h\r\n", "1@h"},
    {"CALL-id:1@h\r\n", "1@h"},
    {"i: 1@h\r\n", "1@h"},
    {"I\t : 1@h \t\r\n", "1@h"},
    {"Call-ID : 1@h\n", "1@h"},
    {"Contact: <sip:c>\r\nCall-Info: <x>\r\nCall-ID: 1@h\r\n", "1@h"},
    {"Identity: 3\r\nIn-Reply-To: 4\r\nCall-ID: 1@h\r\n", "1@h"},
    {"Subject: Call-ID: 2\r\nCall-ID: 1@h\r\n", "1@h"},
    {"Call-ID: a-rather-long-one-that-goes-on-for-some-blocks-of-octets@192.0.2.1\r\n",
     "a-rather-long-one-that-goes-on-for-some-blocks-of-octets@192.0.2.1"},
    {"Call-ID:\r\n 1@h\r\n", ""},
    {"Call-ID\r\n : 1@h\r\n", ""},
    {"Call-ID:\r\n", ""},
    {"Call-IDs: 1@h\r\n", ""},
    {"Call-I: 1@h\r\n", ""},
    {"ii: 1@h\r\n", ""},
    {"X: 1\r\n", ""},
};

static struct tnd_str look(const char *text, size_t len)
{
    return tnd_sip_peek_call_id(test_guard_put(&guard, text, len), len);
}

static void forms(void **state)
{
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = (size_t)snprintf(text, sizeof text, HEAD "%s" TAIL, cases[i].line);
        struct tnd_str seen = look(text, len);
        if (!tnd_str_eq(seen, tnd_str_of(cases[i].want)))
            fail_msg("%s: saw '%.*s'", cases[i].line, (int)seen.len, seen.p);
    }
}

// What it finds in a message that is whole is what the parser finds.
static void as_the_parser(void **state)
{
    struct tnd_sip_msg m;
    char text[512];
    unsigned found = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = (size_t)snprintf(text, sizeof text, HEAD "%s" TAIL, cases[i].line);
        struct tnd_str seen = look(text, len);
        if (seen.len == 0 || tnd_sip_parse(text, len, &m) != TND_SIP_ERR_NONE)
            continue;
        assert_true(tnd_str_eq(seen, tnd_text(&m, m.call_id)));
        found++;
    }
    assert_true(found >= 8);
}

// Wherever the header lies in a block, wherever the datagram is cut: a value that is cut is none.
static void every_offset_and_length(void **state)
{
    char text[1024];

    (void)state;
    for (unsigned pad = 0; pad < 70; pad++) {
        size_t len = (size_t)snprintf(
            text, sizeof text, "ACK x SIP/2.0\r\nX: %0*d\r\nCall-ID: 1@h\r\n", (int)pad + 1, 0);
        for (size_t cut = 0; cut <= len; cut++) {
            struct tnd_str seen = look(text, cut);
            if (!tnd_str_eq(seen, cut < len ? TND_STR("") : TND_STR("1@h")))
                fail_msg("pad %u, cut at %zu: saw '%.*s'", pad, cut, (int)seen.len, seen.p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(as_the_parser),
                                       cmocka_unit_test(every_offset_and_length)};

    test_guard_open(&guard);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_guard_close(&guard);
    return failed;
}
