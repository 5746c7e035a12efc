// Any octets: every scan kernel of this processor lists and maps the same as the reference, and
// touches nothing behind the data, which ends where readable memory ends.

#include "fuzz/fuzz.h"
#include "sip/scan.h"

static void same_maps(const struct tnd_scan_maps *a, const struct tnd_scan_maps *b, uint32_t from,
                      uint32_t to)
{
    uint32_t first = from / 64, words = to > first * 64 ? (to - 1) / 64 - first + 2 : 1;

    for (unsigned run = 0; run < TND_RUN_COUNT; run++)
        CHECK(memcmp(&a->stop[run][first], &b->stop[run][first], words * 8) == 0);
}

static void same_lines(const struct tnd_scan *a, const struct tnd_scan *b, uint32_t len)
{
    uint32_t to = a->n ? a->lf[a->n - 1] + (a->lf[a->n - 1] < len) : 0;

    CHECK(a->n == b->n && a->plain == b->plain && a->bare_cr == b->bare_cr && a->ended == b->ended);
    CHECK(memcmp(a->lf, b->lf, a->n * sizeof a->lf[0]) == 0);
    same_maps(&a->maps, &b->maps, 0, to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tnd_scan want, got;
    static struct fuzz_room room;
    uint32_t len = size > TND_SCAN_MAX ? TND_SCAN_MAX : (uint32_t)size;
    uint32_t from = len ? data[0] * 64u % len + data[len - 1] % 64u : 0;
    char *at = fuzz_edge(&room, TND_SCAN_MAX) - len;

    memcpy(at, data, len);
    if (from > len)
        from = len;
    for (unsigned i = 1; tnd_scan_kernel(i); i++) {
        tnd_scan_scalar.lines(at, len, &want);
        tnd_scan_kernel(i)->lines(at, len, &got);
        same_lines(&want, &got, len);
        tnd_scan_scalar.maps(at, from, len, &want.maps);
        tnd_scan_kernel(i)->maps(at, from, len, &got.maps);
        same_maps(&want.maps, &got.maps, from, len);
        fuzz_compared(tnd_scan_kernel(i)->name);
    }
    return 0;
}
