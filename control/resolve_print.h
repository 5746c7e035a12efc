// What `tandem resolve` shows: as text for people, as JSON for programs.
//
// Threads: main.
#pragma once

#include <stdbool.h>

#include "dns/locate.h"

// Text on stdout, the error on stderr.
void tnd_resolve_print_text(const char *uri, const struct tnd_located *l);

// One object on stdout.
void tnd_resolve_print_json(const char *uri, const struct tnd_located *l);
