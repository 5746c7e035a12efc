// The route stage: who sent it, may it pass, where does it go; or what is it answered.
//
// Nothing, not even a 400, is answered before the source is known. Rules are numbered as in
// docs/sip-rules.md.
#include "proxy/engine_internal.h"

// ---- Our own Routes and the token ---------------------------------------------------

// RFC 3263 4: it is the maddr that says where a URI is, and over UDP it came to one of ours.
static bool maddr_is_ours(const struct tnd_engine *e, const struct tnd_sip_msg *m,
                          const struct tnd_uri *uri)
{
    struct tnd_uri at;

    if (uri->scheme != TND_SCHEME_SIP ||
        (uri->transport != TND_TRANSPORT_NONE && uri->transport != TND_TRANSPORT_UDP))
        return false;
    at = *uri;
    at.host = uri->maddr;
    if (!tnd_addr_parse_ip(tnd_text(m, at.host), &at.ip))
        at.ip.family = 0;
    return tnd_policy_is_ours(e->policy, m->data, &at);
}

static bool route_is_ours(const struct tnd_engine *e, const struct tnd_sip_msg *m,
                          const struct tnd_uri *uri)
{
    return uri->maddr.len ? maddr_is_ours(e, m, uri) : tnd_policy_is_ours(e->policy, m->data, uri);
}

// Rule 3: our own Routes come off the top, both of a pair. Stops at the first foreign one.
static void read_routes(struct tnd_engine *e, struct tnd_job *job, struct tnd__tokens *tokens)
{
    const struct tnd_sip_msg *m = &job->msg;

    for (uint8_t h = m->first[TND_HDR_ROUTE]; h != TND_SIP_NO_HDR; h = m->hdr[h].next) {
        uint16_t at = m->hdr[h].value, end = (uint16_t)(at + m->hdr[h].value_len);
        struct tnd_span item, text;
        while (tnd_name_addr_next(m->data, &at, end, &item, &text)) {
            struct tnd_uri uri;
            if (!tnd_uri_parse(m->data, text, &uri) || !route_is_ours(e, m, &uri)) {
                job->more_routes = true;
                job->strict_out = !uri.lr;
                job->next_uri = text;
                return;
            }
            tnd__ask_token(e, tokens, job, &uri, false);
            job->pop++;
        }
    }
}

// RFC 3261 16.4: a maddr that is ours has brought the request here; it goes, and the port and
// transport that belong to it, as if they had not been there.
static struct tnd_uri request_uri(const struct tnd_job *job)
{
    struct tnd_uri uri = job->msg.ruri;

    if (!job->own_maddr)
        return uri;
    uri.maddr = (struct tnd_span){0, 0};
    uri.transport = TND_TRANSPORT_NONE;
    uri.port = 0;
    return uri;
}

static void read_request_uri(struct tnd_engine *e, struct tnd_job *job, struct tnd__tokens *tokens)
{
    const struct tnd_sip_msg *m = &job->msg;

    job->own_maddr = m->ruri.maddr.len && maddr_is_ours(e, m, &m->ruri);
    if (job->own_maddr) {
        struct tnd_uri uri = request_uri(job);
        job->own_uri = tnd_policy_is_ours(e->policy, m->data, &uri);
    } else {
        job->own_uri = m->ruri.whole.len && tnd_policy_is_ours(e->policy, m->data, &m->ruri);
    }
    if (job->own_uri)
        tnd__ask_token(e, tokens, job, &m->ruri, true);
}

static struct tnd_span last_route(const struct tnd_sip_msg *m)
{
    const struct tnd_sip_hdr *h = &m->hdr[m->first[TND_HDR_ROUTE]];
    struct tnd_span item, uri = {0};

    while (h->next != TND_SIP_NO_HDR)
        h = &m->hdr[h->next];
    uint16_t at = h->value, end = (uint16_t)(at + h->value_len);
    while (tnd_name_addr_next(m->data, &at, end, &item, &uri))
        ;
    return uri;
}

static uint16_t check_as_request_uri(const struct tnd_sip_msg *m, struct tnd_span text)
{
    struct tnd_uri uri;

    if (!tnd_uri_parse(m->data, text, &uri) || uri.headers.off)
        return 400;
    return uri.scheme == TND_SCHEME_OTHER ? 416 : 0;
}

// A strict router before or behind us has a URI of Route become the Request-URI (RFC 3261 16.4,
// 16.6 step 6): of that one the same is asked as of any other (19.1.1: no headers).
// Returns: 0, or the status the request is answered with.
static uint16_t check_strict(const struct tnd_job *job)
{
    uint16_t status = job->strict_in ? check_as_request_uri(&job->msg, last_route(&job->msg)) : 0;

    if (status == 0 && job->strict_out)
        status = check_as_request_uri(&job->msg, job->next_uri);
    return status;
}

// ---- Admission ----------------------------------------------------------------------

// A trunk sends from few addresses: the one of the request before needs no look-up.
static uint16_t source_trunk(struct tnd_engine *e, const struct tnd_addr *src)
{
    if (!tnd_addr_eq(&e->source, src)) {
        e->source = *src;
        e->source_trunk = tnd_policy_source(e->policy, src);
    }
    return e->source_trunk;
}

// Rule 2: the source's trunk, or a valid token on an in-dialog request.
static bool admit(struct tnd_engine *e, struct tnd_job *job)
{
    job->trunk = source_trunk(e, &job->src);
    if (job->trunk != TND_NO_TRUNK)
        return true;
    job->token_admitted = job->token_state == TND_TOKEN_GOOD && job->msg.to_tag.len;
    if (job->token_admitted)
        return true;
    tnd_job_drop(e, job,
                 job->token_state == TND_TOKEN_BAD ? TND_DROP_BAD_TOKEN : TND_DROP_FOREIGN_SOURCE);
    return false;
}

// Rule 6: the trunk that stands for the source. A valid token says which side of the call speaks,
// whatever address that side has, and whether it is a trunk's at this moment: the same request
// repeated has the same branch, and is remembered.
static void identify(struct tnd_engine *e, struct tnd_job *job)
{
    if (job->token_state == TND_TOKEN_GOOD)
        job->source = job->side[job->to_caller];
    else
        job->source = e->policy->trunks[job->trunk].id;
}

static uint16_t status_of_error(const struct tnd_sip_msg *m)
{
    switch (m->error) {
    case TND_SIP_ERR_VERSION:
        return 505;
    case TND_SIP_ERR_SCHEME:
        return 416;
    case TND_SIP_ERR_TOO_LARGE:
        return 513;
    case TND_SIP_ERR_CSEQ_METHOD:
        return m->method == TND_METHOD_OTHER ? 501 : 400;
    default:
        return 400;
    }
}

// A request that cannot be forwarded as it is: answered where it can be, else dropped by name.
static void refuse_malformed(struct tnd_engine *e, struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;

    if (m->method == TND_METHOD_ACK)
        tnd_job_drop(e, job, TND_DROP_MALFORMED_ACK);
    else if (m->method_text.len == 0 || m->first[TND_HDR_VIA] == TND_SIP_NO_HDR)
        tnd_job_drop(e, job,
                     m->error == TND_SIP_ERR_TOO_LARGE ? TND_DROP_TOO_LARGE
                                                       : TND_DROP_MALFORMED_REQUEST);
    else
        tnd__answer(e, job, status_of_error(m));
}

// Rule 10: an ACK that bears the tag of an answer made here ends here.
static bool is_ack_of_ours(struct tnd_engine *e, const struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    char tag[16];

    if (m->method != TND_METHOD_ACK || m->to_tag.len != sizeof tag)
        return false;
    uint64_t own = tnd__own_tag(e->cfg.keys, job);
    for (int i = 0; i < 16; i++)
        tag[i] = "0123456789abcdef"[(own >> (60 - 4 * i)) & 15];
    return memcmp(tag, m->data + m->to_tag.off, sizeof tag) == 0;
}

// ---- Loops --------------------------------------------------------------------------

static void hash_headers(struct tnd_hasher *h, const struct tnd_sip_msg *m, enum tnd_hdr id)
{
    for (uint8_t i = m->first[id]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        tnd_hash_u64(h, m->hdr[i].value_len);
        tnd_hash_bytes(h, m->data + m->hdr[i].value, m->hdr[i].value_len);
    }
    tnd_hash_u64(h, (uint64_t)id);
}

static void hash_span(struct tnd_hasher *h, const struct tnd_sip_msg *m, struct tnd_span s)
{
    tnd_hash_u64(h, s.len);
    tnd_hash_bytes(h, m->data + s.off, s.len);
}

// Rule 5. Neither method nor top Via nor attempt: a request that comes back from the other side by
// another trunk is no loop.
static uint32_t loop_hash(const struct tnd_engine *e, const struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_hasher h;

    tnd_hash_init(&h, &e->cfg.keys->digest);
    tnd_hash_u64(&h, TND_DOMAIN_LOOP);
    hash_span(&h, m, m->ruri_text);
    hash_headers(&h, m, TND_HDR_ROUTE);
    tnd_hash_u64(&h, job->source);
    tnd_hash_u64(&h, job->call_key);
    hash_span(&h, m, m->from_tag);
    hash_span(&h, m, m->to_tag);
    tnd_hash_u64(&h, m->cseq);
    hash_headers(&h, m, TND_HDR_PROXY_REQUIRE);
    hash_headers(&h, m, TND_HDR_PROXY_AUTHORIZATION);
    uint32_t hash = (uint32_t)tnd_hash_final(&h);
    return hash ? hash : 1;
}

static bool is_our_via(const struct tnd_engine *e, const struct tnd_via *via)
{
    uint16_t port = via->sent_by.port ? via->sent_by.port : 5060;

    for (uint16_t i = 0; i < e->policy->n_listeners; i++) {
        const struct tnd_addr *own = &e->policy->listeners[i].advertise;
        if (port == own->port && tnd_addr_same_ip(&via->sent_by, own))
            return true;
    }
    return false;
}

// The hash in a Via of ours; 0: it has none.
static uint32_t loop_in(const struct tnd_sip_msg *m, const struct tnd_via *via)
{
    struct tnd_span digits;
    uint32_t loop;

    if (!tnd_param_find(m->data, via->whole, TND_STR("loop"), &digits) ||
        !tnd_loop_read(tnd_text(m, digits), &loop))
        return 0;
    return loop;
}

// Whether `via`, which is ours, says that this very request has passed here before.
static bool has_passed(struct tnd_engine *e, struct tnd_job *job, const struct tnd_via *via)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_branch branch;

    if (!tnd_branch_read(tnd_text(m, via->branch), &branch))
        return false;
    if (!job->has_loop)
        job->loop = loop_hash(e, job);
    job->has_loop = true;
    return loop_in(m, via) == job->loop;
}

// Where the values after the topmost one begin on its line: the parser has read that one.
static uint16_t after_top_via(const struct tnd_sip_msg *m, uint16_t end)
{
    uint16_t at = (uint16_t)(m->via.whole.off + m->via.whole.len);

    while (at < end && m->data[at] != ',')
        at++;
    return at < end ? (uint16_t)(at + 1) : end;
}

// Hashes nothing unless a Via of ours is present, so a loop is caught on its second return.
static bool is_loop(struct tnd_engine *e, struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;

    if (is_our_via(e, &m->via) && has_passed(e, job, &m->via))
        return true;
    for (uint8_t i = m->first[TND_HDR_VIA]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        uint16_t at = m->hdr[i].value, end = (uint16_t)(at + m->hdr[i].value_len);
        if (i == m->first[TND_HDR_VIA])
            at = after_top_via(m, end);
        while (at < end) {
            struct tnd_via via;
            uint16_t next = tnd_via_parse(m->data, at, end, &via);
            if (next == 0)
                return false; // below the top one, syntax is the next hop's business
            at = next < end ? (uint16_t)(next + 1) : end;
            if (is_our_via(e, &via) && has_passed(e, job, &via))
                return true;
        }
    }
    return false;
}

// ---- Checks of RFC 3261 16.3 --------------------------------------------------------

static bool is_options_for_us(const struct tnd_job *job)
{
    return job->msg.method == TND_METHOD_OPTIONS && job->own_uri && job->msg.ruri.user.len == 0 &&
           !job->more_routes;
}

// No extension that Proxy-Require can name is known here. An empty list names none.
static bool requires_anything(const struct tnd_sip_msg *m)
{
    for (uint8_t i = m->first[TND_HDR_PROXY_REQUIRE]; i != TND_SIP_NO_HDR; i = m->hdr[i].next)
        if (m->hdr[i].value_len)
            return true;
    return false;
}

// Returns: 0, or the status the request is answered with.
static uint16_t check(struct tnd_engine *e, struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;

    if (job->token_state == TND_TOKEN_BAD)
        return 403;
    if (is_options_for_us(job))
        return 200;
    if (m->max_forwards == 0)
        return 483;
    if (is_loop(e, job)) {
        tnd_count(&e->counters.loops);
        return 482;
    }
    if (m->method != TND_METHOD_ACK && m->method != TND_METHOD_CANCEL && requires_anything(m))
        return 420;
    return 0;
}

// ---- The next hop -------------------------------------------------------------------

static bool is_private(const struct tnd_addr *a)
{
    const uint8_t *b = a->ip;

    if (a->family == 4)
        return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
               (b[0] == 100 && (b[1] & 0xc0) == 64) || (b[0] == 169 && b[1] == 254);
    return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

// Rule 8: towards the caller, by the flow it came in on instead of the Contact it wrote.
static bool takes_flow(const struct tnd_engine *e, const struct tnd_job *job,
                       const struct tnd_uri *contact)
{
    uint16_t trunk = tnd_policy_trunk(e->policy, job->token.from_trunk);
    enum tnd_nat nat =
        trunk == TND_NO_TRUNK ? TND_NAT_AUTO : (enum tnd_nat)e->policy->trunks[trunk].nat;

    if (!job->to_caller || job->more_routes || nat == TND_NAT_NO)
        return false;
    if (nat == TND_NAT_YES)
        return true;
    // No NAT changed the address: then the port in Contact is the one that listens.
    return contact->ip.family && is_private(&contact->ip) &&
           !tnd_addr_same_ip(&contact->ip, &job->token.flow);
}

static bool go_by_flow(struct tnd_engine *e, struct tnd_job *job)
{
    uint16_t listener = tnd_policy_listener(e->policy, job->token.listener);

    if (listener == TND_NO_LISTENER)
        return false;
    job->dst = job->token.flow;
    job->egress = listener;
    job->egress_fixed = true;
    job->how = TND_HOW_FLOW;
    return true;
}

// The URI that names the next hop of a request which follows its own route set.
// Returns: false when it is malformed.
static bool next_uri(struct tnd_job *job, struct tnd_uri *uri)
{
    const struct tnd_sip_msg *m = &job->msg;

    if (job->more_routes)
        return tnd_uri_parse(m->data, job->next_uri, uri);
    *uri = request_uri(job);
    job->next_uri = m->ruri.whole;
    return true;
}

static void go_direct(struct tnd_engine *e, struct tnd_job *job, struct tnd_str trunk_name)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_uri uri;

    if (!job->more_routes && job->own_uri) {
        tnd__answer(e, job, 404); // there is nobody but ourselves
        return;
    }
    if (!next_uri(job, &uri)) {
        tnd__answer(e, job, 400);
        return;
    }
    if (takes_flow(e, job, &uri) && go_by_flow(e, job))
        return;
    if (uri.scheme == TND_SCHEME_TEL)
        tnd__answer(e, job, 404); // understood, so no 416; but a number is no place (21.4.5)
    else if (!tnd_next_hop_of_uri(m->data, &uri, trunk_name, &job->own_hop))
        tnd__answer(e, job, 400);
    else
        job->hop = &job->own_hop;
}

// In-dialog, admitted by its token: which way, and along its own route set.
static void go_in_dialog(struct tnd_engine *e, struct tnd_job *job)
{
    job->to_trunk =
        tnd_policy_trunk(e->policy, job->to_caller ? job->token.from_trunk : job->token.to_trunk);
    go_direct(e, job, (struct tnd_str){"", 0});
}

// Out of dialog, or without a token of ours: the route rules alone decide (rule 3).
static void go_by_rules(struct tnd_engine *e, struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    enum tnd_method as = m->method == TND_METHOD_ACK || m->method == TND_METHOD_CANCEL
                             ? TND_METHOD_INVITE
                             : (enum tnd_method)m->method;
    const struct tnd_route_rule *rule = tnd_policy_route(e->policy, job->trunk, m, as);

    if (!rule) {
        tnd__answer(e, job, 404);
        return;
    }
    job->rule = (uint16_t)(rule - e->policy->rules);
    switch ((enum tnd_route_to)rule->to) {
    case TND_ROUTE_REPLY:
        tnd__answer(e, job, rule->reply);
        return;
    case TND_ROUTE_REQUEST_URI:
        job->more_routes = false;
        go_direct(e, job, (struct tnd_str){"", 0});
        return;
    case TND_ROUTE_TRUNK:
        job->to_trunk = rule->trunk;
        job->hop = &e->policy->trunks[rule->trunk].hop;
    }
}

// Trunks know the digest of theirs; those that requests bring are made of a burst together, and
// their places in the table, which are anywhere, are fetched.
static void digest_names(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_job *brought[TND_BURST];
    struct tnd_name_digest digests[TND_BURST];
    struct tnd_str names[TND_BURST];
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct tnd_job *job = jobs[i];
        if (job->verdict != TND_VERDICT_NONE || !job->hop || job->hop->numeric.family)
            continue;
        if (job->hop != &job->own_hop) {
            job->name = e->policy->trunks[job->to_trunk].digest;
            continue;
        }
        names[k] = (struct tnd_str){job->own_hop.name, job->own_hop.name_len};
        brought[k++] = job;
    }
    if (k == 0)
        return;
    tnd_name_digest_burst(&e->cfg.keys->digest, &e->wide, names, k, digests);
    for (uint32_t i = 0; i < k; i++) {
        brought[i]->name = digests[i];
        tnd_table_prefetch(e->cfg.table, &digests[i]);
    }
}

// ---- Memory ---------------------------------------------------------------------------

static void follow(struct tnd_engine *e, struct tnd_job *job, const struct tnd_memory_entry *entry)
{
    const struct tnd_policy *p = e->policy;

    job->how = TND_HOW_MEMORY;
    job->dst = entry->target;
    job->attempt = entry->attempt;
    job->has_loop = entry->loop != 0;
    job->loop = entry->loop;
    // A CANCEL from another port (NAT, or a client with a socket for each) must still bear
    // its INVITE's branch, whose MAC binds that port.
    job->src.port = entry->caller_port;
    for (uint16_t i = 0; entry->to_trunk && i < p->n_trunks; i++)
        if (tnd__short_id(p->trunks[i].id) == entry->to_trunk) {
            job->to_trunk = i;
            break;
        }
    for (uint16_t i = 0; entry->listener && i < p->n_listeners; i++)
        if (tnd__short_id(p->listeners[i].id) == entry->listener) {
            job->egress = i;
            job->egress_fixed = true;
            break;
        }
}

// Rule 14: what is remembered goes where it went, whatever the rules say by now.
static bool recall(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    struct tnd_memory_entry *entry = tnd_memory_find(e->memory, job->memory_key, now_ms);

    if (!entry)
        return false;
    if (entry->target.family == 0) {
        tnd__repeat_answer(e, job, entry->answer);
        return true;
    }
    // The ACK of a 2xx goes end to end; only an RFC 2543 client's has its INVITE's key.
    if (job->msg.method == TND_METHOD_ACK && entry->state == TND_MEMORY_DONE)
        return false;
    follow(e, job, entry);
    // The last repetition leaves 31.5 s after the first: its answer, and the ACK of that, are
    // still to come.
    if (entry->state == TND_MEMORY_SENT && job->msg.method != TND_METHOD_ACK &&
        job->msg.method != TND_METHOD_CANCEL)
        tnd_memory_touch(e->memory, job->memory_key, now_ms, TND_LIFE_MS);
    return true;
}

// ---- The stage ------------------------------------------------------------------------

// What was parked came in by a listener that may have another place in the policy by now, or
// none: then the first of its family stands in for it.
static bool find_listener(struct tnd_engine *e, struct tnd_job *job)
{
    job->listener = tnd_policy_listener(e->policy, job->slot->listener);
    if (job->listener == TND_NO_LISTENER)
        job->listener = tnd_policy_listener_for(e->policy, job->src.family, TND_NO_LISTENER);
    job->egress = job->listener;
    return job->listener != TND_NO_LISTENER;
}

// Its way here. Returns: whether it bears what may be a token of ours; those of a burst are judged
// together.
static bool survey(struct tnd_engine *e, struct tnd_job *job, struct tnd__tokens *tokens)
{
    uint32_t before = tokens->asked;

    if (job->origin != TND_ORIGIN_WIRE && !find_listener(e, job)) {
        tnd_job_drop(e, job, TND_DROP_NO_LISTENER);
        return false;
    }
    read_routes(e, job, tokens);
    read_request_uri(e, job, tokens);
    return tokens->asked > before;
}

// Who sent it, and may it pass.
static void examine(struct tnd_engine *e, struct tnd_job *job)
{
    if (job->verdict != TND_VERDICT_NONE || !admit(e, job))
        return;
    identify(e, job);
    if (job->msg.error != TND_SIP_ERR_NONE) {
        refuse_malformed(e, job);
        return;
    }
    job->memory_key = tnd__memory_key(job, job->source);
    tnd_memory_prefetch(e->memory, job->memory_key);
}

// Where does it go, or what is it answered.
static void decide(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    bool own_way =
        job->token_state == TND_TOKEN_GOOD && m->to_tag.len && (job->more_routes || !job->own_uri);
    uint16_t status;

    if (!own_way)
        job->strict_in = job->strict_out = false;
    if (is_ack_of_ours(e, job)) {
        job->verdict = TND_VERDICT_ABSORB;
        return;
    }
    status = check_strict(job);
    if (status == 0 && recall(e, now_ms, job))
        return;
    if (status == 0)
        status = check(e, job);
    if (status)
        tnd__answer(e, job, status);
    else if (own_way)
        go_in_dialog(e, job);
    else if (job->trunk == TND_NO_TRUNK)
        tnd__answer(e, job, 404);
    else
        go_by_rules(e, job);
}

// Bearers of tokens come last; what bears none does not wait for them, while its lines are near.
static void examine_all(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_job *bearers[TND_BURST];
    struct tnd__tokens tokens;
    uint32_t n_bearers = 0;

    tokens.n = tokens.asked = 0;
    for (uint32_t i = 0; i < n; i++)
        if (survey(e, jobs[i], &tokens))
            bearers[n_bearers++] = jobs[i];
        else
            examine(e, jobs[i]);
    if (n_bearers == 0)
        return;
    tnd__judge_tokens(e, &tokens);
    tnd__tell_sides(e, bearers, n_bearers);
    for (uint32_t i = 0; i < n_bearers; i++)
        examine(e, bearers[i]);
}

void tnd_stage_route(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *const jobs[],
                     uint32_t n)
{
    struct tnd_job *asked[TND_BURST], *heard[TND_BURST];
    uint32_t n_asked = 0, n_heard = 0;

    e->policy = atomic_load_explicit(e->cfg.policy, memory_order_acquire);
    e->source.family = 0; // the policy may be another than before
    for (uint32_t i = 0; i < n; i++) {
        if (jobs[i]->verdict != TND_VERDICT_NONE)
            continue;
        tnd_count(jobs[i]->msg.is_request ? &e->counters.requests : &e->counters.responses);
        if (jobs[i]->msg.is_request)
            asked[n_asked++] = jobs[i];
        else
            heard[n_heard++] = jobs[i];
    }
    examine_all(e, asked, n_asked);
    if (n_heard)
        tnd__route_responses(e, heard, n_heard);
    // Their lines of the memory are on the way from DRAM.
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_job *job = jobs[i];
        if (job->verdict == TND_VERDICT_NONE)
            decide(e, now_ms, job);
        else if (job->verdict == TND_VERDICT_FORWARD)
            tnd__note_heard(e, now_ms, job);
    }
    digest_names(e, jobs, n);
}
