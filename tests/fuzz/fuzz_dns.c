// DNS answers. The first octet chooses the question, the rest is the message. Whatever it
// holds, the answer lies wholly in its block, equals itself, and can be located over.
#include "dns/locate.h"
#include "fuzz/fuzz.h"

static const struct {
    const char *name;
    uint16_t type;
} questions[] = {
    {"x.test", TND_DNS_A},
    {"x.test", TND_DNS_AAAA},
    {"x.test", TND_DNS_NAPTR},
    {"_sip._udp.x.test", TND_DNS_SRV},
};

static void check_text(const struct tnd_dns_answer *a, uint32_t off)
{
    CHECK(off >= sizeof *a && off < a->size);
    CHECK(memchr(tnd_dns_text(a, off), 0, a->size - off) != NULL);
}

static void check_record(const struct tnd_dns_answer *a, const struct tnd_dns_rr *rr)
{
    if (a->type == TND_DNS_SRV) {
        check_text(a, rr->srv.target);
    } else if (a->type == TND_DNS_NAPTR) {
        check_text(a, rr->naptr.flags);
        check_text(a, rr->naptr.service);
        check_text(a, rr->naptr.regexp);
        check_text(a, rr->naptr.replacement);
    }
}

static void check_answer(const struct tnd_dns_answer *a, uint16_t type)
{
    CHECK(a->outcome > TND_DNS_NONE && a->outcome < TND_DNS_OUTCOME_COUNT);
    CHECK(a->type == type && a->n <= TND_DNS_RECORDS_MAX && a->n_chain <= TND_DNS_CHAIN_MAX);
    CHECK((a->outcome == TND_DNS_POSITIVE) == (a->n > 0));
    CHECK(a->outcome != TND_DNS_ALIAS || a->n_chain > 0);
    CHECK(a->ttl_s <= INT32_MAX || !tnd_dns_is_answer(a->outcome) || a->n == 0);
    for (uint8_t i = 0; i < a->n_chain; i++)
        check_text(a, a->chain[i]);
    for (uint16_t i = 0; i < a->n; i++)
        check_record(a, &a->rr[i]);
    CHECK(tnd_dns_same(a, a));
}

// The answer as part of a walk in which every other question fails.
static void locate(struct tnd_dns_answer *a, const char *name, uint16_t type)
{
    static const struct tnd_hash_key key = {1, 2};
    static const struct tnd_locate_policy policy;
    struct tnd_locate_hop hop = {.host = "x.test"};
    struct tnd_dns_limits limits = TND_DNS_LIMITS_DEFAULT;
    struct tnd_dns_cache *cache = tnd_dns_cache_new(&key, &limits);
    struct tnd_located l = {0};
    struct tnd_dns_entry *e;

    tnd_dns_cache_store(cache, tnd_dns_cache_want(cache, name, type, 0), a, 0, 0, 0);
    for (int rounds = 0; rounds < 100; rounds++) {
        tnd_locate(cache, &hop, &policy, 0, &l);
        if (l.complete)
            break;
        while ((e = tnd_dns_cache_due(cache, 0)) != NULL) {
            tnd_dns_cache_asked(cache, e);
            tnd_dns_cache_store(cache, e, tnd_dns_no_answer(TND_DNS_NXDOMAIN, e->type), 0, 0, 0);
        }
    }
    CHECK(l.complete);
    CHECK((l.n_targets == 0) == (l.error != TND_LOCATE_NONE));
    tnd_located_free(&l);
    tnd_dns_cache_free(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned q = data[0] % (sizeof questions / sizeof questions[0]);
    struct tnd_dns_answer *a =
        tnd_dns_walk(data + 1, size - 1, questions[q].name, questions[q].type);
    CHECK(a != NULL);
    check_answer(a, questions[q].type);
    if (size > 13)
        CHECK(!tnd_dns_same_question(data + 1, size - 1, data + 1, 5));
    locate(a, questions[q].name, questions[q].type);
    return 0;
}
