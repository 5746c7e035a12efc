#include "control/demo/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sip/msg.h"

#define TRANSACTIONS (1u << 20)

enum { PBX, CARRIER, TRUNKS };

// The policy with all it points to.
struct policy {
    struct tnd_policy p; // first
    struct tnd_listener listener;
    struct tnd_trunk trunks[TRUNKS];
    struct tnd_route_rule rule;
    const char *names[1];
    char name[sizeof TND_RIG_EDGE];
};

static void free_policy(void *p)
{
    struct policy *policy = p;

    tnd_lpm_free(policy->p.sources);
    free(policy);
}

static void name_trunk(struct tnd_trunk *t, const char *name, const char *host)
{
    snprintf(t->name, sizeof t->name, "%s", name);
    t->id = tnd_trunk_id(name);
    t->host_len = (uint16_t)snprintf(t->host, sizeof t->host, "%s", host);
    t->scheme = TND_SCHEME_SIP;
    t->exhausted = 500;
}

// Returns: the policy, or NULL when memory is short.
static struct policy *build_policy(struct tnd_rig *r)
{
    static const char uri[] = "sip:" TND_RIG_DOMAIN;
    struct policy *p = calloc(1, sizeof *p);
    struct tnd_lpm_entry source = {.prefix = {.addr = r->pbx, .bits = 32}, .value = PBX};
    struct tnd_uri parsed;

    if (!p)
        return NULL;
    p->listener = (struct tnd_listener){.addr = r->listener, .advertise = r->listener};
    tnd_listener_name(&p->listener);
    name_trunk(&p->trunks[PBX], "pbx", TND_RIG_PBX);
    p->trunks[PBX].hop.numeric = r->pbx;
    name_trunk(&p->trunks[CARRIER], "carrier", TND_RIG_DOMAIN);
    tnd_uri_parse(uri, (struct tnd_span){0, sizeof uri - 1}, &parsed);
    tnd_next_hop_of_uri(uri, &parsed, tnd_str_of("carrier"), &p->trunks[CARRIER].hop);
    r->name = tnd_name_digest(&r->keys.digest, (struct tnd_str){p->trunks[CARRIER].hop.name,
                                                                p->trunks[CARRIER].hop.name_len});
    p->trunks[CARRIER].digest = r->name;
    p->rule = (struct tnd_route_rule){
        .from = PBX, .to = r->names ? TND_ROUTE_REQUEST_URI : TND_ROUTE_TRUNK, .trunk = CARRIER};
    memcpy(p->name, TND_RIG_EDGE, sizeof p->name);
    p->names[0] = p->name;
    source.prefix.addr.port = 0;
    source.prefix.addr.transport = TND_TRANSPORT_NONE;
    p->p = (struct tnd_policy){.generation = 1,
                               .n_listeners = 1,
                               .n_trunks = TRUNKS,
                               .n_rules = 1,
                               .n_names = 1,
                               .listeners = &p->listener,
                               .trunks = p->trunks,
                               .rules = &p->rule,
                               .names = p->names,
                               .sources = tnd_lpm_new(&source, 1)};
    if (p->p.sources)
        return p;
    free(p);
    return NULL;
}

// Everything lies behind one router, which the default neighbour is.
static struct tnd_adjacency_table *build_adjacency(const struct tnd_dataplane *dp)
{
    struct tnd_adjacency_interface interface = {.mtu = 1500};
    struct tnd_adjacency_route all = {.prefix = {.addr = {.family = 4}}, .kind = TND_ROUTE_UNICAST};
    struct tnd_adjacency_neighbour router = {.mac = {0x02, 0, 0, 0, 0xff, 0xfe}};

    tnd_dataplane_interface(dp, 0, interface.mac, &interface.up);
    return tnd_adjacency_build(&(struct tnd_adjacency_spec){.interfaces = &interface,
                                                            .routes = &all,
                                                            .neighbours = &router,
                                                            .n_interfaces = 1,
                                                            .n_routes = 1,
                                                            .n_neighbours = 1,
                                                            .generation = 1});
}

static uint64_t next_key(uint64_t *seed)
{
    // SplitMix64 (Steele, Lea, Flood 2014).
    uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void make_keys(struct tnd_keys *k, uint64_t seed)
{
    k->digest.k0 = next_key(&seed);
    k->digest.k1 = next_key(&seed);
    k->n_sign = 1;
    k->sign[0].id = 1;
    k->sign[0].key.k0 = next_key(&seed);
    k->sign[0].key.k1 = next_key(&seed);
}

static int open_dataplane(struct tnd_rig *r, const struct tnd_rig_options *o, struct tnd_error *err)
{
    struct tnd_interface_config interface = {
        .name = "ring", .waiting = o->waiting, .cold = o->cold};
    struct tnd_dataplane_config cfg = {
        .interfaces = &interface,
        .n_interfaces = 1,
        .workers = o->workers ? o->workers : 1,
        .threadless = true,
        .engine = {.keys = &r->keys,
                   .transactions = o->transactions ? o->transactions : TRANSACTIONS,
                   .parked = 64,
                   .park_for_ms = 3000,
                   .ringing_ms = 180000,
                   .seed = o->seed},
    };

    r->dp = tnd_dataplane_new(&cfg, err);
    return r->dp ? 0 : -TND_EIO;
}

int tnd_rig_open(struct tnd_rig *r, const struct tnd_rig_options *o,
                 const struct tnd_set_spec *first, struct tnd_error *err)
{
    struct policy *policy;
    struct tnd_adjacency_table *adjacency;

    memset(r, 0, sizeof *r);
    r->names = o->names;
    make_keys(&r->keys, o->seed);
    tnd_addr_parse(tnd_str_of(TND_RIG_LISTENER), &r->listener);
    tnd_addr_parse(tnd_str_of(TND_RIG_PBX), &r->pbx);
    r->listener.transport = r->pbx.transport = TND_TRANSPORT_UDP;
    if (open_dataplane(r, o, err) != 0)
        return -TND_EIO;
    policy = build_policy(r);
    if (policy)
        tnd_dataplane_publish_policy(r->dp, &policy->p, free_policy);
    adjacency = build_adjacency(r->dp);
    tnd_dataplane_publish_adjacency(r->dp, adjacency);
    r->table = tnd_table_new(tnd_dataplane_qsbr(r->dp), 1);
    if (!policy || !adjacency || !r->table || tnd_rig_publish(r, first) != 0) {
        tnd_fail(err, TND_ENOMEM, "no memory for the table of names");
        tnd_rig_close(r);
        return -TND_ENOMEM;
    }
    if (tnd_dataplane_start(r->dp, r->table, err) == 0)
        return 0;
    tnd_rig_close(r);
    return -TND_ENOMEM;
}

void tnd_rig_close(struct tnd_rig *r)
{
    tnd_dataplane_stop(r->dp);
    if (r->table)
        tnd_table_free(r->table);
    tnd_dataplane_free(r->dp);
    r->table = NULL;
    r->dp = NULL;
}

int tnd_rig_publish(struct tnd_rig *r, const struct tnd_set_spec *spec)
{
    int rc = tnd_table_publish(r->table, &r->name, spec);

    r->versions += rc == 0;
    return rc;
}

void tnd_rig_host(uint32_t i, char out[TND_RIG_HOST_LEN + 1])
{
    static const char suffix[] = ".ex.test";

    out[0] = 'c';
    for (int k = 7; k > 0; k--, i /= 10)
        out[k] = (char)('0' + i % 10);
    memcpy(out + 8, suffix, sizeof suffix);
}

int tnd_rig_publish_name(struct tnd_rig *r, uint32_t i, const struct tnd_set_spec *spec)
{
    char uri[4 + TND_RIG_HOST_LEN + 1] = "sip:";
    struct tnd_name_digest name;
    struct tnd_next_hop hop;
    struct tnd_uri parsed;

    tnd_rig_host(i, uri + 4);
    tnd_uri_parse(uri, (struct tnd_span){0, sizeof uri - 1}, &parsed);
    tnd_next_hop_of_uri(uri, &parsed, tnd_str_of(""), &hop);
    name = tnd_name_digest(&r->keys.digest, (struct tnd_str){hop.name, hop.name_len});
    return tnd_table_publish(r->table, &name, spec);
}

const struct tnd_target_set *tnd_rig_set(const struct tnd_rig *r)
{
    return tnd_table_lookup(r->table, &r->name);
}

void tnd_rig_tick(struct tnd_rig *r)
{
    tnd_dataplane_poll(r->dp);
    tnd_table_reclaim(r->table);
}
