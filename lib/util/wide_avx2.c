// The kernel for AVX2: four messages at a time.
#define TND__VECTOR 32
#include "util/wide_vector.h"

const struct tnd_wide_kernel tnd_wide_avx2 = {
    .name = "avx2", .hash = hash, .hash_words = hash_words, .lay = tnd__wide_lay};
