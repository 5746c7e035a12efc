// GNU oSIP (Debian: libosip2-dev): its parser library alone.
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <osipparser2/osip_parser.h>

#include "bench/peers.h"

struct osip_state {
    osip_message_t *msg;
};

static void *osip_open(void)
{
    static struct osip_state state;

    return parser_init() == 0 ? &state : NULL;
}

static void osip_close(void *state)
{
}

static struct bench_str str(const char *s)
{
    return (struct bench_str){s, s ? strlen(s) : 0};
}

static void osip_done(void *state)
{
    struct osip_state *s = state;

    osip_message_free(s->msg);
    s->msg = NULL;
}

static bool read_fields(const osip_message_t *m, struct bench_fields *out)
{
    char branch_name[] = "branch", tag_name[] = "tag"; // not const in its interface
    osip_generic_param_t *tag = NULL, *branch = NULL;
    osip_header_t *forwards = NULL;
    osip_contact_t *contact = NULL;
    osip_via_t *via = osip_list_get(&m->vias, 0);

    if (!m->sip_method || !m->req_uri || !via || !m->from || !m->call_id || !m->cseq)
        return false;
    osip_uri_param_get_byname(&via->via_params, branch_name, &branch);
    osip_uri_param_get_byname(&m->from->gen_params, tag_name, &tag);
    osip_message_header_get_byname(m, "max-forwards", 0, &forwards);
    osip_message_get_contact(m, 0, &contact);
    if (!branch || !tag || !forwards || !contact || !contact->url)
        return false;
    *out = (struct bench_fields){.method = str(m->sip_method),
                                 .user = str(m->req_uri->username),
                                 .host = str(m->req_uri->host),
                                 .sent_by = str(via->host),
                                 .contact = str(contact->url->host),
                                 .branch = str(branch->gvalue),
                                 .from_tag = str(tag->gvalue),
                                 .call_id = str(m->call_id->number),
                                 .call_id_host = str(m->call_id->host),
                                 .cseq = (uint32_t)strtoul(m->cseq->number, NULL, 10),
                                 .max_forwards = (uint32_t)strtoul(forwards->hvalue, NULL, 10)};
    return true;
}

static bool osip_parse(void *state, const char *data, size_t len, struct bench_fields *out)
{
    struct osip_state *s = state;

    if (osip_message_init(&s->msg) != 0)
        return false;
    if (osip_message_parse(s->msg, data, len) == 0 && read_fields(s->msg, out))
        return true;
    osip_done(s);
    return false;
}

const struct bench_peer bench_peer_osip = {
    "peer.osip.parse.invite", osip_open, osip_parse, osip_done, osip_close,
};
