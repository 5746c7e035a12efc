#include "control/ctl_server.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define REQUEST_MAX 4096

struct client {
    uv_pipe_t pipe; // first: handle and client share their address
    struct tnd_ctl_server *server;
    uv_write_t write;
    struct tnd_ctl_part part;     // going out
    struct tnd_ctl_stream stream; // what follows it; next NULL: nothing
    size_t len;
    char request[REQUEST_MAX];
};

struct tnd_ctl_server {
    uv_pipe_t pipe;
    tnd_ctl_handler_cb handler;
    void *ctx;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    char made_folder[sizeof((struct sockaddr_un *)0)->sun_path]; // empty: it was there
    struct client *clients[CLIENTS_MAX];
};

// ---- Clients ------------------------------------------------------------------------

static void end_stream(struct client *c)
{
    if (c->stream.next)
        c->stream.end(c->stream.ctx);
    c->stream.next = NULL;
}

static void on_client_closed(uv_handle_t *h)
{
    struct client *c = (struct client *)h;

    free(c->part.text);
    free(c);
}

static void close_client(struct client *c)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (c->server->clients[i] == c)
            c->server->clients[i] = NULL;
    end_stream(c);
    if (!uv_is_closing((uv_handle_t *)&c->pipe))
        uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct client *c = (struct client *)h;

    *buf = uv_buf_init(c->request + c->len, (unsigned)(REQUEST_MAX - c->len));
}

void tnd_ctl_part_text(struct tnd_ctl_part *p, const char *text, size_t len)
{
    if (p->room - p->len < len) {
        size_t room = (p->len + len) * 2;
        char *bigger = realloc(p->text, room);
        if (!bigger) {
            p->failed = true;
            return;
        }
        p->text = bigger;
        p->room = room;
    }
    memcpy(p->text + p->len, text, len);
    p->len += len;
}

static int take_dumped(const char *text, size_t len, void *part)
{
    tnd_ctl_part_text(part, text, len);
    return 0;
}

void tnd_ctl_part_json(struct tnd_ctl_part *p, json_t *value)
{
    if (!value || json_dump_callback(value, take_dumped, p,
                                     JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) != 0)
        p->failed = true;
    json_decref(value);
}

static void next_line(struct client *c);
static void next_part(struct client *c);

static void on_written(uv_write_t *w, int status)
{
    struct client *c = w->data;

    if (uv_is_closing((uv_handle_t *)&c->pipe))
        return; // the server may be gone
    if (status < 0)
        close_client(c);
    else if (c->stream.next)
        next_part(c);
    else
        next_line(c);
}

// Reading stops until the answer is out: a client that does not read gets no more work done.
static void send_part(struct client *c)
{
    uv_buf_t buf;

    if (!c->stream.next)
        tnd_ctl_part_text(&c->part, "\n", 1);
    buf = uv_buf_init(c->part.text, (unsigned)c->part.len);
    c->write.data = c;
    uv_read_stop((uv_stream_t *)&c->pipe);
    if (c->part.failed || uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0)
        close_client(c);
}

static void next_part(struct client *c)
{
    struct tnd_turn turn = tnd_turn_begin(c->pipe.loop, "ctl");

    c->part.len = 0;
    if (!c->stream.next(c->stream.ctx, &turn, &c->part))
        end_stream(c);
    send_part(c);
    tnd_turn_end(&turn);
}

static json_t *answer_to(struct client *c, const char *line, size_t len)
{
    json_error_t why;
    json_t *request = json_loadb(line, len, 0, &why), *answer;

    if (!json_is_object(request))
        answer = json_pack("{s:s}", "error", "the request is not a JSON object");
    else
        answer = c->server->handler(c->server->ctx, request, &c->stream);
    json_decref(request);
    return answer;
}

static void handle_line(struct client *c, size_t line_len)
{
    struct tnd_turn turn = tnd_turn_begin(c->pipe.loop, "ctl");
    json_t *answer = answer_to(c, c->request, line_len);

    c->len -= line_len + 1;
    memmove(c->request, c->request + line_len + 1, c->len);
    c->part.len = 0;
    c->part.failed = false;
    if (!c->stream.next) {
        tnd_ctl_part_json(&c->part, answer);
        send_part(c);
    }
    tnd_turn_end(&turn);
    if (c->stream.next)
        next_part(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = (struct client *)stream;

    if (n < 0) {
        close_client(c);
        return;
    }
    c->len += (size_t)n;
    next_line(c);
}

// Requests may come several at once: what is there is handled before more is read.
static void next_line(struct client *c)
{
    const char *end = memchr(c->request, '\n', c->len);

    if (end)
        handle_line(c, (size_t)(end - c->request));
    else if (c->len == REQUEST_MAX)
        close_client(c);
    else
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct tnd_ctl_server *s = (struct tnd_ctl_server *)listener;
    struct client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    int slot = 0;

    if (!c)
        return;
    while (slot < CLIENTS_MAX && s->clients[slot])
        slot++;
    c->server = s;
    uv_pipe_init(listener->loop, &c->pipe, 0);
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 || slot == CLIENTS_MAX) {
        uv_close((uv_handle_t *)&c->pipe, on_client_closed);
        return;
    }
    s->clients[slot] = c;
    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

// ---- The socket ------------------------------------------------------------------------

// Nobody listens there any more. An engine that hangs still does: it refuses nothing, even
// with its queue full (EAGAIN).
static bool is_deserted(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool yes;

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    yes = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return yes;
}

static bool is_socket(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void make_folder(struct tnd_ctl_server *s)
{
    char copy[sizeof s->path];

    memcpy(copy, s->path, sizeof copy);
    const char *folder = dirname(copy);
    if (mkdir(folder, 0755) == 0)
        snprintf(s->made_folder, sizeof s->made_folder, "%s", folder);
}

static int bind_socket(struct tnd_ctl_server *s, struct tnd_error *err)
{
    int rc = uv_pipe_bind(&s->pipe, s->path);

    if (rc == UV_EADDRINUSE && !is_socket(s->path))
        return tnd_fail(err, TND_EBUSY,
                        "control-socket: %s: something else is there, and no socket; move it away, "
                        "or name another path",
                        s->path);
    if (rc == UV_EADDRINUSE && is_deserted(s->path)) {
        unlink(s->path); // left by a process that was killed
        rc = uv_pipe_bind(&s->pipe, s->path);
    }
    if (rc == UV_EADDRINUSE)
        return tnd_fail(err, TND_EBUSY,
                        "control-socket: %s: another instance answers there; "
                        "give this one its own 'control-socket'",
                        s->path);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->pipe, CLIENTS_MAX, on_connection);
    if (rc < 0)
        return tnd_fail(err, TND_EIO, "control-socket: %s: %s; name a path that can be made",
                        s->path, uv_strerror(rc));
    chmod(s->path, 0660);
    return 0;
}

static void on_server_closed(uv_handle_t *h)
{
    free(h);
}

int tnd_ctl_server_open(uv_loop_t *loop, const char *path, tnd_ctl_handler_cb handler, void *ctx,
                        struct tnd_ctl_server **out, struct tnd_error *err)
{
    struct tnd_ctl_server *s = calloc(1, sizeof *s);
    int rc;

    *out = NULL;
    if (!s)
        return tnd_fail(err, TND_ENOMEM, "control-socket: out of memory");
    if (strlen(path) >= sizeof s->path) {
        free(s);
        return tnd_fail(
            err, TND_ECONFIG,
            "control-socket: %.60s..: longer than %zu characters; choose a shorter path", path,
            sizeof s->path - 1);
    }
    strcpy(s->path, path);
    s->handler = handler;
    s->ctx = ctx;
    make_folder(s);
    uv_pipe_init(loop, &s->pipe, 0);
    rc = bind_socket(s, err);
    if (rc == 0) {
        *out = s;
        return 0;
    }
    if (s->made_folder[0])
        rmdir(s->made_folder);
    uv_close((uv_handle_t *)&s->pipe, on_server_closed);
    return rc;
}

void tnd_ctl_server_remove_file(struct tnd_ctl_server *s)
{
    if (s->path[0])
        unlink(s->path);
    if (s->made_folder[0])
        rmdir(s->made_folder);
    s->path[0] = s->made_folder[0] = 0; // the next one there is another's
}

void tnd_ctl_server_close(struct tnd_ctl_server *s)
{
    if (!s)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (s->clients[i])
            close_client(s->clients[i]);
    tnd_ctl_server_remove_file(s);
    uv_close((uv_handle_t *)&s->pipe, on_server_closed);
}
