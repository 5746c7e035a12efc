// Walking a DNS message into one immutable record set (RFC 1035, 2181, 2308, 2782, 3403).
//
// A message is whatever a stranger put on the wire: every length is checked, compression
// pointers may only go backwards, and what cannot be read makes the answer MALFORMED, never
// half of one. The walk follows the CNAME chain inside the answer section and keeps the
// records of the asked type at its end, sorted, so that a server which rotates its records
// gives equal answers. The additional section is not read: what was not asked is not believed.
//
// Names are text: lower case, no final dot ("." for the root), octets other than letters,
// digits, '-' and '_' as \DDD.
//
// Threads:  pure. Lifetime: an answer is one block, freed with free().
// Cost:     a few hundred ns for small answers; 256 SRV records about 20 us.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TND_DNS_NAME_MAX    256  // text and its NUL
#define TND_DNS_CHAIN_MAX   8    // CNAMEs followed for one name
#define TND_DNS_RECORDS_MAX 1024 // of one answer; more are left out and counted

enum tnd_dns_type {
    TND_DNS_A = 1,
    TND_DNS_CNAME = 5,
    TND_DNS_SOA = 6,
    TND_DNS_AAAA = 28,
    TND_DNS_SRV = 33,
    TND_DNS_NAPTR = 35,
};

// What became of a question. X(member, code for programs, words for people)
#define TND_DNS_OUTCOMES(X)                                          \
    X(NONE, "pending", "not answered yet")                           \
    X(POSITIVE, "noerror", "answered")                               \
    X(NXDOMAIN, "nxdomain", "no such name")                          \
    X(NODATA, "nodata", "no such record")                            \
    X(ALIAS, "alias", "an alias only")                               \
    X(SERVFAIL, "servfail", "the server failed (SERVFAIL)")          \
    X(REFUSED, "refused", "the server refused (REFUSED)")            \
    X(FORMERR, "formerr", "the server did not understand (FORMERR)") \
    X(NOTIMP, "notimp", "the server cannot do this (NOTIMP)")        \
    X(RCODE, "rcode", "the server answered with an unexpected code") \
    X(TIMEOUT, "timeout", "no answer in time")                       \
    X(UNREACHABLE, "unreachable", "the server cannot be reached")    \
    X(MALFORMED, "malformed", "the answer cannot be read")           \
    X(TRUNCATED, "truncated", "the answer was cut")                  \
    X(LOOP, "loop", "a loop, or more than 8 aliases")                \
    X(BAD_NAME, "badname", "not a name that can be asked for")       \
    X(MISMATCH, "mismatch", "an answer to some other question came")

enum tnd_dns_outcome {
#define X(name, code, text) TND_DNS_##name,
    TND_DNS_OUTCOMES(X)
#undef X
        TND_DNS_OUTCOME_COUNT
};

// Text is at these offsets from the start of the answer, NUL-terminated.
struct tnd_dns_rr {
    union {
        uint8_t ip[16]; // A: the first four octets
        struct {
            uint16_t priority, weight, port;
            uint32_t target;
        } srv;
        struct {
            uint16_t order, preference;
            uint32_t flags, service, regexp, replacement;
        } naptr;
    };
};

struct tnd_dns_answer {
    uint8_t outcome; // enum tnd_dns_outcome
    uint8_t rcode;
    bool authoritative;
    uint8_t n_chain;   // CNAMEs followed; ALIAS: the last is where to ask on
    uint16_t type;     // asked
    uint16_t n;        // records
    uint16_t left_out; // beyond the limit
    uint32_t ttl_s;    // least of set and chain; negative: min(SOA minimum, SOA TTL), 0 without
    uint32_t size;     // of the block
    uint32_t chain[TND_DNS_CHAIN_MAX]; // where each CNAME points
    struct tnd_dns_rr rr[];
};

static inline const char *tnd_dns_text(const struct tnd_dns_answer *a, uint32_t off)
{
    return (const char *)a + off;
}

// An answer, good or negative, that is to be believed for its TTL; anything else is a failure.
static inline bool tnd_dns_is_answer(enum tnd_dns_outcome o)
{
    return o >= TND_DNS_POSITIVE && o <= TND_DNS_ALIAS;
}

// Read the answer to (name, type). `name` in the text form above.
// Returns: the answer, MALFORMED and the rest of the failures included; NULL: memory is short.
struct tnd_dns_answer *tnd_dns_walk(const uint8_t *msg, size_t len, const char *name,
                                    uint16_t type);

// An answer without records, for a question that got none. NULL: memory is short.
struct tnd_dns_answer *tnd_dns_no_answer(enum tnd_dns_outcome outcome, uint16_t type);

// Whether both say the same; TTLs and flags apart.
bool tnd_dns_same(const struct tnd_dns_answer *a, const struct tnd_dns_answer *b);

// Whether `reply` repeats the question of `query` octet by octet, letter case included.
bool tnd_dns_same_question(const uint8_t *query, size_t query_len, const uint8_t *reply,
                           size_t reply_len);

// Bring a name to the text form above: lower case, without its final dot.
// Returns: false when it is no name that can be asked for (labels of 1..63, 253 in all).
bool tnd_dns_name(const char *text, size_t len, char out[TND_DNS_NAME_MAX]);

const char *tnd_dns_type_name(uint16_t type);             // "SRV"
const char *tnd_dns_outcome_code(enum tnd_dns_outcome o); // "nxdomain"
const char *tnd_dns_outcome_text(enum tnd_dns_outcome o); // "no such name"
