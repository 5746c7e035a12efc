// A DNS server made of a few lines of text, for tests: it answers with real messages.
//
// One record a line: "name ttl TYPE data", names absolute without a final dot. Beside the
// types of DNS a line may say how asking for a name goes wrong: "name 0 FAIL SERVFAIL TYPE".
// Names that have no record at all, and no name under them, do not exist. CNAMEs are followed
// inside the zone. Negative answers carry an SOA of TTL 600 and minimum 77.
#pragma once

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/walk.h"
#include "util/str.h"

struct wire {
    uint8_t p[65536];
    size_t n;
};

static inline void wire_u8(struct wire *w, unsigned v)
{
    w->p[w->n++] = (uint8_t)v;
}

static inline void wire_u16(struct wire *w, unsigned v)
{
    wire_u8(w, v >> 8);
    wire_u8(w, v & 0xff);
}

static inline void wire_u32(struct wire *w, unsigned long v)
{
    wire_u16(w, (unsigned)(v >> 16));
    wire_u16(w, (unsigned)(v & 0xffff));
}

static inline void wire_name(struct wire *w, const char *name)
{
    while (*name && strcmp(name, ".") != 0) {
        size_t len = strcspn(name, ".");
        wire_u8(w, (unsigned)len);
        memcpy(w->p + w->n, name, len);
        w->n += len;
        name += len + (name[len] == '.');
    }
    wire_u8(w, 0);
}

static inline unsigned wire_type(const char *t)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"A", 1},     {"CNAME", 5}, {"SOA", 6},   {"TXT", 16},
                 {"AAAA", 28}, {"SRV", 33},  {"NAPTR", 35}};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, t) == 0)
            return types[i].type;
    return 0;
}

// A quoted word of `s`, without its quotes, as a character-string.
static inline const char *wire_string(struct wire *w, const char *s)
{
    const char *from = strchr(s, '"') + 1, *to = strchr(from, '"');

    wire_u8(w, (unsigned)(to - from));
    memcpy(w->p + w->n, from, (size_t)(to - from));
    w->n += (size_t)(to - from);
    return to + 1;
}

static inline void wire_rdata(struct wire *w, unsigned type, const char *data)
{
    unsigned a = 0, b = 0, c = 0;
    char name[300] = "";

    switch (type) {
    case TND_DNS_A:
        inet_pton(AF_INET, data, w->p + w->n);
        w->n += 4;
        break;
    case TND_DNS_AAAA:
        inet_pton(AF_INET6, data, w->p + w->n);
        w->n += 16;
        break;
    case TND_DNS_CNAME:
        wire_name(w, data);
        break;
    case TND_DNS_SRV:
        sscanf(data, "%u %u %u %299s", &a, &b, &c, name);
        wire_u16(w, a);
        wire_u16(w, b);
        wire_u16(w, c);
        wire_name(w, name);
        break;
    case TND_DNS_NAPTR:
        sscanf(data, "%u %u", &a, &b);
        wire_u16(w, a);
        wire_u16(w, b);
        data = wire_string(w, wire_string(w, wire_string(w, data)));
        sscanf(data, "%299s", name);
        wire_name(w, name);
        break;
    }
}

static inline void wire_rr(struct wire *w, const char *name, unsigned type, unsigned long ttl,
                           const char *data)
{
    wire_name(w, name);
    wire_u16(w, type);
    wire_u16(w, 1);
    wire_u32(w, ttl);
    size_t at = w->n;
    wire_u16(w, 0);
    wire_rdata(w, type, data);
    w->p[at] = (uint8_t)((w->n - at - 2) >> 8);
    w->p[at + 1] = (uint8_t)(w->n - at - 2);
}

struct zone_line {
    char name[300], type[16], data[400];
    unsigned long ttl;
};

static inline const char *zone_next(const char *zone, struct zone_line *l)
{
    while (*zone && isspace((unsigned char)*zone))
        zone++;
    if (!*zone)
        return NULL;
    int used = 0;
    sscanf(zone, "%299s %lu %15s %n", l->name, &l->ttl, l->type, &used);
    zone += used;
    size_t len = strcspn(zone, "\n");
    snprintf(l->data, sizeof l->data, "%.*s", (int)len, zone);
    return zone + len;
}

static inline bool zone_ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), t = strlen(tail);

    return n > t && strcmp(name + n - t, tail) == 0 && name[n - t - 1] == '.';
}

static inline void wire_header(struct wire *w, unsigned flags, const char *name, unsigned type)
{
    memset(w->p, 0, 12);
    w->n = 12;
    w->p[2] = (uint8_t)(flags >> 8);
    w->p[3] = (uint8_t)flags;
    w->p[5] = 1;
    wire_name(w, name);
    wire_u16(w, type);
    wire_u16(w, 1);
}

static inline enum tnd_dns_outcome zone_failure(const char *zone, const char *name, unsigned type)
{
    struct zone_line l;
    char how[32], of[32];

    while ((zone = zone_next(zone, &l)) != NULL) {
        if (strcmp(l.type, "FAIL") != 0 || strcmp(l.name, name) != 0)
            continue;
        if (sscanf(l.data, "%31s %31s", how, of) == 2 && wire_type(of) != type)
            continue;
        if (strcmp(how, "SERVFAIL") == 0)
            return TND_DNS_SERVFAIL;
        if (strcmp(how, "REFUSED") == 0)
            return TND_DNS_REFUSED;
        return TND_DNS_TIMEOUT;
    }
    return TND_DNS_NONE;
}

// The message that answers (name, type). `shallow`: CNAMEs are not followed.
static inline void zone_message(const char *zone, const char *name, unsigned type, bool shallow,
                                struct wire *w)
{
    char at[300];
    unsigned answers = 0, found, hops = 0;
    bool exists;
    struct zone_line l;

    snprintf(at, sizeof at, "%s", name);
    wire_header(w, 0x8400, name, type);
    do {
        char next[300] = "";
        found = 0;
        exists = false;
        for (const char *z = zone; (z = zone_next(z, &l)) != NULL;) {
            exists |= strcmp(l.name, at) == 0 || zone_ends_with(l.name, at);
            if (strcmp(l.name, at) != 0 || strcmp(l.type, "FAIL") == 0)
                continue;
            if (wire_type(l.type) == type || strcmp(l.type, "CNAME") == 0) {
                wire_rr(w, at, wire_type(l.type), l.ttl, l.data);
                answers++;
                found += wire_type(l.type) == type;
                if (strcmp(l.type, "CNAME") == 0)
                    snprintf(next, sizeof next, "%.299s", l.data);
            }
        }
        if (!*next)
            break;
        snprintf(at, sizeof at, "%s", next);
        exists = true;
    } while (!shallow && ++hops < 20);
    w->p[6] = (uint8_t)(answers >> 8);
    w->p[7] = (uint8_t)answers;
    if (found > 0 || shallow)
        if (answers > 0)
            return;
    if (!exists)
        w->p[3] |= 3;
    w->p[9] = 1;
    wire_name(w, "test");
    wire_u16(w, 6);
    wire_u16(w, 1);
    wire_u32(w, 600);
    wire_u16(w, 22);
    wire_u16(w, 0); // mname and rname: the root
    wire_u32(w, 1);
    wire_u32(w, 3600);
    wire_u32(w, 900);
    wire_u32(w, 86400);
    wire_u32(w, 77);
}

static inline struct tnd_dns_answer *zone_ask(const char *zone, const char *name, unsigned type,
                                              bool shallow)
{
    static struct wire w;
    enum tnd_dns_outcome o = zone_failure(zone, name, type);

    if (o != TND_DNS_NONE)
        return tnd_dns_no_answer(o, (uint16_t)type);
    zone_message(zone, name, type, shallow, &w);
    return tnd_dns_walk(w.p, w.n, name, (uint16_t)type);
}
