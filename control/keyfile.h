// The key-file: secrets that must outlive a restart, and that nodes share to choose alike.
//
// Lines: `digest HEX32` once, `sign ID HEX32` one to eight times; the last sign key signs,
// all verify. ID is 0..255. '#' starts a comment. Made with fresh keys, mode 0600, when it
// does not exist, and its folder (one level) with it.
//
// Threads: control, before the workers start. Blocks on the file system.
#pragma once

#include "proxy/keys.h"
#include "util/err.h"

// path: NULL for random keys that die with the process.
// Returns: 0; -TND_EIO or -TND_ECONFIG with `err` filled. Refuses a file others can read.
int tnd_keyfile_load(const char *path, struct tnd_keys *out, struct tnd_error *err);
