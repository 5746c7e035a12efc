// What the wide kernels share, over vectors of the size the including file names: one lane of a
// vector is one message.
//
// Threads: pure. Private to the kernels.
#pragma once

#include "util/wide.h"

// V: a vector of words. LANES: how many.
typedef uint64_t V __attribute__((vector_size(TND__VECTOR)));
#define LANES (TND__VECTOR / 8)

_Static_assert(TND_WIDE % LANES == 0, "a burst is whole vectors");

struct tnd__vec {
    V v0, v1, v2, v3;
};

#define TND__VEC_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline __attribute__((always_inline)) void tnd__vec_round(struct tnd__vec *s)
{
    s->v0 += s->v1;
    s->v1 = TND__VEC_ROTL(s->v1, 13) ^ s->v0;
    s->v0 = TND__VEC_ROTL(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = TND__VEC_ROTL(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = TND__VEC_ROTL(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = TND__VEC_ROTL(s->v1, 17) ^ s->v2;
    s->v2 = TND__VEC_ROTL(s->v2, 32);
}

static inline __attribute__((always_inline)) void tnd__vec_word(struct tnd__vec *s, V m)
{
    s->v3 ^= m;
    tnd__vec_round(s);
    tnd__vec_round(s);
    s->v0 ^= m;
}

static inline __attribute__((always_inline)) V tnd__vec_keep(V going, V now, V before)
{
    return (now & going) | (before & ~going);
}

// Words [from, to) of the lanes that have so many; the others stay as they are.
static inline __attribute__((always_inline)) void tnd__vec_some(struct tnd__vec *s,
                                                                const struct tnd_wide *in,
                                                                unsigned lane, V words,
                                                                uint64_t from, uint64_t to)
{
    for (uint64_t k = from; k < to; k++) {
        struct tnd__vec before = *s;
        V going = (V)(words > k);

        tnd__vec_word(s, *(const V *)&in->word[k][lane]);
        s->v0 = tnd__vec_keep(going, s->v0, before.v0);
        s->v1 = tnd__vec_keep(going, s->v1, before.v1);
        s->v2 = tnd__vec_keep(going, s->v2, before.v2);
        s->v3 = tnd__vec_keep(going, s->v3, before.v3);
    }
}

static inline __attribute__((always_inline)) struct tnd__vec
tnd__vec_begin(const struct tnd_hasher *begun)
{
    const V zero = {0};

    return (struct tnd__vec){zero + begun->v0, zero + begun->v1, zero + begun->v2,
                             zero + begun->v3};
}

static inline __attribute__((always_inline)) V tnd__vec_final(struct tnd__vec *s)
{
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        tnd__vec_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static void hash_words(const struct tnd_hasher *begun, const struct tnd_wide *in, unsigned words,
                       unsigned n, uint64_t out[])
{
    const V zero = {0}, last = zero + ((begun->total + 8 * words) << 56);

    for (unsigned lane = 0; lane < n; lane += LANES) {
        struct tnd__vec s = tnd__vec_begin(begun);

        for (unsigned k = 0; k < words; k++)
            tnd__vec_word(&s, *(const V *)&in->word[k][lane]);
        tnd__vec_word(&s, last);
        V h = tnd__vec_final(&s);
        memcpy(out + lane, &h, sizeof h);
    }
}

static void hash(const struct tnd_hasher *begun, const struct tnd_wide *in, unsigned n,
                 uint64_t out[])
{
    for (unsigned lane = 0; lane < n; lane += LANES) {
        const V words = *(const V *)&in->words[lane];
        unsigned used = n - lane < LANES ? n - lane : LANES;
        uint64_t least = in->words[lane], most = least;
        struct tnd__vec s = tnd__vec_begin(begun);

        for (unsigned i = 1; i < used; i++) {
            least = in->words[lane + i] < least ? in->words[lane + i] : least;
            most = in->words[lane + i] > most ? in->words[lane + i] : most;
        }
        for (uint64_t k = 0; k < least; k++)
            tnd__vec_word(&s, *(const V *)&in->word[k][lane]);
        tnd__vec_some(&s, in, lane, words, least, most);
        V h = tnd__vec_final(&s);
        memcpy(out + lane, &h, sizeof h);
    }
}
