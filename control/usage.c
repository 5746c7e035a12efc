#include "control/usage.h"

#include <string.h>

void tnd_usage_init(struct tnd_usage *u, struct tnd_table *table,
                    const struct tnd_hash_key *digest_key, uint64_t now_ms)
{
    memset(u, 0, sizeof *u);
    u->table = table;
    u->digest_key = digest_key;
    u->began_ms[0] = now_ms; // the table begins with epoch 0
}

static void next_epoch(struct tnd_usage *u, uint64_t now_ms)
{
    u->epoch = tnd_table_next_epoch(u->table);
    u->began_ms[u->epoch % TND_USAGE_EPOCHS] = now_ms;
    u->came = 0;
}

void tnd_usage_came(struct tnd_usage *u, uint64_t now_ms)
{
    if (++u->came >= TND_USAGE_CROWD)
        next_epoch(u, now_ms);
}

void tnd_usage_tick(struct tnd_usage *u, uint64_t now_ms)
{
    if (now_ms - u->began_ms[u->epoch % TND_USAGE_EPOCHS] >= TND_USAGE_EPOCH_MS)
        next_epoch(u, now_ms);
}

uint64_t tnd_usage_last_ms(const struct tnd_usage *u, const char *name)
{
    struct tnd_name_digest digest = tnd_name_digest(u->digest_key, tnd_str_of(name));
    uint16_t epoch;

    if (!tnd_table_used(u->table, &digest, &epoch) ||
        (uint16_t)(u->epoch - epoch) >= TND_USAGE_EPOCHS)
        return 0;
    return u->began_ms[epoch % TND_USAGE_EPOCHS];
}
