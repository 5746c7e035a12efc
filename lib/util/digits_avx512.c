// The kernel for AVX-512: 48 octets of base64url, or 32 of hex, at a time.
#include <immintrin.h>

#define TND__VECTOR        64
#define TND__LOOK_UP(t, i) ((OCTETS)_mm512_shuffle_epi8((__m512i)(t), (__m512i)(i)))
#define TND__LESS(a, b)    ((OCTETS)_mm512_subs_epu8((__m512i)(a), (__m512i)(b)))
#include "util/digits_vector.h"

const struct tnd_digits_kernel tnd_digits_avx512 = {
    .name = "avx512", .hex = hex, .base64url = base64url};
