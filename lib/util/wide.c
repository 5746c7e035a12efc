#include "util/wide.h"

#include "util/isa.h"

static void hash(const struct tnd_hash_key *key, const struct tnd_wide *in, unsigned n,
                 uint64_t out[])
{
    for (unsigned i = 0; i < n; i++) {
        struct tnd_hasher h;

        tnd_hash_init(&h, key);
        for (uint64_t k = 0; k + 1 < in->words[i]; k++)
            tnd_hash_u64(&h, in->word[k][i]);
        h.tail = in->word[in->words[i] - 1][i]; // with the length, which final adds again as 0
        h.total = 0;
        out[i] = tnd_hash_final(&h);
    }
}

const struct tnd_wide_kernel tnd_wide_scalar = {.name = "scalar", .hash = hash};

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
