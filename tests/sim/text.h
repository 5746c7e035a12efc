// SIP as the neighbours and the model read it: slices of a text, nothing shared with the engine.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Compared with memcmp: unused octets are zero.
struct sim_addr {
    uint8_t ip[16];
    uint16_t port;
    uint8_t family; // 4, 6; 0: none
    uint8_t zero;
};

static inline bool same_addr(const struct sim_addr *a, const struct sim_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool same_ip(const struct sim_addr *a, const struct sim_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

// "192.0.2.1:5060" or "[2001:db8::1]:5060"; port 0 is left out. Lives until 16 more were made.
const char *addr_text(const struct sim_addr *a);
const char *addr_host(const struct sim_addr *a); // without the port, in brackets
bool addr_read(const char *text, int len, struct sim_addr *out);
struct sim_addr addr_of(const char *text); // aborts when it is none

struct slice {
    const char *p;
    int n;
};

static inline bool slice_is(struct slice s, const char *text)
{
    return (int)strlen(text) == s.n && memcmp(s.p, text, (size_t)s.n) == 0;
}

static inline bool slice_same(struct slice a, struct slice b)
{
    return a.n == b.n && memcmp(a.p, b.p, (size_t)a.n) == 0;
}

#define TEXT_HEADERS 48

struct text {
    struct slice start, method, uri; // of a request
    int status;                      // of a response
    uint32_t n;
    struct {
        struct slice name, value, line; // line: without its end
    } header[TEXT_HEADERS];
    struct slice body;
};

// Returns: false when it is no SIP message.
bool text_read(const char *p, uint32_t len, struct text *out);

bool text_is_named(struct slice name, const char *full);                      // compact forms too
struct slice text_header(const struct text *t, const char *name, unsigned k); // {NULL, 0}: none

// All values of a list header, across its lines. Returns: how many.
unsigned text_items(const struct text *t, const char *name, struct slice out[], unsigned max);

struct slice text_param(struct slice value, const char *name); // ";name=" -> its value
bool text_has_param(struct slice value, const char *name);
struct slice text_uri(struct slice name_addr);  // what is inside <>
struct slice text_host(struct slice uri);       // host:port of a URI
struct slice text_user(struct slice uri);       // its user part, or {NULL, 0}
struct slice text_sent_by(struct slice via);    // host:port
struct slice text_method(const struct text *t); // of the request, or of CSeq
uint32_t text_cseq(const struct text *t);
