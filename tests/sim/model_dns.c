// Where a name may lead: RFC 3263 4, RFC 2782, over what the engine was told and when.
#include <strings.h>

#include "sim/model.h"

#define FORGET_US (110 * SECOND) // by then what nothing rests on is forgotten, DNS well or not

// ---- What was told --------------------------------------------------------------------------

static struct model_view *view_of(struct model *m, const char *name, const char *type)
{
    for (uint32_t i = 0; i < m->n_views; i++)
        if (strcmp(m->view[i].name, name) == 0 && strcmp(m->view[i].type, type) == 0)
            return &m->view[i];
    return NULL;
}

struct walk {
    struct model *m;
    struct model_set set;
    unsigned tiers, records;
    bool waits, forgot, forgets;
    uint64_t now_us;
};

static const char *const hosts[N_NAMES] = {"sip.carrier.example", "reg.example",
                                           "pop.carrier.example"};

// What nothing rested on when it fell due may be forgotten, or about to be.
static bool is_doubtful(const struct walk *w, const struct model_view *v)
{
    uint64_t due_us = v->told_us + v->ttl_s * SECOND / 100 * 95;

    return v->forgotten ? w->now_us < due_us + FORGET_US
                        : !v->used && !v->was_used && w->now_us > due_us;
}

static const struct model_view *look_up(struct walk *w, const char *name, const char *type)
{
    struct model_view *v = view_of(w->m, name, type);

    if (v && is_doubtful(w, v)) {
        w->forgot = true;
        v->forgotten = v->forgotten || w->forgets;
        if (!w->forgets)
            return v; // judged again in the second walk
    }
    if (!v || v->forgotten) {
        w->waits = true;
        return NULL;
    }
    v->used = true;
    return v;
}

static const struct zone_record *next_record(const struct model_view *v, uint32_t *at)
{
    while (v && v->how == MODEL_GOOD && *at < v->zone->n) {
        const struct zone_record *r = &v->zone->record[(*at)++];
        if (strcmp(r->name, v->name) == 0 && strcmp(r->type, v->type) == 0)
            return r;
    }
    return NULL;
}

// ---- The walk -------------------------------------------------------------------------------

// RFC 7984: both families. Returns: how many addresses.
static unsigned add_host(struct walk *w, const char *host, unsigned port, unsigned tier,
                         unsigned weight)
{
    static const char *const types[] = {"A", "AAAA"};
    unsigned n = 0;

    for (int k = 0; k < 2; k++) {
        const struct model_view *v = look_up(w, host, types[k]);
        const struct zone_record *r;
        for (uint32_t at = 0; (r = next_record(v, &at)) != NULL;) {
            char text[80];
            snprintf(text, sizeof text, k ? "[%.60s]:%u" : "%.60s:%u", r->data, port);
            if (w->set.n == TARGETS)
                abort();
            w->set.target[w->set.n++] = (struct model_target){
                .addr = addr_of(text), .tier = tier, .weight = weight, .record = w->records};
            n++;
        }
    }
    w->records++;
    return n;
}

struct srv {
    unsigned priority, weight, port;
    char host[64];
};

static int by_priority(const void *a, const void *b)
{
    const struct srv *x = a, *y = b;

    return x->priority < y->priority ? -1 : x->priority > y->priority;
}

// Returns: whether the name has SRV records, or may have.
static bool add_services(struct walk *w, const char *name)
{
    const struct model_view *v = look_up(w, name, "SRV");
    const struct zone_record *r;
    struct srv srv[16];
    unsigned n = 0, found = 0;

    for (uint32_t at = 0; n < 16 && (r = next_record(v, &at)) != NULL; n++)
        sscanf(r->data, "%u %u %u %63s", &srv[n].priority, &srv[n].weight, &srv[n].port,
               srv[n].host);
    qsort(srv, n, sizeof *srv, by_priority);
    for (unsigned i = 0; i < n; i++) {
        if (i > 0 && srv[i].priority != srv[i - 1].priority && found) {
            w->tiers++;
            found = 0;
        }
        found += add_host(w, srv[i].host, srv[i].port, w->tiers, srv[i].weight);
    }
    w->tiers += found > 0;
    return !v || v->how != MODEL_NONE;
}

// NAPTR for UDP, in order. Returns: whether there was one.
static bool add_naptr(struct walk *w, const char *host)
{
    const struct model_view *v = look_up(w, host, "NAPTR");
    const struct zone_record *r;
    bool found = !v; // not known yet: nothing else is to be tried

    for (unsigned order = 0; order < 100; order++)
        for (uint32_t at = 0; (r = next_record(v, &at)) != NULL;) {
            unsigned o, p;
            char flags[8], service[24], to[64];
            if (sscanf(r->data, "%u %u \"%7[^\"]\" \"%23[^\"]\" \"\" %63s", &o, &p, flags, service,
                       to) != 5 ||
                o != order || strcasecmp(service, "SIP+D2U") != 0 || strcasecmp(flags, "s") != 0)
                continue;
            found = true;
            add_services(w, to);
        }
    return found;
}

static void walk(struct walk *w, enum model_name name)
{
    switch (name) {
    case NAME_CARRIER: // sip:sip.carrier.example
        if (!add_naptr(w, "sip.carrier.example") &&
            !add_services(w, "_sip._udp.sip.carrier.example"))
            add_host(w, "sip.carrier.example", 5060, 0, 1);
        break;
    case NAME_REGISTRAR: // sip:reg.example;transport=udp
        if (!add_services(w, "_sip._udp.reg.example"))
            add_host(w, "reg.example", 5060, 0, 1);
        break;
    default: // sip:pop.carrier.example
        if (!add_naptr(w, "pop.carrier.example") &&
            !add_services(w, "_sip._udp.pop.carrier.example"))
            add_host(w, "pop.carrier.example", 5060, 0, 1);
    }
}

// ---- Who may be chosen (RFC 2782 p. 3; weight 0 as a last resort) -------------------------------

static bool is_down(const struct model *m, const struct sim_addr *a)
{
    for (uint32_t i = 0; i < m->n_down; i++)
        if (same_ip(&m->down[i], a))
            return true;
    return false;
}

static unsigned alive_of_record(const struct model *m, const struct model_set *set, unsigned record)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < set->n; i++)
        n += set->target[i].record == record && !is_down(m, &set->target[i].addr);
    return n;
}

static bool choose_in_tier(const struct model *m, struct model_set *set, unsigned tier)
{
    double sum = 0, zeros = 0, p;

    for (uint32_t i = 0; i < set->n; i++) {
        struct model_target *t = &set->target[i];
        if (t->tier != tier || is_down(m, &t->addr))
            continue;
        sum += (double)t->weight / alive_of_record(m, set, t->record);
        zeros += (t->weight == 0) / (double)alive_of_record(m, set, t->record);
    }
    for (uint32_t i = 0; i < set->n; i++) {
        struct model_target *t = &set->target[i];
        if (t->tier != tier || is_down(m, &t->addr))
            continue;
        p = sum > 0 ? t->weight / sum : 1 / zeros;
        t->p = p / alive_of_record(m, set, t->record);
        set->n_eligible += t->p > 0;
    }
    return set->n_eligible > 0;
}

static uint64_t digest_of(const struct model_set *set)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < set->n; i++) {
        const struct model_target *t = &set->target[i];
        uint64_t h = 0xcbf29ce484222325;
        if (t->p <= 0)
            continue;
        for (size_t k = 0; k < sizeof t->addr; k++)
            h = (h ^ ((const uint8_t *)&t->addr)[k]) * 0x100000001b3;
        h = (h ^ t->weight) * 0x9e3779b97f4a7c15; // mixed: else 50, 30, 20 can add up to 0, 0, 0
        sum += (h ^ h >> 29) * 0xbf58476d1ce4e5b9;
    }
    return sum;
}

static bool is_same(const struct model_set *a, const struct model_set *b)
{
    return a->n == b->n && memcmp(a->target, b->target, a->n * sizeof *a->target) == 0;
}

static bool has_weight(const struct model_set *set)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (set->target[i].weight > 0)
            return true;
    return false;
}

static bool has_targets(const struct model_history *h)
{
    return h->n > 0 && h->set[(h->n - 1) % HISTORY].n > 0;
}

// Rule 2: who is in the carrier's set, and since when who was is not.
static void note_sources(struct sim *s, const struct model_set *set)
{
    struct model *m = s->model;

    for (uint32_t i = 0; i < s->n_hosts; i++) {
        bool in = false;
        for (uint32_t k = 0; k < set->n; k++)
            in |= same_ip(&set->target[k].addr, &s->hosts[i].addr);
        if (in == (m->left_us[i] == UINT64_MAX))
            continue;
        if (in || m->left_us[i] == UINT64_MAX)
            m->changed_us[i] = s->now_us;
        if (in)
            m->left_us[i] = UINT64_MAX;
        else if (m->left_us[i] == UINT64_MAX)
            m->left_us[i] = s->now_us;
    }
}

static void trace_set(struct sim *s, enum model_name name, const struct model_set *set)
{
    if (!s->trace)
        return;
    sim_trace(s, "model: %s has %u targets, %u to be chosen", hosts[name], set->n, set->n_eligible);
    for (uint32_t i = 0; i < set->n; i++)
        sim_trace(s, "model:     tier %u weight %u %s, %.3f", set->target[i].tier,
                  set->target[i].weight, addr_text(&set->target[i].addr), set->target[i].p);
}

// A name that came back while DNS was ill rests on whatever was not forgotten by then, and when
// that is depends on how often it was asked in vain: any of its earlier sets may be the one.
static bool is_vague(const struct sim *s, const struct model_history *h)
{
    uint64_t ill_us = dns_ill_until_us(s->zones);

    return h->back_us && (ill_us == UINT64_MAX || ill_us + FORGET_US > h->back_us) &&
           (ill_us == UINT64_MAX || s->now_us < ill_us + FORGET_US);
}

// Returns: whether something may be forgotten by now; then the walk is to be repeated without.
static bool review(struct sim *s, enum model_name name, uint32_t n_before, bool forgets)
{
    struct model *m = s->model;
    struct model_history *h = &m->names[name];
    struct walk w = {.m = m, .now_us = s->now_us, .forgets = forgets};

    if (h->gone)
        return false;
    walk(&w, name);
    if (!forgets)
        h->stands = 0;
    // What was there goes on, also in the place of what is drained, all of it, and not all of it.
    if (w.waits && (w.set.n == 0 || (has_targets(h) && !has_weight(&w.set)))) {
        h->stands = n_before;
        return w.forgot;
    }
    for (unsigned tier = 0; tier <= w.tiers; tier++)
        if (choose_in_tier(m, &w.set, tier))
            break;
    w.set.since_us = s->now_us;
    if (h->n && is_same(&w.set, &h->set[(h->n - 1) % HISTORY]))
        return w.forgot;
    if (h->n == 0)
        h->known_us = s->now_us;
    h->set[h->n++ % HISTORY] = w.set;
    if (name == NAME_CARRIER)
        note_sources(s, &w.set);
    trace_set(s, name, &w.set);
    return w.forgot;
}

static void review_name(struct sim *s, enum model_name name)
{
    struct model_history *h = &s->model->names[name];
    uint32_t n_before = h->stands ? h->stands : h->n, n_known;

    if (!review(s, name, n_before, false))
        return;
    n_known = h->n;
    review(s, name, n_before, true);
    if (!h->stands && h->n > n_known)
        h->stands = n_known; // with what may not have been forgotten
}

static void review_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->model->n_views; i++) {
        s->model->view[i].was_used = s->model->view[i].used;
        s->model->view[i].used = false;
    }
    for (int name = 0; name < N_NAMES; name++)
        review_name(s, (enum model_name)name);
}

// ---- Hearing ---------------------------------------------------------------------------------

void model_told(struct sim *s, const char *name, const char *type, int how, const struct zone *zone)
{
    struct model *m = s->model;
    struct model_view *v = view_of(m, name, type);
    const struct zone_record *r;
    uint32_t at = 0;

    if (v && how == MODEL_FAILED && !v->forgotten)
        return; // RFC 8767: what was told before stands
    if (!v) {
        if (m->n_views == VIEWS)
            abort();
        v = &m->view[m->n_views++];
        memset(v, 0, sizeof *v);
        snprintf(v->name, sizeof v->name, "%s", name);
        snprintf(v->type, sizeof v->type, "%s", type);
    }
    v->how = how;
    v->forgotten = false;
    v->used = true; // the next walk will say
    v->zone = zone;
    v->told_us = s->now_us;
    r = next_record(v, &at);
    v->ttl_s = r ? r->ttl_s : 77;
    review_all(s);
}

void model_adjacency(struct sim *s, const struct sim_addr *ip, bool usable)
{
    struct model *m = s->model;
    uint32_t i = 0;

    while (i < m->n_down && !same_ip(&m->down[i], ip))
        i++;
    if (usable && i < m->n_down)
        m->down[i] = m->down[--m->n_down];
    else if (!usable && i == m->n_down)
        m->down[m->n_down++] = *ip;
    review_all(s);
}

void model_gone(struct sim *s, const char *name)
{
    for (int i = 0; i < N_NAMES; i++)
        if (strstr(name, hosts[i])) {
            s->model->names[i].gone = true;
            sim_trace(s, "model: %s is gone", hosts[i]);
        }
    review_all(s);
}

// Whether DNS is asked for a name that somebody waits for.
bool model_asks(struct sim *s, enum model_name name)
{
    struct model_history *h = &s->model->names[name];
    uint64_t since_us = h->wanted_us;

    h->wanted_us = since_us ? since_us : s->now_us;
    if (h->gone) {
        h->gone = false;
        h->back_us = s->now_us;
        review_all(s);
    }
    return !since_us || s->now_us < since_us + 4 * SECOND ||
           view_of(s->model, hosts[name], name == NAME_REGISTRAR ? "A" : "NAPTR") ||
           name == NAME_REGISTRAR;
}

void model_restarted(struct sim *s, bool rotated)
{
    struct model *m = s->model;

    m->incarnation++;
    m->keys += rotated;
    m->n_views = 0;
    memset(m->names, 0, sizeof m->names);
    memset(m->left_us, 0, sizeof m->left_us);
}

// ---- Being asked -------------------------------------------------------------------------------

void model_look(struct sim *s, enum model_name name, const struct sim_addr *dst,
                struct model_look *out)
{
    const struct model_history *h = &s->model->names[name];
    uint64_t until_us = UINT64_MAX;

    *out = (struct model_look){.member = h->n > 0, .sure = h->n > 0};
    out->unknown = h->n == 0 || h->gone || s->now_us < h->known_us + SECOND ||
                   (h->back_us && (s->now_us < h->back_us + 5 * SECOND ||
                                   dns_ill_until_us(s->zones) > h->back_us));
    out->may_fail |= out->unknown;
    out->since_us = h->back_us ? UINT64_MAX - SECOND : h->known_us;
    out->latest = h->n ? &h->set[(h->n - 1) % HISTORY] : NULL;
    bool vague = is_vague(s, h);
    for (uint32_t k = 0; k < h->n && k < HISTORY; k++) {
        const struct model_set *set = &h->set[(h->n - 1 - k) % HISTORY];
        bool member = false;
        bool stands = h->stands && h->n - k >= h->stands;
        if (until_us < s->now_us - SETTLE_US && !vague && !stands)
            break;
        for (uint32_t i = 0; i < set->n; i++)
            if (dst && same_addr(&set->target[i].addr, dst)) {
                member = true;
                out->allowed |= set->target[i].p > 0 || vague;
            }
        out->member &= member;
        out->may_fail |= set->n_eligible == 0;
        if (k == 0)
            out->digest = digest_of(set);
        else
            out->sure &= digest_of(set) == out->digest;
        until_us = set->since_us;
    }
    // Slow servers make a set known in parts, and what is published of them is a matter of
    // moments.
    if (dns_ill_until_us(s->zones) &&
        (s->now_us < 30 * SECOND || dns_ill_until_us(s->zones) > s->now_us - 30 * SECOND))
        out->sure = false;
}

int model_is_source(struct sim *s, uint32_t i)
{
    struct model *m = s->model;
    struct model_look look;

    model_look(s, NAME_CARRIER, NULL, &look);
    // A TLS target is no target to us, but a source.
    if (!look.sure || s->now_us < m->changed_us[i] + SECOND || (s->sc->naptr && i == 0))
        return -1;
    if (m->left_us[i] == UINT64_MAX)
        return 1;
    if (m->left_us[i] == 0)
        return 0;
    if (s->now_us > m->left_us[i] + LINGER_MS * MS + SECOND) {
        m->lingered++;
        return 0;
    }
    if (s->now_us > m->left_us[i] + LINGER_MS * MS - SECOND)
        return -1;
    m->lingering++;
    return 1;
}

// Each record set is asked again by the end of its TTL, when DNS is well.
void model_fresh(struct sim *s)
{
    const struct model *m = s->model;
    uint64_t ill_us = dns_ill_until_us(s->zones);

    for (uint32_t i = 0; i < m->n_views; i++) {
        const struct model_view *v = &m->view[i];
        uint64_t life_us = v->ttl_s * SECOND;
        if (!v->used || v->forgotten || v->how == MODEL_FAILED || ill_us == UINT64_MAX ||
            (ill_us && s->now_us < ill_us + life_us + 8 * SECOND))
            continue;
        if (s->now_us > v->told_us + life_us + SECOND)
            sim_violation(s, "%s %s was told %llu ms ago, its TTL is %u s", v->name, v->type,
                          (unsigned long long)((s->now_us - v->told_us) / MS), v->ttl_s);
    }
}
