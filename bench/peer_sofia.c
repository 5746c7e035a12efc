// sofia-sip (Debian: libsofia-sip-ua-dev): a message object of its own for each datagram.
#include <string.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su.h>

#include "bench/peers.h"

struct sofia {
    msg_t *msg;
};

static void *sofia_open(void)
{
    static struct sofia state;

    return su_init() == 0 ? &state : NULL;
}

static void sofia_close(void *state)
{
    su_deinit();
}

static struct bench_str str(const char *s)
{
    return (struct bench_str){s, s ? strlen(s) : 0};
}

static void sofia_done(void *state)
{
    struct sofia *s = state;

    msg_destroy(s->msg);
    s->msg = NULL;
}

static bool sofia_parse(void *state, const char *data, size_t len, struct bench_fields *out)
{
    struct sofia *s = state;
    const sip_t *sip;

    s->msg = msg_make(sip_default_mclass(), 0, data, (ssize_t)len);
    sip = s->msg ? sip_object(s->msg) : NULL;
    if (!sip || !sip->sip_request || !sip->sip_via || !sip->sip_from || !sip->sip_call_id ||
        !sip->sip_cseq || !sip->sip_max_forwards || !sip->sip_contact || sip->sip_error ||
        sip_sanity_check(sip) < 0) {
        if (s->msg)
            sofia_done(s);
        return false;
    }
    *out = (struct bench_fields){.method = str(sip->sip_request->rq_method_name),
                                 .user = str(sip->sip_request->rq_url->url_user),
                                 .host = str(sip->sip_request->rq_url->url_host),
                                 .sent_by = str(sip->sip_via->v_host),
                                 .contact = str(sip->sip_contact->m_url->url_host),
                                 .branch = str(sip->sip_via->v_branch),
                                 .from_tag = str(sip->sip_from->a_tag),
                                 .call_id = str(sip->sip_call_id->i_id),
                                 .cseq = sip->sip_cseq->cs_seq,
                                 .max_forwards = (uint32_t)sip->sip_max_forwards->mf_count};
    return true;
}

const struct bench_peer bench_peer_sofia = {
    "peer.sofia.parse.invite", sofia_open, sofia_parse, sofia_done, sofia_close,
};
