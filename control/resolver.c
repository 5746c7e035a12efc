#include "control/resolver.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "control/turn.h"
#include "proxy/next_hop.h"

#define STEPS_A_PASS 8 // up to 64 names are located, or a question is asked

struct tnd_resolver {
    struct tnd_resolver_options o;
    struct tnd_follow *follow;
    struct tnd_asker *asker;
    uv_timer_t timer;
    bool turning, closing;
};

struct question {
    struct tnd_resolver *resolver;
    struct tnd_dns_entry *entry;
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void turn(struct tnd_resolver *r);

static void on_timer(uv_timer_t *t)
{
    turn(t->data);
}

// The next turn: at once (in the loop's next round) or when something falls due.
static void schedule(struct tnd_resolver *r, bool at_once)
{
    uint64_t wake = tnd_follow_wake_ms(r->follow), now = now_ms();

    if (!at_once && wake == TND_DNS_NEVER) {
        uv_timer_stop(&r->timer);
        return;
    }
    uv_update_time(r->timer.loop);
    uv_timer_start(&r->timer, on_timer, at_once || wake <= now ? 0 : wake - now, 0);
}

static void on_answer(void *user, struct tnd_dns_answer *answer, uint32_t took_us)
{
    struct question *q = user;
    struct tnd_resolver *r = q->resolver;

    tnd_follow_answer(r->follow, q->entry, answer, took_us, now_ms());
    free(q);
    if (!r->turning && !r->closing)
        schedule(r, true);
}

static bool ask_one(struct tnd_resolver *r)
{
    struct tnd_dns_entry *e = tnd_follow_question(r->follow, now_ms());
    struct question *q;

    if (!e)
        return false;
    q = calloc(1, sizeof *q);
    if (!q) {
        tnd_follow_answer(r->follow, e, NULL, 0, now_ms());
        return false;
    }
    q->resolver = r;
    q->entry = e;
    tnd_asker_ask(r->asker, e->name, e->type, on_answer, q);
    return true;
}

static bool tell_one(struct tnd_resolver *r)
{
    struct tnd_follow_result result;

    if (!tnd_follow_result(r->follow, now_ms(), &result))
        return false;
    r->o.cb(r->o.user, result.name, result.user, result.gone ? NULL : result.located);
    return true;
}

static void turn(struct tnd_resolver *r)
{
    struct tnd_turn t = tnd_turn_begin(r->timer.loop, "resolver");
    bool more = true;

    r->turning = true;
    while (more && tnd_turn_take(&t, STEPS_A_PASS))
        more = tell_one(r) | ask_one(r);
    r->turning = false;
    schedule(r, more);
    tnd_turn_end(&t);
}

void tnd_resolver_defaults(struct tnd_resolver_options *o)
{
    memset(o, 0, sizeof *o);
    o->ask.n_servers = tnd_asker_system_servers(o->ask.servers);
    o->ask.timeout_ms = 500;
    o->ask.tries = 3;
    o->limits = TND_DNS_LIMITS_DEFAULT;
    o->concurrency = 500;
    o->patience_ms = TND_FOLLOW_PATIENCE_MS;
    o->idle_ms = 3600000;
    o->strangers = 16384;
}

struct tnd_resolver *tnd_resolver_new(uv_loop_t *loop, const struct tnd_resolver_options *options,
                                      struct tnd_error *err)
{
    struct tnd_resolver *r = calloc(1, sizeof *r);
    struct tnd_follow_options f = {.limits = options->limits,
                                   .window = options->concurrency,
                                   .patience_ms = options->patience_ms,
                                   .idle_ms = options->idle_ms,
                                   .strangers = options->strangers,
                                   .last_used_ms = options->last_used_ms,
                                   .ctx = options->user};

    if (!r || sodium_init() < 0) {
        free(r);
        tnd_fail(err, TND_ENOMEM, "dns: no memory or no random numbers; free some memory");
        return NULL;
    }
    r->o = *options;
    randombytes_buf(&f.key, sizeof f.key);
    randombytes_buf(&f.seed, sizeof f.seed);
    r->asker = tnd_asker_new(loop, &options->ask, err);
    if (!r->asker) {
        free(r);
        return NULL;
    }
    r->follow = tnd_follow_new(&f);
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    if (!r->follow) { // nothing was asked yet
        tnd_fail(err, TND_ENOMEM, "dns: memory is short; free some");
        tnd_resolver_close(r);
        return NULL;
    }
    return r;
}

int tnd_resolver_follow_hop(struct tnd_resolver *r, const char *name,
                            const struct tnd_locate_hop *hop,
                            const struct tnd_locate_policy *policy, bool pinned, void *name_user)
{
    if (!tnd_follow_add(r->follow, name, hop, policy, pinned, name_user, now_ms()))
        return -TND_ENOMEM;
    if (!r->turning)
        schedule(r, true);
    return 0;
}

int tnd_resolver_follow(struct tnd_resolver *r, const char *name,
                        const struct tnd_locate_policy *policy, bool pinned, void *name_user)
{
    struct tnd_next_hop_parts p;
    struct tnd_locate_hop hop = {0};

    if (!tnd_next_hop_parse(tnd_str_of(name), &p))
        return -TND_EINVAL;
    _Static_assert(sizeof hop.host == sizeof p.host, "copied whole");
    memcpy(hop.host, p.host, sizeof hop.host);
    hop.port = p.port;
    hop.transport = p.transport;
    hop.sips = p.sips;
    return tnd_resolver_follow_hop(r, name, &hop, policy, pinned, name_user);
}

void tnd_resolver_unfollow(struct tnd_resolver *r, const char *name)
{
    tnd_follow_remove(r->follow, name);
}

void tnd_resolver_stats(const struct tnd_resolver *r, struct tnd_follow_stats *out)
{
    tnd_follow_stats(r->follow, out);
}

static void timer_closed(uv_handle_t *h)
{
    struct tnd_resolver *r = h->data;

    tnd_follow_free(r->follow);
    free(r);
}

void tnd_resolver_close(struct tnd_resolver *r)
{
    if (!r)
        return;
    r->closing = true;
    tnd_asker_close(r->asker);
    uv_close((uv_handle_t *)&r->timer, timer_closed);
}
