// What the engine does with each torture message: the action EXPECT.tsv lists first.
#include "cmocka_all.h"

#include "torture/open_world.h"
#include "torture/torture.h"

static struct torture_set set;
static struct harness *h;

static bool fits(const struct torture_case *c, const struct reply *r)
{
    switch (c->action) {
    case TORTURE_FORWARD:
        return r->verdict == TND_VERDICT_FORWARD && r->n == 1;
    case TORTURE_DROP:
        return r->verdict == TND_VERDICT_DROP && r->n == 0;
    case TORTURE_ANSWER:
        return r->verdict == TND_VERDICT_ANSWER && r->status == c->status && r->n == 1;
    default:
        return true;
    }
}

static void each_message(void **state)
{
    static struct reply r;
    struct tnd_addr src = addr_of("192.0.2.77:5060");
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < set.n; i++) {
        const struct torture_case *c = &set.cases[i];
        run_in_the_open(h, c->data, c->len, &src, &r);
        if (fits(c, &r))
            continue;
        wrong++;
        print_error("%s (%s): %s, drop %s, status %d; wanted %d %d\n", c->name, c->section,
                    tnd_verdict_name(r.verdict), tnd_drop_name(r.drop), r.status, c->action,
                    c->status);
    }
    assert_int_equal(wrong, 0);
}

static const struct reply *run_case(const char *name, size_t *len, const char **data)
{
    static struct reply r;
    const struct torture_case *c = torture_find(&set, name);
    struct tnd_addr src = addr_of("192.0.2.77:5060");

    assert_non_null(c);
    run_in_the_open(h, c->data, c->len, &src, &r);
    *data = c->data;
    *len = c->len;
    return &r;
}

// RFC 4475 3.1.1.8: what lies behind the body is noise and stays here.
static void noise_stays(void **state)
{
    size_t len;
    const char *data;
    const struct reply *r = run_case("dblreq", &len, &data);

    (void)state;
    assert_null(strstr(r->out[0].text, "INVITE"));
}

// RFC 4475 3.1.1.11: binary parts, NULs and all.
static void binary_body(void **state)
{
    enum { BODY = 553 };
    size_t len;
    const char *data;
    const struct reply *r = run_case("mpart01", &len, &data);

    (void)state;
    assert_memory_equal(r->out[0].text + r->out[0].len - BODY, data + len - BODY, BODY);
}

// RFC 4475 3.4.1: an RFC 2543 client's request gets the Max-Forwards it lacks.
static void old_client(void **state)
{
    size_t len;
    const char *data;
    const struct reply *r = run_case("inv2543", &len, &data);

    (void)state;
    assert_string_equal(header(&r->out[0], "Max-Forwards", 0), "70");
}

// RFC 4475 3.3.5: which extensions are not understood.
static void unsupported_named(void **state)
{
    size_t len;
    const char *data;
    const struct reply *r = run_case("bext01", &len, &data);

    (void)state;
    assert_string_equal(header(&r->out[0], "Unsupported", 0),
                        "noProxiesSupportThis, norDoAnyProxiesSupportThis");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message),      cmocka_unit_test(noise_stays),
        cmocka_unit_test(binary_body),       cmocka_unit_test(old_client),
        cmocka_unit_test(unsupported_named),
    };
    int failed;

    if (!torture_load(TORTURE_DIR, &set))
        return 1;
    h = open_world();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_free(h);
    torture_free(&set);
    return failed;
}
