/* unit-sources: hv/console/queue.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/console/queue.h"

#define SIZE 32768

static bool gives(const char *text)
{
	char c;

	for (; *text; text++)
		if (!console_queue_get(&c) || c != *text)
			return false;
	return true;
}

static bool put_char(char c)
{
	return console_queue_put(&c, 1) == 1;
}

TEST(what_is_put_first_comes_first)
{
	char c;

	CHECK(!console_queue_get(&c));
	CHECK(put_char('c') && console_queue_put("d", 1) == 1);
	CHECK(console_queue_put_first("ab", 2));
	CHECK(gives("abcd"));
	CHECK(!console_queue_get(&c));
}

TEST(full_is_full_and_order_outlives_the_end)
{
	char c;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SIZE - 2; i++)
			CHECK(put_char((char)i));
		CHECK(!console_queue_put_first("abc", 3));
		CHECK(console_queue_put_first("ab", 2));
		CHECK(!put_char('x'));
		CHECK(gives("ab"));
		for (unsigned i = 0; i < SIZE - 2; i++)
			CHECK(console_queue_get(&c) && c == (char)i);
		CHECK(!console_queue_get(&c));
	}
}

/* Of a text what there is room for, across the end of the memory too. */
TEST(a_text_is_put_as_far_as_it_fits)
{
	static char text[SIZE + 10];
	char c;

	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	for (unsigned length = 1; length < sizeof(text); length = length * 3 + 1) {
		CHECK(console_queue_put(text, length) == length);
		for (unsigned i = 0; i < length; i++)
			CHECK(console_queue_get(&c) && c == text[i]);
	}
	CHECK(console_queue_put(text, 100) == 100);
	CHECK(console_queue_put(text + 100, sizeof(text) - 100) == SIZE - 100);
	CHECK(console_queue_put(text, 1) == 0);
	for (unsigned i = 0; i < SIZE; i++)
		CHECK(console_queue_get(&c) && c == text[i]);
	CHECK(!console_queue_get(&c));
}

/* Marks come where they were made, once each, whatever else is done. */
TEST(marks_are_come_to)
{
	uint64_t seed = 7;
	uint32_t put = 0, got = 0;
	static bool marked[1 << 20];
	unsigned made = 0, seen = 0;
	char c;

	for (unsigned step = 0; step < 400000; step++) {
		uint64_t r = unit_random(&seed);

		if (r % 8 == 0) {
			console_queue_mark();
			console_queue_mark();
			made += put != got && !marked[put];
			marked[put] |= put != got;
		} else if (r % 8 < 5) {
			put += put - got < 200 && put_char('x');
		} else if (console_queue_get(&c)) {
			got++;
			CHECK(console_queue_at_mark() == marked[got]);
			CHECK(!console_queue_at_mark());
			seen += marked[got];
		}
	}
	while (console_queue_get(&c))
		seen += console_queue_at_mark();
	CHECK(seen == made && seen > 1000);
	/* More than it can keep are left out. */
	for (unsigned i = 0; i < 1000; i++) {
		put_char('x');
		console_queue_mark();
	}
	for (seen = 0; console_queue_get(&c);)
		seen += console_queue_at_mark();
	CHECK(seen == 256);
}

UNIT_MAIN
