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

TND_ISA_FAMILY(tnd_digits);
