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
