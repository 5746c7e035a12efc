// What the demo does to the carrier's targets, and what each change must and must not move.
#include <stdio.h>
#include <string.h>

#include "control/demo/demo.h"
#include "control/units.h"
#include "util/chi2.h"

static const struct {
    const char *host, *address;
    uint16_t tier, priority, weight;
} targets[TND_DEMO_TARGETS] = {
    {"pop-1.example.com", "10.0.0.1:5060", 0, 10, 50},
    {"pop-2.example.com", "10.0.0.2:5060", 0, 10, 30},
    {"pop-3.example.com", "10.0.0.3:5060", 0, 10, 20},
    {"standby.example.com", "10.0.1.1:5060", 1, 20, 100},
};

#define DRAINED 1 // index of the target that the second phase drains

enum { ALL_UP, DRAIN, NONE_LIVE, BACK };

static const struct {
    const char *name;
    double begins; // fraction of the whole
} phases[TND_DEMO_PHASES] = {
    {"all up", 0}, {"one drained", 1.0 / 3}, {"tier 0 down", 7.0 / 12}, {"all back", 19.0 / 24}};

double tnd_demo_begins(const struct tnd_demo *d, unsigned i)
{
    return phases[i].begins * d->seconds;
}

void tnd_demo_addresses(struct tnd_addr out[TND_DEMO_TARGETS])
{
    for (unsigned i = 0; i < TND_DEMO_TARGETS; i++) {
        tnd_addr_parse(tnd_str_of(targets[i].address), &out[i]);
        out[i].transport = TND_TRANSPORT_UDP;
    }
}

void tnd_demo_targets(unsigned phase, struct tnd_demo_targets *out)
{
    struct tnd_addr addresses[TND_DEMO_TARGETS];

    memset(out, 0, sizeof *out);
    tnd_demo_addresses(addresses);
    for (unsigned i = 0; i < TND_DEMO_TARGETS; i++) {
        out->addresses[i].addr = addresses[i];
        out->addresses[i].down = phase == NONE_LIVE && targets[i].tier == 0;
        out->addresses[i].ttl_s = 300;
        out->records[i] = (struct tnd_spec_record){
            .host = tnd_str_of(targets[i].host),
            .tier = targets[i].tier,
            .priority = targets[i].priority,
            .weight = phase == DRAIN && i == DRAINED ? 0 : targets[i].weight,
            .port = addresses[i].port,
            .transport = TND_TRANSPORT_UDP,
            .ttl_s = 300,
            .addresses = &out->addresses[i],
            .n_addresses = 1,
        };
    }
    out->spec = (struct tnd_set_spec){.records = out->records,
                                      .n_records = TND_DEMO_TARGETS,
                                      .weight_zero = TND_WEIGHT_ZERO_LAST_RESORT};
}

// What the published version says of each target: the share it should get, and its state.
static void read_version(struct tnd_demo *d, unsigned phase, struct tnd_demo_phase *p)
{
    const struct tnd_target_set *set = tnd_rig_set(&d->rig);
    const struct tnd_target *all = tnd_set_targets(set);

    for (unsigned i = 0; i < TND_DEMO_TARGETS; i++) {
        uint32_t at = tnd_set_find(set, tnd_target_id(&d->sink.targets[i]));
        bool serves = tnd_set_records(set)[all[at].record].tier == set->best;
        bool live = all[at].flags & TND_TARGET_LIVE;
        d->sink.live[i] = live;
        p->wanted[i] = serves && live ? tnd_set_share(set, at) : 0;
        if (!live)
            p->state[i] = "down";
        else if (!serves)
            p->state[i] = "standby";
        else
            p->state[i] = phase == DRAIN && i == DRAINED ? "draining" : "up";
    }
}

// Whether a call that was at `before` had to leave there in this phase.
static bool has_to_move(unsigned phase, uint8_t before)
{
    switch (phase) {
    case DRAIN:
        return before == DRAINED;
    case NONE_LIVE:
        return before != TND_DEMO_STANDBY;
    default:
        return before == TND_DEMO_STANDBY;
    }
}

static void count_moves(struct tnd_demo *d, unsigned phase, const uint8_t now[],
                        struct tnd_demo_phase *p)
{
    const uint8_t *before = d->sample[1], *first = d->sample[0];

    for (uint32_t i = 0; i < TND_TRAFFIC_SAMPLE; i++) {
        bool own = has_to_move(phase, before[i]);
        p->moved_own += own && now[i] != before[i];
        p->moved_others += !own && now[i] != before[i];
        if (own && now[i] == before[i]) // stays where it may not
            p->moved_wrong = true;
        if (phase == BACK && now[i] != first[i])
            p->moved_wrong = true;
    }
    p->moved_wrong = p->moved_wrong || p->moved_others > 0;
}

static void tell(const struct tnd_demo *d, unsigned phase, struct tnd_demo_phase *p)
{
    double own = 100.0 * p->moved_own / TND_TRAFFIC_SAMPLE;
    char from[32];

    snprintf(from, sizeof from, "%.0f s", p->from_s);
    switch (phase) {
    case ALL_UP:
        snprintf(p->event, sizeof p->event, "%s  published weights 50, 30, 20 and a standby", from);
        break;
    case DRAIN:
        snprintf(p->event, sizeof p->event,
                 "%s  drained 10.0.0.2: %.1f %% of calls moved (its own), %u others", from, own,
                 p->moved_others);
        break;
    case NONE_LIVE:
        snprintf(p->event, sizeof p->event,
                 "%s  tier 0 down: %.1f %% of calls moved (all) to 10.0.1.1", from, own);
        break;
    default:
        snprintf(p->event, sizeof p->event,
                 "%s  tier 0 back: %.1f %% of calls moved, %s where they began", from, own,
                 p->moved_wrong ? "not all" : "all");
    }
}

int tnd_demo_begin_phase(struct tnd_demo *d, unsigned i)
{
    static uint8_t now[TND_TRAFFIC_SAMPLE];
    struct tnd_demo_phase *p = &d->phases[i];
    struct tnd_demo_targets t;
    int rc;

    *p = (struct tnd_demo_phase){.name = phases[i].name, .from_s = d->elapsed_s, .p = 1};
    tnd_demo_targets(i, &t);
    if (i > 0 && (rc = tnd_rig_publish(&d->rig, &t.spec)) != 0)
        return rc;
    read_version(d, i, p);
    d->sink.attempt++;
    tnd_traffic_sample(&d->traffic, now);
    if (i == 0)
        memcpy(d->sample[0], now, sizeof now);
    else
        count_moves(d, i, now, p);
    memcpy(d->sample[1], now, sizeof now);
    tell(d, i, p);
    d->n_phases = i + 1;
    tnd_sink_reset(&d->sink); // the sample's calls are the same ones each time: not counted
    return 0;
}

void tnd_demo_end_phase(struct tnd_demo *d)
{
    struct tnd_demo_phase *p = &d->phases[d->n_phases - 1];

    p->to_s = d->elapsed_s;
    p->calls = 0;
    memcpy(p->got, d->sink.got, sizeof p->got);
    for (unsigned i = 0; i < TND_DEMO_TARGETS; i++)
        p->calls += p->got[i];
    p->p = tnd_chi2_fit(p->got, p->wanted, TND_DEMO_TARGETS, p->calls);
}

bool tnd_demo_passed(const struct tnd_demo *d, char why[TND_DEMO_EVENT])
{
    const struct tnd_sink *s = &d->sink;
    uint64_t lost = tnd_traffic_lost(&d->traffic);
    char n[TND_UNITS_MAX];

    why[0] = '\0';
    if (lost > 0)
        snprintf(why, TND_DEMO_EVENT, "%s requests were neither delivered nor answered",
                 tnd_units_total(lost, n));
    else if (s->unknown > 0)
        snprintf(why, TND_DEMO_EVENT, "%s messages came out that nobody expected",
                 tnd_units_total(s->unknown, n));
    else if (s->dead > 0)
        snprintf(why, TND_DEMO_EVENT, "%s requests went to a target that was not live",
                 tnd_units_total(s->dead, n));
    else if (s->wrong > 0)
        snprintf(why, TND_DEMO_EVENT, "%s of %llu checked messages are wrong: %.80s",
                 tnd_units_total(s->wrong, n), (unsigned long long)s->checked, s->fault);
    for (unsigned i = 0; i < d->n_phases && !why[0]; i++) {
        if (d->phases[i].p < TND_DEMO_P_MIN)
            snprintf(why, TND_DEMO_EVENT, "'%s': the shares are not as wanted: p = %.1e",
                     d->phases[i].name, d->phases[i].p);
        else if (d->phases[i].moved_wrong)
            snprintf(why, TND_DEMO_EVENT, "'%s': calls moved that should have stayed, or stayed",
                     d->phases[i].name);
    }
    return !why[0];
}
