// Strangers: forged, foreign and malformed datagrams between the calls. Each says in its Call-ID
// why it must be dropped, or, from a trunk, what it must be answered (rule 10).
#include "sim/sim.h"

static void send(struct sim *s, const char *src, const char *dst, const char *text)
{
    struct sim_addr from = addr_of(src), to = addr_of(dst);

    net_send(s, &from, &to, text, (uint32_t)strlen(text));
}

static const char *message(struct sim *s, const char *start, const char *vias, const char *id,
                           const char *more)
{
    static char text[PACKET_MAX];

    snprintf(text, sizeof text,
             "%s\r\n%sMax-Forwards: 70\r\nFrom: <sip:x@evil.example>;tag=x%08x\r\n"
             "To: <sip:y@edge.example>%s\r\nCall-ID: noise-%s-%08x\r\nCSeq: 1 INVITE\r\n%s"
             "Content-Length: 0\r\n\r\n",
             start, vias, sim_below(s, UINT32_MAX), strstr(more, "Route") ? ";tag=y" : "", id,
             sim_below(s, UINT32_MAX), more);
    return text;
}

#define OUR_VIA    "Via: SIP/2.0/UDP 198.51.100.1:5060;branch="
#define CALLER_VIA "Via: SIP/2.0/UDP 10.0.3.3:5060;branch=z9hG4bKx\r\n"
#define EVIL_VIA   "Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKevil\r\n"
#define INVITE     "INVITE sip:+49@edge.example SIP/2.0"
#define INVITE_TEL "INVITE tel:+49-30-7;npdi SIP/2.0"

// From a trunk: each is answered here, to its source, and goes nowhere.
static void send_faulty(struct sim *s)
{
    static const char forged[] =
        "Route: <sip:EbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnA@198.51.100.1:5060;lr>\r\n";
    static const struct {
        const char *start, *id, *more, *src;
    } faults[] = {
        {"INVITE sip: SIP/2.0", "status-400", "", "10.0.200.200"},
        {"INVITE sip:+49@edge.example SIP/2.0", "status-403", forged, "10.0.200.200"},
        {"INVITE sip:+49@edge.example SIP/2.0", "status-404", "", "10.0.3.3"},
        {"INVITE sip:+49@edge.example SIP/2.0", "status-404", "", "10.0.2.9"},
        {"FROB sip:+49@edge.example SIP/2.0", "status-501", "", "10.0.200.200"}, // CSeq: INVITE
        {"INVITE mailto:x@edge.example SIP/2.0", "status-416", "", "10.0.200.200"},
        {"INVITE sip:+49@edge.example SIP/7.0", "status-505", "", "10.0.200.200"},
    };
    uint32_t i = sim_below(s, sizeof faults / sizeof *faults);
    char via[80], src[24];

    // The proxy's address, but not its port, is another trunk's.
    snprintf(src, sizeof src, "%s:%u", faults[i].src, i == 3 ? 5070 : 5060);
    snprintf(via, sizeof via, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%08x\r\n", src,
             sim_below(s, UINT32_MAX));
    send(s, src, "10.0.0.1:5060", message(s, faults[i].start, via, faults[i].id, faults[i].more));
}

// An address of the carrier's, now, formerly or never: a call for the PBX, if it is let in.
static void send_as_host(struct sim *s)
{
    uint32_t i = sim_below(s, s->n_hosts);
    const struct host *h = &s->hosts[i];
    char via[160], id[24], src[64];

    snprintf(src, sizeof src, "%s", addr_text(&h->addr));
    snprintf(id, sizeof id, "source-%u", i);
    snprintf(via, sizeof via, "Via: SIP/2.0/UDP %s;branch=z9hG4bK%08x\r\n", src,
             sim_below(s, UINT32_MAX));
    if (!h->silent)
        send(s, src, h->addr.family == 4 ? "198.51.100.1:5060" : "[2001:db8::10]:5060",
             message(s, "INVITE sip:in@edge.example SIP/2.0", via, id, ""));
}

static void make_noise(struct sim *s, void *who, uint64_t n)
{
    static const char stale[] =
        "Route: <sip:AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnO@198.51.100.1:5060;lr>\r\n";
    static const char foreign_routes[] =
        "Route: <sip:198.51.100.1:5060;lr>, <sip:192.0.2.66:5060;lr>\r\n";

    char relay_via[80];

    if (s->n_started == s->n_calls)
        return;
    snprintf(relay_via, sizeof relay_via,
             "Via: SIP/2.0/UDP 10.0.200.200:5060;branch=z9hG4bK%08x\r\n", sim_below(s, UINT32_MAX));
    sim_after(s, 1 + sim_below(s, 300) * MS, make_noise, NULL, 0);
    switch (sim_below(s, 11)) {
    case 0:
        send(s, "192.0.2.77:5060", "198.51.100.1:5060",
             message(s, INVITE, EVIL_VIA, "foreign-source", ""));
        break;
    case 1:
        send(s, "203.0.113.11:5060", "198.51.100.1:5060",
             message(s, "SIP/2.0 200 OK", EVIL_VIA, "stray-response", ""));
        break;
    case 2: // a branch of the right form, signed by nobody
        send(s, "203.0.113.11:5060", "198.51.100.1:5060",
             message(s, "SIP/2.0 200 OK",
                     OUR_VIA
                     "z9hG4bK07012345670123456701234567890a00fedcba9876543210\r\n" CALLER_VIA,
                     "bad-branch", ""));
        break;
    case 3:
        send(s, "192.0.2.77:5060", "198.51.100.1:5060",
             message(s, INVITE, EVIL_VIA, "foreign-source", "")); // the same stranger again
        break;
    case 4: // a foreign address behind us in Route: the rules decide, never the Route
        send(s, "10.0.200.200:5060", "10.0.0.1:5060",
             message(s, sim_below(s, 2) ? INVITE : INVITE_TEL, relay_via, "relay", foreign_routes));
        break;
    case 5:
        send(s, "10.0.200.200:5060", "10.0.0.1:5060", sim_below(s, 2) ? "\r\n\r\n" : "GARBAGE");
        break;
    case 6:
    case 7:
        send_faulty(s);
        break;
    case 8:
    case 9:
        send_as_host(s);
        break;
    case 10:
        send(s, "192.0.2.77:5060", "198.51.100.1:5060",
             message(s, INVITE, EVIL_VIA, "foreign-source", stale));
    }
}

void noise_start(struct sim *s)
{
    sim_after(s, SECOND, make_noise, NULL, 0);
}
