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

// As tnd_uri_parse, into an `out` that is all zero. No run may pass the end of `s`.
TND__INLINE bool tnd__uri(struct tnd__text t, struct tnd_span s, struct tnd_uri *out)
{
    size_t at = s.off, end = s.off + s.len, user = at + 4, host = user, p;
    const char *d = t.d;

    if (!tnd__has_room(t, end) || s.len <= 4 || !tnd__is_sip(d + at))
        return tnd__uri_any(t, s, out);
    // Users are numbers and names, most of them.
    p = tnd_scan_find(t.maps, TND_RUN_HOST, user + (d[user] == '+'));
    if (tnd__likely(d[p] == '@' && p != user)) {
        out->user = tnd__span(user, p);
        host = p + 1;
    }
    p = tnd__host_port(t, host, &out->host, &out->ip, &out->port);
    if (p != end) {
        // Without a user what follows may be part of one.
        if (p == 0 || host == user || d[p] != ';' || tnd_scan_find(t.maps, TND_RUN_URI, p) != end)
            return tnd__uri_any(t, s, out);
    }
    out->whole = s;
    out->scheme = TND_SCHEME_SIP;
    return p == end || tnd__uri_tail(t, p, end, out);
}
