// SPDX-License-Identifier: MIT
#include "hv/monitor/line.h"

#include "hv/base/print.h"
#include "hv/base/string.h"

#define CTRL(letter) ((letter) - '@')
#define KEY_DELETE_BACK 0x7f
#define KEY_ESCAPE 0x1b

/* ESC [ parameters letter, and ESC O letter. */
enum escape_state { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI, ESCAPE_SS3 };
#define PARAMETER_OTHER 255

/* What a key does, however it is sent. */
enum action {
	ACT_NONE,
	ACT_LEFT,
	ACT_RIGHT,
	ACT_HOME,
	ACT_END,
	ACT_UP,
	ACT_DOWN,
	ACT_BACKSPACE,
	ACT_DELETE,
	ACT_ERASE_TO_END,
	ACT_ERASE_TO_START,
	ACT_ERASE_WORD,
};

static void redraw(const struct monitor_line *line, char *echo)
{
	unsigned back = line->length - line->cursor;

	if (back)
		fmt_snprintf(echo, MONITOR_ECHO_SIZE, "\r" MONITOR_PROMPT "%s\x1b[K\x1b[%uD",
			     line->text, back);
	else
		fmt_snprintf(echo, MONITOR_ECHO_SIZE, "\r" MONITOR_PROMPT "%s\x1b[K", line->text);
}

static void set_text(struct monitor_line *line, const char *text)
{
	line->length = (unsigned)str_copy(line->text, text, MONITOR_LINE_SIZE);
	line->cursor = line->length;
}

static void erase(struct monitor_line *line, unsigned from, unsigned to)
{
	memmove(line->text + from, line->text + to, line->length - to + 1);
	line->length -= to - from;
	line->cursor = from;
}

static void show_history(struct monitor_line *line, unsigned which)
{
	if (which > line->kept)
		return;
	if (line->shown == 0)
		str_copy(line->typed, line->text, MONITOR_LINE_SIZE);
	line->shown = which;
	set_text(line, which ? line->history[which - 1] : line->typed);
}

static unsigned word_start(const struct monitor_line *line)
{
	unsigned at = line->cursor;

	while (at && line->text[at - 1] == ' ')
		at--;
	while (at && line->text[at - 1] != ' ')
		at--;
	return at;
}

static void act(struct monitor_line *line, enum action action)
{
	switch (action) {
	case ACT_LEFT:
		line->cursor -= line->cursor > 0;
		break;
	case ACT_RIGHT:
		line->cursor += line->cursor < line->length;
		break;
	case ACT_HOME:
		line->cursor = 0;
		break;
	case ACT_END:
		line->cursor = line->length;
		break;
	case ACT_UP:
		show_history(line, line->shown + 1);
		break;
	case ACT_DOWN:
		if (line->shown)
			show_history(line, line->shown - 1);
		break;
	case ACT_BACKSPACE:
		if (line->cursor)
			erase(line, line->cursor - 1, line->cursor);
		break;
	case ACT_DELETE:
		if (line->cursor < line->length)
			erase(line, line->cursor, line->cursor + 1);
		break;
	case ACT_ERASE_TO_END:
		erase(line, line->cursor, line->length);
		break;
	case ACT_ERASE_TO_START:
		erase(line, 0, line->cursor);
		break;
	case ACT_ERASE_WORD:
		erase(line, word_start(line), line->cursor);
		break;
	default:
		break;
	}
}

static enum action control_key(char c)
{
	switch (c) {
	case CTRL('A'):
		return ACT_HOME;
	case CTRL('E'):
		return ACT_END;
	case CTRL('H'):
	case KEY_DELETE_BACK:
		return ACT_BACKSPACE;
	case CTRL('K'):
		return ACT_ERASE_TO_END;
	case CTRL('U'):
		return ACT_ERASE_TO_START;
	case CTRL('W'):
		return ACT_ERASE_WORD;
	default:
		return ACT_NONE;
	}
}

/* The end of a sequence: what xterm, VT220 and Linux send for the keys of the cursor block. */
static enum action escape_key(char final, unsigned parameter)
{
	switch (final) {
	case 'A':
		return ACT_UP;
	case 'B':
		return ACT_DOWN;
	case 'C':
		return ACT_RIGHT;
	case 'D':
		return ACT_LEFT;
	case 'H':
		return ACT_HOME;
	case 'F':
		return ACT_END;
	case '~':
		if (parameter == 1 || parameter == 7)
			return ACT_HOME;
		if (parameter == 4 || parameter == 8)
			return ACT_END;
		return parameter == 3 ? ACT_DELETE : ACT_NONE;
	default:
		return ACT_NONE;
	}
}

/* A byte of a sequence; what it means once it is complete. */
static enum action take_escape(struct monitor_line *line, char c)
{
	enum action action = ACT_NONE;

	if (line->escape == ESCAPE_BEGUN) {
		line->parameter = 0;
		line->escape = c == '[' ? ESCAPE_CSI : c == 'O' ? ESCAPE_SS3 : ESCAPE_NONE;
		return ACT_NONE;
	}
	if (line->escape == ESCAPE_CSI && c >= 0x20 && c < 0x40) {
		bool digit = c >= '0' && c <= '9' && line->parameter < 10;

		line->parameter =
			digit ? (uint8_t)(line->parameter * 10 + (c - '0')) : PARAMETER_OTHER;
		return ACT_NONE;
	}
	if (c >= 0x40 && c <= 0x7e && line->parameter != PARAMETER_OTHER)
		action = escape_key(c, line->parameter);
	line->escape = ESCAPE_NONE;
	return action;
}

static void insert(struct monitor_line *line, char c, char *echo)
{
	if (line->length == MONITOR_LINE_SIZE - 1)
		return;
	memmove(line->text + line->cursor + 1, line->text + line->cursor,
		line->length - line->cursor + 1);
	line->text[line->cursor++] = c;
	line->length++;
	if (line->cursor < line->length) {
		redraw(line, echo);
		return;
	}
	echo[0] = c;
	echo[1] = '\0';
}

bool monitor_line_key(struct monitor_line *line, char c, char *echo)
{
	enum action action;

	echo[0] = '\0';
	/* An ESC begins anew, whatever came of the last one. */
	if (c == KEY_ESCAPE) {
		line->escape = ESCAPE_BEGUN;
		return false;
	}
	if (line->escape != ESCAPE_NONE) {
		action = take_escape(line, c);
	} else if (c == '\r' || c == '\n') {
		str_copy(echo, "\n", MONITOR_ECHO_SIZE);
		return true;
	} else if (c >= ' ' && c < KEY_DELETE_BACK) {
		insert(line, c, echo);
		return false;
	} else {
		action = control_key(c);
	}
	if (action != ACT_NONE) {
		act(line, action);
		redraw(line, echo);
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
	line->text[0] = '\0';
	line->length = line->cursor = line->shown = 0;
	line->escape = ESCAPE_NONE;
}
