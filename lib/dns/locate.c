#include "dns/locate.h"

#include <stdio.h>
#include <string.h>

#include "dns/locate_walk.h"

#define CHOICES_MAX 64 // usable NAPTR records of a name; three services make more of them odd

uint8_t tnd__transports(const struct tnd__walk *w, uint8_t out[3])
{
    static const uint8_t usual[] = {TND_TRANSPORT_TLS, TND_TRANSPORT_TCP, TND_TRANSPORT_UDP};

    if (w->hop->sips) { // the URI demands TLS whatever the trunk lists
        out[0] = TND_TRANSPORT_TLS;
        return 1;
    }
    if (w->policy->n_transports == 0) {
        memcpy(out, usual, sizeof usual);
        return 3;
    }
    memcpy(out, w->policy->transports, w->policy->n_transports);
    return w->policy->n_transports;
}

static int rank_of(const struct tnd__walk *w, enum tnd_transport t)
{
    uint8_t list[3];
    uint8_t n = tnd__transports(w, list);

    for (uint8_t i = 0; i < n; i++)
        if (list[i] == t)
            return i;
    return -1;
}

static enum tnd_transport default_transport(const struct tnd__walk *w)
{
    uint8_t list[3];

    if (w->hop->sips)
        return TND_TRANSPORT_TLS;
    if (rank_of(w, TND_TRANSPORT_UDP) >= 0)
        return TND_TRANSPORT_UDP;
    tnd__transports(w, list);
    return (enum tnd_transport)list[0];
}

// ---- Services by SRV ------------------------------------------------------------------------

static bool service_name(const struct tnd__walk *w, enum tnd_transport t,
                         char out[TND_DNS_NAME_MAX])
{
    static const char *const prefix[] = {[TND_TRANSPORT_UDP] = "_sip._udp.",
                                         [TND_TRANSPORT_TCP] = "_sip._tcp.",
                                         [TND_TRANSPORT_TLS] = "_sips._tcp."};

    int n = snprintf(out, TND_DNS_NAME_MAX, "%s%s", prefix[t], w->hop->host);
    return n > 0 && n <= 253;
}

void tnd__services(struct tnd__walk *w, const uint8_t *transports, uint8_t n)
{
    enum tnd__found groups[3];
    char name[TND_DNS_NAME_MAX];

    for (uint8_t i = 0; i < n; i++) {
        enum tnd_transport t = (enum tnd_transport)transports[i];
        if (service_name(w, t, name))
            groups[i] = tnd__srv_group(w, name, t);
        else
            groups[i] = TND__ABSENT; // too long to exist
    }
    tnd__fallback(w, groups, n, n == 1 ? (enum tnd_transport)transports[0] : default_transport(w));
}

void tnd__fallback(struct tnd__walk *w, const enum tnd__found *groups, uint32_t n,
                   enum tnd_transport transport)
{
    bool denied = false;

    for (uint32_t i = 0; i < n; i++) {
        if (groups[i] == TND__FOUND || groups[i] == TND__FAILED || groups[i] == TND__WAIT)
            return;
        denied |= groups[i] == TND__DENIED;
    }
    if (denied)
        w->out->error = TND_LOCATE_DENIED;
    else
        tnd__host_group(w, w->hop->host, transport, tnd__default_port(transport));
}

// ---- NAPTR ----------------------------------------------------------------------------------

struct choice {
    const struct tnd_dns_rr *rr;
    enum tnd_transport transport;
    bool to_host; // flag "a"
};

// The transport of a service, NONE when it is not SIP's, OTHER when the engine has it not.
static enum tnd_transport service_transport(const char *service)
{
    static const struct {
        struct tnd_str name;
        enum tnd_transport transport;
    } known[] = {
        {{"sip+d2u", 7}, TND_TRANSPORT_UDP},    {{"sip+d2t", 7}, TND_TRANSPORT_TCP},
        {{"sips+d2t", 8}, TND_TRANSPORT_TLS},   {{"sip+d2s", 7}, TND_TRANSPORT_OTHER},
        {{"sips+d2s", 8}, TND_TRANSPORT_OTHER}, {{"sip+d2w", 7}, TND_TRANSPORT_OTHER},
        {{"sips+d2w", 8}, TND_TRANSPORT_OTHER},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (tnd_str_ieq(tnd_str_of(service), known[i].name))
            return known[i].transport;
    return TND_TRANSPORT_NONE;
}

// Why a NAPTR record cannot be used; NULL when it can, and *c is filled.
static const char *judge_naptr(struct tnd__walk *w, const struct tnd_dns_answer *a,
                               const struct tnd_dns_rr *rr, struct choice *c)
{
    const char *flags = tnd_dns_text(a, rr->naptr.flags);
    const char *replacement = tnd_dns_text(a, rr->naptr.replacement);

    c->rr = rr;
    c->transport = service_transport(tnd_dns_text(a, rr->naptr.service));
    if (c->transport == TND_TRANSPORT_NONE)
        return "not a service of SIP";
    if (c->transport == TND_TRANSPORT_OTHER)
        return "a transport that is not supported";
    if (w->hop->sips && c->transport != TND_TRANSPORT_TLS)
        return "a sips URI wants SIPS";
    if (rank_of(w, c->transport) < 0)
        return "a transport that is not wanted here";
    if (tnd_lower(flags[0]) != 's' && tnd_lower(flags[0]) != 'a')
        return "its flag is neither S nor A";
    if (flags[1] != '\0')
        return "more than one flag";
    if (*tnd_dns_text(a, rr->naptr.regexp) != '\0')
        return "it has a regular expression";
    if (strcmp(replacement, ".") == 0)
        return "it has no replacement";
    c->to_host = tnd_lower(flags[0]) == 'a';
    return NULL;
}

static bool same_choice(const struct tnd_dns_answer *a, const struct choice *x,
                        const struct choice *y)
{
    return x->transport == y->transport && x->to_host == y->to_host &&
           strcmp(tnd_dns_text(a, x->rr->naptr.replacement),
                  tnd_dns_text(a, y->rr->naptr.replacement)) == 0;
}

// Whether x comes before y: order, preference, then what the trunk prefers.
static bool before(const struct tnd__walk *w, const struct choice *x, const struct choice *y)
{
    if (x->rr->naptr.order != y->rr->naptr.order)
        return x->rr->naptr.order < y->rr->naptr.order;
    if (x->rr->naptr.preference != y->rr->naptr.preference)
        return x->rr->naptr.preference < y->rr->naptr.preference;
    return rank_of(w, x->transport) < rank_of(w, y->transport);
}

static void insert(const struct tnd__walk *w, struct choice *list, uint32_t n,
                   const struct choice *c)
{
    for (; n > 0 && before(w, c, &list[n - 1]); n--)
        list[n] = list[n - 1];
    list[n] = *c;
}

static uint32_t choose(struct tnd__walk *w, const struct tnd_dns_answer *a,
                       struct choice choices[CHOICES_MAX])
{
    uint32_t n = 0;

    for (uint16_t i = 0; i < a->n; i++) {
        struct choice c;
        const char *why = judge_naptr(w, a, &a->rr[i], &c);
        for (uint32_t j = 0; j < n && !why; j++)
            if (same_choice(a, &choices[j], &c))
                why = "it leads where another does";
        if (!why && n == CHOICES_MAX)
            why = "too many";
        if (why)
            tnd__warn(w, "NAPTR %u %u \"%s\" \"%s\" is skipped: %s", a->rr[i].naptr.order,
                      a->rr[i].naptr.preference, tnd_dns_text(a, a->rr[i].naptr.flags),
                      tnd_dns_text(a, a->rr[i].naptr.service), why);
        else
            insert(w, choices, n++, &c);
    }
    return n;
}

bool tnd__naptr(struct tnd__walk *w)
{
    struct choice choices[CHOICES_MAX];
    enum tnd__found groups[CHOICES_MAX];
    struct tnd__set s;

    tnd__lookup(w, w->hop->host, TND_DNS_NAPTR, &s);
    if (s.outcome == TND_DNS_NONE) {
        w->waiting = true;
        return true;
    }
    if (!s.answer) {
        if (s.outcome != TND_DNS_NXDOMAIN && s.outcome != TND_DNS_NODATA)
            tnd__warn(w, "NAPTR %s: %s; going on with SRV", w->hop->host,
                      tnd_dns_outcome_text(s.outcome));
        return false;
    }
    const struct tnd_dns_answer *a = s.answer;
    uint32_t n = choose(w, a, choices);
    for (uint32_t i = 0; i < n; i++) {
        const char *to = tnd_dns_text(a, choices[i].rr->naptr.replacement);
        enum tnd_transport t = choices[i].transport;
        groups[i] = choices[i].to_host ? tnd__host_group(w, to, t, tnd__default_port(t))
                                       : tnd__srv_group(w, to, t);
        if (groups[i] == TND__ABSENT)
            tnd__warn(w, "NAPTR of %s leads to %s, which has no SRV record", w->hop->host, to);
    }
    if (n > 0)
        tnd__fallback(w, groups, n, choices[0].transport);
    return n > 0;
}

// ---- The chain ------------------------------------------------------------------------------

static bool sendable_by_rule(struct tnd__walk *w)
{
    struct tnd_located *o = w->out;
    enum tnd_transport t = (enum tnd_transport)w->hop->transport;

    if (t > TND_TRANSPORT_TLS) {
        o->error = TND_LOCATE_TRANSPORT;
        snprintf(o->error_text, sizeof o->error_text,
                 "transport=%s: not supported; use udp, tcp or tls", tnd_transport_name(t));
    } else if (w->hop->sips && t == TND_TRANSPORT_UDP) {
        o->error = TND_LOCATE_TRANSPORT;
        snprintf(o->error_text, sizeof o->error_text,
                 "transport=udp: a sips URI needs TLS (RFC 3261 26.2.2); use tcp, or sip:");
    }
    return o->error == TND_LOCATE_NONE;
}

// What `transport=` says; TLS under TCP for sips. NONE: it says nothing.
static enum tnd_transport said_transport(const struct tnd__walk *w)
{
    if (w->hop->transport == TND_TRANSPORT_TCP && w->hop->sips)
        return TND_TRANSPORT_TLS;
    return (enum tnd_transport)w->hop->transport;
}

static void one_address(struct tnd__walk *w, enum tnd_transport t)
{
    struct tnd_spec_address *a = tnd_arena_alloc(w->out->arena, sizeof *a);
    struct tnd_spec_record *r = tnd_arena_alloc(w->out->arena, sizeof *r);
    char *text = tnd_arena_alloc(w->out->arena, TND_ADDR_TEXT_MAX);

    if (!a || !r || !text) {
        w->no_memory = true;
        return;
    }
    a->addr = w->hop->numeric;
    a->addr.transport = (uint8_t)t;
    if (a->addr.port == 0)
        a->addr.port = w->hop->port ? w->hop->port : tnd__default_port(t);
    tnd_addr_host_text(&a->addr, text);
    *r = (struct tnd_spec_record){.host = tnd_str_of(text),
                                  .weight = 1,
                                  .port = a->addr.port,
                                  .transport = (uint8_t)t,
                                  .addresses = a,
                                  .n_addresses = 1};
    w->out->spec.records = r;
    w->out->spec.n_records = 1;
    w->out->n_targets = 1;
    tnd__warn(w, "address %s overrides discovery: no failover, and no zone edit is followed", text);
}

static void walk(struct tnd__walk *w)
{
    uint8_t transports[3];
    enum tnd_transport said = said_transport(w);
    enum tnd_transport t = said ? said : default_transport(w);
    uint8_t one = (uint8_t)said;

    if (w->hop->numeric.family != 0) {
        if (!said)
            t = w->hop->sips ? TND_TRANSPORT_TLS : TND_TRANSPORT_UDP;
        one_address(w, t);
    } else if (w->hop->port != 0) {
        tnd__warn(w, "port %u overrides discovery: neither NAPTR nor SRV is asked", w->hop->port);
        tnd__host_group(w, w->hop->host, t, w->hop->port);
    } else if (said) {
        tnd__services(w, &one, 1);
    } else if (!tnd__naptr(w)) {
        tnd__services(w, transports, tnd__transports(w, transports));
    }
}

static void say_error(struct tnd__walk *w)
{
    struct tnd_located *o = w->out;
    const char *host = w->hop->host;
    char *to = o->error_text;
    size_t size = sizeof o->error_text;

    if (o->error == TND_LOCATE_DENIED) {
        snprintf(to, size, "%s: its SRV record says that there is no such service (target \".\")",
                 host);
    } else if (w->failed_name) {
        o->error = TND_LOCATE_FAILED;
        snprintf(to, size, "%s: %s %s: %s; ask again, or look at the DNS server", host,
                 tnd_dns_type_name(w->failed_type), w->failed_name,
                 tnd_dns_outcome_text(o->outcome));
    } else if (w->name_missing && o->n_targets == 0) {
        o->error = TND_LOCATE_NOT_FOUND;
        snprintf(to, size, "%s: no such name in DNS; check the spelling, and the zone", host);
    } else {
        o->error = TND_LOCATE_NO_ADDRESS;
        snprintf(to, size, "%s: nothing it leads to has an address; publish A or AAAA records",
                 host);
    }
}

static bool start(struct tnd_located *o, const struct tnd_locate_policy *policy)
{
    struct tnd_arena *arena = o->arena ? o->arena : tnd_arena_new();

    memset(o, 0, sizeof *o);
    o->arena = arena;
    o->spec.weight_zero = policy->weight_zero;
    if (!arena)
        return false;
    tnd_arena_reset(arena);
    return true;
}

void tnd_locate(struct tnd_dns_cache *cache, const struct tnd_locate_hop *hop,
                const struct tnd_locate_policy *policy, uint64_t now_ms, struct tnd_located *out)
{
    struct tnd__walk w = {
        .cache = cache, .hop = hop, .policy = policy, .out = out, .now_ms = now_ms};
    char name[TND_DNS_NAME_MAX];

    out->complete = true;
    if (!start(out, policy)) {
        out->complete = true;
        out->error = TND_LOCATE_NO_MEMORY;
        return;
    }
    w.epoch = tnd_dns_cache_epoch(cache);
    if (hop->numeric.family == 0 && !tnd_dns_name(hop->host, strlen(hop->host), name)) {
        out->error = TND_LOCATE_BAD_HOST;
        snprintf(out->error_text, sizeof out->error_text,
                 "%s: not a host name that DNS can be asked for", hop->host);
    } else if (sendable_by_rule(&w)) {
        walk(&w);
    }
    out->complete = !w.waiting && !w.no_memory;
    if (w.no_memory) {
        out->error = TND_LOCATE_NO_MEMORY;
        snprintf(out->error_text, sizeof out->error_text, "%s: memory is short", hop->host);
    } else if (out->complete && out->n_targets == 0 && out->error_text[0] == '\0') {
        say_error(&w);
    }
}

void tnd_located_free(struct tnd_located *out)
{
    tnd_arena_free(out->arena);
    memset(out, 0, sizeof *out);
}

// ---- Shares ---------------------------------------------------------------------------------

// Index of the first record that is the same target by transport, host and port.
static uint32_t identity(const struct tnd_set_spec *s, uint32_t i)
{
    const struct tnd_spec_record *r = &s->records[i];

    for (uint32_t j = 0; j < i; j++) {
        const struct tnd_spec_record *q = &s->records[j];
        if (q->tier == r->tier && q->port == r->port && q->transport == r->transport &&
            tnd_str_ieq(q->host, r->host))
            return j;
    }
    return i;
}

// A record's part of its tier. Records of weight 0 count where the policy lets them.
static double record_share(const struct tnd_set_spec *s, uint32_t i)
{
    const struct tnd_spec_record *r = &s->records[i];
    double sum = 0, zeros = 0, own = r->weight;
    bool first = identity(s, i) == i;

    for (uint32_t j = 0; j < s->n_records; j++) {
        if (s->records[j].tier != r->tier)
            continue;
        sum += s->records[j].weight;
        zeros += s->records[j].weight == 0 && identity(s, j) == j;
    }
    if (sum == 0)
        return first ? 1 / zeros : 0;
    if (s->weight_zero != TND_WEIGHT_ZERO_RFC2782 || zeros == 0)
        return own / sum;
    return own > 0 ? own / (sum + 1) : first ? 1 / (sum + 1) / zeros : 0;
}

void tnd_locate_shares(const struct tnd_set_spec *spec, double *shares)
{
    for (uint32_t i = 0; i < spec->n_records; i++) {
        const struct tnd_spec_record *r = &spec->records[i];
        uint8_t best = UINT8_MAX;
        uint32_t n = 0;
        for (uint16_t j = 0; j < r->n_addresses; j++)
            if (r->addresses[j].family_rank < best)
                best = r->addresses[j].family_rank;
        for (uint16_t j = 0; j < r->n_addresses; j++)
            n += r->addresses[j].family_rank == best;
        double share = record_share(spec, i);
        for (uint16_t j = 0; j < r->n_addresses; j++)
            *shares++ = r->addresses[j].family_rank == best ? share / n : 0;
    }
}

const char *tnd_locate_error_code(enum tnd_locate_error e)
{
    static const char *const codes[] = {
#define X(name, code) code,
        TND_LOCATE_ERRORS(X)
#undef X
    };
    return (unsigned)e < sizeof codes / sizeof codes[0] ? codes[e] : "?";
}
