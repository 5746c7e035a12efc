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

// Without a length that only the program's run knows.
#define PUT(s, literal)                                             \
    do {                                                            \
        memcpy((s)->text + (s)->len, literal, sizeof(literal) - 1); \
        (s)->len = (uint8_t)((s)->len + sizeof(literal) - 1);       \
    } while (0)

static void put_loop(struct tnd_signed *s, uint32_t loop)
{
    PUT(s, TND_SIGNED_LOOP);
    tnd_loop_print(loop, s->text + s->len);
    s->len = (uint8_t)(s->len + TND_LOOP_DIGITS);
}

static void sign_branches(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_keys *keys = e->cfg.keys;
    const struct tnd_hasher begun = tnd_keys_begin(keys, TND_DOMAIN_BRANCH);
    struct tnd_hex_words digits[TND_BURST];
    uint64_t mac[TND_BURST];
    char *out[TND_BURST];

    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_branch_scope scope = {jobs[i]->txn, jobs[i]->call_key, jobs[i]->msg.cseq,
                                               tnd__response_address(jobs[i])};
        const struct tnd_branch branch = branch_of(e, jobs[i]);
        tnd_branch_lay(&branch, &scope, keys, &digits[i], &e->wide, i);
    }
    tnd_wide_active->hash_words(&begun, &e->wide, TND_BRANCH_WORDS, n, mac);
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_signed *s = &e->signs[i];
        s->len = s->token = 0;
        PUT(s, TND_BRANCH_COOKIE);
        out[i] = s->text + s->len;
        digits[i].word[2] = mac[i];
    }
    tnd_digits_active->hex(digits, n, out);
    for (uint32_t i = 0; i < n; i++) {
        e->signs[i].len = TND_BRANCH_MAX;
        if (jobs[i]->has_loop)
            put_loop(&e->signs[i], jobs[i]->loop);
    }
}

// ---- Tokens -----------------------------------------------------------------------------

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

static void sign_tokens(struct tnd_engine *e, struct tnd_job *const jobs[],
                        struct tnd_signed *const signs[], uint32_t n)
{
    const struct tnd_keys *keys = e->cfg.keys;
    const struct tnd_hasher begun = tnd_keys_begin(keys, TND_DOMAIN_TOKEN);
    struct tnd_base64_octets octets[TND_BURST];
    uint64_t hash[TND_BURST];
    char *out[TND_BURST];

    tnd__hash_tags(e, jobs, n, false, hash);
    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_token t = token_of(e, jobs[i], (uint32_t)hash[i]);
        tnd_token_lay(&t, jobs[i]->call_key, keys, &octets[i], &e->wide, i);
    }
    tnd_wide_active->hash(&begun, &e->wide, n, hash);
    for (uint32_t i = 0; i < n; i++) {
        PUT(signs[i], TND_SIGNED_BETWEEN);
        out[i] = signs[i]->text + signs[i]->len;
        signs[i]->token = signs[i]->len;
        signs[i]->len = (uint8_t)(signs[i]->len + tnd_token_seal(&octets[i], hash[i]));
    }
    tnd_digits_active->base64url(octets, n, out);
}

// ---- The stage ----------------------------------------------------------------------------

void tnd_stage_sign(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_job *going[TND_BURST], *routed[TND_BURST];
    struct tnd_signed *signs[TND_BURST];
    uint32_t n_going = 0, n_routed = 0;

    for (uint32_t i = 0; i < n; i++)
        if (jobs[i]->verdict == TND_VERDICT_FORWARD && jobs[i]->msg.is_request)
            going[n_going++] = jobs[i];
    sign_branches(e, going, n_going);
    for (uint32_t i = 0; i < n_going; i++) {
        going[i]->sign = &e->signs[i];
        signs[n_routed] = &e->signs[i];
        if (wants_record_route(e, going[i]))
            routed[n_routed++] = going[i];
        else
            PUT(&e->signs[i], "\r\n");
    }
    sign_tokens(e, routed, signs, n_routed);
}
