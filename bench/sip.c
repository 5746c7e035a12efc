// The parser and the digests over different INVITEs, and what the machine itself costs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/bench.h"
#include "bench/corpus.h"
#include "bench/messages.h"
#include "proxy/engine.h"
#include "sip/msg.h"

#define MESSAGES BENCH_MESSAGES
#define ROUNDS   (bench_quick ? 2 : 24)

struct messages {
    struct bench_messages m; // first
    struct tnd_sip_msg msg;
    char copy[BENCH_STRIDE];
};

static void *open_messages(void)
{
    struct bench_messages *made = bench_messages_new();
    struct messages *m = made ? realloc(made, sizeof *m) : NULL;

    if (!m)
        free(made);
    return m;
}

static void parse_once(void *state)
{
    struct messages *m = state;
    double start = bench_cpu_ns();

    for (int r = 0; r < ROUNDS; r++)
        for (uint32_t i = 0; i < MESSAGES; i++)
            bench_use(tnd_sip_parse(m->m.text[i], TND_SOURCE_LEN, &m->msg));
    bench_record("parse.invite", "ns", (bench_cpu_ns() - start) / ((double)ROUNDS * MESSAGES));
}

// ---- A mixed corpus -------------------------------------------------------------------

struct mixed {
    struct corpus *corpus;
    struct tnd_sip_msg msg;
};

static void close_mixed(void *state)
{
    struct mixed *m = state;

    free(m->corpus);
    free(m);
}

static void *open_mixed(void)
{
    struct mixed *m = calloc(1, sizeof *m);

    if (!m || !(m->corpus = corpus_new())) {
        free(m);
        return NULL;
    }
    for (unsigned i = 0; i < CORPUS_MESSAGES; i++)
        if (tnd_sip_parse(m->corpus->text[i], m->corpus->len[i], &m->msg) != TND_SIP_ERR_NONE) {
            fprintf(stderr, "bench: parse.corpus: %s in:\n%.*s\n",
                    tnd_sip_error_text((enum tnd_sip_error)m->msg.error), m->corpus->len[i],
                    m->corpus->text[i]);
            close_mixed(m);
            return NULL;
        }
    return m;
}

static void mixed_once(void *state)
{
    struct mixed *m = state;
    double start = bench_cpu_ns(), ns;

    for (int r = 0; r < ROUNDS; r++)
        for (uint32_t i = 0; i < CORPUS_MESSAGES; i++)
            bench_use(tnd_sip_parse(m->corpus->text[i], m->corpus->len[i], &m->msg));
    ns = bench_cpu_ns() - start;
    bench_record("parse.corpus", "ns", ns / ((double)ROUNDS * CORPUS_MESSAGES));
    bench_record("parse.corpus.rate", "bytes/s", (double)m->corpus->octets * ROUNDS / ns * 1e9);
}

// The ends of the header lines, by the C library, and nothing else.
static void lines_once(void *state)
{
    struct messages *m = state;
    double start = bench_cpu_ns();

    for (int r = 0; r < ROUNDS; r++)
        for (uint32_t i = 0; i < MESSAGES; i++) {
            const char *p = m->m.text[i], *end = p + TND_SOURCE_LEN, *lf;
            uint64_t sum = 0;
            while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
                sum += (uint64_t)(lf - p);
                if (lf - p <= 1) // the empty line: the body follows
                    break;
                p = lf + 1;
            }
            bench_use(sum);
        }
    bench_record("ref.lines", "ns", (bench_cpu_ns() - start) / ((double)ROUNDS * MESSAGES));
}

static void memcpy_once(void *state)
{
    struct messages *m = state;
    double start = bench_cpu_ns();

    for (int r = 0; r < ROUNDS * 4; r++)
        for (uint32_t i = 0; i < MESSAGES; i++) {
            memcpy(m->copy, m->m.text[i], TND_SOURCE_LEN);
            bench_use((uint64_t)(uintptr_t)m->copy);
        }
    bench_record("ref.memcpy", "ns", (bench_cpu_ns() - start) / ((double)ROUNDS * 4 * MESSAGES));
}

// ---- Digests --------------------------------------------------------------------------

struct digests {
    struct messages *messages;
    struct tnd_keys keys;
    struct tnd_engine *engine;
    struct tnd_job jobs[MESSAGES];
};

static void close_digests(void *state)
{
    struct digests *d = state;

    tnd_engine_free(d->engine);
    free(d->messages);
    free(d);
}

static void *open_digests(void)
{
    struct digests *d = calloc(1, sizeof *d);
    struct tnd_addr src = {
        .family = 4, .ip = {198, 51, 100, 10}, .port = 5060, .transport = TND_TRANSPORT_UDP};

    if (!d)
        return NULL;
    d->keys.digest = (struct tnd_hash_key){1, 2};
    d->messages = open_messages();
    d->engine = tnd_engine_new(
        &(struct tnd_engine_config){.keys = &d->keys, .transactions = 64, .parked = 1});
    if (!d->messages || !d->engine) {
        close_digests(d);
        return NULL;
    }
    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct tnd_job *job = &d->jobs[i];
        tnd_job_init(job, d->messages->m.text[i], TND_SOURCE_LEN, &src, 0);
        tnd_sip_parse(job->data, job->len, &job->msg);
    }
    return d;
}

static void digest_once(void *state)
{
    struct digests *d = state;
    struct tnd_job *jobs[TND_BURST];
    double start = bench_cpu_ns();

    for (int r = 0; r < ROUNDS; r++)
        for (uint32_t i = 0; i < MESSAGES; i += TND_BURST) {
            for (uint32_t k = 0; k < TND_BURST; k++)
                jobs[k] = &d->jobs[i + k];
            tnd_stage_digest(d->engine, jobs, TND_BURST);
            bench_use(jobs[0]->call_key);
        }
    bench_record("digest.invite", "ns", (bench_cpu_ns() - start) / ((double)ROUNDS * MESSAGES));
}

// ---- A miss ---------------------------------------------------------------------------

#define LINES (1u << 22) // of 64 octets: 256 MB, more than any cache

struct miss {
    uint32_t (*next)[16]; // [0] of each line: the line after it
    uint32_t at;
};

static void close_miss(void *state)
{
    struct miss *m = state;

    munmap(m->next, (size_t)LINES * 64);
    free(m);
}

// A single cycle through all lines (Sattolo's shuffle), so that every step waits for the last.
static void *open_miss(void)
{
    struct miss *m = calloc(1, sizeof *m);
    uint64_t seed = 1;

    if (!m)
        return NULL;
    m->next =
        mmap(NULL, (size_t)LINES * 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->next == MAP_FAILED) {
        free(m);
        return NULL;
    }
    // The table's memory is asked to lie on large pages too.
    madvise(m->next, (size_t)LINES * 64, MADV_HUGEPAGE);
    for (uint32_t i = 0; i < LINES; i++)
        m->next[i][0] = i;
    for (uint32_t i = LINES - 1; i > 0; i--) {
        uint32_t k = (uint32_t)(bench_random(&seed) % i), t = m->next[i][0];
        m->next[i][0] = m->next[k][0];
        m->next[k][0] = t;
    }
    return m;
}

static void miss_once(void *state)
{
    struct miss *m = state;
    uint32_t steps = bench_quick ? 10000 : 500000, at = m->at;
    double start = bench_cpu_ns();

    for (uint32_t i = 0; i < steps; i++)
        at = m->next[at][0];
    bench_record("ref.miss", "ns", (bench_cpu_ns() - start) / steps);
    m->at = at;
}

const struct bench bench_sip[] = {
    {"parse.invite", open_messages, parse_once, free},
    {"parse.corpus", open_mixed, mixed_once, close_mixed},
    {"digest.invite", open_digests, digest_once, close_digests},
    {"ref.lines", open_messages, lines_once, free},
    {"ref.memcpy", open_messages, memcpy_once, free},
    {"ref.miss", open_miss, miss_once, close_miss},
    {0},
};
