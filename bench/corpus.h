// A mixed corpus for the parser: requests and responses of a carrier's day, of other lengths and
// with other header orders, none like the one before it.
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

#define CORPUS_MESSAGES 4096
#define CORPUS_STRIDE   1536

struct corpus {
    uint16_t len[CORPUS_MESSAGES];
    uint64_t octets; // of all messages
    char text[CORPUS_MESSAGES][CORPUS_STRIDE];
};

#define CORPUS_SDP                                                                  \
    "v=0\r\no=- ### 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n" \
    "m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 "        \
    "telephone-event/8000\r\n"

// '#' becomes a digit; '~' up to twelve letters. Bodies are not counted: a few have a
// Content-Length, of less.
static const char *const corpus_shapes[] = {
    "INVITE sip:+4930######@198.51.100.1:5060;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK########;rport\r\n"
    "Max-Forwards: 70\r\nFrom: \"~ ~\" <sip:~@pbx.example.org>;tag=~######\r\n"
    "To: <sip:+4930######@198.51.100.1;user=phone>\r\nCall-ID: ########-~@192.0.2.20\r\n"
    "CSeq: #### INVITE\r\nContact: <sip:~@192.0.2.20:5060>\r\nUser-Agent: ~ ~/#.#\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\nContent-Type: application/sdp\r\n"
    "Content-Length: 90\r\n\r\n" CORPUS_SDP,
    "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK~####\r\n"
    "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK########;received=192.0.2.20;rport=5060\r\n"
    "From: <sip:~@example.org>;tag=~####\r\nTo: <sip:~@example.net>\r\nCall-ID: ~########\r\n"
    "CSeq: ### INVITE\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK~####,"
    "SIP/2.0/UDP 192.0.2.2#;branch=z9hG4bK~~;rport=5060\r\n"
    "f: ~ <sip:~@example.org>;tag=~####\r\nt: <sip:~@example.net>;tag=~\r\ni: ~########@~\r\n"
    "CSeq: # INVITE\r\nm: <sip:~@192.0.2.30:5062;transport=udp>\r\nl: 0\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK~####;rport=5060\r\n"
    "Record-Route: <sip:198.51.100.1;lr>\r\nRecord-Route: <sip:~.example.net;lr;ftag=~>\r\n"
    "Via: SIP/2.0/UDP pbx.example.org;branch=z9hG4bK~\r\n"
    "Call-ID: ~########\r\nFrom: \"~\" <sip:~@example.org>;tag=~####\r\n"
    "To: <sip:~@example.net>;tag=~\r\nCSeq: # INVITE\r\nServer: ~\r\n"
    "Contact: <sip:~@192.0.2.30:5062>;expires=3600\r\nSupported: timer\r\n"
    "Content-Type: application/sdp\r\nContent-Length: 80\r\n\r\n" CORPUS_SDP,
    "ACK sip:~@192.0.2.30:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.20;branch=z9hG4bK~~\r\n"
    "Route: <sip:198.51.100.1;lr>\r\nMax-Forwards: 69\r\nFrom: <sip:~@example.org>;tag=~####\r\n"
    "To: <sip:~@example.net>;tag=~\r\nCall-ID: ~########\r\nCSeq: ## ACK\r\n"
    "Content-Length: 0\r\n\r\n",
    "BYE sip:~@host.~.example.net:5080;transport=udp SIP/2.0\r\nMax-Forwards: 70\r\n"
    "Via: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK~~\r\nCSeq: ### BYE\r\n"
    "Route: <sip:198.51.100.1;lr;token=~~>,<sip:192.0.2.9;lr>\r\nCall-ID: ~-~-~@~\r\n"
    "From: <sip:~@example.org>;tag=~####\r\nTo: \"~\" <sip:~@example.net>;tag=~\r\n"
    "Reason: Q.850;cause=16\r\nContent-Length: 0\r\n\r\n",
    "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.#.##:5060;branch=z9hG4bK~;rport\r\n"
    "From: <sip:~@example.org>;tag=~\r\nTo: <sip:~@example.org>\r\nCall-ID: ~~\r\n"
    "CSeq: #### REGISTER\r\nContact: "
    "<sip:~@10.1.2.3:5060>;expires=600;+sip.instance=\"<urn:~>\"\r\n"
    "Authorization: Digest username=\"~\",realm=\"example.org\",nonce=\"~########\","
    "uri=\"sip:example.org\",response=\"################################\",algorithm=MD5\r\n"
    "Max-Forwards: 70\r\nExpires: 600\r\nUser-Agent: ~/#\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 10.1.2.3:5060;branch=z9hG4bK~;rport=5060;"
    "received=203.0.113.#\r\nFrom: <sip:~@example.org>;tag=~\r\nTo: <sip:~@example.org>;tag=~\r\n"
    "CSeq: #### REGISTER\r\nCall-ID: ~~\r\n"
    "WWW-Authenticate: Digest realm=\"example.org\",nonce=\"~########\"\r\nContent-Length: "
    "0\r\n\r\n",
    "OPTIONS sip:198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP sbc.~.example.com;branch=z9hG4bK~\r\n"
    "Call-ID: ~####\r\nFrom: <sip:ping@~.example.com>;tag=~\r\nTo: <sip:198.51.100.1>\r\n"
    "CSeq: ##### OPTIONS\r\nMax-Forwards: 1\r\nContent-Length: 0\r\n\r\n",
    "NOTIFY sip:~@[2001:db8::##]:5060 SIP/2.0\r\nSubscription-State: active;expires=###\r\n"
    "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK~~\r\nMax-Forwards: 68\r\nEvent: dialog\r\n"
    "Subject: ~ ~\r\n ~ ~\r\nTo: <sip:~@example.org>;tag=~\r\nFrom: <sip:~@example.net>;tag=~\r\n"
    "Call-ID: ~@~\r\nCSeq: ## NOTIFY\r\nContact: <sip:[2001:db8::1]>\r\n"
    "Content-Type: application/dialog-info+xml\r\nContent-Length: 12\r\n\r\n<x>~~~~</x>",
    "CANCEL sip:+4930######@198.51.100.1 SIP/2.0\r\nFrom: \"~\"<sip:~@pbx.example.org>;tag=~\r\n"
    "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK~~;rport\r\nTo: "
    "<sip:+49######@198.51.100.1>\r\n"
    "CSeq: ## CANCEL\r\nCall-ID: ~########\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
    "MESSAGE sip:~@~.example.net SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.20:5061;branch=z9hG4bK~~\r\n"
    "Max-Forwards: 70\r\nProxy-Authorization: Digest username=\"~\", nonce=\"~~\"\r\n"
    "From: sip:~@example.org;tag=~\r\nTo: sip:~@example.net\r\nCall-ID: ~~@example.org\r\n"
    "CSeq: ### MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n~~~~~~~~ "
    "####################",
};

#define CORPUS_SHAPES (sizeof corpus_shapes / sizeof *corpus_shapes)

static inline uint16_t corpus_fill(const char *shape, uint64_t *seed, char *out)
{
    static const char digits[] = "123456789", letters[] = "abcdefghijkmnopqrstuvwxyz";
    char *p = out;

    for (; *shape; shape++) {
        unsigned n = *shape == '~' ? 1 + (unsigned)(bench_random(seed) % 12) : 1;
        for (unsigned i = 0; i < n; i++)
            *p++ = *shape == '~'   ? letters[bench_random(seed) % 25]
                   : *shape == '#' ? digits[bench_random(seed) % 9]
                                   : *shape;
    }
    return (uint16_t)(p - out);
}

// Returns: to be freed with free(); NULL when memory is short.
static inline struct corpus *corpus_new(void)
{
    struct corpus *c = calloc(1, sizeof *c);
    uint64_t seed = 1;

    for (unsigned i = 0; c && i < CORPUS_MESSAGES; i++) {
        c->len[i] =
            corpus_fill(corpus_shapes[bench_random(&seed) % CORPUS_SHAPES], &seed, c->text[i]);
        c->octets += c->len[i];
    }
    return c;
}
