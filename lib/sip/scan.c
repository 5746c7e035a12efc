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

TND_ISA_FAMILY(tnd_scan);
