/* SPDX-License-Identifier: MIT */
/*
 * Unit tests on the host: TEST(name) { CHECK(...); } any number of times, UNIT_MAIN at the end.
 * Prints a line a test and exits with 1 if a check failed.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit_test {
	const char *name;
	void (*run)(void);
	struct unit_test *next;
};

static struct unit_test *unit_first, **unit_last = &unit_first;
static unsigned unit_failures, unit_failed_checks;

#define TEST(id)                                                                                   \
	static void unit_run_##id(void);                                                           \
	static struct unit_test unit_##id = { #id, unit_run_##id, NULL };                          \
	__attribute__((constructor)) static void unit_register_##id(void)                          \
	{                                                                                          \
		*unit_last = &unit_##id;                                                           \
		unit_last = &unit_##id.next;                                                       \
	}                                                                                          \
	static void unit_run_##id(void)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			unit_failed_checks++;                                                      \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #cond);                          \
		}                                                                                  \
	} while (0)

#define UNIT_MAIN                                                                                  \
	int main(void)                                                                             \
	{                                                                                          \
		unsigned count = 0;                                                                \
                                                                                                   \
		for (struct unit_test *t = unit_first; t; t = t->next) {                           \
			unit_failed_checks = 0;                                                    \
			t->run();                                                                  \
			printf("%s %s\n", unit_failed_checks ? "FAIL" : "ok", t->name);            \
			unit_failures += unit_failed_checks != 0;                                  \
			count++;                                                                   \
		}                                                                                  \
		return unit_failures || !count;                                                    \
	}

/** Small repeatable random numbers (xorshift64*). */
static inline uint64_t unit_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

#endif
