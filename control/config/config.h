// The configuration file, read and checked: plain structs, one per map of the file.
//
// tnd_config_read turns a YAML file into a struct tnd_config, or into a list of all that is
// wrong with it, each with line and column. One descriptor table (fields.c) makes the
// reader, the range checks, the suggestions and docs/configuration.md. What a table cannot
// say (a route to no trunk, two trunks with one source) is in check.c.
//
// Nothing here asks the system: interfaces, addresses and files are looked at by whoever
// uses them. So a file that is fine here is fine on every machine.
//
// Threads:  any one thread at a time; the result is never written after it is returned.
// Lifetime: all memory of a struct tnd_config, texts included, goes with tnd_config_free.
// Cost:     20,000 trunks with two sources each: below a second.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proxy/policy.h"
#include "sip/msg.h"
#include "util/addr.h"
#include "util/str.h"

#define TND_CONFIG_SIZE_MAX   (64u << 20) // octets of a file
#define TND_CONFIG_ERRORS_MAX 1000        // kept; the rest is counted

// What the parts that use the file can hold; they assert that it is no less (control.c).
#define TND_CONFIG_INTERFACES_MAX  32
#define TND_CONFIG_SERVERS_MAX     8
#define TND_CONFIG_WORKERS_MAX     64
#define TND_CONFIG_VDEV_NAME_MAX   63
#define TND_CONFIG_SOCKET_PATH_MAX 107

// 1-based, as editors count; columns are characters.
struct tnd_config_pos {
    uint32_t line, column;
};

// An address of an interface with the length of its network; host bits are kept.
struct tnd_config_net {
    struct tnd_addr addr;
    uint8_t bits;
};

struct tnd_config_mac {
    uint8_t octets[6];
};

// A static adjacency: an IP address and where its packets go. family 0: everything else.
struct tnd_config_neighbour {
    struct tnd_config_pos pos;
    struct tnd_addr addr;
    struct tnd_config_mac mac;
};

// Exactly one of `device` and `vdev` is set. A vdev has mac and addresses; a device has
// none here, for the kernel knows them.
struct tnd_config_interface {
    struct tnd_config_pos pos;
    struct tnd_str name;
    struct tnd_str device, vdev;
    struct tnd_str pci; // always empty: refused
    struct tnd_config_mac mac;
    const struct tnd_config_net *addresses;
    const struct tnd_config_neighbour *neighbours;
    uint32_t n_addresses, n_neighbours;
    uint32_t rings;
};

struct tnd_config_listener {
    struct tnd_config_pos pos;
    struct tnd_addr address;   // with transport and port
    struct tnd_addr advertise; // the same when none is configured; transport set too
    uint32_t dscp;
};

// A host: a name (lower case, no final dot), or an address and its text.
struct tnd_config_host {
    struct tnd_str text;
    struct tnd_addr ip; // family 0: a name
};

struct tnd_config_dns {
    const struct tnd_addr *servers; // with ports; none: those of resolv.conf
    uint32_t n_servers;
    uint32_t timeout_ms, tries;
};

struct tnd_config_limits {
    uint32_t transactions; // per worker
    uint32_t ringing_ms;
    uint32_t parked; // per worker
    uint32_t park_for_ms;
};

// `resolved` stands for the addresses of the trunk's uri; else prefix and optional port.
struct tnd_config_source {
    bool resolved;
    struct tnd_prefix prefix;
};

struct tnd_config_uri {
    struct tnd_str text;
    struct tnd_uri uri; // spans count from text.p
};

struct tnd_config_trunk {
    struct tnd_config_pos pos;
    struct tnd_str name;
    struct tnd_config_uri uri;
    const struct tnd_config_source *sources;
    uint32_t n_sources;
    uint32_t source_linger_ms;
    uint16_t nat;          // enum tnd_nat
    uint16_t exhausted;    // 500 or 503
    uint16_t record_route; // enum tnd_rr
    uint16_t weight_zero;  // enum tnd_weight_zero
};

struct tnd_config_method {
    struct tnd_str text; // empty: any
    enum tnd_method method;
};

// A condition left out has an empty text (`from`: TND_NO_TRUNK). All must hold.
struct tnd_config_route {
    struct tnd_config_pos pos; // pos.line is what `explain` shows
    struct tnd_str from_name;
    struct tnd_str user;   // '*' at its end matches any rest
    struct tnd_str domain; // lower case; '*' at its beginning matches any rest
    struct tnd_config_method method;
    struct tnd_str to_name; // as written
    uint32_t reply;         // TND_ROUTE_REPLY: the status code
    uint16_t from, trunk;   // indices of trunks; `trunk` for TND_ROUTE_TRUNK
    enum tnd_route_to to;
};

struct tnd_config {
    struct tnd_str path; // as given
    const struct tnd_config_interface *interfaces;
    const struct tnd_config_listener *listeners;
    const struct tnd_config_host *names;
    const struct tnd_config_trunk *trunks;
    const struct tnd_config_route *routes;
    uint32_t n_interfaces, n_listeners, n_names, n_trunks, n_routes;
    uint32_t workers; // 0: auto
    bool busy_poll;
    struct tnd_str control_socket, key_file;
    struct tnd_config_dns dns;
    struct tnd_config_limits limits;
    void *arena; // owns all of the above
};

struct tnd_config_error {
    struct tnd_config_pos pos; // line 0: the file as a whole
    char *text;                // one line, without file name
};

// Sorted by position. Zero before use; tnd_config_errors_free afterwards.
struct tnd_config_errors {
    struct tnd_config_error *list;
    uint32_t n;
    uint32_t left_out; // found beyond TND_CONFIG_ERRORS_MAX
};

// Read and check a file. On success *out is the configuration, else NULL and `errs` says
// why: every fault of the file at once, except that a YAML syntax error hides the rest.
// Returns: 0, -TND_ECONFIG (the file is wrong), -TND_EIO or -TND_ENOENT (it cannot be
//          read; `errs` has the one reason), -TND_ENOMEM.
int tnd_config_read(const char *path, struct tnd_config **out, struct tnd_config_errors *errs);

// The same from memory; `path` is what the configuration and its messages call the file.
int tnd_config_parse(const char *path, const char *text, size_t len, struct tnd_config **out,
                     struct tnd_config_errors *errs);

void tnd_config_free(struct tnd_config *c);

// Write the errors as "FILE:LINE:COLUMN: TEXT" and a last line with their number.
void tnd_config_errors_print(const struct tnd_config_errors *e, const char *path, FILE *out);
void tnd_config_errors_free(struct tnd_config_errors *e);

// Write docs/configuration.md.
void tnd_config_reference(FILE *out);
