// What is done with answers and names once they are read; walk.c reads them.
#include "dns/walk.h"

#include <stdlib.h>
#include <string.h>

#include "util/str.h"

struct tnd_dns_answer *tnd_dns_no_answer(enum tnd_dns_outcome outcome, uint16_t type)
{
    struct tnd_dns_answer *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->outcome = (uint8_t)outcome;
    a->type = type;
    a->size = sizeof *a;
    return a;
}

static bool same_rr(const struct tnd_dns_answer *a, const struct tnd_dns_rr *x,
                    const struct tnd_dns_answer *b, const struct tnd_dns_rr *y)
{
    switch (a->type) {
    case TND_DNS_SRV:
        return x->srv.priority == y->srv.priority && x->srv.weight == y->srv.weight &&
               x->srv.port == y->srv.port &&
               strcmp(tnd_dns_text(a, x->srv.target), tnd_dns_text(b, y->srv.target)) == 0;
    case TND_DNS_NAPTR:
        return x->naptr.order == y->naptr.order && x->naptr.preference == y->naptr.preference &&
               !strcmp(tnd_dns_text(a, x->naptr.flags), tnd_dns_text(b, y->naptr.flags)) &&
               !strcmp(tnd_dns_text(a, x->naptr.service), tnd_dns_text(b, y->naptr.service)) &&
               !strcmp(tnd_dns_text(a, x->naptr.regexp), tnd_dns_text(b, y->naptr.regexp)) &&
               !strcmp(tnd_dns_text(a, x->naptr.replacement),
                       tnd_dns_text(b, y->naptr.replacement));
    default:
        return memcmp(x->ip, y->ip, sizeof x->ip) == 0;
    }
}

bool tnd_dns_same(const struct tnd_dns_answer *a, const struct tnd_dns_answer *b)
{
    if (a->outcome != b->outcome || a->type != b->type || a->n != b->n ||
        a->left_out != b->left_out || a->n_chain != b->n_chain)
        return false;
    for (uint8_t i = 0; i < a->n_chain; i++)
        if (strcmp(tnd_dns_text(a, a->chain[i]), tnd_dns_text(b, b->chain[i])) != 0)
            return false;
    for (uint16_t i = 0; i < a->n; i++)
        if (!same_rr(a, &a->rr[i], b, &b->rr[i]))
            return false;
    return true;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool tnd_dns_name(const char *text, size_t len, char out[TND_DNS_NAME_MAX])
{
    size_t label = 0;

    if (len > 0 && text[len - 1] == '.')
        len--;
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = tnd_lower(text[i]);
        if (c == '.' ? label == 0 : (!letter(c) || label == 63))
            return false;
        label = c == '.' ? 0 : label + 1;
        out[i] = c;
    }
    out[len] = '\0';
    return label > 0;
}

const char *tnd_dns_type_name(uint16_t type)
{
    switch (type) {
    case TND_DNS_A:
        return "A";
    case TND_DNS_AAAA:
        return "AAAA";
    case TND_DNS_CNAME:
        return "CNAME";
    case TND_DNS_SOA:
        return "SOA";
    case TND_DNS_SRV:
        return "SRV";
    case TND_DNS_NAPTR:
        return "NAPTR";
    default:
        return "?";
    }
}

const char *tnd_dns_outcome_code(enum tnd_dns_outcome o)
{
    static const char *const codes[] = {
#define X(name, code, text) [TND_DNS_##name] = code,
        TND_DNS_OUTCOMES(X)
#undef X
    };
    return o < TND_DNS_OUTCOME_COUNT ? codes[o] : "?";
}

const char *tnd_dns_outcome_text(enum tnd_dns_outcome o)
{
    static const char *const texts[] = {
#define X(name, code, text) [TND_DNS_##name] = text,
        TND_DNS_OUTCOMES(X)
#undef X
    };
    return o < TND_DNS_OUTCOME_COUNT ? texts[o] : "?";
}
