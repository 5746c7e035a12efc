// Answers made here (rule 10; RFC 3261 8.2.6, 16.3): stateless, the same for retransmissions.
#include "proxy/engine_internal.h"

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {408, "Request Timeout"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
};

static const char *reason_of(uint16_t status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return status < 300 ? "OK" : status < 400 ? "Redirected" : status < 500 ? "Rejected" : "Failed";
}

void tnd__answer(struct tnd_engine *e, struct tnd_job *job, uint16_t status)
{
    if (job->msg.method == TND_METHOD_ACK) {
        tnd_job_drop(e, job, status == 403 ? TND_DROP_BAD_TOKEN : TND_DROP_ACK_UNROUTED);
        return;
    }
    job->verdict = TND_VERDICT_ANSWER;
    job->answer = status;
    job->n_out = 1;
    job->dst = tnd__response_address(job);
    job->egress = job->listener;
    job->egress_fixed = true;
}

static void ref_span(struct tnd_edit *edit, const struct tnd_sip_msg *m, uint32_t from, uint32_t to)
{
    if (to > from)
        tnd_edit_ref(edit, (struct tnd_str){m->data + from, to - from});
}

// The original's last line may lack its end when the message was malformed.
static void end_line(struct tnd_edit *edit, const struct tnd_sip_msg *m, uint32_t end)
{
    if (end == 0 || m->data[end - 1] != '\n')
        tnd_edit_putz(edit, "\r\n");
}

// The topmost Via with received and rport filled in (RFC 3581 4), the others as they came.
static void put_top_via(struct tnd_edit *edit, const struct tnd_job *job,
                        const struct tnd_sip_hdr *h)
{
    const struct tnd_sip_msg *m = &job->msg;
    const struct tnd_via *via = &m->via;
    uint32_t end = (uint32_t)via->whole.off + via->whole.len;
    uint32_t at = h->line;
    bool rport = via->rport.off != 0;
    struct tnd_span cut[2] = {via->received_param, via->rport_param};
    char text[TND_ADDR_TEXT_MAX];

    if (cut[0].len && cut[1].len && cut[0].off > cut[1].off) {
        cut[0] = via->rport_param;
        cut[1] = via->received_param;
    }
    for (int i = 0; i < 2; i++) {
        if (cut[i].len == 0)
            continue;
        ref_span(edit, m, at, cut[i].off);
        at = (uint32_t)cut[i].off + cut[i].len;
    }
    ref_span(edit, m, at, end);
    if (rport) {
        tnd_edit_putz(edit, ";rport=");
        tnd_edit_put_u32(edit, job->src.port);
    }
    if (rport || !tnd_addr_same_ip(&via->sent_by, &job->src)) {
        tnd_edit_putz(edit, ";received=");
        tnd_edit_put(edit, (struct tnd_str){text, tnd_addr_bare_text(&job->src, text)});
    }
    ref_span(edit, m, end, h->end);
    end_line(edit, m, h->end);
}

static void put_vias(struct tnd_edit *edit, const struct tnd_job *job)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint8_t i = m->first[TND_HDR_VIA];

    if (i != TND_SIP_NO_HDR && m->via.whole.len) {
        put_top_via(edit, job, &m->hdr[i]);
        i = m->hdr[i].next;
    }
    while (i != TND_SIP_NO_HDR) { // neighbouring lines are one piece
        uint32_t from = m->hdr[i].line, to = m->hdr[i].end;
        for (i = m->hdr[i].next; i != TND_SIP_NO_HDR && m->hdr[i].line == to; i = m->hdr[i].next)
            to = m->hdr[i].end;
        ref_span(edit, m, from, to);
        end_line(edit, m, to);
    }
}

static void put_header(struct tnd_edit *edit, const struct tnd_sip_msg *m, enum tnd_hdr id)
{
    uint8_t i = m->first[id];

    if (i == TND_SIP_NO_HDR)
        return;
    ref_span(edit, m, m->hdr[i].line, m->hdr[i].end);
    end_line(edit, m, m->hdr[i].end);
}

// RFC 3261 8.2.6.2: a tag of ours unless the request has one already.
static void put_to(struct tnd_edit *edit, const struct tnd_engine *e, const struct tnd_job *job,
                   uint16_t status)
{
    const struct tnd_sip_msg *m = &job->msg;
    uint8_t i = m->first[TND_HDR_TO];

    if (i == TND_SIP_NO_HDR || m->to_tag.len || status == 100) {
        put_header(edit, m, TND_HDR_TO);
        return;
    }
    uint32_t end = (uint32_t)m->hdr[i].value + m->hdr[i].value_len;
    while (end > m->hdr[i].value && m->data[end - 1] == ';')
        end--; // a sender's empty parameter is not made one inside the list
    ref_span(edit, m, m->hdr[i].line, end);
    tnd_edit_putz(edit, ";tag=");
    tnd_edit_put_hex(edit, tnd__own_tag(e->cfg.keys, job), 16);
    tnd_edit_putz(edit, "\r\n");
}

// RFC 3261 16.3 step 5: the option tags that were required and are not understood.
static void put_unsupported(struct tnd_edit *edit, const struct tnd_sip_msg *m)
{
    for (uint8_t i = m->first[TND_HDR_PROXY_REQUIRE]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        tnd_edit_ref(edit, TND_STR("Unsupported: "));
        ref_span(edit, m, m->hdr[i].value, (uint32_t)m->hdr[i].value + m->hdr[i].value_len);
        tnd_edit_ref(edit, TND_STR("\r\n"));
    }
}

// RFC 3261 20.43: the fault in words, for whoever reads the trace on the other side.
static void put_warning(struct tnd_edit *edit, const struct tnd_sip_msg *m)
{
    if (m->error == TND_SIP_ERR_NONE)
        return;
    tnd_edit_putz(edit, "Warning: 399 tandem \"");
    tnd_edit_putz(edit, tnd_sip_error_text((enum tnd_sip_error)m->error));
    tnd_edit_putz(edit, " at octet ");
    tnd_edit_put_u32(edit, m->error_at);
    tnd_edit_putz(edit, "\"\r\n");
}

bool tnd__write_answer(struct tnd_engine *e, const struct tnd_job *job, uint16_t status,
                       struct tnd_out *out)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_edit *edit = &out->edit;

    tnd_edit_begin(edit, &out->store, m->data, m->len);
    tnd_edit_putz(edit, "SIP/2.0 ");
    tnd_edit_put_u32(edit, status);
    tnd_edit_putz(edit, " ");
    tnd_edit_putz(edit, reason_of(status));
    tnd_edit_putz(edit, "\r\n");
    put_vias(edit, job);
    put_header(edit, m, TND_HDR_FROM);
    put_to(edit, e, job, status);
    put_header(edit, m, TND_HDR_CALL_ID);
    put_header(edit, m, TND_HDR_CSEQ);
    if (status == 420)
        put_unsupported(edit, m);
    put_warning(edit, m);
    tnd_edit_putz(edit, "Content-Length: 0\r\n\r\n");
    return !edit->overflow && edit->out_len <= TND_SIP_MAX;
}

// Output 1 of a CANCEL that ends a parked INVITE: that INVITE's 487 (rule 16).
static bool write_487(struct tnd_engine *e, const struct tnd_job *cancel, struct tnd_out *out)
{
    const struct tnd_parked *slot = cancel->slot;
    struct tnd_job invite;

    tnd_job_init(&invite, slot->data, slot->len, &slot->src, cancel->listener);
    tnd_sip_parse(invite.data, invite.len, &invite.msg);
    invite.call_key = cancel->call_key;
    invite.txn = cancel->txn; // the same sent-by and branch (RFC 3261 9.1)
    out->dst = tnd__response_address(&invite);
    out->listener = tnd_policy_listener(e->policy, slot->listener);
    if (out->listener == TND_NO_LISTENER) // taken out of the configuration since
        out->listener = cancel->egress;
    return tnd__write_answer(e, &invite, slot->invite ? 487 : 481, out);
}

bool tnd_stage_rewrite(struct tnd_engine *e, uint64_t now_ms, struct tnd_job *job, uint32_t k,
                       struct tnd_out *out)
{
    bool ok;

    if (k == 1)
        return write_487(e, job, out);
    out->dst = job->dst;
    out->listener = job->egress;
    if (job->verdict == TND_VERDICT_ANSWER)
        ok = tnd__write_answer(e, job, job->answer, out);
    else if (job->msg.is_request)
        ok = tnd__write_request(e, job, out);
    else
        ok = tnd__write_response(e, job, out);
    if (!ok)
        tnd_job_drop(e, job, TND_DROP_REWRITE);
    return ok;
}
