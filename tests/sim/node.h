// The engine under test, for the two files that know it: node.c its stages, names.c its names.
#pragma once

#include <sys/queue.h>

#include "control/sources.h"
#include "dns/follow.h"
#include "proxy/engine.h"
#include "sim/sim.h"

#define NODE_WORKERS 4
#define NODE_QUEUE   256
#define NODE_LOG     65536
#define NODE_NAMES   16
#define NODE_RECORDS 32

enum { N_LISTENERS = 3, N_POLICY_TRUNKS = 8 };

struct node_policy {
    struct tnd_policy policy;
    struct tnd_listener listeners[N_LISTENERS];
    struct tnd_trunk trunks[N_POLICY_TRUNKS];
    struct tnd_route_rule rules[16];
    const char *names[1];
};

// What DNS said of a name, kept for the next change of an adjacency.
struct node_name {
    char name[TND_NAME_MAX];
    struct tnd_name_digest digest;
    struct tnd_spec_record record[NODE_RECORDS];
    struct tnd_spec_address address[NODE_RECORDS][4];
    char host[NODE_RECORDS][64];
    uint32_t n;
};

struct node {
    bool is_twin;
    uint32_t n_workers, incarnation, generation;
    uint64_t random; // its own, so that a twin changes nothing for the world
    struct tnd_keys keys;
    void *qsbr;
    struct tnd_table *table;
    struct tnd_engine *engine[NODE_WORKERS];
    struct node_policy policies[2];
    unsigned turn; // of its listeners and trunks
    struct tnd_sources *sources;
    const struct tnd_policy *_Atomic current;
    // Datagrams that wait for the next poll.
    struct packet *queued[NODE_QUEUE];
    uint64_t numbers[NODE_QUEUE], received;
    uint32_t n_queued;
    bool polls;
    // Names.
    struct tnd_follow *follow;
    LIST_HEAD(node_questions, question) asked; // on their way, or their answers
    struct node_name names[NODE_NAMES];
    uint32_t n_names;
    uint64_t wakes_us;
    struct sim_addr down[HOSTS_MAX];
    uint32_t n_down;
    // Side by side.
    struct node_log {
        uint64_t number, digest;
        bool comparable;
    } log[NODE_LOG];
    uint64_t compared;
};

struct tnd_addr engine_addr(const struct sim_addr *a);
struct sim_addr plain_addr(const struct tnd_addr *a);

void node_rebuild(struct node *n); // the policy, the same but for its `resolved` sources
void node_names_start(struct sim *s, struct node *n);
void node_names_stop(struct node *n);
void node_names_end(struct node *n);                // questions still on their way go with it
void node_names_run(struct sim *s, struct node *n); // questions, results, the next waking
void node_names_wanted(struct sim *s, struct node *n, struct tnd_engine *e);
void node_compare(struct sim *s, struct node *n, uint64_t number, const struct step *step);
