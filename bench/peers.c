// Other SIP stacks over the same messages, by their public interfaces.
//
// Each message is parsed, the fields that routing needs are read (method, the Request-URI's user
// and host, the topmost Via's host and branch, From tag, Contact, Call-ID, CSeq, Max-Forwards), and
// what was made is freed: an object of its own for each message, as a stack that handles them
// side by side needs it. At the start every stack's fields are compared with ours over all
// messages, so that nobody is timed for less work. What each does beyond that, by its own
// documentation and source:
//
//   sofia  copies the message, parses every header that it knows into structures, URIs and
//          parameters with them; makes one object per message. Asked besides, as its own
//          transaction layer does, whether what a message must have is there.
//   osip   copies every header and each of its parts into a block of its own, and the body.
//   re     decodes the start line, the topmost Via, From, To and CSeq, and Contact as it is asked
//          for it; makes a hash table of all headers, one object each. It keeps the buffer, which
//          is filled by one copy.
//
// Ours reads every header line and validates those that it routes by, and copies nothing. All
// allocate from jemalloc, the process's, which is faster for them than the C library's.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/messages.h"
#include "bench/peers.h"
#include "sip/msg.h"

#define ROUNDS (bench_quick ? 1 : 4)

static struct bench_str text(const char *p, size_t len)
{
    return (struct bench_str){p, len};
}

static struct bench_str of(const struct tnd_sip_msg *m, struct tnd_span s)
{
    return text(m->data + s.off, s.len);
}

static bool ours(const char *data, size_t len, struct bench_fields *f)
{
    struct tnd_sip_msg m;

    if (tnd_sip_parse(data, len, &m) != TND_SIP_ERR_NONE)
        return false;
    *f = (struct bench_fields){.method = of(&m, m.method_text),
                               .user = of(&m, m.ruri.user),
                               .host = of(&m, m.ruri.host),
                               .sent_by = of(&m, m.via.host),
                               .contact = of(&m, m.contact_uri),
                               .branch = of(&m, m.via.branch),
                               .from_tag = of(&m, m.from_tag),
                               .call_id = of(&m, m.call_id),
                               .cseq = m.cseq,
                               .max_forwards = m.max_forwards};
    return true;
}

static bool same_text(struct bench_str a, struct bench_str b)
{
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static bool same_id(struct bench_str whole, const struct bench_fields *f)
{
    struct bench_str id = f->call_id, host = f->call_id_host;

    if (!host.p)
        return same_text(whole, id);
    return whole.len == id.len + 1 + host.len && memcmp(whole.p, id.p, id.len) == 0 &&
           whole.p[id.len] == '@' && memcmp(whole.p + id.len + 1, host.p, host.len) == 0;
}

static bool begins(struct bench_str with, struct bench_str whole)
{
    return with.len > 0 && with.len <= whole.len && memcmp(with.p, whole.p, with.len) == 0;
}

static bool holds(struct bench_str whole, struct bench_str part)
{
    return part.len > 0 && memmem(whole.p, whole.len, part.p, part.len) != NULL;
}

// a: ours.
static bool same(const struct bench_fields *a, const struct bench_fields *b)
{
    return same_text(a->method, b->method) && same_text(a->user, b->user) &&
           same_text(a->host, b->host) && begins(a->sent_by, b->sent_by) &&
           holds(a->contact, b->contact) && same_text(a->branch, b->branch) &&
           same_text(a->from_tag, b->from_tag) && same_id(a->call_id, b) && a->cseq == b->cseq &&
           a->max_forwards == b->max_forwards;
}

struct peer {
    const struct bench_peer *is;
    struct bench_messages *messages;
    void *state;
};

static void close_peer(void *state)
{
    struct peer *p = state;

    if (p->state)
        p->is->close(p->state);
    free(p->messages);
    free(p);
}

static bool agrees(struct peer *p)
{
    struct bench_fields want, got;

    for (uint32_t i = 0; i < BENCH_MESSAGES; i++) {
        const char *data = p->messages->text[i];
        bool read = ours(data, BENCH_MESSAGE_LEN, &want) &&
                    p->is->parse(p->state, data, BENCH_MESSAGE_LEN, &got);
        bool agree = read && same(&want, &got);
        if (read)
            p->is->done(p->state);
        if (!agree) {
            fprintf(stderr, "bench: %s: message %u: other fields than ours\n", p->is->name, i);
            return false;
        }
    }
    return true;
}

// Unused where no peer is installed.
__attribute__((unused)) static void *open_peer(const struct bench_peer *is)
{
    struct peer *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->is = is;
    p->messages = bench_messages_new();
    p->state = is->open();
    if (p->messages && p->state && agrees(p))
        return p;
    close_peer(p);
    return NULL;
}

__attribute__((unused)) static void peer_once(void *state)
{
    struct peer *p = state;
    struct bench_fields f;
    double start = bench_cpu_ns();

    for (int r = 0; r < ROUNDS; r++)
        for (uint32_t i = 0; i < BENCH_MESSAGES; i++) {
            p->is->parse(p->state, p->messages->text[i], BENCH_MESSAGE_LEN, &f);
            bench_use(f.call_id.len + f.cseq);
            p->is->done(p->state);
        }
    bench_record(p->is->name, "ns", (bench_cpu_ns() - start) / ((double)ROUNDS * BENCH_MESSAGES));
}

#ifdef BENCH_SOFIA
static void *open_sofia(void)
{
    return open_peer(&bench_peer_sofia);
}
#endif

#ifdef BENCH_OSIP
static void *open_osip(void)
{
    return open_peer(&bench_peer_osip);
}
#endif

#ifdef BENCH_RE
static void *open_re(void)
{
    return open_peer(&bench_peer_re);
}
#endif

const struct bench bench_peers[] = {
#ifdef BENCH_SOFIA
    {"peer.sofia.parse.invite", open_sofia, peer_once, close_peer},
#endif
#ifdef BENCH_OSIP
    {"peer.osip.parse.invite", open_osip, peer_once, close_peer},
#endif
#ifdef BENCH_RE
    {"peer.re.parse.invite", open_re, peer_once, close_peer},
#endif
    {0},
};
