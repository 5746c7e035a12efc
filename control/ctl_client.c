#include "control/ctl_client.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_WAIT_S 5

struct tnd_ctl_client {
    FILE *stream;
    const char *path;
};

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

struct tnd_ctl_client *tnd_ctl_client_open(const char *path, struct tnd_error *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = ANSWER_WAIT_S};
    struct tnd_ctl_client *c = calloc(1, sizeof *c);
    int fd = c ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= (int)sizeof a.sun_path)
        tnd_fail(err, TND_EINVAL, "%.60s..: the path is too long for a socket", path);
    else if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
             setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
             connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        tnd_fail(err, TND_ENOENT, "%s: %s", path, advice(errno));
    else if ((c->stream = fdopen(fd, "r+"))) {
        c->path = path;
        return c;
    }
    if (fd >= 0)
        close(fd);
    free(c);
    return NULL;
}

void tnd_ctl_client_close(struct tnd_ctl_client *c)
{
    if (!c)
        return;
    fclose(c->stream);
    free(c);
}

static json_t *read_answer(struct tnd_ctl_client *c, struct tnd_error *err)
{
    char *line = NULL;
    size_t room = 0;
    json_error_t why;
    json_t *answer;
    ssize_t n = getline(&line, &room, c->stream);

    if (n <= 0) {
        bool late = ferror(c->stream) && errno == EAGAIN;
        free(line);
        if (late)
            tnd_fail(err, TND_ETIMEDOUT,
                     "%s: the engine did not answer within %d s; if it hangs, end it and start it "
                     "again",
                     c->path, ANSWER_WAIT_S);
        else
            tnd_fail(err, TND_EIO,
                     "%s: the engine closed the connection: it ended, or has clients enough; try "
                     "again",
                     c->path);
        return NULL;
    }
    answer = json_loadb(line, (size_t)n, 0, &why);
    free(line);
    if (!answer)
        tnd_fail(err, TND_EIO, "%s: not an engine's answer: %s", c->path, why.text);
    return answer;
}

json_t *tnd_ctl_client_ask(struct tnd_ctl_client *c, const char *command, const char *topic,
                           struct tnd_error *err)
{
    json_t *answer;
    const char *no;

    signal(SIGPIPE, SIG_IGN); // an engine that ends is told of, not died of
    if (topic)
        fprintf(c->stream, "{\"command\":\"%s\",\"topic\":\"%s\"}\n", command, topic);
    else
        fprintf(c->stream, "{\"command\":\"%s\"}\n", command);
    fflush(c->stream);
    answer = read_answer(c, err);
    no = json_string_value(json_object_get(answer, "error"));
    if (!no)
        return answer;
    tnd_fail(err, TND_EINVAL, "%s", no);
    json_decref(answer);
    return NULL;
}
