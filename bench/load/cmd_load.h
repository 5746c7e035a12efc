// `tandem load`: requests against any SIP server, and what became of them.
#pragma once

// argv[0] is the command's name. Returns: the exit code.
int tnd_cmd_load(int argc, char **argv);
