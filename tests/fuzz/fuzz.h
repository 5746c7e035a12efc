// What every fuzz target is: one function over octets. libFuzzer calls it with what it
// invents (option `fuzz`), replay.c with the files of the corpus (suite `fast`).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
