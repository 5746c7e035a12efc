#include "util/sum.h"

#include "util/isa.h"

static uint64_t of(const void *data, size_t len)
{
    return tnd_sum_add(0, data, len);
}

static uint64_t gather(char *out, const struct tnd_str piece[], unsigned n)
{
    const char *begin = out;

    for (unsigned i = 0; i < n; i++) {
        if (piece[i].len)
            memcpy(out, piece[i].p, piece[i].len);
        out += piece[i].len;
    }
    return tnd_sum_add(0, begin, (size_t)(out - begin));
}

const struct tnd_sum_kernel tnd_sum_scalar = {.name = "scalar", .of = of, .gather = gather};

TND_ISA_FAMILY(tnd_sum);
