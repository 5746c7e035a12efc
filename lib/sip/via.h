// A via-parm (RFC 3261 s20.42, RFC 3581): over UDP, TCP and TLS without blanks here, the rest in
// via.c.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/host.h"
#include "sip/value.h"

// As tnd_via_parse.
size_t tnd__via_any(struct tnd__text t, size_t at, size_t end, struct tnd_via *out);

// Take the parameters from `at` on into `out`, the via-parm that begins at `start`, and end it.
// Returns: as tnd_via_parse.
size_t tnd__via_params(struct tnd__text t, size_t start, size_t at, size_t end,
                       struct tnd_via *out);

// Take "SIP/2.0/UDP " or its like for TCP and TLS at `p`. Returns: false for anything else.
TND__INLINE bool tnd__plain_protocol(const char *p, struct tnd_via *out)
{
    uint32_t over = tnd__load4(p + 8);

    if (tnd__load8(p) != tnd__load8("SIP/2.0/"))
        return false;
    if (tnd__likely(over == tnd__load4("UDP ")))
        out->transport = TND_TRANSPORT_UDP;
    else if (over == tnd__load4("TCP "))
        out->transport = TND_TRANSPORT_TCP;
    else if (over == tnd__load4("TLS "))
        out->transport = TND_TRANSPORT_TLS;
    else
        return false;
    return true;
}

// Take ";branch=value" at *at, and step behind it.
// Returns: false, with nothing done, when that is not there, or in another form.
TND__INLINE bool tnd__plain_branch(struct tnd__text t, size_t *at, size_t end, struct tnd_via *out)
{
    size_t from = *at + 8, p;

    if ((tnd__load8(t.d + *at) | 0x0020202020202000ULL) != tnd__load8(";branch=")) // six letters
        return false;
    p = tnd_scan_find(t.maps, TND_RUN_VALUE, from);
    if (p == from || !tnd__ends_param(t.d, p, end))
        return false;
    out->branch = tnd__span(from, p);
    *at = p;
    return true;
}

// The same for ";rport".
TND__INLINE bool tnd__plain_rport(struct tnd__text t, size_t *at, size_t end, struct tnd_via *out)
{
    uint64_t name = tnd__load8(t.d + *at) | 0x0000202020202000ULL; // five letters
    size_t p = *at + 6;

    if (name << 16 != tnd__load8(";rport\0\0") << 16 || !tnd__ends_param(t.d, p, end))
        return false;
    out->rport = tnd__span(p, p);
    out->rport_param = tnd__span(*at, p);
    *at = p;
    return true;
}

// As tnd_via_parse, into an `out` that is all zero. No run may pass `end`.
TND__INLINE size_t tnd__via(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    size_t p;

    if (!tnd__has_room(t, end) || !tnd__plain_protocol(t.d + at, out) ||
        (p = tnd__host_port(t, at + 12, &out->host, &out->sent_by, &out->sent_by.port)) == 0)
        return tnd__via_any(t, at, end, out);
    // What requests have: a branch, and perhaps rport behind or before it.
    if (tnd__likely(tnd__plain_branch(t, &p, end, out)))
        tnd__plain_rport(t, &p, end, out);
    else if (tnd__plain_rport(t, &p, end, out))
        tnd__plain_branch(t, &p, end, out);
    if (tnd__likely(p == end)) {
        out->whole = tnd__span(at, p);
        return p;
    }
    return tnd__ends_param(t.d, p, end) ? tnd__via_params(t, at, p, end, out)
                                        : tnd__via_any(t, at, end, out);
}
