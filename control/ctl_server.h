// The control socket: one JSON object a line in, one a line out.
//
// {"command": "show", "topic": "targets"} -> {"targets": [...]}, or {"error": "..."}. The
// object is made by the handler; nothing here knows what it says. Bounded: 16 clients, 4 KB
// a request, one answer at a time per client. A long answer is made in turns of the loop, each
// part when the one before has gone out: a client that reads slowly costs one part of memory.
//
// Threads:  the loop's. Lifetime: until tnd_ctl_server_close, which removes the socket and
//           the folder when it was made here.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "control/turn.h"
#include "util/err.h"

struct tnd_ctl_server;

// A part of an answer's text.
struct tnd_ctl_part {
    char *text;
    size_t len, room;
    bool failed; // memory was short
};

void tnd_ctl_part_text(struct tnd_ctl_part *p, const char *text, size_t len);
void tnd_ctl_part_json(struct tnd_ctl_part *p, json_t *value); // takes the reference

// An answer in parts.
struct tnd_ctl_stream {
    // Append the next part, while the turn has steps. Returns: whether there is more.
    bool (*next)(void *ctx, struct tnd_turn *turn, struct tnd_ctl_part *part);
    void (*end)(void *ctx); // always called, also when the client went away
    void *ctx;
};

// request: borrowed. Returns: a new reference, or NULL with *stream filled.
typedef json_t *(*tnd_ctl_handler_cb)(void *ctx, const json_t *request,
                                      struct tnd_ctl_stream *stream);

// A socket that nobody answers on is taken over; one that is answered is an error.
int tnd_ctl_server_open(uv_loop_t *loop, const char *path, tnd_ctl_handler_cb handler, void *ctx,
                        struct tnd_ctl_server **out, struct tnd_error *err);
void tnd_ctl_server_close(struct tnd_ctl_server *s);

// The socket's file and the folder, gone; a signal handler may call it.
void tnd_ctl_server_remove_file(struct tnd_ctl_server *s);
