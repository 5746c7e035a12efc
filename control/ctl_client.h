// The other end of the control socket: one question, one answer, blocking.
//
// An engine that does not answer is waited for: `waiting` is told every second, and after five
// without a sign of life it is an error.
//
// Threads: any one at a time.
#pragma once

#include <jansson.h>

#include "util/err.h"

struct tnd_ctl_client;

// seconds: how long already.
typedef void (*tnd_ctl_waiting_cb)(unsigned seconds);

// waiting: NULL for a line on stderr.
struct tnd_ctl_client *tnd_ctl_client_open(const char *path, tnd_ctl_waiting_cb waiting,
                                           struct tnd_error *err);
void tnd_ctl_client_close(struct tnd_ctl_client *c);

// Ask {"command": command, "topic": topic} (topic may be NULL).
// Returns: a new reference to the answer; NULL with err filled, also when the engine says no.
json_t *tnd_ctl_client_ask(struct tnd_ctl_client *c, const char *command, const char *topic,
                           struct tnd_error *err);
