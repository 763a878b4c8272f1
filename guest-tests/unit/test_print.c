/* unit-sources: hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/base/print.h"
#include "hv/base/string.h"

#include <stdio.h>
#include <stdlib.h>

/* The C library is the reference for everything that both understand. */
#define CHECK_SAME(...)                                                                            \
	do {                                                                                       \
		char ours[200], theirs[200];                                                       \
		int n = fmt_snprintf(ours, sizeof(ours), __VA_ARGS__);                             \
		int m = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                             \
                                                                                                   \
		CHECK(n == m);                                                                     \
		CHECK(!strcmp(ours, theirs));                                                      \
	} while (0)

TEST(print_integers)
{
	static const long long values[] = { 0,	  1,	     -1,	9,	   10,	     255,
					    -256, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		long long v = values[i];

		CHECK_SAME("%d %u %x %X", (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
		CHECK_SAME("%ld %lu %lx", (long)v, (unsigned long)v, (unsigned long)v);
		CHECK_SAME("%lld %llu %llx %llX", v, (unsigned long long)v, (unsigned long long)v,
			   (unsigned long long)v);
		CHECK_SAME("%zu", (size_t)v);
		CHECK_SAME("[%12d][%-12d][%012d][%3d][%03x]", (int)v, (int)v, (int)v, (int)v,
			   (unsigned)v);
		CHECK_SAME("[%24lld][%-24lld][%024lld][%016llx]", v, v, v, (unsigned long long)v);
	}
}

TEST(print_text)
{
	CHECK_SAME("%s", "");
	CHECK_SAME("<%s>", "text");
	CHECK_SAME("<%8s><%-8s><%2s>", "text", "text", "text");
	CHECK_SAME("<%.2s><%.0s><%.9s>", "text", "text", "text");
	CHECK_SAME("<%8.2s><%-8.2s>", "text", "text");
	CHECK_SAME("%c%c", 'a', 'b');
	CHECK_SAME("100%%");
	CHECK_SAME("%p", (void *)0x1234abcdUL);
}

TEST(print_precision_limits_what_is_read)
{
	char *unterminated = malloc(3);
	char out[16];

	memcpy(unterminated, "abc", 3);
	CHECK(fmt_snprintf(out, sizeof(out), "%.3s", unterminated) == 3);
	CHECK(!strcmp(out, "abc"));
	free(unterminated);
}

TEST(print_null_text)
{
	const char *volatile null = NULL;
	char out[16];

	CHECK(fmt_snprintf(out, sizeof(out), "%s", null) == 6);
	CHECK(!strcmp(out, "(null)"));
}

/* Buffers of the exact size, so that the address sanitizer sees the first byte too many. */
TEST(print_cuts_but_counts)
{
	for (size_t size = 0; size < 16; size++) {
		char *out = malloc(size + !size);

		CHECK(fmt_snprintf(out, size, "%s %04d", "abcdef", 42) == 11);
		if (size) {
			CHECK(strlen(out) == (size - 1 < 11 ? size - 1 : 11));
			CHECK(!strncmp(out, "abcdef 0042", strlen(out)));
		}
		free(out);
	}
}

static int format(char *out, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = fmt_vsnprintf(out, size, fmt, args);
	va_end(args);
	return n;
}

TEST(print_strange_formats)
{
	char out[32];

	CHECK(format(out, sizeof(out), "%") == 1 && !strcmp(out, "%"));
	CHECK(format(out, sizeof(out), "%-08") == 1 && !strcmp(out, "%"));
	CHECK(format(out, sizeof(out), "%k") == 2 && !strcmp(out, "%k"));
	CHECK(format(out, sizeof(out), "") == 0 && !strcmp(out, ""));
}

TEST(string_copy)
{
	char out[4] = "xyz";

	CHECK(str_copy(out, "ab", sizeof(out)) == 2 && !strcmp(out, "ab"));
	CHECK(str_copy(out, "abc", sizeof(out)) == 3 && !strcmp(out, "abc"));
	CHECK(str_copy(out, "abcd", sizeof(out)) == 4 && !strcmp(out, "abc"));
	CHECK(str_copy(out, "zz", 1) == 2 && !strcmp(out, ""));
	CHECK(str_copy(out, "zz", 0) == 2);
}

TEST(string_append)
{
	char out[6] = "";
	size_t n = str_append(out, sizeof(out), 0, "ab");

	CHECK(n == 2 && !strcmp(out, "ab"));
	n = str_append(out, sizeof(out), n, "");
	n = str_append(out, sizeof(out), n, "cde");
	CHECK(n == 5 && !strcmp(out, "abcde"));
	/* There is no more room. */
	CHECK(str_append(out, sizeof(out), n, "f") == 5 && !strcmp(out, "abcde"));
	CHECK(str_append(out, 3, 1, "xyz") == 2 && !strcmp(out, "ax"));
	CHECK(str_append(out, 0, 0, "x") == 0 && !strcmp(out, "ax"));
}

UNIT_MAIN
