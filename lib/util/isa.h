// Which instruction set the kernels use: one choice for all of them.
//
// A family of kernels (scan, pick, ...) has a scalar one, the reference, and others behind the
// same functions that need more of the processor. Each family registers itself before main and
// is told the choice; what it calls then is its own pointer. All kernels of a family answer
// alike, bit by bit, so the choice changes the time only.
//
// A level names all that its kernels may use:
//   avx2    AVX2, BMI1, BMI2, FMA (Haswell, Zen)
//   avx512  these and AVX-512 F, BW, CD, DQ, VL, VBMI (Ice Lake, Zen 4); the processors before
//           VBMI lower their clock for 512-bit registers, and are served better by avx2
//
// Threads: tnd_isa_select before any worker starts, or in a test; after that all only read.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum tnd_isa { TND_ISA_SCALAR, TND_ISA_AVX2, TND_ISA_AVX512, TND_ISA_COUNT };

// A family of kernels. use: take the kernel of this level, which the processor has, or the
// best one below it.
struct tnd_isa_family {
    void (*use)(enum tnd_isa isa);
    struct tnd_isa_family *next;
};

// Add a family, of static life, and tell it the choice there is. From a constructor.
void tnd_isa_register(struct tnd_isa_family *family);

// Choose for all families: the level called `want`, or the best this processor has when NULL.
// Until then it is scalar.
// Returns: false, and changes nothing, when there is no level of that name here.
bool tnd_isa_select(const char *want);

enum tnd_isa tnd_isa_active(void);

// Whether this processor, and the system on it, run that level.
bool tnd_isa_here(enum tnd_isa isa);

const char *tnd_isa_name(enum tnd_isa isa);

// The head of a family's file, NAME being tnd_scan, tnd_sum and so on: NAME_active, the chosen one
// of its kernels NAME_scalar, NAME_avx2 and NAME_avx512, and NAME_kernel, which gives the one of a
// level or NULL when this processor does not run it. Behind its header, which declares them, and
// behind NAME_scalar.
#ifdef __x86_64__
#define TND__ISA_DECLARE(name) extern const struct name##_kernel name##_avx2, name##_avx512;
#define TND__ISA_WIDER(name)   [TND_ISA_AVX2] = &name##_avx2, [TND_ISA_AVX512] = &name##_avx512,
#else
#define TND__ISA_DECLARE(name)
#define TND__ISA_WIDER(name)
#endif

#define TND_ISA_FAMILY(name)                                                                 \
    TND__ISA_DECLARE(name)                                                                   \
    static const struct name##_kernel *const kernels[TND_ISA_COUNT] = {                      \
        [TND_ISA_SCALAR] = &name##_scalar, TND__ISA_WIDER(name)};                            \
    const struct name##_kernel *name##_active = &name##_scalar;                              \
    static void use(enum tnd_isa isa)                                                        \
    {                                                                                        \
        name##_active = kernels[isa];                                                        \
    }                                                                                        \
    __attribute__((constructor)) static void enter(void)                                     \
    {                                                                                        \
        static struct tnd_isa_family family = {.use = use};                                  \
        tnd_isa_register(&family);                                                           \
    }                                                                                        \
    const struct name##_kernel *name##_kernel(unsigned isa)                                  \
    {                                                                                        \
        return isa < TND_ISA_COUNT && tnd_isa_here((enum tnd_isa)isa) ? kernels[isa] : NULL; \
    }                                                                                        \
    _Static_assert(TND_ISA_COUNT == 3, "a kernel for each level")
