#include "control/resolve_print.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "control/table.h"
#include "control/units.h"

#define ROWS_MAX   24u // of one question, in text
#define ANSWER_MAX 1200u

static bool usable(const struct tnd_spec_address *a)
{
    return a->addr.transport == TND_TRANSPORT_UDP;
}

// What one record says, in the order of a zone file.
static void record_text(const struct tnd_dns_answer *a, const struct tnd_dns_rr *rr,
                        char out[ANSWER_MAX])
{
    struct tnd_addr addr = {.family = a->type == TND_DNS_A ? 4 : 6};

    switch (a->type) {
    case TND_DNS_SRV:
        snprintf(out, ANSWER_MAX, "%u %u %u %s", rr->srv.priority, rr->srv.weight, rr->srv.port,
                 tnd_dns_text(a, rr->srv.target));
        break;
    case TND_DNS_NAPTR:
        snprintf(out, ANSWER_MAX, "%u %u \"%s\" \"%s\" \"%s\" %s", rr->naptr.order,
                 rr->naptr.preference, tnd_dns_text(a, rr->naptr.flags),
                 tnd_dns_text(a, rr->naptr.service), tnd_dns_text(a, rr->naptr.regexp),
                 tnd_dns_text(a, rr->naptr.replacement));
        break;
    default:
        memcpy(addr.ip, rr->ip, sizeof addr.ip);
        tnd_addr_host_text(&addr, out);
        if (out[0] == '[') { // brackets are for URIs
            memmove(out, out + 1, strlen(out));
            out[strlen(out) - 1] = '\0';
        }
        break;
    }
}

// The code of an answer as DNS people write it; what is no code of DNS in the same style.
static void rcode_text(const struct tnd_dns_entry *e, char out[24])
{
    enum tnd_dns_outcome o = tnd_dns_cache_says(e);
    const char *code =
        o == TND_DNS_NODATA || o == TND_DNS_ALIAS ? "noerror" : tnd_dns_outcome_code(o);
    size_t i = 0;

    for (; i < 23 && code[i]; i++)
        out[i] = (char)(code[i] >= 'a' && code[i] <= 'z' ? code[i] - 'a' + 'A' : code[i]);
    out[i] = '\0';
}

// ---- Text -----------------------------------------------------------------------------------

static void query_rows(struct tnd_table_text *t, const struct tnd_dns_entry *e)
{
    const struct tnd_dns_answer *a = e->answer;
    const char *row[] = {tnd_dns_type_name(e->type), e->name, "", "", ""};
    char answer[ANSWER_MAX], ttl[16] = "", took[TND_UNITS_MAX];
    unsigned n = 0;

    tnd_units_duration(e->took_us / 1e6, took);
    if (a)
        snprintf(ttl, sizeof ttl, "%u", e->ttl_s);
    row[3] = ttl;
    row[4] = took;
    for (uint8_t i = 0; a && i < a->n_chain; i++, n++) {
        snprintf(answer, sizeof answer, "alias of %s", tnd_dns_text(a, a->chain[i]));
        row[2] = answer;
        tnd_table_text_row(t, row);
        row[0] = row[1] = row[3] = row[4] = "";
    }
    for (uint16_t i = 0; a && i < a->n && n < ROWS_MAX; i++, n++) {
        record_text(a, &a->rr[i], answer);
        row[2] = answer;
        tnd_table_text_row(t, row);
        row[0] = row[1] = row[3] = row[4] = "";
    }
    if (a && a->n > ROWS_MAX) {
        snprintf(answer, sizeof answer, ".. %u in all", a->n);
        row[2] = answer;
        tnd_table_text_row(t, row);
    } else if (n == 0) {
        row[2] = tnd_dns_outcome_text(tnd_dns_cache_says(e));
        tnd_table_text_row(t, row);
    }
}

static void print_queries(const struct tnd_located *l, unsigned width)
{
    static const struct tnd_column columns[] = {{"QUERY", TND_LEFT, 0},
                                                {"NAME", TND_LEFT, 16},
                                                {"ANSWER", TND_LEFT, 20},
                                                {"TTL", TND_RIGHT, 0},
                                                {"TIME", TND_RIGHT, 0}};
    struct tnd_table_text *t = tnd_table_text_new(columns, 5);

    if (!t || l->n_asked == 0) {
        tnd_table_text_free(t);
        return;
    }
    for (uint32_t i = 0; i < l->n_asked; i++)
        query_rows(t, l->asked[i]);
    tnd_table_text_print(t, width, stdout);
    puts("");
    tnd_table_text_free(t);
}

// How long what is known of a target holds. An address in a URI holds for ever.
static uint32_t target_ttl(const struct tnd_spec_record *r, const struct tnd_spec_address *a)
{
    return a->ttl_s < r->ttl_s ? a->ttl_s : r->ttl_s;
}

static void target_row(struct tnd_table_text *t, const struct tnd_spec_record *r,
                       const struct tnd_spec_address *a, double fraction)
{
    char tier[8], share[TND_UNITS_MAX], target[80], host[TND_DNS_NAME_MAX], prio[8], weight[8];
    char ttl[16], addr[TND_ADDR_TEXT_MAX];

    tnd_addr_text(&a->addr, addr);
    snprintf(tier, sizeof tier, "%u", r->tier);
    tnd_units_percent(fraction, share);
    snprintf(target, sizeof target, "%s %s", tnd_transport_name(a->addr.transport), addr);
    snprintf(host, sizeof host, "%.*s", (int)r->host.len, r->host.p);
    snprintf(prio, sizeof prio, "%u", r->priority);
    snprintf(weight, sizeof weight, "%u", r->weight);
    snprintf(ttl, sizeof ttl, "%u", target_ttl(r, a));
    const char *row[] = {tier, share, target, host, prio, weight, ttl};
    tnd_table_text_row(t, row);
}

static void print_targets(const struct tnd_located *l, const double *shares, unsigned width)
{
    static const struct tnd_column columns[] = {
        {"TIER", TND_LEFT, 0},  {"SHARE", TND_RIGHT, 0}, {"TARGET", TND_LEFT, 20},
        {"HOST", TND_LEFT, 12}, {"PRIO", TND_RIGHT, 0},  {"WEIGHT", TND_RIGHT, 0},
        {"TTL", TND_RIGHT, 0},
    };
    struct tnd_table_text *t = tnd_table_text_new(columns, 7);
    bool other = false;

    if (!t)
        return;
    for (uint32_t i = 0; i < l->spec.n_records; i++) {
        const struct tnd_spec_record *r = &l->spec.records[i];
        for (uint16_t j = 0; j < r->n_addresses; j++) {
            target_row(t, r, &r->addresses[j], *shares++);
            other |= !usable(&r->addresses[j]);
        }
    }
    tnd_table_text_print(t, width, stdout);
    if (other)
        puts("note: only udp targets can be sent to; tcp and tls ones are passed over");
    tnd_table_text_free(t);
}

void tnd_resolve_print_text(const char *uri, const struct tnd_located *l)
{
    double *shares = calloc(l->n_targets + 1, sizeof *shares);

    (void)uri;
    print_queries(l, TND_TABLE_WIDTH);
    if (shares && l->n_targets > 0) {
        tnd_locate_shares(&l->spec, shares);
        print_targets(l, shares, TND_TABLE_WIDTH);
    }
    for (uint32_t i = 0; i < l->n_warnings; i++)
        printf("warning: %s\n", l->warnings[i]);
    fflush(stdout);
    if (l->error)
        fprintf(stderr, "error: %s\n", l->error_text);
    free(shares);
}

// ---- JSON -----------------------------------------------------------------------------------

// A name may hold nothing but ASCII here, so this cannot fail for its encoding.
static json_t *text(const char *s)
{
    json_t *j = json_string(s);

    return j ? j : json_string("?");
}

static json_t *query_json(const struct tnd_dns_entry *e)
{
    const struct tnd_dns_answer *a = e->answer;
    json_t *answers = json_array();
    char s[ANSWER_MAX], rcode[24];

    for (uint8_t i = 0; a && i < a->n_chain; i++) {
        snprintf(s, sizeof s, "CNAME %s", tnd_dns_text(a, a->chain[i]));
        json_array_append_new(answers, text(s));
    }
    for (uint16_t i = 0; a && i < a->n; i++) {
        record_text(a, &a->rr[i], s);
        json_array_append_new(answers, text(s));
    }
    rcode_text(e, rcode);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:f}", "name", e->name, "type",
                     tnd_dns_type_name(e->type), "rcode", rcode, "ttl",
                     a ? json_integer(e->ttl_s) : json_null(), "answers", answers, "ms",
                     e->took_us / 1000.0);
}

static json_t *target_json(const struct tnd_spec_record *r, const struct tnd_spec_address *a,
                           double share)
{
    struct tnd_dns_answer type = {.type = a->addr.family == 4 ? TND_DNS_A : TND_DNS_AAAA};
    struct tnd_dns_rr rr;
    char ip[ANSWER_MAX];

    memcpy(rr.ip, a->addr.ip, sizeof rr.ip);
    record_text(&type, &rr, ip);
    return json_pack("{s:s, s:s, s:i, s:s%, s:i, s:i, s:i, s:f, s:I, s:b}", "transport",
                     tnd_transport_name(a->addr.transport), "address", ip, "port",
                     (int)a->addr.port, "host", r->host.p, r->host.len, "tier", (int)r->tier,
                     "priority", (int)r->priority, "weight", (int)r->weight, "share", share, "ttl",
                     (json_int_t)target_ttl(r, a), "usable", usable(a));
}

static json_t *targets_json(const struct tnd_located *l)
{
    double *shares = calloc(l->n_targets + 1, sizeof *shares);
    json_t *targets = json_array();
    uint32_t k = 0;

    if (shares)
        tnd_locate_shares(&l->spec, shares);
    for (uint32_t i = 0; shares && i < l->spec.n_records; i++) {
        const struct tnd_spec_record *r = &l->spec.records[i];
        for (uint16_t j = 0; j < r->n_addresses; j++)
            json_array_append_new(targets, target_json(r, &r->addresses[j], shares[k++]));
    }
    free(shares);
    return targets;
}

void tnd_resolve_print_json(const char *uri, const struct tnd_located *l)
{
    json_t *queries = json_array(), *warnings = json_array(), *error = json_null();

    for (uint32_t i = 0; i < l->n_asked; i++)
        json_array_append_new(queries, query_json(l->asked[i]));
    for (uint32_t i = 0; i < l->n_warnings; i++)
        json_array_append_new(warnings, text(l->warnings[i]));
    if (l->error)
        error = json_pack("{s:s, s:s}", "code",
                          l->error == TND_LOCATE_FAILED ? tnd_dns_outcome_code(l->outcome)
                                                        : tnd_locate_error_code(l->error),
                          "text", l->error_text);
    json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o}", "uri", text(uri), "queries", queries,
                            "targets", targets_json(l), "warnings", warnings, "error", error);
    if (all)
        json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    puts("");
    json_decref(all);
}
