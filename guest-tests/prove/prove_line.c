/* prove: hv/monitor/line.c */
/* prove-with: guest-tests/prove/text.c */
/* prove-options: precision=0 coverage=94 -eva-slevel-function=prove:2000,monitor_line_key:2000,take_escape:1000,str_copy:200,show_history:1000,cut:200 */
/* SPDX-License-Identifier: MIT */
/*
 * Any key on a line of any text, which is one again: so keys in any order, for ever. The line is
 * empty, short, full or almost full: each by itself. All others are fuzz_text's.
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

static void any_line(unsigned length)
{
	any_bytes(&line, sizeof(line));
	//@ loop unroll MONITOR_HISTORY;
	for (unsigned i = 0; i < MONITOR_HISTORY; i++)
		line.history[i][LAST] = '\0';
	line.typed[LAST] = '\0';
	line.text[LAST] = '\0';
	line.text[length] = '\0';
	line.length = length;
	line.escape = (uint8_t)any_within(0, 2);
	line.kept = any_within(0, MONITOR_HISTORY);
	line.shown = any_within(0, MONITOR_HISTORY);
}

void prove(void)
{
	static const unsigned lengths[] = { 0, 1, 2, SHORT, LAST - 1, LAST };
	unsigned which = any_within(0, ARRAY_SIZE(lengths) - 1);

	monitor_line_clear(&line);
	/*@ split which; */
	any_line(lengths[which]);
	if (monitor_line_key(&line, (char)any8, echo))
		monitor_line_keep(&line);
	/*@ assert a_line: line.length <= LAST; */
	/*@ assert it_ends: line.text[line.length] == 0 && line.text[LAST] == 0; */
	/*@ assert the_others_do: line.typed[LAST] == 0 &&
	    \forall integer i; 0 <= i < MONITOR_HISTORY ==> line.history[i][LAST] == 0; */
	/*@ assert of_the_history: line.kept <= MONITOR_HISTORY && line.shown <= MONITOR_HISTORY; */
}
