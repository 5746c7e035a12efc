#include "sip/scan.h"

#define TOKEN   (TND_C_TOKEN | TND_C_URI | TND_C_VALUE)
#define MARK    (TND_C_URI | TND_C_VALUE)
#define HOSTCH  (TOKEN | TND_C_HOST)
#define LETTER  (HOSTCH | TND_C_ALPHA)
#define CIPHER  (HOSTCH | TND_C_DIGIT | TND_C_HEX)
#define HEXALPH (LETTER | TND_C_HEX)

const uint8_t tnd_char_class[256] = {
    ['\t'] = TND_C_LWS,
    ['\n'] = TND_C_LWS,
    ['\r'] = TND_C_LWS,
    [' '] = TND_C_LWS,
    ['!'] = TOKEN,
    ['#'] = MARK,
    ['$'] = MARK,
    ['%'] = TOKEN,
    ['&'] = MARK,
    ['\''] = TOKEN,
    ['('] = MARK,
    [')'] = MARK,
    ['*'] = TOKEN,
    ['+'] = TOKEN,
    [','] = TND_C_URI,
    ['-'] = HOSTCH,
    ['.'] = HOSTCH,
    ['/'] = MARK,
    ['0' ... '9'] = CIPHER,
    [':'] = MARK,
    [';'] = TND_C_URI,
    ['='] = MARK,
    ['?'] = MARK,
    ['@'] = MARK,
    ['A' ... 'F'] = HEXALPH,
    ['G' ... 'Z'] = LETTER,
    ['['] = MARK,
    ['\\'] = MARK,
    [']'] = MARK,
    ['^'] = MARK,
    ['_'] = HOSTCH,
    ['`'] = TOKEN,
    ['a' ... 'f'] = HEXALPH,
    ['g' ... 'z'] = LETTER,
    ['{'] = MARK,
    ['|'] = MARK,
    ['}'] = MARK,
    ['~'] = TOKEN,
    [0x80 ... 0xff] = MARK,
};

#ifdef __x86_64__
extern const struct tnd_scan_kernel tnd_scan_avx2, tnd_scan_avx512;
#endif

static const struct tnd_scan_kernel *const kernels[TND_ISA_COUNT] = {
    [TND_ISA_SCALAR] = &tnd_scan_scalar,
#ifdef __x86_64__
    [TND_ISA_AVX2] = &tnd_scan_avx2,
    [TND_ISA_AVX512] = &tnd_scan_avx512,
#endif
};

const struct tnd_scan_kernel *tnd_scan_active = &tnd_scan_scalar;

static void use(enum tnd_isa isa)
{
    tnd_scan_active = kernels[isa];
}

__attribute__((constructor)) static void enter(void)
{
    static struct tnd_isa_family family = {.use = use};

    tnd_isa_register(&family);
}

const struct tnd_scan_kernel *tnd_scan_kernel(unsigned i)
{
    return i < TND_ISA_COUNT && tnd_isa_here((enum tnd_isa)i) ? kernels[i] : NULL;
}
