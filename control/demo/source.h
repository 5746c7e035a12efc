// Makes INVITEs: 720 octets as a PBX sends them, each of another call.
//
// A message is a template whose fields are written over: Call-ID, branch, From tag, the number
// called (in the Request-URI and To) and the session id of the SDP. All follow from the call's
// number, so that a receiver can tell from the Call-ID which call it is and check the rest.
// Fields keep their width: where one lies, counted from the message's end, is constant, and
// what the engine adds in front changes nothing of it.
//
// Threads:  one owner. Cost: 40 ns a message; bench `route.source`.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/str.h"

#define TND_SOURCE_LEN   720 // octets of a message
#define TND_SOURCE_SLOTS 32

struct tnd_source {
    uint64_t seed;
    uint32_t names; // 0: every call goes to the edge's own name; else to one of so many domains
    char text[TND_SOURCE_SLOTS][TND_SOURCE_LEN + 48];
};

void tnd_source_init(struct tnd_source *s, uint64_t seed);

// Message of call `number` in `slot`. attempt: another one is another transaction of that call.
// Returns: TND_SOURCE_LEN octets, valid until the slot is written again.
const char *tnd_source_write(struct tnd_source *s, uint32_t slot, uint64_t number,
                             uint32_t attempt);

// The number of the call that a message belongs to, whatever was put in front of its Call-ID.
// Returns: false when it is none of ours.
bool tnd_source_number(const struct tnd_source *s, struct tnd_str message, uint64_t *number);

// Octets at the end of the message, from the Contact header on, that no proxy may change.
uint32_t tnd_source_tail(void);
