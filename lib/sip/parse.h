// The parser with a scan kernel of the caller's choice: for comparing kernels with each other.
//
// Threads: pure. Everybody else uses tnd_sip_parse.
#pragma once

#include "sip/msg.h"
#include "sip/scan.h"

enum tnd_sip_error tnd_sip_parse_with(const struct tnd_scan_kernel *kernel, const char *data,
                                      size_t len, struct tnd_sip_msg *out);
