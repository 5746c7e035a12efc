// What callers and callees share: a call, its two legs, client transactions with their timers
// (RFC 3261 17.1), requests and responses as text.
#pragma once

#include "sim/sim.h"

// What a call is about to do.
enum call_kind {
    CALL_PLAIN,
    CALL_CANCELLED,
    CALL_REJECTED,    // 486
    CALL_TARGET_503,  // the target says 503: the caller is told 500
    CALL_CHALLENGED,  // 407, then with credentials
    CALL_MESSAGE,     // out of dialog
    CALL_REGISTER,    // several, each a transaction of its own
    CALL_OPTIONS,     // through us
    CALL_OPTIONS_US,  // to us: 200
    CALL_NO_FORWARDS, // Max-Forwards 0: 483
    CALL_REQUIRES,    // Proxy-Require: 420
    CALL_LOOPS,       // from the carrier, for a user whom the proxy sends back to us: 482
};

enum call_side { SIDE_PBX, SIDE_NAT, SIDE_SIX, SIDE_CARRIER };

struct leg {
    char self[120], peer[160]; // From and To of its requests, tags included
    char contact[96];          // its own
    char target[120];          // the other's Contact
    char routes[1024];         // Route lines
    char sent_by[64];
    bool rport;
    struct sim_addr src;    // where its datagrams come from, as the engine sees them
    struct sim_addr listen; // where it hears
    struct sim_addr next;   // where its requests go
    uint32_t cseq, branches;
};

struct client_tx {
    struct call *call;
    void (*done)(struct sim *s, struct client_tx *tx, const struct text *response); // NULL: timeout
    char *text;
    uint32_t len;
    struct sim_addr src, dst;
    char branch[40], method[12];
    uint32_t cseq, generation, interval_ms;
    uint64_t started_us;
    bool active, proceeding;
};

// The final answer to an INVITE, repeated until its ACK.
struct server_tx {
    struct call *call;
    char *text; // the latest answer, provisional too
    uint32_t len, cseq, generation, interval_ms;
    struct sim_addr src, dst;
    uint64_t started_us;
    bool final, acked;
};

struct call {
    uint32_t n;
    enum call_kind kind;
    enum call_side side;
    bool reinvites, informs, callee_ends, has_rr_joined, compact, to_our_name;
    bool hairpin, proxy_stays; // from the carrier to the carrier, by the proxy
    bool reliable, callee_informs, callee_reinvites; // 100rel; what else the callee does
    const char *in_dialog_method, *other_method;
    bool ended, ok, excused;
    char id[48];
    struct leg caller, callee;
    struct client_tx invite, other, cancel, prack;
    struct client_tx bye, callee_other, callee_invite; // the callee's
    struct server_tx caller_answer;                    // to the callee's INVITE
    uint32_t callee_acked;
    char *ack; // of the latest 2xx
    uint32_t ack_len, ack_cseq, refused_cseq;
    bool dialog, cancelling, authorized;
    // The callee's side.
    struct host *host;
    struct server_tx answer;
    char *asked; // the INVITE it works on
    uint32_t asked_len, asked_cseq;
    bool confirmed, over;
    struct model_call *seen; // the model's
};

struct call *call_of(struct sim *s, const struct text *t);
void call_end(struct sim *s, struct call *c, bool ok);

#define UA_NO_BRANCH NULL

struct ua_request {
    const char *method, *uri;
    const char *branch; // NULL: a new one
    uint32_t cseq;
    bool in_dialog;   // with its Routes
    const char *more; // header lines
    const char *forwards;
    const char *body;
};

// Returns: the length. branch: what was used.
uint32_t ua_write(struct call *c, struct leg *l, const struct ua_request *r, char out[PACKET_MAX],
                  char branch[40]);

// Begin a client transaction: send, repeat, end in `done`.
void ua_start(struct sim *s, struct call *c, struct leg *l, struct client_tx *tx,
              const struct ua_request *r,
              void (*done)(struct sim *, struct client_tx *, const struct text *));

// A response to it. Returns: false when it is not its.
bool ua_heard(struct sim *s, struct client_tx *tx, const struct text *t);

// Keep an answer to an INVITE and send it; a final one is repeated until its ACK.
void ua_answer(struct sim *s, struct server_tx *tx, const char *text, uint32_t len);
void ua_acked(struct server_tx *tx, uint32_t cseq);

struct ua_response {
    int status;
    const char *to_tag;  // put where the request has none
    const char *contact; // NULL: none
    const char *more;
    const char *body;
};

// The ACK of a 2xx, by the route set and remote target of the leg.
void ua_ack(struct sim *s, struct call *c, struct leg *l, uint32_t cseq);

uint32_t ua_respond(const struct text *request, const struct ua_response *r, char out[PACKET_MAX]);

// The dialog as the UAC (reversed) or UAS sees it: route set, remote target.
void ua_learn(struct call *c, struct leg *l, const struct text *t, bool is_uac);

void ua_free(struct call *c);
