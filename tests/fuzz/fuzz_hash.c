// Any texts of a burst: every wide kernel of this processor hashes each as SipHash does alone,
// whatever lies in the lanes that are not asked for. Each text ends where memory ends.
//
// Octets: 16 of the key, then for each text its length and the text.
#include "fuzz/fuzz.h"
#include "util/wide.h"

// Returns: how many texts there are.
static unsigned read_texts(const uint8_t *data, size_t size, struct tnd_str text[])
{
    static struct fuzz_room room[TND_WIDE];
    unsigned n = 0;

    while (n < TND_WIDE && size > 0) {
        size_t len = data[0] < size - 1 ? data[0] : size - 1;
        if (len > TND_WIDE_TEXT)
            len = TND_WIDE_TEXT;
        text[n].p = memcpy(fuzz_edge(&room[n], TND_WIDE_TEXT) - len, data + 1, len);
        text[n++].len = len;
        data += 1 + len;
        size -= 1 + len;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tnd_wide wide; // what an input leaves in a lane, the next one finds there
    struct tnd_str text[TND_WIDE];
    uint64_t out[TND_WIDE];
    struct tnd_hash_key key;
    unsigned n;

    if (size < sizeof key)
        return 0;
    memcpy(&key, data, sizeof key);
    n = read_texts(data + sizeof key, size - sizeof key, text);
    for (unsigned i = 0; i < n; i++)
        tnd_wide_put_text(&wide, i, text[i]);
    for (unsigned k = 0; tnd_wide_kernel(k); k++) {
        tnd_wide_kernel(k)->hash(&key, &wide, n, out);
        for (unsigned i = 0; i < n; i++)
            CHECK(out[i] == tnd_hash(&key, text[i].p, text[i].len));
    }
    return 0;
}
