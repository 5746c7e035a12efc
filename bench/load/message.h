// What the load source says: templates whose fields are written over, and the few texts of a call
// that depend on what the other side said.
//
// Every request's branch names its number and its part in the call, so that any answer to it, and
// the request itself when a proxy sends it back here, is known without a search:
// "z9hG4bK", a letter of enum load_part, 16 hex digits of the number.
//
// Threads: one owner. Cost: 50 ns a request, 2 us an ACK or BYE.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sip/msg.h"

#define LOAD_TEXT_MAX   2048u
#define LOAD_FIELDS_MAX 16
#define LOAD_METHOD_MAX 32

enum load_part {
    LOAD_REQUEST = 'r', // of no dialog
    LOAD_INVITE = 'i',  // and the ACK to its refusal
    LOAD_ACK = 'a',     // to a 2xx
    LOAD_BYE = 'b',
};

struct load_parties {
    char local[TND_ADDR_TEXT_MAX]; // "192.0.2.1:5060": Via, Contact
    char domain[256];              // of Request-URI and To
    char method[LOAD_METHOD_MAX];
    uint64_t seed;
    uint32_t call_ids; // distinct ones, taken in turn; 0: another for every request
};

struct load_template {
    struct load_parties parties;
    char text[LOAD_TEXT_MAX];
    uint16_t len, n_fields;
    struct {
        uint16_t at;
        char kind;
    } fields[LOAD_FIELDS_MAX];
};

// A request of the parties' method; INVITE has SDP and is 720 octets or about that.
void load_template_init(struct load_template *t, const struct load_parties *p);
// out: LOAD_TEXT_MAX octets. Returns: the length.
uint32_t load_template_write(const struct load_template *t, uint64_t number, char *out);

// RFC 3261 13.2.2.4, 15.1.1: ACK and BYE to the 2xx `m` of request `number`. The route set is
// Record-Route's in reverse. A 2xx without Contact breaks 12.1.1, but servers that answer without a
// dialog send such: they are told where they were asked. Returns: the length, or 0: too much.
uint32_t load_in_dialog(const struct load_template *t, const struct tnd_sip_msg *m,
                        enum load_part part, uint64_t number, char *out);
// RFC 3261 17.1.1.3: ACK to a refusal, along the same way as its INVITE.
uint32_t load_ack_refusal(const struct load_template *t, const struct tnd_sip_msg *m,
                          uint64_t number, char *out);
// RFC 3261 16.6: a message of somebody else's with our Via on top. Returns: the length, or 0 when
// it is no request or too long.
uint32_t load_with_our_via(const struct load_template *t, struct tnd_str message, uint64_t number,
                           char *out, uint32_t room);

// Whose number a message of the other side bears: the topmost Via of a response, the lowest of a
// request that came back. Returns: false when it is none of ours.
bool load_number_of(const struct load_template *t, const struct tnd_sip_msg *m, uint64_t *number,
                    enum load_part *part);
