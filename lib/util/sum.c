#include "util/sum.h"

#include "util/isa.h"

static uint64_t of(const void *data, size_t len)
{
    return tnd_sum_add(0, data, len);
}

static uint64_t gather(char *out, const struct tnd_str piece[], unsigned n)
{
    const char *begin = out;

    for (unsigned i = 0; i < n; i++) {
        if (piece[i].len)
            memcpy(out, piece[i].p, piece[i].len);
        out += piece[i].len;
    }
    return tnd_sum_add(0, begin, (size_t)(out - begin));
}

const struct tnd_sum_kernel tnd_sum_scalar = {.name = "scalar", .of = of, .gather = gather};

#ifdef __x86_64__
extern const struct tnd_sum_kernel tnd_sum_avx2, tnd_sum_avx512;
#endif

static const struct tnd_sum_kernel *const kernels[TND_ISA_COUNT] = {
    [TND_ISA_SCALAR] = &tnd_sum_scalar,
#ifdef __x86_64__
    [TND_ISA_AVX2] = &tnd_sum_avx2,
    [TND_ISA_AVX512] = &tnd_sum_avx512,
#endif
};

const struct tnd_sum_kernel *tnd_sum_active = &tnd_sum_scalar;

static void use(enum tnd_isa isa)
{
    tnd_sum_active = kernels[isa];
}

__attribute__((constructor)) static void enter(void)
{
    static struct tnd_isa_family family = {.use = use};

    tnd_isa_register(&family);
}

const struct tnd_sum_kernel *tnd_sum_kernel(unsigned i)
{
    return i < TND_ISA_COUNT && tnd_isa_here((enum tnd_isa)i) ? kernels[i] : NULL;
}
