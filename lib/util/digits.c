#include "util/digits.h"

#include "util/base64url.h"
#include "util/isa.h"

static void hex(const struct tnd_hex_words in[], unsigned n, char *const out[])
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < TND_HEX_DIGITS; k++)
            out[i][k] = "0123456789abcdef"[in[i].word[k / 16] >> (60 - k % 16 * 4) & 15];
}

static void base64url(const struct tnd_base64_octets in[], unsigned n, char *const out[])
{
    for (unsigned i = 0; i < n; i++)
        tnd_base64url_encode(in[i].octet, in[i].len, out[i]);
}

void tnd__from_base64url(const struct tnd_str text[], unsigned n, struct tnd_base64_octets out[])
{
    for (unsigned i = 0; i < n; i++) {
        bool good = tnd_base64url_decode(text[i].p, text[i].len, out[i].octet);

        out[i].len = good ? (uint32_t)TND_BASE64URL_OCTETS(text[i].len) : 0;
    }
}

const struct tnd_digits_kernel tnd_digits_scalar = {
    .name = "scalar", .hex = hex, .base64url = base64url, .from_base64url = tnd__from_base64url};

#ifdef __x86_64__
extern const struct tnd_digits_kernel tnd_digits_avx2, tnd_digits_avx512;
#endif

static const struct tnd_digits_kernel *const kernels[TND_ISA_COUNT] = {
    [TND_ISA_SCALAR] = &tnd_digits_scalar,
#ifdef __x86_64__
    [TND_ISA_AVX2] = &tnd_digits_avx2,
    [TND_ISA_AVX512] = &tnd_digits_avx512,
#endif
};

const struct tnd_digits_kernel *tnd_digits_active = &tnd_digits_scalar;

static void use(enum tnd_isa isa)
{
    tnd_digits_active = kernels[isa];
}

__attribute__((constructor)) static void enter(void)
{
    static struct tnd_isa_family family = {.use = use};

    tnd_isa_register(&family);
}

const struct tnd_digits_kernel *tnd_digits_kernel(unsigned i)
{
    return i < TND_ISA_COUNT && tnd_isa_here((enum tnd_isa)i) ? kernels[i] : NULL;
}
