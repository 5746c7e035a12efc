// What holds of whatever a whole engine does with a datagram: shared by the targets that run one.
//
// Threads: one.
#pragma once

#include "unit/engine_harness.h"

struct sender {
    const char *src;
    uint16_t listener;
};

extern const struct sender senders[8];

// Abort with `what` unless `fine`.
void must(bool fine, const char *what);

// A harness that lives as long as the process, unseen by the leak checker.
struct harness *make_harness(void);

// One verdict, a drop with its reason, and outputs that are what they must be: a forwarded
// request parses, with the same method, Call-ID, CSeq and body; an answer is one.
void check_reply(const char *data, size_t len, const struct reply *r);
