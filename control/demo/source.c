#include "control/demo/source.h"

#include <string.h>

#include "control/demo/rig.h"

// The template in pieces: a field lies behind each piece but the last.
enum field { CALLED, BRANCH, CALLED_TO, TAG, CALL_ID, SESSION, FIELDS };

_Static_assert(sizeof TND_RIG_EDGE - 1 == TND_RIG_HOST_LEN, "one is written over the other");

static const uint8_t width[FIELDS] = {10, 16, 10, 8, 16, 10};

static const char *const pieces[FIELDS + 1] = {
    "INVITE sip:+49",
    "@" TND_RIG_EDGE " SIP/2.0\r\n"
    "Via: SIP/2.0/UDP " TND_RIG_PBX ";branch=z9hG4bK",
    ";rport\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:+4930901820@" TND_RIG_PBX ">\r\n"
    "To: <sip:+49",
    "@" TND_RIG_EDGE ">\r\n"
    "From: \"Front desk office\" <sip:+4930901820@pbx.example.net>;tag=",
    "\r\n"
    "Call-ID: ",
    "@pbx.example.net\r\n"
    "CSeq: 1 INVITE\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK\r\n"
    "Supported: 100rel, timer, replaces\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 202\r\n"
    "\r\n"
    "v=0\r\n"
    "o=- ",
    " 1 IN IP4 198.51.100.10\r\n"
    "s=-\r\n"
    "c=IN IP4 198.51.100.10\r\n"
    "t=0 0\r\n"
    "m=audio 30000 RTP/AVP 8 0 101\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=sendrecv\r\n",
};

static uint16_t at[FIELDS]; // offset of each field

static uint64_t mix(uint64_t z)
{
    // SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection.
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static char two_hex[256][2], two_digits[100][2];

static void make_digits(void)
{
    static const char hex[] = "0123456789abcdef";

    for (unsigned i = 0; i < 256; i++) {
        two_hex[i][0] = hex[i >> 4];
        two_hex[i][1] = hex[i & 15];
    }
    for (unsigned i = 0; i < 100; i++) {
        two_digits[i][0] = (char)('0' + i / 10);
        two_digits[i][1] = (char)('0' + i % 10);
    }
}

static void put_hex(char *out, uint64_t v, unsigned octets)
{
    for (unsigned i = octets; i-- > 0; v >>= 8)
        memcpy(out + 2 * i, two_hex[v & 0xff], 2);
}

static void put_digits(char *out, uint32_t v)
{
    for (unsigned i = 5; i-- > 0; v /= 100)
        memcpy(out + 2 * i, two_digits[v % 100], 2);
}

static void put_host(char *out, uint32_t name)
{
    char host[TND_RIG_HOST_LEN + 1];

    tnd_rig_host(name, host);
    memcpy(out, host, TND_RIG_HOST_LEN); // over the edge's, which is as long
}

void tnd_source_init(struct tnd_source *s, uint64_t seed)
{
    char *p = s->text[0];

    make_digits();
    s->seed = mix(seed);
    for (unsigned i = 0; i <= FIELDS; i++) {
        size_t len = strlen(pieces[i]);
        memcpy(p, pieces[i], len);
        p += len;
        if (i == FIELDS)
            break;
        at[i] = (uint16_t)(p - s->text[0]);
        memset(p, '0', width[i]);
        p += width[i];
    }
    for (unsigned i = 1; i < TND_SOURCE_SLOTS; i++)
        memcpy(s->text[i], s->text[0], sizeof s->text[0]);
}

const char *tnd_source_write(struct tnd_source *s, uint32_t slot, uint64_t number, uint32_t attempt)
{
    char *m = s->text[slot];
    uint64_t of_call = mix(number + s->seed);

    put_digits(m + at[CALLED], (uint32_t)of_call);
    memcpy(m + at[CALLED_TO], m + at[CALLED], width[CALLED]);
    put_hex(m + at[BRANCH], mix(of_call + attempt), 8);
    put_hex(m + at[TAG], of_call >> 32, 4);
    put_hex(m + at[CALL_ID], number ^ s->seed, 8);
    put_digits(m + at[SESSION], (uint32_t)(of_call >> 16));
    if (s->names)
        put_host(m + at[CALLED] + width[CALLED] + 1, (uint32_t)(of_call >> 32) % s->names);
    return m;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tnd_source_number(const struct tnd_source *s, struct tnd_str message, uint64_t *number)
{
    uint32_t from_end = TND_SOURCE_LEN - at[CALL_ID];
    uint64_t v = 0;
    int bad = 0;

    if (message.len < from_end + 9)
        return false;
    const char *p = message.p + message.len - from_end;
    for (unsigned i = 0; i < width[CALL_ID]; i++) {
        int d = digit(p[i]);
        bad |= d;
        v = v << 4 | (uint64_t)(d & 15);
    }
    *number = v ^ s->seed;
    return bad >= 0 && memcmp(p - 9, "Call-ID: ", 9) == 0;
}

uint32_t tnd_source_tail(void)
{
    // Max-Forwards lies before Contact, and the host of the Request-URI is in the first line.
    return (uint32_t)strlen(pieces[FIELDS]) + width[SESSION] + (uint32_t)strlen(pieces[SESSION]) +
           width[CALL_ID] + (uint32_t)strlen(pieces[CALL_ID]) + width[TAG] +
           (uint32_t)strlen(pieces[TAG]) + width[CALLED_TO];
}
