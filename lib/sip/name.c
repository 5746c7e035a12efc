// Header and method names. A header's first eight letters choose one slot of a small table,
// whose name is then compared eight letters at a time; a method's length leaves a few.
#include "sip/lex.h"

#define LEN(s)       (sizeof(s) - 1)
#define LETTER(s, i) ((uint64_t)(uint8_t)(s)[(i) < LEN(s) ? (i) : LEN(s)])
#define WORD(s, o)                                                                    \
    (LETTER(s, (o)) | LETTER(s, (o) + 1) << 8 | LETTER(s, (o) + 2) << 16 |            \
     LETTER(s, (o) + 3) << 24 | LETTER(s, (o) + 4) << 32 | LETTER(s, (o) + 5) << 40 | \
     LETTER(s, (o) + 6) << 48 | LETTER(s, (o) + 7) << 56)
#define NAME(s, number)                                                            \
    {                                                                              \
        .head = WORD(s, 0), .middle = LEN(s) > 16 ? WORD(s, 8) : 0,                \
        .tail = LEN(s) >= 8 ? WORD(s, LEN(s) - 8) : 0, .len = LEN(s), .id = number \
    }

// The slots follow from tnd__name_slot; an entry elsewhere is never found.
const struct tnd__name tnd__names[32] = {
    [16] = NAME("via", TND_HDR_VIA),
    [23] = NAME("from", TND_HDR_FROM),
    [21] = NAME("to", TND_HDR_TO),
    [31] = NAME("call-id", TND_HDR_CALL_ID),
    [18] = NAME("cseq", TND_HDR_CSEQ),
    [10] = NAME("max-forwards", TND_HDR_MAX_FORWARDS),
    [9] = NAME("route", TND_HDR_ROUTE),
    [29] = NAME("record-route", TND_HDR_RECORD_ROUTE),
    [8] = NAME("contact", TND_HDR_CONTACT),
    [4] = NAME("content-length", TND_HDR_CONTENT_LENGTH),
    [3] = NAME("proxy-require", TND_HDR_PROXY_REQUIRE),
    [5] = NAME("proxy-authorization", TND_HDR_PROXY_AUTHORIZATION),
    [15] = NAME("retry-after", TND_HDR_RETRY_AFTER),
    [11] = NAME("v", TND_HDR_VIA),
    [0] = NAME("f", TND_HDR_FROM),
    [2] = NAME("t", TND_HDR_TO),
    [30] = NAME("i", TND_HDR_CALL_ID),
    [17] = NAME("m", TND_HDR_CONTACT),
    [28] = NAME("l", TND_HDR_CONTENT_LENGTH),
};

static const char *const method_names[TND_METHOD_COUNT] = {
    [TND_METHOD_OTHER] = "other",
    [TND_METHOD_INVITE] = "INVITE",
    [TND_METHOD_ACK] = "ACK",
    [TND_METHOD_BYE] = "BYE",
    [TND_METHOD_CANCEL] = "CANCEL",
    [TND_METHOD_OPTIONS] = "OPTIONS",
    [TND_METHOD_REGISTER] = "REGISTER",
    [TND_METHOD_PRACK] = "PRACK",
    [TND_METHOD_UPDATE] = "UPDATE",
    [TND_METHOD_INFO] = "INFO",
    [TND_METHOD_SUBSCRIBE] = "SUBSCRIBE",
    [TND_METHOD_NOTIFY] = "NOTIFY",
    [TND_METHOD_REFER] = "REFER",
    [TND_METHOD_MESSAGE] = "MESSAGE",
    [TND_METHOD_PUBLISH] = "PUBLISH",
};

const char *tnd_method_name(enum tnd_method m)
{
    return (unsigned)m < TND_METHOD_COUNT ? method_names[m] : method_names[TND_METHOD_OTHER];
}

#define METHOD(p, lit, id) (memcmp(p, lit, sizeof(lit) - 1) == 0 ? (id) : TND_METHOD_OTHER)

static enum tnd_method six(const char *p)
{
    switch (p[0]) {
    case 'I':
        return METHOD(p, "INVITE", TND_METHOD_INVITE);
    case 'C':
        return METHOD(p, "CANCEL", TND_METHOD_CANCEL);
    case 'U':
        return METHOD(p, "UPDATE", TND_METHOD_UPDATE);
    case 'N':
        return METHOD(p, "NOTIFY", TND_METHOD_NOTIFY);
    default:
        return TND_METHOD_OTHER;
    }
}

enum tnd_method tnd__method_lookup(const char *p, unsigned len)
{
    switch (len) {
    case 3:
        return p[0] == 'A' ? METHOD(p, "ACK", TND_METHOD_ACK) : METHOD(p, "BYE", TND_METHOD_BYE);
    case 4:
        return METHOD(p, "INFO", TND_METHOD_INFO);
    case 5:
        return p[0] == 'P' ? METHOD(p, "PRACK", TND_METHOD_PRACK)
                           : METHOD(p, "REFER", TND_METHOD_REFER);
    case 6:
        return six(p);
    case 7:
        return p[0] == 'O'   ? METHOD(p, "OPTIONS", TND_METHOD_OPTIONS)
               : p[0] == 'M' ? METHOD(p, "MESSAGE", TND_METHOD_MESSAGE)
                             : METHOD(p, "PUBLISH", TND_METHOD_PUBLISH);
    case 8:
        return METHOD(p, "REGISTER", TND_METHOD_REGISTER);
    case 9:
        return METHOD(p, "SUBSCRIBE", TND_METHOD_SUBSCRIBE);
    default:
        return TND_METHOD_OTHER;
    }
}
