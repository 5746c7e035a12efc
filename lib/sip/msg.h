// A parsed SIP message: spans into the datagram, nothing copied (RFC 3261 s7, s20, s25).
//
// tnd_sip_parse reads a message once, checks the syntax of all that this engine relies
// on, and leaves the rest alone: unknown methods, headers and parameters pass as they are.
// On an error it goes on as far as it can, so that an answer can still be made: every
// field it could read is set, `error` holds the first fault and `error_at` where it was.
//
// Threads:  pure; the message belongs to the caller.
// Lifetime: spans are offsets into `data`, which must outlive the struct.
// Cost:     see bench `parse.invite`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"
#include "util/str.h"

#define TND_SIP_MAX       16384 // octets of a message; more is refused by name
#define TND_SIP_HDRS_MAX  128   // header fields of a message; a Via list ends at 70 hops
#define TND_SIP_NO_HDR    0xff  // end of a chain of equal headers
#define TND_SIP_MF_ABSENT 0xffff

// Offset and length in the message. Absent: {0, 0}; present but empty: off != 0.
struct tnd_span {
    uint16_t off, len;
};

enum tnd_method {
    TND_METHOD_OTHER = 0, // an extension method; its text is in method_text
    TND_METHOD_INVITE,
    TND_METHOD_ACK,
    TND_METHOD_BYE,
    TND_METHOD_CANCEL,
    TND_METHOD_OPTIONS,
    TND_METHOD_REGISTER,
    TND_METHOD_PRACK,
    TND_METHOD_UPDATE,
    TND_METHOD_INFO,
    TND_METHOD_SUBSCRIBE,
    TND_METHOD_NOTIFY,
    TND_METHOD_REFER,
    TND_METHOD_MESSAGE,
    TND_METHOD_PUBLISH,
    TND_METHOD_COUNT
};

// Headers the engine reads; all others are TND_HDR_OTHER and listed too.
enum tnd_hdr {
    TND_HDR_OTHER = 0,
    TND_HDR_VIA,
    TND_HDR_FROM,
    TND_HDR_TO,
    TND_HDR_CALL_ID,
    TND_HDR_CSEQ,
    TND_HDR_MAX_FORWARDS,
    TND_HDR_ROUTE,
    TND_HDR_RECORD_ROUTE,
    TND_HDR_CONTACT,
    TND_HDR_CONTENT_LENGTH,
    TND_HDR_PROXY_REQUIRE,
    TND_HDR_PROXY_AUTHORIZATION,
    TND_HDR_RETRY_AFTER,
    TND_HDR_COUNT
};

struct tnd_sip_hdr {
    uint16_t line;      // first octet of the name
    uint16_t value;     // first octet of the value, white space and folds skipped
    uint16_t value_len; // trailing white space left out; folds inside remain
    uint16_t end;       // octet after the line's last CRLF (or bare LF), folded lines included
    uint8_t id;         // enum tnd_hdr
    uint8_t next;       // index of the next header of this id, or TND_SIP_NO_HDR
};

enum tnd_scheme {
    TND_SCHEME_NONE = 0,
    TND_SCHEME_SIP,
    TND_SCHEME_SIPS,
    TND_SCHEME_TEL,
    TND_SCHEME_OTHER
};

// A SIP or SIPS URI (s19.1). Of a tel URI (RFC 3966) `user` is the number as written, `params`
// what follows it, `host` its phone-context where that is a domain. For other schemes only
// `scheme`, `whole` and `user` (all after the colon) are set.
struct tnd_uri {
    struct tnd_span whole; // without angle brackets
    struct tnd_span user;  // userinfo without password, as written (escapes kept)
    struct tnd_span password;
    struct tnd_span host;    // as written; IPv6 with its brackets
    struct tnd_span params;  // after the first ';', to '?' or the end
    struct tnd_span headers; // after '?'
    struct tnd_span transport_text, maddr;
    struct tnd_addr ip; // the host as an address; family 0 when it is a name
    uint16_t port;      // 0: none
    uint8_t scheme;     // enum tnd_scheme
    uint8_t transport;  // of `transport=`; NONE when absent
    bool lr;
};

// One via-parm (s20.42, RFC 3581).
struct tnd_via {
    struct tnd_span whole; // the via-parm, without the comma
    struct tnd_span host;  // sent-by host as written
    struct tnd_span branch;
    struct tnd_span received, rport, maddr; // values; rport {off != 0, 0} when "rport" or "rport="
    struct tnd_span received_param, rport_param; // ";name=value" from its ';', for edits
    struct tnd_addr sent_by;                     // family 0 when a name; port as given, 0 when none
    struct tnd_addr received_ip; // parsed `received`, family 0 when absent or not an address
    uint16_t rport_value;        // 0 when absent, empty or out of range
    uint8_t transport;
};

// Why a message is refused. Text: tnd_sip_error_text.
#define TND_SIP_ERRORS(X)                                                \
    X(NONE, "no error")                                                  \
    X(EMPTY, "nothing but line ends")                                    \
    X(TOO_LARGE, "message larger than 16384 octets")                     \
    X(START_LINE, "malformed start line")                                \
    X(VERSION, "SIP version not supported")                              \
    X(STATUS, "status code outside 100..699")                            \
    X(RURI, "malformed Request-URI")                                     \
    X(SCHEME, "Request-URI scheme not supported")                        \
    X(HEADER, "malformed header line")                                   \
    X(TOO_MANY_HEADERS, "more than 128 header fields")                   \
    X(NO_END, "header section without its empty line")                   \
    X(VIA, "missing or malformed Via")                                   \
    X(FROM, "missing, repeated or malformed From")                       \
    X(TO, "missing, repeated or malformed To")                           \
    X(CALL_ID, "missing, repeated or malformed Call-ID")                 \
    X(CSEQ, "missing, repeated or malformed CSeq")                       \
    X(CSEQ_METHOD, "CSeq method differs from the request's")             \
    X(MAX_FORWARDS, "repeated or malformed Max-Forwards")                \
    X(CONTENT_LENGTH, "repeated, malformed or too large Content-Length") \
    X(CONTACT, "malformed Contact")                                      \
    X(ROUTE, "malformed Route or Record-Route")

enum tnd_sip_error {
#define X(name, text) TND_SIP_ERR_##name,
    TND_SIP_ERRORS(X)
#undef X
        TND_SIP_ERR_COUNT
};

struct tnd_sip_msg {
    const char *data; // first octet of the start line (leading CRLFs are skipped)
    uint16_t len;     // from there to the end of the message: body cut to Content-Length
    uint8_t error;    // enum tnd_sip_error, the first found
    uint16_t error_at;
    bool is_request;
    uint8_t method;  // of the request, or of the CSeq for a response
    uint16_t status; // 0 for a request
    struct tnd_span method_text, ruri_text, reason;
    uint16_t start_line_end; // octet after the start line

    struct tnd_span call_id;
    struct tnd_span cseq_method;
    uint32_t cseq;
    struct tnd_span from_uri, from_tag; // URI without brackets; tag value
    struct tnd_span to_uri, to_tag;
    struct tnd_span contact_uri; // the first Contact's; absent for "*"
    uint16_t max_forwards;       // TND_SIP_MF_ABSENT when there is none; above 255 reads as 70
    uint16_t headers_end;        // octet after the last header line: the empty line is here
    uint16_t body;               // first octet after the empty line
    uint16_t body_len;
    bool has_content_length;

    struct tnd_uri ruri; // requests
    struct tnd_via via;  // the topmost via-parm; malformed behind sent-by: whole.len 0, host set
    struct tnd_via via2; // responses: the second; whole.len 0 when there is none

    uint8_t n_hdrs;
    uint8_t first[TND_HDR_COUNT]; // first header of each id, or TND_SIP_NO_HDR
    struct tnd_sip_hdr hdr[TND_SIP_HDRS_MAX];
};

// Parse one datagram.
// data:    `len` readable octets, no more are touched; len may be 0.
// out:     every field is written except the unused part of hdr[].
// Returns: out->error.
enum tnd_sip_error tnd_sip_parse(const char *data, size_t len, struct tnd_sip_msg *out);

// Parse a URI lying at `s` of `base`. Spans of `out` count from `base`.
// Returns: false when malformed (a scheme that nobody knows is not malformed).
bool tnd_uri_parse(const char *base, struct tnd_span s, struct tnd_uri *out);

// Whether a URI parameter's name as written is `want` (lower case): in any case, escapes undone
// once (s19.1.4: "%6Cr" is "lr").
bool tnd_uri_name_is(struct tnd_str name, struct tnd_str want);

// Parse the via-parm that starts at `at`, which must lie inside a Via value ending at `end`.
// Returns: offset of the comma after it, or `end`; 0 when malformed.
uint16_t tnd_via_parse(const char *base, uint16_t at, uint16_t end, struct tnd_via *out);

// Walk the comma-separated name-addrs of Route, Record-Route or Contact values (s20.34).
// `at`: where to start in [value, end); on return, after the element's comma or `end`.
// item: the whole element, white space trimmed; uri: what is inside <> (or the addr-spec).
// Returns: false at the end (*at is `end`) or on a malformed element (*at is below `end`).
bool tnd_name_addr_next(const char *base, uint16_t *at, uint16_t end, struct tnd_span *item,
                        struct tnd_span *uri);

// Walk a comma-separated list of tokens (Proxy-Require). Same conventions.
bool tnd_token_next(const char *base, uint16_t *at, uint16_t end, struct tnd_span *token);

// Find a parameter by name in ";a=b;c" or "a=b;c" text. Case-insensitive, quoted values whole.
// Returns: true when present; value is {off, 0} with off != 0 when it has none.
bool tnd_param_find(const char *base, struct tnd_span params, struct tnd_str name,
                    struct tnd_span *value);

const char *tnd_sip_error_text(enum tnd_sip_error e);
const char *tnd_method_name(enum tnd_method m); // "INVITE"; "other" for TND_METHOD_OTHER

static inline struct tnd_str tnd_text(const struct tnd_sip_msg *m, struct tnd_span s)
{
    return (struct tnd_str){m->data + s.off, s.len};
}
