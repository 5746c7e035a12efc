#include "proxy/policy.h"

#include <stdio.h>

#include "sip/escape.h"

static const struct tnd_hash_key content_key = {0x74616e64656d2d69ULL, 0x64656e7469747931ULL};

static uint32_t fold(uint64_t h)
{
    uint32_t id = (uint32_t)(h ^ (h >> 32));

    return id ? id : 1;
}

uint32_t tnd_listener_id(const struct tnd_addr *a)
{
    return fold(tnd_hash(&content_key, a, sizeof *a));
}

void tnd_listener_name(struct tnd_listener *l)
{
    char text[TND_ADDR_TEXT_MAX];

    tnd_addr_text(&l->advertise, text);
    l->id = tnd_listener_id(&l->addr);
    l->via_len = (uint8_t)snprintf(l->via, sizeof l->via, "Via: SIP/2.0/UDP %s;branch=", text);
    l->route_len = (uint8_t)snprintf(l->route, sizeof l->route, "@%s;lr>\r\n", text);
}

uint32_t tnd_trunk_id(const char *name)
{
    return fold(tnd_hash(&content_key, name, strlen(name)));
}

uint16_t tnd_policy_listener(const struct tnd_policy *p, uint32_t id)
{
    for (uint16_t i = 0; i < p->n_listeners; i++)
        if (p->listeners[i].id == id)
            return i;
    return TND_NO_LISTENER;
}

uint16_t tnd_policy_listener_for(const struct tnd_policy *p, uint8_t family, uint16_t like)
{
    if (like < p->n_listeners && p->listeners[like].addr.family == family)
        return like;
    for (uint16_t i = 0; i < p->n_listeners; i++)
        if (p->listeners[i].addr.family == family)
            return i;
    return TND_NO_LISTENER;
}

uint16_t tnd_egress_listener(const struct tnd_policy *p, const struct tnd_addr *dst,
                             uint16_t ingress, uint16_t interface)
{
    if (ingress < p->n_listeners && p->listeners[ingress].addr.family == dst->family &&
        p->listeners[ingress].interface == interface)
        return ingress;
    for (uint16_t i = 0; i < p->n_listeners; i++)
        if (p->listeners[i].addr.family == dst->family && p->listeners[i].interface == interface)
            return i;
    return tnd_policy_listener_for(p, dst->family, ingress);
}

// Trunk ids are unique (control refuses a collision); thousands of trunks are few lookups a
// second, as only responses that turn a 503 and counted packets ask.
uint16_t tnd_policy_trunk(const struct tnd_policy *p, uint32_t id)
{
    for (uint16_t i = 0; i < p->n_trunks; i++)
        if (p->trunks[i].id == id)
            return i;
    return TND_NO_TRUNK;
}

uint16_t tnd_policy_source(const struct tnd_policy *p, const struct tnd_addr *src)
{
    uint32_t v = tnd_lpm_lookup(p->sources, src);

    return v == TND_LPM_NONE ? TND_NO_TRUNK : (uint16_t)v;
}

static bool is_our_address(const struct tnd_policy *p, const struct tnd_uri *uri)
{
    uint16_t port = uri->port ? uri->port : 5060;

    for (uint16_t i = 0; i < p->n_listeners; i++) {
        const struct tnd_listener *l = &p->listeners[i];
        if ((tnd_addr_same_ip(&uri->ip, &l->addr) && port == l->addr.port) ||
            (tnd_addr_same_ip(&uri->ip, &l->advertise) && port == l->advertise.port))
            return true;
    }
    return false;
}

// A name stands for every listener: its port need only be one of theirs, or be left out.
static bool is_our_port(const struct tnd_policy *p, uint16_t port)
{
    if (port == 0)
        return true;
    for (uint16_t i = 0; i < p->n_listeners; i++)
        if (p->listeners[i].addr.port == port || p->listeners[i].advertise.port == port)
            return true;
    return false;
}

bool tnd_policy_is_ours(const struct tnd_policy *p, const char *base, const struct tnd_uri *uri)
{
    struct tnd_str host = {base + uri->host.off, uri->host.len};

    if (uri->scheme != TND_SCHEME_SIP && uri->scheme != TND_SCHEME_SIPS)
        return false;
    if (uri->ip.family)
        return is_our_address(p, uri);
    if (host.len && host.p[host.len - 1] == '.')
        host.len--;
    for (uint32_t i = 0; i < p->n_names; i++)
        if (tnd_str_ieq(host, tnd_str_of(p->names[i])))
            return is_our_port(p, uri->port);
    return false;
}

// "user=phone" among the parameters, however it is spelled (RFC 3261 s19.1.4).
static bool says_phone(struct tnd_str params)
{
    while (params.len) {
        const char *semi = memchr(params.p, ';', params.len);
        struct tnd_str param = {params.p, semi ? (size_t)(semi - params.p) : params.len};
        const char *eq = memchr(param.p, '=', param.len);
        size_t used = param.len + (semi ? 1 : 0);

        if (eq &&
            tnd_uri_name_is((struct tnd_str){param.p, (size_t)(eq - param.p)}, TND_STR("user")))
            return tnd_uri_name_is((struct tnd_str){eq + 1, param.len - (size_t)(eq + 1 - param.p)},
                                   TND_STR("phone"));
        params.p += used;
        params.len -= used;
    }
    return false;
}

// Whether the user part is a telephone number: of tel, or of a SIP URI that says so and has
// something in it which is not dialled (RFC 3261 s19.1.1, s19.1.6).
static bool is_number(const struct tnd_sip_msg *m)
{
    const struct tnd_uri *uri = &m->ruri;
    struct tnd_str user = tnd_text(m, uri->user);

    if (uri->scheme == TND_SCHEME_TEL)
        return true;
    if (uri->params.len == 0)
        return false;
    while (user.len && !tnd__is_separator(*user.p) && *user.p != '%' && *user.p != ';') {
        user.p++;
        user.len--;
    }
    return user.len && says_phone(tnd_text(m, uri->params));
}

// '*' at the end matches any rest. The user part is case-sensitive, and an escaped octet is
// the octet (RFC 3261 s19.1.4): "%2B49" must not slip past "+49*", nor "+4-9" of a number.
static bool user_matches(const char *pattern, struct tnd_str user, bool number)
{
    char c;

    for (; *pattern; pattern++) {
        if (pattern[0] == '*' && pattern[1] == 0)
            return true;
        if (number && tnd__is_separator(*pattern))
            continue;
        if (!tnd__next_octet(&user, number, &c) || c != (number ? tnd_lower(*pattern) : *pattern))
            return false;
    }
    return !tnd__next_octet(&user, number, &c);
}

// '*' at the beginning matches any rest; hosts compare without case. No host, no match: a tel URI
// has one only where its phone-context is a domain (RFC 3966 s5.1.5).
static bool domain_matches(const char *pattern, struct tnd_str host)
{
    struct tnd_str want = tnd_str_of(pattern);

    if (host.len == 0)
        return false;
    if (host.len > 1 && host.p[host.len - 1] == '.')
        host.len--;
    if (want.len && want.p[0] == '*') {
        want.p++;
        want.len--;
        if (host.len < want.len)
            return false;
        host.p += host.len - want.len;
        host.len = want.len;
    }
    return tnd_str_ieq(host, want);
}

static bool method_matches(const struct tnd_route_rule *r, const struct tnd_sip_msg *msg,
                           enum tnd_method match_as)
{
    if (r->method != TND_METHOD_OTHER)
        return r->method == match_as;
    return match_as == TND_METHOD_OTHER &&
           tnd_str_eq(tnd_text(msg, msg->method_text), tnd_str_of(r->method_text));
}

static bool has_conditions(const struct tnd_route_rule *r)
{
    return r->method_text || r->user || r->domain;
}

// What is asked of a message by rule after rule, found once.
struct asked {
    enum tnd_method as;
    bool known, number; // is_number, which walks through the parameters
};

static bool user_holds(const struct tnd_route_rule *r, const struct tnd_sip_msg *msg,
                       struct asked *asked)
{
    if (!asked->known)
        asked->number = is_number(msg);
    asked->known = true;
    return user_matches(r->user, tnd_text(msg, msg->ruri.user), asked->number);
}

static __attribute__((noinline)) bool
conditions_hold(const struct tnd_route_rule *r, const struct tnd_sip_msg *msg, struct asked *asked)
{
    if (r->method_text && !method_matches(r, msg, asked->as))
        return false;
    if (r->user && !user_holds(r, msg, asked))
        return false;
    return !r->domain || domain_matches(r->domain, tnd_text(msg, msg->ruri.host));
}

const struct tnd_route_rule *tnd_policy_route(const struct tnd_policy *p, uint16_t from,
                                              const struct tnd_sip_msg *msg,
                                              enum tnd_method match_as)
{
    struct asked asked = {.as = match_as};

    for (const struct tnd_route_rule *r = p->rules, *end = r + p->n_rules; r < end; r++)
        if ((r->from == TND_NO_TRUNK || r->from == from) &&
            (!has_conditions(r) || conditions_hold(r, msg, &asked)))
            return r;
    return NULL;
}
