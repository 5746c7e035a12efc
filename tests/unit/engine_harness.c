#include "unit/engine_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "util/isa.h"

#define TEXTS 1024

static char *next_text(void)
{
    static char texts[TEXTS][TND_SIP_MAX + 512];
    static unsigned at;

    return texts[at++ % TEXTS];
}

#define TEXT_ROOM (TND_SIP_MAX + 512)

static void die(const char *why, const char *what)
{
    fprintf(stderr, "harness: %s: %s\n", why, what);
    abort();
}

const char *text_of(const char *format, ...)
{
    char *out = next_text();
    va_list ap;

    va_start(ap, format);
    vsnprintf(out, TEXT_ROOM, format, ap);
    va_end(ap);
    return out;
}

struct tnd_addr addr_of(const char *text)
{
    struct tnd_addr a;

    if (!tnd_addr_parse(tnd_str_of(text), &a))
        die("not an address", text);
    a.transport = TND_TRANSPORT_UDP;
    return a;
}

// ---- The world ----------------------------------------------------------------------------

static void set_listener(struct harness *h, uint16_t i, const char *addr, const char *advertise,
                         uint16_t interface)
{
    struct tnd_listener *l = &h->listeners[i];

    l->addr = addr_of(addr);
    l->advertise = addr_of(advertise ? advertise : addr);
    l->interface = interface;
    tnd_listener_name(l);
}

void harness_trunk_uri(struct harness *h, uint16_t trunk, const char *text)
{
    struct tnd_trunk *t = &h->trunks[trunk];
    const char *host = strchr(text, ':') + 1;
    struct tnd_uri uri;

    if (!tnd_uri_parse(text, (struct tnd_span){0, (uint16_t)strlen(text)}, &uri) ||
        !tnd_next_hop_of_uri(text, &uri, tnd_str_of(t->name), &t->hop))
        die("not a trunk's uri", text);
    t->scheme = uri.scheme;
    t->host_len = (uint16_t)snprintf(t->host, sizeof t->host, "%s", host);
    t->digest = tnd_name_digest(&h->keys.digest, (struct tnd_str){t->hop.name, t->hop.name_len});
}

static void set_trunk(struct harness *h, uint16_t i, const char *name, const char *uri,
                      uint16_t status)
{
    struct tnd_trunk *t = &h->trunks[i];

    snprintf(t->name, sizeof t->name, "%s", name);
    t->id = tnd_trunk_id(name);
    t->exhausted = status;
    harness_trunk_uri(h, i, uri);
}

static void set_sources(struct harness *h)
{
    static const struct {
        const char *prefix;
        uint16_t port, trunk;
    } sources[] = {
        {"203.0.113.0/24", 0, CARRIER}, {"10.0.0.0/16", 0, PBX},       {"100.64.0.0/16", 0, ACCESS},
        {"2001:db8:6::/48", 0, SIX},    {"203.0.113.7", 5062, NARROW},
    };
    enum { N = sizeof sources / sizeof *sources };
    struct tnd_lpm_entry entries[N];

    for (size_t i = 0; i < N; i++) {
        if (!tnd_prefix_parse(tnd_str_of(sources[i].prefix), &entries[i].prefix))
            die("not a prefix", sources[i].prefix);
        entries[i].prefix.addr.port = sources[i].port;
        entries[i].value = sources[i].trunk;
    }
    h->policy.sources = tnd_lpm_new(entries, N);
}

static struct tnd_route_rule *add_rule(struct harness *h, uint16_t from, const char *user)
{
    struct tnd_route_rule *r = &h->rules[h->policy.n_rules++];

    *r = (struct tnd_route_rule){.from = from, .user = user, .to = TND_ROUTE_TRUNK};
    return r;
}

static void set_rules(struct harness *h)
{
    struct tnd_route_rule *r;

    add_rule(h, PBX, "+49*")->trunk = CARRIER;
    add_rule(h, SIX, NULL)->trunk = CARRIER;
    add_rule(h, NARROW, NULL)->to = TND_ROUTE_REQUEST_URI;
    r = add_rule(h, ACCESS, NULL);
    r->method = TND_METHOD_OPTIONS;
    r->method_text = "OPTIONS";
    r->to = TND_ROUTE_REPLY;
    r->reply = 200;
    add_rule(h, ACCESS, NULL)->trunk = CARRIER;
    add_rule(h, CARRIER, NULL)->trunk = PBX;
    add_rule(h, PBX, "six")->trunk = SIX;
    add_rule(h, PBX, "access")->trunk = ACCESS;
}

static void set_policy(struct harness *h)
{
    set_listener(h, WAN4, "192.0.2.10:5060", "198.51.100.1:5060", 0);
    set_listener(h, LAN4, "10.0.0.1:5060", NULL, 1);
    set_listener(h, WAN6, "[2001:db8:2::10]:5060", NULL, 0);
    set_listener(h, ALT4, "192.0.2.10:5080", "198.51.100.1:5080", 0);
    set_trunk(h, CARRIER, "carrier", "sip:sip.carrier.example", 500);
    set_trunk(h, PBX, "pbx", "sip:10.0.0.5:5060", 503);
    set_trunk(h, ACCESS, "access", "sip:access.example;transport=udp", 500);
    set_trunk(h, SIX, "six", "sip:[2001:db8:6::5]:5070", 500);
    set_trunk(h, NARROW, "narrow", "sip:narrow.example:5090", 500);
    h->trunks[ACCESS].nat = TND_NAT_YES;
    h->trunks[ACCESS].record_route = TND_RR_ALWAYS;
    h->trunks[SIX].nat = TND_NAT_NO;
    h->trunks[NARROW].record_route = TND_RR_NEVER;
    h->names[0] = "edge.example";
    h->names[1] = "sip.edge.example";
    h->policy = (struct tnd_policy){
        .generation = 1,
        .n_listeners = N_LISTENERS,
        .n_trunks = N_TRUNKS,
        .n_names = 2,
        .listeners = h->listeners,
        .trunks = h->trunks,
        .rules = h->rules,
        .names = h->names,
    };
    set_sources(h);
    set_rules(h);
    atomic_store(&h->current, &h->policy);
}

struct harness *harness_new(void)
{
    struct harness *h = calloc(1, sizeof *h);
    struct tnd_engine_config cfg;

    if (!tnd_isa_select(getenv("TANDEM_KERNEL")))
        die("no such kernel here", getenv("TANDEM_KERNEL"));

    h->now_ms = 1000000;
    h->keys.digest = (struct tnd_hash_key){0x1122334455667788, 0x99aabbccddeeff00};
    h->keys.n_sign = 2;
    h->keys.sign[0] = (struct tnd_sign_key){7, {1, 2}};
    h->keys.sign[1] = (struct tnd_sign_key){8, {3, 4}};
    h->qsbr = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~(size_t)63);
    rte_rcu_qsbr_init(h->qsbr, 1);
    h->table = tnd_table_new(h->qsbr, 64);
    set_policy(h);
    cfg = (struct tnd_engine_config){
        .keys = &h->keys,
        .policy = &h->current,
        .table = h->table,
        .transactions = 4096,
        .parked = 64,
        .park_for_ms = 3000,
        .ringing_ms = 180000,
        .seed = 1,
    };
    h->engine = tnd_engine_new(&cfg);
    if (!h->table || !h->engine || !h->policy.sources)
        die("no memory", "harness_new");
    harness_set(h, CARRIER_NAME,
                "0 50 203.0.113.11:5060, 0 30 203.0.113.12:5060, 0 20 203.0.113.13:5060, "
                "1 1 203.0.113.14:5060");
    harness_set(h, "sip:access.example;transport=udp|access", "0 1 100.64.0.5:5060");
    return h;
}

void harness_free(struct harness *h)
{
    tnd_engine_free(h->engine);
    tnd_table_free(h->table);
    tnd_lpm_free(h->policy.sources);
    free(h->qsbr);
    free(h);
}

// ---- Sets ---------------------------------------------------------------------------------

#define SET_MAX 32

void harness_set(struct harness *h, const char *name, const char *text)
{
    struct tnd_spec_record records[SET_MAX];
    struct tnd_spec_address addresses[SET_MAX];
    char copy[2048], hosts[SET_MAX][80], *rest = copy, *item;
    struct tnd_set_spec spec = {.records = records};
    struct tnd_name_digest digest = tnd_name_digest(&h->keys.digest, tnd_str_of(name));

    snprintf(copy, sizeof copy, "%s", text);
    while ((item = strsep(&rest, ",")) != NULL && spec.n_records < SET_MAX) {
        unsigned tier, weight, i = spec.n_records;
        char where[64], state[16] = "";
        if (sscanf(item, " %u %u %63s %15s", &tier, &weight, where, state) < 3)
            break;
        addresses[i] = (struct tnd_spec_address){.addr = addr_of(where),
                                                 .down = strcmp(state, "down") == 0,
                                                 .drained = strcmp(state, "drained") == 0};
        uint16_t port = addresses[i].addr.port;
        addresses[i].addr.port = 0;
        addresses[i].addr.transport = 0;
        snprintf(hosts[i], sizeof hosts[i], "host-%s", where);
        records[i] = (struct tnd_spec_record){.host = tnd_str_of(hosts[i]),
                                              .tier = (uint16_t)tier,
                                              .priority = (uint16_t)tier,
                                              .weight = (uint16_t)weight,
                                              .port = port,
                                              .transport = TND_TRANSPORT_UDP,
                                              .addresses = &addresses[i],
                                              .n_addresses = 1};
        spec.n_records++;
    }
    if (tnd_table_publish(h->table, &digest, &spec) != 0)
        die("not published", name);
    while (tnd_table_reclaim(h->table))
        ;
    tnd_park_wake(h->engine->park, &digest);
}

void harness_forget(struct harness *h, const char *name)
{
    struct tnd_name_digest digest = tnd_name_digest(&h->keys.digest, tnd_str_of(name));

    tnd_table_remove(h->table, &digest);
}

// ---- Stages -------------------------------------------------------------------------------

static void take_wants(struct harness *h)
{
    struct tnd_engine *e = h->engine;

    for (uint32_t i = 0; i < e->n_wants; i++) {
        memcpy(h->want, e->wants[i].name, e->wants[i].len);
        h->want[e->wants[i].len] = 0;
        h->n_wants++;
    }
    e->n_wants = 0;
}

static void take_output(struct harness *h, struct tnd_job *job, struct reply *r)
{
    static struct tnd_out out;
    struct sent *s = &r->out[r->n];

    if (!tnd_stage_rewrite(h->engine, h->now_ms, job, r->n, &out))
        return;
    if (out.edit.out_len > TND_SIP_MAX)
        die("an output is too large", "rewrite");
    s->dst = out.dst;
    s->listener = out.listener;
    s->len = (uint32_t)tnd_edit_write(&out.edit, s->text);
    s->text[s->len] = 0;
    r->n++;
}

// The dataplane's part: 10/8 lies behind the inner interface, all else behind the outer one.
static void take_route(struct harness *h, struct tnd_job *job)
{
    uint16_t interface = job->dst.family == 4 && job->dst.ip[0] == 10 ? 1 : 0;

    if (job->verdict == TND_VERDICT_FORWARD && !job->egress_fixed)
        job->egress = tnd_egress_listener(&h->policy, &job->dst, job->listener, interface);
}

static void finish(struct harness *h, struct tnd_job *job, struct reply *r)
{
    uint32_t n_out = job->n_out;

    r->n = 0;
    take_route(h, job);
    if (job->verdict == TND_VERDICT_FORWARD || job->verdict == TND_VERDICT_ANSWER)
        for (uint32_t k = 0; k < n_out && k < 2; k++)
            take_output(h, job, r);
    r->verdict = (enum tnd_verdict)job->verdict;
    r->drop = (enum tnd_drop)job->drop;
    r->status = job->verdict == TND_VERDICT_ANSWER ? job->answer : 0;
    r->how = (enum tnd_how)job->how;
    r->trunk = job->trunk;
    r->to_trunk = job->to_trunk;
    tnd_job_count(h->engine, job);
}

static void stages(struct harness *h, struct tnd_job *const jobs[], uint32_t n, struct reply r[])
{
    struct tnd_engine *e = h->engine;

    tnd_stage_parse(e, jobs, n);
    tnd_stage_digest(e, jobs, n);
    tnd_stage_route(e, h->now_ms, jobs, n);
    tnd_stage_pick(e, h->now_ms, jobs, n);
    tnd_stage_sign(e, jobs, n);
    for (uint32_t i = 0; i < n; i++)
        finish(h, jobs[i], &r[i]);
    for (uint32_t i = 0; i < n; i++)
        tnd_engine_done(e, jobs[i]);
    take_wants(h);
}

// Jobs are dirty on purpose: tnd_job_init must write all that is read.
static struct tnd_job **job_array(void)
{
    static struct tnd_job jobs[TND_BURST];
    static struct tnd_job *pointers[TND_BURST];

    for (uint32_t i = 0; i < TND_BURST; i++)
        pointers[i] = &jobs[i];
    return pointers;
}

void run_burst(struct harness *h, const struct datagram in[], uint32_t n, struct reply r[])
{
    struct tnd_job **jobs = job_array();

    for (uint32_t i = 0; i < n; i++)
        tnd_job_init(jobs[i], in[i].data, (uint32_t)in[i].len, &in[i].src, in[i].listener);
    stages(h, jobs, n, r);
}

void run_octets(struct harness *h, const struct datagram *in, struct reply *r)
{
    run_burst(h, in, 1, r);
}

void run(struct harness *h, const char *src, uint16_t listener, const char *text, struct reply *r)
{
    struct datagram in = {addr_of(src), listener, text, strlen(text)};

    run_burst(h, &in, 1, r);
}

uint32_t run_due(struct harness *h, struct reply r[], uint32_t max)
{
    struct tnd_job **jobs = job_array();
    uint32_t n = tnd_engine_due(h->engine, h->now_ms, jobs, max < TND_BURST ? max : TND_BURST);

    stages(h, jobs, n, r);
    return n;
}

// ---- Messages -----------------------------------------------------------------------------

static const char *or_else(const char *given, const char *otherwise)
{
    return given ? given : otherwise;
}

static size_t put_line(char *out, size_t at, const char *name, const char *value)
{
    if (*value == 0)
        return at;
    return at + (size_t)snprintf(out + at, TEXT_ROOM - at, "%s: %s\r\n", name, value);
}

const char *make_request(const struct request *r)
{
    const char *method = or_else(r->method, "INVITE"), *payload = or_else(r->body, "");
    char *out = next_text(), cseq[80];
    size_t at = (size_t)snprintf(out, TEXT_ROOM, "%s %s SIP/2.0\r\n", method,
                                 or_else(r->uri, "sip:+4930123@198.51.100.1"));

    snprintf(cseq, sizeof cseq, "%u %s", r->cseq ? r->cseq : 1, method);
    at = put_line(out, at, "Via", or_else(r->via, "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKone"));
    at = put_line(out, at, "Max-Forwards", or_else(r->max_forwards, "70"));
    at = put_line(out, at, "From", or_else(r->from, "<sip:alice@pbx.example>;tag=alice"));
    at = put_line(out, at, "To", or_else(r->to, "<sip:+4930123@edge.example>"));
    at = put_line(out, at, "Call-ID", or_else(r->call_id, "call-1@pbx.example"));
    at = put_line(out, at, "CSeq", cseq);
    at = put_line(out, at, "Contact", or_else(r->contact, "<sip:alice@10.0.0.5:5060>"));
    at += (size_t)snprintf(out + at, TEXT_ROOM - at, "%s", or_else(r->more, ""));
    snprintf(out + at, TEXT_ROOM - at, "Content-Length: %zu\r\n\r\n%s", strlen(payload), payload);
    return out;
}

static size_t put_all(char *out, size_t at, const struct sent *from, const char *name)
{
    const char *value;

    for (unsigned k = 0; (value = header(from, name, k)) != NULL; k++)
        at = put_line(out, at, name, value);
    return at;
}

const char *make_response(const struct sent *to, int status, const char *to_tag, const char *more)
{
    char *out = next_text();
    size_t at = (size_t)snprintf(out, TEXT_ROOM, "SIP/2.0 %d Status\r\n", status);
    const char *value = header(to, "To", 0);

    at = put_all(out, at, to, "Via");
    at = put_all(out, at, to, "Record-Route");
    at = put_all(out, at, to, "From");
    at = put_line(out, at, "To",
                  to_tag && !tag_of(value) ? text_of("%s;tag=%s", value, to_tag) : value);
    at = put_all(out, at, to, "Call-ID");
    at = put_all(out, at, to, "CSeq");
    snprintf(out + at, TEXT_ROOM - at, "%sContent-Length: 0\r\n\r\n", or_else(more, ""));
    return out;
}

const char *replaced(const char *text, const char *from, const char *to)
{
    const char *found = strstr(text, from);

    if (!found)
        die("nothing to replace", from);
    return text_of("%.*s%s%s", (int)(found - text), text, to, found + strlen(from));
}

const char *start_line(const struct sent *s)
{
    return text_of("%.*s", (int)strcspn(s->text, "\r\n"), s->text);
}

const char *header(const struct sent *s, const char *name, unsigned k)
{
    size_t len = strlen(name);
    const char *end = strstr(s->text, "\r\n\r\n"), *p = strchr(s->text, '\n');

    for (; p && p < end; p = strchr(p, '\n')) {
        p++;
        if (strncasecmp(p, name, len) != 0 || p[len] != ':' || k-- > 0)
            continue;
        p += len + 1;
        p += strspn(p, " ");
        return text_of("%.*s", (int)strcspn(p, "\r\n"), p);
    }
    return NULL;
}

unsigned header_count(const struct sent *s, const char *name)
{
    unsigned n = 0;

    while (header(s, name, n))
        n++;
    return n;
}

const char *body(const struct sent *s)
{
    const char *end = strstr(s->text, "\r\n\r\n");

    return end ? end + 4 : NULL;
}

static const char *param_of(const char *value, const char *name)
{
    const char *p = value ? strstr(value, name) : NULL;

    if (!p)
        return NULL;
    p += strlen(name);
    return text_of("%.*s", (int)strcspn(p, ";, \r\n"), p);
}

const char *branch_of(const struct sent *s)
{
    return param_of(header(s, "Via", 0), ";branch=");
}

const char *tag_of(const char *value)
{
    return param_of(value, ";tag=");
}

// ---- Signed responses -----------------------------------------------------------------------

static size_t put_on_top(char *out, const char *data, size_t len, size_t line_end, const char *via)
{
    size_t via_len = strlen(via);

    memcpy(out, data, line_end);
    memcpy(out + line_end, via, via_len);
    memcpy(out + line_end + via_len, data + line_end, len - line_end);
    return len + via_len;
}

size_t sign_response(struct harness *h, const char *data, size_t len, char *out)
{
    static struct tnd_job job;
    struct tnd_job *jobs[1] = {&job};
    struct tnd_branch b = {
        .listener = h->listeners[WAN4].id, .trunk = h->trunks[CARRIER].id, .target = 42};
    struct tnd_addr src = addr_of(CARRIER_SRC);
    char via[160], branch[TND_BRANCH_MAX];
    size_t n;

    // Once with any branch, to see what lies below it; then with the right one.
    tnd_job_init(&job, data, (uint32_t)len, &src, WAN4);
    tnd_sip_parse(data, len, &job.msg);
    size_t lead = (size_t)(job.msg.data - data);
    if (job.msg.is_request || job.msg.start_line_end == 0)
        return 0;
    snprintf(via, sizeof via, "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx\r\n");
    n = put_on_top(out, data + lead, len - lead, job.msg.start_line_end, via);
    tnd_job_init(&job, out, (uint32_t)n, &src, WAN4);
    tnd_sip_parse(out, n, &job.msg);
    job.msg.error = TND_SIP_ERR_NONE;
    tnd_stage_digest(h->engine, jobs, 1);
    const struct tnd_via *below = &job.msg.via2;
    if (below->whole.len == 0)
        return 0;
    struct tnd_branch_scope scope = {job.txn, job.call_key, job.msg.cseq,
                                     below->received_ip.family ? below->received_ip
                                                               : below->sent_by};
    scope.flow.port = below->rport_value ? below->rport_value : below->sent_by.port;
    if (scope.flow.port == 0)
        scope.flow.port = 5060;
    size_t branch_len = tnd_branch_write(&b, &scope, &h->keys, branch);
    snprintf(via, sizeof via, "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=%.*s\r\n", (int)branch_len,
             branch);
    tnd_sip_parse(data + lead, len - lead, &job.msg);
    return put_on_top(out, data + lead, len - lead, job.msg.start_line_end, via);
}
