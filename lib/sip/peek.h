// The Call-ID of a datagram that has not been parsed: a look, for whoever must know whose call it
// is before the parse is worth its time.
//
// The first line that is a Call-ID header in its usual form is taken at its word. A look finds
// nothing where the parser finds one (a fold behind the colon, a header far down), or something
// where the parser finds nothing (a line of a body): what rests on it has to be right either way.
//
// Threads: pure.
// Cost:    see bench `route.ring.2w.local` beside `route.ring.1w`.
#pragma once

#include "util/str.h"

// data:    `len` readable octets; no more are touched.
// Returns: the value, white space around it left out; len 0: none was seen.
struct tnd_str tnd_sip_peek_call_id(const char *data, size_t len);
