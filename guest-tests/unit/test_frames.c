/* unit-sources: mm/frames.c hv/lib/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_memory.h"
#include "mm/frames.h"

#define FRAMES (FAKE_MEMORY_SIZE / PAGE_SIZE)
#define MAX_BLOCKS 4096

struct block {
	hpa_t base;
	unsigned order;
	enum mem_class class;
	uint16_t owner;
};

static uint64_t free_bytes(void)
{
	struct frames_stats stats;

	frames_stats(&stats);
	return stats.free_bytes;
}

static bool is_zero(hpa_t base, uint64_t size)
{
	const uint8_t *p = hpa_to_ptr(base);

	for (uint64_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

TEST(frames_come_zeroed_and_aligned)
{
	fake_memory_reset();
	CHECK(frames_init(&fake_boot) == 0);
	for (unsigned order = 0; order <= FRAMES_MAX_ORDER; order++) {
		hpa_t base = frames_alloc(order, MEM_SENSITIVE, 0);

		CHECK(!hpa_is_none(base));
		CHECK(base.v % (PAGE_SIZE << order) == 0);
		CHECK(is_zero(base, PAGE_SIZE << order));
	}
}

TEST(freed_frames_are_scrubbed_at_once)
{
	fake_memory_reset();
	frames_init(&fake_boot);
	hpa_t base = frames_alloc(3, MEM_VM, 7);

	memset(hpa_to_ptr(base), 0x77, PAGE_SIZE << 3);
	frames_free(base, 3);
	CHECK(is_zero(base, PAGE_SIZE << 3));
	CHECK(frames_class(base) == MEM_FREE);
}

TEST(nothing_outside_ram_is_handed_out)
{
	fake_memory_reset();
	frames_init(&fake_boot);
	for (;;) {
		hpa_t base = frames_alloc(0, MEM_SENSITIVE, 0);

		if (hpa_is_none(base))
			break;
		CHECK(base.v >= MIB(1) && base.v < FAKE_MEMORY_SIZE);
		CHECK(base.v < MIB(16) || base.v >= MIB(17));
		CHECK(base.v != MIB(32));
	}
	CHECK(free_bytes() == 0);
	CHECK(frames_class(HPA(KIB(700))) == MEM_NONE);
	CHECK(frames_class(HPA(MIB(16))) == MEM_BOOT);
	CHECK(frames_class(HPA(MIB(32))) == MEM_NONE);
	CHECK(frames_class(HPA(GIB(64))) == MEM_NONE);
}

TEST(the_trampoline_page_is_low_and_never_zero)
{
	fake_memory_reset();
	frames_init(&fake_boot);
	CHECK(frames_trampoline().v >= PAGE_SIZE && frames_trampoline().v < MIB(1));
	CHECK(is_zero(frames_trampoline(), PAGE_SIZE));
}

TEST(too_little_memory_is_an_error)
{
	fake_memory_reset();
	fake_boot.range_count = 1; /* 640 KiB */
	CHECK(frames_init(&fake_boot) < 0);
}

TEST(reclaimed_files_join_the_pool_dirty)
{
	uint64_t before;

	fake_memory_reset();
	fake_boot.ranges[4].type = BOOT_RANGE_FILE;
	frames_init(&fake_boot);
	CHECK(frames_class(HPA(MIB(20))) == MEM_BOOT);
	before = free_bytes();
	frames_reclaim(HPA(MIB(17)), MIB(15));
	CHECK(free_bytes() == before + MIB(15));
	for (hpa_t base = frames_alloc(0, MEM_GLOBAL, 0); !hpa_is_none(base);
	     base = frames_alloc(0, MEM_GLOBAL, 0))
		CHECK(is_zero(base, PAGE_SIZE));
}

/* Against a map of who has what: no overlap, class and owner as asked, all comes back. */
TEST(random_operations_keep_every_promise)
{
	static struct block blocks[MAX_BLOCKS];
	static uint16_t taken[FRAMES];
	unsigned count = 0;
	uint64_t seed = 1, at_start;

	fake_memory_reset();
	frames_init(&fake_boot);
	at_start = free_bytes();
	memset(taken, 0, sizeof(taken));
	for (unsigned step = 0; step < 60000; step++) {
		uint64_t r = unit_random(&seed);

		if ((r & 1) && count < MAX_BLOCKS) {
			struct block b = { .order = (r >> 8) % (r & 2 ? 4 : FRAMES_MAX_ORDER + 1),
					   .class = r & 4 ? MEM_VM : MEM_CPU,
					   .owner = (uint16_t)(r >> 32) };

			b.base = frames_alloc(b.order, b.class, b.owner);
			if (hpa_is_none(b.base))
				continue;
			for (uint64_t i = 0; i < 1ULL << b.order; i++) {
				uint64_t n = b.base.v / PAGE_SIZE + i;

				CHECK(!taken[n]);
				taken[n] = 1;
				CHECK(frames_class(HPA(n * PAGE_SIZE)) == b.class);
				CHECK(frames_owner(HPA(n * PAGE_SIZE)) == b.owner);
			}
			*(uint64_t *)hpa_to_ptr(b.base) = r;
			blocks[count++] = b;
		} else if (count) {
			unsigned i = (unsigned)(r >> 16) % count;
			struct block b = blocks[i];

			for (uint64_t j = 0; j < 1ULL << b.order; j++)
				taken[b.base.v / PAGE_SIZE + j] = 0;
			frames_free(b.base, b.order);
			blocks[i] = blocks[--count];
		}
	}
	while (count)
		frames_free(blocks[count - 1].base, blocks[count - 1].order), count--;
	CHECK(free_bytes() == at_start);
	/* Merged again: the largest blocks are there. */
	CHECK(!hpa_is_none(frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1)));
}

UNIT_MAIN
