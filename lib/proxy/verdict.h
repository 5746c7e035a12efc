// How a packet ends: exactly one verdict each, and for a drop exactly one named reason.
//
// This list is the only one: counters, `tandem ctl show drops` and docs/drops.md are made
// of it. A reason's name is TND_DROP_<NAME>; people see it in lower case with dashes.
//
// Threads: values.
#pragma once

#include <stdint.h>

enum tnd_verdict {
    TND_VERDICT_NONE = 0, // still on its way
    TND_VERDICT_FORWARD,  // sent on to a next hop, or a response towards the caller
    TND_VERDICT_ANSWER,   // answered here
    TND_VERDICT_ABSORB, // ends here by rule: keepalive, retransmission of a parked request, ACK of
                        // our own answer
    TND_VERDICT_PARK,   // waits for a name
    TND_VERDICT_PUNT,   // left to the kernel
    TND_VERDICT_DROP,   // ended, with a reason
    TND_VERDICT_COUNT
};

// X(NAME, what happened, what to do about it)
#define TND_DROPS(X)                                                                               \
    /* frame */                                                                                    \
    X(TRUNCATED, "the frame is shorter than its IP length: cut by the capture ring",               \
      "a datagram over 32 KB, or a local sender's segmentation offload; switch it off there")      \
    X(BAD_IP, "malformed IP header or IPv4 header checksum", "look at the sender or the link")     \
    X(BAD_UDP, "malformed UDP header", "look at the sender")                                       \
    X(BAD_CHECKSUM, "wrong UDP checksum", "look at the sender or the link")                        \
    X(FRAGMENT, "a fragment whose datagram never became whole, or that overlaps another",          \
      "look for loss on the path; SIP over UDP above the MTU is fragile")                          \
    /* parse */                                                                                    \
    X(TOO_LARGE, "message over 16384 octets that cannot be answered",                              \
      "the sender must use TCP for messages of this size")                                         \
    X(MALFORMED_REQUEST, "malformed request that lacks what an answer needs",                      \
      "capture it and look at the sender")                                                         \
    X(MALFORMED_RESPONSE, "malformed response", "capture it and look at the target")               \
    X(MALFORMED_ACK, "malformed ACK; nothing answers an ACK", "capture it and look at the sender") \
    /* steer */                                                                                    \
    X(INBOX_FULL, "the owning worker's inbox is full", "the engine is overloaded; add workers")    \
    /* route */                                                                                    \
    X(FOREIGN_SOURCE, "request from an address that is no trunk's source and without our token",   \
      "add the address to a trunk's 'sources' if it should pass")                                  \
    X(BAD_TOKEN, "request from a foreign source with a token in its Route that is not ours",       \
      "stale key-file, or an attempt to relay through us")                                         \
    X(ACK_UNROUTED, "ACK that no route, memory or token leads anywhere; nothing answers an ACK",   \
      "usually an ACK to an answer this engine made before a restart")                             \
    X(ACK_PARKED, "ACK outside a dialog, to a name that is not resolved yet",                      \
      "none; the other side repeats its answer")                                                   \
    X(STRAY_RESPONSE, "response whose top Via is not ours", "a peer answers the wrong address")    \
    X(BAD_BRANCH, "response whose branch we did not sign",                                         \
      "a forged response, or keys changed without a key-file")                                     \
    X(RESPONSE_NOWHERE, "response whose next Via names no address it could be sent to",            \
      "look at the caller's Via")                                                                  \
    X(EXHAUSTED_ACK, "ACK whose next hop has no live target", "see `ctl show targets`")            \
    X(PARK_FULL, "no slot left to wait for a name, and nothing to answer with",                    \
      "raise limits.parked, or look why DNS is slow")                                              \
    /* rewrite, tx */                                                                              \
    X(REWRITE, "the rewritten message would be over 16384 octets or need too many edits",          \
      "the message has too many Route or Via headers")                                             \
    X(NO_BUFFER, "no packet buffer left", "the engine is overloaded")                              \
    X(NO_ADJACENCY, "no route or neighbour for the destination", "see `ip route get`, `ip neigh`") \
    X(NO_LISTENER, "no listener of the destination's address family",                              \
      "add a 'listen' address of that family")                                                     \
    X(TX_FULL, "the port's transmit queue is full", "the link or the peer is overloaded")

enum tnd_drop {
    TND_DROP_NONE = 0,
#define X(name, what, remedy) TND_DROP_##name,
    TND_DROPS(X)
#undef X
        TND_DROP_COUNT
};

// "foreign-source"; "none" for TND_DROP_NONE.
const char *tnd_drop_name(enum tnd_drop d);
const char *tnd_drop_what(enum tnd_drop d);
const char *tnd_drop_remedy(enum tnd_drop d);
const char *tnd_verdict_name(enum tnd_verdict v); // "forward", ..
