// Guard sockets: the kernel's end of a listener whose traffic user space carries.
//
// With af_packet the kernel sees every datagram too, and would answer "port unreachable". A
// guard is bound to the service address and drops all that arrives by a filter set before the
// bind; so the port is also reserved. The kernel delivers ICMP errors for what the workers
// sent from that address to the guard's error queue: `report` (a hint: peers rate-limit ICMP
// and anyone on the path can forge it; the quoted payload tells which request it was). And a
// packet whose neighbour is not known yet leaves by tnd_guard_send: the kernel resolves,
// queues, fragments and sends it from the same address and port.
//
// Threads:  the loop's thread only; `report` comes from the loop, never from inside a call.
// Lifetime: from open until the callback of close.
// Cost:     a datagram dropped 5 us of the sender's softirq; a send is one system call; a
//           callback reads at most 64 errors, then lets the loop go on.
#pragma once

#include <uv.h>

#include "util/addr.h"
#include "util/err.h"

struct tnd_guard_report {
    struct tnd_addr target;   // where the datagram was going
    struct tnd_addr offender; // who said so; family 0: this host
    int error;                // ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ..
    uint8_t icmp_type, icmp_code;
    bool local;          // found out here (no route, neighbour failed), not by ICMP
    uint32_t mtu;        // with EMSGSIZE: what fits
    const char *payload; // the start of the datagram's payload, as far as it was quoted
    size_t len;
};

struct tnd_guard_ops {
    void (*report)(void *ctx, const struct tnd_guard_report *r);
};

struct tnd_guard;

// local: UDP address with its port; it need not be on the host yet. dscp: 0 to 63.
// Returns: 0, or -enum tnd_err with `err` filled (TND_EBUSY: the port is taken).
int tnd_guard_open(uv_loop_t *loop, const struct tnd_addr *local, uint8_t dscp,
                   const struct tnd_guard_ops *ops, void *ctx, struct tnd_guard **out,
                   struct tnd_error *err);

// Send through the kernel from the guard's address. Never blocks.
// Returns: 0, or -errno (-EAGAIN: the socket's buffer is full).
int tnd_guard_send(struct tnd_guard *g, const void *payload, size_t len,
                   const struct tnd_addr *dst);

const struct tnd_addr *tnd_guard_local(const struct tnd_guard *g);

// No report comes after this; `closed` (may be NULL) comes when all is freed.
void tnd_guard_close(struct tnd_guard *g, void (*closed)(void *ctx), void *ctx);
