// A whole engine in a test: policy, table, one worker's engine, and datagrams in and out.
//
// The world it stands in is always the same (see harness_new): four listeners on two
// interfaces, five trunks, a few names, a route table. Tests change what they need in place;
// there is one thread, so that no change needs a publication.
//
// Used by unit tests, the torture replay, the corpus tool, fuzzers and the simulation:
// EAL-free, aborts on its own mistakes, never on what a datagram holds.
//
// Threads: one. Lifetime: a reply owns nothing; texts of make_* live until 1024 more were made.
#pragma once

#include "proxy/engine.h"

// Listeners, by index into the policy.
enum {
    WAN4, // udp:192.0.2.10:5060, advertised as 198.51.100.1:5060
    LAN4, // udp:10.0.0.1:5060, the other interface
    WAN6, // udp:[2001:db8:2::10]:5060
    ALT4, // udp:192.0.2.10:5080, advertised as 198.51.100.1:5080
    N_LISTENERS
};

// Trunks, by index. All names resolve to nothing until harness_set.
enum {
    CARRIER, // sip:sip.carrier.example, from 203.0.113.0/24; exhausted 500, nat auto
    PBX,     // sip:10.0.0.5:5060, from 10.0.0.0/16; exhausted 503
    ACCESS,  // sip:access.example;transport=udp, from 100.64.0.0/16; nat yes, rr always
    SIX,     // sip:[2001:db8:6::5]:5070, from 2001:db8:6::/48; nat no
    NARROW,  // sip:narrow.example:5090, from 203.0.113.7 port 5062; rr never
    N_TRUNKS
};

#define CARRIER_NAME "sip:sip.carrier.example|carrier"
#define PBX_SRC      "10.0.0.5:5060"
#define CARRIER_SRC  "203.0.113.1:5060"
#define ACCESS_SRC   "100.64.1.9:40001"
#define SIX_SRC      "[2001:db8:6::5]:5070"
#define NARROW_SRC   "203.0.113.7:5062"
#define FOREIGN_SRC  "192.0.2.200:5060"

#define HARNESS_RULES 16

struct harness {
    uint64_t now_ms;
    struct tnd_engine *engine;
    struct tnd_table *table;
    struct tnd_keys keys;
    struct tnd_policy policy;
    struct tnd_listener listeners[N_LISTENERS];
    struct tnd_trunk trunks[N_TRUNKS];
    struct tnd_route_rule rules[HARNESS_RULES];
    const char *names[4];
    const struct tnd_policy *_Atomic current;
    void *qsbr;
    uint32_t n_wants; // names asked for since the test reset it
    char want[TND_NAME_MAX];
};

// One datagram that left.
struct sent {
    struct tnd_addr dst;
    uint16_t listener;
    uint32_t len;
    char text[TND_SIP_MAX + 1]; // NUL-terminated, may hold NULs
};

struct reply {
    enum tnd_verdict verdict;
    enum tnd_drop drop;
    int status; // of an ANSWER
    enum tnd_how how;
    uint16_t trunk, to_trunk;
    uint32_t n;
    struct sent out[2];
};

struct datagram {
    struct tnd_addr src;
    uint16_t listener;
    const char *data;
    size_t len;
};

// Rules, first match: PBX "+49*" and SIX to CARRIER; NARROW to its Request-URI; ACCESS
// OPTIONS answered 200; CARRIER to PBX; PBX "six" to SIX; PBX "access" to ACCESS.
// CARRIER_NAME has targets 203.0.113.11 (weight 50), .12 (30), .13 (20) and a standby .14.
struct harness *harness_new(void);
void harness_free(struct harness *h);

struct tnd_addr addr_of(const char *text); // UDP; aborts when malformed

// Publish the set of a canonical name and wake who waits for it. Each record is "TIER WEIGHT
// ADDRESS:PORT [drained|down]", separated by commas; "" is a name without targets.
void harness_set(struct harness *h, const char *name, const char *records);
void harness_forget(struct harness *h, const char *name);

// Give a trunk another `uri`.
void harness_trunk_uri(struct harness *h, uint16_t trunk, const char *uri);

// One datagram through all stages. `text` is NUL-terminated; run_octets takes any.
void run(struct harness *h, const char *src, uint16_t listener, const char *text, struct reply *r);
void run_octets(struct harness *h, const struct datagram *in, struct reply *r);

// Up to TND_BURST datagrams as one burst.
void run_burst(struct harness *h, const struct datagram in[], uint32_t n, struct reply r[]);

// Parked requests that are due, as one burst. Returns: how many.
uint32_t run_due(struct harness *h, struct reply r[], uint32_t max);

// ---- Messages -----------------------------------------------------------------------------

// What make_request writes; NULL and 0 take the defaults, "" leaves the header out.
struct request {
    const char *method, *uri;
    const char *via;  // "SIP/2.0/UDP host;branch=.."
    const char *from; // with its tag
    const char *to, *call_id, *contact;
    const char *max_forwards;
    const char *more; // whole header lines
    const char *body;
    unsigned cseq;
};

const char *make_request(const struct request *r);

// The answer of a UAS to a request that left: its Vias, From, To, Call-ID, CSeq and
// Record-Routes. to_tag: NULL for none; more: whole header lines or NULL.
const char *make_response(const struct sent *to, int status, const char *to_tag, const char *more);

// `text` with the first `from` replaced by `to`; aborts when it is not there.
const char *replaced(const char *text, const char *from, const char *to);

// Value of the k-th header line of that name (full form), or NULL; start_line for the first.
const char *header(const struct sent *s, const char *name, unsigned k);
unsigned header_count(const struct sent *s, const char *name);
const char *start_line(const struct sent *s);
const char *body(const struct sent *s);
const char *branch_of(const struct sent *s); // of the topmost Via
const char *tag_of(const char *value);       // of a From or To value, or NULL

// Formatted text that lives as long as those of make_request.
const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Put a Via of ours, rightly signed for what is below it, on top of a response: as if its
// request had passed here. out: room for len + 256. Returns: its length, or 0 when the
// response has no start line or no Via that can be read.
size_t sign_response(struct harness *h, const char *data, size_t len, char *out);
