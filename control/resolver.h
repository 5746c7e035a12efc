// The resolver: followed names over real servers and the loop's clock.
//
// dns/follow.h decides what is asked and when, control/asker.h asks. This joins them: it hands
// questions over while the window has room, brings answers back, and tells of every name with
// news. Work per callback is bounded to 2 ms; what is left goes on in the next turn of the loop.
//
// Threads:  the loop's. Lifetime: until tnd_resolver_close; the loop has to run on once after.
#pragma once

#include "control/asker.h"
#include "dns/follow.h"

// News of a name. located: valid during the call; NULL when the name was idle and is no longer
// followed.
typedef void (*tnd_resolver_cb)(void *user, const char *name, void *name_user,
                                const struct tnd_located *located);

struct tnd_resolver_options {
    struct tnd_asker_options ask;
    struct tnd_dns_limits limits;
    uint32_t concurrency; // questions under way at once
    uint32_t patience_ms; // this and the next three: see dns/follow.h
    uint64_t idle_ms;
    uint32_t strangers;
    uint64_t (*last_used_ms)(void *user, const char *name); // on the clock of uv_hrtime; or NULL
    tnd_resolver_cb cb;
    void *user;
};

// All defaults of the configuration, and the system's servers.
void tnd_resolver_defaults(struct tnd_resolver_options *o);

struct tnd_resolver;

// Returns: NULL with `err` filled.
struct tnd_resolver *tnd_resolver_new(uv_loop_t *loop, const struct tnd_resolver_options *options,
                                      struct tnd_error *err);

// Follow a next hop by its canonical name (proxy/next_hop.h).
// pinned:  a trunk's: never idle.
// Returns: 0, -TND_EINVAL when `name` is none, -TND_ENOMEM.
int tnd_resolver_follow(struct tnd_resolver *r, const char *name,
                        const struct tnd_locate_policy *policy, bool pinned, void *name_user);

// The same for a hop that is not numbered among next-hop names; `name` only identifies it.
int tnd_resolver_follow_hop(struct tnd_resolver *r, const char *name,
                            const struct tnd_locate_hop *hop,
                            const struct tnd_locate_policy *policy, bool pinned, void *name_user);

void tnd_resolver_unfollow(struct tnd_resolver *r, const char *name);

void tnd_resolver_stats(const struct tnd_resolver *r, struct tnd_follow_stats *out);

// No callback comes any more.
void tnd_resolver_close(struct tnd_resolver *r);
