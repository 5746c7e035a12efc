// Any octets, cut anywhere: every checksum kernel of this processor sums them as the reference
// does, and copies the pieces behind one another to any offset; nothing outside pieces and copy is
// touched. All end where memory ends.
//
// Octets: where the copy begins, then for each piece its length in two octets, and its text.
#include "fuzz/fuzz.h"
#include "util/sum.h"

#define PIECES    8U
#define PIECE_MAX 2048U
#define MARGIN    128U // before and behind a copy: what must stay as it was
#define MARK      0xa5

static void untouched(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        CHECK((uint8_t)p[i] == MARK);
}

// `len` octets are to lie at `to`, `behind` of memory after them.
static void copies(const struct tnd_sum_kernel *k, char *to, size_t behind,
                   const struct tnd_str piece[], unsigned n, const char *want, size_t len)
{
    uint64_t sum;

    memset(to - MARGIN, MARK, MARGIN + len + behind);
    sum = k->gather(to, piece, n);
    CHECK(memcmp(to, want, len) == 0);
    CHECK(tnd_sum_fold(sum) == tnd_sum_fold(tnd_sum_scalar.of(want, len)));
    untouched(to - MARGIN, MARGIN);
    untouched(to + len, behind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_room from[PIECES], to;
    static char want[PIECES * PIECE_MAX];
    struct tnd_str piece[PIECES];
    unsigned n = 0, offset = size ? data[0] % 64 : 0;
    size_t len = 0, at = 1;
    char *end = fuzz_edge(&to, sizeof want + 2 * MARGIN + 64);

    for (; n < PIECES && at + 2 <= size; n++) {
        size_t own = (data[at] | (size_t)data[at + 1] << 8) % (PIECE_MAX + 1);
        at += 2;
        own = own < size - at ? own : size - at;
        piece[n].p = memcpy(fuzz_edge(&from[n], PIECE_MAX) - own, data + at, own);
        piece[n].len = own;
        memcpy(want + len, data + at, own);
        len += own;
        at += own;
    }
    for (unsigned i = 0; tnd_sum_kernel(i); i++) {
        const struct tnd_sum_kernel *k = tnd_sum_kernel(i);
        if (i > 0)
            fuzz_compared(k->name);
        for (unsigned p = 0; p < n; p++)
            CHECK(tnd_sum_fold(k->of(piece[p].p, piece[p].len)) ==
                  tnd_sum_fold(tnd_sum_scalar.of(piece[p].p, piece[p].len)));
        copies(k, end - len, 0, piece, n, want, len);
        copies(k, end - MARGIN - 64 + offset - len, MARGIN, piece, n, want, len);
    }
    return 0;
}
