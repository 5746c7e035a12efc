// URIs: sip: and sips: with a user and a plain host here, the rest in uri.c.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/host.h"

// As tnd_uri_parse.
bool tnd__uri_any(struct tnd__text t, struct tnd_span s, struct tnd_uri *out);

// Parse a tel URI behind its "tel:", into an `out` that is all zero but for its scheme.
bool tnd__tel(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out);

// Parse port, parameters and headers, each optional, from `at` to the end of the URI. A port
// that is not there leaves the one of `out`.
bool tnd__uri_tail(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out);

// Parse the URI in [at, end), in a value that has room, into an `out` that is all zero. No run may
// pass `end`.
// Returns: offset of its parameters, which are for tnd__uri_tail, or `end`; 0 when only the long
// way can tell.
TND__INLINE size_t tnd__plain_uri(struct tnd__text t, size_t at, size_t end, struct tnd_uri *out)
{
    size_t user = at + 4, host = user, p;
    const char *d = t.d;

    // What is shorter than "sip:" has not all of it.
    if (tnd__unlikely(!tnd__has_room(t, end) || !tnd__is_sip(d + at)))
        return 0;
    // Users are numbers and names, most of them.
    p = tnd__run_end(t, TND_RUN_HOST, user + (d[user] == '+'));
    if (tnd__likely(d[p] == '@' && p != user)) {
        out->user = tnd__span(user, p);
        host = p + 1;
    }
    p = tnd__host_port(t, host, end, &out->host, &out->ip, &out->port);
    // Without a user what follows the host may be part of one.
    if (p != end &&
        (p == 0 || host == user || d[p] != ';' || tnd__run_end(t, TND_RUN_URI, p) != end))
        return 0;
    out->whole = tnd__span(at, end);
    out->scheme = TND_SCHEME_SIP;
    return p;
}
