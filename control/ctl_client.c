#include "control/ctl_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_WAIT_S 5

struct tnd_ctl_client {
    int fd;
    const char *path;
    tnd_ctl_waiting_cb waiting;
    char *buf; // what has come and is not asked for yet
    size_t len, room;
};

static void say_waiting(unsigned seconds)
{
    fprintf(stderr, "tandem ctl: waiting for the engine's answer, %u s\n", seconds);
}

static const char *advice(int why)
{
    switch (why) {
    case ENOENT:
    case ECONNREFUSED:
        return "no engine runs with this socket; start one with `tandem run FILE`, or name its "
               "socket with -s";
    case EAGAIN: // its queue of connections is full
        return "the engine does not take the connection; it hangs: end it and start it again";
    case EACCES:
        return "you may not open it; run this as the engine's user or group";
    default:
        return strerror(why);
    }
}

// Every operation on the socket gives up after a second: then it is time to say so, or to end.
// Returns: whether to try again.
static bool be_patient(struct tnd_ctl_client *c, unsigned *seconds)
{
    if ((errno != EAGAIN && errno != EINTR) || *seconds == ANSWER_WAIT_S)
        return false;
    if (errno == EINTR)
        return true;
    if (++*seconds < ANSWER_WAIT_S)
        c->waiting(*seconds);
    errno = EAGAIN;
    return *seconds < ANSWER_WAIT_S;
}

static bool connect_patiently(struct tnd_ctl_client *c, const struct sockaddr_un *a)
{
    unsigned seconds = 0;

    while (connect(c->fd, (const struct sockaddr *)a, sizeof *a) < 0)
        if (!be_patient(c, &seconds))
            return false;
    return true;
}

struct tnd_ctl_client *tnd_ctl_client_open(const char *path, tnd_ctl_waiting_cb waiting,
                                           struct tnd_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = 1};
    struct tnd_ctl_client *c = calloc(1, sizeof *c);

    if (!c) {
        tnd_fail(err, TND_ENOMEM, "out of memory; free some");
        return NULL;
    }
    c->path = path;
    c->waiting = waiting ? waiting : say_waiting;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= (int)sizeof a.sun_path)
        tnd_fail(err, TND_EINVAL, "%.60s..: the path is too long for a socket", path);
    else if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
             setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
             !connect_patiently(c, &a))
        tnd_fail(err, TND_ENOENT, "%s: %s", path, advice(errno));
    else
        return c;
    tnd_ctl_client_close(c);
    return NULL;
}

void tnd_ctl_client_close(struct tnd_ctl_client *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    free(c->buf);
    free(c);
}

static bool send_all(struct tnd_ctl_client *c, const char *p, size_t len)
{
    unsigned seconds = 0;

    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL); // an engine that ends is told of
        if (n < 0 && !be_patient(c, &seconds))
            return false;
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool make_room(struct tnd_ctl_client *c)
{
    size_t room = c->room ? c->room * 2 : 65536;
    char *buf = c->len < c->room ? c->buf : realloc(c->buf, room);

    if (!buf)
        return false;
    c->room = c->len < c->room ? c->room : room;
    c->buf = buf;
    return true;
}

// Returns: the length of the line at the beginning of the buffer; 0: see errno, which is 0 at
// the end of the connection.
static size_t read_line(struct tnd_ctl_client *c)
{
    unsigned seconds = 0;
    size_t looked = 0;

    for (;;) {
        const char *end = c->len > looked ? memchr(c->buf + looked, '\n', c->len - looked) : NULL;
        if (end)
            return (size_t)(end - c->buf) + 1;
        looked = c->len;
        if (!make_room(c)) {
            errno = ENOMEM;
            return 0;
        }
        ssize_t n = recv(c->fd, c->buf + c->len, c->room - c->len, 0);
        if (n == 0)
            errno = 0;
        if (n == 0 || (n < 0 && !be_patient(c, &seconds)))
            return 0;
        if (n > 0) {
            c->len += (size_t)n;
            seconds = 0; // it lives
        }
    }
}

static json_t *fail_to_answer(const struct tnd_ctl_client *c, struct tnd_error *err)
{
    if (errno == EAGAIN)
        tnd_fail(
            err, TND_ETIMEDOUT,
            "%s: the engine did not answer within %d s; if it hangs, end it and start it again",
            c->path, ANSWER_WAIT_S);
    else if (errno == ENOMEM)
        tnd_fail(err, TND_ENOMEM, "%s: no memory for the answer; free some", c->path);
    else
        tnd_fail(err, TND_EIO,
                 "%s: the engine closed the connection: it ended, or has clients enough; try again",
                 c->path);
    return NULL;
}

static json_t *read_answer(struct tnd_ctl_client *c, struct tnd_error *err)
{
    size_t n = read_line(c);
    json_error_t why;

    if (n == 0)
        return fail_to_answer(c, err);
    json_t *answer = json_loadb(c->buf, n, 0, &why);
    c->len -= n;
    memmove(c->buf, c->buf + n, c->len);
    if (!answer)
        tnd_fail(err, TND_EIO, "%s: not an engine's answer: %s", c->path, why.text);
    return answer;
}

json_t *tnd_ctl_client_ask(struct tnd_ctl_client *c, const char *command, const char *topic,
                           struct tnd_error *err)
{
    char line[128];
    json_t *answer;
    const char *no;
    int n = topic ? snprintf(line, sizeof line, "{\"command\":\"%s\",\"topic\":\"%s\"}\n", command,
                             topic)
                  : snprintf(line, sizeof line, "{\"command\":\"%s\"}\n", command);

    if (!send_all(c, line, (size_t)n))
        return fail_to_answer(c, err);
    answer = read_answer(c, err);
    no = json_string_value(json_object_get(answer, "error"));
    if (!no)
        return answer;
    tnd_fail(err, TND_EINVAL, "%s", no);
    json_decref(answer);
    return NULL;
}
