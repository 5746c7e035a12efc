// The pick over sets of 1 to 256 records, beside the textbook's ways of choosing by weight (see
// choosers.h), which have no memory of a call either but move more of them at a change.
//
// As throughput, but for pick.latency: of one pick whose key waits for the pick before. The key
// of a call is given; what follows from it (the derivation, the address) is part of the pick.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/choosers.h"
#include "bench/sets.h"
#include "route/pick.h"

#define SIZES 8
#define BURST 32U
#define KEYS  65536U // cycled through; half a megabyte
#define PICKS (bench_quick ? 4096u : 262144u)

static const uint32_t sizes[SIZES] = {1, 2, 4, 8, 16, 32, 64, 256};
static const struct tnd_hash_key secret = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

struct picks {
    struct tnd_target_set *sets[SIZES];
    struct tnd_target_set *addresses; // 16 records of two addresses each
    struct walk walks[SIZES];
    struct alias aliases[SIZES];
    struct maglev maglevs[SIZES];
    uint64_t keys[KEYS];
};

// n records; `addresses` of each; record `down`, if there is one of that number, is.
static struct tnd_target_set *make_set(uint32_t n, uint16_t addresses, uint32_t down)
{
    struct bench_spec *spec = malloc(sizeof *spec);
    struct tnd_spec_address *more = calloc(n, addresses * sizeof *more);
    struct tnd_target_set *s = NULL;
    void *mem;

    if (spec && more) {
        bench_spec_fill(spec, n, 0);
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t a = 0; a < addresses; a++) {
                more[i * addresses + a] = spec->addresses[i];
                more[i * addresses + a].addr.ip[1] = (uint8_t)(100 + a);
                more[i * addresses + a].down = i == down;
            }
            spec->records[i].addresses = &more[i * addresses];
            spec->records[i].n_addresses = addresses;
        }
        mem = aligned_alloc(64, tnd_set_size(&spec->spec));
        s = mem ? tnd_set_build(&spec->spec, 1, mem) : NULL;
    }
    free(spec);
    free(more);
    return s;
}

static void weights_of(uint32_t n, uint32_t weights[])
{
    static struct bench_spec spec;

    bench_spec_fill(&spec, n, 0);
    for (uint32_t i = 0; i < n; i++)
        weights[i] = spec.records[i].weight;
}

static void close_picks(void *state)
{
    struct picks *p = state;

    for (unsigned i = 0; i < SIZES; i++)
        free(p->sets[i]);
    free(p->addresses);
    free(p);
}

static void *open_picks(void)
{
    struct picks *p = calloc(1, sizeof *p);
    bool made = p != NULL;
    uint64_t seed = 1;

    for (unsigned i = 0; made && i < SIZES; i++) {
        uint32_t weights[BENCH_RECORDS_MAX];

        weights_of(sizes[i], weights);
        walk_build(&p->walks[i], weights, sizes[i]);
        alias_build(&p->aliases[i], weights, sizes[i]);
        maglev_build(&p->maglevs[i], weights, sizes[i]);
        p->sets[i] = make_set(sizes[i], 1, UINT32_MAX);
        made = p->sets[i] != NULL;
    }
    if (made)
        made = (p->addresses = make_set(16, 2, UINT32_MAX)) != NULL;
    for (uint32_t i = 0; made && i < KEYS; i++)
        p->keys[i] = bench_random(&seed);
    if (!made && p) {
        close_picks(p);
        return NULL;
    }
    return p;
}

// ---- Times ----------------------------------------------------------------------------------

static void bursts(struct picks *p, const struct tnd_target_set *s, const char *name)
{
    const struct tnd_target_set *sets[BURST];
    uint32_t out[BURST];
    double start;

    for (unsigned k = 0; k < BURST; k++)
        sets[k] = s;
    start = bench_cpu_ns();
    for (uint32_t n = 0; n < PICKS; n += BURST) {
        tnd_pick_burst(sets, &secret, &p->keys[n % KEYS], BURST, out);
        bench_use(out[0]);
    }
    bench_record(name, "ns", (bench_cpu_ns() - start) / PICKS);
}

static void picks_once(void *state)
{
    struct picks *p = state;

    for (unsigned i = 0; i < SIZES; i++)
        bursts(p, p->sets[i], bench_name("pick.%u", sizes[i]));
    bursts(p, p->addresses, "pick.addresses.16");
}

static void latencies_once(void *state)
{
    struct picks *p = state;
    uint32_t picks = PICKS / 8;

    for (unsigned i = 0; i < SIZES; i++) {
        uint32_t last = 0;
        double start = bench_cpu_ns();
        for (uint32_t n = 0; n < picks; n++)
            last = tnd_pick(p->sets[i], &secret, p->keys[n % KEYS] + last);
        bench_use(last);
        bench_record(bench_name("pick.latency.%u", sizes[i]), "ns",
                     (bench_cpu_ns() - start) / picks);
    }
}

// The same loop for each of the others.
#define TIME_CHOOSER(function, choose, choosers, label)                   \
    static void function(void *state)                                     \
    {                                                                     \
        struct picks *p = state;                                          \
                                                                          \
        for (unsigned i = 0; i < SIZES; i++) {                            \
            double start = bench_cpu_ns();                                \
            for (uint32_t n = 0; n < PICKS; n++)                          \
                bench_use(choose(&p->choosers[i], p->keys[n % KEYS]));    \
            bench_record(bench_name("pick." label ".%u", sizes[i]), "ns", \
                         (bench_cpu_ns() - start) / PICKS);               \
        }                                                                 \
    }

TIME_CHOOSER(walks_once, walk_choose, walks, "walk")
TIME_CHOOSER(aliases_once, alias_choose, aliases, "alias")
TIME_CHOOSER(maglevs_once, maglev_choose, maglevs, "maglev")

// ---- Calls moved when one of 16 dies --------------------------------------------------------

#define DYING 16U
#define CALLS (bench_quick ? 2048u : 16384u)

// All four with one target dead, or none for dead == DYING. Who lives is numbered as before.
struct choosers {
    struct walk walk;
    struct alias alias;
    struct maglev maglev;
    struct tnd_target_set *set;
    uint32_t of_alias[DYING];
};

enum { WALK, ALIAS, MAGLEV, RENDEZVOUS, KINDS };

static bool choosers_build(struct choosers *c, uint32_t dead)
{
    uint32_t weights[DYING], rest[DYING], n = 0;

    weights_of(DYING, weights);
    if (dead < DYING)
        weights[dead] = 0;
    walk_build(&c->walk, weights, DYING);
    maglev_build(&c->maglev, weights, DYING);
    for (uint32_t i = 0; i < DYING; i++)
        if (weights[i] > 0) {
            c->of_alias[n] = i;
            rest[n++] = weights[i];
        }
    alias_build(&c->alias, rest, n);
    c->set = make_set(DYING, 1, dead);
    return c->set != NULL;
}

static void choose_all(const struct choosers *c, uint64_t key, uint32_t out[KINDS])
{
    out[WALK] = walk_choose(&c->walk, key);
    out[ALIAS] = c->of_alias[alias_choose(&c->alias, key)];
    out[MAGLEV] = maglev_choose(&c->maglev, key);
    out[RENDEZVOUS] = tnd_pick(c->set, &secret, key);
}

// The calls that leave for another target, of all: the dead one's own, and who moves besides.
// The mean over each of the targets dying is 1/16 when nobody else moves.
static void moved_once(void *state)
{
    static const char *const names[KINDS] = {"pick.moved.walk", "pick.moved.alias",
                                             "pick.moved.maglev", "pick.moved.rendezvous"};
    static struct choosers all, rest;
    const struct picks *p = state;
    uint64_t moved[KINDS] = {0};

    if (!choosers_build(&all, DYING))
        return;
    for (uint32_t dead = 0; dead < DYING && choosers_build(&rest, dead); dead++) {
        for (uint32_t i = 0; i < CALLS; i++) {
            uint32_t before[KINDS], after[KINDS];

            choose_all(&all, p->keys[i], before);
            choose_all(&rest, p->keys[i], after);
            for (unsigned k = 0; k < KINDS; k++)
                moved[k] += before[k] != after[k];
        }
        free(rest.set);
    }
    free(all.set);
    for (unsigned k = 0; k < KINDS; k++)
        bench_record(names[k], "share", (double)moved[k] / CALLS / DYING);
}

// ---- The light one's share, of weights 1:1 to 1:65535 ----------------------------------------

#define WEIGHT_MAX 65535U
#define WEIGHTS    (bench_quick ? 16u : WEIGHT_MAX)
#define DRAWS      (1U << 24)
#define BLOCK      2048U

// won[w]: the exact chance that a record of weight 1 wins over one of weight w, from the scores of
// all its draws: with score s it wins when the other's -log2(u) exceeds w * s, which has the
// chance (2^-s)^w. Blocks of draws, so that the powers stay in the cache; the other's draws are
// taken for continuous, which is exact to 2^-25.
static void sum_wins(double won[WEIGHT_MAX + 1])
{
    static double base[BLOCK], power[BLOCK];

    for (uint32_t first = DRAWS; first > 0; first -= BLOCK) {
        double most = 1;

        for (uint32_t i = 0; i < BLOCK; i++)
            power[i] = base[i] = exp2(-(double)tnd_pick_score(first - BLOCK + i, 1.0F));
        for (uint32_t w = 1; w <= WEIGHTS && most > 0x1p-40; w++) {
            double sum = 0;

            most = power[BLOCK - 1];
            for (uint32_t i = 0; i < BLOCK; i++) {
                sum += power[i];
                power[i] *= base[i];
            }
            won[w] += sum / DRAWS;
        }
    }
}

static double off(double got, uint32_t w)
{
    return fabs(got * (w + 1.0) - 1);
}

// How far the share of the lighter of two is from what it should be, relative to that, at the
// worst of the weights; and what the roundings of others leave: HAProxy (2.x) brings a weight of
// SRV to 1..256 by (w + 255) / 256, Kamailio's dispatcher (5.x, rweight) whole slots of 100.
static void shares_once(void *state)
{
    static double won[WEIGHT_MAX + 1], worst = -1; // depends on nothing: found once
    double haproxy = 0, kamailio = 0;

    if (worst < 0) {
        sum_wins(won);
        for (uint32_t w = 1; w <= WEIGHTS; w++)
            worst = fmax(worst, off(won[w], w));
    }
    for (uint32_t w = 1; w <= WEIGHTS; w++) {
        haproxy = fmax(haproxy, off(1.0 / (1 + (w + 255) / 256), w));
        kamailio = fmax(kamailio, off(100 / (1 + w) / 100.0, w));
    }
    bench_record("pick.worst_share_error", "share", worst);
    bench_record("pick.worst_share_error.haproxy", "share", haproxy);
    bench_record("pick.worst_share_error.kamailio", "share", kamailio);
}

const struct bench bench_pick[] = {
    {"pick", open_picks, picks_once, close_picks},
    {"pick.walk", open_picks, walks_once, close_picks},
    {"pick.alias", open_picks, aliases_once, close_picks},
    {"pick.maglev", open_picks, maglevs_once, close_picks},
    {"pick.latency", open_picks, latencies_once, close_picks},
    {"pick.moved", open_picks, moved_once, close_picks},
    {"pick.worst_share_error", open_picks, shares_once, close_picks},
    {0},
};
