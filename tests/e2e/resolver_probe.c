// The resolver from the outside: commands on stdin, one line per result on stdout. For
// tests/e2e/test_resolver.py.
//
//   resolver_probe SERVER[,SERVER..]
//   follow NAME (canonical, as sip:x.test|) | unfollow NAME | stats | quit
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/resolver.h"

static struct tnd_resolver *resolver;
static char line[4096];
static size_t line_len;

static void on_news(void *user, const char *name, void *name_user, const struct tnd_located *l)
{
    (void)user;
    (void)name_user;
    printf("%s %s", name, !l ? "gone" : l->error ? tnd_locate_error_code(l->error) : "targets");
    for (uint32_t i = 0; l && i < l->spec.n_records; i++) {
        const struct tnd_spec_record *r = &l->spec.records[i];
        for (uint16_t j = 0; j < r->n_addresses; j++) {
            char addr[TND_ADDR_TEXT_MAX];
            tnd_addr_text(&r->addresses[j].addr, addr);
            printf(" %s/%u", addr, r->weight);
        }
    }
    printf("\n");
    fflush(stdout);
}

static void say_stats(void)
{
    struct tnd_follow_stats s;

    tnd_resolver_stats(resolver, &s);
    printf("stats names=%lu entries=%lu asked=%lu answered=%lu failed=%lu\n",
           (unsigned long)s.names, (unsigned long)s.entries, (unsigned long)s.asked,
           (unsigned long)s.answered, (unsigned long)s.failed);
    fflush(stdout);
}

static void command(uv_stream_t *in, char *text)
{
    static const struct tnd_locate_policy udp = {.n_transports = 1,
                                                 .transports = {TND_TRANSPORT_UDP}};

    if (strncmp(text, "follow ", 7) == 0) {
        if (tnd_resolver_follow(resolver, text + 7, &udp, true, NULL) != 0) {
            printf("%s refused\n", text + 7);
            fflush(stdout);
        }
    } else if (strncmp(text, "unfollow ", 9) == 0) {
        tnd_resolver_unfollow(resolver, text + 9);
    } else if (strcmp(text, "stats") == 0) {
        say_stats();
    } else {
        uv_close((uv_handle_t *)in, NULL);
        tnd_resolver_close(resolver);
    }
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *buf)
{
    (void)h;
    (void)wanted;
    *buf = uv_buf_init(line + line_len, (unsigned)(sizeof line - line_len));
}

static void on_input(uv_stream_t *in, ssize_t n, const uv_buf_t *buf)
{
    char *end;

    (void)buf;
    if (n < 0) {
        command(in, (char[]){"quit"});
        return;
    }
    line_len += (size_t)n;
    while (!uv_is_closing((uv_handle_t *)in) && (end = memchr(line, '\n', line_len)) != NULL) {
        *end = '\0';
        command(in, line);
        line_len -= (size_t)(end + 1 - line);
        memmove(line, end + 1, line_len);
    }
}

int main(int argc, char **argv)
{
    struct tnd_resolver_options o;
    struct tnd_error err;
    uv_loop_t loop = {.data = NULL};
    uv_pipe_t in;

    if (argc != 2)
        return 2;
    tnd_resolver_defaults(&o);
    o.ask.n_servers = 0;
    for (char *s = strtok(argv[1], ","); s; s = strtok(NULL, ","))
        if (!tnd_addr_parse(tnd_str_of(s), &o.ask.servers[o.ask.n_servers++]))
            return 2;
    o.cb = on_news;
    uv_loop_init(&loop);
    resolver = tnd_resolver_new(&loop, &o, &err);
    if (!resolver) {
        fprintf(stderr, "resolver_probe: %s\n", err.text);
        return 1;
    }
    uv_pipe_init(&loop, &in, 0);
    uv_pipe_open(&in, 0);
    uv_read_start((uv_stream_t *)&in, on_alloc, on_input);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 ? 0 : 1; // a handle left open is a fault
}
