// A via-parm (RFC 3261 s20.42, RFC 3581): over UDP and without blanks here, the rest in via.c.
//
// Threads: pure. Private to lib/sip.
#pragma once

#include "sip/host.h"
#include "sip/value.h"

// As tnd_via_parse.
size_t tnd__via_any(struct tnd__text t, size_t at, size_t end, struct tnd_via *out);

// Take the parameter at *at, where a ';' should be, into `out`; on return *at is behind it.
// Returns: false when malformed, or one of those that count is there twice.
bool tnd__via_param(struct tnd__text t, size_t *at, size_t end, struct tnd_via *out);

TND__INLINE bool tnd__sip_udp(const char *p)
{
    return tnd__load8(p) == tnd__load8("SIP/2.0/") && tnd__load4(p + 8) == tnd__load4("UDP ");
}

// Parse ":port" after the host, if there is one. Returns: what is behind; 0: the long way.
TND__INLINE size_t tnd__via_port(const char *d, size_t at, struct tnd_via *out)
{
    uint32_t port;
    size_t digits;

    if (d[at] != ':')
        return at;
    digits = tnd__digits7(d + at + 1, &port);
    if (digits == 0 || port - 1 >= 65535)
        return 0;
    out->sent_by.port = (uint16_t)port;
    return at + 1 + digits;
}

TND__INLINE bool tnd__ends_param(const char *d, size_t at, size_t end)
{
    return d[at] == ';' || at == end || d[at] == ',';
}

// Take "branch=value" or "rport", the parameters that requests have, whose ';' is at *at; on
// return *at is behind it. Returns: false, with nothing done, when it is not of this form.
TND__INLINE bool tnd__via_common(struct tnd__text t, size_t *at, size_t end, struct tnd_via *out)
{
    size_t p = *at, q;
    uint64_t name = tnd__load8(t.d + p + 1) | 0x0000202020202020ULL; // six letters

    if (tnd__first_octets(name ^ tnd__load8("branch="), 7) == 0) {
        q = tnd_scan_find(t.maps, TND_RUN_VALUE, p + 8);
        if (q == p + 8 || !tnd__ends_param(t.d, q, end) || out->branch.off)
            return false;
        out->branch = tnd__span(p + 8, q);
    } else {
        q = p + 6;
        if (tnd__first_octets(name ^ tnd__load8("rport\0\0"), 5) != 0 ||
            !tnd__ends_param(t.d, q, end) || out->rport.off)
            return false;
        out->rport = tnd__span(q, q);
        out->rport_param = tnd__span(p, q);
    }
    *at = q;
    return true;
}

// As tnd_via_parse, into an `out` that is all zero. No run may pass `end`.
TND__INLINE size_t tnd__via(struct tnd__text t, size_t at, size_t end, struct tnd_via *out)
{
    size_t start = tnd__skip_lws(t.d, at, end), p;

    if (!tnd__has_room(t, end) || end - start < 13 || !tnd__sip_udp(t.d + start) ||
        (p = tnd__host(t, start + 12, &out->sent_by)) == 0)
        return tnd__via_any(t, at, end, out);
    out->transport = TND_TRANSPORT_UDP;
    out->host = tnd__span(start + 12, p);
    p = tnd__via_port(t.d, p, out);
    if (p == 0 || !tnd__ends_param(t.d, p, end))
        return tnd__via_any(t, at, end, out);
    while (p != end && t.d[p] != ',') {
        size_t behind = p;

        if (!tnd__via_common(t, &p, end, out)) {
            if (!tnd__via_param(t, &behind, end, out))
                return 0;
            p = behind;
        }
    }
    out->whole = tnd__span(start, tnd__trim_lws(t.d, start, p));
    return p;
}
