// The zone of the carrier, its versions over time, and the health of its servers.
#include "sim/sim.h"

#define VERSIONS_MAX 4096

struct zones {
    struct zone *version[VERSIONS_MAX];
    uint32_t n;
    enum dns_state state;
    uint64_t ill_until_us;
    // What edits turn.
    struct srv {
        uint32_t host; // 0: none
        unsigned priority, weight;
    } srv[8], reg[3];
    uint32_t pop[6], n_pop;
};

static void add(struct zone *z, const char *name, uint32_t ttl_s, const char *type, const char *fmt,
                ...)
{
    struct zone_record *r = &z->record[z->n++];
    va_list ap;

    if (z->n > ZONE_RECORDS)
        abort();
    snprintf(r->name, sizeof r->name, "%s", name);
    snprintf(r->type, sizeof r->type, "%s", type);
    r->ttl_s = ttl_s;
    va_start(ap, fmt);
    vsnprintf(r->data, sizeof r->data, fmt, ap);
    va_end(ap);
}

static void add_srv(struct sim *s, struct zone *z, const char *name, const struct srv *srv,
                    uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (srv[i].host)
            add(z, name, s->sc->ttl_s, "SRV", "%u %u %u %s", srv[i].priority, srv[i].weight,
                s->hosts[srv[i].host - 1].addr.port, s->hosts[srv[i].host - 1].name);
}

static void add_address(struct sim *s, struct zone *z, const char *name, const struct host *h)
{
    struct sim_addr bare = h->addr;
    const char *ip = addr_host(&bare);

    if (h->addr.family == 4)
        add(z, name, 3 * s->sc->ttl_s, "A", "%s", ip);
    else
        add(z, name, 3 * s->sc->ttl_s, "AAAA", "%.*s", (int)strlen(ip) - 2, ip + 1);
}

// A new version of what `zones` says now.
static void publish(struct sim *s, struct zones *zs)
{
    struct zone *z = calloc(1, sizeof *z);
    size_t at = 0;

    if (!z || zs->n == VERSIONS_MAX)
        abort();
    if (s->sc->naptr) {
        add(z, "sip.carrier.example", 30, "NAPTR",
            "10 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.sip.carrier.example");
        add(z, "sip.carrier.example", 30, "NAPTR",
            "20 10 \"S\" \"sip+d2u\" \"\" _sip._udp.pops.carrier.example");
        add_srv(s, z, "_sip._udp.pops.carrier.example", zs->srv, 8);
        add(z, "_sips._tcp.sip.carrier.example", 30, "SRV", "1 1 5061 h1.carrier.example");
        // Whoever does not read NAPTR finds this, which is wrong.
        add(z, "_sip._udp.sip.carrier.example", 30, "SRV", "1 1 5060 h8.carrier.example");
    } else {
        add_srv(s, z, "_sip._udp.sip.carrier.example", zs->srv, 8);
        add(z, "sip.carrier.example", 30, "A", "203.0.113.18"); // SRV comes first
    }
    add_srv(s, z, "_sip._udp.reg.example", zs->reg, 3);
    for (uint32_t i = 0; i < s->n_hosts; i++)
        add_address(s, z, s->hosts[i].name, &s->hosts[i]);
    for (uint32_t i = 0; i < zs->n_pop; i++)
        add_address(s, z, "pop.carrier.example", &s->hosts[zs->pop[i] - 1]);
    for (uint32_t i = 0; i < z->n; i++)
        at +=
            (size_t)snprintf(z->text + at, sizeof z->text - at, "%s %u %s %s\n", z->record[i].name,
                             z->record[i].ttl_s, z->record[i].type, z->record[i].data);
    zs->version[zs->n++] = z;
}

static struct srv *any(struct sim *s)
{
    struct srv *r;

    do
        r = &s->zones->srv[sim_below(s, 8)];
    while (!r->host);
    return r;
}

static bool is_used(const struct zones *z, uint32_t host)
{
    for (uint32_t i = 0; i < 8; i++)
        if (z->srv[i].host == host)
            return true;
    return false;
}

void zone_edit(struct sim *s)
{
    struct zones *z = s->zones;
    struct srv *r = any(s);
    uint32_t host;

    switch (sim_below(s, 10)) {
    case 0: // drained by weight 0
        r->weight = 0;
        break;
    case 1:
        r->weight = 1 + sim_below(s, 100);
        break;
    default: // another target in its place
        for (host = 1 + sim_below(s, s->n_hosts); is_used(z, host);
             host = 1 + sim_below(s, s->n_hosts))
            ;
        r->host = host;
        break;
    case 3: // all weights of a tier 0: equal shares
        for (uint32_t i = 0; i < 8 && sim_below(s, 4); i++)
            z->srv[i].weight = 0;
        break;
    case 4:
        r->priority = 10 + 10 * sim_below(s, 2);
        break;
    case 5: // gone from the names of proxies, or back
        z->n_pop = z->n_pop == 2 ? 1 : 2;
        break;
    case 6: // as it was in the beginning
        z->srv[0].weight = 50;
        z->srv[1].weight = 30;
        z->srv[2].weight = 20;
        z->srv[0].priority = z->srv[1].priority = z->srv[2].priority = 10;
    }
    publish(s, z);
    sim_trace(s, "the zone is edited: version %u\n%s", z->n, z->version[z->n - 1]->text);
}

const struct zone *zone_now(const struct zones *z)
{
    return z->version[z->n - 1];
}

enum dns_state dns_state(const struct zones *z)
{
    return z->state;
}

uint64_t dns_ill_until_us(const struct zones *z)
{
    return z->state == DNS_WELL ? z->ill_until_us : UINT64_MAX;
}

static void trouble(struct sim *s, void *who, uint64_t n)
{
    static const char *const words[] = {"well", "silent", "refusing", "slow"};
    struct zones *z = s->zones;

    if (z->state != DNS_WELL || s->n_started == s->n_calls) {
        z->state = DNS_WELL;
        z->ill_until_us = s->now_us;
    } else {
        z->state = (enum dns_state)(1 + sim_below(s, 3));
    }
    sim_trace(s, "DNS is %s", words[z->state]);
    if (s->n_started < s->n_calls)
        sim_after(s, (2 + sim_below(s, 20)) * SECOND, trouble, NULL, 0);
}

static void recover(struct sim *s, void *who, uint64_t n)
{
    s->zones->state = DNS_WELL;
    s->zones->ill_until_us = s->now_us;
    sim_trace(s, "DNS is well");
}

struct zones *zones_new(struct sim *s)
{
    struct zones *z = calloc(1, sizeof *z);

    if (!z)
        abort();
    z->srv[0] = (struct srv){1, 10, 50};
    z->srv[1] = (struct srv){2, 10, 30};
    z->srv[2] = (struct srv){3, 10, 20};
    z->srv[3] = (struct srv){4, 20, 1};
    z->srv[4] = (struct srv){9, 20, 1};
    z->reg[0] = (struct srv){5, 1, 70};
    z->reg[1] = (struct srv){6, 1, 30};
    z->reg[2] = (struct srv){7, 2, 0};
    z->pop[0] = 2;
    z->pop[1] = 4;
    z->n_pop = 2;
    publish(s, z);
    if (s->sc->dns_trouble)
        sim_after(s, 10 * SECOND, trouble, NULL, 0);
    if (s->sc->dead_start) {
        z->state = DNS_SILENT;
        sim_after(s, 4 * SECOND, recover, NULL, 0);
    }
    return z;
}

void zones_free(struct zones *z)
{
    for (uint32_t i = 0; i < z->n; i++)
        free(z->version[i]);
    free(z);
}
