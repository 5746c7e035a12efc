// Responses: back the way the branch says, or dropped by name (RFC 3261 16.7, 16.11, 18.2.2).
#include "proxy/engine_internal.h"

// Where the next Via says the response goes: what we wrote there when the request passed.
static struct tnd_addr next_via_address(const struct tnd_via *via)
{
    struct tnd_addr a = via->received_ip.family ? via->received_ip : via->sent_by;

    a.port = via->rport_value ? via->rport_value : via->sent_by.port;
    if (a.port == 0)
        a.port = 5060;
    a.transport = TND_TRANSPORT_UDP;
    return a;
}

// RFC 4475 3.3.10: a Via may name the broadcast address; nobody may be made to answer there.
static bool is_sendable(const struct tnd_addr *a)
{
    static const uint8_t zero[16], ones[4] = {255, 255, 255, 255};

    if (a->family == 4)
        return memcmp(a->ip, zero, 4) != 0 && memcmp(a->ip, ones, 4) != 0 &&
               (a->ip[0] & 0xf0) != 0xe0;
    return a->family == 6 && memcmp(a->ip, zero, 16) != 0 && a->ip[0] != 0xff;
}

// Whether a Via further down names such an address: a proxy on the way that goes by it blindly
// would send the response there, so it goes no further (RFC 4475 3.3.10).
static bool ends_in_broadcast(const struct tnd_sip_msg *m)
{
    uint32_t done = (uint32_t)m->via2.whole.off + m->via2.whole.len;

    for (uint8_t i = m->first[TND_HDR_VIA]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        uint16_t at = m->hdr[i].value, end = (uint16_t)(at + m->hdr[i].value_len);
        if (end <= done) // nothing new in this line
            continue;
        while (at < end) {
            struct tnd_via via;
            struct tnd_addr a;
            uint16_t next = tnd_via_parse(m->data, at, end, &via);
            if (next == 0)
                return false;
            a = next_via_address(&via);
            if (at >= done && a.family && !is_sendable(&a))
                return true;
            at = next < end ? (uint16_t)(next + 1) : end;
        }
    }
    return false;
}

static bool is_from_us(const struct tnd_engine *e, const struct tnd_via *via)
{
    uint16_t port = via->sent_by.port ? via->sent_by.port : 5060;

    for (uint16_t i = 0; i < e->policy->n_listeners; i++) {
        const struct tnd_listener *l = &e->policy->listeners[i];
        if (tnd_addr_same_ip(&via->sent_by, &l->advertise) && port == l->advertise.port)
            return true;
    }
    return false;
}

// What a response tells the memory about the target (rule 14).
void tnd__note_heard(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    uint16_t status = job->msg.status;
    struct tnd_memory_entry *entry;
    uint32_t life = TND_LIFE_MS;
    uint8_t state;

    if (job->msg.method == TND_METHOD_CANCEL)
        return; // its 200 says nothing about the INVITE, whose entry it shares
    entry = tnd_memory_find(e->memory, job->memory_key, now_ms);
    if (!entry || entry->target.family == 0)
        return;
    if (status >= 200)
        state = status < 300 ? TND_MEMORY_DONE : TND_MEMORY_FINAL;
    else
        state = status == 100 ? TND_MEMORY_TRYING : TND_MEMORY_RINGING;
    if (state < entry->state)
        return; // a late provisional
    entry->state = state;
    if (status < 200 && job->msg.method == TND_METHOD_INVITE)
        life = e->cfg.ringing_ms;
    tnd_memory_touch(e->memory, job->memory_key, now_ms, life);
}

// Whether it came by us, and what has to be right for it to go on.
static bool has_passed_here(struct tnd_engine *e, struct tnd_job *job,
                            struct tnd_branch_claim *claim, struct tnd_branch_scope *scope)
{
    const struct tnd_sip_msg *m = &job->msg;

    if (!is_from_us(e, &m->via)) {
        tnd_job_drop(e, job, TND_DROP_STRAY_RESPONSE);
        return false;
    }
    job->dst = next_via_address(&m->via2);
    if (m->via2.whole.len && (!is_sendable(&job->dst) || ends_in_broadcast(m))) {
        tnd_job_drop(e, job, TND_DROP_RESPONSE_NOWHERE);
        return false;
    }
    if (m->via2.whole.len == 0 || !tnd_branch_claim(tnd_text(m, m->via.branch), claim)) {
        tnd_job_drop(e, job, TND_DROP_BAD_BRANCH);
        return false;
    }
    *scope = (struct tnd_branch_scope){job->txn, job->call_key, m->cseq, job->dst};
    return true;
}

static void send_back(struct tnd_engine *e, struct tnd_job *job, const struct tnd_branch *branch)
{
    job->trunk = branch->trunk ? tnd_policy_trunk(e->policy, branch->trunk)
                               : tnd_policy_source(e->policy, &job->dst);
    job->target_id = branch->target;
    job->egress = tnd_policy_listener(e->policy, branch->listener);
    job->egress_fixed = job->egress != TND_NO_LISTENER;
    if (!job->egress_fixed) // taken out of the configuration since
        job->egress = tnd_policy_listener_for(e->policy, job->dst.family, TND_NO_LISTENER);
    if (job->egress == TND_NO_LISTENER) {
        tnd_job_drop(e, job, TND_DROP_NO_LISTENER);
        return;
    }
    job->memory_key = tnd__memory_key(job, branch->trunk);
    tnd_memory_prefetch(e->memory, job->memory_key);
    job->verdict = TND_VERDICT_FORWARD;
    job->n_out = 1;
}

void tnd__route_responses(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_branch_claim claim[TND_BURST];
    struct tnd_branch_scope scope[TND_BURST];
    struct tnd_job *passed[TND_BURST];
    uint32_t n_passed = 0;

    for (uint32_t i = 0; i < n; i++)
        if (has_passed_here(e, jobs[i], &claim[n_passed], &scope[n_passed]))
            passed[n_passed++] = jobs[i];
    if (n_passed == 0)
        return;
    uint32_t right = tnd_branch_verify_burst(claim, scope, n_passed, e->cfg.keys, &e->wide);
    for (uint32_t i = 0; i < n_passed; i++) {
        const struct tnd_branch branch = tnd_branch_of(&claim[i]);
        if (right >> i & 1)
            send_back(e, passed[i], &branch);
        else
            tnd_job_drop(e, passed[i], TND_DROP_BAD_BRANCH);
    }
}

// Skip our own via-parm: the whole line, or up to the next value of the same line.
static void drop_top_via(const struct tnd_sip_msg *m, struct tnd_edit *edit)
{
    const struct tnd_sip_hdr *h = &m->hdr[m->first[TND_HDR_VIA]];
    uint32_t end = (uint32_t)h->value + h->value_len;

    if (m->via2.whole.off >= end) { // alone on its line
        tnd_edit_keep_to(edit, h->line);
        tnd_edit_skip_to(edit, h->end);
        return;
    }
    tnd_edit_keep_to(edit, h->value);
    tnd_edit_skip_to(edit, m->via2.whole.off);
}

// Rule 11: one target's 503 must not make the caller give up on the whole engine.
static bool hides_503(const struct tnd_engine *e, const struct tnd_job *job)
{
    return job->msg.status == 503 && tnd__exhausted(e, job->trunk) != 503;
}

bool tnd__write_response(struct tnd_engine *e, const struct tnd_job *job, struct tnd_out *out)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_edit *edit = &out->edit;
    uint8_t via = m->first[TND_HDR_VIA];
    bool via_done = false;

    tnd_edit_begin(edit, &out->store, m->data, m->len);
    if (hides_503(e, job)) {
        tnd_edit_putz(edit, "SIP/2.0 500 Server Internal Error\r\n");
        tnd_edit_skip_to(edit, m->start_line_end);
    }
    for (uint8_t i = m->status == 503 ? m->first[TND_HDR_RETRY_AFTER] : TND_SIP_NO_HDR;
         i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        if (!via_done && m->hdr[i].line > m->hdr[via].line) {
            drop_top_via(m, edit);
            via_done = true;
        }
        tnd_edit_keep_to(edit, m->hdr[i].line);
        tnd_edit_skip_to(edit, m->hdr[i].end);
    }
    if (!via_done)
        drop_top_via(m, edit);
    tnd_edit_end(edit);
    return !edit->overflow;
}
