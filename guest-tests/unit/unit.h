/* SPDX-License-Identifier: MIT */
/*
 * Unit tests on the host: TEST(name) { ... CHECK(condition); ... } any number of times, UNIT_MAIN at the end.
 * Prints "ok name" or "FAIL name" a test, each failed condition before it; the exit status is 1 if any failed.
 */
#ifndef GUEST_TESTS_UNIT_UNIT_H
#define GUEST_TESTS_UNIT_UNIT_H

#include <stdio.h>
#include <stdlib.h>

#define UNIT_MAX_TESTS 128
/* A condition that fails in a loop is shown this often, then only counted. */
#define UNIT_MAX_SHOWN 10

static struct unit_test {
	const char *name;
	void (*run)(void);
} unit_tests[UNIT_MAX_TESTS];
static unsigned unit_count;
static unsigned unit_failures; /* of the running test */

static inline void unit_register(const char *name, void (*run)(void))
{
	if (unit_count == UNIT_MAX_TESTS) {
		printf("FAIL %s: more than %d tests in one file\n", name, UNIT_MAX_TESTS);
		exit(1);
	}
	unit_tests[unit_count++] = (struct unit_test){ name, run };
}

#define TEST(name)                                                            \
	static void unit_test_##name(void);                                   \
	__attribute__((constructor)) static void unit_register_##name(void)   \
	{                                                                     \
		unit_register(#name, unit_test_##name);                       \
	}                                                                     \
	static void unit_test_##name(void)

#define CHECK(condition)                                                              \
	do {                                                                          \
		if (!(condition) && ++unit_failures <= UNIT_MAX_SHOWN)                \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);        \
	} while (0)

static inline int unit_run_all(void)
{
	int status = 0;

	for (unsigned i = 0; i < unit_count; i++) {
		unit_failures = 0;
		unit_tests[i].run();
		printf("%s %s\n", unit_failures ? "FAIL" : "ok", unit_tests[i].name);
		fflush(stdout);
		if (unit_failures)
			status = 1;
	}
	return status;
}

#define UNIT_MAIN               \
	int main(void)          \
	{                       \
		return unit_run_all(); \
	}

#endif
