// The data plane: ports, workers and their stages. All that control sees of it.
//
// Life:  tnd_dataplane_new     DPDK's environment, ports, buffers; nothing runs yet
//        tnd_table_new         with tnd_dataplane_qsbr
//        tnd_dataplane_start   engines and workers
//        ... publish, poll ...
//        tnd_dataplane_stop    workers end; then the table may be freed
//        tnd_dataplane_free    and tnd_dataplane_cleanup when the process ends
//
// What workers read is published here by one pointer each (policy, adjacency) or is the table,
// whose writer control is; the old version is freed after a grace period, by polling.
// Workers tell control by bounded queues: names wanted, packets for the kernel to send. One
// eventfd says that there is something in them.
//
// Threads:  every function is control's (one thread), but tnd_dataplane_run, which is the
//           worker's part when workers have no threads of their own.
// Lifetime: DPDK's environment starts once a process; its size is that of the first
//           tnd_dataplane_new.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/adjacency.h"
#include "proxy/engine.h"
#include "util/err.h"

struct tnd_dataplane;

// One of `device`, `vdev`, or neither: a port inside the process, see tnd_dataplane_offer.
struct tnd_interface_config {
    const char *name;   // in the configuration, for messages
    const char *device; // a kernel interface, by af_packet
    const char *vdev;   // "net_pcap0,rx_pcap=a,tx_pcap=b"
    uint8_t mac[6];     // zero: the port's own
    uint16_t rings;     // queue pairs; 0: one a worker
    // A port inside the process:
    uint32_t waiting; // packets that wait in a ring, a power of two less one; 0: 1023
    bool cold;        // its buffers take turns: the longest unused is the next
};

struct tnd_dataplane_config {
    const struct tnd_interface_config *interfaces; // copied
    uint16_t n_interfaces;
    uint16_t workers; // 1..TND_WORKERS_MAX
    bool busy_poll;
    bool threadless; // workers run inside tnd_dataplane_run, by turns
    // `policy` and `table` are filled in by the data plane; each worker gets its own seed.
    struct tnd_engine_config engine;
};

#define TND_WORKERS_MAX    64
#define TND_INTERFACES_MAX 32

// Returns: NULL and err for a person: no such device, no rights, too few rings, memory.
struct tnd_dataplane *tnd_dataplane_new(const struct tnd_dataplane_config *cfg,
                                        struct tnd_error *err);
// Every interface's MAC as the port has it, and whether its link was up at the start.
void tnd_dataplane_interface(const struct tnd_dataplane *dp, uint16_t i, uint8_t mac[6], bool *up);
// Frames of 32 KB that each of an interface's packet rings holds, and how many it was meant to:
// fewer when the process may lock no more memory. Both 0 where there are none.
void tnd_dataplane_rings(const struct tnd_dataplane *dp, uint16_t i, uint32_t *frames,
                         uint32_t *wanted);
struct rte_rcu_qsbr *tnd_dataplane_qsbr(struct tnd_dataplane *dp); // every worker is a reader
// Requires: a policy was published. Returns: 0 or -TND_ENOMEM.
int tnd_dataplane_start(struct tnd_dataplane *dp, const struct tnd_table *table,
                        struct tnd_error *err);
void tnd_dataplane_stop(struct tnd_dataplane *dp);
void tnd_dataplane_free(struct tnd_dataplane *dp); // stops; frees what was published and retired
void tnd_dataplane_cleanup(void);                  // ends DPDK's environment, leaves no file

// Publish, and free the version before by `free_fn` (which gets its own argument of then).
void tnd_dataplane_publish_policy(struct tnd_dataplane *dp, const struct tnd_policy *policy,
                                  void (*free_fn)(void *));
void tnd_dataplane_publish_adjacency(struct tnd_dataplane *dp, struct tnd_adjacency_table *table);
// Free anything that workers may still read, once they cannot.
void tnd_dataplane_retire(struct tnd_dataplane *dp, void *p, void (*free_fn)(void *));
// Every tick: frees what a grace period has released, passes on what had to wait. Bounded.
void tnd_dataplane_poll(struct tnd_dataplane *dp);
uint32_t tnd_dataplane_retired(const struct tnd_dataplane *dp); // objects that still wait

// A name has been published: release what is parked for it, at every worker.
void tnd_dataplane_wake(struct tnd_dataplane *dp, const struct tnd_name_digest *name);

// Readable when a worker has something for control; tnd_dataplane_hush before taking it all.
int tnd_dataplane_doorbell(const struct tnd_dataplane *dp);
void tnd_dataplane_hush(struct tnd_dataplane *dp);
bool tnd_dataplane_take_want(struct tnd_dataplane *dp, struct tnd_want *out);

// A datagram that only the kernel can send: from the guard socket bound to `src`.
struct tnd_kernel_packet {
    struct tnd_addr src, dst;
    struct tnd_addr next_hop; // NO_NEIGHBOUR: ask for it
    uint16_t interface;       // NO_NEIGHBOUR: on this one
    uint8_t why;              // enum tnd_adjacency_result
    uint32_t len;
    const char *data; // valid until the next call
};
bool tnd_dataplane_take_packet(struct tnd_dataplane *dp, struct tnd_kernel_packet *out);

// Where a worker's cycles go: all of them, so that the stages add up to the time it has run.
// X(name, what it is for)
#define TND_STAGES(X)                                                                 \
    X(rx, "frames from a port")                                                       \
    X(frame, "headers, checksum, reassembly: is it a message for us")                 \
    X(parse, "the message's syntax")                                                  \
    X(digest, "keyed hashes of call and transaction")                                 \
    X(steer, "to and from the worker that owns the call")                             \
    X(route, "source, token, rules: which name, or which answer")                     \
    X(pick, "which target; memory")                                                   \
    X(egress, "interface, next hop, listener")                                        \
    X(sign, "branch and token")                                                       \
    X(rewrite, "the message as it leaves, in a frame")                                \
    X(tx, "frames to a port, counters, buffers given back")                           \
    X(loop, "of loops with work, what is no stage: queues polled, parked, published") \
    X(idle, "loops without work, sleep")

enum tnd_stage {
#define X(name, what) TND_STAGE_##name,
    TND_STAGES(X)
#undef X
        TND_STAGE_COUNT
};
const char *tnd_stage_name(enum tnd_stage s);
const char *tnd_stage_what(enum tnd_stage s);

// W: worker, relaxed; R: control.
struct tnd_io_counters {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t jobs;         // messages that came as far as a verdict here
    uint64_t given, taken; // handed to, taken over from other workers
    uint64_t foreign;      // processed although another worker owns it: always 0
    uint64_t fragments_in, reassembled, fragments_out;
    uint64_t to_kernel, kernel_full; // queued for control to send; no room for it
    uint64_t wants, wants_full;      // names asked for; times the queue was full
    uint64_t linearised;             // came in several segments
    uint64_t vlan;                   // frames of a VLAN: a kernel sub-interface's, none of ours
    uint64_t loops, sleeps;
    uint64_t cycles[TND_STAGE_COUNT];
    uint64_t elapsed; // cycles since its first loop, to the end of its last
};

struct tnd_worker_stats {
    struct tnd_counters engine;
    struct tnd_io_counters io;
    struct tnd_park_stats park;
    uint16_t cpu; // UINT16_MAX: shares one
};

uint16_t tnd_dataplane_workers(const struct tnd_dataplane *dp);
uint64_t tnd_dataplane_hz(const struct tnd_dataplane *dp); // of the cycles
void tnd_dataplane_stats(const struct tnd_dataplane *dp, uint16_t worker,
                         struct tnd_worker_stats *out);
// All workers' counters of one trunk (index of the policy), and of every target, merged by id.
void tnd_dataplane_trunk(const struct tnd_dataplane *dp, uint16_t trunk,
                         struct tnd_trunk_counter *out);
// Returns: how many (at most max), in no particular order.
uint32_t tnd_dataplane_targets(const struct tnd_dataplane *dp, struct tnd_target_counter *out,
                               uint32_t max);

// Threadless: one turn of every worker. Returns: packets and jobs handled; 0 when idle.
uint32_t tnd_dataplane_run(struct tnd_dataplane *dp);
// One turn of one worker. Threads: one at a time a worker; it is that worker's thread meanwhile.
uint32_t tnd_dataplane_run_worker(struct tnd_dataplane *dp, uint16_t worker);

// A port inside the process: the same frames, rings instead of a wire.
struct tnd_datagram {
    struct tnd_addr src, dst;
    const char *data;
    uint32_t len;
};
// Put datagrams on the wire towards the engine, spread over its queues. Returns: how many
// there was room for.
uint32_t tnd_dataplane_offer(struct tnd_dataplane *dp, uint16_t interface,
                             const struct tnd_datagram d[], uint32_t n);
// Take what the engine has sent; valid until the next call. What is no UDP datagram (a
// fragment) is left out.
uint32_t tnd_dataplane_collect(struct tnd_dataplane *dp, uint16_t interface,
                               struct tnd_datagram d[], uint32_t max);
// The same for one queue alone: each datagram is given to `take` and gone when that returns.
// Threads: one a queue, and none in tnd_dataplane_collect meanwhile.
uint32_t tnd_dataplane_drain(struct tnd_dataplane *dp, uint16_t interface, uint16_t queue,
                             void (*take)(void *ctx, const struct tnd_datagram *d), void *ctx);
