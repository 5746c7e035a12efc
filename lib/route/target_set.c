#include "route/target_set.h"

#include <stdlib.h>

// Public keys: an identity must be the same on every node and at every start, so these are
// part of the format of branch, token and cluster, and not secret.
static const struct tnd_hash_key target_key = {0x74616e64656d2074ULL, 0x6172676574206964ULL};
static const struct tnd_hash_key record_key = {0x74616e64656d2072ULL, 0x65636f7264206964ULL};
static const struct tnd_hash_key content_key = {0x74616e64656d2073ULL, 0x657420636f6e7465ULL};

uint64_t tnd_target_id(const struct tnd_addr *a)
{
    uint64_t id = tnd_hash(&target_key, a, sizeof *a) >> 16;

    return id ? id : 1;
}

uint64_t tnd_record_id(enum tnd_transport transport, struct tnd_str host, uint16_t port)
{
    struct tnd_hasher h;
    char folded[64];

    tnd_hash_init(&h, &record_key);
    tnd_hash_u64(&h, (uint64_t)transport << 16 | port);
    for (size_t at = 0; at < host.len;) {
        size_t n = 0;
        while (n < sizeof folded && at < host.len)
            folded[n++] = tnd_lower(host.p[at++]);
        tnd_hash_bytes(&h, folded, n);
    }
    return tnd_hash_final(&h);
}

// ---- Order and identity of what is built from ---------------------------------------------

struct sorted {
    uint64_t id;
    const struct tnd_spec_record *r;
};

static int compare_hosts(struct tnd_str a, struct tnd_str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    for (size_t i = 0; i < a.len; i++) {
        int d = tnd_lower(a.p[i]) - tnd_lower(b.p[i]);
        if (d)
            return d;
    }
    return 0;
}

// 0 only for one tier and one identity: an id of 64 bits decides, but never merges alone.
static int compare_sorted(const void *va, const void *vb)
{
    const struct sorted *a = va, *b = vb;

    if (a->r->tier != b->r->tier)
        return a->r->tier < b->r->tier ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    if (a->r->transport != b->r->transport)
        return a->r->transport - b->r->transport;
    if (a->r->port != b->r->port)
        return a->r->port - b->r->port;
    return compare_hosts(a->r->host, b->r->host);
}

static int compare_targets(const void *va, const void *vb)
{
    const struct tnd_target *a = va, *b = vb;

    if (a->family_rank != b->family_rank)
        return a->family_rank - b->family_rank;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return memcmp(&a->addr, &b->addr, sizeof a->addr);
}

// ---- Layout -------------------------------------------------------------------------------

static size_t align_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

static size_t records_off(size_t n_tiers)
{
    return align_up(sizeof(struct tnd_target_set) + n_tiers * sizeof(struct tnd_tier), 8);
}

size_t tnd_set_size(const struct tnd_set_spec *spec)
{
    size_t targets = 0, hosts = 0;

    if (spec->n_records > TND_SET_RECORDS_MAX)
        return 0;
    for (uint32_t i = 0; i < spec->n_records; i++) {
        targets += spec->records[i].n_addresses;
        hosts += spec->records[i].host.len;
        if (spec->records[i].host.len > UINT16_MAX)
            return 0;
    }
    if (targets > TND_SET_TARGETS_MAX)
        return 0;
    return align_up(align_up(records_off(spec->n_records) +
                                 spec->n_records * sizeof(struct tnd_record) +
                                 targets * sizeof(struct tnd_target),
                             64) +
                        spec->n_records * tnd_lanes_size(1) + hosts, // at most
                    64);
}

// ---- Building -----------------------------------------------------------------------------

// Writable views of a set under construction.
struct build {
    struct tnd_target_set *set;
    struct tnd_record *records;
    struct tnd_target *targets;
    struct sorted sorted[TND_SET_RECORDS_MAX];
};

static void count_and_sort(struct build *b, const struct tnd_set_spec *spec)
{
    struct tnd_target_set *s = b->set;

    for (uint32_t i = 0; i < spec->n_records; i++) {
        const struct tnd_spec_record *r = &spec->records[i];
        b->sorted[i] =
            (struct sorted){tnd_record_id((enum tnd_transport)r->transport, r->host, r->port), r};
    }
    qsort(b->sorted, spec->n_records, sizeof *b->sorted, compare_sorted);
    for (uint32_t i = 0; i < spec->n_records; i++) {
        if (i == 0 || b->sorted[i].r->tier != b->sorted[i - 1].r->tier)
            s->n_tiers++;
        if (i == 0 || compare_sorted(&b->sorted[i], &b->sorted[i - 1]) != 0)
            s->n_records++;
    }
}

static uint8_t target_flags(uint8_t transport, const struct tnd_spec_address *a)
{
    unsigned flags = 0;

    if (transport == TND_TRANSPORT_UDP)
        flags |= TND_TARGET_USABLE;
    if (a->drained)
        flags |= TND_TARGET_DRAINED;
    if (a->down)
        flags |= TND_TARGET_DOWN;
    if (flags == TND_TARGET_USABLE)
        flags |= TND_TARGET_LIVE;
    return (uint8_t)flags;
}

// Add a record's addresses, each once. Twice the same with different states (two merged
// records learned at different times): the better state is the newer fact about the address.
static void add_targets(struct build *b, struct tnd_record *rec, uint16_t index,
                        const struct tnd_spec_record *r)
{
    for (uint16_t i = 0; i < r->n_addresses; i++) {
        struct tnd_target *t, *end = b->targets + rec->first + rec->n;
        struct tnd_target made = {.addr = r->addresses[i].addr,
                                  .record = index,
                                  .flags = target_flags(r->transport, &r->addresses[i]),
                                  .family_rank = r->addresses[i].family_rank};

        made.addr.port = r->port;
        made.addr.transport = r->transport;
        made.id = tnd_target_id(&made.addr);
        for (t = b->targets + rec->first; t < end && !tnd_addr_eq(&t->addr, &made.addr); t++)
            ;
        if (t < end && !(made.flags & TND_TARGET_LIVE))
            continue;
        *t = made;
        if (t == end)
            rec->n++;
    }
}

static void finish_record(struct build *b, struct tnd_record *rec)
{
    struct tnd_target *t = b->targets + rec->first;

    qsort(t, rec->n, sizeof *t, compare_targets);
    for (uint16_t i = 0; i < rec->n; i++)
        rec->n_live = (uint16_t)(rec->n_live + (t[i].flags & TND_TARGET_LIVE));
}

// Records and targets, merged and in order.
static void fill_records(struct build *b, uint32_t n)
{
    struct tnd_target_set *s = b->set;
    struct tnd_record *rec = NULL;
    struct tnd_tier *tier = NULL;

    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_spec_record *r = b->sorted[i].r;
        if (i == 0 || compare_sorted(&b->sorted[i], &b->sorted[i - 1]) != 0) {
            uint16_t first = i ? (uint16_t)(rec->first + rec->n) : 0;
            rec = rec ? rec + 1 : b->records;
            rec->id = b->sorted[i].id;
            rec->first = first;
            rec->priority = r->priority;
            rec->host_len = (uint16_t)r->host.len;
            if (i == 0 || r->tier != b->sorted[i - 1].r->tier) {
                tier = tier ? tier + 1 : s->tiers;
                tier->first = (uint16_t)(rec - b->records);
            }
            tier->n++;
            rec->tier = (uint16_t)(tier - s->tiers);
        }
        rec->weight += r->weight;
        add_targets(b, rec, (uint16_t)(rec - b->records), r);
    }
    for (uint16_t i = 0; i < s->n_records; i++)
        finish_record(b, &b->records[i]);
    if (n > 0)
        s->n_targets = (uint16_t)(rec->first + rec->n);
}

// What weights of 0 mean in one tier (RFC 2782 p.3: "a very small chance of being selected";
// see enum tnd_weight_zero). `zeros` counts published records, live or not, so that a record
// that dies changes no other record's weight.
struct zeros {
    uint16_t zeros;
    bool all;    // nothing but weights 0: equal shares
    bool resort; // they serve only when no positive weight is live
};

static struct zeros zeros_of(const struct tnd_target_set *s, const struct tnd_tier *tier,
                             const struct tnd_record *records)
{
    struct zeros z = {0};

    for (uint16_t i = 0; i < tier->n; i++)
        z.zeros = (uint16_t)(z.zeros + (records[tier->first + i].weight == 0));
    z.all = z.zeros == tier->n;
    z.resort = !z.all && s->weight_zero == TND_WEIGHT_ZERO_LAST_RESORT;
    return z;
}

// The reciprocal of the weight that a record draws with; 0 when it never draws.
static float effective_rcp(const struct tnd_target_set *s, const struct zeros *z, uint32_t weight)
{
    if (weight > 0)
        return 1.0F / (float)weight;
    if (z->all || z->resort)
        return 1.0F;
    return s->weight_zero == TND_WEIGHT_ZERO_RFC2782 ? (float)z->zeros : 0.0F;
}

static void weigh_tier(struct build *b, struct tnd_tier *tier)
{
    struct zeros z = zeros_of(b->set, tier, b->records);

    b->set->all_zero |= z.all;
    for (uint16_t i = 0; i < tier->n; i++) {
        struct tnd_record *r = &b->records[tier->first + i];

        r->rcp_weight = effective_rcp(b->set, &z, r->weight);
        if (r->n_live == 0 || r->rcp_weight <= 0)
            continue;
        if (r->weight == 0 && z.resort)
            tier->n_zero_live++;
        else
            tier->n_live++;
    }
}

// The target that a record comes down to, when only one may be picked: the only live one
// of the best family rank.
static uint16_t only_target(const struct build *b, const struct tnd_record *r)
{
    uint16_t only = TND_LANE_MANY;

    for (uint16_t i = r->first; i < r->first + r->n; i++) {
        if (!(b->targets[i].flags & TND_TARGET_LIVE))
            continue;
        if (only == TND_LANE_MANY)
            only = i;
        else if (b->targets[i].family_rank == b->targets[only].family_rank)
            return TND_LANE_MANY;
        else
            break;
    }
    return only;
}

// Lanes under construction: see tnd_lanes_at.
struct lanes {
    uint32_t *words;
    uint32_t stride, n;
};

// Room for the lanes of n records at `off`, all padding yet.
static struct lanes open_lanes(struct tnd_target_set *s, size_t off, uint32_t n)
{
    static const float never = __builtin_inff();
    struct lanes l = {(uint32_t *)(void *)((char *)s + off), n ? tnd_lanes_stride(n) : 0, 0};

    for (uint32_t i = 0; i < l.stride; i++)
        memcpy(&l.words[2 * (size_t)l.stride + i], &never, sizeof never);
    return l;
}

static void add_lane(struct lanes *l, const struct tnd_record *r, struct tnd_lane lane)
{
    uint32_t *at = &l->words[l->n++];

    at[0] = (uint32_t)r->id;
    at[l->stride] = (uint32_t)(r->id >> 32);
    memcpy(&at[2 * (size_t)l->stride], &r->rcp_weight, sizeof r->rcp_weight);
    memcpy(&at[3 * (size_t)l->stride], &lane, sizeof lane);
}

// Returns: where the next tier's lanes begin.
static size_t fill_lanes(struct build *b, const struct tnd_tier *tier, size_t off)
{
    struct zeros z = zeros_of(b->set, tier, b->records);
    size_t resort_off = off + tnd_lanes_size(tier->n_live);
    struct lanes draw = open_lanes(b->set, off, tier->n_live);
    struct lanes resort = open_lanes(b->set, resort_off, tier->n_zero_live);

    for (uint16_t i = tier->first; i < tier->first + tier->n; i++) {
        const struct tnd_record *r = &b->records[i];
        struct tnd_lane lane = {i, only_target(b, r)};

        if (r->n_live == 0 || r->rcp_weight <= 0)
            continue;
        add_lane(r->weight == 0 && z.resort ? &resort : &draw, r, lane);
    }
    return resort_off + tnd_lanes_size(tier->n_zero_live);
}

// The lanes of the best tier with anything live are what a pick draws from.
static void choose_draw(struct tnd_target_set *s, const struct tnd_tier *tier, size_t off)
{
    if (s->draw_n > 0)
        return;
    s->draw_off = (uint32_t)off;
    s->draw_n = tier->n_live ? tier->n_live : tier->n_zero_live;
    if (s->draw_n == 0)
        s->best++;
}

static uint32_t fill_hosts(struct build *b, uint32_t n, uint32_t off)
{
    struct tnd_record *rec = b->records;

    for (uint32_t i = 0; i < n; i++) {
        struct tnd_str host = b->sorted[i].r->host;
        if (i > 0 && compare_sorted(&b->sorted[i], &b->sorted[i - 1]) == 0)
            continue;
        rec->host_off = off;
        for (size_t c = 0; c < host.len; c++)
            ((char *)b->set)[off++] = tnd_lower(host.p[c]);
        rec++;
    }
    return off;
}

static uint64_t content_hash(const struct tnd_target_set *s)
{
    size_t skip = offsetof(struct tnd_target_set, size);

    return tnd_hash(&content_key, (const char *)s + skip, s->size - skip);
}

struct tnd_target_set *tnd_set_build(const struct tnd_set_spec *spec, uint64_t generation,
                                     void *mem)
{
    struct tnd_target_set *s = mem;
    struct build b;
    size_t lanes;

    b.set = s;
    memset(mem, 0, tnd_set_size(spec));
    s->generation = generation;
    s->weight_zero = (uint8_t)spec->weight_zero;
    count_and_sort(&b, spec);
    b.records = (struct tnd_record *)(void *)((char *)mem + records_off(s->n_tiers));
    b.targets = (struct tnd_target *)(void *)(b.records + s->n_records);
    fill_records(&b, spec->n_records);
    s->lanes_off =
        (uint32_t)align_up((size_t)((char *)(b.targets + s->n_targets) - (char *)mem), 64);
    lanes = s->lanes_off;
    for (uint16_t i = 0; i < s->n_tiers; i++) {
        weigh_tier(&b, &s->tiers[i]);
        choose_draw(s, &s->tiers[i], lanes);
        lanes = fill_lanes(&b, &s->tiers[i], lanes);
    }
    s->size = fill_hosts(&b, spec->n_records, (uint32_t)lanes);
    s->size = (uint32_t)align_up(s->size, 64);
    s->content = content_hash(s);
    return s;
}

#define ONE_LANES_OFF 128
_Static_assert(ONE_LANES_OFF + 64 <= TND_SET_ONE_SIZE, "the one-target set fits");

struct tnd_target_set *tnd_set_one(const struct tnd_addr *a, void *mem)
{
    struct tnd_target_set *s = mem;
    struct tnd_record *r;
    struct tnd_target *t;
    bool live = a->transport == TND_TRANSPORT_UDP;
    struct lanes lanes;

    memset(mem, 0, TND_SET_ONE_SIZE);
    s->size = TND_SET_ONE_SIZE;
    s->n_tiers = s->n_records = s->n_targets = 1;
    s->best = !live;
    s->tiers[0] = (struct tnd_tier){.n = 1, .n_live = live};
    r = (struct tnd_record *)(void *)((char *)mem + records_off(1));
    t = (struct tnd_target *)(void *)(r + 1);
    t->addr = *a;
    t->id = tnd_target_id(a);
    t->flags = live ? TND_TARGET_LIVE | TND_TARGET_USABLE : 0;
    *r = (struct tnd_record){.id = t->id, .rcp_weight = 1.0F, .weight = 1, .n = 1, .n_live = live};
    s->content = t->id;
    s->lanes_off = s->draw_off = ONE_LANES_OFF;
    s->draw_n = live;
    r->host_off = ONE_LANES_OFF + (uint32_t)tnd_lanes_size(1);
    lanes = open_lanes(s, ONE_LANES_OFF, 1);
    add_lane(&lanes, r, (struct tnd_lane){0, 0});
    return s;
}

// ---- For people ---------------------------------------------------------------------------

uint32_t tnd_set_find(const struct tnd_target_set *s, uint64_t target_id)
{
    const struct tnd_target *t = tnd_set_targets(s);

    for (uint32_t i = 0; i < s->n_targets; i++)
        if (t[i].id == target_id)
            return i;
    return TND_NO_TARGET;
}

// Whether target `t` counts: with `published`, whatever its transport.
static bool counts(const struct tnd_target *t, bool published)
{
    return published ? !(t->flags & (TND_TARGET_DOWN | TND_TARGET_DRAINED))
                     : t->flags & TND_TARGET_LIVE;
}

// How many of a record's targets share its requests: those that count, of the best rank.
static unsigned sharers(const struct tnd_target_set *s, const struct tnd_record *r, bool published,
                        uint8_t *rank)
{
    const struct tnd_target *t = tnd_set_targets(s) + r->first;
    unsigned n = 0;

    for (uint16_t i = 0; i < r->n; i++) {
        if (!counts(&t[i], published))
            continue;
        if (n == 0)
            *rank = t[i].family_rank;
        n += t[i].family_rank == *rank;
    }
    return n;
}

static double exact_weight(const struct zeros *z, const struct tnd_record *r)
{
    if (r->weight > 0)
        return r->weight;
    return z->all || z->resort ? 1.0 : 1.0 / z->zeros;
}

static double share(const struct tnd_target_set *s, uint32_t i, bool published)
{
    const struct tnd_target *t = &tnd_set_targets(s)[i];
    const struct tnd_record *records = tnd_set_records(s), *own = &records[t->record];
    const struct tnd_tier *tier = &s->tiers[own->tier];
    struct zeros z = zeros_of(s, tier, records);
    double draw = 0, resort = 0;
    uint8_t rank = 0;
    unsigned mine;

    for (const struct tnd_record *r = records + tier->first, *end = r + tier->n; r < end; r++) {
        if (r->rcp_weight <= 0 || sharers(s, r, published, &rank) == 0)
            continue;
        if (r->weight == 0 && z.resort)
            resort += exact_weight(&z, r);
        else
            draw += exact_weight(&z, r);
    }
    mine = sharers(s, own, published, &rank);
    if (own->rcp_weight <= 0 || !counts(t, published) || t->family_rank != rank)
        return 0;
    if (own->weight == 0 && z.resort && draw > 0)
        return 0;
    return exact_weight(&z, own) / (draw > 0 ? draw : resort) / mine;
}

double tnd_set_share(const struct tnd_target_set *s, uint32_t i)
{
    return share(s, i, false);
}

double tnd_set_share_published(const struct tnd_target_set *s, uint32_t i)
{
    return share(s, i, true);
}
