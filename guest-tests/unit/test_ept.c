/* unit-sources: mm/pgtable.c mm/frames.c */
/* SPDX-License-Identifier: MIT */
/*
 * EPT entries as the processor reads them: a decoder of its own, written from SDM 28.3.2, goes over
 * every entry of tables under random operations. And what both formats refuse.
 */
#include "guest-tests/unit/fake_memory.h"
#include "hv/base/errno.h"
#include "mm/pgtable.h"

#define PAGES 4096 /* 16 MiB of guest-physical pages that the model follows */

struct page {
	bool mapped;
	uint64_t hpa;
	unsigned prot;
};

static struct page model[PAGES];

/* What the raw entries say about one range: pages found, and the first thing that is wrong. */
struct survey {
	uint64_t pages, tables;
	const char *wrong;
};

static void survey_leaf(struct survey *survey, uint64_t entry, unsigned level, uint64_t gpa)
{
	static const unsigned types[8] = { PG_UC, PG_WC, ~0U, ~0U, ~0U, ~0U, 0, ~0U };
	uint64_t size = PAGE_SIZE << (9 * (level - 1));
	uint64_t base = entry & 0x000ffffffffff000ULL;

	if (level > 1 && !(entry & BIT(7)))
		survey->wrong = "a large leaf without bit 7";
	if (level == 1 && (entry & BIT(7)))
		survey->wrong = "bit 7 in a small leaf";
	if (base & (size - 1))
		survey->wrong = "reserved address bits in a large leaf";
	if (entry & ~(0x000ffffffffff000ULL | 0xbf))
		survey->wrong = "a bit that nobody asked for (ignore PAT, dirty, #VE ...)";
	if (types[entry >> 3 & 7] == ~0U)
		survey->wrong = "a memory type that EPT has not";
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++) {
		uint64_t n = gpa / PAGE_SIZE + i;
		unsigned prot = types[entry >> 3 & 7];

		prot |= entry & BIT(1) ? PG_WRITE : 0;
		prot |= entry & BIT(2) ? PG_EXEC : 0;
		if (n >= PAGES || !model[n].mapped)
			survey->wrong = "a page that is not in the model";
		else if (model[n].hpa != base + i * PAGE_SIZE || model[n].prot != prot)
			survey->wrong = "another translation than the model's";
		survey->pages++;
	}
}

static void survey_table(struct survey *survey, uint64_t table, unsigned level, uint64_t gpa)
{
	const uint64_t *entries = hpa_to_ptr(HPA(table));

	survey->tables++;
	for (unsigned i = 0; i < 512; i++) {
		uint64_t entry = entries[i], at = gpa + i * (PAGE_SIZE << (9 * (level - 1)));

		if (!(entry & 7)) {
			if (entry)
				survey->wrong = "an absent entry that is not all zero";
		} else if (!(entry & 1)) {
			survey->wrong = "writable or executable but not readable";
		} else if (level == 1 || (entry & BIT(7))) {
			survey_leaf(survey, entry, level, at);
		} else {
			if ((entry & 0xfff) != 7)
				survey->wrong =
					"a table with less than all rights, or reserved bits";
			if (frames_class(HPA(entry)) != MEM_SENSITIVE)
				survey->wrong = "a table that is not sensitive memory";
			survey_table(survey, entry & 0x000ffffffffff000ULL, level - 1, at);
		}
	}
}

static uint64_t free_bytes(void)
{
	struct frames_stats stats;

	frames_stats(&stats);
	return stats.free_bytes;
}

static bool model_is_free(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		if (model[i].mapped)
			return false;
	return true;
}

static int map(struct pgtable *ept, unsigned first, unsigned count, uint64_t hpa, unsigned prot)
{
	int expected = model_is_free(first, count) ? 0 : -E_EXIST;
	int err = pgtable_map(ept, first * PAGE_SIZE, HPA(hpa), count * PAGE_SIZE, prot);

	CHECK(err == expected);
	for (unsigned i = 0; i < count && !err; i++)
		model[first + i] = (struct page){ true, hpa + i * PAGE_SIZE, prot };
	return err;
}

/* Only a large leaf can be split, and nothing but its size and its rights changes. */
static void split(struct pgtable *ept, unsigned page, unsigned prot)
{
	struct pg_leaf leaf;
	bool large = pgtable_walk(ept, page * PAGE_SIZE, &leaf) && leaf.level == 2;

	hpa_t table = frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE);

	CHECK(pgtable_split(ept, page * PAGE_SIZE + 0x777, prot, table) == (large ? 0 : -E_NOENT));
	if (!large)
		frames_free(table, 0);
	for (unsigned i = page & ~511U; large && i <= (page | 511); i++)
		model[i].prot = prot;
	CHECK(!pgtable_walk(ept, page * PAGE_SIZE, &leaf) || leaf.level == 1 || !large);
}

static void check_all(const struct pgtable *ept)
{
	struct survey survey = { 0, 0, NULL };
	uint64_t expected = 0;

	for (unsigned i = 0; i < PAGES; i++)
		expected += model[i].mapped;
	survey_table(&survey, ept->root.v, 4, 0);
	if (survey.wrong)
		printf("%s\n", survey.wrong);
	CHECK(!survey.wrong);
	CHECK(survey.pages == expected);
}

static void start(struct pgtable *ept, unsigned max_level)
{
	fake_memory_reset();
	CHECK(frames_init(&fake_boot) == 0);
	memset(model, 0, sizeof(model));
	CHECK(pgtable_create(ept, PG_EPT, max_level) == 0);
}

static const unsigned slot = 0;

static void start_again(struct pgtable *ept)
{
	unsigned max_level = ept->max_level;

	pgtable_destroy(ept, &slot, 1, NULL);
	CHECK(pgtable_create(ept, PG_EPT, max_level) == 0);
	memset(model, 0, sizeof(model));
}

static void random_operations(unsigned max_level, uint64_t seed)
{
	static const unsigned prots[] = { PG_WRITE | PG_EXEC, 0, PG_EXEC, PG_WRITE | PG_UC,
					  PG_WRITE | PG_EXEC | PG_WC };
	struct pgtable ept;
	uint64_t before;

	start(&ept, max_level);
	before = free_bytes() + PAGE_SIZE;
	for (unsigned step = 0; step < 3000; step++) {
		uint64_t r = unit_random(&seed);
		unsigned first = (unsigned)(r >> 8) % PAGES;
		unsigned count = 1 + (unsigned)(r >> 24) % (r & 2 ? 16 : 1500);
		uint64_t hpa = (r >> 40) % 65536 * PAGE_SIZE;

		if (r & 8) {
			first &= ~511U;
			hpa &= ~(PAGE_SIZE_2M - 1);
		}
		if (count > PAGES - first)
			count = PAGES - first;
		if (r % 16 == 6)
			split(&ept, first, prots[(r >> 4) % ARRAY_SIZE(prots)]);
		else if (r & 1)
			map(&ept, first, count, hpa, prots[(r >> 4) % ARRAY_SIZE(prots)]);
		else if (r % 32 == 0)
			start_again(&ept);
		if (step % 10 == 0)
			check_all(&ept);
	}
	check_all(&ept);
	pgtable_destroy(&ept, &slot, 1, NULL);
	CHECK(free_bytes() == before);
}

TEST(ept_entries_with_large_pages)
{
	for (uint64_t seed = 1; seed < 5; seed++)
		random_operations(2, seed);
}

TEST(ept_entries_with_small_pages_only)
{
	random_operations(1, 99);
}

TEST(guest_memory_takes_one_leaf_per_2_mib)
{
	struct survey survey = { 0, 0, NULL };
	struct pgtable ept;

	start(&ept, 2);
	map(&ept, 0, PAGES, MIB(64), PG_WRITE | PG_EXEC);
	survey_table(&survey, ept.root.v, 4, 0);
	CHECK(survey.tables == 3);
}

static int for_each(const struct pgtable *pt,
		    int (*leaf)(uint64_t va, uint64_t size, const struct pg_leaf *leaf,
				void *context),
		    void *context)
{
	const struct pgtable_visitor visitor = { .leaf = leaf };

	return pgtable_go_on(pt, &(struct pgtable_place){ 0 }, &visitor, context);
}

static int note_address(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	(void)size;
	(void)leaf;
	*(uint64_t *)context = va;
	return 0;
}

TEST(high_guest_physical_addresses_have_no_sign)
{
	struct pgtable table;
	uint64_t seen = 0;

	start(&table, 2);
	CHECK(pgtable_map(&table, BIT(47) + MIB(2), HPA(0), PAGE_SIZE, 0) == 0);
	CHECK(for_each(&table, note_address, &seen) == 0);
	CHECK(seen == BIT(47) + MIB(2));
	CHECK(pgtable_create(&table, PG_HOST, 2) == 0);
	CHECK(pgtable_map(&table, 0xffff800000200000ULL, HPA(0), PAGE_SIZE, 0) == 0);
	CHECK(for_each(&table, note_address, &seen) == 0);
	CHECK(seen == 0xffff800000200000ULL);
}

static int stop_at_second(uint64_t va, uint64_t size, const struct pg_leaf *leaf, void *context)
{
	(void)va;
	(void)size;
	(void)leaf;
	return ++*(int *)context == 2 ? 77 : 0;
}

TEST(a_visitor_can_stop)
{
	struct pgtable ept;
	int count = 0;

	start(&ept, 1);
	map(&ept, 10, 5, MIB(1), 0);
	CHECK(for_each(&ept, stop_at_second, &count) == 77);
	CHECK(count == 2);
}

TEST(ranges_that_cannot_be_right_are_refused)
{
	struct pgtable ept;

	start(&ept, 2);
	CHECK(pgtable_map(&ept, 0, HPA(0), 0, 0) == -E_INVAL);
	CHECK(pgtable_map(&ept, 1, HPA(0), PAGE_SIZE, 0) == -E_INVAL);
	CHECK(pgtable_map(&ept, 0, HPA(0x800), PAGE_SIZE, 0) == -E_INVAL);
	CHECK(pgtable_map(&ept, 0, HPA(0), PAGE_SIZE + 8, 0) == -E_INVAL);
	CHECK(pgtable_map(&ept, 0, HPA_NONE, PAGE_SIZE, 0) == -E_INVAL);
	CHECK(pgtable_map(&ept, 0, HPA(BIT(52)), PAGE_SIZE, 0) == -E_INVAL);
	CHECK(pgtable_map(&ept, -PAGE_SIZE, HPA(0), 2 * PAGE_SIZE, 0) == -E_INVAL);
	CHECK(pgtable_prepare(&ept, -PAGE_SIZE, HPA(0), 2 * PAGE_SIZE) == -E_INVAL);
	CHECK(pgtable_prepare(&ept, 0, HPA(0), 1) == -E_INVAL);
	check_all(&ept);
}

TEST(what_was_prepared_can_be_mapped_without_memory)
{
	for (unsigned max_level = 1; max_level < 3; max_level++) {
		struct pgtable ept;
		struct pg_leaf leaf;

		start(&ept, max_level);
		CHECK(pgtable_prepare(&ept, GIB(5), HPA(0), PAGE_SIZE_2M) == 0);
		while (!hpa_is_none(frames_alloc(0, MEM_SENSITIVE, 0)))
			;
		CHECK(pgtable_prepare(&ept, GIB(7), HPA(0), PAGE_SIZE_2M) == -E_NOMEM);
		CHECK(!pgtable_walk(&ept, GIB(5), &leaf));
		CHECK(pgtable_map(&ept, GIB(5), HPA(MIB(4)), PAGE_SIZE_2M, PG_WRITE) == 0);
		CHECK(pgtable_walk(&ept, GIB(5), &leaf) && leaf.level == max_level);
		CHECK(pgtable_prepare(&ept, GIB(5), HPA(0), PAGE_SIZE) == -E_EXIST);
	}
}

/* With 0, 1, 2 ... tables left: either all of a mapping or nothing of it. */
TEST(a_mapping_without_memory_leaves_nothing_behind)
{
	for (unsigned spare = 0; spare < 12; spare++) {
		hpa_t hoard[16], base;
		struct pgtable ept;
		uint64_t before;
		int err;

		start(&ept, 2);
		for (unsigned i = 0; i < spare; i++)
			hoard[i] = frames_alloc(0, MEM_SENSITIVE, 0);
		for (base = hoard[0]; !hpa_is_none(base);)
			base = frames_alloc(0, MEM_SENSITIVE, 0);
		for (unsigned i = 0; i < spare; i++)
			frames_free(hoard[i], 0);
		before = free_bytes();
		/* Root's child, one directory, and a table of small pages for each 2 MiB. */
		err = pgtable_map(&ept, MIB(1), HPA(PAGE_SIZE), MIB(14), PG_WRITE);
		if (spare >= 2 + 8) {
			CHECK(err == 0);
			CHECK(before - free_bytes() == 10 * PAGE_SIZE);
			continue;
		}
		CHECK(err == -E_NOMEM);
		check_all(&ept);
		/* Nothing shows; what was made of tables is there for the next try, and goes with
		 * the root. */
		CHECK(free_bytes() == 0);
		pgtable_destroy(&ept, &slot, 1, NULL);
		CHECK(free_bytes() == before + PAGE_SIZE);
	}
}

UNIT_MAIN
