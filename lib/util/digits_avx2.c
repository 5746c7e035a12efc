// The kernel for AVX2: 24 octets of base64url, or 16 of hex, at a time.
#include <immintrin.h>

#define TND__VECTOR        32
#define TND__LOOK_UP(t, i) ((OCTETS)_mm256_shuffle_epi8((__m256i)(t), (__m256i)(i)))
#define TND__LESS(a, b)    ((OCTETS)_mm256_subs_epu8((__m256i)(a), (__m256i)(b)))
#include "util/digits_vector.h"

const struct tnd_digits_kernel tnd_digits_avx2 = {
    .name = "avx2", .hex = hex, .base64url = base64url, .from_base64url = tnd__from_base64url};
