/* unit-sources: mm/space.c mm/space_check.c mm/pgtable.c mm/frames.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_space.h"
#include "hv/base/errno.h"

TEST(a_fresh_pair_has_no_violation)
{
	const char *what = NULL;

	start();
	for (unsigned i = 0; i < CPUS; i++)
		CHECK(check(i, &what) == 0);
}

TEST(restricted_lacks_what_full_has)
{
	struct pg_leaf leaf;

	start();
	CHECK(!pgtable_walk(&pairs[0].restricted, PHYSMAP_BASE + MIB(2), &leaf));
	CHECK(pgtable_walk(&pairs[0].full, PHYSMAP_BASE + MIB(2), &leaf));
	CHECK(!pgtable_walk(&pairs[0].restricted, image.link_base + image.data_start, &leaf));
	CHECK(pgtable_walk(&pairs[0].full, image.link_base + image.data_start, &leaf));
	CHECK(pgtable_walk(&pairs[0].restricted, image.link_base, &leaf) && leaf.prot == PG_EXEC);
	CHECK(pgtable_walk(&pairs[0].restricted, image.link_base + image.global_start, &leaf) &&
	      leaf.prot == PG_WRITE);
	/* No writable alias of code or constants, no reserved memory. */
	CHECK(!pgtable_walk(&pairs[0].full, PHYSMAP_BASE + MIB(16), &leaf));
	CHECK(!pgtable_walk(&pairs[0].full, PHYSMAP_BASE + KIB(700), &leaf));
}

/* Reserved pages are added read-only, and only they. */
TEST(firmware_is_within_reach)
{
	const char *what = NULL;
	struct pg_leaf leaf;

	start();
	CHECK(!pgtable_walk(&pairs[1].full, PHYSMAP_BASE + MIB(32), &leaf));
	CHECK(space_reach_firmware(HPA(MIB(32) + 100), 200));
	CHECK(pgtable_walk(&pairs[1].full, PHYSMAP_BASE + MIB(32), &leaf));
	CHECK(leaf.prot == 0 && leaf.hpa.v == MIB(32));
	CHECK(!pgtable_walk(&pairs[1].restricted, PHYSMAP_BASE + MIB(32), &leaf));
	/* Over the border to what is there, which stays as it is. */
	CHECK(space_reach_firmware(HPA(MIB(32) - 8), PAGE_SIZE + 16));
	CHECK(pgtable_walk(&pairs[1].full, PHYSMAP_BASE + MIB(32) - PAGE_SIZE, &leaf));
	CHECK(leaf.prot == PG_WRITE);
	/* What no memory map names. */
	CHECK(space_reach_firmware(HPA(GIB(3)), PAGE_SIZE + 1));
	CHECK(pgtable_walk(&pairs[1].full, PHYSMAP_BASE + GIB(3) + PAGE_SIZE, &leaf));
	CHECK(!pgtable_walk(&pairs[1].full, PHYSMAP_BASE + GIB(3) + 2 * PAGE_SIZE, &leaf));
	for (unsigned i = 0; i < CPUS; i++)
		CHECK(check(i, &what) == 0);
}

TEST(firmware_out_of_reach)
{
	uint64_t at = GIB(4);

	start();
	CHECK(!space_reach_firmware(HPA(MIB(16)), 1)); /* code: mapped elsewhere, read-only */
	CHECK(!space_reach_firmware(HPA(GIB(512)), 1));
	CHECK(!space_reach_firmware(HPA(GIB(512) - 8), 16));
	CHECK(!space_reach_firmware(HPA(UINT64_MAX - 100), 200));
	CHECK(!space_reach_firmware(HPA(GIB(2)), 0));
	CHECK(!space_reach_firmware(HPA(GIB(2)), UINT64_MAX));
	/* Not without end. */
	while (at < GIB(8) && space_reach_firmware(HPA(at), MIB(1)))
		at += MIB(1);
	CHECK(at > GIB(4) && at <= GIB(4) + MIB(16));
	CHECK(space_reach_firmware(HPA(GIB(4)), MIB(1)));
}

static uint64_t free_bytes(void)
{
	struct frames_stats stats;

	frames_stats(&stats);
	return stats.free_bytes;
}

/* Is any page of the image from @from to @end there, in any map of any CPU? */
static bool image_shows(uint64_t from, uint64_t end)
{
	struct pg_leaf leaf;
	bool shows = false;

	for (uint64_t at = from; at < end; at += PAGE_SIZE)
		for (unsigned i = 0; i < CPUS; i++)
			shows |= pgtable_walk(&pairs[i].full, image.link_base + at, &leaf) ||
				 pgtable_walk(&pairs[i].restricted, image.link_base + at, &leaf);
	return shows;
}

TEST(the_boots_part_of_the_image_goes)
{
	const uint64_t constants = image.boot_rodata_end - image.boot_text_start,
		       variables = image.boot_data_end - image.boot_data_start;
	uint64_t before, alias = PHYSMAP_BASE + MIB(16) + image.boot_text_start;
	const char *what = NULL;
	struct pg_leaf leaf;

	start();
	/* Until then full has it, and restricted has nothing of it. */
	for (uint64_t at = 0; at < image.data_end; at += PAGE_SIZE)
		CHECK(pgtable_walk(&pairs[0].full, image.link_base + at, &leaf));
	CHECK(pgtable_walk(&pairs[1].full, image.link_base + image.boot_text_start, &leaf) &&
	      leaf.prot == PG_EXEC);
	CHECK(pgtable_walk(&pairs[1].full, image.link_base + image.boot_rodata_start, &leaf) &&
	      leaf.prot == 0);
	CHECK(pgtable_walk(&pairs[1].full, image.link_base + image.boot_data_start, &leaf) &&
	      leaf.prot == PG_WRITE);
	CHECK(!pgtable_walk(&pairs[1].restricted, image.link_base + image.boot_text_start, &leaf));
	CHECK(!pgtable_walk(&pairs[1].restricted, image.link_base + image.boot_data_start, &leaf));
	CHECK(!pgtable_walk(&pairs[1].full, alias, &leaf));
	CHECK(check(0, &what) == 0);

	CHECK(space_boot_unmap() == 0);
	CHECK(!image_shows(image.boot_text_start, image.boot_rodata_end));
	CHECK(!image_shows(image.boot_data_start, image.boot_data_end));
	/* Nobody writes what others may still run. */
	CHECK(!pgtable_walk(&pairs[1].full, alias, &leaf));
	CHECK(check(0, &what) == 0);

	before = free_bytes();
	CHECK(space_boot_free() == constants + variables);
	CHECK(free_bytes() == before + constants + variables);
	CHECK(!image_shows(image.boot_text_start, image.boot_rodata_end));
	CHECK(!image_shows(image.boot_data_start, image.boot_data_end));
	for (uint64_t at = 0; at < constants; at += PAGE_SIZE)
		CHECK(pgtable_walk(&pairs[2].full, alias + at, &leaf) && leaf.prot == PG_WRITE);
	for (uint64_t at = 0; at < image.data_end; at += PAGE_SIZE)
		if (frames_class(HPA(MIB(16) + at)) == MEM_BOOT)
			CHECK(pgtable_walk(&pairs[0].full, image.link_base + at, &leaf));
	CHECK(!space_image_has(image.link_base + image.boot_data_start, 1));
	CHECK(space_image_has(image.link_base + image.data_start, 1));
	for (unsigned i = 0; i < CPUS; i++)
		CHECK(check(i, &what) == 0);
}

TEST(guard_pages_are_absent)
{
	struct pg_leaf leaf;

	start();
	CHECK(pgtable_walk(&pairs[1].restricted, CPU_BASE + 2 * PAGE_SIZE, &leaf));
	CHECK(!pgtable_walk(&pairs[1].full, CPU_BASE + 3 * PAGE_SIZE, &leaf));
}

TEST(global_allocations_are_apart_and_seen_by_all)
{
	struct pg_leaf restricted, full;

	start();
	for (unsigned i = 1; i < 20; i++) {
		uint64_t va = (uint64_t)space_global_alloc(i * KIB(1), REASON_STATISTICS);
		uint64_t end = va + ALIGN_UP(i * KIB(1), PAGE_SIZE);

		for (uint64_t at = va; at < end; at += PAGE_SIZE) {
			CHECK(pgtable_walk(&pairs[2].restricted, at, &restricted));
			CHECK(pgtable_walk(&pairs[0].full, at, &full));
			CHECK(restricted.hpa.v == full.hpa.v && full.prot == PG_WRITE);
			CHECK(frames_class(full.hpa) == MEM_GLOBAL);
			CHECK(frames_owner(full.hpa) == REASON_STATISTICS);
		}
		CHECK(!pgtable_walk(&pairs[0].full, end, &full));
		CHECK(va == GLOBAL_BASE || !pgtable_walk(&pairs[0].full, va - 1, &full));
	}
}

/* Thousands of random steps, and after each the invariants hold on every CPU. */
TEST(restricted_stays_within_full_whatever_happens)
{
	uint64_t seed = 7;
	unsigned globals = 0;

	start();
	for (unsigned step = 0; step < 3000; step++) {
		uint64_t r = unit_random(&seed);
		unsigned vm = (unsigned)(r >> 8) % VMS, cpu = (unsigned)(r >> 16) % CPUS;
		const char *what = NULL;

		switch (r % 6) {
		case 0:
			if (!window_exists[vm])
				create_window(vm);
			break;
		case 1:
			if (window_exists[vm] && (r & BIT(40)))
				destroy_window(vm);
			break;
		case 2:
		case 3:
			if (window_exists[vm]) {
				space_window_set(&pairs[cpu], &windows[vm]);
				current_vm[cpu] = (int)vm;
			}
			break;
		case 4:
			space_window_set(&pairs[cpu], NULL);
			current_vm[cpu] = -1;
			break;
		default:
			if (globals < 100) {
				CHECK(space_global_alloc(1 + (r >> 20) % 9000,
							 (enum mem_reason)(r >> 50) %
								 REASON_COUNT));
				globals++;
			}
			break;
		}
		for (unsigned i = 0; i < CPUS; i++) {
			if (check(i, &what))
				printf("step %u: CPU %u: %s\n", step, i, what);
			CHECK(!what);
		}
		for (unsigned i = 0; i < VMS; i++)
			CHECK(!window_exists[i] || audit_window(i, &what).violations == 0);
	}
}

TEST(memory_is_no_device)
{
	struct pg_leaf leaf;
	uint64_t registers, screen;

	start();
	CHECK(!space_global_mmio(HPA(MIB(8)), PAGE_SIZE));
	CHECK(!space_global_mmio(HPA(MIB(16)), PAGE_SIZE));
	CHECK(!space_full_mmio(HPA(MIB(16) - 4), 8, true));
	registers = (uint64_t)space_global_mmio(HPA(0xfee00020), 0x10);
	CHECK(registers && registers % PAGE_SIZE == 0x20);
	CHECK(pgtable_walk(&pairs[2].restricted, registers, &leaf));
	CHECK(leaf.hpa.v == 0xfee00020 && leaf.prot == (PG_WRITE | PG_UC));
	screen = (uint64_t)space_full_mmio(HPA(GIB(3)), MIB(4), true);
	CHECK(!pgtable_walk(&pairs[2].restricted, screen, &leaf));
	CHECK(pgtable_walk(&pairs[2].full, screen + MIB(4) - 1, &leaf));
	CHECK(leaf.hpa.v == GIB(3) + MIB(4) - 1 && leaf.prot == (PG_WRITE | PG_WC));
	CHECK(!pgtable_walk(&pairs[2].full, screen + MIB(4), &leaf));
}

TEST(nothing_leaves_its_region)
{
	void *first;

	start();
	create_window(0);
	CHECK(space_window_map_ram(&windows[0], GPA(GUEST_SPAN - PAGE_SIZE), HPA(0),
				   2 * PAGE_SIZE) == -E_RANGE);
	CHECK(space_window_map_ram(&windows[0], GPA(GUEST_SPAN), HPA(0), PAGE_SIZE) == -E_RANGE);
	CHECK(space_window_map_ram(&windows[0], GPA(-PAGE_SIZE), HPA(0), 2 * PAGE_SIZE) ==
	      -E_RANGE);
	CHECK(space_window_alloc(&windows[0], GUEST_BASE + GIB(1), 1, &first) == -E_RANGE);
	CHECK(space_window_alloc(&windows[0], CPU_BASE, 1, &first) == -E_RANGE);
	CHECK(space_cpu_alloc(&pairs[0], 0, GLOBAL_BASE, 1, &first) == -E_RANGE);
	CHECK(!space_global_alloc(GIB(64), REASON_STATISTICS));
	CHECK(!space_global_alloc(0, REASON_STATISTICS));
}

/* Takes everything but @spare frames. */
static void hoard(unsigned spare)
{
	static hpa_t kept[64];
	unsigned count = 0;

	for (hpa_t hpa = frames_alloc(0, MEM_SENSITIVE, 0); !hpa_is_none(hpa);
	     hpa = frames_alloc(0, MEM_SENSITIVE, 0))
		if (count < spare)
			kept[count++] = hpa;
	while (count)
		frames_free(kept[--count], 0);
}

TEST(what_finds_no_memory_gives_back_what_it_took)
{
	for (unsigned spare = 0; spare < 10; spare++) {
		struct space_window window = { .vm_id = 0 };
		struct space_pair pair;
		const char *what = NULL;
		uint64_t before;
		void *first;

		start();
		hoard(spare);
		before = free_bytes();
		CHECK(before == spare * PAGE_SIZE);
		if (space_pair_create(&pair, 9)) {
			CHECK(spare < 3);
			CHECK(free_bytes() == before);
		} else {
			CHECK(free_bytes() == before - 3 * PAGE_SIZE);
		}

		before = free_bytes();
		if (space_window_create(&window, 3)) {
			CHECK(free_bytes() == before);
			continue;
		}
		/* Two pages and two tables, if they are to be had; a table that was is kept. */
		if (space_window_alloc(&window, VM_PRIV_BASE, 2, &first))
			CHECK(free_bytes() + 4 * PAGE_SIZE >= before);
		else
			CHECK(free_bytes() == before - 6 * PAGE_SIZE);
		space_window_destroy(&window, NULL);
		CHECK(free_bytes() == before);
		CHECK(check(0, &what) == 0);
	}
}

TEST(a_destroyed_window_returns_all_but_the_ram)
{
	uint64_t before;

	start();
	before = free_bytes();
	create_window(2);
	CHECK(free_bytes() < before - PAGE_SIZE_2M);
	destroy_window(2);
	CHECK(free_bytes() == before);
	CHECK(frames_class(chunks[2]) == MEM_FREE);
}

UNIT_MAIN
