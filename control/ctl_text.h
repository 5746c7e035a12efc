// Answers of the control socket as tables for people (one style: control/table.h).
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

bool tnd_ctl_text_knows(const char *topic);

// answer: what the engine said to `show TOPIC`. Width: the terminal's, 80 in a pipe.
void tnd_ctl_text(const char *topic, const json_t *answer, FILE *out);

// Columns of the terminal behind `out`, 80 when it is none.
unsigned tnd_ctl_width(FILE *out);
