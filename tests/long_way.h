// What the parser reads by its short ways, read again by the long ones: through the functions for
// one value (sip/msg.h), which know nothing of the rest of a message, and octet by octet.
#pragma once

#include "sip/msg.h"

// The one field of a header, or NULL.
static inline const struct tnd_sip_hdr *long_way_only(const struct tnd_sip_msg *m, enum tnd_hdr id)
{
    const struct tnd_sip_hdr *h = m->first[id] == TND_SIP_NO_HDR ? NULL : &m->hdr[m->first[id]];

    return h && h->next == TND_SIP_NO_HDR ? h : NULL;
}

static inline bool long_way_uri(const struct tnd_sip_msg *m)
{
    struct tnd_uri u;
    bool good;

    if (m->ruri_text.len == 0)
        return true;
    good = tnd_uri_parse(m->data, m->ruri_text, &u);
    if (m->error == TND_SIP_ERR_RURI && m->error_at == m->ruri_text.off)
        return !good;
    return m->error != TND_SIP_ERR_NONE || (good && memcmp(&u, &m->ruri, sizeof u) == 0);
}

static inline bool long_way_via(const struct tnd_sip_msg *m)
{
    const struct tnd_sip_hdr *h;
    struct tnd_via v, v2;
    uint16_t end, at;

    if (m->first[TND_HDR_VIA] == TND_SIP_NO_HDR)
        return true;
    h = &m->hdr[m->first[TND_HDR_VIA]];
    end = (uint16_t)(h->value + h->value_len);
    at = tnd_via_parse(m->data, h->value, end, &v);
    if (at == 0 && m->error == TND_SIP_ERR_NONE)
        return false;
    if (memcmp(&v, &m->via, sizeof v) != 0)
        return false;
    if (m->is_request || at == 0 || at == end)
        return true;
    at = tnd_via_parse(m->data, (uint16_t)(at + 1), end, &v2);
    return at == 0 ? m->error != TND_SIP_ERR_NONE : memcmp(&v2, &m->via2, sizeof v2) == 0;
}

// Of a message without fault.
static inline bool long_way_name_addr(const struct tnd_sip_msg *m, enum tnd_hdr id,
                                      struct tnd_span uri, struct tnd_span tag)
{
    const struct tnd_sip_hdr *h = long_way_only(m, id);
    struct tnd_span item, want, params, value = {0};
    uint16_t at, end;

    if (!h)
        return false;
    at = h->value;
    end = (uint16_t)(h->value + h->value_len);
    if (!tnd_name_addr_next(m->data, &at, end, &item, &want) || at != end)
        return false;
    params.off = (uint16_t)(want.off + want.len + (m->data[want.off + want.len] == '>'));
    params.len = (uint16_t)(end - params.off);
    tnd_param_find(m->data, params, TND_STR("tag"), &value);
    return memcmp(&uri, &want, sizeof uri) == 0 && memcmp(&tag, &value, sizeof tag) == 0;
}

// Read the digits a value begins with. Returns: how many; `n` is 2^40 for a number above that.
static inline unsigned long_way_digits(const struct tnd_sip_msg *m, const struct tnd_sip_hdr *h,
                                       uint64_t *n)
{
    unsigned i = 0;

    for (*n = 0; i < h->value_len && (uint8_t)(m->data[h->value + i] - '0') <= 9; i++) {
        *n = *n * 10 + (uint64_t)(m->data[h->value + i] - '0');
        if (*n > 1ULL << 40)
            *n = 1ULL << 40;
    }
    return i;
}

static inline bool long_way_numbers(const struct tnd_sip_msg *m)
{
    const struct tnd_sip_hdr *cseq = long_way_only(m, TND_HDR_CSEQ);
    const struct tnd_sip_hdr *hops = long_way_only(m, TND_HDR_MAX_FORWARDS);
    const struct tnd_sip_hdr *length = long_way_only(m, TND_HDR_CONTENT_LENGTH);
    uint64_t n;

    if (m->error == TND_SIP_ERR_NONE &&
        (!cseq || long_way_digits(m, cseq, &n) == 0 || n != m->cseq))
        return false;
    if (hops) {
        bool good = long_way_digits(m, hops, &n) == hops->value_len && hops->value_len > 0;

        if (good ? m->max_forwards != (n > 255 ? 70 : n) : m->error == TND_SIP_ERR_NONE)
            return false;
    }
    if (length && m->error == TND_SIP_ERR_NONE)
        return long_way_digits(m, length, &n) == length->value_len && n == m->body_len;
    return true;
}

// Whether each field of a header is a list of name-addrs; `first` gets the first one's URI.
static inline bool long_way_list(const struct tnd_sip_msg *m, enum tnd_hdr id,
                                 struct tnd_span *first)
{
    bool good = true;

    for (unsigned i = m->first[id]; i != TND_SIP_NO_HDR; i = m->hdr[i].next) {
        uint16_t at = m->hdr[i].value, end = (uint16_t)(at + m->hdr[i].value_len);
        struct tnd_span item, uri;
        bool star = id == TND_HDR_CONTACT && end - at == 1 && m->data[at] == '*';

        while (!star && tnd_name_addr_next(m->data, &at, end, &item, &uri))
            if (first->off == 0 && i == m->first[id])
                *first = uri;
        good &= star || (at == end && m->hdr[i].value_len > 0);
    }
    return good;
}

// What a request may not have malformed, and nobody reads of an answer.
static inline bool long_way_lists(const struct tnd_sip_msg *m)
{
    struct tnd_span contact = {0}, route = {0};
    bool contacts = long_way_list(m, TND_HDR_CONTACT, &contact);
    bool routes = long_way_list(m, TND_HDR_ROUTE, &route);

    routes &= long_way_list(m, TND_HDR_RECORD_ROUTE, &route);
    if (memcmp(&contact, &m->contact_uri, sizeof contact) != 0)
        return false;
    if (m->error == TND_SIP_ERR_NONE && m->is_request)
        return contacts && routes;
    return m->error == TND_SIP_ERR_CONTACT ? !contacts : m->error != TND_SIP_ERR_ROUTE || !routes;
}

// Returns: what was read differently, or NULL.
static inline const char *long_way_differs(const struct tnd_sip_msg *m)
{
    if (m->is_request && !long_way_uri(m))
        return "Request-URI";
    if (!long_way_via(m))
        return "Via";
    if (!long_way_numbers(m))
        return "a number";
    if (!long_way_lists(m))
        return "a list of name-addrs";
    if (m->error != TND_SIP_ERR_NONE)
        return NULL;
    if (!long_way_name_addr(m, TND_HDR_FROM, m->from_uri, m->from_tag))
        return "From";
    return long_way_name_addr(m, TND_HDR_TO, m->to_uri, m->to_tag) ? NULL : "To";
}
