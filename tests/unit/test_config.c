// The structs that a file becomes: values, defaults, resolved names, lifetime.
#include "cmocka_all.h"

#include <stdlib.h>

#include "control/config/config.h"
#include "util/err.h"

static struct tnd_config *parse(const char *text)
{
    struct tnd_config_errors errs;
    struct tnd_config *c;

    if (tnd_config_parse("test.yaml", text, strlen(text), &c, &errs) != 0)
        tnd_config_errors_print(&errs, "test.yaml", stderr);
    assert_int_equal(errs.n, 0);
    assert_non_null(c);
    tnd_config_errors_free(&errs);
    return c;
}

#define assert_text(s, z)                       \
    do {                                        \
        assert_int_equal((s).len, strlen(z));   \
        assert_memory_equal((s).p, z, (s).len); \
        assert_int_equal((s).p[(s).len], 0);    \
    } while (0)

static void assert_addr(const struct tnd_addr *a, const char *text)
{
    char have[TND_ADDR_TEXT_MAX];

    tnd_addr_text(a, have);
    assert_string_equal(have, text);
}

#define SMALL            \
    "interfaces:\n"      \
    "  wan:\n"           \
    "    device: eth0\n" \
    "listen:\n"          \
    "  - address: udp:192.0.2.10\n"

static void test_defaults(void **state)
{
    struct tnd_config *c = parse(SMALL "trunks:\n  a:\n    uri: sip:a.example\n");

    assert_int_equal(c->workers, 0);
    assert_false(c->busy_poll);
    assert_text(c->control_socket, "/run/tandem/tandem.sock");
    assert_text(c->key_file, "/etc/tandem/keys");
    assert_int_equal(c->dns.n_servers, 0);
    assert_int_equal(c->dns.timeout_ms, 500);
    assert_int_equal(c->dns.tries, 3);
    assert_int_equal(c->limits.transactions, 1000000);
    assert_int_equal(c->limits.ringing_ms, 180000);
    assert_int_equal(c->limits.parked, 4096);
    assert_int_equal(c->limits.park_for_ms, 3000);
    assert_int_equal(c->interfaces[0].rings, 1);
    assert_int_equal(c->listeners[0].dscp, 24);
    assert_addr(&c->listeners[0].address, "192.0.2.10:5060");
    assert_int_equal(c->listeners[0].address.transport, TND_TRANSPORT_UDP);
    assert_true(tnd_addr_eq(&c->listeners[0].address, &c->listeners[0].advertise));
    assert_int_equal(c->trunks[0].n_sources, 0);
    assert_int_equal(c->trunks[0].source_linger_ms, 86400000);
    assert_int_equal(c->trunks[0].nat, TND_NAT_AUTO);
    assert_int_equal(c->trunks[0].exhausted, 500);
    assert_int_equal(c->trunks[0].record_route, TND_RR_AUTO);
    assert_int_equal(c->trunks[0].weight_zero, TND_WEIGHT_ZERO_LAST_RESORT);
    assert_int_equal(c->n_routes, 0);
    tnd_config_free(c);
}

static void test_values(void **state)
{
    struct tnd_config *c = parse("interfaces:\n"
                                 "  wan:\n"
                                 "    vdev: net_null0\n"
                                 "    mac: 02:00:00:00:00:0a\n"
                                 "    addresses:\n"
                                 "      - 192.0.2.10/24\n"
                                 "      - 2001:db8::10/64\n"
                                 "    neighbours:\n"
                                 "      192.0.2.1: 02:00:00:00:00:FE\n"
                                 "      default: 02:00:00:00:00:02\n"
                                 "    rings: 2\n"
                                 "listen:\n"
                                 "  - address: udp:192.0.2.10:5070\n"
                                 "    advertise: 198.51.100.1\n"
                                 "    dscp: 46\n"
                                 "names:\n"
                                 "  - SIP.Edge.example.\n"
                                 "  - 203.0.113.1\n"
                                 "workers: 2\n"
                                 "busy-poll: yes\n"
                                 "control-socket: s\n"
                                 "dns:\n"
                                 "  servers:\n"
                                 "    - 192.0.2.53\n"
                                 "    - \"[2001:db8::53]:5353\"\n"
                                 "  timeout: 1.25s\n"
                                 "  tries: 1\n"
                                 "limits:\n"
                                 "  transactions: 64k\n"
                                 "  ringing: 1h\n"
                                 "  park-for: 250ms\n");
    const struct tnd_config_interface *i = c->interfaces;

    assert_text(i->name, "wan");
    assert_text(i->vdev, "net_null0");
    assert_int_equal(i->device.len, 0);
    assert_int_equal(i->mac.octets[5], 10);
    assert_int_equal(i->n_addresses, 2);
    assert_int_equal(i->addresses[0].bits, 24);
    assert_addr(&i->addresses[1].addr, "[2001:db8::10]");
    assert_int_equal(i->n_neighbours, 2);
    assert_addr(&i->neighbours[0].addr, "192.0.2.1");
    assert_int_equal(i->neighbours[0].mac.octets[5], 0xfe);
    assert_int_equal(i->neighbours[1].addr.family, 0);
    assert_int_equal(i->rings, 2);
    assert_addr(&c->listeners[0].advertise, "198.51.100.1:5070");
    assert_int_equal(c->listeners[0].advertise.transport, TND_TRANSPORT_UDP);
    assert_int_equal(c->listeners[0].dscp, 46);
    assert_text(c->names[0].text, "sip.edge.example");
    assert_int_equal(c->names[0].ip.family, 0);
    assert_int_equal(c->names[1].ip.family, 4);
    assert_int_equal(c->workers, 2);
    assert_true(c->busy_poll);
    assert_addr(&c->dns.servers[0], "192.0.2.53:53");
    assert_addr(&c->dns.servers[1], "[2001:db8::53]:5353");
    assert_int_equal(c->dns.timeout_ms, 1250);
    assert_int_equal(c->limits.transactions, 64000);
    assert_int_equal(c->limits.ringing_ms, 3600000);
    assert_int_equal(c->limits.park_for_ms, 250);
    tnd_config_free(c);
}

static void test_trunks_and_routes(void **state)
{
    struct tnd_config *c = parse(SMALL "trunks:\n"
                                       "  carrier:\n"
                                       "    uri: sip:SIP.carrier.example:5080;transport=udp\n"
                                       "    sources:\n"
                                       "      - resolved\n"
                                       "      - 198.51.100.0/24 port 5080\n"
                                       "    source-linger: 0s\n"
                                       "    nat: no\n"
                                       "    exhausted: 503\n"
                                       "    record-route: never\n"
                                       "    weight-zero: rfc2782\n"
                                       "  pbx:\n"
                                       "    uri: sip:[2001:db8::5]\n"
                                       "    sources: 2001:db8::/32\n"
                                       "routes:\n"
                                       "  - method: OPTIONS\n"
                                       "    reply: 200\n"
                                       "  - from: pbx\n"
                                       "    user: \"+49*\"\n"
                                       "    domain: \"*.Partner.example\"\n"
                                       "    method: X-NEW\n"
                                       "    to: carrier\n"
                                       "  - to: request-uri\n");
    const struct tnd_config_trunk *t = c->trunks;

    assert_int_equal(c->n_trunks, 2);
    assert_text(t->name, "carrier");
    assert_int_equal(t->pos.line, 7);
    assert_int_equal(t->uri.uri.port, 5080);
    assert_memory_equal(t->uri.text.p + t->uri.uri.host.off, "SIP.carrier.example", 19);
    assert_true(t->sources[0].resolved);
    assert_int_equal(t->sources[1].prefix.addr.port, 5080);
    assert_int_equal(t->sources[1].prefix.bits, 24);
    assert_int_equal(t->source_linger_ms, 0);
    assert_int_equal(t->nat, TND_NAT_NO);
    assert_int_equal(t->exhausted, 503);
    assert_int_equal(t->record_route, TND_RR_NEVER);
    assert_int_equal(t->weight_zero, TND_WEIGHT_ZERO_RFC2782);
    assert_int_equal(t[1].uri.uri.ip.family, 6);
    assert_int_equal(t[1].n_sources, 1);

    const struct tnd_config_route *r = c->routes;
    assert_int_equal(c->n_routes, 3);
    assert_int_equal(r[0].to, TND_ROUTE_REPLY);
    assert_int_equal(r[0].reply, 200);
    assert_int_equal(r[0].from, TND_NO_TRUNK);
    assert_int_equal(r[0].method.method, TND_METHOD_OPTIONS);
    assert_int_equal(r[1].pos.line, 23);
    assert_int_equal(r[1].from, 1);
    assert_int_equal(r[1].to, TND_ROUTE_TRUNK);
    assert_int_equal(r[1].trunk, 0);
    assert_text(r[1].user, "+49*");
    assert_text(r[1].domain, "*.partner.example");
    assert_int_equal(r[1].method.method, TND_METHOD_OTHER);
    assert_text(r[1].method.text, "X-NEW");
    assert_int_equal(r[2].to, TND_ROUTE_REQUEST_URI);
    assert_int_equal(r[2].method.text.len, 0);
    tnd_config_free(c);
}

static void test_errors_are_in_order(void **state)
{
    static const char text[] = "zzz: 1\n" SMALL "workers: none\nroutes:\n  - to: nobody\n";
    struct tnd_config_errors errs;
    struct tnd_config *c;
    char *out = NULL;
    size_t len;

    assert_int_equal(tnd_config_parse("x", text, sizeof text - 1, &c, &errs), -TND_ECONFIG);
    assert_null(c);
    assert_int_equal(errs.n, 3);
    assert_int_equal(errs.list[0].pos.line, 1);
    assert_int_equal(errs.list[1].pos.line, 7);
    assert_int_equal(errs.list[1].pos.column, 10);
    assert_int_equal(errs.list[2].pos.line, 9);
    FILE *f = open_memstream(&out, &len);
    tnd_config_errors_print(&errs, "x", f);
    fclose(f);
    assert_non_null(strstr(out, "x:7:10: 'workers' is 'none': "));
    assert_non_null(strstr(out, "\n3 errors\n"));
    free(out);
    tnd_config_errors_free(&errs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_trunks_and_routes),
        cmocka_unit_test(test_errors_are_in_order),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
