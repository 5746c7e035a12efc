// `tandem check FILE`: read a configuration, say what is wrong with it. Starts nothing.
//
// Threads: main.
#pragma once

// argv[0] is "check". Returns: the exit code: 0 fine, 1 found wrong, 2 used wrong.
int tnd_cmd_check(int argc, char **argv);
