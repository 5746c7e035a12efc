// Ports: a kernel interface by af_packet, another virtual device, or rings in the process.
//
// A port has a queue pair for every worker or the start fails, saying so: workers share no
// transmit queue, hence no lock.
//
// Threads:  made and ended by control; queue i is worker (i modulo workers)'s.
// Lifetime: never stopped and started again: af_packet closes its sockets at a stop.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"
#include "dataplane/emit.h"

#define TND_RX_FRAME_MAX 32768u // af_packet's ring frames: datagrams up to this size come whole
#define TND_RING_FRAMES  512u   // a ring's depth: 16 MB of kernel memory a direction and queue
#define TND_QUEUES_MAX   64
#define TND_LOCAL_SIZE   1024 // slots of a ring of a port inside the process

struct rte_mempool;
struct rte_ring;
struct rte_mbuf;

struct tnd_port {
    struct tnd_interface_config cfg;
    uint16_t id; // ethdev's
    uint16_t queues;
    uint8_t mac[6];
    bool up, open;
    uint32_t ring_frames; // of each of af_packet's rings; 0: it has none
    char device_name[64];
    int fd[TND_QUEUES_MAX]; // af_packet's sockets by queue, for poll(); -1: none

    // A port inside the process; control's.
    bool local;
    struct rte_ring *in[TND_QUEUES_MAX], *out[TND_QUEUES_MAX];
    struct rte_mempool *pool;
    uint16_t next_in, next_out;
    uint32_t n_shown;
    struct rte_mbuf *shown[TND_BURST];
};

// Create the device. Returns: 0, or -TND_E* and err.
int tnd_port_open(struct tnd_port *p, const struct tnd_interface_config *cfg, uint16_t index,
                  uint16_t n_ports, uint16_t workers, uint64_t serial, struct tnd_error *err);
// Set up its queues with the workers' receive pools and start it.
int tnd_port_start(struct tnd_port *p, struct rte_mempool *const rx_pools[], uint16_t workers,
                   struct tnd_error *err);
void tnd_port_close(struct tnd_port *p);

// local.c
int tnd_local_open(struct tnd_port *p, uint16_t index, uint64_t serial, struct tnd_error *err);
void tnd_local_close(struct tnd_port *p);
// Octets of buffers that such a port needs.
uint64_t tnd_local_memory(const struct tnd_interface_config *cfg, uint16_t workers);
