// Who may pass and where it goes: listeners, names, trunks, sources, route rules.
//
// One immutable object built by control from the configuration (and from the addresses
// that `resolved` sources stand for), swapped by one pointer store under QSBR, so that a
// reload is atomic for every worker.
//
// Threads:  built by control, then read-only. Lifetime: until the reader's next quiescent state.
#pragma once

#include "proxy/next_hop.h"
#include "route/table.h"
#include "util/lpm.h"

#define TND_NO_TRUNK    UINT16_MAX
#define TND_NO_LISTENER UINT16_MAX
#define TND_TRUNK_NAME  64

enum tnd_nat { TND_NAT_AUTO = 0, TND_NAT_YES, TND_NAT_NO };
enum tnd_rr { TND_RR_AUTO = 0, TND_RR_ALWAYS, TND_RR_NEVER };

struct tnd_listener {
    struct tnd_addr addr;      // where packets come in and leave from
    struct tnd_addr advertise; // what Via and Record-Route say
    uint32_t id;               // content hash of addr: on the wire of branch and token
    uint16_t interface;        // index of its interface in the configuration
    uint8_t dscp;
    // What every request that leaves by it gets at its top, around branch and token.
    uint8_t via_len, route_len;
    char via[TND_ADDR_TEXT_MAX + 32];   // "Via: SIP/2.0/UDP 198.51.100.1:5060;branch="
    char route[TND_ADDR_TEXT_MAX + 16]; // "@198.51.100.1:5060;lr>\r\n"
};

struct tnd_trunk {
    char name[TND_TRUNK_NAME + 1];
    uint32_t id;                   // content hash of the name
    struct tnd_next_hop hop;       // where `uri` leads
    struct tnd_name_digest digest; // of hop.name
    char host[TND_NAME_MAX];       // "host[:port][;transport=x]" for rule 4's Request-URI
    uint16_t host_len;
    uint8_t scheme; // enum tnd_scheme of `uri`
    uint8_t nat, record_route, weight_zero;
    uint16_t exhausted; // 500 or 503
};

enum tnd_route_to { TND_ROUTE_TRUNK, TND_ROUTE_REQUEST_URI, TND_ROUTE_REPLY };

// One entry of `routes`. Absent conditions: TND_NO_TRUNK, NULL, TND_METHOD_OTHER with no text.
struct tnd_route_rule {
    uint16_t from;           // trunk index
    uint8_t to;              // enum tnd_route_to
    uint8_t method;          // enum tnd_method
    const char *method_text; // NULL: any; else compared when `method` is OTHER
    const char *user;        // pattern; '*' at its end matches any rest
    const char *domain;      // pattern; '*' at its beginning matches any rest; lower case
    uint16_t trunk;          // TND_ROUTE_TRUNK
    uint16_t reply;          // TND_ROUTE_REPLY: status code
    uint32_t line;           // of the configuration file, for explain
};

struct tnd_policy {
    uint64_t generation;
    uint16_t n_listeners, n_trunks;
    uint32_t n_rules, n_names;
    struct tnd_listener *listeners;
    struct tnd_trunk *trunks;
    struct tnd_route_rule *rules;
    const char **names;      // lower case, no final dot
    struct tnd_lpm *sources; // -> trunk index
};

// Listener whose id is `id`, or TND_NO_LISTENER.
uint16_t tnd_policy_listener(const struct tnd_policy *p, uint32_t id);

// First listener of `family`, preferring `like` when it is of that family; TND_NO_LISTENER if none.
uint16_t tnd_policy_listener_for(const struct tnd_policy *p, uint8_t family, uint16_t like);

// Listener for a route that leaves by `interface`: the ingress one where it fits, else the
// first of the family there, else the first of the family. TND_NO_LISTENER when none.
uint16_t tnd_egress_listener(const struct tnd_policy *p, const struct tnd_addr *dst,
                             uint16_t ingress, uint16_t interface);

// Trunk whose id is `id`, or TND_NO_TRUNK.
uint16_t tnd_policy_trunk(const struct tnd_policy *p, uint32_t id);

// Trunk of a source address, or TND_NO_TRUNK.
uint16_t tnd_policy_source(const struct tnd_policy *p, const struct tnd_addr *src);

// Whether a URI's host (and port, where it is one of our addresses) is ours.
bool tnd_policy_is_ours(const struct tnd_policy *p, const char *base, const struct tnd_uri *uri);

// First rule all of whose conditions hold, or NULL. CANCEL and non-2xx ACK match as INVITE:
// the caller passes the method to match.
const struct tnd_route_rule *tnd_policy_route(const struct tnd_policy *p, uint16_t from,
                                              const struct tnd_sip_msg *msg,
                                              enum tnd_method match_as);

// Content ids, never 0.
uint32_t tnd_listener_id(const struct tnd_addr *a);

// Fill in what follows of a listener's addr and advertise: its id and its texts.
void tnd_listener_name(struct tnd_listener *l);
uint32_t tnd_trunk_id(const char *name);
