/* unit-sources: boot/ranges.c */
/* SPDX-License-Identifier: MIT */
#include "boot/ranges.h"
#include "guest-tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct boot_info bi;

static bool is_range(uint32_t i, uint64_t base, uint64_t end, enum boot_range_type type)
{
	return i < bi.range_count && bi.ranges[i].base == base && bi.ranges[i].size == end - base &&
	       bi.ranges[i].type == type;
}

/* What boot_info.h promises of every map. */
static bool well_formed(void)
{
	for (uint32_t i = 0; i < bi.range_count; i++) {
		const struct boot_range *r = &bi.ranges[i];

		if (r->size == 0 || r->base % PAGE_SIZE || r->size % PAGE_SIZE ||
		    r->base + r->size < r->base)
			return false;
		if (i && bi.ranges[i - 1].base + bi.ranges[i - 1].size > r->base)
			return false;
	}
	return true;
}

TEST(ranges_sort_and_merge)
{
	memset(&bi, 0, sizeof(bi));
	ranges_claim(&bi, 0x300000, 0x100000, BOOT_RANGE_RAM);
	ranges_claim(&bi, 0x100000, 0x100000, BOOT_RANGE_RAM);
	CHECK(bi.range_count == 2);
	ranges_claim(&bi, 0x200000, 0x100000, BOOT_RANGE_RAM);
	CHECK(bi.range_count == 1 && is_range(0, 0x100000, 0x400000, BOOT_RANGE_RAM));
}

TEST(ranges_later_claim_wins)
{
	memset(&bi, 0, sizeof(bi));
	ranges_claim(&bi, 0, 0x10000, BOOT_RANGE_RAM);
	ranges_claim(&bi, 0x4000, 0x2000, BOOT_RANGE_FILE);
	CHECK(bi.range_count == 3);
	CHECK(is_range(0, 0, 0x4000, BOOT_RANGE_RAM));
	CHECK(is_range(1, 0x4000, 0x6000, BOOT_RANGE_FILE));
	CHECK(is_range(2, 0x6000, 0x10000, BOOT_RANGE_RAM));
	ranges_claim(&bi, 0x5000, 0x8000, BOOT_RANGE_RESERVED);
	CHECK(bi.range_count == 4);
	CHECK(is_range(1, 0x4000, 0x5000, BOOT_RANGE_FILE));
	CHECK(is_range(2, 0x5000, 0xd000, BOOT_RANGE_RESERVED));
	CHECK(is_range(3, 0xd000, 0x10000, BOOT_RANGE_RAM));
	ranges_claim(&bi, 0, 0x10000, BOOT_RANGE_HYPERVISOR);
	CHECK(bi.range_count == 1 && is_range(0, 0, 0x10000, BOOT_RANGE_HYPERVISOR));
}

TEST(ranges_keep_whole_pages)
{
	memset(&bi, 0, sizeof(bi));
	ranges_claim(&bi, 0x1001, 0x2fff, BOOT_RANGE_RAM);
	CHECK(bi.range_count == 1 && is_range(0, 0x2000, 0x4000, BOOT_RANGE_RAM));
	ranges_claim(&bi, 0x2fff, 2, BOOT_RANGE_RESERVED);
	CHECK(bi.range_count == 1 && is_range(0, 0x2000, 0x4000, BOOT_RANGE_RESERVED));
	ranges_claim(&bi, 0x9001, 0x100, BOOT_RANGE_RAM);
	ranges_claim(&bi, 0x9001, 0, BOOT_RANGE_RAM);
	CHECK(bi.range_count == 1);
}

TEST(ranges_survive_the_end_of_the_address_space)
{
	memset(&bi, 0, sizeof(bi));
	ranges_claim(&bi, UINT64_MAX - 0x1fff, UINT64_MAX, BOOT_RANGE_RESERVED);
	ranges_claim(&bi, UINT64_MAX - 0x10, 0x11, BOOT_RANGE_RESERVED);
	ranges_claim(&bi, 0, UINT64_MAX, BOOT_RANGE_MMIO);
	CHECK(well_formed());
}

/* Where rounding would go beyond it, RAM is not all of it and what is reserved is not nothing. */
TEST(ranges_round_up_to_the_end_of_the_address_space)
{
	uint64_t top = UINT64_MAX - 0xfff;

	memset(&bi, 0, sizeof(bi));
	ranges_claim(&bi, top + 1, 0x800, BOOT_RANGE_RAM);
	ranges_claim(&bi, top + 1, 0x800, BOOT_RANGE_RESERVED);
	ranges_claim(&bi, UINT64_MAX, 0, BOOT_RANGE_RAM);
	ranges_claim(&bi, UINT64_MAX, UINT64_MAX, BOOT_RANGE_RAM);
	CHECK(bi.range_count == 0);
	ranges_claim(&bi, top - 0x1001, 0x1800, BOOT_RANGE_RESERVED);
	CHECK(bi.range_count == 1 && is_range(0, top - 0x2000, top, BOOT_RANGE_RESERVED));
}

TEST(ranges_full_table_loses_memory_only)
{
	memset(&bi, 0, sizeof(bi));
	for (uint64_t i = 0; i < BOOT_MAX_RANGES + 50; i++)
		ranges_claim(&bi, i * 0x100000, 0x10000, BOOT_RANGE_RAM);
	CHECK(well_formed() && bi.range_count <= BOOT_MAX_RANGES);
	for (uint64_t i = 0; i < BOOT_MAX_RANGES + 50; i++)
		ranges_claim(&bi, i * 0x100000 + 0x4000, 0x1000, BOOT_RANGE_RESERVED);
	CHECK(well_formed() && bi.range_count <= BOOT_MAX_RANGES);
	for (uint32_t i = 0; i < bi.range_count; i++)
		for (uint64_t page = bi.ranges[i].base;
		     page < bi.ranges[i].base + bi.ranges[i].size; page += PAGE_SIZE)
			CHECK(bi.ranges[i].type != BOOT_RANGE_RAM || page % 0x100000 != 0x4000);
}

/* Against a map with one byte a page: as long as the table has room both must agree page by page.
 */
TEST(ranges_agree_with_a_page_array)
{
	enum { PAGES = 256 };
	uint8_t model[PAGES];

	srand(1);
	for (unsigned round = 0; round < 300; round++) {
		memset(&bi, 0, sizeof(bi));
		memset(model, 0, sizeof(model));
		for (unsigned step = 0; step < 100; step++) {
			unsigned base = (unsigned)rand() % PAGES, count = (unsigned)rand() % 24 + 1;
			enum boot_range_type type = (enum boot_range_type)(rand() % 6 + 1);

			if (base + count > PAGES)
				count = PAGES - base;
			ranges_claim(&bi, base * PAGE_SIZE, count * PAGE_SIZE, type);
			memset(model + base, type, count);
		}
		CHECK(well_formed());
		for (unsigned page = 0; page < PAGES; page++) {
			unsigned type = 0;

			for (uint32_t i = 0; i < bi.range_count; i++)
				if (page * PAGE_SIZE >= bi.ranges[i].base &&
				    page * PAGE_SIZE < bi.ranges[i].base + bi.ranges[i].size)
					type = bi.ranges[i].type;
			CHECK(type == model[page]);
		}
		for (uint32_t i = 1; i < bi.range_count; i++)
			CHECK(bi.ranges[i].type != bi.ranges[i - 1].type ||
			      bi.ranges[i].base != bi.ranges[i - 1].base + bi.ranges[i - 1].size);
	}
}

/*
 * Arbitrary claims, the table kept nearly full: the map stays well-formed, nothing reserved becomes
 * RAM.
 */
TEST(ranges_random_claims)
{
	srand(2);
	memset(&bi, 0, sizeof(bi));
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t base = (uint64_t)rand() << (rand() % 34), size = (uint64_t)rand()
									  << (rand() % 34);

		if (rand() % 2)
			size %= 0x8000;
		ranges_claim(&bi, base, size, (enum boot_range_type)(rand() % 6 + 1));
		CHECK(bi.range_count <= BOOT_MAX_RANGES);
		if (!well_formed()) {
			CHECK(!"well-formed");
			return;
		}
	}
}

UNIT_MAIN
