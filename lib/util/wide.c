#include "util/wide.h"

#include "util/isa.h"

static void hash(const struct tnd_hasher *begun, const struct tnd_wide *in, unsigned n,
                 uint64_t out[])
{
    for (unsigned i = 0; i < n; i++) {
        struct tnd_hasher h = *begun;

        for (uint64_t k = 0; k + 1 < in->words[i]; k++)
            tnd_hash_u64(&h, in->word[k][i]);
        h.tail = in->word[in->words[i] - 1][i]; // with the length, which final adds again as 0
        h.total = 0;
        out[i] = tnd_hash_final(&h);
    }
}

static void hash_words(const struct tnd_hasher *begun, const struct tnd_wide *in, unsigned words,
                       unsigned n, uint64_t out[])
{
    for (unsigned i = 0; i < n; i++) {
        struct tnd_hasher h = *begun;

        for (unsigned k = 0; k < words; k++)
            tnd_hash_u64(&h, in->word[k][i]);
        out[i] = tnd_hash_final(&h);
    }
}

void tnd__wide_lay(struct tnd_wide *to, unsigned at, const struct tnd_str text[], bool lower,
                   unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct tnd_wide_text m = tnd_wide_begin(to, i, at);

        tnd_wide_add_text(&m, text[i], lower);
        tnd_wide_end(&m);
    }
}

const struct tnd_wide_kernel tnd_wide_scalar = {
    .name = "scalar", .hash = hash, .hash_words = hash_words, .lay = tnd__wide_lay};

TND_ISA_FAMILY(tnd_wide);
