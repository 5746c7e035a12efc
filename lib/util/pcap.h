// UDP payloads out of a capture file of the classic pcap format: Ethernet, Linux cooked
// (both versions), raw IP, loopback; VLAN tags; IPv4 and IPv6 without extension headers.
//
// Threads: pure. Lifetime: payloads point into the file's octets.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/addr.h"

struct tnd_pcap {
    const uint8_t *data;
    size_t len, at;
    bool swapped;
    uint32_t link;
};

struct tnd_pcap_udp {
    struct tnd_addr src;
    const uint8_t *payload;
    size_t len;
};

// Returns: false when the octets are no such file.
bool tnd_pcap_open(struct tnd_pcap *p, const uint8_t *data, size_t len);

// Next UDP datagram that is whole; what else lies between is stepped over.
bool tnd_pcap_next(struct tnd_pcap *p, struct tnd_pcap_udp *out);
