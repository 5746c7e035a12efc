#include "fuzz/engine_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "sip/scan.h"

// The harness lives as long as the process, and the table's tagged pointers hide what they point
// to from the leak checker.
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

struct harness *make_harness(void)
{
    struct harness *h;

    if (__lsan_disable)
        __lsan_disable();
    h = harness_new();
    if (__lsan_enable)
        __lsan_enable();
    return h;
}

void must(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

const struct sender senders[8] = {
    {PBX_SRC, LAN4},    {CARRIER_SRC, WAN4}, {ACCESS_SRC, ALT4}, {SIX_SRC, WAN6},
    {NARROW_SRC, WAN4}, {FOREIGN_SRC, WAN4}, {PBX_SRC, WAN4},    {CARRIER_SRC, ALT4},
};

// A request that is as long as we read any goes on longer by our own headers: 2 Record-Routes,
// Via, Max-Forwards and a Route.
static bool outgrown(const struct tnd_sip_msg *in, const struct tnd_sip_msg *out)
{
    unsigned lines = 0;

    for (unsigned i = 0; i < in->body; i++)
        lines += in->data[i] == '\n';
    return out->error == TND_SIP_ERR_TOO_MANY_HEADERS &&
           (in->n_hdrs + 5 > TND_SIP_HDRS_MAX || lines + 5 > TND_SCAN_LINES_MAX);
}

static void check_forward(const struct tnd_sip_msg *in, const struct sent *s)
{
    static struct tnd_sip_msg out;

    tnd_sip_parse(s->text, s->len, &out);
    if (in->is_request && out.error != TND_SIP_ERR_NONE) {
        must(outgrown(in, &out), tnd_sip_error_text((enum tnd_sip_error)out.error));
        return;
    }
    must(out.is_request == in->is_request && out.method == in->method, "another method");
    must(out.body_len == in->body_len &&
             memcmp(out.data + out.body, in->data + in->body, in->body_len) == 0,
         "the body has changed");
    must(out.cseq == in->cseq && tnd_str_eq(tnd_text(&out, out.call_id), tnd_text(in, in->call_id)),
         "another call");
    if (in->is_request)
        must(out.max_forwards < 255 && out.via.whole.len, "no Max-Forwards or Via");
}

void check_reply(const char *data, size_t len, const struct reply *r)
{
    static struct tnd_sip_msg in, out;

    must(r->verdict > TND_VERDICT_NONE && r->verdict < TND_VERDICT_COUNT, "no verdict");
    must(r->verdict != TND_VERDICT_PUNT, "a verdict of the frame stage");
    must((r->verdict == TND_VERDICT_DROP) == (r->drop != TND_DROP_NONE), "drop without reason");
    tnd_sip_parse(data, len, &in);
    bool sends = r->verdict == TND_VERDICT_FORWARD || r->verdict == TND_VERDICT_ANSWER;
    must(sends == (r->n > 0), "outputs without a verdict that has them");
    for (uint32_t k = 0; k < r->n; k++) {
        must(r->out[k].len <= TND_SIP_MAX && r->out[k].dst.family, "an output nobody can send");
        must(r->out[k].listener < N_LISTENERS, "an output from nowhere");
    }
    if (r->verdict == TND_VERDICT_FORWARD)
        check_forward(&in, &r->out[0]);
    if (r->verdict != TND_VERDICT_ANSWER)
        return;
    must(in.is_request && in.method != TND_METHOD_ACK, "an answer to what nobody answers");
    tnd_sip_parse(r->out[0].text, r->out[0].len, &out);
    must(!out.is_request && out.status == r->status, "an answer that is none");
    // Vias below the top one go back as they came.
    must(out.error == TND_SIP_ERR_NONE || out.error == TND_SIP_ERR_VIA ||
             in.error != TND_SIP_ERR_NONE,
         "a malformed answer");
}
