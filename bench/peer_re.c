// libre (Debian: libre-dev): decodes in place, from a counted buffer that is filled by one copy.
#define HAVE_INTTYPES_H // what its headers ask of a build that uses them
#define HAVE_STDBOOL_H
#include <re/re.h>

#include "bench/peers.h"

#define ROOM 2048

struct re_state {
    struct mbuf *buffer;
    struct sip_msg *msg;
};

static void *re_open(void)
{
    static struct re_state state;

    state.buffer = mbuf_alloc(ROOM);
    return state.buffer ? &state : NULL;
}

static void re_close(void *state)
{
    struct re_state *s = state;

    s->buffer = mem_deref(s->buffer);
}

static struct bench_str str(struct pl s)
{
    return (struct bench_str){s.p, s.l};
}

static void re_done(void *state)
{
    struct re_state *s = state;

    s->msg = mem_deref(s->msg);
}

static bool re_parse(void *state, const char *data, size_t len, struct bench_fields *out)
{
    struct re_state *s = state;
    const struct sip_hdr *contact;
    struct sip_addr at; // it leaves Contact to who wants it

    mbuf_rewind(s->buffer);
    if (mbuf_write_mem(s->buffer, (const uint8_t *)data, len) != 0)
        return false;
    mbuf_set_pos(s->buffer, 0);
    if (sip_msg_decode(&s->msg, s->buffer) != 0)
        return false;
    contact = sip_msg_hdr(s->msg, SIP_HDR_CONTACT);
    if (!contact || sip_addr_decode(&at, &contact->val) != 0) {
        re_done(s);
        return false;
    }
    *out = (struct bench_fields){.method = str(s->msg->met),
                                 .user = str(s->msg->uri.user),
                                 .host = str(s->msg->uri.host),
                                 .sent_by = str(s->msg->via.sentby),
                                 .contact = str(at.uri.host),
                                 .branch = str(s->msg->via.branch),
                                 .from_tag = str(s->msg->from.tag),
                                 .call_id = str(s->msg->callid),
                                 .cseq = s->msg->cseq.num,
                                 .max_forwards = pl_u32(&s->msg->maxfwd)};
    return true;
}

const struct bench_peer bench_peer_re = {
    "peer.re.parse.invite", re_open, re_parse, re_done, re_close,
};
