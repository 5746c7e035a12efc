// The reference kernel: a table and plain registers, no vector instructions.
#include "sip/message.h"

// A word has a lane of eight bits for each run, and two more for line ends. An octet's word has
// the upper bit set in the lanes of what it stops; with one shift an octet, eight octets leave
// their bits in each lane in order.
#define LANE(i)   (0x80ULL << (8 * (i)))
#define STOP(run) LANE(TND_RUN_##run)
#define LANE_LF   TND_RUN_COUNT
#define LANE_CR   (TND_RUN_COUNT + 1)
_Static_assert(LANE_CR < 8, "a word has eight lanes");

#define NO_TOKEN (STOP(TOKEN) | STOP(HOST))
#define NOWHERE  (NO_TOKEN | STOP(URI) | STOP(VALUE))
#define NO_VALUE (NO_TOKEN | STOP(VALUE))

static const uint64_t stops[256] = {
    [0 ... '\t'] = NOWHERE,
    ['\n'] = NOWHERE | LANE(LANE_LF),
    [0x0b ... 0x0c] = NOWHERE,
    ['\r'] = NOWHERE | LANE(LANE_CR),
    [0x0e ... ' '] = NOWHERE,
    ['!'] = STOP(HOST),
    ['"'] = NOWHERE | STOP(QUOTE),
    ['#'] = NO_TOKEN,
    ['$'] = NO_TOKEN,
    ['%'] = STOP(HOST),
    ['&'] = NO_TOKEN,
    ['\''] = STOP(HOST),
    ['('] = NO_TOKEN,
    [')'] = NO_TOKEN,
    ['*'] = STOP(HOST),
    ['+'] = STOP(HOST),
    [','] = NO_VALUE,
    ['/'] = NO_TOKEN,
    [':'] = NO_TOKEN,
    [';'] = NO_VALUE,
    ['<'] = NOWHERE,
    ['='] = NO_TOKEN,
    ['>'] = NOWHERE,
    ['?'] = NO_TOKEN,
    ['@'] = NO_TOKEN,
    ['['] = NO_TOKEN,
    ['\\'] = NO_TOKEN | STOP(QUOTE),
    [']'] = NO_TOKEN,
    ['^'] = NO_TOKEN,
    ['`'] = STOP(HOST),
    ['{'] = NO_TOKEN,
    ['|'] = NO_TOKEN,
    ['}'] = NO_TOKEN,
    ['~'] = STOP(HOST),
    [0x7f] = NOWHERE,
    [0x80 ... 0xff] = NO_TOKEN,
};

static inline void whole(const char *block, struct tnd__masks *m)
{
    memset(m, 0, sizeof *m);
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t w, lanes = 0;

        memcpy(&w, block + i, sizeof w); // little endian hosts only: checked in meson.build
        for (unsigned k = 0; k < 8; k++)
            lanes = lanes >> 1 | stops[w >> 8 * k & 0xff];
        for (unsigned run = 0; run < TND_RUN_COUNT; run++)
            m->stop[run] |= (lanes >> 8 * run & 0xff) << i;
        m->lf |= (lanes >> 8 * LANE_LF & 0xff) << i;
        m->cr |= (lanes >> 8 * LANE_CR & 0xff) << i;
    }
}

static inline void part(const char *block, uint32_t len, struct tnd__masks *m)
{
    char copy[64] = {0};

    memcpy(copy, block, len);
    whole(copy, m);
}

static inline bool ends(const char *block, const struct tnd__masks *m, uint64_t *cr)
{
    uint64_t lf_next = m->lf >> 1 | (uint64_t)(block[64] == '\n') << 63;
    uint64_t cr_after =
        m->cr >> 2 | (uint64_t)(block[64] == '\r') << 62 | (uint64_t)(block[65] == '\r') << 63;

    *cr = m->cr;
    return ((m->cr ^ lf_next) | (m->cr & cr_after)) != 0;
}

TND_SCAN_KERNEL(scalar, whole, part, ends);
