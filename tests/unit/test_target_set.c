// Building of target sets: merging, order, policies of weight 0, liveness, shares.
#include "cmocka_all.h"

#include "route/target_set.h"
#include "route_sets.h"

static const struct tnd_record *record_named(const struct tnd_target_set *s, const char *host)
{
    for (uint32_t i = 0; i < s->n_records; i++)
        if (tnd_str_eq(tnd_set_host(s, &tnd_set_records(s)[i]), tnd_str_of(host)))
            return &tnd_set_records(s)[i];
    return NULL;
}

static double share_of(const struct tnd_target_set *s, const char *host)
{
    const struct tnd_record *r = record_named(s, host);
    double sum = 0;

    for (uint32_t i = r->first; i < (uint32_t)r->first + r->n; i++)
        sum += tnd_set_share(s, i);
    return sum;
}

static void identities_are_content(void **state)
{
    struct tnd_addr a, b;

    (void)state;
    assert_true(tnd_addr_parse(TND_STR("192.0.2.1:5060"), &a));
    assert_true(tnd_addr_parse(TND_STR("192.0.2.1:5061"), &b));
    a.transport = b.transport = TND_TRANSPORT_UDP;
    assert_true(tnd_target_id(&a) != tnd_target_id(&b));
    assert_true(tnd_target_id(&a) >> 48 == 0 && tnd_target_id(&a) != 0);
    b = a;
    assert_true(tnd_target_id(&a) == tnd_target_id(&b));
    // Other versions and nodes carry these ids: they may never change.
    assert_true(tnd_target_id(&a) == 0xb0d72e0b8591ULL);
    assert_true(tnd_record_id(TND_TRANSPORT_UDP, TND_STR("pop1.example.net"), 5060) ==
                0x31582c0f93a3f45eULL);
    assert_true(tnd_record_id(TND_TRANSPORT_UDP, TND_STR("POP1.Example.net"), 5060) ==
                0x31582c0f93a3f45eULL);
    assert_true(tnd_record_id(TND_TRANSPORT_TCP, TND_STR("pop1.example.net"), 5060) !=
                0x31582c0f93a3f45eULL);
}

static void empty_set(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s = made_build(m);

    (void)state;
    assert_int_equal(s->n_tiers, 0);
    assert_int_equal(s->n_targets, 0);
    assert_int_equal(s->best, 0);
    assert_int_equal(tnd_set_find(s, 1), TND_NO_TARGET);
    free(s);
    free(m);
}

static void beyond_limits(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);

    (void)state;
    for (unsigned i = 0; i < TND_SET_RECORDS_MAX; i++)
        made_record(m, 0, 1);
    assert_true(tnd_set_size(&m->spec) > 0);
    m->spec.n_records++;
    assert_true(tnd_set_size(&m->spec) == 0);
    m->spec.n_records--;
    m->records[0].n_addresses = TND_SET_TARGETS_MAX;
    assert_true(tnd_set_size(&m->spec) == 0);
    free(m);
}

static void largest_set(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;

    (void)state;
    for (unsigned i = 0; i < TND_SET_RECORDS_MAX; i++) {
        uint32_t r = made_record(m, (uint16_t)(i % 7), 1);
        for (unsigned k = 1; k < 4; k++)
            made_address(m, r);
    }
    s = made_build(m);
    assert_int_equal(s->n_targets, TND_SET_TARGETS_MAX);
    assert_int_equal(s->n_tiers, 7);
    assert_true(s->size <= tnd_set_size(&m->spec));
    for (uint32_t i = 0; i < s->n_records; i++) {
        const struct tnd_record *r = &tnd_set_records(s)[i];
        assert_int_equal(r->n_live, 4);
        assert_true(r->host_off + r->host_len <= s->size);
        if (i > s->tiers[r->tier].first)
            assert_true(r->id > r[-1].id);
    }
    free(s);
    free(m);
}

// RFC 2782: equal records of a tier are one with the sum of the weights, case folded.
static void equal_identities_merge(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;
    const struct tnd_record *r;

    (void)state;
    made_record(m, 0, 60000);
    made_record(m, 0, 60000);
    made_record(m, 0, 7);
    made_record(m, 1, 5);
    m->records[1].host = TND_STR("H0.EXAMPLE.NET");
    m->records[1].addresses = m->addresses[0];
    m->records[3].host = m->records[0].host;
    s = made_build(m);
    assert_int_equal(s->n_records, 3);
    r = record_named(s, "h0.example.net");
    assert_int_equal(r->weight, 120000);
    assert_int_equal(r->n, 1);
    assert_float_equal(share_of(s, "h0.example.net"), 120000.0 / 120007, 1e-12);
    assert_int_equal(s->tiers[0].n, 2);
    assert_int_equal(s->tiers[1].n, 1);
    free(s);
    free(m);
}

static void order_of_records_does_not_matter(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_RFC2782);
    struct tnd_target_set *a, *b;
    struct tnd_spec_record swap;

    (void)state;
    for (uint16_t i = 0; i < 6; i++) {
        made_record(m, i / 3, i);
        made_address(m, i);
    }
    a = made_build(m);
    for (unsigned i = 0; i < 3; i++) {
        swap = m->records[i];
        m->records[i] = m->records[5 - i];
        m->records[5 - i] = swap;
    }
    struct tnd_spec_address other = m->addresses[2][0];
    m->addresses[2][0] = m->addresses[2][1];
    m->addresses[2][1] = other;
    b = made_build(m);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a, b, a->size);
    m->records[0].weight++;
    free(b);
    b = made_build(m);
    assert_true(a->content != b->content);
    free(a);
    free(b);
    free(m);
}

static void tiers_by_number(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;

    (void)state;
    made_record(m, 7, 1);
    made_record(m, 2, 1);
    made_record(m, 4, 1);
    m->addresses[1][0].down = true;
    s = made_build(m);
    assert_int_equal(s->n_tiers, 3);
    assert_int_equal(record_named(s, "h1.example.net")->tier, 0);
    assert_int_equal(record_named(s, "h2.example.net")->tier, 1);
    assert_int_equal(record_named(s, "h0.example.net")->tier, 2);
    assert_int_equal(s->best, 1);
    free(s);
    free(m);
}

static void only_udp_that_is_up_and_not_drained_is_live(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        made_record(m, 0, 1);
    m->addresses[1][0].down = true;
    m->addresses[2][0].drained = true;
    m->records[3].transport = TND_TRANSPORT_TLS;
    s = made_build(m);
    assert_int_equal(s->tiers[0].n_live, 1);
    assert_float_equal(share_of(s, "h0.example.net"), 1, 0);
    assert_float_equal(share_of(s, "h1.example.net"), 0, 0);
    assert_float_equal(share_of(s, "h2.example.net"), 0, 0);
    assert_float_equal(share_of(s, "h3.example.net"), 0, 0);
    assert_float_equal(tnd_set_share_published(s, record_named(s, "h3.example.net")->first), 0.5,
                       1e-12);
    assert_int_equal(tnd_set_targets(s)[record_named(s, "h0.example.net")->first].flags,
                     TND_TARGET_LIVE | TND_TARGET_USABLE);
    assert_int_equal(tnd_set_targets(s)[record_named(s, "h1.example.net")->first].flags,
                     TND_TARGET_USABLE | TND_TARGET_DOWN);
    assert_int_equal(tnd_set_targets(s)[record_named(s, "h2.example.net")->first].flags,
                     TND_TARGET_USABLE | TND_TARGET_DRAINED);
    assert_int_equal(tnd_set_targets(s)[record_named(s, "h3.example.net")->first].flags, 0);
    free(s);
    free(m);
}

// Weights 3, 1, 0, 0: what each policy gives each, all live, then with no positive one live.
static void weight_zero_policies(void **state)
{
    static const double want[3][2][4] = {
        [TND_WEIGHT_ZERO_LAST_RESORT] = {{0.75, 0.25, 0, 0}, {0, 0, 0.5, 0.5}},
        [TND_WEIGHT_ZERO_RFC2782] = {{0.6, 0.2, 0.1, 0.1}, {0, 0, 0.5, 0.5}},
        [TND_WEIGHT_ZERO_NEVER] = {{0.75, 0.25, 0, 0}, {0, 0, 0, 0}},
    };

    (void)state;
    for (unsigned policy = 0; policy < 3; policy++)
        for (unsigned dead = 0; dead < 2; dead++) {
            struct made_set *m = made_new((enum tnd_weight_zero)policy);
            struct tnd_target_set *s;
            static const uint16_t weights[4] = {3, 1, 0, 0};

            for (unsigned i = 0; i < 4; i++)
                m->addresses[made_record(m, 0, weights[i])][0].down = dead && weights[i];
            s = made_build(m);
            assert_false(s->all_zero);
            for (unsigned i = 0; i < 4; i++)
                assert_float_equal(share_of(s, m->hosts[i]), want[policy][dead][i], 1e-12);
            assert_int_equal(s->best, policy == TND_WEIGHT_ZERO_NEVER && dead);
            free(s);
            free(m);
        }
}

static void all_weights_zero_are_equal_shares(void **state)
{
    (void)state;
    for (unsigned policy = 0; policy < 3; policy++) {
        struct made_set *m = made_new((enum tnd_weight_zero)policy);
        struct tnd_target_set *s;

        made_record(m, 0, 1);
        for (unsigned i = 0; i < 5; i++)
            made_record(m, 1, 0);
        m->addresses[5][0].down = true;
        s = made_build(m);
        assert_true(s->all_zero);
        assert_int_equal(s->tiers[1].n_live, 4);
        assert_int_equal(s->tiers[1].n_zero_live, 0);
        for (unsigned i = 1; i < 5; i++)
            assert_float_equal(share_of(s, m->hosts[i]), 0.25, 1e-12);
        free(s);
        free(m);
    }
}

// A higher family rank serves only when none lower is live; addresses of a rank share alike.
static void family_ranks(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;
    const struct tnd_target *t;

    (void)state;
    made_record(m, 0, 1);
    for (unsigned i = 1; i < 4; i++)
        made_address(m, 0);
    m->addresses[0][0].family_rank = 1;
    m->addresses[0][1].family_rank = 1;
    s = made_build(m);
    t = tnd_set_targets(s);
    for (uint32_t i = 0; i < 4; i++)
        assert_float_equal(tnd_set_share(s, i), t[i].family_rank ? 0 : 0.5, 1e-12);
    free(s);
    m->addresses[0][2].down = m->addresses[0][3].drained = true;
    s = made_build(m);
    t = tnd_set_targets(s);
    for (uint32_t i = 0; i < 4; i++)
        assert_float_equal(tnd_set_share(s, i), t[i].family_rank ? 0.5 : 0, 1e-12);
    free(s);
    free(m);
}

static void find_by_id(void **state)
{
    struct made_set *m = made_new(TND_WEIGHT_ZERO_LAST_RESORT);
    struct tnd_target_set *s;

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        made_record(m, 0, 1);
    m->addresses[3][0].down = true;
    s = made_build(m);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(tnd_set_find(s, tnd_set_targets(s)[i].id), i);
        assert_true(tnd_set_targets(s)[i].id == tnd_target_id(&tnd_set_targets(s)[i].addr));
    }
    assert_int_equal(tnd_set_find(s, 0), TND_NO_TARGET);
    free(s);
    free(m);
}

static void one_target_set(void **state)
{
    _Alignas(64) char mem[TND_SET_ONE_SIZE];
    struct tnd_addr a;
    struct tnd_target_set *s;

    (void)state;
    assert_true(tnd_addr_parse(TND_STR("[2001:db8::1]:5070"), &a));
    a.transport = TND_TRANSPORT_UDP;
    s = tnd_set_one(&a, mem);
    assert_int_equal(s->n_targets, 1);
    assert_int_equal(s->best, 0);
    assert_true(tnd_addr_eq(&tnd_set_targets(s)[0].addr, &a));
    assert_int_equal(tnd_set_find(s, tnd_target_id(&a)), 0);
    assert_float_equal(tnd_set_share(s, 0), 1, 0);
    assert_int_equal(tnd_set_host(s, tnd_set_records(s)).len, 0);
    a.transport = TND_TRANSPORT_TCP;
    s = tnd_set_one(&a, mem);
    assert_int_equal(s->best, s->n_tiers);
    assert_float_equal(tnd_set_share(s, 0), 0, 0);
    assert_float_equal(tnd_set_share_published(s, 0), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_are_content),
        cmocka_unit_test(empty_set),
        cmocka_unit_test(beyond_limits),
        cmocka_unit_test(largest_set),
        cmocka_unit_test(equal_identities_merge),
        cmocka_unit_test(order_of_records_does_not_matter),
        cmocka_unit_test(tiers_by_number),
        cmocka_unit_test(only_udp_that_is_up_and_not_drained_is_live),
        cmocka_unit_test(weight_zero_policies),
        cmocka_unit_test(all_weights_zero_are_equal_shares),
        cmocka_unit_test(family_ranks),
        cmocka_unit_test(find_by_id),
        cmocka_unit_test(one_target_set),
    };

    return cmocka_run_group_tests_name("target_set", tests, NULL, NULL);
}
