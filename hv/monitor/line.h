/* SPDX-License-Identifier: MIT */
/* The line that is typed at the monitor: keys in, the line and what the terminal has to be sent
 * out. Backspace, Ctrl-U, and the lines typed before by the cursor's keys up and down. Pure. */
#ifndef HV_MONITOR_LINE_H
#define HV_MONITOR_LINE_H

#include "hv/base/types.h"

#define MONITOR_LINE_SIZE 80 /* with the 0 at the end */
#define MONITOR_HISTORY 16
#define MONITOR_PROMPT "cloister> "
/* A whole line drawn anew: prompt, text, erasing behind it. */
#define MONITOR_ECHO_SIZE (MONITOR_LINE_SIZE + sizeof(MONITOR_PROMPT) + 8)

struct monitor_line {
	char text[MONITOR_LINE_SIZE]; /* 0-terminated */
	unsigned length;
	uint8_t escape; /* enum escape_state: within a sequence that a key sends */
	unsigned kept;	/* lines of history[], the newest first */
	unsigned shown; /* 0: what is being typed, else history[shown - 1] */
	char history[MONITOR_HISTORY][MONITOR_LINE_SIZE];
	char typed[MONITOR_LINE_SIZE]; /* while a line of the history shows */
};

/**
 * Takes one byte. @echo (MONITOR_ECHO_SIZE bytes) becomes what brings the terminal up to date,
 * maybe nothing. True: the line is finished; monitor_line_keep() has to follow once it was used.
 */
ANY bool monitor_line_key(struct monitor_line *line, char c, char *echo);

/** Puts the line into the history, unless it is empty or what came before it, and begins anew. */
ANY void monitor_line_keep(struct monitor_line *line);

/** Forgets what was typed of the line, not the history. */
ANY void monitor_line_clear(struct monitor_line *line);

#endif
