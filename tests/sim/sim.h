// A whole engine and its neighbours in one process, on a simulated clock, from a seed.
//
//     caller.c --\                     /-- callee.c     SIP clients and servers
//                 net.c --- node.c ---                  loss, order, delay; the engine's stages
//     model.c ----/            \------- zone.c          what must happen; DNS and its troubles
//                               \------ proxy.c         a proxy whose next hop is us again
//
// Everything happens as an event at (time, sequence), everything random comes from one seed, so
// that a run repeats to the octet. Only node.c knows the engine; the neighbours and the model
// see datagrams. The model judges each step: which datagram went in, which came out.
//
// Threads: one. Lifetime: a `struct sim` for each scenario.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "sim/text.h"

#define MS        1000ull
#define SECOND    1000000ull
#define T1_MS     500
#define T2_MS     4000
#define PARK_MS   3000 // how long the engine lets a request wait for a name
#define LINGER_MS 8000 // how long an address that left the carrier's name stays its source

#define BOX_ADDR   "10.0.1.5:5080"
#define PROXY_ADDR "10.0.2.9:5060"

#define HOSTS_MAX        16
#define PACKET_MAX       4096
#define VIOLATIONS_SHOWN 5

struct sim;

typedef void (*sim_event)(struct sim *s, void *who, uint64_t n);

struct scenario {
    const char *name;
    uint32_t calls; // of a full run
    uint32_t rate;  // calls a second
    double loss, duplicates;
    uint32_t delay_ms; // at most, each way: what arrives may be out of order
    uint32_t ttl_s;    // of the SRV records
    uint32_t workers;  // 0: 1
    bool naptr;        // the zone has NAPTR records
    bool edits;        // of the zone, every few seconds
    bool deaths;       // targets fall silent, some known to be without adjacency
    bool dns_trouble;  // DNS servers silent, refusing, slow
    bool dead_start;   // DNS says nothing for the first seconds
    bool reloads;      // of the policy, its trunks and listeners in another order
    bool restarts;     // of the engine, its memory lost
    bool rotates;      // of the sign key, by a restart, seldomer than the longest call
    bool twin;         // a second engine of the same keys must do the same
    bool noise;        // forged, foreign and malformed datagrams between
    bool covers;       // rare meetings must have taken place in a full run
    bool shares;       // the zone is stable: chi-square over its weights
};

struct host { // a target of the carrier
    char name[32];
    struct sim_addr addr;
    bool silent;
    bool fqdn; // a proxy that record-routes by a name for all of them
};

// One datagram on its way.
struct packet {
    struct sim_addr src, dst;
    uint32_t len;
    char text[];
};

struct call;
struct node;
struct model;
struct zones;

struct sim {
    const struct scenario *sc;
    uint64_t seed, random, now_us, sequence;
    uint64_t started_us, last_call_us;
    struct sim_queue {
        struct sim_item *item;
        size_t n, room;
    } queue;
    struct host hosts[HOSTS_MAX];
    uint32_t n_hosts;
    struct host box; // the PBX that calls from the carrier go to
    struct call *calls;
    uint32_t n_calls, n_started, n_reaped;
    struct node *node, *twin;
    struct zones *zones;
    struct model *model;
    bool trace;
    int64_t only;        // the call that is traced, whole datagrams; -1: all calls, a line each
    int64_t first_wrong; // the call of the first violation that names one; -1: none
    uint32_t violations;
    // What came of it all.
    uint64_t sent, lost, delivered, completed, failed, excused;
};

// ---- sim.c: clock and chance ----------------------------------------------------------------

void sim_at(struct sim *s, uint64_t at_us, sim_event fn, void *who, uint64_t n);
void sim_after(struct sim *s, uint64_t us, sim_event fn, void *who, uint64_t n);
uint32_t sim_below(struct sim *s, uint32_t n); // 0 .. n-1
bool sim_chance(struct sim *s, double p);
__attribute__((format(printf, 2, 3))) void sim_trace(struct sim *s, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void sim_violation(struct sim *s, const char *fmt, ...);
bool sim_over(const struct sim *s); // all calls have ended

// ---- net.c ------------------------------------------------------------------------------------

// Send over the network: lost, doubled, delayed as the scenario says.
void net_send(struct sim *s, const struct sim_addr *src, const struct sim_addr *dst,
              const char *text, uint32_t len);
struct host *host_at(struct sim *s, const struct sim_addr *a);
struct host *host_named(struct sim *s, const char *name);

// ---- zone.c: the zone, its history, its servers -------------------------------------------------

#define ZONE_RECORDS 48

struct zone_record {
    char name[48], type[8], data[80];
    uint32_t ttl_s;
};

// A version of the zone; never changed once it is served.
struct zone {
    struct zone_record record[ZONE_RECORDS];
    uint32_t n;
    char text[ZONE_RECORDS * 144];
};

enum dns_state { DNS_WELL, DNS_SILENT, DNS_REFUSING, DNS_SLOW };

struct zones *zones_new(struct sim *s);
void zones_free(struct zones *z);
const struct zone *zone_now(const struct zones *z);
enum dns_state dns_state(const struct zones *z);
uint64_t dns_ill_until_us(const struct zones *z); // 0: has been well all the time
void zone_edit(struct sim *s);                    // something at random

// ---- node.c: the engine under test --------------------------------------------------------------

struct node *node_new(struct sim *s, bool is_twin);
void node_free(struct node *n);
void node_receive(struct sim *s, struct node *n, const struct packet *p);
void node_adjacency(struct sim *s, struct node *n, const struct sim_addr *ip, bool usable);
void node_reload(struct sim *s, struct node *n);
void node_restart(struct sim *s, struct node *n);
void node_rotate(struct sim *s, struct node *n); // a new sign key, and a restart
bool node_listens(const struct sim_addr *a);     // an address that neighbours send to
bool node_is_named(const struct sim_addr *a);    // one that means it in a URI
uint64_t node_count(const struct node *n, const char *what);

// ---- model.c: what must happen
// --------------------------------------------------------------------

struct step_out {
    struct sim_addr src, dst;
    const char *text;
    uint32_t len;
};

// What the engine did with one datagram.
struct step {
    struct sim_addr src, dst;
    const char *text;
    uint32_t len;
    const char *origin;  // "wire", "parked" or "expired"
    const char *verdict; // "forward", "answer", "absorb", "park", "drop"
    const char *reason;  // of a drop
    uint32_t worker, n_out;
    struct step_out out[2];
};

enum { MODEL_GOOD, MODEL_NONE, MODEL_FAILED }; // records, none of them, no answer

struct model *model_new(struct sim *s);
void model_free(struct model *m);
void model_step(struct sim *s, const struct step *step);
void model_told(struct sim *s, const char *name, const char *type, int how,
                const struct zone *zone);
void model_adjacency(struct sim *s, const struct sim_addr *ip, bool usable);
void model_restarted(struct sim *s, bool rotated);
void model_gone(struct sim *s, const char *name); // unused for long, no longer followed
void model_end(struct sim *s);

// ---- The neighbours
// ---------------------------------------------------------------------------------

void caller_start(struct sim *s, uint32_t n);
void caller_receive(struct sim *s, struct call *c, const struct packet *p, const struct text *t);
void callee_receive(struct sim *s, struct host *h, const struct packet *p);
void proxy_receive(struct sim *s, const struct packet *p);
void noise_start(struct sim *s);
