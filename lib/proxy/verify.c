// What comes back of what we signed: the tokens of a burst's requests, and which side of its call
// each of those is. Their MACs and hashes are made side by side, as the sign stage makes them.
#include "proxy/engine_internal.h"

// ---- Tokens -----------------------------------------------------------------------------

static void note_sides(struct tnd_job *job, const struct tnd_token *first)
{
    job->side[0] = first->from_trunk;
    job->side[1] = first->to_trunk;
}

// Of several the last one counts: where a call has passed here twice with nobody between
// that record-routes, it belongs to the pass next to where the request goes, as the first one
// does to the pass next to where it comes from.
static void take_route(struct tnd_job *job, enum tnd_token_state s, const struct tnd_token *token)
{
    if (s == TND_TOKEN_GOOD && job->token_state != TND_TOKEN_GOOD)
        note_sides(job, token);
    if (s == TND_TOKEN_GOOD)
        job->token = *token;
    if (s > job->token_state)
        job->token_state = (uint8_t)s;
}

// RFC 3261 16.4: a strict router in front of us has put our Record-Route into the
// Request-URI and the real one at the end of Route. The token says that it is ours; what such
// a router made of `lr` does not matter. Those of Route come after it.
static void take_uri(struct tnd_job *job, enum tnd_token_state s, const struct tnd_token *token)
{
    if (s == TND_TOKEN_GOOD)
        job->strict_in = job->more_routes;
    if (s == TND_TOKEN_GOOD && job->token_state == TND_TOKEN_GOOD)
        note_sides(job, token);
    else
        take_route(job, s, token);
}

void tnd__judge_tokens(struct tnd_engine *e, struct tnd__tokens *t)
{
    enum tnd_token_state state[TND_WIDE];
    struct tnd_token token[TND_WIDE];
    uint64_t call_key[TND_WIDE];

    if (t->n == 0)
        return;
    for (uint32_t i = 0; i < t->n; i++)
        call_key[i] = t->job[i]->call_key;
    tnd_token_read_burst(t->text, call_key, t->n, e->cfg.keys, &e->wide, token, state);
    for (uint32_t i = 0; i < t->n; i++)
        if (t->is_uri[i])
            take_uri(t->job[i], state[i], &token[i]);
        else
            take_route(t->job[i], state[i], &token[i]);
    t->n = 0;
}

void tnd__ask_token(struct tnd_engine *e, struct tnd__tokens *t, struct tnd_job *job,
                    const struct tnd_uri *uri, bool is_uri)
{
    struct tnd_str text = tnd_text(&job->msg, uri->user);

    if (!tnd_token_may_be(text))
        return;
    if (t->n == TND_WIDE) // a burst of more Routes of ours than requests
        tnd__judge_tokens(e, t);
    t->job[t->n] = job;
    t->text[t->n] = text;
    t->is_uri[t->n++] = is_uri;
    t->asked++;
}

// ---- Sides ------------------------------------------------------------------------------

void tnd__hash_tags(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n, bool of_to,
                    uint64_t out[])
{
    const struct tnd_hash_key *key = &e->cfg.keys->digest;
    struct tnd_str tag[TND_BURST], text[TND_BURST];
    struct tnd_hasher begun;

    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_sip_msg *m = &jobs[i]->msg;
        tag[i] = text[i] = tnd_text(m, of_to ? m->to_tag : m->from_tag);
        if (text[i].len > TND_WIDE_TEXT)
            text[i].len = 0; // alone, below
    }
    tnd_hash_init(&begun, key);
    tnd_wide_active->lay(&e->wide, 0, text, false, n);
    tnd_wide_active->hash(&begun, &e->wide, n, out);
    for (uint32_t i = 0; i < n; i++) {
        e->wide.word[0][i] =
            tag[i].len > TND_WIDE_TEXT ? tnd_hash(key, tag[i].p, tag[i].len) : out[i];
        e->wide.word[1][i] = jobs[i]->call_key;
    }
    tnd_wide_derive(key, TND_DOMAIN_CALLER, &e->wide, n, out);
}

void tnd__tell_sides(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_job *inside[TND_BURST];
    uint64_t hash[TND_BURST];
    uint32_t n_inside = 0;

    for (uint32_t i = 0; i < n; i++)
        if (jobs[i]->token_state == TND_TOKEN_GOOD && jobs[i]->msg.to_tag.len)
            inside[n_inside++] = jobs[i];
    if (n_inside == 0)
        return;
    tnd__hash_tags(e, inside, n_inside, true, hash);
    for (uint32_t i = 0; i < n_inside; i++)
        inside[i]->to_caller = (uint32_t)hash[i] == inside[i]->token.caller;
}
