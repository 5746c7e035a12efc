// Parked requests against a plain list: order, limits, deadlines, and what each slot holds.
#include "cmocka_all.h"

#include <string.h>

#include "proxy/park.h"
#include "random.h"

static char text[16400];

static struct tnd_parked request(uint64_t txn, uint64_t name, uint64_t deadline_ms)
{
    return (struct tnd_parked){
        .data = text,
        .len = 700,
        .trunk = (uint16_t)(txn % 8),
        .txn = txn,
        .name = {.lo = name, .hi = ~name},
        .deadline_ms = deadline_ms,
        .invite = true,
    };
}

static enum tnd_park_result put(struct tnd_park *p, uint64_t txn, uint64_t name, uint64_t deadline)
{
    struct tnd_parked in = request(txn, name, deadline);

    return tnd_park_put(p, &in);
}

static uint32_t wake(struct tnd_park *p, uint64_t name)
{
    return tnd_park_wake(p, &(struct tnd_name_digest){.lo = name, .hi = ~name});
}

static struct tnd_park_stats stats_of(const struct tnd_park *p)
{
    struct tnd_park_stats s;

    tnd_park_stats(p, &s);
    return s;
}

// Hand out the next and give it back. Returns: its transaction, 0 when none is due.
static uint64_t release(struct tnd_park *p, uint64_t now, bool want_expired)
{
    bool expired = !want_expired;
    const struct tnd_parked *s = tnd_park_next(p, now, &expired);
    uint64_t txn;

    if (!s)
        return 0;
    assert_int_equal(expired, want_expired);
    txn = s->txn;
    tnd_park_drop(p, s);
    return txn;
}

static void woken_in_order_of_arrival(void **state)
{
    struct tnd_park *p = tnd_park_new(64);

    (void)state;
    assert_int_equal(put(p, 1, 100, 5000), TND_PARK_NEW);
    assert_int_equal(put(p, 2, 200, 5000), TND_PARK_NEW);
    assert_int_equal(put(p, 3, 100, 5000), TND_PARK_QUEUED);
    assert_int_equal(put(p, 4, 200, 5000), TND_PARK_QUEUED);
    assert_int_equal(put(p, 3, 100, 9000), TND_PARK_AGAIN);
    assert_int_equal(release(p, 4999, false), 0);
    assert_int_equal(wake(p, 200), 2);
    assert_int_equal(wake(p, 200), 0);
    assert_int_equal(wake(p, 100), 2);
    assert_int_equal(wake(p, 300), 0);
    assert_int_equal(put(p, 5, 100, 5000), TND_PARK_NEW); // the answer is used up: ask again
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(release(p, 1000, false), i);
    assert_int_equal(release(p, 1000, false), 0);
    assert_int_equal(stats_of(p).waiting, 1);
    assert_int_equal(stats_of(p).released, 4);
    assert_int_equal(stats_of(p).absorbed, 1);
    tnd_park_free(p);
}

static void deadlines(void **state)
{
    struct tnd_park *p = tnd_park_new(64);

    (void)state;
    put(p, 1, 100, 3000);
    put(p, 2, 100, 1000);
    put(p, 3, 200, 2000);
    assert_int_equal(release(p, 999, true), 0);
    assert_int_equal(release(p, 1000, true), 2);
    assert_int_equal(put(p, 2, 100, 4000), TND_PARK_QUEUED); // the first still waits
    assert_int_equal(release(p, 3000, true), 1);             // before the third: order of arrival
    assert_int_equal(release(p, 3000, true), 3);
    assert_int_equal(release(p, 3000, true), 0);
    assert_int_equal(wake(p, 100), 1);
    assert_int_equal(release(p, 9000, false), 2); // woken in time, fetched late
    assert_int_equal(stats_of(p).expired, 3);
    assert_int_equal(stats_of(p).released, 1);
    tnd_park_free(p);
}

static void cancelled_while_it_waits(void **state)
{
    struct tnd_park *p = tnd_park_new(64);
    const struct tnd_parked *s;
    bool expired;

    (void)state;
    put(p, 1, 100, 3000);
    put(p, 2, 100, 3000);
    put(p, 3, 100, 3000);
    s = tnd_park_find(p, 2);
    assert_non_null(s);
    assert_true(s->invite && s->txn == 2 && s->len == 700);
    tnd_park_drop(p, s);
    tnd_park_drop(p, s); // twice does no harm
    assert_null(tnd_park_find(p, 2));
    assert_int_equal(wake(p, 100), 2);
    tnd_park_drop(p, tnd_park_find(p, 1)); // due, not handed out
    s = tnd_park_next(p, 0, &expired);
    assert_int_equal(s->txn, 3);
    assert_null(tnd_park_next(p, 9000, &expired)); // handed out once
    assert_int_equal(put(p, 3, 100, 3000), TND_PARK_AGAIN);
    assert_ptr_equal(tnd_park_find(p, 3), s);
    tnd_park_drop(p, s);
    assert_null(tnd_park_find(p, 3));
    assert_int_equal(stats_of(p).cancelled, 2);
    assert_int_equal(stats_of(p).waiting, 0);
    tnd_park_free(p);
}

static void limits(void **state)
{
    struct tnd_park *p = tnd_park_new(32); // and 2 large: 34; 8 a trunk, 17 a name
    struct tnd_parked in;
    uint64_t txn = 1;

    (void)state;
    assert_int_equal(stats_of(p).capacity, 34);
    for (unsigned i = 0; i < 9; i++) {
        in = request(1000 + i, 900 + i, 5000);
        in.trunk = 7;
        assert_int_equal(tnd_park_put(p, &in), i < 8 ? TND_PARK_NEW : TND_PARK_FULL);
    }
    assert_int_equal(wake(p, 900), 1);
    assert_int_equal(tnd_park_put(p, &in), TND_PARK_FULL); // due, yet the trunk's
    assert_int_equal(release(p, 0, false), 1000);
    assert_int_equal(tnd_park_put(p, &in), TND_PARK_NEW);
    for (unsigned i = 0; i < 18; i++, txn++) {
        in = request(txn, 100, 5000);
        in.trunk = (uint16_t)(i % 6);
        assert_int_equal(tnd_park_put(p, &in), i == 0   ? TND_PARK_NEW
                                               : i < 17 ? TND_PARK_QUEUED
                                                        : TND_PARK_FULL);
    }
    for (unsigned i = 0; i < 8; i++, txn++) { // 25 small ones are taken
        in = request(txn, 5000 + i, 5000);
        in.trunk = (uint16_t)(20 + i);
        assert_int_equal(tnd_park_put(p, &in), i < 7 ? TND_PARK_NEW : TND_PARK_FULL);
    }
    for (unsigned i = 0; i < 3; i++, txn++) {
        in = request(txn, 7000 + i, 5000);
        in.trunk = (uint16_t)(40 + i);
        in.len = i == 0 ? 2049 : 16384;
        assert_int_equal(tnd_park_put(p, &in), i < 2 ? TND_PARK_NEW : TND_PARK_FULL);
    }
    assert_int_equal(stats_of(p).waiting, 34);
    assert_int_equal(stats_of(p).refused, 5);
    tnd_park_free(p);
}

static void too_long_and_too_small(void **state)
{
    struct tnd_park *p = tnd_park_new(0);
    struct tnd_parked in = request(1, 100, 5000);

    (void)state;
    assert_int_equal(tnd_park_put(p, &in), TND_PARK_FULL); // one large slot, no small one
    in.len = 16385;
    assert_int_equal(tnd_park_put(p, &in), TND_PARK_FULL);
    in.len = 16384;
    assert_int_equal(tnd_park_put(p, &in), TND_PARK_NEW);
    tnd_park_free(p);
    tnd_park_free(NULL);
}

enum { SLOTS = 48, LARGE = 3, ALL = SLOTS + LARGE, OPS = 300000 };
enum phase { NOWHERE = 0, WAITS, DUE, OUT };

// By transaction, 1..TXNS.
enum { TXNS = 90, NAMES = 7, TRUNKS = 6 };

struct model {
    struct tnd_parked in;
    uint64_t arrival;
    enum phase phase;
    bool expired;
    const struct tnd_parked *slot;
};

struct run {
    struct tnd_park *p;
    struct model m[TXNS + 1];
    uint64_t seed, now, arrivals;
};

static uint32_t count(const struct run *r, const struct tnd_parked *in, char what)
{
    uint32_t n = 0;

    for (unsigned i = 1; i <= TXNS; i++) {
        const struct model *m = &r->m[i];
        if (m->phase == NOWHERE)
            continue;
        n += what == 't'   ? m->in.trunk == in->trunk
             : what == 'n' ? m->phase == WAITS && m->in.name.lo == in->name.lo
                           : (m->in.len > 2048) == (in->len > 2048); // 's': slots of its size
    }
    return n;
}

static void do_put(struct run *r)
{
    uint64_t txn = 1 + test_random(&r->seed) % TXNS;
    struct model *m = &r->m[txn];
    struct tnd_parked in =
        request(txn, test_random(&r->seed) % NAMES, r->now + test_random(&r->seed) % 4000);
    enum tnd_park_result want;

    in.trunk = (uint16_t)(test_random(&r->seed) % TRUNKS);
    in.len = (uint32_t)(test_random(&r->seed) % (test_random(&r->seed) % 16 ? 2049 : 16386));
    in.data = text + test_random(&r->seed) % (sizeof text - in.len);
    if (m->phase != NOWHERE)
        want = TND_PARK_AGAIN;
    else if (count(r, &in, 't') >= ALL / 4 || count(r, &in, 'n') >= ALL / 2 || in.len > 16384 ||
             count(r, &in, 's') >= (in.len > 2048 ? LARGE : SLOTS))
        want = TND_PARK_FULL;
    else
        want = count(r, &in, 'n') ? TND_PARK_QUEUED : TND_PARK_NEW;
    assert_int_equal(tnd_park_put(r->p, &in), want);
    if (want == TND_PARK_AGAIN || want == TND_PARK_FULL)
        return;
    *m = (struct model){.in = in, .phase = WAITS, .arrival = r->arrivals++};
    m->slot = tnd_park_find(r->p, txn);
}

static void do_wake(struct run *r)
{
    uint64_t name = test_random(&r->seed) % NAMES;
    uint32_t want = 0;

    for (unsigned i = 1; i <= TXNS; i++)
        if (r->m[i].phase == WAITS && r->m[i].in.name.lo == name) {
            r->m[i].phase = DUE;
            r->m[i].expired = false;
            want++;
        }
    assert_int_equal(wake(r->p, name), want);
}

static void do_next(struct run *r)
{
    struct model *want = NULL;
    const struct tnd_parked *got;
    bool expired = false;

    for (unsigned i = 1; i <= TXNS; i++) {
        struct model *m = &r->m[i];
        if (m->phase == WAITS && m->in.deadline_ms <= r->now) {
            m->phase = DUE;
            m->expired = true;
        }
        if (m->phase == DUE && (!want || m->arrival < want->arrival))
            want = m;
    }
    got = tnd_park_next(r->p, r->now, &expired);
    assert_ptr_equal(got, want ? want->slot : NULL);
    if (!want)
        return;
    assert_int_equal(expired, want->expired);
    want->phase = OUT;
}

static void do_drop(struct run *r)
{
    uint64_t txn = 1 + test_random(&r->seed) % TXNS;
    struct model *m = &r->m[txn];
    const struct tnd_parked *s = tnd_park_find(r->p, txn);

    assert_int_equal(s != NULL, m->phase != NOWHERE);
    if (!s || (m->phase != OUT && test_random(&r->seed) % 4))
        return;
    assert_ptr_equal(s, m->slot);
    assert_int_equal(s->len, m->in.len);
    assert_true(s->txn == txn && s->trunk == m->in.trunk);
    assert_memory_equal(s->data, m->in.data, s->len);
    tnd_park_drop(r->p, s);
    m->phase = NOWHERE;
}

// Handed out and not given back: both released and waiting.
static uint64_t out(const struct run *r)
{
    uint64_t n = 0;

    for (unsigned i = 1; i <= TXNS; i++)
        n += r->m[i].phase == OUT;
    return n;
}

static void same_as_a_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 131 + i / 251);
    for (uint64_t round = 1; round <= 3; round++) {
        struct run r = {.p = tnd_park_new(SLOTS), .seed = round};
        struct tnd_park_stats s;

        for (unsigned op = 0; op < OPS; op++) {
            uint64_t what = test_random(&r.seed) % 100;
            if (what < 45)
                do_put(&r);
            else if (what < 48)
                do_wake(&r);
            else if (what < 65)
                do_next(&r);
            else
                do_drop(&r);
            r.now += test_random(&r.seed) % 40;
        }
        s = stats_of(r.p);
        assert_true(s.parked + out(&r) == s.released + s.expired + s.cancelled + s.waiting);
        assert_true(s.refused > 1000 && s.expired > 1000 && s.released > 1000 &&
                    s.cancelled > 1000 && s.absorbed > 1000);
        tnd_park_free(r.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(woken_in_order_of_arrival), cmocka_unit_test(deadlines),
        cmocka_unit_test(cancelled_while_it_waits),  cmocka_unit_test(limits),
        cmocka_unit_test(too_long_and_too_small),    cmocka_unit_test(same_as_a_list),
    };

    return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
