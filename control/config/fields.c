// The table of all keys: reader, range checks, suggestions and reference come from here.
#include "control/config/internal.h"

#define OF(type, member)    .off = offsetof(struct type, member)
#define ITEMS(type, member) OF(type, member), .n_off = offsetof(struct type, n_##member)
#define STRUCT(type, array) \
    .fields = array, .n_fields = sizeof array / sizeof *array, .size = sizeof(struct type)
#define MINUTES(n) ((n)*60u * 1000u)
#define DAYS(n)    ((n)*24u * MINUTES(60))

static const struct tnd__word workers_words[] = {{"auto", 0}, {0}};
static const struct tnd__word nat_words[] = {
    {"auto", TND_NAT_AUTO}, {"yes", TND_NAT_YES}, {"no", TND_NAT_NO}, {0}};
static const struct tnd__word exhausted_words[] = {{"500", 500}, {"503", 503}, {0}};
static const struct tnd__word record_route_words[] = {
    {"auto", TND_RR_AUTO}, {"always", TND_RR_ALWAYS}, {"never", TND_RR_NEVER}, {0}};
static const struct tnd__word weight_zero_words[] = {{"last-resort", TND_WEIGHT_ZERO_LAST_RESORT},
                                                     {"rfc2782", TND_WEIGHT_ZERO_RFC2782},
                                                     {"never", TND_WEIGHT_ZERO_NEVER},
                                                     {0}};

static const struct tnd__field interface_fields[] = {
    {.key = "device",
     .kind = TND__KIND_TEXT,
     OF(tnd_config_interface, device),
     .min = 1,
     .max = 15,
     .doc = "A kernel interface, used by af_packet. Its addresses, routes and neighbours are the "
            "kernel's. A VLAN is its sub-interface, such as `eth0.100`: tagged frames of `eth0` "
            "itself are "
            "left to the kernel. An entry has either this or `vdev`."},
    {.key = "vdev",
     .kind = TND__KIND_TEXT,
     OF(tnd_config_interface, vdev),
     .min = 1,
     .max = 255,
     .doc = "A DPDK virtual device with its arguments, such as `\"net_pcap0,rx_pcap=in.pcap,"
            "tx_pcap=out.pcap\"`; no kernel is behind it, hence the keys below."},
    {.key = "pci",
     .kind = TND__KIND_TEXT,
     OF(tnd_config_interface, pci),
     .min = 1,
     .max = 32,
     .doc = "Reserved for a NIC taken from the kernel; refused by this version."},
    {.key = "mac",
     .kind = TND__KIND_MAC,
     OF(tnd_config_interface, mac),
     .doc = "Own MAC address of a `vdev`; required there."},
    {.key = "addresses",
     .kind = TND__KIND_NET,
     .list = true,
     ITEMS(tnd_config_interface, addresses),
     .items_max = 64,
     .doc = "Own addresses of a `vdev` with the length of their networks; required there."},
    {.key = "neighbours",
     .kind = TND__KIND_NEIGHBOURS,
     ITEMS(tnd_config_interface, neighbours),
     .items_max = 65536,
     .doc = "Static adjacencies of a `vdev`: a map of IP address to MAC address. `default` is for "
            "every address that is not listed."},
    {.key = "rings",
     .kind = TND__KIND_COUNT,
     OF(tnd_config_interface, rings),
     .preset = "1",
     .min = 1,
     .max = TND_CONFIG_WORKERS_MAX,
     .doc = "Queues and packet rings of af_packet; each worker needs one."},
};
static const struct tnd__struct interface_struct = {
    .what = "interface", .title = "interfaces", STRUCT(tnd_config_interface, interface_fields)};

static const struct tnd__field listen_fields[] = {
    {.key = "address",
     .kind = TND__KIND_LISTEN,
     .required = true,
     OF(tnd_config_listener, address),
     .doc = "Where messages come in and leave from: `udp:ADDRESS:PORT`, the port 5060 if left out. "
            "One address of an interface, never \"any\"."},
    {.key = "advertise",
     .kind = TND__KIND_ADDRESS,
     OF(tnd_config_listener, advertise),
     .preset_text = "the address",
     .doc = "What Via and Record-Route say instead, behind a 1:1 NAT: `ADDRESS:PORT`, the "
            "listener's port if left out."},
    {.key = "dscp",
     .kind = TND__KIND_COUNT,
     OF(tnd_config_listener, dscp),
     .preset = "24",
     .max = 63,
     .doc = "DSCP of what is sent; 24 is CS3, signalling."},
};
static const struct tnd__struct listen_struct = {
    .what = "a listener", .title = "listen", STRUCT(tnd_config_listener, listen_fields)};

static const struct tnd__field dns_fields[] = {
    {.key = "servers",
     .kind = TND__KIND_ADDRESS,
     .list = true,
     .off = offsetof(struct tnd_config_dns, servers),
     .n_off = offsetof(struct tnd_config_dns, n_servers),
     .items_max = TND_CONFIG_SERVERS_MAX,
     .preset_text = "resolv.conf",
     .doc = "Resolvers to ask, `ADDRESS` or `ADDRESS:PORT` (53); 8 at most."},
    {.key = "timeout",
     .kind = TND__KIND_TIME,
     OF(tnd_config_dns, timeout_ms),
     .preset = "500ms",
     .min = 10,
     .max = MINUTES(1),
     .doc = "Time for one try, then the next server is asked."},
    {.key = "tries",
     .kind = TND__KIND_COUNT,
     OF(tnd_config_dns, tries),
     .preset = "3",
     .min = 1,
     .max = 10,
     .doc = "Rounds over all servers."},
};
static const struct tnd__struct dns_struct = {
    .what = "'dns'", .title = "dns", STRUCT(tnd_config_dns, dns_fields)};

static const struct tnd__field limits_fields[] = {
    {.key = "transactions",
     .kind = TND__KIND_COUNT,
     OF(tnd_config_limits, transactions),
     .preset = "1M",
     .min = 1024,
     .max = 64u * 1000 * 1000,
     .doc = "Entries of the transaction memory, per worker: rate times 32 s."},
    {.key = "ringing",
     .kind = TND__KIND_TIME,
     OF(tnd_config_limits, ringing_ms),
     .preset = "3m",
     .min = 1000,
     .max = DAYS(1),
     .doc = "How long an INVITE may ring: timer C of RFC 3261."},
    {.key = "parked",
     .kind = TND__KIND_COUNT,
     OF(tnd_config_limits, parked),
     .preset = "4096",
     .min = 4,
     .max = 1000 * 1000,
     .doc = "Messages that wait for a name, per worker; a quarter of it per trunk."},
    {.key = "park-for",
     .kind = TND__KIND_TIME,
     OF(tnd_config_limits, park_for_ms),
     .preset = "3s",
     .min = 10,
     .max = MINUTES(1),
     .doc = "How long a message waits for its name before it is answered."},
};
static const struct tnd__struct limits_struct = {
    .what = "'limits'", .title = "limits", STRUCT(tnd_config_limits, limits_fields)};

static const struct tnd__field trunk_fields[] = {
    {.key = "uri",
     .kind = TND__KIND_URI,
     .required = true,
     OF(tnd_config_trunk, uri),
     .doc = "Where the trunk is, such as `sip:sip.carrier.example`. A name without port is "
            "resolved by NAPTR, SRV and addresses; a port or an address is honoured."},
    {.key = "sources",
     .kind = TND__KIND_SOURCE,
     .list = true,
     ITEMS(tnd_config_trunk, sources),
     .preset_text = "none",
     .doc = "Where its traffic comes from: a prefix, `PREFIX port PORT`, or `resolved` for the "
            "addresses of `uri`. The longest prefix decides, then the port. Requests from "
            "elsewhere are dropped. When the names of two trunks come to one address while the "
            "engine runs, one keeps it: a configured prefix before `resolved`, what a name "
            "resolves to now before what lingers, then the trunk that is first in the file. A "
            "warning `shared-source` and `tandem ctl show trunks` name both trunks."},
    {.key = "source-linger",
     .kind = TND__KIND_TIME,
     OF(tnd_config_trunk, source_linger_ms),
     .preset = "24h",
     .max = DAYS(30),
     .doc = "How long an address that left the `resolved` set stays a source."},
    {.key = "nat",
     .kind = TND__KIND_WORD,
     OF(tnd_config_trunk, nat),
     .preset = "auto",
     .words = nat_words,
     .doc = "Whether requests towards the caller use the address that it called from. `auto`: when "
            "its Contact is private and not where it sent from."},
    {.key = "exhausted",
     .kind = TND__KIND_WORD,
     OF(tnd_config_trunk, exhausted),
     .preset = "500",
     .words = exhausted_words,
     .doc = "What this trunk is told when its call finds no target."},
    {.key = "record-route",
     .kind = TND__KIND_WORD,
     OF(tnd_config_trunk, record_route),
     .preset = "auto",
     .words = record_route_words,
     .doc = "Whether to stay in the dialog. `auto`: for INVITE, SUBSCRIBE, REFER and NOTIFY."},
    {.key = "weight-zero",
     .kind = TND__KIND_WORD,
     OF(tnd_config_trunk, weight_zero),
     .preset = "last-resort",
     .words = weight_zero_words,
     .doc =
         "What an SRV weight of 0 means. `last-resort`: only when no positive weight of the tier "
         "is live; `rfc2782`: a chance of 1/(sum+1); `never`: drained."},
};
static const struct tnd__struct trunk_struct = {
    .what = "trunk", .title = "trunks", STRUCT(tnd_config_trunk, trunk_fields)};

static const struct tnd__field route_fields[] = {
    {.key = "from",
     .kind = TND__KIND_TRUNK,
     OF(tnd_config_route, from_name),
     .min = 1,
     .max = 64,
     .preset_text = "any",
     .doc = "The trunk that sent the request."},
    {.key = "user",
     .kind = TND__KIND_USER,
     OF(tnd_config_route, user),
     .min = 1,
     .max = 128,
     .preset_text = "any",
     .doc =
         "User of the Request-URI, or the number of a tel URI without what is for the eye in it; "
         "`*` at the end matches any rest. Quote it: `\"+49*\"`."},
    {.key = "domain",
     .kind = TND__KIND_DOMAIN,
     OF(tnd_config_route, domain),
     .min = 1,
     .max = 255,
     .preset_text = "any",
     .doc = "Host of the Request-URI, or the phone-context of a tel URI where that is a domain; "
            "`\"*.partner.example\"` matches every name below."},
    {.key = "method",
     .kind = TND__KIND_METHOD,
     OF(tnd_config_route, method),
     .min = 1,
     .max = 32,
     .preset_text = "any",
     .doc = "Method of the request. CANCEL and ACK follow their INVITE."},
    {.key = "to",
     .kind = TND__KIND_TRUNK,
     OF(tnd_config_route, to_name),
     .min = 1,
     .max = 64,
     .doc = "The trunk to send it to, or `request-uri` for wherever the Request-URI points. An "
            "entry has either this or `reply`."},
    {.key = "reply",
     .kind = TND__KIND_COUNT,
     OF(tnd_config_route, reply),
     .min = 200,
     .max = 699,
     .doc = "Answer with this status instead."},
};
static const struct tnd__struct route_struct = {
    .what = "a route", .title = "routes", STRUCT(tnd_config_route, route_fields)};

static const struct tnd__field root_fields[] = {
    {.key = "interfaces",
     .kind = TND__KIND_NAMED,
     .required = true,
     ITEMS(tnd_config, interfaces),
     .sub = &interface_struct,
     .items_max = TND_CONFIG_INTERFACES_MAX,
     .doc = "The ports, by a name of your choice; 32 at most."},
    {.key = "listen",
     .kind = TND__KIND_MAP,
     .list = true,
     .required = true,
     .off = offsetof(struct tnd_config, listeners),
     .n_off = offsetof(struct tnd_config, n_listeners),
     .sub = &listen_struct,
     .items_max = 1024,
     .doc = "Where SIP is received, and how we call ourselves."},
    {.key = "names",
     .kind = TND__KIND_HOST,
     .list = true,
     ITEMS(tnd_config, names),
     .preset_text = "none",
     .items_max = 65536,
     .doc = "Further hosts that are ours in Request-URI and Route, beside all listeners."},
    {.key = "workers",
     .kind = TND__KIND_COUNT,
     OF(tnd_config, workers),
     .preset = "auto",
     .words = workers_words,
     .min = 1,
     .max = TND_CONFIG_WORKERS_MAX,
     .doc = "Worker threads, one per core. `auto`: cores - 1, at least 1."},
    {.key = "busy-poll",
     .kind = TND__KIND_BOOL,
     OF(tnd_config, busy_poll),
     .preset = "no",
     .doc = "Never sleep, for the lowest latency. Otherwise an idle worker sleeps."},
    {.key = "control-socket",
     .kind = TND__KIND_TEXT,
     OF(tnd_config, control_socket),
     .preset = "/run/tandem/tandem.sock",
     .min = 1,
     .max = TND_CONFIG_SOCKET_PATH_MAX,
     .doc = "Where `tandem ctl` finds this instance."},
    {.key = "key-file",
     .kind = TND__KIND_TEXT,
     OF(tnd_config, key_file),
     .preset = "/etc/tandem/keys",
     .min = 1,
     .max = 4095,
     .doc = "Secret keys: lines `digest HEX32` and `sign ID HEX32`; the last `sign` signs, all "
            "verify. "
            "Made with mode 0600 if missing."},
    {.key = "dns",
     .kind = TND__KIND_MAP,
     OF(tnd_config, dns),
     .sub = &dns_struct,
     .doc = "How names are asked for."},
    {.key = "limits",
     .kind = TND__KIND_MAP,
     OF(tnd_config, limits),
     .sub = &limits_struct,
     .doc = "Sizes and times that are fixed at start."},
    {.key = "trunks",
     .kind = TND__KIND_NAMED,
     ITEMS(tnd_config, trunks),
     .sub = &trunk_struct,
     .items_max = UINT16_MAX,
     .preset_text = "none",
     .doc = "The neighbours, by name (letters, digits, `.`, `_`, `-`; 64 at most)."},
    {.key = "routes",
     .kind = TND__KIND_MAP,
     .list = true,
     ITEMS(tnd_config, routes),
     .sub = &route_struct,
     .items_max = 1000 * 1000,
     .preset_text = "none",
     .doc = "Where requests go: the first entry all of whose conditions hold. A request that none "
            "matches is refused."},
};
const struct tnd__struct tnd__config_root = {
    .what = "the file", .title = "", STRUCT(tnd_config, root_fields)};
