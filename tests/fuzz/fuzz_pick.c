// Any records: every pick kernel of this processor derives the keys and draws the record that the
// reference does, and touches nothing behind the lanes, which end where readable memory ends.
//
// Octets: 8 of the call key, then 8 for each record: 6 of its id, 2 of its weight.

#include "fuzz/fuzz.h"
#include "route/pick_kernel.h"

#define LANES_MAX 1024U
#define CALLS     32U

// Weights from 1 to 65536 and ids of 48 bits, so that equal ones are found soon.
static const void *make_lanes(const uint8_t *records, uint32_t n)
{
    static struct fuzz_room room;
    char *end = fuzz_edge(&room, tnd_lanes_size(LANES_MAX));
    uint32_t stride = tnd_lanes_stride(n);
    uint32_t *words = (uint32_t *)(void *)(end - tnd_lanes_size(n));

    for (uint32_t i = 0; i < stride; i++) {
        uint8_t octets[8] = {0};
        uint16_t weight;
        float rcp = __builtin_inff();

        if (i < n)
            memcpy(octets, records + 8 * (size_t)i, sizeof octets);
        memcpy(&weight, octets + 6, sizeof weight);
        if (i < n)
            rcp = 1.0F / (1.0F + (float)weight);
        memcpy(&words[i], octets, 4);
        words[stride + i] = octets[4] | (uint32_t)octets[5] << 8;
        memcpy(&words[2 * stride + i], &rcp, sizeof rcp);
        words[3 * stride + i] = i;
    }
    return words;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tnd_hash_key secret = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    uint64_t call_keys[CALLS], want_keys[CALLS], keys[CALLS];
    uint32_t n = size < 16 ? 0 : (uint32_t)(size / 8 - 1), want[CALLS], got[CALLS];
    struct tnd__draw draws[CALLS];

    if (n == 0 || n > LANES_MAX)
        return 0;
    memcpy(call_keys, data, sizeof *call_keys);
    draws[0] = (struct tnd__draw){make_lanes(data + 8, n), n, tnd_lanes_stride(n)};
    for (unsigned i = 1; i < CALLS; i++) {
        call_keys[i] = call_keys[0] + i;
        draws[i] = draws[0];
    }
    tnd__pick_scalar.keys(&secret, call_keys, CALLS, want_keys);
    tnd__pick_scalar.draw(want_keys, draws, CALLS, want);
    for (int isa = TND_ISA_SCALAR + 1; isa < TND_ISA_COUNT; isa++) {
        const struct tnd__pick_kernel *k = tnd__pick_kernel(isa);

        if (!k)
            continue;
        k->keys(&secret, call_keys, CALLS, keys);
        CHECK(memcmp(keys, want_keys, sizeof keys) == 0);
        k->draw(keys, draws, CALLS, got);
        CHECK(memcmp(got, want, sizeof got) == 0);
        fuzz_compared(tnd_isa_name((enum tnd_isa)isa));
    }
    return 0;
}
