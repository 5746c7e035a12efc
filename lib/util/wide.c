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

#ifdef __x86_64__
extern const struct tnd_wide_kernel tnd_wide_avx2, tnd_wide_avx512;
#endif

static const struct tnd_wide_kernel *const kernels[TND_ISA_COUNT] = {
    [TND_ISA_SCALAR] = &tnd_wide_scalar,
#ifdef __x86_64__
    [TND_ISA_AVX2] = &tnd_wide_avx2,
    [TND_ISA_AVX512] = &tnd_wide_avx512,
#endif
};

const struct tnd_wide_kernel *tnd_wide_active = &tnd_wide_scalar;

static void use(enum tnd_isa isa)
{
    tnd_wide_active = kernels[isa];
}

__attribute__((constructor)) static void enter(void)
{
    static struct tnd_isa_family family = {.use = use};

    tnd_isa_register(&family);
}

const struct tnd_wide_kernel *tnd_wide_kernel(unsigned i)
{
    return i < TND_ISA_COUNT && tnd_isa_here((enum tnd_isa)i) ? kernels[i] : NULL;
}
