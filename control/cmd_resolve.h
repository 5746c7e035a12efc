// `tandem resolve URI`: walk the RFC 3263 chain once and show each step and what it leads to.
//
// Threads: main.
#pragma once

// argv[0] is "resolve". Returns: the exit code: 0 fine, 1 no target found, 2 used wrong.
int tnd_cmd_resolve(int argc, char **argv);
