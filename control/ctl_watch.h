// `tandem ctl watch`: rates, targets and drops of a running engine, once a second.
#pragma once

// Returns: the exit status.
int tnd_ctl_watch(const char *socket);
