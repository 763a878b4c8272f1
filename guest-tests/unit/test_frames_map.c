/* unit-sources: mm/frames.c */
/* SPDX-License-Identifier: MIT */
/* The frame allocator over memory maps that are not as they should be, and over a lot of memory. */
#include "guest-tests/unit/fake_memory.h"
#include "hv/base/errno.h"

#include <sys/mman.h>

/* Address space without memory behind it until it is touched: enough to have RAM above 4 GiB. */
#define SPARSE_SIZE GIB(6)

static uint8_t taken[SPARSE_SIZE / PAGE_SIZE];

static void sparse_reset(void)
{
	if (host_test_physmap)
		munmap(host_test_physmap, SPARSE_SIZE);
	host_test_physmap = mmap(NULL, SPARSE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_test_physmap == MAP_FAILED)
		abort();
	memset(&fake_boot, 0, sizeof(fake_boot));
	memset(taken, 0, sizeof(taken));
}

static struct frames_stats stats_now(void)
{
	struct frames_stats stats;

	frames_stats(&stats);
	return stats;
}

/* Takes every frame one by one; returns how many there were, and notes them in taken[]. */
static uint64_t take_all(void)
{
	uint64_t count = 0;

	for (;;) {
		hpa_t hpa = frames_alloc(0, MEM_SENSITIVE, 0);

		if (hpa_is_none(hpa))
			return count;
		CHECK(hpa.v >= MIB(1) && hpa.v < SPARSE_SIZE);
		CHECK(!taken[hpa.v / PAGE_SIZE]);
		taken[hpa.v / PAGE_SIZE] = 1;
		count++;
	}
}

static uint64_t taken_in(uint64_t base, uint64_t end)
{
	uint64_t count = 0;

	for (uint64_t n = base / PAGE_SIZE; n < end / PAGE_SIZE; n++)
		count += taken[n];
	return count;
}

/* 12 bytes for each frame from 0 to @end, 8 for each 2 MiB and for alignment. */
static uint64_t table_bytes(uint64_t end)
{
	return ALIGN_UP(end / PAGE_SIZE * 12 + (end / MIB(2) + 1) * 8 + 8, PAGE_SIZE);
}

TEST(ram_above_4_gib_is_not_touched_before_it_is_handed_out)
{
	struct frames_stats stats;
	uint64_t high = 0;

	sparse_reset();
	fake_range(MIB(1), MIB(63), BOOT_RANGE_RAM);
	fake_range(GIB(4), GIB(2), BOOT_RANGE_RAM);
	/* The boot tables do not map it, so a touch would be a fault: here too. */
	CHECK(mprotect(host_test_physmap + GIB(4), GIB(2), PROT_NONE) == 0);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(mprotect(host_test_physmap + GIB(4), GIB(2), PROT_READ | PROT_WRITE) == 0);
	stats = stats_now();
	CHECK(stats.total_bytes == MIB(63) + GIB(2) - table_bytes(GIB(6)));
	for (unsigned i = 0; i < 8; i++)
		high += frames_alloc(9, MEM_VM, 1).v >= GIB(4);
	CHECK(high == 8); /* what came last goes first */
}

TEST(the_table_lies_below_4_gib_in_the_first_ram_that_has_room)
{
	sparse_reset();
	fake_range(MIB(1), KIB(64), BOOT_RANGE_RAM);
	fake_range(MIB(16), MIB(32), BOOT_RANGE_RAM);
	fake_range(GIB(4), GIB(2), BOOT_RANGE_RAM);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(frames_class(HPA(MIB(16))) == MEM_SENSITIVE);
	CHECK(frames_class(HPA(MIB(16) + table_bytes(GIB(6)) - PAGE_SIZE)) == MEM_SENSITIVE);
	CHECK(frames_class(HPA(MIB(16) + table_bytes(GIB(6)))) == MEM_FREE);
	CHECK(frames_class(HPA(MIB(1))) == MEM_FREE);
}

TEST(more_ram_than_the_table_can_describe_is_left_idle)
{
	sparse_reset();
	fake_range(MIB(1), MIB(15), BOOT_RANGE_RAM);
	fake_range(GIB(4), GIB(8192), BOOT_RANGE_RAM);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(stats_now().free_bytes > 0);
	CHECK(frames_class(HPA(GIB(4096))) == MEM_NONE);
	CHECK(take_all() > 0);
}

TEST(no_ram_below_4_gib_is_an_error)
{
	sparse_reset();
	CHECK(frames_init(&fake_boot) == -E_NOMEM);
	fake_range(GIB(4), GIB(2), BOOT_RANGE_RAM);
	CHECK(frames_init(&fake_boot) == -E_NOMEM);
}

TEST(a_range_that_wraps_is_cut)
{
	sparse_reset();
	fake_range(MIB(1), MIB(63), BOOT_RANGE_RAM);
	fake_range(UINT64_MAX - MIB(1) + 1, MIB(2), BOOT_RANGE_RAM);
	fake_range(GIB(5) - MIB(2), MIB(4), BOOT_RANGE_RAM);
	fake_range(GIB(5), UINT64_MAX - GIB(4), BOOT_RANGE_RESERVED);
	CHECK(frames_init(&fake_boot) == 0);
	take_all();
	CHECK(taken_in(MIB(1), MIB(64)) > 0);
	CHECK(taken_in(MIB(64), SPARSE_SIZE) == taken_in(GIB(5) - MIB(2), GIB(5)));
	CHECK(taken_in(GIB(5) - MIB(2), GIB(5)) == 512);
}

/* Whoever else claims a page of RAM gets it, in whatever order the claims come. */
TEST(overlapping_claims_are_never_handed_out)
{
	sparse_reset();
	fake_range(MIB(20) + 0x800, MIB(1), BOOT_RANGE_RESERVED); /* touches a page more */
	fake_range(MIB(8), MIB(40), BOOT_RANGE_RAM);
	fake_range(MIB(1), MIB(15), BOOT_RANGE_RAM); /* 8 to 16 MiB twice */
	fake_range(MIB(30), MIB(1), BOOT_RANGE_HYPERVISOR);
	fake_range(MIB(30) + KIB(512), MIB(1), BOOT_RANGE_FILE);
	fake_range(MIB(40), MIB(20), BOOT_RANGE_MMIO);
	fake_range(MIB(1), PAGE_SIZE, BOOT_RANGE_ACPI);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(stats_now().free_bytes == stats_now().total_bytes);
	CHECK(take_all() == stats_now().total_bytes / PAGE_SIZE);
	CHECK(taken_in(MIB(20), MIB(21) + PAGE_SIZE) == 0);
	CHECK(taken_in(MIB(30), MIB(31) + KIB(512)) == 0);
	CHECK(taken_in(MIB(40), SPARSE_SIZE) == 0);
	CHECK(taken_in(MIB(1), MIB(1) + PAGE_SIZE) == 0);
	CHECK(frames_class(HPA(MIB(30))) == MEM_BOOT);
	CHECK(frames_class(HPA(MIB(41))) == MEM_NONE);
	/* Nothing else is lost: 1 to 40 MiB but for the claims and the table (36 MiB of RAM and
	 * file: 48 MiB of frames). */
	CHECK(taken_in(MIB(1), MIB(40)) == (MIB(39) - MIB(1) - PAGE_SIZE - MIB(1) - KIB(512) -
					    PAGE_SIZE - table_bytes(MIB(48))) /
						   PAGE_SIZE);
}

TEST(random_maps_keep_every_claim)
{
	uint64_t seed = 5;
	unsigned usable = 0;

	for (unsigned round = 0; round < 60; round++) {
		static uint8_t
			kind[MIB(16) / PAGE_SIZE]; /* 0 nothing, 1 RAM, 2 claimed by another */

		sparse_reset();
		memset(kind, 0, sizeof(kind));
		for (unsigned i = 0; i < 30; i++) {
			uint64_t r = unit_random(&seed);
			uint64_t first = (r >> 8) % ARRAY_SIZE(kind),
				 count = 1 + (r >> 32) % (r & 1 ? 900 : 40);
			enum boot_range_type type = r & 2 ? BOOT_RANGE_RAM : 2 + (r >> 4) % 5;

			if (count > ARRAY_SIZE(kind) - first)
				count = ARRAY_SIZE(kind) - first;
			fake_range(first * PAGE_SIZE, count * PAGE_SIZE, type);
			for (uint64_t n = first; n < first + count; n++)
				if (type != BOOT_RANGE_RAM)
					kind[n] = 2;
				else if (!kind[n])
					kind[n] = 1;
		}
		if (frames_init(&fake_boot))
			continue;
		usable++;
		CHECK(take_all() == stats_now().total_bytes / PAGE_SIZE);
		for (uint64_t n = 0; n < ARRAY_SIZE(kind); n++) {
			bool low = n < MIB(1) / PAGE_SIZE;
			enum mem_class class = frames_class(HPA(n * PAGE_SIZE));

			CHECK(!taken[n] || (kind[n] == 1 && !low));
			/* RAM that is not handed out belongs to the table or is the trampoline. */
			CHECK(kind[n] != 1 || low || taken[n] || class == MEM_SENSITIVE);
			CHECK(kind[n] == 1 || class == MEM_NONE || class == MEM_BOOT);
		}
	}
	CHECK(usable > 40);
}

TEST(the_trampoline_keeps_clear_of_claims)
{
	hpa_t page;

	sparse_reset();
	fake_range(0, KIB(640), BOOT_RANGE_RAM);
	fake_range(0, KIB(64) + 1, BOOT_RANGE_RESERVED);
	fake_range(MIB(1), MIB(31), BOOT_RANGE_RAM);
	CHECK(frames_init(&fake_boot) == 0);
	page = frames_trampoline();
	CHECK(page.v == KIB(68));
	CHECK(frames_class(page) == MEM_SENSITIVE);
	CHECK(frames_class(HPA(page.v + PAGE_SIZE)) == MEM_NONE);

	sparse_reset();
	fake_range(0, PAGE_SIZE, BOOT_RANGE_RAM); /* page 0 alone does not do */
	fake_range(MIB(1), MIB(31), BOOT_RANGE_RAM);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(hpa_is_none(frames_trampoline()));
}

/* However it was cut up, what comes back is whole again. */
TEST(blocks_merge_again_after_exhaustion)
{
	unsigned large = 0, again = 0;
	static hpa_t blocks[64];
	uint64_t seed = 3;

	sparse_reset();
	fake_range(MIB(1), MIB(63), BOOT_RANGE_RAM);
	CHECK(frames_init(&fake_boot) == 0);
	while (large < 64 && !hpa_is_none(blocks[large] = frames_alloc(9, MEM_CPU, 3)))
		large++;
	CHECK(large == 31); /* the first MiB and the table's 2 MiB are missing */
	for (unsigned i = 0; i < large; i++)
		frames_free(blocks[i], 9);
	take_all();
	/* In random order, one by one. */
	for (uint64_t left = taken_in(0, MIB(64)); left;) {
		uint64_t n = unit_random(&seed) % (MIB(64) / PAGE_SIZE);

		while (!taken[n])
			n = (n + 1) % (MIB(64) / PAGE_SIZE);
		taken[n] = 0;
		frames_free(HPA(n * PAGE_SIZE), 0);
		left--;
	}
	while (!hpa_is_none(frames_alloc(9, MEM_CPU, 3)))
		again++;
	CHECK(again == large);
	CHECK(hpa_is_none(frames_alloc(FRAMES_MAX_ORDER + 1, MEM_CPU, 3)));
}

UNIT_MAIN
