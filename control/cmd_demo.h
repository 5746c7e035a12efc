// `tandem demo`: requests spread over SRV targets, in one process.
#pragma once

int tnd_cmd_demo(int argc, char **argv);
