/* prove: hv/monitor/line.c */
/* prove-with: guest-tests/prove/text.c */
/* prove-options: precision=0 coverage=94 -eva-slevel-function=take:2000,monitor_line_key:2000,act:2000,take_escape:100,word_start:4000,str_copy:200,show_history:1000,set_text:200,erase:200 */
/* SPDX-License-Identifier: MIT */
/*
 * Any key on a line of any text, which is one again: so keys in any order, for ever. The line is
 * empty or short, with the cursor anywhere, or full or almost full, with the cursor at its
 * beginning: each by itself, as Eva does not relate the two. All others are fuzz_text's.
 */
#include "hv/base/string.h"
#include "hv/monitor/line.h"

#define LAST (MONITOR_LINE_SIZE - 1)
#define SHORT 10

static struct monitor_line line;
static char echo[MONITOR_ECHO_SIZE];

/* What becomes the line: each length by itself. */
size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t length = strlen(src);

	/*@ assert there_is_room: length < size; */
	//@ loop unroll MONITOR_LINE_SIZE;
	for (size_t n = 0; dst == line.text && n < MONITOR_LINE_SIZE; n++) {
		if (n == length) {
			memcpy(dst, src, n);
			dst[n] = '\0';
			return n;
		}
	}
	memcpy(dst, src, length);
	dst[length] = '\0';
	return length;
}

static void any_line(unsigned length, unsigned cursor)
{
	any_bytes(&line, sizeof(line));
	//@ loop unroll MONITOR_HISTORY;
	for (unsigned i = 0; i < MONITOR_HISTORY; i++)
		line.history[i][LAST] = '\0';
	line.typed[LAST] = '\0';
	line.text[LAST] = '\0';
	line.text[length] = '\0';
	line.length = length;
	line.cursor = cursor;
	line.kept = any_within(0, MONITOR_HISTORY);
	line.shown = any_within(0, MONITOR_HISTORY);
}

static void take(uint8_t escape, uint8_t key)
{
	line.escape = escape;
	if (monitor_line_key(&line, (char)key, echo))
		monitor_line_keep(&line);
	/*@ assert a_line: line.cursor <= line.length <= LAST; */
	/*@ assert it_ends: line.text[line.length] == 0 && line.text[LAST] == 0; */
	/*@ assert the_others_do: line.typed[LAST] == 0 &&
	    \forall integer i; 0 <= i < MONITOR_HISTORY ==> line.history[i][LAST] == 0; */
	/*@ assert of_the_history: line.kept <= MONITOR_HISTORY && line.shown <= MONITOR_HISTORY; */
}

/* Behind ESC [ and ESC O the keys A and B are up and down. */
static void take_any(unsigned length, unsigned cursor)
{
	any_line(length, cursor);
	if (any8)
		take((uint8_t)any_within(0, 1), any8);
	else if (any8)
		take((uint8_t)any_within(2, 3), (uint8_t)any_within(0, 'A' - 1));
	else if (any8)
		take((uint8_t)any_within(2, 3), (uint8_t)any_within('B' + 1, 127));
	else
		take((uint8_t)any_within(2, 3), (uint8_t)any_within(128, 255));
}

/* What those two do has nothing to do with where the cursor is. */
static void take_up_or_down(unsigned length)
{
	any_line(length, any_within(0, length));
	take((uint8_t)any_within(2, 3), (uint8_t)any_within('A', 'B'));
}

void prove(void)
{
	static const unsigned lengths[] = { 0, 1, 2, SHORT, LAST - 1, LAST };
	unsigned length, cursor, which = any_within(0, ARRAY_SIZE(lengths) - 1);

	monitor_line_clear(&line);
	/*@ split which; */
	length = lengths[which];
	if (any8) {
		take_up_or_down(length);
	} else {
		cursor = any_within(0, length > SHORT ? 2 : length);
		/*@ split cursor; */
		take_any(length, cursor);
	}
}
