// The seam to other SIP stacks: a stack is a file that includes its headers and nothing of ours
// but this, since some of their names are ours too.
//
// Threads: one owner.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_str {
    const char *p;
    size_t len;
};

// What routing needs of a request. Texts lie in the message or in what the stack made of it.
struct bench_fields {
    struct bench_str method, user, host, branch, from_tag, call_id;
    struct bench_str sent_by; // of the topmost Via: its host, what follows that does not matter
    struct bench_str contact; // ours: its URI; a stack's: the host of that
    struct bench_str call_id_host; // where a stack splits it at '@': what follows; call_id: before
    uint32_t cseq, max_forwards;
};

struct bench_peer {
    const char *name; // of the result
    void *(*open)(void);
    // Returns: false when the stack refuses the message; then nothing is to be done.
    bool (*parse)(void *state, const char *data, size_t len, struct bench_fields *out);
    void (*done)(void *state); // free what parse made
    void (*close)(void *state);
};

extern const struct bench_peer bench_peer_sofia, bench_peer_osip, bench_peer_re;
