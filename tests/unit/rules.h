// What the tests of the rules share: a fresh harness for each case, and checks in one line.
#pragma once

#include "cmocka_all.h"

#include "unit/engine_harness.h"

static struct harness *h;
static struct reply r, r2;

static int fresh(void **state)
{
    (void)state;
    h = harness_new();
    return 0;
}

static int gone(void **state)
{
    (void)state;
    harness_free(h);
    return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

// The usual call from the PBX to the carrier.
static inline const char *invite(void)
{
    return make_request(&(struct request){0});
}

#define assert_verdict(reply, want)                                                           \
    do {                                                                                      \
        if ((reply).verdict != (want))                                                        \
            fail_msg("%s (drop %s, answer %d), wanted %s", tnd_verdict_name((reply).verdict), \
                     tnd_drop_name((reply).drop), (reply).status, tnd_verdict_name(want));    \
    } while (0)
#define assert_forward(reply)  assert_verdict(reply, TND_VERDICT_FORWARD)
#define assert_absorbed(reply) assert_verdict(reply, TND_VERDICT_ABSORB)
#define assert_parked(reply)   assert_verdict(reply, TND_VERDICT_PARK)
#define assert_answer(reply, code)                                    \
    do {                                                              \
        assert_verdict(reply, TND_VERDICT_ANSWER);                    \
        assert_int_equal((reply).status, code);                       \
        assert_int_equal((reply).out[0].text[8], '0' + (code) / 100); \
    } while (0)
#define assert_drop(reply, reason)                                               \
    do {                                                                         \
        assert_verdict(reply, TND_VERDICT_DROP);                                 \
        assert_string_equal(tnd_drop_name((reply).drop), tnd_drop_name(reason)); \
        assert_int_equal((reply).n, 0);                                          \
    } while (0)
#define assert_dst(sent, text)           \
    do {                                 \
        char was[TND_ADDR_TEXT_MAX];     \
        tnd_addr_text(&(sent).dst, was); \
        assert_string_equal(was, text);  \
    } while (0)
#define assert_has(text, part)                         \
    do {                                               \
        if (!strstr(text, part))                       \
            fail_msg("no \"%s\" in:\n%s", part, text); \
    } while (0)
#define assert_lacks(text, part)                    \
    do {                                            \
        if (strstr(text, part))                     \
            fail_msg("\"%s\" in:\n%s", part, text); \
    } while (0)

// The URI inside a Record-Route (or any name-addr) value.
static inline const char *uri_in(const char *value)
{
    const char *open = strchr(value, '<');

    return text_of("%.*s", (int)strcspn(open + 1, ">"), open + 1);
}

// The Route header of the callee's (below) or the caller's side, from a forwarded request.
static inline const char *route_to(const char *record_route)
{
    return text_of("Route: <%s>\r\n", uri_in(record_route));
}
