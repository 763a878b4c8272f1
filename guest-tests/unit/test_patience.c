/* unit-sources: hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* A bound on time, on a clock that the test sets. */
#include "guest-tests/unit/unit.h"

#define rdtsc real_rdtsc
#include "hv/base/asm.h"
#undef rdtsc
static uint64_t clock_now;
static uint64_t rdtsc(void)
{
	return clock_now;
}
#include "hv/base/patience.h"

/* How many looks, @step ticks apart, until it is over. */
static unsigned looks(uint64_t ticks, uint64_t grain, uint64_t step)
{
	struct patience p = patience_of(ticks, grain);

	for (unsigned n = 1; n < 100000; n++) {
		clock_now += step;
		if (patience_is_over(&p))
			return n;
	}
	return 0;
}

TEST(short_looks_count_in_full)
{
	CHECK(looks(1000, 100, 1) == 1000);
	CHECK(looks(1000, 100, 7) == 143);
	CHECK(looks(1000, 100, 100) == 10);
	CHECK(looks(1, 100, 1) == 1);
	CHECK(looks(0, 100, 1) == 1);
}

TEST(long_looks_count_a_grain)
{
	CHECK(looks(1000, 100, 101) == 10);
	CHECK(looks(1000, 100, 1ULL << 40) == 10);
	CHECK(looks(1000, 100, UINT64_MAX) == 10); /* a clock that was set back */
}

TEST(a_leap_costs_a_grain)
{
	struct patience p = patience_of(1000, 100);
	unsigned n = 0;

	for (; n < 50; n++) {
		clock_now += 10;
		CHECK(!patience_is_over(&p));
	}
	clock_now += 1ULL << 50;
	CHECK(!patience_is_over(&p));
	for (n = 1; n < 1000; n++) {
		clock_now += 10;
		if (patience_is_over(&p))
			break;
	}
	CHECK(n == 40);
	CHECK(patience_is_over(&p)); /* and stays so */
}

TEST(a_clock_that_stands_is_no_time)
{
	CHECK(looks(1000, 100, 0) == 0);
}

UNIT_MAIN
