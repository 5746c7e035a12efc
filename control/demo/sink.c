#include "control/demo/sink.h"

#include <stdio.h>
#include <string.h>

#include "sip/msg.h"

void tnd_sink_init(struct tnd_sink *s, const struct tnd_rig *rig, uint64_t seed,
                   const struct tnd_addr targets[], unsigned n)
{
    memset(s, 0, sizeof *s);
    s->rig = rig;
    tnd_source_init(&s->again, seed);
    s->again.names = rig->names;
    s->n_targets = n < TND_SINK_TARGETS_MAX ? n : TND_SINK_TARGETS_MAX;
    memcpy(s->targets, targets, s->n_targets * sizeof *targets);
}

void tnd_sink_reset(struct tnd_sink *s)
{
    memset(s->got, 0, sizeof s->got);
}

void tnd_sink_expect(struct tnd_sink *s, uint64_t number)
{
    s->expected[number % TND_SINK_WINDOW] = number + 1;
}

static bool was_expected(struct tnd_sink *s, uint64_t number)
{
    uint64_t *slot = &s->expected[number % TND_SINK_WINDOW];

    if (*slot != number + 1)
        return false;
    *slot = 0;
    return true;
}

static unsigned target_of(const struct tnd_sink *s, const struct tnd_addr *a)
{
    for (unsigned i = 0; i < s->n_targets; i++)
        if (tnd_addr_same_ip(&s->targets[i], a) && s->targets[i].port == a->port)
            return i;
    return s->n_targets;
}

// ---- One message in full --------------------------------------------------------------

static bool text_is(const struct tnd_sip_msg *m, struct tnd_span s, const char *want)
{
    return tnd_str_eq(tnd_text(m, s), tnd_str_of(want));
}

static bool header_holds(const struct tnd_sip_msg *m, const struct tnd_sip_hdr *h, const char *want)
{
    return memmem(m->data + h->value, h->value_len, want, strlen(want)) != NULL;
}

static const char *fault_in_via(const struct tnd_sip_msg *m, struct tnd_str original)
{
    const struct tnd_sip_hdr *top = &m->hdr[m->first[TND_HDR_VIA]];
    struct tnd_sip_msg before;

    if (!text_is(m, m->via.host, "192.0.2.1") || m->via.sent_by.port != 5060)
        return "the topmost Via is not ours";
    if (m->via.branch.len < 20 || memcmp(m->data + m->via.branch.off, "z9hG4bK", 7) != 0)
        return "the topmost Via has no branch of ours";
    if (top->next == TND_SIP_NO_HDR)
        return "the PBX's Via is missing";
    char branch[64];
    tnd_sip_parse(original.p, original.len, &before);
    snprintf(branch, sizeof branch, "%.*s", (int)before.via.branch.len,
             before.data + before.via.branch.off);
    if (!header_holds(m, &m->hdr[top->next], branch))
        return "the second Via is not the PBX's";
    if (!header_holds(m, &m->hdr[top->next], "rport=5060"))
        return "the PBX's Via asks for rport and has none";
    return NULL;
}

static const char *fault_in(const struct tnd_sink *s, const struct tnd_sip_msg *m,
                            struct tnd_str original)
{
    uint32_t tail = tnd_source_tail();
    const char *fault = fault_in_via(m, original);
    char uri[64];

    if (fault)
        return fault;
    // "INVITE sip:+49" and ten digits lead the original too.
    if (s->rig->names) // the host is the next hop's name, and stays
        snprintf(uri, sizeof uri, "%.*s", 17 + 1 + TND_RIG_HOST_LEN, original.p + 7);
    else
        snprintf(uri, sizeof uri, "%.17s@" TND_RIG_DOMAIN, original.p + 7);
    if (m->method != TND_METHOD_INVITE || !text_is(m, m->ruri_text, uri))
        return "the Request-URI is not the carrier's";
    if (m->max_forwards != 69)
        return "Max-Forwards is not one lower";
    if (m->first[TND_HDR_RECORD_ROUTE] == TND_SIP_NO_HDR ||
        !header_holds(m, &m->hdr[m->first[TND_HDR_RECORD_ROUTE]], "@" TND_RIG_LISTENER ";lr"))
        return "our Record-Route is missing";
    if (m->len < tail ||
        memcmp(m->data + m->len - tail, original.p + original.len - tail, tail) != 0)
        return "headers or body are not as they were sent";
    return NULL;
}

static void check(struct tnd_sink *s, const struct tnd_datagram *d, uint64_t number)
{
    struct tnd_str original = {tnd_source_write(&s->again, 0, number, s->attempt), TND_SOURCE_LEN};
    struct tnd_sip_msg m;
    const char *fault;

    s->checked++;
    if (tnd_sip_parse(d->data, d->len, &m) != TND_SIP_ERR_NONE)
        fault = tnd_sip_error_text(m.error);
    else
        fault = fault_in(s, &m, original);
    if (fault && s->wrong++ == 0)
        snprintf(s->fault, sizeof s->fault, "call %llu: %s", (unsigned long long)number, fault);
}

// ---- Taking ---------------------------------------------------------------------------

// An answer of the engine's own: its Call-ID is at no fixed place.
static void take_answer(struct tnd_sink *s, const struct tnd_datagram *d)
{
    struct tnd_sip_msg m;
    uint64_t number = 0;
    const char *body;

    // The Call-ID once more, with as much behind it as the source's messages have.
    char text[TND_SOURCE_LEN + 1] = {0};
    if (tnd_sip_parse(d->data, d->len, &m) != TND_SIP_ERR_NONE || m.is_request) {
        s->unknown++;
        return;
    }
    body = tnd_source_write(&s->again, 0, 0, 0);
    memcpy(text, body, TND_SOURCE_LEN);
    char *id = strstr(text, "Call-ID: ");
    if (id && m.call_id.len >= 16)
        memcpy(id + 9, m.data + m.call_id.off, 16);
    if (tnd_source_number(&s->again, (struct tnd_str){text, TND_SOURCE_LEN}, &number) &&
        was_expected(s, number))
        s->answered++;
    else
        s->unknown++;
}

bool tnd_sink_take(struct tnd_sink *s, const struct tnd_datagram *d)
{
    unsigned target = target_of(s, &d->dst);
    uint64_t number;

    if (target == s->n_targets && tnd_addr_same_ip(&d->dst, &s->rig->pbx)) {
        take_answer(s, d);
        return false;
    }
    if (target == s->n_targets ||
        !tnd_source_number(&s->again, (struct tnd_str){d->data, d->len}, &number) ||
        !was_expected(s, number)) {
        s->unknown++;
        return false;
    }
    s->delivered++;
    s->got[target]++;
    s->dead += !s->live[target];
    if (s->delivered % TND_SINK_CHECK_EACH == 1)
        check(s, d, number);
    s->last_number = number;
    s->last_target = target;
    return true;
}
