// A live view: repaints in place on a terminal, plain lines in a pipe or on a dumb terminal.
//
// On a terminal the alternate screen is used and left again on tnd_screen_close, on exit and
// on a fatal signal, so that no crash leaves the shell unusable. Colour only on a terminal
// and without NO_COLOR; whatever a colour says, a word says too.
//
// Threads: one; there is one screen a process.
#pragma once

#include <stdbool.h>
#include <stdio.h>

// HAProxy's meaning: green up, blue draining, red down, yellow on the way.
enum tnd_colour { TND_PLAIN = 0, TND_GREEN, TND_BLUE, TND_RED, TND_YELLOW, TND_BOLD };

// Returns: true when stdout is a terminal that can be repainted; false: print lines.
bool tnd_screen_open(void);
void tnd_screen_close(void);
void tnd_screen_restore(void); // from a signal handler that ends the process: the terminal alone
bool tnd_screen_live(void);

unsigned tnd_screen_width(void);  // columns; 80 in a pipe
unsigned tnd_screen_height(void); // rows; 24 in a pipe

// Begin and end one picture: what is printed to the stream between them replaces the last.
FILE *tnd_screen_begin(void);
void tnd_screen_end(void);

// A key that was pressed since the last call, or 0. Never waits. stdin must be a terminal.
int tnd_screen_key(void);

// Escape sequences, empty where there is no colour.
const char *tnd_colour_on(enum tnd_colour c);
const char *tnd_colour_off(void);
enum tnd_colour tnd_colour_of_state(const char *state);
