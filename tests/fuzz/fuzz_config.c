// Any octets as a configuration: read into a configuration whose texts lie in its own memory,
// or into errors that are sorted and lie in the file; never both, never neither.
#include "control/config/config.h"
#include "fuzz/fuzz.h"
#include "util/err.h"

// Reads every octet: a dangling pointer is the sanitizer's find.
static void check_text(struct tnd_str s)
{
    for (size_t i = 0; i < s.len; i++)
        CHECK((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
    CHECK(s.len == 0 || s.p[s.len] == 0);
}

static void check_route(const struct tnd_config *c, const struct tnd_config_route *r)
{
    check_text(r->user);
    check_text(r->domain);
    check_text(r->method.text);
    CHECK(r->pos.line > 0);
    CHECK(r->from == TND_NO_TRUNK ? r->from_name.len == 0 : r->from < c->n_trunks);
    CHECK((r->to == TND_ROUTE_TRUNK) == (r->trunk != TND_NO_TRUNK));
    CHECK(r->to != TND_ROUTE_TRUNK || r->trunk < c->n_trunks);
    CHECK((r->to == TND_ROUTE_REPLY) == (r->reply != 0));
}

static void check_config(const struct tnd_config *c)
{
    CHECK(c->n_interfaces > 0 && c->n_listeners > 0);
    for (uint32_t i = 0; i < c->n_interfaces; i++) {
        check_text(c->interfaces[i].name);
        CHECK(!c->interfaces[i].device.len != !c->interfaces[i].vdev.len);
        CHECK(!c->interfaces[i].vdev.len == !c->interfaces[i].n_addresses);
    }
    for (uint32_t i = 0; i < c->n_listeners; i++) {
        CHECK(c->listeners[i].address.port && c->listeners[i].advertise.port);
        CHECK(c->listeners[i].address.family == c->listeners[i].advertise.family);
    }
    for (uint32_t i = 0; i < c->n_trunks; i++) {
        const struct tnd_config_uri *u = &c->trunks[i].uri;
        check_text(c->trunks[i].name);
        check_text(u->text);
        CHECK(u->uri.host.len && u->uri.host.off + u->uri.host.len <= u->text.len);
    }
    for (uint32_t i = 0; i < c->n_routes; i++)
        check_route(c, &c->routes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tnd_config_errors errs;
    struct tnd_config *c;
    uint32_t lines = 2;
    int rc = tnd_config_parse("f", (const char *)data, size, &c, &errs);

    CHECK((rc == 0) == (c != NULL) && (rc == 0) == (errs.n == 0));
    CHECK(rc == 0 || rc == -TND_ECONFIG);
    // libyaml also ends lines at CR, NEL, LS and PS, and reads UTF-16.
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80 || data[i] == 0x20;
    for (uint32_t i = 0; i < errs.n; i++) {
        CHECK(errs.list[i].pos.line >= 1 && errs.list[i].pos.line <= lines);
        CHECK(i == 0 || errs.list[i - 1].pos.line <= errs.list[i].pos.line);
        CHECK(!strchr(errs.list[i].text, '\n'));
    }
    if (c)
        check_config(c);
    tnd_config_free(c);
    tnd_config_errors_free(&errs);
    return 0;
}
