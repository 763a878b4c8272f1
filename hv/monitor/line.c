// SPDX-License-Identifier: MIT
#include "hv/monitor/line.h"

#include "hv/base/print.h"
#include "hv/base/string.h"

#define CTRL(letter) ((letter) - '@')
#define KEY_DELETE 0x7f
#define KEY_ESCAPE 0x1b

/* What a key sends that has no character: ESC [ parameters letter, or ESC O letter. */
enum escape_state { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_PARAMETERS };

static void redraw(const struct monitor_line *line, char *echo)
{
	fmt_snprintf(echo, MONITOR_ECHO_SIZE, "\r" MONITOR_PROMPT "%s\x1b[K", line->text);
}

static void cut(struct monitor_line *line, unsigned length)
{
	line->text[length] = '\0';
	line->length = length;
}

static void show_history(struct monitor_line *line, unsigned which)
{
	if (which > line->kept)
		return;
	if (line->shown == 0)
		str_copy(line->typed, line->text, MONITOR_LINE_SIZE);
	line->shown = which;
	line->length = (unsigned)str_copy(
		line->text, which ? line->history[which - 1] : line->typed, MONITOR_LINE_SIZE);
}

/* A byte of a sequence: the keys up and down mean something, all others nothing. */
static void take_escape(struct monitor_line *line, char c)
{
	if (line->escape == ESCAPE_BEGUN) {
		line->escape = c == '[' || c == 'O' ? ESCAPE_PARAMETERS : ESCAPE_NONE;
		return;
	}
	if (c >= ' ' && c < '@')
		return;
	line->escape = ESCAPE_NONE;
	if (c == 'A')
		show_history(line, line->shown + 1);
	else if (c == 'B' && line->shown)
		show_history(line, line->shown - 1);
}

bool monitor_line_key(struct monitor_line *line, char c, char *echo)
{
	echo[0] = '\0';
	/* An ESC begins anew, whatever came of the last one. */
	if (c == KEY_ESCAPE) {
		line->escape = ESCAPE_BEGUN;
	} else if (line->escape != ESCAPE_NONE) {
		take_escape(line, c);
		redraw(line, echo);
	} else if (c == '\r' || c == '\n') {
		str_copy(echo, "\n", MONITOR_ECHO_SIZE);
		return true;
	} else if (c == CTRL('U') || c == CTRL('H') || c == KEY_DELETE) {
		cut(line, c == CTRL('U') || !line->length ? 0 : line->length - 1);
		redraw(line, echo);
	} else if (c >= ' ' && c < KEY_DELETE && line->length < MONITOR_LINE_SIZE - 1) {
		line->text[line->length] = c;
		cut(line, line->length + 1);
		echo[0] = c;
		echo[1] = '\0';
	}
	return false;
}

void monitor_line_keep(struct monitor_line *line)
{
	if (line->length && (!line->kept || strcmp(line->text, line->history[0]) != 0)) {
		memmove(line->history[1], line->history[0],
			(MONITOR_HISTORY - 1) * sizeof(line->history[0]));
		memcpy(line->history[0], line->text, sizeof(line->text));
		if (line->kept < MONITOR_HISTORY)
			line->kept++;
	}
	monitor_line_clear(line);
}

void monitor_line_clear(struct monitor_line *line)
{
	cut(line, 0);
	line->shown = 0;
	line->escape = ESCAPE_NONE;
}
