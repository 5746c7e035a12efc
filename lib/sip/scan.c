#include "sip/scan.h"

#include <string.h>

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

// __builtin_cpu_supports asks the system too: whether it saves the wide registers.
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

static bool always(void)
{
    return true;
}

// In ascending order of preference; a processor that runs one runs those before it.
static const struct {
    const struct tnd_scan_kernel *kernel;
    bool (*here)(void);
} kernels[] = {
    {&tnd_scan_scalar, always},
#ifdef __x86_64__
    {&tnd_scan_avx2, has_avx2},
    {&tnd_scan_avx512, has_avx512},
#endif
};

#define N_KERNELS (sizeof kernels / sizeof *kernels)

const struct tnd_scan_kernel *tnd_scan_active = &tnd_scan_scalar;

const struct tnd_scan_kernel *tnd_scan_kernel(unsigned i)
{
    return i < N_KERNELS && kernels[i].here() ? kernels[i].kernel : NULL;
}

bool tnd_scan_select(const char *want)
{
    for (unsigned i = N_KERNELS; i-- > 0;) {
        if (!kernels[i].here() || (want && strcmp(want, kernels[i].kernel->name) != 0))
            continue;
        tnd_scan_active = kernels[i].kernel;
        return true;
    }
    return false;
}
