#include "bench/load/load.h"

#include <stdlib.h>
#include <time.h>

#define OUT_MAX  (2 * LOAD_BURST) // messages of a turn: an ACK and a BYE for each answer
#define LATE_NS  1000000u
#define WAIT_NS  5000000u
#define SLEEP_NS 20000u // what is not worth a system call

enum state { FREE, SENT, INVITED, ENDING };

struct session {
    uint64_t from_ns; // when it was due
    uint8_t state;
};

struct load {
    struct load_config cfg;
    struct load_wire *wire;
    struct load_totals totals;
    uint64_t oldest, next; // numbers
    uint64_t start_ns, now_ns, last_ns;
    uint32_t mask, under_way;
    uint32_t n_out;
    struct tnd_str out[OUT_MAX];
    char text[OUT_MAX][LOAD_TEXT_MAX];
    struct tnd_sip_msg msg;
    struct session sessions[];
};

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct load *load_new(const struct load_config *cfg, struct load_wire *wire)
{
    uint32_t slots = 1024;

    while (slots < cfg->window)
        slots *= 2;
    struct load *l = calloc(1, sizeof *l + slots * sizeof l->sessions[0]);
    if (!l)
        return NULL;
    l->cfg = *cfg;
    l->wire = wire;
    l->mask = slots - 1;
    l->start_ns = clock_ns();
    return l;
}

void load_free(struct load *l)
{
    free(l);
}

const struct load_totals *load_totals(const struct load *l)
{
    return &l->totals;
}

uint32_t load_under_way(const struct load *l)
{
    return l->under_way;
}

static struct session *session_of(struct load *l, uint64_t number)
{
    return &l->sessions[number & l->mask];
}

// ---- Out ------------------------------------------------------------------------------

static void flush(struct load *l)
{
    // What a full ring refuses is lost like what a wire loses, and counted when its time is over.
    for (uint32_t i = 0; i < l->n_out; i += LOAD_BURST)
        load_wire_send(l->wire, l->out + i, l->n_out - i < LOAD_BURST ? l->n_out - i : LOAD_BURST);
    l->n_out = 0;
}

// Room for a text. The caller puts it in l->out when it has its length.
static char *room(struct load *l)
{
    if (l->n_out == OUT_MAX)
        flush(l);
    return l->text[l->n_out];
}

static void put(struct load *l, uint32_t len)
{
    if (len > 0) {
        l->out[l->n_out] = (struct tnd_str){l->text[l->n_out], len};
        l->n_out++;
    }
}

static uint32_t write_request(struct load *l, uint64_t number)
{
    if (l->cfg.n_replay > 0)
        return load_with_our_via(&l->cfg.messages, l->cfg.replay[number % l->cfg.n_replay], number,
                                 room(l), LOAD_TEXT_MAX);
    return load_template_write(&l->cfg.messages, number, room(l));
}

static void begin_one(struct load *l, uint64_t due_ns)
{
    uint64_t number = l->next++;

    *session_of(l, number) = (struct session){due_ns, l->cfg.calls ? INVITED : SENT};
    l->under_way++;
    l->totals.sent++;
    l->totals.calls += l->cfg.calls;
    l->totals.late += l->now_ns > due_ns + LATE_NS;
    l->last_ns = l->now_ns;
    put(l, write_request(l, number));
}

static uint64_t due_at(const struct load *l, uint64_t number)
{
    return l->cfg.rate > 0 ? l->start_ns + (uint64_t)((double)number * 1e9 / l->cfg.rate)
                           : l->now_ns;
}

static bool may_begin(const struct load *l)
{
    if (l->cfg.count > 0 && l->next >= l->cfg.count)
        return false;
    return l->cfg.seconds <= 0 || (double)(l->now_ns - l->start_ns) < l->cfg.seconds * 1e9;
}

static void begin_due(struct load *l)
{
    for (uint32_t i = 0; i < LOAD_BURST && may_begin(l); i++) {
        uint64_t due = due_at(l, l->next);
        if (due > l->now_ns || l->under_way >= l->cfg.window || l->next - l->oldest > l->mask)
            return;
        begin_one(l, due);
    }
}

// ---- In -------------------------------------------------------------------------------

static void end(struct load *l, struct session *s)
{
    s->state = FREE;
    l->under_way--;
}

static void note_answer(struct load *l, const struct session *s, uint16_t status)
{
    l->totals.answered++;
    l->totals.status[status < LOAD_STATUS_MAX ? status : 0]++;
    tnd_histogram_add(&l->totals.latency, l->now_ns > s->from_ns ? l->now_ns - s->from_ns : 0);
}

// The 2xx of an INVITE: ACK it, and end the call at once.
static void hang_up(struct load *l, struct session *s, uint64_t number)
{
    put(l, load_in_dialog(&l->cfg.messages, &l->msg, LOAD_ACK, number, room(l)));
    put(l, load_in_dialog(&l->cfg.messages, &l->msg, LOAD_BYE, number, room(l)));
    s->state = ENDING;
    s->from_ns = l->now_ns;
    l->totals.sent++;
}

static void take_answer(struct load *l, struct session *s, uint64_t number, enum load_part part)
{
    uint16_t status = l->msg.status;

    if (status < 200) // it will be answered finally
        return;
    if (s->state == SENT && part == LOAD_REQUEST) {
        note_answer(l, s, status);
        end(l, s);
    } else if (s->state == INVITED && part == LOAD_INVITE) {
        note_answer(l, s, status);
        if (status < 300) {
            hang_up(l, s, number);
            return;
        }
        put(l, load_ack_refusal(&l->cfg.messages, &l->msg, number, room(l)));
        end(l, s);
    } else if (s->state == ENDING && part == LOAD_BYE) {
        note_answer(l, s, status);
        l->totals.completed += status < 300;
        end(l, s);
    } else if (s->state == ENDING && part == LOAD_INVITE && status < 300) {
        // RFC 3261 13.2.2.4: a retransmitted 2xx wants its ACK again.
        put(l, load_in_dialog(&l->cfg.messages, &l->msg, LOAD_ACK, number, room(l)));
        l->totals.strays++;
    } else {
        l->totals.strays++;
    }
}

static void take(struct load *l, const struct tnd_datagram *d)
{
    enum load_part part;
    uint64_t number;

    if (tnd_sip_parse(d->data, d->len, &l->msg) != TND_SIP_ERR_NONE ||
        !load_number_of(&l->cfg.messages, &l->msg, &number, &part) || number < l->oldest ||
        number >= l->next || session_of(l, number)->state == FREE) {
        l->totals.strays++;
        return;
    }
    struct session *s = session_of(l, number);
    if (!l->msg.is_request) {
        take_answer(l, s, number, part);
    } else if (s->state == SENT || s->state == INVITED) {
        l->totals.came_back++;
        tnd_histogram_add(&l->totals.latency, l->now_ns > s->from_ns ? l->now_ns - s->from_ns : 0);
        end(l, s);
    }
}

// Requests in the order of their numbers; a call that is being ended waits once more.
static void expire(struct load *l)
{
    uint64_t patience = l->cfg.timeout_ms * 1000000ull;

    for (; l->oldest < l->next; l->oldest++) {
        struct session *s = session_of(l, l->oldest);
        if (s->state == FREE)
            continue;
        if (l->now_ns < s->from_ns + patience)
            return;
        l->totals.lost++;
        end(l, s);
    }
}

static uint64_t spare_ns(const struct load *l)
{
    uint64_t due = may_begin(l) ? due_at(l, l->next) : l->now_ns + WAIT_NS;

    if (l->cfg.rate <= 0 || l->under_way >= l->cfg.window)
        due = l->now_ns + WAIT_NS;
    return due <= l->now_ns ? 0 : due - l->now_ns < WAIT_NS ? due - l->now_ns : WAIT_NS;
}

bool load_turn(struct load *l, bool stop)
{
    struct tnd_datagram d[LOAD_BURST];
    uint64_t before = l->next;

    uint32_t got = load_wire_receive(l->wire, d);
    l->now_ns = clock_ns();
    for (uint32_t i = 0; i < got; i++)
        take(l, &d[i]);
    expire(l);
    if (!stop)
        begin_due(l);
    flush(l);
    l->totals.seconds = (double)(l->last_ns > l->start_ns ? l->last_ns - l->start_ns : 0) / 1e9;
    if ((stop || !may_begin(l)) && l->under_way == 0)
        return false;
    uint64_t spare = got == 0 && l->next == before ? spare_ns(l) : 0;
    load_wire_wait(l->wire, spare > SLEEP_NS ? spare : 0);
    return true;
}
