// The sign stage: the branch of our Via and the token of our Record-Route (rules 6 and 8).
//
// Each takes a MAC over a few words; the token's holds a hash of the caller's tag. Those of a
// burst are hashed side by side, four hashes one after the other for all of them.
#include "proxy/engine_internal.h"

static bool wants_record_route(const struct tnd_engine *e, const struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    bool in_dialog = m->to_tag.len && job->token_state == TND_TOKEN_GOOD;
    uint16_t trunk = in_dialog ? tnd_policy_trunk(e->policy, job->source) : job->trunk;
    enum tnd_rr rr;

    if (trunk == TND_NO_TRUNK)
        trunk = tnd_policy_trunk(e->policy, job->token.from_trunk);
    rr = trunk == TND_NO_TRUNK ? TND_RR_AUTO : (enum tnd_rr)e->policy->trunks[trunk].record_route;
    if (rr == TND_RR_NEVER || (m->to_tag.len && !in_dialog))
        return false; // in-dialog without our token: this dialog was set up past us
    switch (m->method) {
    case TND_METHOD_INVITE:
    case TND_METHOD_SUBSCRIBE:
    case TND_METHOD_REFER:
    case TND_METHOD_NOTIFY:
        return true;
    case TND_METHOD_REGISTER: // RFC 3261 16.6: has no meaning there
    case TND_METHOD_ACK:
    case TND_METHOD_CANCEL:
        return false;
    default:
        return rr == TND_RR_ALWAYS;
    }
}

// ---- Branches ---------------------------------------------------------------------------

static struct tnd_branch branch_of(const struct tnd_engine *e, const struct tnd_job *job)
{
    return (struct tnd_branch){
        .listener = e->policy->listeners[job->listener].id,
        .trunk = job->source,
        .target = job->target_id,
        .attempt = job->attempt,
    };
}

static void put_text(struct tnd_signed *s, struct tnd_str text)
{
    memcpy(s->text + s->len, text.p, text.len);
    s->len = (uint8_t)(s->len + text.len);
}

static void put_loop(struct tnd_signed *s, uint32_t loop)
{
    char digits[TND_LOOP_DIGITS];

    tnd_loop_print(loop, digits);
    put_text(s, TND_STR(TND_SIGNED_LOOP));
    put_text(s, (struct tnd_str){digits, sizeof digits});
}

static void sign_branches(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_keys *keys = e->cfg.keys;
    struct tnd_branch branch[TND_BURST];
    uint64_t mac[TND_BURST];

    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_branch_scope scope = {jobs[i]->txn, jobs[i]->call_key, jobs[i]->msg.cseq,
                                               tnd__response_address(jobs[i])};
        branch[i] = branch_of(e, jobs[i]);
        tnd_branch_lay(&branch[i], &scope, keys, &e->wide, i);
    }
    tnd_wide_active->hash(&keys->sign[keys->n_sign - 1].key, &e->wide, n, mac);
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_signed *s = &jobs[i]->sign;
        s->len = (uint8_t)tnd_branch_print(&branch[i], keys, mac[i], s->text);
        s->token = 0;
        if (jobs[i]->has_loop)
            put_loop(s, jobs[i]->loop);
    }
}

// ---- Tokens -----------------------------------------------------------------------------

// As tnd__caller_hash, of each job.
static void hash_callers(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n,
                         uint64_t out[])
{
    const struct tnd_hash_key *key = &e->cfg.keys->digest;
    uint64_t tag[TND_BURST];

    for (uint32_t i = 0; i < n; i++) {
        struct tnd_str text = tnd_text(&jobs[i]->msg, jobs[i]->msg.from_tag);
        bool fits = text.len <= TND_WIDE_TEXT;
        tnd_wide_put_text(&e->wide, i, fits ? text : (struct tnd_str){text.p, 0});
    }
    tnd_wide_active->hash(key, &e->wide, n, tag);
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_str text = tnd_text(&jobs[i]->msg, jobs[i]->msg.from_tag);
        if (text.len > TND_WIDE_TEXT)
            tag[i] = tnd_hash(key, text.p, text.len);
        tnd_wide_put_derive(&e->wide, i, TND_DOMAIN_CALLER, tag[i], jobs[i]->call_key);
    }
    tnd_wide_active->hash(key, &e->wide, n, out);
}

static struct tnd_token token_of(const struct tnd_engine *e, const struct tnd_job *job,
                                 uint32_t caller)
{
    uint16_t to = job->to_trunk;

    if (job->token_state == TND_TOKEN_GOOD && job->msg.to_tag.len)
        return job->token; // the dialog's own, whoever re-invites
    return (struct tnd_token){
        .flow = job->src,
        .listener = e->policy->listeners[job->listener].id,
        .target = job->target_id,
        .from_trunk = e->policy->trunks[job->trunk].id,
        .to_trunk = to == TND_NO_TRUNK ? 0 : e->policy->trunks[to].id,
        .caller = caller,
    };
}

static void sign_tokens(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_keys *keys = e->cfg.keys;
    struct tnd_token_octets octets[TND_BURST];
    uint64_t hash[TND_BURST];

    hash_callers(e, jobs, n, hash);
    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_token t = token_of(e, jobs[i], (uint32_t)hash[i]);
        tnd_token_lay(&t, jobs[i]->call_key, keys, &octets[i], &e->wide, i);
    }
    tnd_wide_active->hash(&keys->sign[keys->n_sign - 1].key, &e->wide, n, hash);
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_signed *s = &jobs[i]->sign;
        put_text(s, TND_STR(TND_SIGNED_BETWEEN));
        s->token = s->len;
        s->len = (uint8_t)(s->len + tnd_token_print(&octets[i], hash[i], s->text + s->len));
    }
}

// ---- The stage ----------------------------------------------------------------------------

void tnd_stage_sign(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_job *going[TND_BURST], *routed[TND_BURST];
    uint32_t n_going = 0, n_routed = 0;

    for (uint32_t i = 0; i < n; i++)
        if (jobs[i]->verdict == TND_VERDICT_FORWARD && jobs[i]->msg.is_request)
            going[n_going++] = jobs[i];
    sign_branches(e, going, n_going);
    for (uint32_t i = 0; i < n_going; i++) {
        going[i]->is_signed = true;
        if (wants_record_route(e, going[i]))
            routed[n_routed++] = going[i];
        else
            put_text(&going[i]->sign, TND_STR("\r\n"));
    }
    sign_tokens(e, routed, n_routed);
}
