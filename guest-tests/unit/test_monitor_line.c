/* unit-sources: hv/monitor/line.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/monitor/line.h"

#define UP "\x1b[A"
#define DOWN "\x1b[B"

static struct monitor_line line;

/* A terminal as wide as need be: what the echoes leave on its line, and where the cursor stands. */
static char screen[256];
static unsigned column;

static void show(const char *echo)
{
	for (; *echo; echo++) {
		if (*echo == '\r' || *echo == '\n') {
			column = 0;
			if (*echo == '\n')
				memset(screen, 0, sizeof(screen));
		} else if (*echo == '\x1b') {
			CHECK(*++echo == '[');
			if (*++echo == 'K')
				memset(screen + column, 0, sizeof(screen) - column);
			else
				CHECK(false);
		} else {
			screen[column++] = *echo;
		}
		CHECK(column < sizeof(screen) - 1);
	}
}

/* The prompt is there, as the monitor writes it. */
static void begin(void)
{
	memset(&line, 0, sizeof(line));
	memset(screen, 0, sizeof(screen));
	column = 0;
	show(MONITOR_PROMPT);
}

/* Types; how many lines were finished. After each key the terminal shows what the editor has. */
static unsigned type(const char *keys)
{
	char echo[MONITOR_ECHO_SIZE];
	unsigned finished = 0;

	for (; *keys; keys++) {
		bool done;

		memset(echo, 0x55, sizeof(echo));
		done = monitor_line_key(&line, *keys, echo);
		CHECK(memchr(echo, 0, sizeof(echo)));
		show(echo);
		if (done) {
			finished++;
			monitor_line_keep(&line);
			show(MONITOR_PROMPT);
		}
		CHECK(!memcmp(screen, MONITOR_PROMPT, strlen(MONITOR_PROMPT)));
		CHECK(!strcmp(screen + strlen(MONITOR_PROMPT), line.text));
		CHECK(column == strlen(MONITOR_PROMPT) + line.length);
		CHECK(strlen(line.text) == line.length);
	}
	return finished;
}

static bool is(const char *text)
{
	return !strcmp(line.text, text);
}

TEST(erasing)
{
	begin();
	type("abc\x7f\x08");
	CHECK(is("a"));
	type("\x7f\x7f\x7f");
	CHECK(is(""));
	type("stop  alpha  \x15");
	CHECK(is(""));
}

TEST(unknown_sequences_are_swallowed_whole)
{
	begin();
	type("a\x1b[5~b\x1b[15~c\x1b[1;5Cd\x1bOPe\x1bxf\x1b[200~g\x1b[?1;2c");
	CHECK(is("abcdefg"));
	/* One that breaks off does not eat the next. */
	type("\x1b[\x1b[Dh");
	CHECK(is("abcdefgh"));
}

TEST(other_control_keys_and_bytes_do_nothing)
{
	begin();
	type("a\x01\x02\x03\x04\x05\x07\x09\x0b\x0c\x10\x17\x1c\xff\x80z");
	CHECK(is("az"));
}

TEST(a_line_is_finished_by_either_key)
{
	begin();
	CHECK(type("vms\rstats\n\r") == 3);
	CHECK(is(""));
	CHECK(line.kept == 2); /* the empty one is not kept */
}

TEST(history)
{
	begin();
	type("one\rtwo\rtwo\rthree\r");
	CHECK(line.kept == 3);
	type("dra" UP);
	CHECK(is("three"));
	type(UP UP UP UP);
	CHECK(is("one"));
	type(DOWN);
	CHECK(is("two"));
	/* An edited line of the history is a new one. */
	type("!\r");
	CHECK(line.kept == 4);
	type(UP);
	CHECK(is("two!"));
	type(DOWN DOWN);
	CHECK(is(""));
	type("mine" UP DOWN);
	CHECK(is("mine"));
}

TEST(history_forgets_the_oldest)
{
	char text[8];

	begin();
	for (unsigned i = 0; i < 3 * MONITOR_HISTORY; i++) {
		snprintf(text, sizeof(text), "c%u\r", i);
		type(text);
	}
	CHECK(line.kept == MONITOR_HISTORY);
	for (unsigned i = 0; i < MONITOR_HISTORY + 3; i++)
		type(UP);
	snprintf(text, sizeof(text), "c%u", 2 * MONITOR_HISTORY);
	CHECK(!strcmp(line.text, text));
}

TEST(a_full_line_takes_no_more)
{
	begin();
	for (unsigned i = 0; i < 2 * MONITOR_LINE_SIZE; i++)
		type("x");
	CHECK(line.length == MONITOR_LINE_SIZE - 1);
	type("y");
	CHECK(line.length == MONITOR_LINE_SIZE - 1 && !strchr(line.text, 'y'));
	type("\r" UP);
	CHECK(line.length == MONITOR_LINE_SIZE - 1);
}

TEST(any_keys_whatever)
{
	static const char keys[] = "\x1b[ABCDFHO~13478;ab \x01\x05\x08\x0b\x15\x17\x7f\r";
	uint32_t state = 1;
	char one[2] = "";

	begin();
	for (unsigned i = 0; i < 200000; i++) {
		state = state * 1664525 + 1013904223;
		one[0] = keys[(state >> 16) % (sizeof(keys) - 1)];
		type(one);
	}
}

UNIT_MAIN
