// The other end of the control socket: one question, one answer, blocking.
//
// Threads: any one at a time.
#pragma once

#include <jansson.h>

#include "util/err.h"

struct tnd_ctl_client;

struct tnd_ctl_client *tnd_ctl_client_open(const char *path, struct tnd_error *err);
void tnd_ctl_client_close(struct tnd_ctl_client *c);

// Ask {"command": command, "topic": topic} (topic may be NULL).
// Returns: a new reference to the answer; NULL with err filled, also when the engine says no.
json_t *tnd_ctl_client_ask(struct tnd_ctl_client *c, const char *command, const char *topic,
                           struct tnd_error *err);
