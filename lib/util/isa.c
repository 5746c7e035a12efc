#include "util/isa.h"

#include <string.h>

static enum tnd_isa active = TND_ISA_SCALAR;
static struct tnd_isa_family *families;

#ifdef __x86_64__
// __builtin_cpu_supports asks the system too: whether it saves the wide registers.
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi");
}

bool tnd_isa_here(enum tnd_isa isa)
{
    __builtin_cpu_init();
    return isa == TND_ISA_SCALAR || (isa == TND_ISA_AVX2 && has_avx2()) ||
           (isa == TND_ISA_AVX512 && has_avx512());
}
#else
bool tnd_isa_here(enum tnd_isa isa)
{
    return isa == TND_ISA_SCALAR;
}
#endif

const char *tnd_isa_name(enum tnd_isa isa)
{
    static const char *const names[TND_ISA_COUNT] = {"scalar", "avx2", "avx512"};

    return names[isa];
}

enum tnd_isa tnd_isa_active(void)
{
    return active;
}

void tnd_isa_register(struct tnd_isa_family *family)
{
    family->next = families;
    families = family;
    family->use(active);
}

bool tnd_isa_select(const char *want)
{
    for (int isa = TND_ISA_COUNT; isa-- > 0;) {
        if (!tnd_isa_here((enum tnd_isa)isa) ||
            (want && strcmp(want, tnd_isa_name((enum tnd_isa)isa)) != 0))
            continue;
        active = (enum tnd_isa)isa;
        for (struct tnd_isa_family *f = families; f; f = f->next)
            f->use(active);
        return true;
    }
    return false;
}
