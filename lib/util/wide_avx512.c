// The kernel for AVX-512: eight messages at a time, rotated by one instruction.
#define TND__VECTOR 64
#include "util/wide_vector.h"

const struct tnd_wide_kernel tnd_wide_avx512 = {.name = "avx512", .hash = hash};
