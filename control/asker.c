#include "control/asker.h"

#include <ares.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/turn.h"

#define CHANNELS        4u  // of each server, at a time
#define CHANNEL_QUERIES 32u // then it is replaced: a new source port
#define TICK_MS         20u // c-ares' timeouts are looked at this often
#define STEPS_A_CHANNEL 32u // up to as many questions are asked again
#define EDNS_SIZE       1232
#define SILENCES_TO_DIE 2u
#define DEAD_MIN_MS     1000u
#define DEAD_MAX_MS     30000u
#define RECEIVE_BUFFER  (1 << 20)

struct channel {
    struct tnd_asker *asker;
    ares_channel ares;
    struct channel *next;  // of the asker's list
    struct watch *watches; // its sockets
    unsigned used, under_way;
    uint32_t round; // of the timeouts looked at last
    bool retired;
};

struct watch {
    uv_poll_t poll;
    struct watch *next;
    struct channel *channel;
    struct tnd_asker *asker;
    ares_socket_t fd;
};

struct server {
    struct tnd_addr addr;
    unsigned silences;       // in a row
    uint64_t leave_until_ms; // not asked before, while others are there
    struct channel *udp[CHANNELS];
    struct channel *tcp;
};

struct query {
    struct tnd_asker *asker;
    struct query *prev, *next;
    tnd_asker_cb cb;
    void *user;
    uint64_t started_ns;
    char name[TND_DNS_NAME_MAX];
    uint16_t type;
    unsigned tries;
    uint32_t gave_up; // servers that spoke and failed
    uint32_t tried;   // servers asked in this round
    unsigned server;  // being asked
    bool by_tcp;
    uint8_t failure, rcode; // the last that a server spoke of
    struct channel *channel;
    unsigned char *message; // as sent
    int message_len;
};

struct tnd_asker {
    uv_loop_t *loop;
    uv_timer_t tick;
    struct tnd_asker_options o;
    struct server servers[TND_ASKER_SERVERS_MAX];
    struct channel *channels;
    struct query *queries;
    unsigned handles; // open ones of libuv
    uint32_t round;   // of looking at timeouts
    bool ticking;     // it goes on in the loop's next turn
    bool closing;
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void handle_gone(struct tnd_asker *a)
{
    if (--a->handles == 0 && a->closing)
        free(a);
}

// ---- Sockets --------------------------------------------------------------------------------

static void watch_closed(uv_handle_t *h)
{
    struct watch *w = h->data;

    handle_gone(w->asker);
    free(w);
}

static void on_socket(uv_poll_t *p, int status, int events)
{
    struct watch *w = p->data;
    ares_socket_t fd = w->fd; // the watch may be gone after the call
    bool readable = status < 0 || (events & UV_READABLE),
         writable = status < 0 || (events & UV_WRITABLE);

    struct tnd_turn turn = tnd_turn_begin(p->loop, "DNS answers");

    if (w->channel)
        ares_process_fd(w->channel->ares, readable ? fd : ARES_SOCKET_BAD,
                        writable ? fd : ARES_SOCKET_BAD);
    tnd_turn_end(&turn);
}

static struct watch *watch_new(struct channel *c, ares_socket_t fd)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w || uv_poll_init_socket(c->asker->loop, &w->poll, fd) != 0) {
        free(w); // the query over it ends by its timeout
        return NULL;
    }
    w->poll.data = w;
    w->fd = fd;
    w->channel = c;
    w->asker = c->asker;
    w->asker->handles++;
    w->next = c->watches;
    c->watches = w;
    return w;
}

// c-ares opens, wants and closes sockets.
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = data;
    struct watch **at = &c->watches;

    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    struct watch *w = *at;
    if (readable || writable) {
        if (w || (w = watch_new(c, fd)) != NULL)
            uv_poll_start(&w->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                          on_socket);
    } else if (w) {
        *at = w->next;
        w->channel = NULL;
        uv_poll_stop(&w->poll);
        uv_close((uv_handle_t *)&w->poll, watch_closed);
    }
}

// ---- Channels -------------------------------------------------------------------------------

// The text that c-ares reads a server from.
static void server_text(const struct tnd_addr *addr, char out[TND_ADDR_TEXT_MAX])
{
    struct tnd_addr a = *addr;

    if (a.port == 0)
        a.port = 53;
    tnd_addr_text(&a, out);
}

static struct channel *channel_new(struct tnd_asker *a, const struct server *s, bool tcp)
{
    struct channel *c = calloc(1, sizeof *c);
    struct ares_options o = {
        .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                 (tcp ? ARES_FLAG_USEVC : 0),
        .timeout = (int)a->o.timeout_ms,
        .tries = 1,
        .ednspsz = EDNS_SIZE,
        .socket_receive_buffer_size = RECEIVE_BUFFER,
        .lookups = (char *)(uintptr_t) "b",
        .resolvconf_path = (char *)(uintptr_t) "/dev/null",
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
    };
    char text[TND_ADDR_TEXT_MAX];

    if (!c)
        return NULL;
    c->asker = a;
    if (ares_init_options(&c->ares, &o,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                              ARES_OPT_SOCK_RCVBUF | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF |
                              ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
        free(c);
        return NULL;
    }
    server_text(&s->addr, text);
    if (ares_set_servers_ports_csv(c->ares, text) != ARES_SUCCESS) {
        ares_destroy(c->ares);
        free(c);
        return NULL;
    }
    c->next = a->channels;
    a->channels = c;
    return c;
}

// One of the server's channels, replaced when worn.
static struct channel *channel_of(struct tnd_asker *a, struct server *s, bool tcp)
{
    struct channel **slot = tcp ? &s->tcp : &s->udp[randombytes_uniform(CHANNELS)];

    if (*slot && (*slot)->used >= CHANNEL_QUERIES) {
        (*slot)->retired = true;
        *slot = NULL;
    }
    if (!*slot)
        *slot = channel_new(a, s, tcp);
    return *slot;
}

// Not from inside a callback of the channel.
static void free_retired(struct tnd_asker *a, bool all)
{
    for (struct channel **at = &a->channels; *at;) {
        struct channel *c = *at;
        if (!all && (!c->retired || c->under_way > 0)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        ares_destroy(c->ares);
        free(c);
    }
}

// ---- Servers --------------------------------------------------------------------------------

static void server_spoke(struct server *s)
{
    s->silences = 0;
    s->leave_until_ms = 0;
}

static void server_silent(struct server *s)
{
    uint64_t leave_ms = DEAD_MIN_MS;

    if (++s->silences < SILENCES_TO_DIE)
        return;
    for (unsigned i = SILENCES_TO_DIE; i < s->silences && leave_ms < DEAD_MAX_MS; i++)
        leave_ms *= 2;
    s->leave_until_ms = now_ms() + (leave_ms < DEAD_MAX_MS ? leave_ms : DEAD_MAX_MS);
}

// The next server for a query: in the order of the configuration, the dead last, each once a
// round. Returns: false when all have spoken and failed.
static bool choose_server(struct tnd_asker *a, struct query *q)
{
    uint64_t now = now_ms(), best_ms = UINT64_MAX;
    unsigned n = a->o.n_servers, best = n;

    if ((q->gave_up & ((1u << n) - 1)) == (1u << n) - 1)
        return false;
    if (((q->tried | q->gave_up) & ((1u << n) - 1)) == (1u << n) - 1)
        q->tried = 0;
    for (unsigned i = 0; i < n; i++) {
        struct server *s = &a->servers[i];
        uint64_t from_ms = s->leave_until_ms > now ? s->leave_until_ms : 0;
        if (!((q->tried | q->gave_up) >> i & 1) && from_ms < best_ms) {
            best_ms = from_ms;
            best = i;
        }
    }
    q->server = best;
    q->tried |= 1u << best;
    struct server *s = &a->servers[best];
    if (s->silences >= SILENCES_TO_DIE && n > 1) // one question finds out; the others stay away
        s->leave_until_ms = now + a->o.timeout_ms;
    return true;
}

// ---- Queries --------------------------------------------------------------------------------

static void try_next(struct query *q);

static void query_free(struct query *q)
{
    if (q->prev)
        q->prev->next = q->next;
    else
        q->asker->queries = q->next;
    if (q->next)
        q->next->prev = q->prev;
    ares_free_string(q->message);
    free(q);
}

static void finish(struct query *q, struct tnd_dns_answer *answer)
{
    tnd_asker_cb cb = q->cb;
    void *user = q->user;
    uint32_t took_us = (uint32_t)((uv_hrtime() - q->started_ns) / 1000);

    query_free(q);
    cb(user, answer, took_us);
}

static void fail(struct query *q)
{
    uint8_t o = q->failure ? q->failure : TND_DNS_TIMEOUT;
    struct tnd_dns_answer *answer = tnd_dns_no_answer((enum tnd_dns_outcome)o, q->type);

    if (answer)
        answer->rcode = q->rcode;
    finish(q, answer);
}

// A server spoke, though to no use: not asked again for this query.
static void give_up_server(struct query *q, enum tnd_dns_outcome o, uint8_t rcode)
{
    q->failure = (uint8_t)o;
    q->rcode = rcode;
    q->gave_up |= 1u << q->server;
    q->by_tcp = false;
    try_next(q);
}

static void on_message(struct query *q, const uint8_t *msg, int len)
{
    struct server *s = &q->asker->servers[q->server];

    server_spoke(s);
    // An error may come without its question; anything else has to repeat ours.
    if (!q->by_tcp && len >= 12 && (msg[5] != 0 || (msg[3] & 0x0f) == 0) &&
        !tnd_dns_same_question(q->message, (size_t)q->message_len, msg, (size_t)len)) {
        q->failure = TND_DNS_MISMATCH;
        q->by_tcp = true;
        try_next(q);
        return;
    }
    struct tnd_dns_answer *answer = tnd_dns_walk(msg, (size_t)len, q->name, q->type);
    if (!answer || tnd_dns_is_answer((enum tnd_dns_outcome)answer->outcome) ||
        answer->outcome == TND_DNS_LOOP || answer->outcome == TND_DNS_BAD_NAME) {
        finish(q, answer);
        return;
    }
    enum tnd_dns_outcome o = (enum tnd_dns_outcome)answer->outcome;
    uint8_t rcode = answer->rcode;
    free(answer);
    give_up_server(q, o, rcode);
}

static void on_ares(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    struct query *q = arg;

    (void)timeouts;
    q->channel->under_way--;
    if (q->asker->closing) {
        finish(q, NULL);
        return;
    }
    if (msg && len > 0) {
        on_message(q, msg, len);
    } else if (status == ARES_ETIMEOUT) {
        server_silent(&q->asker->servers[q->server]);
        q->by_tcp = false;
        try_next(q);
    } else if (q->by_tcp) { // no TCP there: what it said over UDP stands
        give_up_server(q, TND_DNS_MISMATCH, 0);
    } else {
        server_silent(&q->asker->servers[q->server]);
        give_up_server(q, TND_DNS_UNREACHABLE, 0);
    }
}

// The question in random letter case and with a random ID. From the third try on without EDNS:
// the silence may be that of a box which drops what it does not know.
static bool make_message(struct query *q)
{
    char name[TND_DNS_NAME_MAX];
    uint8_t bits[TND_DNS_NAME_MAX];
    size_t len = strlen(q->name);

    randombytes_buf(bits, len);
    for (size_t i = 0; i <= len; i++) {
        char c = q->name[i];
        name[i] = c >= 'a' && c <= 'z' && (bits[i] & 1) ? (char)(c - 'a' + 'A') : c;
    }
    ares_free_string(q->message);
    q->message = NULL;
    return ares_create_query(name, 1 /* IN */, q->type, (unsigned short)randombytes_uniform(65536),
                             1, &q->message, &q->message_len,
                             q->tries < 3 ? EDNS_SIZE : 0) == ARES_SUCCESS;
}

static void try_next(struct query *q)
{
    struct tnd_asker *a = q->asker;
    unsigned most = a->o.tries > a->o.n_servers ? a->o.tries : a->o.n_servers;

    if (q->tries++ >= most + q->by_tcp || (!q->by_tcp && !choose_server(a, q))) {
        fail(q);
        return;
    }
    q->channel = channel_of(a, &a->servers[q->server], q->by_tcp);
    if (!q->channel || !make_message(q)) {
        finish(q, q->channel ? tnd_dns_no_answer(TND_DNS_BAD_NAME, q->type) : NULL);
        return;
    }
    q->channel->used++;
    q->channel->under_way++;
    ares_send(q->channel->ares, q->message, q->message_len, on_ares, q);
}

void tnd_asker_ask(struct tnd_asker *a, const char *name, uint16_t type, tnd_asker_cb cb,
                   void *user)
{
    char checked[TND_DNS_NAME_MAX];
    struct query *q;

    if (!tnd_dns_name(name, strlen(name), checked)) {
        cb(user, tnd_dns_no_answer(TND_DNS_BAD_NAME, type), 0);
        return;
    }
    q = calloc(1, sizeof *q);
    if (!q) {
        cb(user, NULL, 0);
        return;
    }
    memcpy(q->name, checked, sizeof checked);
    q->asker = a;
    q->type = type;
    q->cb = cb;
    q->user = user;
    q->started_ns = uv_hrtime();
    q->next = a->queries;
    if (q->next)
        q->next->prev = q;
    a->queries = q;
    if (!uv_is_active((uv_handle_t *)&a->tick))
        uv_timer_again(&a->tick);
    try_next(q);
}

// ---- Life -----------------------------------------------------------------------------------

static void on_tick(uv_timer_t *t)
{
    struct tnd_asker *a = t->data;
    struct tnd_turn turn = tnd_turn_begin(t->loop, "DNS timeouts");
    struct channel *c;

    if (!a->ticking)
        a->round++;
    // A server that falls silent has all its questions time out at once: channel by channel.
    for (c = a->channels; c; c = c->next) {
        if (c->under_way == 0 || c->round == a->round)
            continue;
        if (!tnd_turn_take(&turn, STEPS_A_CHANNEL))
            break;
        c->round = a->round;
        ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    a->ticking = c != NULL;
    free_retired(a, false);
    if (a->ticking)
        uv_timer_start(t, on_tick, 0, TICK_MS); // the rest in the loop's next round
    else if (!a->queries)
        uv_timer_stop(t);
    tnd_turn_end(&turn);
}

struct tnd_asker *tnd_asker_new(uv_loop_t *loop, const struct tnd_asker_options *options,
                                struct tnd_error *err)
{
    struct tnd_asker *a;

    if (options->n_servers == 0 || options->n_servers > TND_ASKER_SERVERS_MAX) {
        tnd_fail(err, TND_EINVAL, "dns: servers: %u are named; name 1 to %u", options->n_servers,
                 TND_ASKER_SERVERS_MAX);
        return NULL;
    }
    a = sodium_init() < 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS
            ? NULL
            : calloc(1, sizeof *a);
    if (!a) {
        tnd_fail(err, TND_ENOMEM, "dns: no memory or no random numbers; free some memory");
        return NULL;
    }
    a->loop = loop;
    a->o = *options;
    for (unsigned i = 0; i < options->n_servers; i++)
        a->servers[i].addr = options->servers[i];
    uv_timer_init(loop, &a->tick);
    a->tick.data = a;
    a->handles = 1;
    uv_timer_start(&a->tick, on_tick, TICK_MS, TICK_MS);
    uv_timer_stop(&a->tick);
    return a;
}

static void tick_closed(uv_handle_t *h)
{
    handle_gone(h->data);
}

void tnd_asker_close(struct tnd_asker *a)
{
    if (!a)
        return;
    a->closing = true;
    free_retired(a, true);
    while (a->queries) // a try that could not be sent waits in no channel
        finish(a->queries, NULL);
    uv_close((uv_handle_t *)&a->tick, tick_closed);
    ares_library_cleanup();
}

unsigned tnd_asker_system_servers(struct tnd_addr servers[TND_ASKER_SERVERS_MAX])
{
    FILE *f = fopen("/etc/resolv.conf", "re");
    char line[512], text[256];
    unsigned n = 0;

    while (f && n < TND_ASKER_SERVERS_MAX && fgets(line, sizeof line, f)) {
        if (sscanf(line, " nameserver %255s", text) == 1 &&
            tnd_addr_parse_ip(tnd_str_of(text), &servers[n]))
            n++;
    }
    if (f)
        fclose(f);
    if (n == 0) {
        tnd_addr_parse_ip(TND_STR("127.0.0.1"), &servers[0]);
        n = 1;
    }
    return n;
}
