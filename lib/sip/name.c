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

// A letter counts but for its case, other characters wholly, and nothing behind the text.
#define BITS(s, i) \
    (uint8_t)(LETTER(s, i) == 0 ? 0x00 : LETTER(s, i) >= 'a' && LETTER(s, i) <= 'z' ? 0xdf : 0xff)
#define SIXTEEN(f, s)                                                                             \
    {                                                                                             \
        f(s, 0), f(s, 1), f(s, 2), f(s, 3), f(s, 4), f(s, 5), f(s, 6), f(s, 7), f(s, 8), f(s, 9), \
            f(s, 10), f(s, 11), f(s, 12), f(s, 13), f(s, 14), f(s, 15)                            \
    }
#define FORM(s, number, other)                                                        \
    {                                                                                 \
        .text = SIXTEEN((uint8_t)LETTER, s), .bits = SIXTEEN(BITS, s), .len = LEN(s), \
        .id = number, .also = other                                                   \
    }
// No line begins with an LF.
#define NONE                             \
    {                                    \
        .text = {'\n'}, .bits = { 0xff } \
    }

// Each in the slot that tnd__form_at finds it in, or in one that another refers to. Headers that
// the engine does not read are here where most messages have them.
const struct tnd__form tnd__forms[64] = {
    [0] = FORM("proxy-require: ", TND_HDR_PROXY_REQUIRE, 0),
    [1] = FORM("allow: ", TND_HDR_OTHER, 5),
    [2] = FORM("content-length: ", TND_HDR_CONTENT_LENGTH, 3),
    [3] = FORM("content-type: ", TND_HDR_OTHER, 0),
    [4] = FORM("k: ", TND_HDR_OTHER, 0),
    [5] = FORM("allow-events: ", TND_HDR_OTHER, 0),
    [7] = FORM("retry-after: ", TND_HDR_RETRY_AFTER, 0),
    [8] = FORM("via: ", TND_HDR_VIA, 0),
    [10] = FORM("authorization: ", TND_HDR_OTHER, 0),
    [14] = FORM("l: ", TND_HDR_CONTENT_LENGTH, 0),
    [17] = FORM("max-forwards: ", TND_HDR_MAX_FORWARDS, 0),
    [18] = FORM("f: ", TND_HDR_FROM, 0),
    [20] = FORM("expires: ", TND_HDR_OTHER, 0),
    [21] = FORM("call-id: ", TND_HDR_CALL_ID, 0),
    [23] = FORM("route: ", TND_HDR_ROUTE, 0),
    [25] = FORM("m: ", TND_HDR_CONTACT, 0),
    [27] = FORM("from: ", TND_HDR_FROM, 0),
    [32] = FORM("t: ", TND_HDR_TO, 0),
    [34] = FORM("contact: ", TND_HDR_CONTACT, 2),
    [35] = FORM("user-agent: ", TND_HDR_OTHER, 0),
    [42] = FORM("event: ", TND_HDR_OTHER, 0),
    [44] = FORM("to: ", TND_HDR_TO, 0),
    [45] = FORM("cseq: ", TND_HDR_CSEQ, 0),
    [46] = FORM("server: ", TND_HDR_OTHER, 0),
    [48] = FORM("i: ", TND_HDR_CALL_ID, 0),
    [50] = FORM("require: ", TND_HDR_OTHER, 0),
    [51] = FORM("c: ", TND_HDR_OTHER, 0),
    [52] = FORM("v: ", TND_HDR_VIA, 0),
    [56] = FORM("record-route: ", TND_HDR_RECORD_ROUTE, 0),
    [57] = FORM("supported: ", TND_HDR_OTHER, 0),
    [63] = FORM("subject: ", TND_HDR_OTHER, 0),
    [6] = NONE,
    [9] = NONE,
    [11 ... 13] = NONE,
    [15 ... 16] = NONE,
    [19] = NONE,
    [22] = NONE,
    [24] = NONE,
    [26] = NONE,
    [28 ... 31] = NONE,
    [33] = NONE,
    [36 ... 41] = NONE,
    [43] = NONE,
    [47] = NONE,
    [49] = NONE,
    [53 ... 55] = NONE,
    [58 ... 62] = NONE,
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
