/* unit-sources: hv/console_queue.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/console_queue.h"

#define SIZE 32768

static bool gives(const char *text)
{
	char c;

	for (; *text; text++)
		if (!console_queue_get(&c) || c != *text)
			return false;
	return true;
}

TEST(what_is_put_first_comes_first)
{
	char c;

	CHECK(!console_queue_get(&c));
	CHECK(console_queue_put('c') && console_queue_put('d'));
	CHECK(console_queue_put_first("ab", 2));
	CHECK(gives("abcd"));
	CHECK(!console_queue_get(&c));
}

TEST(full_is_full_and_order_outlives_the_end)
{
	char c;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SIZE - 2; i++)
			CHECK(console_queue_put((char)i));
		CHECK(!console_queue_put_first("abc", 3));
		CHECK(console_queue_put_first("ab", 2));
		CHECK(!console_queue_put('x'));
		CHECK(gives("ab"));
		for (unsigned i = 0; i < SIZE - 2; i++)
			CHECK(console_queue_get(&c) && c == (char)i);
		CHECK(!console_queue_get(&c));
	}
}

UNIT_MAIN
