// DPDK's environment: its arguments are derived here and never shown to anybody.
//
// Hugepages are used where enough are free, else ordinary memory of the size that is needed.
// No PCI scan, no shared files, no telemetry thread: instances run side by side and leave
// nothing behind. Logs are silent unless TANDEM_EAL_LOG is set (to a level, "info", "debug").
//
// Threads: control's, once a process. EAL's threads have every signal blocked.
// Cost:    150 ms, of which 100 are EAL's clock calibration.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct rte_mempool;

struct tnd_eal_need {
    uint16_t workers; // threads; lcore i + 1 is worker i's, 0 is the caller's
    uint64_t memory;  // octets of packet buffers
};

// Start, or find started (then with at least as many workers).
// Returns: 0 or -TND_E*.
int tnd_eal_start(const struct tnd_eal_need *need, struct tnd_error *err);

// A pool of `n` buffers with a data room of `room` octets, headroom included, and `priv` of private
// area. cache: buffers that a worker keeps at hand; 0: the pool is a ring, first in, first out.
// Returns: NULL when memory is short.
struct rte_mempool *tnd_eal_pool(const char *name, uint32_t n, uint32_t cache, size_t priv,
                                 uint32_t room);

// End it; cannot be started again in this process.
void tnd_eal_stop(void);

// The CPU that worker i has to itself, or UINT16_MAX.
uint16_t tnd_eal_cpu(uint16_t worker);
