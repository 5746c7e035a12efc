// The tables of names. The first eight letters choose one slot, whose name is then compared eight
// letters at a time.
#include "sip/name.h"

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

// Each in the slot that tnd__hdr_lookup finds it in; an entry elsewhere is never found.
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

// Each in the slot that tnd__method_lookup finds it in.
#define METHOD(s, number)                               \
    {                                                   \
        .head = WORD(s, 0), .len = LEN(s), .id = number \
    }

const struct tnd__method tnd__methods[16] = {
    [0] = METHOD("INVITE", TND_METHOD_INVITE),   [2] = METHOD("REGISTER", TND_METHOD_REGISTER),
    [3] = METHOD("ACK", TND_METHOD_ACK),         [4] = METHOD("MESSAGE", TND_METHOD_MESSAGE),
    [5] = METHOD("OPTIONS", TND_METHOD_OPTIONS), [6] = METHOD("NOTIFY", TND_METHOD_NOTIFY),
    [7] = METHOD("REFER", TND_METHOD_REFER),     [9] = METHOD("PUBLISH", TND_METHOD_PUBLISH),
    [10] = METHOD("INFO", TND_METHOD_INFO),      [11] = METHOD("SUBSCRIBE", TND_METHOD_SUBSCRIBE),
    [12] = METHOD("PRACK", TND_METHOD_PRACK),    [13] = METHOD("BYE", TND_METHOD_BYE),
    [14] = METHOD("CANCEL", TND_METHOD_CANCEL),  [15] = METHOD("UPDATE", TND_METHOD_UPDATE),
};
