// Routes, neighbours and guard sockets from the outside: commands on stdin, one line per
// answer or event on stdout. For tests/e2e/test_adjacency.py.
//
//   adjacency_probe [--no-managed] DEVICE..
//   want IP | unwant IP | state IP | lookup IP | poke IP | own IP | counts
//   many PREFIX N          want PREFIX1..N (IPv6), e.g. many 2001:db8:5:: 2000
//   guard IP:PORT DSCP | send IP:PORT LEN | quit
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/adjacency.h"
#include "control/guard.h"

#define DEVICES_MAX 8

static uv_loop_t loop;
static uv_poll_t input;
static struct tnd_adjacencies *adjacencies;
static struct tnd_adjacency_table *current;
static struct tnd_guard *guard;
static unsigned published;

static const char *text_of(const struct tnd_addr *a)
{
    static char texts[4][TND_ADDR_TEXT_MAX];
    static unsigned turn;
    char *t = texts[turn++ % 4];

    tnd_addr_text(a, t);
    return t;
}

static void on_publish(void *ctx, struct tnd_adjacency_table *table)
{
    (void)ctx;
    tnd_adjacency_free(current); // one thread: no reader is inside
    current = table;
    printf("published %u\n", ++published);
}

static void on_changed(void *ctx, const struct tnd_addr *dst, enum tnd_adjacency_state state,
                       enum tnd_adjacency_result why)
{
    (void)ctx;
    printf("changed %s %s %s\n", text_of(dst), tnd_adjacency_state_name(state),
           tnd_adjacency_result_name(why));
}

static void on_complain(void *ctx, const char *text)
{
    (void)ctx;
    printf("complaint %s\n", text);
}

static void on_report(void *ctx, const struct tnd_guard_report *r)
{
    (void)ctx;
    printf("icmp %s error %d type %u code %u from %s len %zu first %c mtu %u\n",
           text_of(&r->target), r->error, r->icmp_type, r->icmp_code, text_of(&r->offender), r->len,
           r->len ? r->payload[0] : '-', r->mtu);
}

static const struct tnd_guard_ops guard_ops = {on_report};

static void print_lookup(const struct tnd_addr *dst)
{
    struct tnd_adjacency w;
    enum tnd_adjacency_result r = tnd_adjacency_find(current, dst, &w);
    const uint8_t *d = w.dst_mac, *s = w.src_mac;

    printf("lookup %s %s if %u dst %02x:%02x:%02x:%02x:%02x:%02x src "
           "%02x:%02x:%02x:%02x:%02x:%02x mtu %u hop %s source %s\n",
           text_of(dst), tnd_adjacency_result_name(r), w.interface, d[0], d[1], d[2], d[3], d[4],
           d[5], s[0], s[1], s[2], s[3], s[4], s[5], w.mtu, text_of(&w.next_hop),
           text_of(&w.source));
}

static void print_counts(void)
{
    struct tnd_adjacency_counts c;

    tnd_adjacency_counts(adjacencies, &c);
    printf("counts routes %u neighbours %u wanted %u hops %u publications %llu lost %llu "
           "managed %d\n",
           c.routes, c.neighbours, c.wanted, c.hops, (unsigned long long)c.publications,
           (unsigned long long)c.lost_events, c.managed);
}

static void want_many(const struct tnd_addr *base, unsigned n)
{
    struct tnd_addr a = *base;
    uint64_t began = uv_hrtime();

    for (unsigned i = 1; i <= n; i++) {
        a.ip[12] = (uint8_t)(i >> 24);
        a.ip[13] = (uint8_t)(i >> 16);
        a.ip[14] = (uint8_t)(i >> 8);
        a.ip[15] = (uint8_t)i;
        tnd_adjacency_want(adjacencies, &a);
    }
    printf("many %u us %llu\n", n, (unsigned long long)(uv_hrtime() - began) / 1000);
}

static void open_guard(const struct tnd_addr *local, unsigned dscp)
{
    struct tnd_error err;

    if (tnd_guard_open(&loop, local, (uint8_t)dscp, &guard_ops, NULL, &guard, &err) < 0)
        printf("guard error %s\n", err.text);
    else
        printf("guard %s\n", text_of(local));
}

static void send_payload(const struct tnd_addr *dst, unsigned len)
{
    static char payload[65536];

    memset(payload, 'G', sizeof payload);
    printf("send %s %d\n", text_of(dst), tnd_guard_send(guard, payload, len % 65536, dst));
}

static void quit(void)
{
    uv_poll_stop(&input);
    uv_close((uv_handle_t *)&input, NULL);
    tnd_adjacency_close(adjacencies, NULL, NULL);
    if (guard)
        tnd_guard_close(guard, NULL, NULL);
}

static void command(const char *line)
{
    char verb[16] = "", where[64] = "";
    unsigned n = 0;
    struct tnd_addr a;

    sscanf(line, "%15s %63s %u", verb, where, &n);
    if (strcmp(verb, "quit") == 0) {
        quit();
    } else if (strcmp(verb, "counts") == 0) {
        print_counts();
    } else if (!tnd_addr_parse(tnd_str_of(where), &a)) {
        printf("error '%s'\n", line);
    } else if (strcmp(verb, "want") == 0) {
        int s = tnd_adjacency_want(adjacencies, &a);
        printf("want %s %s\n", where, tnd_adjacency_state_name((enum tnd_adjacency_state)s));
    } else if (strcmp(verb, "unwant") == 0) {
        tnd_adjacency_unwant(adjacencies, &a);
        printf("unwant %s\n", where);
    } else if (strcmp(verb, "state") == 0) {
        printf("state %s %s\n", where,
               tnd_adjacency_state_name(tnd_adjacency_state(adjacencies, &a)));
    } else if (strcmp(verb, "lookup") == 0) {
        print_lookup(&a);
    } else if (strcmp(verb, "poke") == 0) {
        tnd_adjacency_poke(adjacencies, &a);
        printf("poke %s\n", where);
    } else if (strcmp(verb, "own") == 0) {
        printf("own %s %d\n", where, tnd_adjacency_interface_of(adjacencies, &a));
    } else if (strcmp(verb, "many") == 0) {
        want_many(&a, n);
    } else if (strcmp(verb, "guard") == 0) {
        open_guard(&a, n);
    } else if (strcmp(verb, "send") == 0 && guard) {
        send_payload(&a, n);
    } else {
        printf("error '%s'\n", line);
    }
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    static char buf[4096];
    static size_t have;
    char *end;

    ssize_t n = read(0, buf + have, sizeof buf - 1 - have);
    if (n <= 0) {
        quit();
        return;
    }
    have += (size_t)n;
    buf[have] = 0;
    while ((end = strchr(buf, '\n'))) {
        *end = 0;
        command(buf);
        have -= (size_t)(end + 1 - buf);
        memmove(buf, end + 1, have + 1);
    }
}

int main(int argc, char **argv)
{
    static const struct tnd_adjacency_ops ops = {on_publish, on_changed, on_complain};
    struct tnd_adjacency_port ports[DEVICES_MAX] = {{0}};
    struct tnd_adjacency_config config = {.ports = ports};
    struct tnd_error err;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc && config.n_ports < DEVICES_MAX; i++) {
        if (strcmp(argv[i], "--no-managed") == 0)
            config.never_managed = true;
        else
            ports[config.n_ports++].device = argv[i];
    }
    uv_loop_init(&loop);
    if (tnd_adjacency_open(&loop, &config, &ops, NULL, &adjacencies, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    uv_poll_init(&loop, &input, 0);
    uv_poll_start(&input, UV_READABLE, on_input);
    uv_run(&loop, UV_RUN_DEFAULT);
    tnd_adjacency_free(current);
    printf("bye %d\n", uv_loop_close(&loop));
    return 0;
}
