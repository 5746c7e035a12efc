// The control socket: one JSON object a line in, one a line out.
//
// {"command": "show", "topic": "targets"} -> {"targets": [...]}, or {"error": "..."}. The
// object is made by the handler; nothing here knows what it says. Bounded: 16 clients, 4 KB
// a request, one answer at a time per client.
//
// Threads:  the loop's. Lifetime: until tnd_ctl_server_close, which removes the socket and
//           the folder when it was made here.
#pragma once

#include <jansson.h>
#include <uv.h>

#include "util/err.h"

struct tnd_ctl_server;

// request: borrowed. Returns: a new reference; never NULL.
typedef json_t *(*tnd_ctl_handler_cb)(void *ctx, const json_t *request);

// A socket that nobody answers on is taken over; one that is answered is an error.
int tnd_ctl_server_open(uv_loop_t *loop, const char *path, tnd_ctl_handler_cb handler, void *ctx,
                        struct tnd_ctl_server **out, struct tnd_error *err);
void tnd_ctl_server_close(struct tnd_ctl_server *s);

// The socket's file and the folder, gone; a signal handler may call it.
void tnd_ctl_server_remove_file(struct tnd_ctl_server *s);
