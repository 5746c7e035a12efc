// `tandem run FILE`.
#pragma once

int tnd_cmd_run(int argc, char **argv);
