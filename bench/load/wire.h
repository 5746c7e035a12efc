// The load source's end of the wire: a port of DPDK, and one peer at the other end.
//
// On a kernel interface (af_packet; a NIC's or a veth's) the kernel owns the addresses: route and
// neighbour of the target are asked of it and kept fresh, a guard socket holds the port and hears
// ICMP errors. Another device of DPDK's has no kernel behind it; address and MAC are given.
//
// Threads: one owner. Lifetime: one a process, as DPDK's environment.
#pragma once

#include "dataplane/dataplane.h"

#define LOAD_BURST 32u

struct load_wire_config {
    struct tnd_addr target;
    struct tnd_addr from; // family 0: what the kernel would use; port 0: 5060
    const char *device;   // kernel interface; NULL: where the kernel's route leads
    const char *vdev;     // or a device of DPDK's, "net_pcap0,rx_pcap=a,tx_pcap=b"
    uint8_t peer_mac[6];  // of a vdev
};

struct load_wire;

// Waits for the neighbour, up to 4 s. Returns: 0, or -TND_E* with err for a person.
int load_wire_open(const struct load_wire_config *cfg, struct load_wire **out,
                   struct tnd_error *err);
void load_wire_close(struct load_wire *w);

const struct tnd_addr *load_wire_local(const struct load_wire *w);
uint32_t load_wire_largest(const struct load_wire *w);     // octets of a datagram that fit the MTU
uint64_t load_wire_unreachable(const struct load_wire *w); // ICMP errors so far

// To the target. n: LOAD_BURST at most. Returns: how many were taken.
uint32_t load_wire_send(struct load_wire *w, const struct tnd_str texts[], uint32_t n);
// Datagrams of whomever, to whatever port; valid until the next call. d: LOAD_BURST.
uint32_t load_wire_receive(struct load_wire *w, struct tnd_datagram d[]);
// Sleep until something comes or the time is over; looks after neighbour and guard.
void load_wire_wait(struct load_wire *w, uint64_t ns);
