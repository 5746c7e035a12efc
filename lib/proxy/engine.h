// The engine: one worker's proxy state, and the stages between a datagram and its copies.
//
//     parse -> digest -> (steer) -> route -> pick -> (egress) -> sign -> rewrite
//
// Each stage is a plain function over a burst of jobs; time is a value, packets are memory.
// What needs a port (rx, steer, adjacency, tx) is the dataplane's; the simulation drives
// these same functions on a simulated clock.
//
// A job ends in exactly one verdict. FORWARD and ANSWER then have outputs: the caller asks
// for them one by one with tnd_stage_rewrite and sends each.
//
// Threads:  one engine a worker. Policy and table are read under the worker's QSBR.
// Lifetime: a job's spans point into its datagram, which stays whole until the burst ends.
// Cost:     cycles per stage are counted by the caller; bench `route.stage.*`.
#pragma once

#include <stdatomic.h>

#include "proxy/branch.h"
#include "proxy/keys.h"
#include "proxy/memory.h"
#include "proxy/park.h"
#include "proxy/policy.h"
#include "proxy/token.h"
#include "proxy/verdict.h"
#include "route/pick.h"
#include "route/table.h"
#include "sip/edit.h"
#include "sip/msg.h"
#include "util/wide.h"

#define TND_BURST       32
#define TND_WANTS_MAX   64
#define TND_TARGETS_CNT 1024 // targets counted by name per worker; the rest share one counter
#define TND_TRUNKS_CNT  1024 // likewise trunks

enum tnd_origin {
    TND_ORIGIN_WIRE = 0,
    TND_ORIGIN_PARKED,  // waited for a name that is known now
    TND_ORIGIN_EXPIRED, // waited in vain: answered
};

// How the request's target was found.
enum tnd_how {
    TND_HOW_NONE = 0,
    TND_HOW_MEMORY,  // it, or the INVITE it belongs to, went there before
    TND_HOW_TOKEN,   // its dialog lives there
    TND_HOW_FLOW,    // towards a caller behind NAT
    TND_HOW_NUMERIC, // the next hop is an address
    TND_HOW_DRAW,    // weighted draw
};

// What only we can have written of a request that is forwarded: the branch of our Via and, where
// it is record-routed, the token of our Record-Route.
#define TND_SIGNED_LOOP    ";loop="
#define TND_SIGNED_BETWEEN "\r\nRecord-Route: <sip:"

struct tnd_signed {
    uint8_t len;
    uint8_t token; // where it begins in text; 0: no Record-Route
    // The branch with its loop hash, if any, and a line end, or these, TND_SIGNED_BETWEEN and
    // token.
    char text[TND_BRANCH_MAX + sizeof TND_SIGNED_LOOP + TND_LOOP_DIGITS +
              sizeof TND_SIGNED_BETWEEN + TND_BASE64_ROOM];
};

struct tnd_job {
    // W: frame (or tnd_engine_due)
    const char *data;
    uint32_t len;
    struct tnd_addr src;
    uint16_t listener;             // ingress listener, an index into the policy; of what was
                                   // parked: TND_NO_LISTENER until the route stage
    uint8_t origin;                // enum tnd_origin
    bool token_admitted;           // W: route; no trunk's source, let in by our token
    void *packet;                  // the caller's: the mbuf this lies in, or NULL
    const struct tnd_parked *slot; // origin PARKED or EXPIRED; or the INVITE a CANCEL ends

    // W: digest
    uint64_t call_key; // Call-ID; To-AOR for REGISTER
    uint64_t txn;      // sent-by and branch of the Via that identifies the transaction:
                       // the topmost of a request, the second of a response

    // W: route
    uint8_t verdict;     // enum tnd_verdict
    uint8_t drop;        // enum tnd_drop
    uint16_t answer;     // status code of an ANSWER
    uint16_t trunk;      // source trunk index, or TND_NO_TRUNK when a token admitted it
    uint16_t to_trunk;   // destination trunk index, or TND_NO_TRUNK
    uint16_t rule;       // index of the route rule that matched, or UINT16_MAX
    uint16_t pop;        // Routes of ours at the top
    uint8_t token_state; // enum tnd_token_state of those
    bool own_uri;        // the Request-URI is ours: rule 4
    bool own_maddr;      // s16.4: so is its maddr, which ends here
    bool more_routes;    // Routes remain below ours
    bool strict_in;      // s16.4: the Request-URI is our own Record-Route
    bool strict_out;     // s16.6 step 6: the next Route is a strict router
    bool to_caller;      // in-dialog, towards the caller
    bool has_loop;
    uint32_t loop;
    uint32_t source;  // id of the trunk that stands for the source in branch and memory
    uint32_t side[2]; // trunk ids of the first valid token: the caller's, the callee's
    struct tnd_token token;
    struct tnd_span next_uri;       // the URI that names the next hop, when no trunk does
    const struct tnd_next_hop *hop; // the trunk's, or &own_hop
    struct tnd_name_digest name;
    const struct tnd_target_set *set;

    // W: pick
    uint64_t memory_key;
    uint64_t target_id; // of dst, for a request; of the answering target, for a response
    uint8_t how;        // enum tnd_how
    uint8_t attempt;
    uint8_t n_out;       // outputs to send: 1, or 2 for the CANCEL of a parked INVITE
    struct tnd_addr dst; // where output 0 goes
    uint16_t egress;     // listener it leaves by; the dataplane may correct it by the route
    bool egress_fixed;   // .. but not when this is set (answers, responses, flows, memory)

    // W: sign. Of the engine, until it signs the next burst; NULL: not yet.
    const struct tnd_signed *sign;

    struct tnd_next_hop own_hop;
    struct tnd_sip_msg msg; // W: parse
};

_Static_assert(offsetof(struct tnd_job, own_hop) <= 256, "four lines are zeroed for a packet");
_Static_assert(sizeof(struct tnd_job) <= 2560, "a burst's jobs: 80 KB of a worker's own cache");

// One datagram to send.
struct tnd_out {
    struct tnd_addr dst;
    uint16_t listener; // to send from
    struct tnd_edit edit;
    struct tnd_edit_store store;
};

// A name some request waits for; handed to control by the caller.
struct tnd_want {
    uint16_t trunk; // whose policy, or TND_NO_TRUNK
    uint16_t len;
    char name[TND_NAME_MAX];
    struct tnd_name_digest digest;
};

// W: worker, R: control. Relaxed load + store; never a locked operation.
struct tnd_counters {
    uint64_t requests, responses, keepalives;
    uint64_t verdict[TND_VERDICT_COUNT];
    uint64_t drop[TND_DROP_COUNT];
    uint64_t answer[700 - 100]; // by status code - 100
    uint64_t how[TND_HOW_DRAW + 1];
    uint64_t new_calls; // out-of-dialog INVITEs drawn
    uint64_t unremembered, loops;
};

struct tnd_target_counter {
    uint64_t id; // 0: free
    uint64_t requests, draws, responses;
    struct tnd_addr addr;
};

struct tnd_trunk_counter {
    uint64_t requests_in, requests_out, responses_out, answered, dropped;
};

struct tnd_engine_config {
    const struct tnd_keys *keys;
    const struct tnd_policy *_Atomic *policy; // pairs with release in control's publication
    const struct tnd_table *table;
    uint32_t transactions; // entries of the memory
    uint32_t parked;
    uint32_t park_for_ms;
    uint32_t ringing_ms;
    uint64_t seed; // for whatever must differ between engines but be reproducible
};

struct tnd_engine {
    struct tnd_engine_config cfg;
    const struct tnd_policy *policy; // loaded once a burst
    struct tnd_addr source;          // of the request before in the burst; family 0: none
    uint16_t source_trunk;           // .. and whose it is
    struct tnd_memory *memory;
    struct tnd_park *park;
    uint64_t swept_ms;    // how far the memory's sweep has come
    struct tnd_wide wide; // a stage's hashes are laid out here
    struct tnd_signed signs[TND_BURST];
    uint32_t n_wants;
    struct tnd_want wants[TND_WANTS_MAX]; // taken and reset by the caller after each burst
    struct tnd_counters counters;
    struct tnd_trunk_counter trunks[TND_TRUNKS_CNT];
    struct tnd_target_counter targets[TND_TARGETS_CNT]; // open addressing by id
};

// Returns: NULL when memory is short.
struct tnd_engine *tnd_engine_new(const struct tnd_engine_config *cfg);
void tnd_engine_free(struct tnd_engine *e);

// Make a job of a datagram that lies at `data`.
// src: its transport is UDP.
void tnd_job_init(struct tnd_job *job, const char *data, uint32_t len, const struct tnd_addr *src,
                  uint16_t listener);

// Jobs of parked requests that are due, at most `max`: the caller runs the stages on them
// like on any other burst. To be called every loop, idle or not: it also sweeps the memory.

uint32_t tnd_engine_due(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *jobs[],
                        uint32_t max);

// The job's outputs are written: give back what it borrowed. For every job of every burst
// (a CANCEL from the wire can borrow the slot of the INVITE it ends).
void tnd_engine_done(struct tnd_engine *e, struct tnd_job *job);

// Parse each datagram; keepalives and what cannot be answered end here.
void tnd_stage_parse(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n);

// The two keyed hashes of each message.
void tnd_stage_digest(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n);

// Which of `workers` owns the job's call. The same on every worker; 0 for workers <= 1.
uint32_t tnd_job_owner(const struct tnd_job *job, uint32_t workers);

// Before the parse, by a look at the datagram: nearly always right, and the same for all messages
// of a call that are written alike. TND_NO_GUESS: the look has shown nothing.
#define TND_NO_GUESS UINT32_MAX
void tnd_job_guess_owners(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n,
                          uint32_t workers, uint32_t owner[]);

// Who sent it, may it pass, and which name does it go to; or the answer it gets.
void tnd_stage_route(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *const jobs[],
                     uint32_t n);

// Which target: memory, then token, then the draw. Parks what has no set yet.
void tnd_stage_pick(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *const jobs[],
                    uint32_t n);

// The MACs of what is forwarded, those of a burst side by side; of a request that is rewritten
// without it they are made then. To be called after the stage that says by which way it leaves.
void tnd_stage_sign(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n);

// Output k (< job->n_out) of a job whose verdict is FORWARD or ANSWER, as an edit list.
// Returns: false when it cannot be made: the job's verdict is then DROP, with its reason.
bool tnd_stage_rewrite(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job, uint32_t k,
                       struct tnd_out *out);

// The caller could not send (or hand over, or receive) a job: make that its end.
void tnd_job_drop(struct tnd_engine *e, struct tnd_job *job, enum tnd_drop why);

// Count a job's end. Once for each job that is not handed to another worker.
void tnd_job_count(struct tnd_engine *e, const struct tnd_job *job);

static inline void tnd_count(uint64_t *c)
{
    // W: this worker alone; R: control. Relaxed is enough: a counter orders nothing.
    __atomic_store_n(c, __atomic_load_n(c, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}
