// SPDX-License-Identifier: MIT
/* Where the steps' numbers come from: each core its own row, which the seed begins. */
#include "guest-tests/guests/fuzz/fuzz.h"

uint64_t random64(struct core *core)
{
	core->random ^= core->random << 13;
	core->random ^= core->random >> 7;
	core->random ^= core->random << 17;
	return core->random * 0x2545f4914f6cdd1d;
}

unsigned pick(struct core *core, unsigned n)
{
	return (unsigned)((random64(core) >> 32) % n);
}

bool once_in(struct core *core, unsigned n)
{
	return pick(core, n) == 0;
}

uint64_t device_address(struct core *core)
{
	static const uint64_t bases[] = {
		0xfee00000, 0xfec00000, 0xe0000000, 0xe0008000, 0xe0010000, 0xe0018000, 0xc0000000,
		0xc0001000, 0xc0002000, 0xc0004000, 0xc0006000, 0xd0000000, 0xfed00000, 0xfffff000,
		0xbffff000, ARENA_END,	0xe00ff000, 0xfebff000, 0xfedff000, 0xfec01000,
	};
	uint64_t base = bases[pick(core, ARRAY_SIZE(bases))];

	switch (pick(core, 8)) {
	case 0: /* over the edge of a page */
		return base - 1 - pick(core, 8);
	case 1:
		return base + 0x1000 - 1 - pick(core, 16);
	case 2:
		return base + pick(core, 0x1000);
	case 3:
		return base + (pick(core, 0x1000) & ~3U);
	case 4: /* registers of 16 bytes each */
		return base + (pick(core, 64) << 4);
	default:
		return base + (pick(core, 0x40) & ~3U);
	}
}

uint64_t arena_address(struct core *core)
{
	return ARENA + pick(core, ARENA_END - ARENA);
}

uint64_t value(struct core *core)
{
	static const uint64_t edges[] = {
		0,	    0xff,	0x1000,	    0xffff,	 0x7fffffff,
		0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 46,	 0x7fffffffffff,
		1ULL << 47, 1ULL << 63, ~0ULL,	    0xfee00000,	 0xfec00000,
		ARENA_END,  1ULL << 52, 0xc0000000, ~0ULL << 47, 0x100000,
	};

	switch (pick(core, 6)) {
	case 0:
		return random64(core);
	case 1:
		return edges[pick(core, ARRAY_SIZE(edges))];
	case 2:
		return edges[pick(core, ARRAY_SIZE(edges))] + pick(core, 17) - 8;
	case 3:
		return BIT(pick(core, 64));
	case 4:
		return operand_address(core);
	default:
		return pick(core, 256);
	}
}

uint64_t operand_address(struct core *core)
{
	switch (pick(core, 16)) {
	case 0:
		return random64(core);
	case 1:
		return random64(core) >> pick(core, 40);
	case 2: /* not canonical, or on the edge of it */
		return (1ULL << 47) - pick(core, 32);
	case 3:
	case 4:
	case 5:
	case 6:
		return core->share + ARENA_DATA + pick(core, 0x8000);
	case 7:
		return arena_address(core);
	default:
		return device_address(core);
	}
}

uint32_t random_msr(struct core *core)
{
	static const uint16_t known[] = { 0x10,	 0x1b,	0x3a,  0x3b,  0x48,  0x49,  0x8b,  0xfe,
					  0x10a, 0x10b, 0x122, 0x174, 0x175, 0x176, 0x179, 0x17a,
					  0x1a0, 0x1d9, 0x277, 0x2ff, 0x38f, 0x6e0, 0xda0, 0x830,
					  0x83f, 0x808, 0x80b, 0x832, 0x838, 0x83e, 0x80f, 0x6a0 };

	switch (pick(core, 10)) {
	case 0:
		return (uint32_t)random64(core);
	case 1:
		return 0x800 + pick(core, 0x100);
	case 2:
		return 0xc0000080 + pick(core, 8);
	case 3:
		return 0xc0000100 + pick(core, 8);
	case 4:
		return 0x480 + pick(core, 32);
	case 5:
		return 0x200 + pick(core, 0x100);
	case 6:
		return pick(core, 0x2000);
	case 7:
		return 0xc0000000 + pick(core, 0x2000);
	case 8:
		return 0x400 + pick(core, 0x80);
	default:
		return known[pick(core, ARRAY_SIZE(known))];
	}
}

/* Text costs time on the real line: there is little of it. */
uint16_t random_port(struct core *core)
{
	static const uint16_t known[] = {
		0x20, 0x21,  0x40,   0x43,   0x60,   0x61,   0x70,  0x71,
		0x80, 0x92,  0xcf8,  0xcfc,  0xcfe,  0x601,  0x603, 0x5ff,
		0xb2, 0x3f9, 0xc000, 0xc010, 0xc020, 0xffff, 0x3fb, 0x2f8
	};
	static const uint16_t power[] = { 0x64, 0x600, 0x602, 0xcf9 };
	uint16_t port;

	switch (pick(core, 6)) {
	case 0:
		port = (uint16_t)random64(core);
		break;
	case 1:
		port = (uint16_t)(COM1 + pick(core, 8));
		break;
	case 2:
		port = (uint16_t)(0xcf8 + pick(core, 8));
		break;
	case 3:
		port = (uint16_t)(0xc000 + pick(core, 0x100));
		break;
	default:
		port = known[pick(core, ARRAY_SIZE(known))];
		break;
	}
	/* A life is to last for a while. */
	for (unsigned i = 0; i < ARRAY_SIZE(power); i++)
		if (port == power[i] && !once_in(core, 100))
			port = 0xcf8;
	if (port == COM1 && !core->prints)
		port = COM1 + 7;
	core->prints -= port == COM1;
	return port;
}

uint64_t random_call(struct core *core)
{
	uint64_t call = once_in(core, 4) ? value(core) : pick(core, 12);

	if (once_in(core, 8))
		call = HYPERCALL_DEBUG_TOUCH_SENSITIVE + pick(core, 4);
	if (call == HYPERCALL_CONSOLE_WRITE || call == HYPERCALL_STATS_PRINT ||
	    call == HYPERCALL_MARK || call == HYPERCALL_MARK_WORDS) {
		if (!core->prints)
			return HYPERCALL_VERSION;
		core->prints--;
	}
	/* What was counted is wanted, most of the time. */
	if (call == HYPERCALL_STATS_RESET && !once_in(core, 64))
		call = HYPERCALL_STATS_WORD;
	return call;
}

uint64_t random_entry(struct core *core, bool leaf)
{
	static const uint64_t holes[] = { 0xfee00000, 0xfec00000, 0xc0000000, 0xe0000000,
					  0xd0000000, ARENA_END,  1ULL << 32, 1ULL << 38 };
	uint64_t flags = random64(core) & 0xfff, frame;

	/* A table where no memory is ends the VM. */
	switch (leaf || once_in(core, 3000) ? pick(core, 8) : 7) {
	case 0:
		frame = random64(core) & 0x000ffffffffff000;
		break;
	case 1:
	case 2:
	case 3:
		frame = holes[pick(core, ARRAY_SIZE(holes))];
		break;
	default:
		frame = arena_address(core) & ~0xfffUL;
		break;
	}
	if (!once_in(core, 4))
		flags |= PTE_P;
	if (once_in(core, 2))
		flags &= ~0x80UL;
	return frame | flags | (once_in(core, 8) ? 1ULL << 63 : 0);
}
