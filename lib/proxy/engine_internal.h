// What the stages of lib/proxy share and nobody else needs.
#pragma once

#include "proxy/engine.h"

// Lives of memory entries: 64*T1 for whatever waits for one, timer C while it rings.
#define TND_LIFE_MS 32000

// RFC 3261 17.2.3: an ACK and a CANCEL belong to the INVITE's transaction. Two trunks that
// happen to use the same branch and sent-by do not meet, nor does who bears the token of one
// call meet another's: the call key is secret, so nobody can choose one to match.
//
// It never leaves the worker, and both digests are keyed already: two products suffice. Of what
// goes in, each alone can change without the key staying; where both digests differ, it stays
// the same by chance only, as their bits are nobody's to choose.
static inline uint64_t tnd__memory_key(const struct tnd_job *job, uint32_t source)
{
    enum tnd_method method = (enum tnd_method)job->msg.method;
    uint64_t h = job->txn * 0x9e3779b97f4a7c15ULL ^ job->call_key;

    if (method == TND_METHOD_ACK || method == TND_METHOD_CANCEL)
        method = TND_METHOD_INVITE;
    h = (h ^ h >> 32 ^ ((uint64_t)source << 8 | (uint64_t)method)) * 0xd6e8feb86659fd93ULL;
    return h ^ h >> 32;
}

// The To tag of answers made here: a MAC of the transaction (rule 10).
static inline uint64_t tnd__own_tag(const struct tnd_keys *keys, const struct tnd_job *job)
{
    return tnd_derive(&keys->digest, TND_DOMAIN_TAG, job->txn, job->call_key);
}

// What the memory keeps of a content id: 16 bits, never 0. Two that meet cost an
// unrewritten URI or a listener of the wrong port, in one transaction, across a reload.
static inline uint16_t tnd__short_id(uint32_t id)
{
    uint16_t low = (uint16_t)id;

    return low ? low : 1;
}

// 500 or 503: what the source trunk is told when its call finds no target (rule 11).
static inline uint16_t tnd__exhausted(const struct tnd_engine *e, uint16_t trunk)
{
    return trunk == TND_NO_TRUNK ? 500 : e->policy->trunks[trunk].exhausted;
}

// Where an answer to this request goes: its packet's source, but the port of sent-by when
// rport was not asked for (RFC 3261 18.2.2, RFC 3581 4).
static inline struct tnd_addr tnd__response_address(const struct tnd_job *job)
{
    const struct tnd_via *via = &job->msg.via;
    struct tnd_addr a = job->src;

    // A Via that cannot be read leaves nothing but the source.
    if (via->whole.len && via->rport.off == 0)
        a.port = via->sent_by.port ? via->sent_by.port : 5060;
    return a;
}

// End the job with an answer made here. An ACK, which nothing answers, is dropped instead.
void tnd__answer(struct tnd_engine *e, struct tnd_job *job, uint16_t status);

// Remembered as answered here (target family 0): the request's own retransmission gets the
// same answer, its CANCEL a 200 (RFC 3261 9.2), its ACK ends here.
void tnd__repeat_answer(struct tnd_engine *e, struct tnd_job *job, uint16_t status);

// What may be tokens of ours in a burst's requests, in the order they stand there.
struct tnd__tokens {
    uint32_t n, asked; // waiting, and in all
    struct tnd_job *job[TND_WIDE];
    struct tnd_str text[TND_WIDE];
    bool is_uri[TND_WIDE]; // of the Request-URI, after those of Route
};

// Ask for the user part of a URI that is ours; all are judged side by side (verify.c). What a job
// has from them (token_state, token, side, strict_in) is whole after the last tnd__judge_tokens.
void tnd__ask_token(struct tnd_engine *e, struct tnd__tokens *t, struct tnd_job *job,
                    const struct tnd_uri *uri, bool is_uri);
void tnd__judge_tokens(struct tnd_engine *e, struct tnd__tokens *t);

// The hash of each job's From or To tag, of which the token carries the low 32 bits.
void tnd__hash_tags(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n, bool of_to,
                    uint64_t out[]);

// to_caller of each, from its token.
void tnd__tell_sides(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n);

// Decisions about responses (response.c), and what they tell the memory.
void tnd__route_responses(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n);
void tnd__note_heard(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job);

// Outputs, one file each.
bool tnd__write_request(struct tnd_engine *e, struct tnd_job *job, struct tnd_out *out);
bool tnd__write_response(struct tnd_engine *e, const struct tnd_job *job, struct tnd_out *out);
bool tnd__write_answer(struct tnd_engine *e, const struct tnd_job *job, uint16_t status,
                       struct tnd_out *out);
