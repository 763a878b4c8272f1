// SPDX-License-Identifier: MIT
/*
 * Guest-physical memory: all of RAM is there, nothing is beyond it. With the option "lazy" the
 * first touch of each 2 MiB takes one exit, which leaves the restricted map once; otherwise RAM
 * takes none at all. The options "memory-N" (MiB) and "lazy" must say what the configuration says.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "ept";

#define CHUNK MIB(2)
/* The image, its tables and what the loader wrote are below this. */
#define FIRST_CHUNK MIB(4)

static uint64_t memory;

static void touch_read(uint64_t address)
{
	(void)*(volatile uint64_t *)address;
}

static void touch_write(uint64_t address)
{
	*(volatile uint64_t *)address = address;
}

static void touch_pages(uint64_t address)
{
	for (uint64_t at = address; at < address + CHUNK; at += PAGE_SIZE)
		*(volatile uint64_t *)at = at;
}

static void check_chunk(const char *name, void (*fn)(uint64_t), uint64_t address, uint64_t want)
{
	const struct hypercall_stats *s;

	stats_begin();
	fn(address);
	s = stats_end();
	check_eq(name, s->exits_by_reason[EXIT_EPT_VIOLATION], want);
	check_eq("  and no other exit", s->exits, want);
	/* Frames come from the pool, which is sensitive: such a touch leaves the restricted map,
	 * once. */
	check_eq("  escalations", s->escalations, policy_restricts() ? want : 0);
}

static void test_first_touch(uint64_t exits)
{
	uint64_t at = FIRST_CHUNK;

	check_chunk("first read of a chunk", touch_read, at, exits);
	check_chunk("second read", touch_read, at, 0);
	check_chunk("another page of it", touch_write, at + CHUNK - PAGE_SIZE, 0);
	at += CHUNK;
	check_chunk("first write of a chunk", touch_write, at, exits);
	check_eq("what was written is there", *(volatile uint64_t *)at, at);
	at += CHUNK;
	check_chunk("all 512 pages of a chunk: a large page holds them", touch_pages, at, exits);
	at += CHUNK;
	check_chunk("a write across two chunks", touch_write, at + CHUNK - 4, 2 * exits);
	at += 2 * CHUNK;
	/* A hypercall's pointer into memory that nobody has touched yet. */
	check_eq("a hypercall writes into untouched memory",
		 (uint64_t)hypercall(HYPERCALL_STATS_READ, at + 4096, 16, 0), 16);
	check_eq("and it arrives", *(volatile uint32_t *)(at + 4096), HYPERCALL_ABI_VERSION);
}

static void call_there(uint64_t address)
{
	((void (*)(void))address)();
}

/* A CPU with iTLB multihit lets a guest execute from small pages only: the first time that it does
 * in 2 MiB costs an exit, which leaves the restricted map. */
static void test_execute(uint64_t exits)
{
	uint64_t at = FIRST_CHUNK + 8 * CHUNK;

	*(volatile uint8_t *)(at + 64) = 0xc3; /* RET */
	*(volatile uint8_t *)(at + CHUNK - 1) = 0xc3;
	check_chunk("first execution in a chunk", call_there, at + 64, exits);
	check_chunk("second execution", call_there, at + 64, 0);
	check_chunk("on another page of it", call_there, at + CHUNK - 1, 0);
	check_chunk("and data", touch_pages, at, 0);
	*(volatile uint8_t *)(at + 64) = 0xc3;
	check_chunk("code that was written anew", call_there, at + 64, 0);
	check_chunk("data of a chunk that was not executed from", touch_write, at + CHUNK,
		    guest_option("lazy"));
}

static void test_all(void)
{
	uint64_t dirty = 0, wrong = 0, last = memory - 8;

	for (uint64_t at = FIRST_CHUNK + 10 * CHUNK; at < memory; at += PAGE_SIZE)
		dirty += *(volatile uint64_t *)(at + 2048) != 0;
	check_eq("memory is zero at start", dirty, 0);
	for (uint64_t at = FIRST_CHUNK; at < memory; at += CHUNK)
		*(volatile uint64_t *)(at + 64) = ~at;
	for (uint64_t at = FIRST_CHUNK; at < memory; at += CHUNK)
		wrong += *(volatile uint64_t *)(at + 64) != ~at;
	check_eq("every chunk is memory of its own", wrong, 0);
	*(volatile uint64_t *)last = 0x123456789abcdef0;
	check_eq("the last word of RAM", *(volatile uint64_t *)last, 0x123456789abcdef0);
}

static void test_beyond(void)
{
	uint64_t end = memory;

	check_eq("behind RAM: 8 bits", *(volatile uint8_t *)end, 0xff);
	check_eq("16 bits", *(volatile uint16_t *)end, 0xffff);
	check_eq("32 bits", *(volatile uint32_t *)end, 0xffffffff);
	check_eq("64 bits", *(volatile uint64_t *)end, ~0ULL);
	*(volatile uint64_t *)end = 0;
	check_eq("a write is swallowed", *(volatile uint64_t *)end, ~0ULL);
	expect_exits("one exit a touch", EXIT_EPT_VIOLATION, 1, touch_read, end + MIB(1));
	expect_exits("every time", EXIT_EPT_VIOLATION, 1, touch_read, end + MIB(1));
	touch_read(GIB(3));
	touch_read(GIB(4) - 8);
	touch_write(0xffffff00);
	check("the device hole and the ROM's place do no harm", true);
}

void guest_main(void)
{
	bool lazy = guest_option("lazy");

	memory = guest_option("memory-64") ? MIB(64) : MIB(32);
	test_first_touch(lazy);
	if (!guest_option("nested"))
		test_execute(1);
	test_all();
	test_beyond();
}
