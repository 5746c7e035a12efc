// Following names: the resolver's state machine, without its sockets and its clock.
//
// A followed name is located again whenever a record set it rests on has changed, and handed
// out when the result is new. The driver does four things, in any order and as often as it
// likes: takes questions (tnd_follow_question), brings what came of them (tnd_follow_answer),
// takes results (tnd_follow_result), and sleeps until tnd_follow_wake_ms. The same code runs
// under libuv in the product and under a simulated clock in the tests.
//
// - A complete result is handed out at once, unless it says what the last one said. One that
//   still awaits an address of some target is handed out after `patience_ms` as far as it goes,
//   and again when the rest is in; until then the previous one stands, and longer while all
//   there is of the new one is drained (weight 0) or of a transport the engine cannot send. A
//   result without targets, by failure and not by an answer, is handed out only when the name had
//   none, or when what it rested on has become too old to be served.
// - A zone whose servers stall delays its own names: once half of the window is taken, names
//   that share their last two labels get no more than a quarter of it.
// - A name that is not pinned and was not used for `idle_ms` is handed out a last time with
//   `gone` set; so is the one that was not used for longest when there are more of them than
//   `strangers`: requests bring them. Record sets that nothing rests on go
//   after a minute, or at once while there are more than 4,096 of them: so memory is bounded by
//   the names followed, however fast others come and go and however long their TTLs are.
//   Use is a touch here, or what `last_used_ms` says: that is asked for the name that would have
//   to go, and for no other.
//
// Threads:  one. Time is a value, and so is chance (the seed). No I/O.
// Lifetime: a result until the next call of any function here.
// Cost:     each call is bounded: some names (64) or one record set.
#pragma once

#include "dns/locate.h"

struct tnd_follow_options {
    struct tnd_hash_key key; // of the tables: names come from strangers
    uint64_t seed;           // of the jitter
    struct tnd_dns_limits limits;
    uint32_t window;      // questions under way at once
    uint32_t patience_ms; // how long a slow target holds back the others
    uint64_t idle_ms;
    uint32_t strangers; // names that are not pinned, at most; 0: as many as come
    // When a name was used last; 0: not known. May be NULL.
    uint64_t (*last_used_ms)(void *ctx, const char *name);
    void *ctx;
};

#define TND_FOLLOW_PATIENCE_MS 300u

struct tnd_follow_stats {
    uint64_t names, entries, asked, answered, failed, located;
    uint64_t strangers, crowded_out; // names that are not pinned; those gone for a newer one
    uint32_t under_way;
};

struct tnd_follow_result {
    const char *name;
    void *user;
    bool gone; // idle: no longer followed; `located` is NULL
    const struct tnd_located *located;
};

struct tnd_follow;

struct tnd_follow *tnd_follow_new(const struct tnd_follow_options *options); // NULL: no memory
void tnd_follow_free(struct tnd_follow *f);

// Follow a name. Following one again replaces its policy, touches it, and has it
// handed out again.
// name:    any text that identifies (hop, policy); the canonical next-hop name.
// pinned:  until tnd_follow_remove.
// Returns: false when memory is short.
bool tnd_follow_add(struct tnd_follow *f, const char *name, const struct tnd_locate_hop *hop,
                    const struct tnd_locate_policy *policy, bool pinned, void *user,
                    uint64_t now_ms);

void tnd_follow_remove(struct tnd_follow *f, const char *name);

// The name is in use. Returns: false when it is not followed.
bool tnd_follow_touch(struct tnd_follow *f, const char *name, uint64_t now_ms);

// The next question to ask now, or NULL. The entry stays valid until its answer is brought.
struct tnd_dns_entry *tnd_follow_question(struct tnd_follow *f, uint64_t now_ms);

// What came of it; failures too. `answer` becomes the follower's; NULL: memory was short.
void tnd_follow_answer(struct tnd_follow *f, struct tnd_dns_entry *e, struct tnd_dns_answer *answer,
                       uint32_t took_us, uint64_t now_ms);

// The next name with news. Returns: false when there is none, or none yet: call again when
// tnd_follow_wake_ms says so.
bool tnd_follow_result(struct tnd_follow *f, uint64_t now_ms, struct tnd_follow_result *out);

// When to call again, had nothing come by then; TND_DNS_NEVER.
uint64_t tnd_follow_wake_ms(const struct tnd_follow *f);

void tnd_follow_stats(const struct tnd_follow *f, struct tnd_follow_stats *out);
