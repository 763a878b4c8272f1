/* unit-sources: hv/base/histogram.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/base/histogram.h"
#include "hv/base/string.h"

static struct histogram h, other;

static void reset(void)
{
	memset(&h, 0, sizeof(h));
	memset(&other, 0, sizeof(other));
}

TEST(empty_says_zero)
{
	reset();
	CHECK(histogram_percentile(&h, 50) == 0);
	CHECK(histogram_percentile(&h, 99) == 0);
}

TEST(one_value_is_every_percentile)
{
	for (uint64_t value = 0; value < 1ULL << 40; value = value * 5 / 4 + 1) {
		uint32_t want = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;

		reset();
		histogram_add(&h, value);
		CHECK(histogram_percentile(&h, 0) == want);
		CHECK(histogram_percentile(&h, 50) == want);
		CHECK(histogram_percentile(&h, 100) == want);
		CHECK(h.min == want && h.max == want);
	}
}

TEST(percentiles_are_right_to_an_eighth)
{
	reset();
	for (unsigned i = 1; i <= 10000; i++)
		histogram_add(&h, i);
	for (unsigned percent = 1; percent <= 100; percent++) {
		uint32_t want = percent * 100, got = histogram_percentile(&h, percent);

		CHECK(got >= want && got <= want + want / 8);
	}
	CHECK(histogram_percentile(&h, 100) == 10000);
	CHECK(h.min == 1 && h.count == 10000);
}

TEST(merging_is_adding)
{
	struct histogram all;

	reset();
	memset(&all, 0, sizeof(all));
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t value = (uint64_t)i * i % 70001;

		histogram_add(i % 3 ? &h : &other, value);
		histogram_add(&all, value);
	}
	histogram_merge(&h, &other);
	CHECK(!memcmp(&h, &all, sizeof(h)));
	memset(&other, 0, sizeof(other));
	histogram_merge(&h, &other);
	CHECK(!memcmp(&h, &all, sizeof(h)));
}

UNIT_MAIN
