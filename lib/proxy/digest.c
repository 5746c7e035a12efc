// The digest stage: exactly two keyed string hashes a message.
//
// The call key owns a call: worker, pick and memory derive from it. It is the Call-ID, or
// for REGISTER and its answers the To-AOR, so that all bindings of an address of record
// meet (rule 7). The transaction digest is RFC 3261 17.2.3's: branch and sent-by, to which
// an RFC 2543 peer, whose branch says nothing, adds the fields that section lists.
//
// A burst's texts are hashed side by side; one too long for that, or of such a peer, alone.
#include "proxy/engine.h"
#include "sip/escape.h"

#define AOR_MAX 512

static size_t put_compared(char *out, size_t room, struct tnd_str s, bool number)
{
    size_t n = 0;

    while (n < room && tnd__next_octet(&s, number, &out[n]))
        n++;
    return n;
}

static size_t put_lower(char *out, size_t room, struct tnd_str s)
{
    size_t n = s.len < room ? s.len : room;

    for (size_t i = 0; i < n; i++)
        out[i] = tnd_lower(s.p[i]);
    return n;
}

// What tells local numbers apart: a domain, or the prefix of a global number.
static size_t put_context(char *out, size_t room, const struct tnd_sip_msg *m,
                          const struct tnd_uri *uri)
{
    struct tnd_span context = {0, 0};

    tnd_param_find(m->data, uri->params, TND_STR("phone-context"), &context);
    if (uri->host.len)
        return put_lower(out, room, tnd_text(m, context));
    return put_compared(out, room, tnd_text(m, context), true);
}

// RFC 3261 10.3 step 5: scheme, user and host; parameters and password do not count. Of a number
// (RFC 3966 s4) what is dialled, and its context.
static size_t canonical_aor(const struct tnd_sip_msg *m, char out[static AOR_MAX])
{
    struct tnd_uri uri;
    size_t n;

    if (!tnd_uri_parse(m->data, m->to_uri, &uri) || uri.scheme == TND_SCHEME_OTHER)
        return put_lower(out, AOR_MAX, tnd_text(m, m->to_uri));
    n = put_compared(out, AOR_MAX, tnd_text(m, uri.user), uri.scheme == TND_SCHEME_TEL);
    if (n < AOR_MAX)
        out[n++] = '@';
    if (uri.scheme == TND_SCHEME_TEL)
        return n + put_context(out + n, AOR_MAX - n, m, &uri);
    return n + put_lower(out + n, AOR_MAX - n, tnd_text(m, uri.host));
}

static struct tnd_str call_text(const struct tnd_sip_msg *m, char aor[static AOR_MAX])
{
    if (m->method == TND_METHOD_REGISTER && m->to_uri.len)
        return (struct tnd_str){aor, canonical_aor(m, aor)};
    return tnd_text(m, m->call_id);
}

static bool has_magic(struct tnd_str branch)
{
    uint64_t cookie, first;

    if (branch.len <= 7)
        return false;
    memcpy(&cookie, "z9hg4bk", sizeof cookie); // its NUL stands for the octet that is any
    memcpy(&first, branch.p, sizeof first);
    return ((tnd_lower8(first) ^ cookie) & 0x00ffffffffffffffULL) == 0;
}

static void hash_lower(struct tnd_hasher *h, struct tnd_str s)
{
    char low[256];

    tnd_hash_u64(h, s.len);
    while (s.len) {
        size_t n = put_lower(low, sizeof low, s);
        tnd_hash_bytes(h, low, n);
        s.p += n;
        s.len -= n;
    }
}

// No port and 5060 are the same said twice.
static uint64_t sent_by_word(const struct tnd_via *via)
{
    return (uint64_t)via->sent_by.family << 16 | (via->sent_by.port ? via->sent_by.port : 5060);
}

static uint64_t txn_digest(const struct tnd_job *job, const struct tnd_via *via,
                           const struct tnd_hash_key *key)
{
    const struct tnd_sip_msg *m = &job->msg;
    struct tnd_str branch = tnd_text(m, via->branch);
    struct tnd_hasher h;

    // Words first: what follows a text of odd length is hashed octet by octet.
    tnd_hash_init(&h, key);
    tnd_hash_u64(&h, sent_by_word(via));
    if (via->sent_by.family)
        tnd_hash_bytes(&h, via->sent_by.ip, sizeof via->sent_by.ip);
    hash_lower(&h, branch);
    if (!via->sent_by.family)
        hash_lower(&h, tnd_text(m, via->host));
    if (!has_magic(branch)) {
        tnd_hash_u64(&h, job->call_key);
        tnd_hash_u64(&h, m->cseq);
        hash_lower(&h, tnd_text(m, m->from_tag));
    }
    return tnd_hash_final(&h);
}

static const struct tnd_via *own_via(const struct tnd_sip_msg *m)
{
    return m->is_request ? &m->via : &m->via2;
}

static void digest_calls(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_hash_key *key = &e->cfg.keys->digest;
    struct tnd_hasher begun;
    struct tnd_job *laid[TND_WIDE];
    struct tnd_str text[TND_WIDE];
    char aor[TND_WIDE][AOR_MAX]; // of REGISTER
    uint64_t hash[TND_WIDE];
    uint32_t n_laid = 0;

    for (uint32_t i = 0; i < n; i++) {
        text[n_laid] = call_text(&jobs[i]->msg, aor[i]);
        if (text[n_laid].len <= TND_WIDE_TEXT)
            laid[n_laid++] = jobs[i];
        else
            jobs[i]->call_key = tnd_hash(key, text[n_laid].p, text[n_laid].len);
    }
    tnd_hash_init(&begun, key);
    tnd_wide_active->lay(&e->wide, 0, text, false, n_laid);
    tnd_wide_active->hash(&begun, &e->wide, n_laid, hash);
    for (uint32_t i = 0; i < n_laid; i++)
        laid[i]->call_key = hash[i];
}

// ---- Transactions ---------------------------------------------------------------------

// A digest of the Via alone, and short: laid out side by side.
#define ADDRESS_WORDS 4 // before the branch, where sent-by is an address

static bool is_plain(const struct tnd_via *via, struct tnd_str branch)
{
    return has_magic(branch) && branch.len + via->host.len <= TND_WIDE_TEXT - 8 * ADDRESS_WORDS;
}

static void put_address(struct tnd_wide *wide, unsigned i, const struct tnd_via *via,
                        struct tnd_str branch)
{
    uint64_t ip[2];

    memcpy(ip, via->sent_by.ip, sizeof ip);
    wide->word[0][i] = sent_by_word(via);
    wide->word[1][i] = ip[0];
    wide->word[2][i] = ip[1];
    wide->word[3][i] = branch.len;
}

static void lay_named(struct tnd_wide *wide, unsigned i, const struct tnd_sip_msg *m,
                      const struct tnd_via *via)
{
    struct tnd_wide_text text = tnd_wide_begin(wide, i, 0);

    tnd_wide_add(&text, sent_by_word(via), 8);
    tnd_wide_add(&text, via->branch.len, 8);
    tnd_wide_add_text(&text, tnd_text(m, via->branch), true);
    tnd_wide_add(&text, via->host.len, 8);
    tnd_wide_add_text(&text, tnd_text(m, via->host), true);
    tnd_wide_end(&text);
}

// After digest_calls: an RFC 2543 peer's digest is over the call key too.
static void digest_transactions(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_hash_key *key = &e->cfg.keys->digest;
    struct tnd_hasher begun;
    struct tnd_job *laid[TND_WIDE], *named[TND_WIDE];
    struct tnd_str branch[TND_WIDE];
    uint64_t hash[TND_WIDE];
    uint32_t n_laid = 0, n_named = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct tnd_via *via = own_via(&jobs[i]->msg);
        branch[n_laid] = tnd_text(&jobs[i]->msg, via->branch);
        if (via->whole.len == 0) {
            jobs[i]->txn = 0;
        } else if (!is_plain(via, branch[n_laid])) {
            jobs[i]->txn = txn_digest(jobs[i], via, key);
        } else if (!via->sent_by.family) {
            named[n_named++] = jobs[i];
        } else {
            put_address(&e->wide, n_laid, via, branch[n_laid]);
            laid[n_laid++] = jobs[i];
        }
    }
    tnd_wide_active->lay(&e->wide, ADDRESS_WORDS, branch, true, n_laid);
    for (uint32_t i = 0; i < n_named; i++) {
        lay_named(&e->wide, n_laid, &named[i]->msg, own_via(&named[i]->msg));
        laid[n_laid++] = named[i];
    }
    tnd_hash_init(&begun, key);
    tnd_wide_active->hash(&begun, &e->wide, n_laid, hash);
    for (uint32_t i = 0; i < n_laid; i++)
        laid[i]->txn = hash[i];
}

// ---- The stage ------------------------------------------------------------------------

void tnd_stage_digest(struct tnd_engine *e, struct tnd_job *const jobs[], uint32_t n)
{
    struct tnd_job *going[TND_BURST];
    uint32_t n_going = 0;

    for (uint32_t i = 0; i < n; i++)
        if (jobs[i]->verdict == TND_VERDICT_NONE)
            going[n_going++] = jobs[i];
    if (n_going == 0)
        return;
    digest_calls(e, going, n_going);
    digest_transactions(e, going, n_going);
}
