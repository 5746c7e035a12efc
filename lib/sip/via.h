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
    p = tnd__run_end(t, TND_RUN_VALUE, from);
    if (tnd__unlikely(p == from || !tnd__ends_param(t.d, p, end)))
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

// The same for ";rport=port", as answers have it.
TND__INLINE bool tnd__plain_rport_value(struct tnd__text t, size_t *at, size_t end,
                                        struct tnd_via *out)
{
    uint64_t name = tnd__load8(t.d + *at) | 0x0000202020202000ULL; // five letters
    size_t from = *at + 7, p;

    if (name << 8 != tnd__load8(";rport=\0") << 8)
        return false;
    p = tnd__run_end(t, TND_RUN_HOST, from);
    if (!tnd__ends_param(t.d, p, end) || !tnd__port(t.d + from, p - from, &out->rport_value))
        return false;
    out->rport = tnd__span(from, p);
    out->rport_param = tnd__span(*at, p);
    *at = p;
    return true;
}

// The same for ";received=address", if that is IPv4.
TND__INLINE bool tnd__plain_received(struct tnd__text t, size_t *at, size_t end,
                                     struct tnd_via *out)
{
    const char *name = t.d + *at;
    size_t from = *at + 10, p;

    if ((tnd__load8(name) | 0x2020202020202000ULL) != tnd__load8(";receive") ||
        (name[8] | 0x20) != 'd' || name[9] != '=')
        return false;
    p = tnd__run_end(t, TND_RUN_HOST, from);
    if (p - from > 15 || !tnd__ends_param(t.d, p, end) ||
        !tnd__quad(t.d + from, (unsigned)(p - from), &out->received_ip))
        return false;
    out->received = tnd__span(from, p);
    out->received_param = tnd__span(*at, p);
    *at = p;
    return true;
}

// Take parameters of these forms from *at on, until there is none or it is there already.
TND__INLINE void tnd__plain_via_params(struct tnd__text t, size_t *at, size_t end,
                                       struct tnd_via *out)
{
    while (*at != end && ((!out->rport.off && tnd__plain_rport_value(t, at, end, out)) ||
                          (!out->received.off && tnd__plain_received(t, at, end, out)) ||
                          (!out->rport.off && tnd__plain_rport(t, at, end, out)) ||
                          (!out->branch.off && tnd__plain_branch(t, at, end, out))))
        ;
}

// Parse the via-parm at `at`, up to parameters that few have, into an `out` that is all zero. No
// run may pass `end`, where the field's value ends.
// Returns: `end` when it is read; else offset of what tnd__via_params goes on with, or 0 when only
// the long way can tell.
TND__INLINE size_t tnd__plain_via(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    size_t p;

    if (tnd__unlikely(!tnd__has_room(t, end) || !tnd__plain_protocol(t.d + at, out)))
        return 0;
    p = tnd__host_port(t, at + 12, end, &out->host, &out->sent_by, &out->sent_by.port);
    if (tnd__unlikely(p == 0))
        return 0;
    // What requests have: a branch, and perhaps rport behind or before it.
    if (tnd__likely(tnd__plain_branch(t, &p, end, out)))
        tnd__plain_rport(t, &p, end, out);
    else if (tnd__plain_rport(t, &p, end, out))
        tnd__plain_branch(t, &p, end, out);
    if (tnd__likely(p == end))
        out->whole = tnd__span(at, p);
    else if (tnd__unlikely(!tnd__ends_param(t.d, p, end)))
        return 0;
    return p;
}
