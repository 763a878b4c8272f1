/* unit-sources: mm/pgtable.c mm/frames.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_memory.h"
#include "mm/pgtable.h"
#include "hv/base/errno.h"

#define BASE 0xffff900000000000ULL
#define PAGES 2048 /* 8 MiB of virtual pages that the model follows */

static struct {
	bool mapped;
	uint64_t hpa;
	unsigned prot;
} model[PAGES];

static void check_model(const struct pgtable *pt, uint64_t base)
{
	for (unsigned i = 0; i < PAGES; i++) {
		struct pg_leaf leaf;
		bool found = pgtable_walk(pt, base + i * PAGE_SIZE + 0x123, &leaf);

		CHECK(found == model[i].mapped);
		if (found && model[i].mapped) {
			CHECK(leaf.hpa.v == model[i].hpa + 0x123);
			CHECK(leaf.prot == model[i].prot);
		}
	}
}

static bool model_overlaps(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		if (model[i].mapped)
			return true;
	return false;
}

static void random_mappings(enum pg_format format, unsigned max_level, uint64_t base)
{
	static const unsigned prots[] = { 0, PG_WRITE, PG_EXEC, PG_WRITE | PG_UC,
					  PG_WRITE | PG_WC };
	const unsigned slot = PML4_SLOT(base);
	struct pgtable pt;
	uint64_t seed = 42;
	unsigned unmapped = 0;

	fake_memory_reset();
	frames_init(&fake_boot);
	memset(model, 0, sizeof(model));
	CHECK(pgtable_create(&pt, format, max_level) == 0);
	for (unsigned step = 0; step < 1500; step++) {
		uint64_t r = unit_random(&seed);
		unsigned first = (unsigned)(r >> 8) % PAGES,
			 count = 1 + (unsigned)(r >> 24) % (r & 2 ? 8 : 1200);
		uint64_t hpa = ((r >> 40) % 4096) * PAGE_SIZE;
		unsigned prot = prots[(r >> 4) % 5];
		int err;

		if (r & 8) { /* alignment that large leaves can use */
			first &= ~511U;
			hpa &= ~(PAGE_SIZE_2M - 1);
		}
		if (first + count > PAGES)
			count = PAGES - first;
		if (r & 1) {
			err = pgtable_map(&pt, base + first * PAGE_SIZE, HPA(hpa),
					  count * PAGE_SIZE, prot);
			CHECK(err == (model_overlaps(first, count) ? -E_EXIST : 0));
			for (unsigned i = 0; i < count && !err; i++) {
				model[first + i].mapped = true;
				model[first + i].hpa = hpa + i * PAGE_SIZE;
				model[first + i].prot = prot;
			}
		} else if (r % 32 == 16 && max_level == 1) {
			/* Whole or not at all; with large leaves the model does not know. */
			bool whole = true;

			count = 1 + count % 4;
			if (first + count > PAGES)
				count = PAGES - first;
			for (unsigned i = first; i < first + count; i++)
				whole &= model[i].mapped;
			err = pgtable_unmap(&pt, base + first * PAGE_SIZE, count * PAGE_SIZE);
			CHECK(err == (whole ? 0 : -E_NOENT));
			unmapped += whole;
			for (unsigned i = first; i < first + count && whole; i++)
				model[i].mapped = false;
		} else if (r % 32 == 0) {
			pgtable_destroy(&pt, &slot, 1, NULL);
			CHECK(pgtable_create(&pt, format, max_level) == 0);
			memset(model, 0, sizeof(model));
		}
		if (step % 50 == 0)
			check_model(&pt, base);
	}
	check_model(&pt, base);
	CHECK(unmapped > 5 || max_level > 1);
}

TEST(host_tables_follow_a_model)
{
	random_mappings(PG_HOST, 2, BASE);
}

TEST(host_tables_with_small_pages_only)
{
	random_mappings(PG_HOST, 1, BASE);
}

TEST(ept_follows_a_model)
{
	random_mappings(PG_EPT, 2, 0);
}

TEST(large_leaves_are_used_where_they_fit)
{
	struct pgtable pt;
	struct pg_leaf leaf;

	fake_memory_reset();
	frames_init(&fake_boot);
	pgtable_create(&pt, PG_HOST, 3);
	CHECK(pgtable_map(&pt, BASE, HPA(GIB(1)), GIB(2) + MIB(2) + PAGE_SIZE, PG_WRITE) == 0);
	CHECK(pgtable_walk(&pt, BASE + GIB(1), &leaf) && leaf.level == 3);
	CHECK(pgtable_walk(&pt, BASE + GIB(2), &leaf) && leaf.level == 2);
	CHECK(pgtable_walk(&pt, BASE + GIB(2) + MIB(2), &leaf) && leaf.level == 1);
	/* Where a table of small pages is in its place, one leaf becomes many. */
	CHECK(pgtable_prepare(&pt, BASE + GIB(8) + PAGE_SIZE, HPA(0), PAGE_SIZE) == 0);
	CHECK(!pgtable_walk(&pt, BASE + GIB(8) + PAGE_SIZE, &leaf));
	CHECK(pgtable_map(&pt, BASE + GIB(8), HPA(GIB(1)), GIB(1), PG_WRITE) == 0);
	CHECK(pgtable_walk(&pt, BASE + GIB(8) + MIB(2) - 1, &leaf) && leaf.level == 1);
	CHECK(pgtable_walk(&pt, BASE + GIB(8) + MIB(2), &leaf) && leaf.level == 2);
	CHECK(leaf.hpa.v == GIB(1) + MIB(2));
}

TEST(what_is_unmapped_is_gone_with_its_address)
{
	struct pgtable pt;
	struct pg_leaf leaf;

	fake_memory_reset();
	frames_init(&fake_boot);
	pgtable_create(&pt, PG_HOST, 2);
	CHECK(pgtable_map(&pt, BASE, HPA(MIB(2)), MIB(4) + 2 * PAGE_SIZE, PG_WRITE) == 0);
	/* A large leaf goes as a whole. */
	CHECK(pgtable_unmap(&pt, BASE + MIB(2), PAGE_SIZE) == -E_NOENT);
	CHECK(pgtable_unmap(&pt, BASE + PAGE_SIZE, MIB(2)) == -E_NOENT);
	CHECK(pgtable_unmap(&pt, BASE + MIB(2), MIB(2) + 3 * PAGE_SIZE) == -E_NOENT);
	CHECK(pgtable_walk(&pt, BASE + MIB(2), &leaf));
	CHECK(pgtable_unmap(&pt, BASE + MIB(2), MIB(2) + PAGE_SIZE) == 0);
	CHECK(!pgtable_walk(&pt, BASE + MIB(2), &leaf));
	CHECK(!pgtable_walk(&pt, BASE + MIB(4), &leaf));
	CHECK(pgtable_walk(&pt, BASE + MIB(2) - 1, &leaf));
	CHECK(pgtable_walk(&pt, BASE + MIB(4) + PAGE_SIZE, &leaf));
	CHECK(pgtable_absent_names(pt.root).v == 0);
	for (unsigned level = 0, slot = PML4_SLOT(BASE); level < 3; level++, slot = 0) {
		const uint64_t *t = hpa_to_ptr(level ? HPA(leaf.hpa.v) : pt.root);

		leaf.hpa = HPA(t[level == 2 ? 2 : slot] & 0xffffffffff000ULL);
		CHECK(pgtable_absent_names(leaf.hpa).v == 0);
	}
	/* There is room for something else. */
	CHECK(pgtable_map(&pt, BASE + MIB(2), HPA(MIB(8)), MIB(2), PG_EXEC) == 0);
}

TEST(entries_are_what_the_processor_wants)
{
	struct pgtable host, ept;
	const uint64_t *t;

	fake_memory_reset();
	frames_init(&fake_boot);
	pgtable_create(&host, PG_HOST, 2);
	pgtable_map(&host, 0, HPA(MIB(2)), MIB(2), PG_WRITE);
	t = hpa_to_ptr(host.root);
	for (unsigned level = 0; level < 2; level++)
		t = hpa_to_ptr(HPA(t[0] & 0xffffffffff000ULL));
	/* Present, writable, accessed, dirty, large, no-execute (SDM table 4-18). */
	CHECK(t[0] == (0x80000000000000e3ULL | MIB(2)));
	/* Device memory is PAT entry 3 (UC), a framebuffer entry 1 (WC), and nothing is global or
	 * the user's. */
	pgtable_map(&host, MIB(2), HPA(MIB(4)), MIB(2), PG_WRITE | PG_UC);
	pgtable_map(&host, MIB(4), HPA(MIB(6)), MIB(2), PG_WC);
	pgtable_map(&host, MIB(6), HPA(MIB(8)), MIB(2), PG_EXEC);
	CHECK(t[1] == (0x80000000000000fbULL | MIB(4)));
	CHECK(t[2] == (0x80000000000000e9ULL | MIB(6)));
	CHECK(t[3] == (0xe1ULL | MIB(8)));
	CHECK(t[4] == 0);
	pgtable_create(&ept, PG_EPT, 2);
	pgtable_map(&ept, 0, HPA(MIB(2)), MIB(2), PG_WRITE | PG_EXEC);
	t = hpa_to_ptr(ept.root);
	for (unsigned level = 0; level < 2; level++)
		t = hpa_to_ptr(HPA(t[0] & 0xffffffffff000ULL));
	/* Read, write, execute, write-back, large (SDM table 28-5). */
	CHECK(t[0] == (0xb7ULL | MIB(2)));
	CHECK(t[1] == 0);
}

TEST(destroying_gives_every_table_back)
{
	struct frames_stats before, after;
	struct pgtable pt;
	unsigned slot = PML4_SLOT(BASE);

	fake_memory_reset();
	frames_init(&fake_boot);
	frames_stats(&before);
	pgtable_create(&pt, PG_HOST, 2);
	pgtable_map(&pt, BASE, HPA(0), MIB(5) + PAGE_SIZE, PG_WRITE);
	pgtable_map(&pt, BASE + GIB(3), HPA(0), MIB(1), PG_WRITE);
	pgtable_destroy(&pt, &slot, 1, NULL);
	frames_stats(&after);
	CHECK(before.free_bytes == after.free_bytes);
}

UNIT_MAIN
