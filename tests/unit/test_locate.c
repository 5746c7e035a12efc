// The RFC 3263 chain over small zones. Expectations are written by hand from the RFCs.
#include "cmocka_all.h"

#include "dns/locate.h"
#include "dns_zone.h"

// Rows leave out what is zero.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SIPS 1

struct locate_case {
    const char *what;
    const char *zone;
    struct tnd_locate_hop hop;
    struct tnd_locate_policy policy;
    // "tier transport address:port host prio weight share%" a line, then "error: code", and
    // "queries: n" where their number matters.
    const char *expect;
    const char *warning; // a piece of one of them; NULL: there must be none; "*": any
    bool shallow;        // the server does not follow CNAMEs
};

#define HOST(h, ...)             \
    {                            \
        .host = h, ##__VA_ARGS__ \
    }
#define POPS                        \
    "a.test 60 A 192.0.2.1\n"       \
    "b.test 60 A 192.0.2.2\n"       \
    "c.test 60 A 192.0.2.3\n"       \
    "v6.test 60 AAAA 2001:db8::6\n" \
    "dual.test 60 A 192.0.2.4\n"    \
    "dual.test 60 AAAA 2001:db8::4\n"

static const struct locate_case cases[] = {
    {"NAPTR s leads to SRV",
     POPS "x.test 300 NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._udp.x.test 300 SRV 10 50 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 10 50 100\nqueries: 4\n",
     NULL},
    {"NAPTR flags and services are case-insensitive",
     POPS "x.test 300 NAPTR 10 10 \"S\" \"sip+d2u\" \"\" _sip._udp.x.test\n"
          "_sip._udp.x.test 300 SRV 10 50 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 10 50 100\n",
     NULL},
    {"NAPTR a leads to addresses at the default port",
     POPS "x.test 300 NAPTR 10 10 \"a\" \"SIP+D2T\" \"\" a.test\n",
     HOST("x.test"),
     {0},
     "0 tcp 192.0.2.1:5060 a.test 0 1 100\nqueries: 3\n",
     NULL},
    {"NAPTR A over TLS uses port 5061",
     POPS "x.test 300 NAPTR 10 10 \"A\" \"SIPS+D2T\" \"\" a.test\n",
     HOST("x.test"),
     {0},
     "0 tls 192.0.2.1:5061 a.test 0 1 100\n",
     NULL},
    {"NAPTR u is skipped",
     POPS "x.test 300 NAPTR 10 10 \"u\" \"SIP+D2U\" \"\" _sip._udp.y.test\n"
          "x.test 300 NAPTR 20 10 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "_sip._tcp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 tcp 192.0.2.2:5070 b.test 1 1 100\n",
     "neither S nor A"},
    {"NAPTR p is skipped",
     POPS "x.test 300 NAPTR 10 10 \"p\" \"SIP+D2U\" \"\" _sip._udp.y.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.2:5070 b.test 1 1 100\n",
     "neither S nor A"},
    {"NAPTR without a flag is skipped",
     POPS "x.test 300 NAPTR 10 10 \"\" \"SIP+D2U\" \"\" y.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.2:5070 b.test 1 1 100\n",
     "neither S nor A"},
    {"NAPTR with two flags is skipped",
     POPS "x.test 300 NAPTR 10 10 \"sa\" \"SIP+D2U\" \"\" _sip._udp.y.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.2:5070 b.test 1 1 100\n",
     "more than one flag"},
    {"NAPTR with a regular expression is skipped",
     POPS "x.test 300 NAPTR 10 10 \"s\" \"SIP+D2U\" \"!.*!sip:y!\" _sip._udp.y.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.2:5070 b.test 1 1 100\n",
     "regular expression"},
    {"NAPTR with replacement . is skipped",
     POPS "x.test 300 NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" .\n"
          "_sip._udp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.2:5070 b.test 1 1 100\n",
     "no replacement"},
    {"NAPTR of other services is skipped: SCTP, WebSocket, ENUM",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2S\" \"\" _sip._sctp.x.test\n"
          "x.test 300 NAPTR 2 1 \"s\" \"SIPS+D2W\" \"\" _sips._ws.x.test\n"
          "x.test 300 NAPTR 3 1 \"s\" \"E2U+sip\" \"\" y.test\n"
          "x.test 300 NAPTR 4 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5070 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.2:5070 b.test 1 1 100\n",
     "SIP+D2S"},
    {"NAPTR order before preference, with gaps; each choice is a later tier",
     POPS "x.test 300 NAPTR 900 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "x.test 300 NAPTR 7 50 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "x.test 300 NAPTR 7 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.x.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n"
          "_sip._udp.x.test 300 SRV 9 1 5060 b.test\n"
          "_sip._tcp.x.test 300 SRV 5 1 5060 b.test\n"
          "_sips._tcp.x.test 300 SRV 3 1 5061 c.test\n",
     HOST("x.test"),
     {0},
     "0 tls 192.0.2.3:5061 c.test 3 1 100\n"
     "1 tcp 192.0.2.2:5060 b.test 5 1 100\n"
     "2 udp 192.0.2.1:5060 a.test 1 1 100\n"
     "3 udp 192.0.2.2:5060 b.test 9 1 100\n",
     NULL},
    {"NAPTR of equal order and preference: the trunk's order decides",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n"
          "_sip._tcp.x.test 300 SRV 1 1 5060 b.test\n",
     HOST("x.test"),
     {.n_transports = 2, .transports = {TND_TRANSPORT_UDP, TND_TRANSPORT_TCP}},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n1 tcp 192.0.2.2:5060 b.test 1 1 100\n",
     NULL},
    {"no SRV at one replacement: the next NAPTR record",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "x.test 300 NAPTR 2 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "has no SRV record"},
    {"no SRV at any replacement: TARGET's addresses over the first choice's transport",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "x.test 60 A 192.0.2.9\n",
     HOST("x.test"),
     {0},
     "0 tcp 192.0.2.9:5060 x.test 0 1 100\n",
     "has no SRV record"},
    {"NAPTR leads into another domain",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.carrier.test\n"
          "_sip._udp.carrier.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     NULL},
    {"NAPTR twice to one place counts once",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "x.test 300 NAPTR 2 1 \"S\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "leads where another does"},
    {"a trunk of UDP alone drops what NAPTR says of TCP",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "x.test 300 NAPTR 2 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._tcp.x.test 300 SRV 1 1 5060 b.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {.n_transports = 1, .transports = {TND_TRANSPORT_UDP}},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "not wanted here"},
    {"NAPTR that cannot be asked is passed by",
     POPS "x.test 0 FAIL SERVFAIL NAPTR\n_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "going on with SRV"},
    {"sips drops every SIP+ of NAPTR",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "x.test 300 NAPTR 2 1 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.x.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n"
          "_sips._tcp.x.test 300 SRV 1 1 5061 b.test\n",
     HOST("x.test", .sips = SIPS),
     {0},
     "0 tls 192.0.2.2:5061 b.test 1 1 100\n",
     "wants SIPS"},
    {"sips without NAPTR asks _sips alone",
     POPS "_sip._tcp.x.test 300 SRV 1 1 5060 a.test\n_sips._tcp.x.test 300 SRV 1 1 5061 b.test\n",
     HOST("x.test", .sips = SIPS),
     {0},
     "0 tls 192.0.2.2:5061 b.test 1 1 100\nqueries: 4\n",
     NULL},
    {"sips without SRV: addresses, TLS, 5061",
     "x.test 60 A 192.0.2.9\n",
     HOST("x.test", .sips = SIPS),
     {0},
     "0 tls 192.0.2.9:5061 x.test 0 1 100\n",
     NULL},
    {"no NAPTR: _sips._tcp, _sip._tcp, _sip._udp in this order",
     POPS "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n_sip._tcp.x.test 300 SRV 2 1 5060 b.test\n"
          "_sips._tcp.x.test 300 SRV 3 1 5061 c.test\n",
     HOST("x.test"),
     {0},
     "0 tls 192.0.2.3:5061 c.test 3 1 100\n1 tcp 192.0.2.2:5060 b.test 2 1 100\n"
     "2 udp 192.0.2.1:5060 a.test 1 1 100\n",
     NULL},
    {"no NAPTR: a trunk reorders the transports",
     POPS "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n_sip._tcp.x.test 300 SRV 2 1 5060 b.test\n",
     HOST("x.test"),
     {.n_transports = 2, .transports = {TND_TRANSPORT_UDP, TND_TRANSPORT_TCP}},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n1 tcp 192.0.2.2:5060 b.test 2 1 100\n",
     NULL},
    {"priorities are tiers, weights are shares",
     POPS
     "_sip._udp.x.test 300 SRV 20 100 5060 c.test\n_sip._udp.x.test 300 SRV 10 75 5060 a.test\n"
     "_sip._udp.x.test 300 SRV 10 25 5062 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 10 75 75\n0 udp 192.0.2.2:5062 b.test 10 25 25\n"
     "1 udp 192.0.2.3:5060 c.test 20 100 100\n",
     NULL},
    {"weights 1 and 65535",
     POPS
     "_sip._udp.x.test 300 SRV 0 65535 5060 a.test\n_sip._udp.x.test 300 SRV 0 1 5060 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 65535 99.9985\n0 udp 192.0.2.2:5060 b.test 0 1 0.00152588\n",
     NULL},
    {"weight 0 is the last resort",
     POPS "_sip._udp.x.test 300 SRV 0 5 5060 a.test\n_sip._udp.x.test 300 SRV 0 0 5060 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 5 100\n0 udp 192.0.2.2:5060 b.test 0 0 0\n",
     NULL},
    {"weight 0 as in RFC 2782",
     POPS "_sip._udp.x.test 300 SRV 0 4 5060 a.test\n_sip._udp.x.test 300 SRV 0 0 5060 b.test\n",
     HOST("x.test"),
     {.weight_zero = TND_WEIGHT_ZERO_RFC2782},
     "0 udp 192.0.2.1:5060 a.test 0 4 80\n0 udp 192.0.2.2:5060 b.test 0 0 20\n",
     NULL},
    {"all weights 0: equal shares",
     POPS "_sip._udp.x.test 300 SRV 0 0 5060 a.test\n_sip._udp.x.test 300 SRV 0 0 5060 b.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 0 50\n0 udp 192.0.2.2:5060 b.test 0 0 50\n",
     "all weights of priority 0 are 0"},
    {"a record's weight is shared by its addresses",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 a.test\n_sip._udp.x.test 300 SRV 0 1 5060 dual.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 1 50\n0 udp 192.0.2.4:5060 dual.test 0 1 25\n"
     "0 udp [2001:db8::4]:5060 dual.test 0 1 25\n",
     "is shared by 2 addresses"},
    {"families in order of preference",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 dual.test\n",
     HOST("x.test"),
     {.n_families = 2, .families = {6, 4}},
     "0 udp [2001:db8::4]:5060 dual.test 0 1 100\n0 udp 192.0.2.4:5060 dual.test 0 1 0\n",
     NULL},
    {"one family alone is asked for",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 dual.test\n",
     HOST("x.test"),
     {.n_transports = 1, .transports = {TND_TRANSPORT_UDP}, .n_families = 1, .families = {4}},
     "0 udp 192.0.2.4:5060 dual.test 0 1 100\nqueries: 3\n",
     NULL},
    {"IPv6 alone",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 v6.test\n",
     HOST("x.test"),
     {0},
     "0 udp [2001:db8::6]:5060 v6.test 0 1 100\n",
     NULL},
    {"no SRV: addresses, UDP, 5060",
     "x.test 60 A 192.0.2.9\nx.test 60 AAAA 2001:db8::9\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.9:5060 x.test 0 1 50\n0 udp [2001:db8::9]:5060 x.test 0 1 50\n",
     NULL},
    {"SRV target . : not there, and no address lookup",
     "x.test 60 A 192.0.2.9\n_sip._udp.x.test 300 SRV 0 0 0 .\n",
     HOST("x.test"),
     {0},
     "error: service-absent\nqueries: 4\n",
     NULL},
    {"SRV target . for UDP, but TCP is there",
     POPS "x.test 60 A 192.0.2.9\n_sip._udp.x.test 300 SRV 0 0 0 .\n"
          "_sip._tcp.x.test 300 SRV 0 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 tcp 192.0.2.1:5060 a.test 0 1 100\n",
     NULL},
    {"NAPTR to SRV target . : the next record",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "x.test 300 NAPTR 2 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._tcp.x.test 300 SRV 0 0 0 .\n_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     NULL},
    {"SRV target . beside others is skipped",
     POPS "_sip._udp.x.test 300 SRV 0 0 0 .\n_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "beside others"},
    {"SRV port 0 is skipped",
     POPS "_sip._udp.x.test 300 SRV 0 1 0 b.test\n_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "port 0"},
    {"an SRV target that is an address",
     "_sip._udp.x.test 300 SRV 0 1 5060 192.0.2.77\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.77:5060 192.0.2.77 0 1 100\n",
     "has to be a name"},
    {"an SRV target that is an alias is followed",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 www.test\nwww.test 30 CNAME a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 www.test 0 1 100\n",
     "alias (CNAME)"},
    {"an alias that the server does not follow",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 www.test\nwww.test 30 CNAME a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 www.test 0 1 100\n",
     "alias (CNAME)",
     true},
    {"the SRV name itself may be an alias",
     POPS "_sip._udp.x.test 300 CNAME _sip._udp.y.test\n_sip._udp.y.test 300 SRV 0 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 1 100\n",
     NULL},
    {"an alias loop costs its own record only",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 l1.test\n_sip._udp.x.test 300 SRV 0 1 5060 a.test\n"
          "l1.test 60 CNAME l2.test\nl2.test 60 CNAME l1.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 1 100\n",
     "loop"},
    {"an alias loop that the server does not see",
     POPS "_sip._udp.x.test 300 SRV 0 1 5060 l1.test\n_sip._udp.x.test 300 SRV 0 1 5060 a.test\n"
          "l1.test 60 CNAME l2.test\nl2.test 60 CNAME l1.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 1 100\n",
     "loop",
     true},
    {"nine aliases are one too many",
     "x.test 60 CNAME n1.test\nn1.test 60 CNAME n2.test\nn2.test 60 CNAME n3.test\n"
     "n3.test 60 CNAME n4.test\nn4.test 60 CNAME n5.test\nn5.test 60 CNAME n6.test\n"
     "n6.test 60 CNAME n7.test\nn7.test 60 CNAME n8.test\nn8.test 60 CNAME n9.test\n"
     "n9.test 60 A 192.0.2.9\n",
     HOST("x.test", .port = 5060),
     {0},
     "error: dns\n",
     "loop"},
    {"eight aliases are followed",
     "x.test 60 CNAME n1.test\nn1.test 60 CNAME n2.test\nn2.test 60 CNAME n3.test\n"
     "n3.test 60 CNAME n4.test\nn4.test 60 CNAME n5.test\nn5.test 60 CNAME n6.test\n"
     "n6.test 60 CNAME n7.test\nn7.test 60 CNAME n8.test\nn8.test 60 A 192.0.2.9\n",
     HOST("x.test", .port = 5060),
     {0},
     "0 udp 192.0.2.9:5060 x.test 0 1 100\n",
     "overrides"},
    {"a target without address: the others serve, and tiers are dense",
     POPS "_sip._udp.x.test 300 SRV 1 1 5060 gone.test\n_sip._udp.x.test 300 SRV 2 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 2 1 100\n",
     "gone.test has no address"},
    {"a target whose address cannot be asked: the others serve",
     POPS "bad.test 0 FAIL SERVFAIL\n_sip._udp.x.test 300 SRV 1 3 5060 bad.test\n"
          "_sip._udp.x.test 300 SRV 1 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 1 1 100\n",
     "SERVFAIL"},
    {"no target has an address",
     "_sip._udp.x.test 300 SRV 1 1 5060 gone.test\n",
     HOST("x.test"),
     {0},
     "error: no-address\n",
     "*"},
    {"no such name",
     "other.test 60 A 192.0.2.9\n",
     HOST("x.test"),
     {0},
     "error: not-found\nqueries: 6\n",
     "*"},
    {"SRV that cannot be asked is not absent",
     "x.test 60 A 192.0.2.9\n_sip._udp.x.test 0 FAIL TIMEOUT SRV\n",
     HOST("x.test"),
     {0},
     "error: dns\nqueries: 4\n",
     "no answer in time"},
    {"one SRV that cannot be asked leaves the others",
     POPS "_sip._udp.x.test 0 FAIL REFUSED SRV\n_sip._tcp.x.test 300 SRV 0 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 tcp 192.0.2.1:5060 a.test 0 1 100\n",
     "REFUSED"},
    {"transport=tcp asks its SRV alone",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" _sip._udp.x.test\n"
          "_sip._tcp.x.test 300 SRV 0 1 5070 a.test\n",
     HOST("x.test", .transport = TND_TRANSPORT_TCP),
     {0},
     "0 tcp 192.0.2.1:5070 a.test 0 1 100\nqueries: 3\n",
     NULL},
    {"transport=tcp without SRV: addresses over TCP",
     "x.test 60 A 192.0.2.9\n",
     HOST("x.test", .transport = TND_TRANSPORT_TCP),
     {0},
     "0 tcp 192.0.2.9:5060 x.test 0 1 100\nqueries: 3\n",
     NULL},
    {"transport=tls of a sip URI",
     POPS "_sips._tcp.x.test 300 SRV 0 1 5061 a.test\n",
     HOST("x.test", .transport = TND_TRANSPORT_TLS),
     {0},
     "0 tls 192.0.2.1:5061 a.test 0 1 100\n",
     NULL},
    {"sips with transport=tcp is TLS",
     POPS "_sips._tcp.x.test 300 SRV 0 1 5061 a.test\n",
     HOST("x.test", .transport = TND_TRANSPORT_TCP, .sips = SIPS),
     {0},
     "0 tls 192.0.2.1:5061 a.test 0 1 100\n",
     NULL},
    {"sips with transport=udp cannot be",
     "x.test 60 A 192.0.2.9\n",
     HOST("x.test", .transport = TND_TRANSPORT_UDP, .sips = SIPS),
     {0},
     "error: transport\nqueries: 0\n",
     NULL},
    {"transport=sctp is not there",
     "x.test 60 A 192.0.2.9\n",
     HOST("x.test", .transport = TND_TRANSPORT_SCTP),
     {0},
     "error: transport\nqueries: 0\n",
     NULL},
    {"an explicit port asks neither NAPTR nor SRV",
     POPS "x.test 300 NAPTR 1 1 \"s\" \"SIP+D2T\" \"\" _sip._tcp.x.test\n"
          "_sip._udp.x.test 300 SRV 0 1 5070 a.test\nx.test 60 A 192.0.2.9\n",
     HOST("x.test", .port = 5080),
     {0},
     "0 udp 192.0.2.9:5080 x.test 0 1 100\nqueries: 2\n",
     "port 5080 overrides"},
    {"an explicit port of sips is TLS",
     "x.test 60 A 192.0.2.9\n",
     HOST("x.test", .port = 5080, .sips = SIPS),
     {0},
     "0 tls 192.0.2.9:5080 x.test 0 1 100\n",
     "overrides"},
    {"port and transport",
     "x.test 60 A 192.0.2.9\n",
     HOST("x.test", .port = 5080, .transport = TND_TRANSPORT_TCP),
     {0},
     "0 tcp 192.0.2.9:5080 x.test 0 1 100\n",
     "overrides"},
    {"an address asks nothing",
     "",
     {.numeric = {.ip = {192, 0, 2, 5}, .family = 4}},
     {0},
     "0 udp 192.0.2.5:5060 192.0.2.5 0 1 100\nqueries: 0\n",
     "overrides discovery"},
    {"an address of sips",
     "",
     {.numeric = {.ip = {0x20, 1, 0xd, 0xb8}, .family = 6}, .sips = SIPS, .port = 7000},
     {0},
     "0 tls [2001:db8::]:7000 [2001:db8::] 0 1 100\nqueries: 0\n",
     "overrides discovery"},
    {"a TTL of a day is a trap",
     POPS "_sip._udp.x.test 86400 SRV 0 1 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 1 100\n",
     "TTL of 86400 s"},
    {"two records for one target",
     POPS "_sip._udp.x.test 60 SRV 0 1 5060 a.test\n"
          "_sip._udp.x.test 60 SRV 0 3 5060 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 3 75\n0 udp 192.0.2.1:5060 a.test 0 1 25\n",
     NULL},
    {"two ports of one host are two targets",
     POPS "_sip._udp.x.test 60 SRV 0 1 5060 a.test\n"
          "_sip._udp.x.test 60 SRV 0 1 5062 a.test\n",
     HOST("x.test"),
     {0},
     "0 udp 192.0.2.1:5060 a.test 0 1 50\n0 udp 192.0.2.1:5062 a.test 0 1 50\n",
     NULL},
    {"an SRV target equal to its own name",
     "_sip._udp.x.test 60 SRV 0 1 5060 _sip._udp.x.test\n",
     HOST("x.test"),
     {0},
     "error: no-address\n",
     "has no address"},
    {"a host that is no name", "", HOST("x..test"), {0}, "error: bad-host\nqueries: 0\n", NULL},
};

// Drive the cache with the zone until the answer is complete. Returns: the number of questions.
static unsigned run(struct tnd_dns_cache *cache, const struct locate_case *c, struct tnd_located *l)
{
    struct tnd_dns_entry *e;
    unsigned n = 0;

    for (int rounds = 0; rounds < 64; rounds++) {
        tnd_locate(cache, &c->hop, &c->policy, 1000, l);
        if (l->complete)
            return n;
        while ((e = tnd_dns_cache_due(cache, 1000)) != NULL) {
            tnd_dns_cache_asked(cache, e);
            tnd_dns_cache_store(cache, e, zone_ask(c->zone, e->name, e->type, c->shallow), 1, 0,
                                1000);
            n++;
        }
    }
    fail_msg("%s: never complete", c->what);
    return n;
}

static void describe(const struct tnd_located *l, unsigned n, bool queries, char *out, size_t max)
{
    double shares[256];
    size_t at = 0, k = 0;
    char addr[TND_ADDR_TEXT_MAX];

    assert_true(l->n_targets <= 256);
    tnd_locate_shares(&l->spec, shares);
    out[0] = '\0';
    for (uint32_t i = 0; i < l->spec.n_records; i++) {
        const struct tnd_spec_record *r = &l->spec.records[i];
        for (uint16_t j = 0; j < r->n_addresses; j++) {
            tnd_addr_text(&r->addresses[j].addr, addr);
            at += (size_t)snprintf(out + at, max - at, "%u %s %s %.*s %u %u %g\n", r->tier,
                                   tnd_transport_name(r->addresses[j].addr.transport), addr,
                                   (int)r->host.len, r->host.p, r->priority, r->weight,
                                   shares[k++] * 100);
        }
    }
    if (l->error)
        at += (size_t)snprintf(out + at, max - at, "error: %s\n", tnd_locate_error_code(l->error));
    if (queries)
        snprintf(out + at, max - at, "queries: %u\n", n);
}

static void check_warning(const struct locate_case *c, const struct tnd_located *l)
{
    if (!c->warning && l->n_warnings > 0)
        fail_msg("%s: unexpected warning: %s", c->what, l->warnings[0]);
    if (!c->warning || strcmp(c->warning, "*") == 0)
        return;
    for (uint32_t i = 0; i < l->n_warnings; i++)
        if (strstr(l->warnings[i], c->warning))
            return;
    fail_msg("%s: no warning with '%s'", c->what, c->warning);
}

static const struct tnd_hash_key key = {1, 2};

static void test_chain(void **state)
{
    struct tnd_located l = {0};
    char got[4096];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct locate_case *c = &cases[i];
        struct tnd_dns_cache *cache = tnd_dns_cache_new(&key, &TND_DNS_LIMITS_DEFAULT);
        unsigned n = run(cache, c, &l);
        describe(&l, n, strstr(c->expect, "queries:") != NULL, got, sizeof got);
        if (strcmp(got, c->expect) != 0)
            fail_msg("%s:\ngot\n%swanted\n%s", c->what, got, c->expect);
        check_warning(c, &l);
        assert_true((l.error != 0) == (l.error_text[0] != '\0'));
        tnd_dns_cache_free(cache);
    }
    tnd_located_free(&l);
}

// More records than a set holds: cut, and said.
static void test_too_many(void **state)
{
    struct tnd_dns_cache *cache = tnd_dns_cache_new(&key, &TND_DNS_LIMITS_DEFAULT);
    struct locate_case c = {.what = "many", .hop = HOST("x.test")};
    struct tnd_located l = {0};
    size_t at = 0, max = 200000;
    char *zone = malloc(max);

    (void)state;
    at += (size_t)snprintf(zone, max, "a.test 60 A 192.0.2.1\n");
    for (unsigned i = 0; i < TND_SET_RECORDS_MAX + 10; i++)
        at += (size_t)snprintf(zone + at, max - at, "_sip._udp.x.test 60 SRV 1 1 %u a.test\n",
                               1000 + i);
    c.zone = zone;
    run(cache, &c, &l);
    assert_int_equal(l.spec.n_records, TND_SET_RECORDS_MAX);
    c.warning = "10 left out";
    check_warning(&c, &l);
    tnd_located_free(&l);
    tnd_dns_cache_free(cache);
    free(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chain),
                                       cmocka_unit_test(test_too_many)};

    return cmocka_run_group_tests_name("locate", tests, NULL, NULL);
}
