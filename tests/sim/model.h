// The model, for its three files: model.c judges steps, model_dns.c knows where a name may lead
// at a moment, model_text.c what a message must look like on the other side.
//
// Written from the RFCs and from what the product promises, sharing no code with it. It never
// computes which target the engine must draw; it knows which it may.
#pragma once

#include "sim/ua.h"

#define SETTLE_US (350 * MS) // a slow target holds the others back by 300 ms at most
#define TARGETS   32
#define HISTORY   64

struct model_target {
    struct sim_addr addr;
    unsigned tier, weight, record;
    double p; // of new requests now; 0: not to be chosen
};

struct model_set {
    uint64_t since_us;
    struct model_target target[TARGETS];
    uint32_t n, n_eligible;
};

enum model_name { NAME_CARRIER, NAME_REGISTRAR, NAME_POP, N_NAMES };

struct model_history {
    struct model_set set[HISTORY]; // a ring: the latest is at (n - 1) % HISTORY
    uint32_t n;
    uint32_t stands;    // the set of this number (from 1) is still good; 0: only the latest is
    uint64_t known_us;  // since when there is something to publish
    uint64_t wanted_us; // since when somebody waits for it; 0: nobody
    bool gone;          // idle, no longer followed
    uint64_t back_us;   // since when it is followed again
};

struct model_view { // what the engine was told of a record set
    char name[48], type[8];
    int how;
    const struct zone *zone;
    uint32_t ttl_s;
    uint64_t told_us;
    bool used;      // by the latest walk of some name
    bool was_used;  // by the one before
    bool forgotten; // unused when its time was up
};

#define VIEWS 128

struct share {
    double expected, variance;
    uint64_t seen;
};

struct model {
    struct model_view view[VIEWS];
    uint32_t n_views;
    struct model_history names[N_NAMES];
    struct sim_addr down[HOSTS_MAX];
    uint32_t n_down, incarnation, keys;
    struct share shares[HOSTS_MAX];
    uint64_t left_us[HOSTS_MAX]; // the carrier's set; UINT64_MAX: is in it; 0: never was
    uint64_t changed_us[HOSTS_MAX];
    uint64_t lingering, lingered;
    // What must have happened, or the run proves nothing.
    uint64_t cancels_after_edit, byes_from_outside, stale_draws, inbound, hairpins, loops;
    uint64_t paired, callee_requests, pracks, same_branches, tels;
    uint64_t steps, forwards, answers, absorbed, parked, drops, repeats, draws, sure_draws;
};

enum model_state { TX_NEW, TX_PARKED, TX_FORWARDED, TX_ANSWERED };

#define TX_MAX 96

struct model_tx {
    char branch[48], out_branch[96];
    bool invite;
    enum model_state state;
    int answer;
    char answer_tag[32]; // of the To of that
    struct sim_addr src, dst, listener, parked_at;
    uint32_t keys; // how often the sign key had changed
    uint64_t in_digest, out_digest, parked_us, set_digest;
    uint32_t incarnation;
};

struct model_call {
    struct model_tx tx[TX_MAX];
    uint32_t n;
    uint32_t worker;        // that owns it, counted from 1
    struct sim_addr dialog; // where the 2xx came from
    bool in_dialog, picked;
    uint64_t pick_digest; // of the set its first draw was from
    struct sim_addr pick;
};

// ---- model_dns.c ----------------------------------------------------------------------------

struct model_look {
    bool allowed;      // by some set of the moment
    bool member;       // in every set of the moment, live or not
    bool may_fail;     // some set has nothing eligible
    bool unknown;      // nothing to publish for a second: may wait
    bool sure;         // all sets of the moment choose alike
    uint64_t since_us; // when it became known
    uint64_t digest;   // of what is eligible
    const struct model_set *latest;
};

void model_look(struct sim *s, enum model_name name, const struct sim_addr *dst,
                struct model_look *out);
// Whether host i's address is a source of the carrier: 1, 0, or -1 for a moment of change.
int model_is_source(struct sim *s, uint32_t i);
void model_fresh(struct sim *s); // no answer is used beyond its time
bool model_asks(struct sim *s, enum model_name name);

// ---- model_text.c ---------------------------------------------------------------------------

// A forwarded request or response; says what is wrong, or NULL.
// trunk: host and port of the URI of the trunk it goes to.
const char *model_request_text(const struct step *step, const struct text *in,
                               const struct text *out, const char *trunk);
bool model_is_ours(struct slice uri);
const char *model_response_text(const struct call *c, const struct step *step,
                                const struct text *in);
const char *model_answer_text(const struct step *step, const struct text *in,
                              const struct text *out);
struct sim_addr model_way_back(const struct call *c, const struct text *request,
                               const struct sim_addr *src);
