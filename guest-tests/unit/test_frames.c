/* unit-sources: mm/frames.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_memory.h"
#include "hv/base/errno.h"
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

static void prepare(uint64_t more, bool pledged)
{
	struct frames_preparation p = { .pledged = pledged };

	frames_expect(more);
	while (frames_prepare_piece(&p))
		;
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

/* A second owner may have it by then, or will: nothing may be touched, nothing be counted twice. */
TEST(what_is_not_in_use_is_not_freed)
{
	hpa_t page, block, chunk;
	uint64_t before;

	fake_memory_reset();
	CHECK(frames_init(&fake_boot) == 0);
	page = frames_alloc(0, MEM_VM, 7);
	block = frames_alloc(3, MEM_SENSITIVE, 0);
	chunk = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 7);
	CHECK(!PANICS(frames_free(page, 0)));
	CHECK(!PANICS(frames_free(HPA(block.v + 5 * PAGE_SIZE), 0)));
	before = free_bytes();
	CHECK(PANICS(frames_free(page, 0)));
	memset(hpa_to_ptr(block), 0x55, PAGE_SIZE);
	CHECK(PANICS(frames_free(block, 3))); /* part of it went before */
	CHECK(!is_zero(block, PAGE_SIZE));
	CHECK(PANICS(frames_free(HPA(0), 0)));
	CHECK(PANICS(frames_free(HPA(MIB(16)), 0))); /* the image */
	CHECK(PANICS(frames_free(HPA(FAKE_MEMORY_SIZE), 0)));
	CHECK(free_bytes() == before);
	CHECK(!PANICS(frames_free(chunk, FRAMES_MAX_ORDER)));
	CHECK(PANICS(frames_free(chunk, FRAMES_MAX_ORDER)));
	CHECK(PANICS(frames_free(chunk, 0)));
	CHECK(free_bytes() == before + PAGE_SIZE_2M);
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

TEST(what_only_the_boot_needed_goes_to_the_pool)
{
	struct frames_stats before, after;
	uint64_t free;

	fake_memory_reset();
	fake_range(MIB(20), PAGE_SIZE, BOOT_RANGE_FILE);
	CHECK(frames_init(&fake_boot) == 0);
	frames_stats(&before);
	CHECK(frames_give_boot(HPA(MIB(16) + PAGE_SIZE), 3 * PAGE_SIZE) == 3 * PAGE_SIZE);
	CHECK(is_zero(HPA(MIB(16) + PAGE_SIZE), 3 * PAGE_SIZE));
	CHECK(!is_zero(HPA(MIB(16)), 1) && !is_zero(HPA(MIB(16) + 4 * PAGE_SIZE), 1));
	for (unsigned i = 0; i < 5; i++)
		CHECK(frames_class(HPA(MIB(16) + i * PAGE_SIZE)) == (i % 4 ? MEM_FREE : MEM_BOOT));
	frames_stats(&after);
	CHECK(after.free_bytes == before.free_bytes + 3 * PAGE_SIZE);
	CHECK(after.total_bytes == before.total_bytes + 3 * PAGE_SIZE);
	/* Not twice; no file, no free frame, nothing that is not RAM. */
	CHECK(frames_give_boot(HPA(MIB(16) + PAGE_SIZE), 3 * PAGE_SIZE) == 0);
	CHECK(frames_give_boot(HPA(MIB(20) - PAGE_SIZE), 3 * PAGE_SIZE) == 0);
	CHECK(frames_class(HPA(MIB(20))) == MEM_BOOT &&
	      frames_owner(HPA(MIB(20))) == BOOT_OWNER_FILE);
	CHECK(frames_give_boot(HPA(MIB(32)), PAGE_SIZE) == 0);
	CHECK(frames_give_boot(HPA(FAKE_MEMORY_SIZE - PAGE_SIZE), GIB(1)) == 0);
	/* All of them can be had, and go back like others. */
	free = free_bytes();
	while (free_bytes()) {
		hpa_t base = frames_alloc(0, MEM_SENSITIVE, 0);

		CHECK(!hpa_is_none(base));
		CHECK(base.v < MIB(16) || base.v >= MIB(17) ||
		      (base.v > MIB(16) && base.v < MIB(16) + 4 * PAGE_SIZE));
		free -= PAGE_SIZE;
	}
	CHECK(free == 0);
	CHECK(frames_class(HPA(MIB(16) + 2 * PAGE_SIZE)) == MEM_SENSITIVE);
	frames_free(HPA(MIB(16) + 2 * PAGE_SIZE), 0);
	CHECK(free_bytes() == PAGE_SIZE);
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

TEST(prepared_blocks_are_zero_before_they_are_taken)
{
	static uint64_t addresses[32];
	unsigned count = 0;
	hpa_t base;

	fake_memory_reset();
	frames_init(&fake_boot);
	prepare(10, false);
	while (count < 10 && !hpa_is_none(base = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1)))
		addresses[count++] = base.v;
	CHECK(count == 10);
	fake_memory_reset();
	frames_init(&fake_boot);
	prepare(10, false);
	for (unsigned i = 0; i < count; i++)
		CHECK(is_zero(HPA(addresses[i]), PAGE_SIZE_2M));
}

/* What is expected stays zero, and whole, while small blocks are taken and come back. */
TEST(small_blocks_leave_what_was_prepared)
{
	enum { EXPECTED = 4, SMALL = 700 };
	static uint64_t addresses[EXPECTED];
	hpa_t small[SMALL];

	for (unsigned round = 0; round < 2; round++) {
		fake_memory_reset();
		frames_init(&fake_boot);
		prepare(EXPECTED, false);
		for (unsigned i = 0; i < SMALL; i++) {
			small[i] = frames_alloc(0, MEM_SENSITIVE, 0);
			memset(hpa_to_ptr(small[i]), 0x99, PAGE_SIZE);
		}
		for (unsigned i = 0; i < SMALL; i++)
			frames_free(small[i], 0);
		for (unsigned i = 0; i < EXPECTED; i++) {
			if (round)
				CHECK(is_zero(HPA(addresses[i]), PAGE_SIZE_2M));
			addresses[i] = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1).v;
		}
	}
}

TEST(a_chunk_may_be_taken_whole_and_given_back_in_parts)
{
	uint64_t before;
	hpa_t base;

	fake_memory_reset();
	frames_init(&fake_boot);
	before = free_bytes();
	base = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 5);
	CHECK(frames_class(HPA(base.v + 100 * PAGE_SIZE)) == MEM_VM);
	CHECK(frames_owner(HPA(base.v + 511 * PAGE_SIZE)) == 5);
	frames_free(HPA(base.v + 8 * PAGE_SIZE), 3);
	CHECK(frames_class(HPA(base.v + 7 * PAGE_SIZE)) == MEM_VM);
	CHECK(frames_class(HPA(base.v + 8 * PAGE_SIZE)) == MEM_FREE);
	CHECK(frames_class(HPA(base.v + 16 * PAGE_SIZE)) == MEM_VM);
	CHECK(frames_owner(HPA(base.v + 16 * PAGE_SIZE)) == 5);
	frames_free(base, 3);
	for (unsigned i = 16; i < 512; i += 16)
		frames_free(HPA(base.v + i * PAGE_SIZE), 4);
	CHECK(free_bytes() == before);
	for (unsigned i = 0; i < 512; i++)
		CHECK(frames_class(HPA(base.v + i * PAGE_SIZE)) == MEM_FREE);
}

/* Against a map of who has what: no overlap, class and owner as asked, all comes back. */
/* Whatever others take, in whatever sizes, and zero in advance: what was promised is there. */
TEST(what_was_promised_is_there)
{
	for (uint64_t promised = 0; promised < 6; promised++) {
		hpa_t before[64], page, chunk;
		uint64_t left, pages = 0;

		fake_memory_reset();
		CHECK(frames_init(&fake_boot) == 0);
		left = frames_unpledged();
		CHECK(left > 6 && left < 64);
		CHECK(frames_pledge(left + 1) == -E_NOMEM && frames_unpledged() == left);
		CHECK(frames_pledge(promised) == 0 && frames_unpledged() == left - promised);
		CHECK(frames_pledge(left - promised + 1) == -E_NOMEM);
		for (uint64_t i = 0; i < left - promised; i++) {
			before[i] = frames_alloc(i % 2 ? 0 : FRAMES_MAX_ORDER, MEM_VM, 1);
			CHECK(!hpa_is_none(before[i]));
		}
		while (page = frames_alloc(0, MEM_SENSITIVE, 0), !hpa_is_none(page))
			pages++;
		CHECK(frames_unpledged() == 0);
		CHECK(hpa_is_none(frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1)));
		CHECK(free_bytes() == promised * PAGE_SIZE_2M);
		prepare(64, promised);
		for (uint64_t i = 0; i < promised; i++) {
			chunk = frames_alloc_pledged(MEM_VM, 2);
			CHECK(!hpa_is_none(chunk) && frames_owner(chunk) == 2);
			CHECK(is_zero(chunk, PAGE_SIZE_2M));
		}
		CHECK(free_bytes() == 0);
		/* A promise that was not used goes to whoever wants it. */
		frames_free(before[0], left - promised ? FRAMES_MAX_ORDER : 0);
		CHECK(frames_pledge(1) == 0 && frames_pledge(1) == -E_NOMEM);
		CHECK(hpa_is_none(frames_alloc(0, MEM_SENSITIVE, 0)));
		frames_unpledge(1);
		CHECK(!hpa_is_none(frames_alloc(0, MEM_SENSITIVE, 0)));
		CHECK(frames_unpledged() == 0);
	}
}

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

/* A file that begins and ends within a chunk and has a whole one in between. */
#define FILE_BASE (MIB(40) + 3 * PAGE_SIZE)
#define FILE_SIZE (MIB(5) + 100)
#define FILE_END ALIGN_UP(FILE_BASE + FILE_SIZE, PAGE_SIZE)

static void start_with_file(void)
{
	fake_memory_reset();
	fake_range(FILE_BASE, FILE_SIZE, BOOT_RANGE_FILE);
	CHECK(frames_init(&fake_boot) == 0);
}

/* All of the file, and nothing beside it. */
static bool file_is(enum mem_class class, uint16_t owner)
{
	for (uint64_t at = FILE_BASE; at < FILE_END; at += PAGE_SIZE)
		if (frames_class(HPA(at)) != class || frames_owner(HPA(at)) != owner)
			return false;
	return frames_class(HPA(FILE_BASE - PAGE_SIZE)) == MEM_FREE &&
	       frames_class(HPA(FILE_END)) == MEM_FREE;
}

TEST(a_file_becomes_one_vms)
{
	uint64_t before;

	start_with_file();
	before = free_bytes();
	CHECK(file_is(MEM_BOOT, BOOT_OWNER_FILE));
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_VM, 3) == 0);
	CHECK(file_is(MEM_VM, 3));
	CHECK(frames_span(HPA(MIB(42))) == PAGE_SIZE_2M);
	CHECK(frames_span(HPA(MIB(42) - PAGE_SIZE)) == PAGE_SIZE);
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_VM, 3) == 0);
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_VM, 4) == -E_INVAL);
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_SHARED, BIT(3)) == -E_INVAL);
	CHECK(file_is(MEM_VM, 3));
	for (uint64_t at = FILE_BASE; at < FILE_END; at += PAGE_SIZE)
		CHECK(*(uint8_t *)hpa_to_ptr(HPA(at)) == 0xa5);
	CHECK(free_bytes() == before);
}

TEST(a_file_is_shared_by_more_and_more)
{
	start_with_file();
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_SHARED, BIT(1)) == 0);
	CHECK(file_is(MEM_SHARED, BIT(1)));
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_SHARED, BIT(4)) == 0);
	CHECK(file_is(MEM_SHARED, BIT(1) | BIT(4)));
	CHECK(frames_claim(HPA(FILE_BASE), FILE_SIZE, MEM_VM, BIT(1) | BIT(4)) == -E_INVAL);
	CHECK(file_is(MEM_SHARED, BIT(1) | BIT(4)));
	CHECK(PANICS(frames_free(HPA(FILE_BASE), 0)));
	CHECK(PANICS(frames_free(HPA(MIB(42)), FRAMES_MAX_ORDER)));
	CHECK(file_is(MEM_SHARED, BIT(1) | BIT(4)));
}

/* Whatever of it is no file's, none of it is given. */
TEST(only_files_can_be_claimed)
{
	static const struct {
		uint64_t base, size;
	} wrong[] = {
		{ FILE_BASE + 1, FILE_SIZE - 1 },
		{ FILE_BASE + 512, PAGE_SIZE },
		{ FILE_BASE - PAGE_SIZE, FILE_SIZE + PAGE_SIZE },
		{ FILE_BASE, FILE_END - FILE_BASE + 1 },
		{ MIB(42), FILE_END - MIB(42) + PAGE_SIZE },
		{ MIB(48), PAGE_SIZE },		/* free */
		{ MIB(16), PAGE_SIZE },		/* the image */
		{ MIB(32), PAGE_SIZE },		/* reserved */
		{ FAKE_MEMORY_SIZE, PAGE_SIZE } /* nothing */
	};
	hpa_t own;

	start_with_file();
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(wrong); i++) {
		enum mem_class class = i % 2 ? MEM_VM : MEM_SHARED, before;

		before = frames_class(HPA(wrong[i / 2].base));
		CHECK(frames_claim(HPA(wrong[i / 2].base), wrong[i / 2].size, class, 2) ==
		      -E_INVAL);
		CHECK(frames_class(HPA(wrong[i / 2].base)) == before);
		CHECK(file_is(MEM_BOOT, BOOT_OWNER_FILE));
	}
	own = frames_alloc(0, MEM_SENSITIVE, PURPOSE_OTHER);
	CHECK(frames_claim(own, PAGE_SIZE, MEM_VM, 2) == -E_INVAL);
	CHECK(frames_class(own) == MEM_SENSITIVE && frames_owner(own) == PURPOSE_OTHER);
}

UNIT_MAIN
