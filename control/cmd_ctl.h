// `tandem ctl`: ask a running engine, watch it, stop it.
#pragma once

int tnd_cmd_ctl(int argc, char **argv);
