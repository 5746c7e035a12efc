// Asking DNS servers one question at a time, many at once: c-ares as transport on libuv.
//
// c-ares keeps one UDP port per (channel, server), one ID over its retries, and forgets a dead
// server after each query. So here every try is a query of its own with a random ID and random
// letter case (draft-vixie-dnsext-dns0x20), sent over a channel that is one of a few per server
// and lives for a few dozen queries, hence changing source ports. A server that does not answer
// is left alone for a while and then tried with a single question. An answer that does not
// repeat our letter case is not believed: the question goes to the same server over TCP.
// Truncated answers are fetched over TCP by c-ares.
//
// A try that meets SERVFAIL, REFUSED, FORMERR, NOTIMP or an unreachable server goes on to the
// next server at once; silence goes on after the timeout. What is reported is the last failure
// that a server spoke of, or TIMEOUT.
//
// Threads:  the loop's. Lifetime: until tnd_asker_close; the loop has to run on once after.
// Cost:     about 10 us a question, beside the network.
#pragma once

#include <uv.h>

#include "dns/walk.h"
#include "util/addr.h"
#include "util/err.h"

#define TND_ASKER_SERVERS_MAX 8

struct tnd_asker_options {
    struct tnd_addr servers[TND_ASKER_SERVERS_MAX]; // port 0 means 53
    unsigned n_servers;
    uint32_t timeout_ms; // of one try
    uint32_t tries;
};

struct tnd_asker;

// answer: the receiver's to free; NULL: memory is short, or the asker is closing.
typedef void (*tnd_asker_cb)(void *user, struct tnd_dns_answer *answer, uint32_t took_us);

// Returns: NULL with `err` filled.
struct tnd_asker *tnd_asker_new(uv_loop_t *loop, const struct tnd_asker_options *options,
                                struct tnd_error *err);

// Ask. The callback may come before this returns (a name that cannot be asked for).
void tnd_asker_ask(struct tnd_asker *a, const char *name, uint16_t type, tnd_asker_cb cb,
                   void *user);

// What is under way is answered with NULL at once, and nothing after. Frees itself once the
// loop has closed its handles.
void tnd_asker_close(struct tnd_asker *a);

// The servers of /etc/resolv.conf, 127.0.0.1 when it names none. Returns: how many.
unsigned tnd_asker_system_servers(struct tnd_addr servers[TND_ASKER_SERVERS_MAX]);
