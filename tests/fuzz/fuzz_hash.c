// Any texts of a burst: every wide kernel of this processor lays out and hashes each as SipHash
// does alone, as it is and in lower case, whatever lies in the lanes that are not asked for. Each
// text ends where memory ends.
//
// Octets: 16 of the key, then for each text its length and the text.
#include <ctype.h>

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

// Its letters lowered by the locale that a fuzzer has: C.
static uint64_t alone(const struct tnd_hash_key *key, struct tnd_str text, bool lower)
{
    char low[TND_WIDE_TEXT];

    for (size_t i = 0; i < text.len; i++)
        low[i] = lower ? (char)tolower((unsigned char)text.p[i]) : text.p[i];
    return tnd_hash(key, low, text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tnd_wide wide; // what an input leaves in a lane, the next one finds there
    struct tnd_str text[TND_WIDE];
    uint64_t out[TND_WIDE];
    struct tnd_hash_key key;
    struct tnd_hasher begun;
    unsigned n;

    if (size < sizeof key)
        return 0;
    memcpy(&key, data, sizeof key);
    n = read_texts(data + sizeof key, size - sizeof key, text);
    tnd_hash_init(&begun, &key);
    for (unsigned k = 0; tnd_wide_kernel(k); k++)
        for (int lower = 0; lower < 2; lower++) {
            tnd_wide_kernel(k)->lay(&wide, 0, text, lower, n);
            tnd_wide_kernel(k)->hash(&begun, &wide, n, out);
            for (unsigned i = 0; i < n; i++)
                CHECK(out[i] == alone(&key, text[i], lower));
            if (k > 0)
                fuzz_compared(tnd_wide_kernel(k)->name);
        }
    return 0;
}
