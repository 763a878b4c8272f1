/* unit-sources: hv/monitor/line.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/monitor/line.h"

#define LEFT "\x1b[D"
#define RIGHT "\x1b[C"
#define UP "\x1b[A"
#define DOWN "\x1b[B"

static struct monitor_line line;

/* A terminal as wide as need be: what the echoes leave on its line, and where the cursor stands. */
static char screen[256];
static unsigned column;

static void show(const char *echo)
{
	for (; *echo; echo++) {
		unsigned n = 0;

		if (*echo == '\r' || *echo == '\n') {
			column = 0;
			if (*echo == '\n')
				memset(screen, 0, sizeof(screen));
		} else if (*echo == '\x1b') {
			CHECK(*++echo == '[');
			while (*++echo >= '0' && *echo <= '9')
				n = n * 10 + (unsigned)(*echo - '0');
			if (*echo == 'K')
				memset(screen + column, 0, sizeof(screen) - column);
			else if (*echo == 'D')
				column -= n;
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
		CHECK(column == strlen(MONITOR_PROMPT) + line.cursor);
		CHECK(strlen(line.text) == line.length && line.cursor <= line.length);
	}
	return finished;
}

static bool is(const char *text, unsigned cursor)
{
	return !strcmp(line.text, text) && line.cursor == cursor;
}

TEST(text_is_inserted_where_the_cursor_stands)
{
	begin();
	type("vms");
	CHECK(is("vms", 3));
	type(LEFT LEFT "x");
	CHECK(is("vxms", 2));
	type(RIGHT RIGHT RIGHT "!");
	CHECK(is("vxms!", 5));
	type("\x01[\x05]");
	CHECK(is("[vxms!]", 7));
}

TEST(each_way_to_send_home_end_and_delete)
{
	static const char *const homes[] = { "\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x01" };
	static const char *const ends[] = { "\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~", "\x05" };

	for (unsigned i = 0; i < 5; i++) {
		begin();
		type("stop a");
		type(homes[i]);
		CHECK(is("stop a", 0));
		type("\x1b[3~");
		CHECK(is("top a", 0));
		type(ends[i]);
		CHECK(is("top a", 5));
		type("\x1b[3~");
		CHECK(is("top a", 5));
	}
}

TEST(erasing)
{
	begin();
	type("abc\x7f\x08");
	CHECK(is("a", 1));
	type("\x7f\x7f\x7f");
	CHECK(is("", 0));
	type("stop  alpha  \x17");
	CHECK(is("stop  ", 6));
	type("\x17\x17");
	CHECK(is("", 0));
	type("one two three" LEFT LEFT LEFT LEFT LEFT "\x0b");
	CHECK(is("one two ", 8));
	type(LEFT LEFT "\x15");
	CHECK(is("o ", 0));
	type("\x0b");
	CHECK(is("", 0));
}

TEST(unknown_sequences_are_swallowed_whole)
{
	begin();
	type("a\x1b[5~b\x1b[15~c\x1b[1;5Cd\x1bOPe\x1bxf\x1b[200~g\x1b[?1;2c");
	CHECK(is("abcdefg", 7));
	/* One that breaks off does not eat the next. */
	type("\x1b[\x1b[Dh");
	CHECK(is("abcdefhg", 7));
}

TEST(other_control_keys_and_bytes_do_nothing)
{
	begin();
	type("a\x02\x03\x04\x07\x09\x0c\x10\x1c\xff\x80z");
	CHECK(is("az", 2));
}

TEST(a_line_is_finished_by_either_key)
{
	begin();
	CHECK(type("vms\rstats\n\r") == 3);
	CHECK(is("", 0));
	CHECK(line.kept == 2); /* the empty one is not kept */
}

TEST(history)
{
	begin();
	type("one\rtwo\rtwo\rthree\r");
	CHECK(line.kept == 3);
	type("dra" UP);
	CHECK(is("three", 5));
	type(UP UP UP UP);
	CHECK(is("one", 3));
	type(DOWN);
	CHECK(is("two", 3));
	/* An edited line of the history is a new one. */
	type("!\r");
	CHECK(line.kept == 4);
	type(UP);
	CHECK(is("two!", 4));
	type(DOWN DOWN);
	CHECK(is("", 0));
	type("mine" UP DOWN);
	CHECK(is("mine", 4));
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
	type("\x01y");
	CHECK(line.length == MONITOR_LINE_SIZE - 1 && line.text[0] == 'x');
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
