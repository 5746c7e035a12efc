// The pick stage: what the transaction memory has not decided, the dialog token does, then
// the draw.
#include "proxy/engine_internal.h"

static void forward_to(struct tnd_job *job, const struct tnd_addr *dst, enum tnd_how how)
{
    job->dst = *dst;
    job->how = (uint8_t)how;
    job->verdict = TND_VERDICT_FORWARD;
    job->n_out = 1;
}

void tnd__repeat_answer(struct tnd_engine *e, struct tnd_job *job, uint16_t status)
{
    if (job->msg.method == TND_METHOD_ACK)
        job->verdict = TND_VERDICT_ABSORB;
    else
        tnd__answer(e, job, job->msg.method == TND_METHOD_CANCEL ? 200 : status);
    job->how = TND_HOW_MEMORY;
}

// Whether an earlier job of this burst has ended it: a CANCEL, or the INVITE's own deadline.
static bool ended_in_burst(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    struct tnd_memory_entry *entry = tnd_memory_find(e->memory, job->memory_key, now_ms);

    if (!entry || entry->target.family)
        return false;
    tnd__repeat_answer(e, job, entry->answer);
    return true;
}

static void exhausted(struct tnd_engine *e, struct tnd_job *job)
{
    if (job->msg.method == TND_METHOD_ACK)
        tnd_job_drop(e, job, TND_DROP_EXHAUSTED_ACK);
    else
        tnd__answer(e, job, tnd__exhausted(e, job->trunk));
}

static void by_address(struct tnd_engine *e, struct tnd_job *job)
{
    const struct tnd_addr *a = &job->hop->numeric;

    if (a->transport != TND_TRANSPORT_UDP)
        exhausted(e, job); // the engine cannot send it
    else
        forward_to(job, a, TND_HOW_NUMERIC);
}

static bool in_dialog(const struct tnd_job *job)
{
    return job->token_state == TND_TOKEN_GOOD && job->msg.to_tag.len != 0;
}

// Rule 8: an in-dialog request goes where its dialog lives, whatever the weights are now.
static bool by_token(const struct tnd_job *job, uint32_t *target)
{
    if (!in_dialog(job) || job->to_caller)
        return false;
    *target = tnd_set_find(job->set, job->token.target);
    return *target != TND_NO_TARGET;
}

// A set's targets carry their ids: the hash was made when the set was.
static void go_to(struct tnd_job *job, uint32_t target, enum tnd_how how)
{
    const struct tnd_target *t = &tnd_set_targets(job->set)[target];

    forward_to(job, &t->addr, how);
    job->target_id = t->id;
}

static void take_target(struct tnd_engine *e, struct tnd_job *job, uint32_t drawn)
{
    uint32_t target;

    if (by_token(job, &target))
        go_to(job, target, TND_HOW_TOKEN);
    else if (drawn == TND_NO_TARGET)
        exhausted(e, job);
    else
        go_to(job, drawn, TND_HOW_DRAW);
}

// ---- Parking (rule 16) ----------------------------------------------------------------

static void want_name(struct tnd_engine *e, const struct tnd_job *job)
{
    struct tnd_want *w;

    if (e->n_wants == TND_WANTS_MAX)
        return; // the caller drains them each burst, and a burst is smaller
    w = &e->wants[e->n_wants++];
    w->trunk = job->hop == &job->own_hop ? TND_NO_TRUNK : job->to_trunk;
    w->len = job->hop->name_len;
    w->digest = job->name;
    memcpy(w->name, job->hop->name, job->hop->name_len);
}

// The CANCEL of a request that waits: 200 to it and 487 to the INVITE, here and now.
static void cancel_parked(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job,
                          const struct tnd_parked *waiting)
{
    struct tnd_memory_entry *entry;

    tnd__answer(e, job, 200);
    job->slot = waiting; // its 487 is output 1; the caller's tnd_engine_done gives it back
    job->n_out = 2;
    entry = tnd_memory_put(e->memory, job->memory_key, now_ms, TND_LIFE_MS);
    if (entry) {
        entry->target.family = 0;
        entry->answer = 487;
        entry->state = TND_MEMORY_FINAL;
    }
}

static void park(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    const struct tnd_parked in = {
        .data = job->data,
        .len = job->len,
        .src = job->src,
        .listener = e->policy->listeners[job->listener].id,
        .trunk = job->trunk,
        .txn = job->memory_key,
        .name = job->name,
        .deadline_ms = now_ms + e->cfg.park_for_ms,
        .invite = m->method == TND_METHOD_INVITE,
    };

    switch (tnd_park_put(e->park, &in)) {
    case TND_PARK_NEW:
        want_name(e, job);
        job->verdict = TND_VERDICT_PARK;
        break;
    case TND_PARK_QUEUED:
        job->verdict = TND_VERDICT_PARK;
        break;
    case TND_PARK_AGAIN:
        job->verdict = TND_VERDICT_ABSORB;
        break;
    case TND_PARK_FULL:
        exhausted(e, job);
    }
}

// The name is not in the table (yet).
static void by_waiting(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    const struct tnd_parked *waiting;

    if (ended_in_burst(e, now_ms, job))
        return;
    if (job->origin != TND_ORIGIN_WIRE) { // has waited already
        exhausted(e, job);
        return;
    }
    switch (job->msg.method) {
    case TND_METHOD_ACK:
        // The ACK of a 2xx is a transaction of its own, and what follows it in its dialog must
        // not overtake it; any other belongs to an INVITE that waits or was never here.
        if (in_dialog(job))
            park(e, now_ms, job);
        else
            tnd_job_drop(e, job, TND_DROP_ACK_PARKED);
        return;
    case TND_METHOD_CANCEL:
        waiting = tnd_park_find(e->park, job->memory_key);
        if (waiting)
            cancel_parked(e, now_ms, job, waiting);
        else
            tnd__answer(e, job, 481); // nothing is known of its INVITE
        return;
    default:
        park(e, now_ms, job);
    }
}

// ---- Remembering ------------------------------------------------------------------------

static void remember(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job)
{
    struct tnd_memory_entry *entry;
    enum tnd_method method = (enum tnd_method)job->msg.method;

    if (job->how == TND_HOW_MEMORY || method == TND_METHOD_ACK || method == TND_METHOD_CANCEL)
        return;
    entry = tnd_memory_put(e->memory, job->memory_key, now_ms, TND_LIFE_MS);
    if (!entry) {
        tnd_count(&e->counters.unremembered);
        return;
    }
    entry->target = job->dst;
    entry->caller_port = job->src.port;
    entry->attempt = job->attempt;
    entry->loop = job->has_loop ? job->loop : 0;
    entry->to_trunk =
        job->to_trunk == TND_NO_TRUNK ? 0 : tnd__short_id(e->policy->trunks[job->to_trunk].id);
    entry->listener = job->egress_fixed ? tnd__short_id(e->policy->listeners[job->egress].id) : 0;
}

// An INVITE answered here: its ACK must find that out, and its retransmission the answer.
static void remember_answer(struct tnd_engine *e, uint64_t now_ms, const struct tnd_job *job)
{
    struct tnd_memory_entry *entry;

    if (job->msg.method != TND_METHOD_INVITE || job->msg.error != TND_SIP_ERR_NONE ||
        job->how == TND_HOW_MEMORY)
        return;
    entry = tnd_memory_put(e->memory, job->memory_key, now_ms, TND_LIFE_MS);
    if (!entry)
        return;
    memset(&entry->target, 0, sizeof entry->target);
    entry->answer = job->answer;
    entry->state = TND_MEMORY_FINAL;
}

// ---- The stage ----------------------------------------------------------------------------

struct lookup {
    struct tnd_name_digest names[TND_BURST];
    const struct tnd_target_set *sets[TND_BURST];
    uint64_t keys[TND_BURST];
    uint32_t drawn[TND_BURST];
    struct tnd_job *jobs[TND_BURST];
    uint32_t n;
};

// All lookups of a burst, then all picks: each waits for memory once.
static void lookup_and_draw(struct tnd_engine *e, struct lookup *l)
{
    uint32_t known = 0;
    const struct tnd_target_set *sets[TND_BURST];
    uint32_t index[TND_BURST], drawn[TND_BURST];
    uint64_t keys[TND_BURST];

    tnd_table_lookup_burst(e->cfg.table, l->names, l->n, l->sets);
    for (uint32_t i = 0; i < l->n; i++) {
        l->jobs[i]->set = l->sets[i];
        l->drawn[i] = TND_NO_TARGET;
        if (!l->sets[i])
            continue;
        index[known] = i;
        sets[known] = l->sets[i];
        keys[known++] = l->jobs[i]->call_key;
    }
    tnd_pick_burst(sets, &e->cfg.keys->digest, keys, known, drawn);
    for (uint32_t i = 0; i < known; i++)
        l->drawn[index[i]] = drawn[i];
}

// What a rewrite adds at the most: its own texts, and those of listeners, trunk and job.
#define GROWTH_MAX                                                                      \
    (TND_EDIT_ARENA + sizeof(struct tnd_signed) * 2 + sizeof(struct tnd_listener) * 2 + \
     sizeof(((struct tnd_trunk *)0)->host) + 256)

// What another listener than the one assumed here can add: its text, a second Record-Route.
#define EGRESS_SLACK 256

// Rule 13: what would leave with more than 16 KB is refused here, while it can be answered.
// The rewrite itself is the measure; few messages come near.
static bool outgrows(struct tnd_engine *e, struct tnd_job *job)
{
    struct tnd_out out;

    if (job->msg.len + GROWTH_MAX <= TND_SIP_MAX)
        return false;
    return !tnd__write_request(e, job, &out) ||
           (!job->egress_fixed && out.edit.out_len + EGRESS_SLACK > TND_SIP_MAX);
}

static bool is_settled(const struct tnd_job *job)
{
    return job->how == TND_HOW_MEMORY || job->how == TND_HOW_FLOW;
}

static void choose(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job, uint32_t drawn)
{
    if (is_settled(job))
        forward_to(job, &job->dst, (enum tnd_how)job->how);
    else if (job->hop->numeric.family)
        by_address(e, job);
    else if (job->set)
        take_target(e, job, drawn);
    else
        by_waiting(e, now_ms, job);
    if (job->verdict != TND_VERDICT_FORWARD)
        return;
    // A Contact or a zone can name the loopback: whoever writes it must not reach what listens
    // there, nor a whole network.
    if (!tnd_addr_on_wire(&job->dst)) {
        exhausted(e, job);
        return;
    }
    if (!job->egress_fixed)
        job->egress = tnd_policy_listener_for(e->policy, job->dst.family, job->listener);
    if (job->egress == TND_NO_LISTENER) {
        exhausted(e, job); // nothing here speaks its family
        return;
    }
    if (job->target_id == 0)
        job->target_id = tnd_target_id(&job->dst);
    if (!outgrows(e, job))
        return;
    if (job->msg.method == TND_METHOD_ACK)
        tnd_job_drop(e, job, TND_DROP_REWRITE);
    else
        tnd__answer(e, job, 513);
}

void tnd_stage_pick(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *const jobs[], uint32_t n)
{
    struct lookup l;

    l.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct tnd_job *job = jobs[i];
        if (job->verdict != TND_VERDICT_NONE || is_settled(job) || job->hop->numeric.family)
            continue;
        l.names[l.n] = job->name;
        l.jobs[l.n++] = job;
    }
    lookup_and_draw(e, &l);
    for (uint32_t i = 0, k = 0; i < n; i++) {
        struct tnd_job *job = jobs[i];
        uint32_t drawn = TND_NO_TARGET;
        if (k < l.n && l.jobs[k] == job)
            drawn = l.drawn[k++];
        if (job->verdict == TND_VERDICT_NONE)
            choose(e, now_ms, job, drawn);
        if (job->verdict == TND_VERDICT_FORWARD && job->msg.is_request)
            remember(e, now_ms, job);
        else if (job->verdict == TND_VERDICT_ANSWER)
            remember_answer(e, now_ms, job);
    }
}
