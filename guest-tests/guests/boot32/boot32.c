// SPDX-License-Identifier: MIT
/* What a multiboot or a PVH kernel finds: the processor's state, the memory map, the command line,
 * two modules. The configuration of the test gives the same numbers on the command line. */
#include "guest-tests/guests/lib/guest.h"

#define MULTIBOOT_BOOT_MAGIC 0x2badb002
#define PVH_MAGIC 0x336ec578
#define CR0_OTHERS                                                                                 \
	(CR0_PG | BIT(1) | BIT(2) | BIT(3) | BIT(5) | BIT(16) | BIT(18) | CR0_NW | CR0_CD)

const char guest_name[] = "boot32";

extern uint32_t boot_eax, boot_ebx, boot_cr0, boot_cr4, boot_efer, boot_flags;
extern uint16_t boot_segments[4];
extern const char guest_image[], guest_bss_end[];

static uint64_t get(uint64_t address, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, (const void *)address, size);
	return value;
}

static bool same_text(uint64_t address, const char *text)
{
	return !memcmp((const void *)address, text, strlen(text) + 1);
}

static void test_state(void)
{
	check("protected mode", boot_cr0 & CR0_PE);
	check_eq("nothing else on in CR0", boot_cr0 & CR0_OTHERS, 0);
	check_eq("CR4", boot_cr4, 0);
	check_eq("EFER", boot_efer, 0);
	check_eq("flags: no interrupts, no trap, no virtual-8086", boot_flags & 0x20300, 0);
	check("DS, ES and SS are one segment",
	      boot_segments[1] == boot_segments[2] && boot_segments[1] == boot_segments[3]);
	check("CS is another one", boot_segments[0] && boot_segments[0] != boot_segments[1]);
}

/* The line of the map that describes @base: its type, or 0. */
struct map {
	uint64_t at, stride;
	unsigned count;
};

static uint64_t find(const struct map *map, uint64_t base, uint64_t *size)
{
	for (unsigned i = 0; i < map->count; i++) {
		uint64_t line = map->at + i * map->stride;

		if (get(line, 8) != base)
			continue;
		*size = get(line + 8, 8);
		return get(line + 16, 4);
	}
	return 0;
}

static void test_map(const struct map *map)
{
	uint64_t megabytes = guest_number("memory", 0), size = 0;

	check("the memory map has 4 lines", map->count == 4);
	check_eq("RAM from 0", find(map, 0, &size), 1);
	check("up to the EBDA", size > 0x90000 && size < 0xa0000);
	check_eq("RAM from 1 MiB", find(map, MIB(1), &size), 1);
	check_eq("up to the end of memory", size, MIB(megabytes) - MIB(1));
	/* It is there, and it was cleared. */
	check_eq("the last word of memory", get(MIB(megabytes) - 8, 8), 0);
	*(volatile uint64_t *)(MIB(megabytes) - 8) = 1;
	check_eq("can be written", get(MIB(megabytes) - 8, 8), 1);
}

/* Module @index holds @size bytes, each made of its position and the index. */
static void test_module(unsigned index, uint64_t start, uint64_t size, uint64_t text,
			const char *words)
{
	const uint8_t *bytes = (const uint8_t *)start;
	uint64_t good = 0;

	check("a module begins on a page", start % PAGE_SIZE == 0);
	check("above the kernel, within memory",
	      start >= (uint64_t)guest_bss_end && start + size <= MIB(guest_number("memory", 0)));
	for (uint64_t i = 0; i < size; i++)
		good += bytes[i] == (uint8_t)(i * 7 + i / 256 + index);
	check_eq("all of its bytes", good, size);
	check("its text", same_text(text, words));
}

static void test_multiboot(void)
{
	uint64_t info = boot_ebx, at, end;
	struct map map;

	check_eq("EAX", boot_eax, MULTIBOOT_BOOT_MAGIC);
	check_eq("memory, command line, modules, map", get(info, 4) & 0x4d, 0x4d);
	check_eq("lower memory in KiB", get(info + 4, 4), 639);
	check_eq("upper memory in KiB", get(info + 8, 4), (guest_number("memory", 0) - 1) * 1024);
	check("the loader's name",
	      (get(info, 4) & BIT(9)) && same_text(get(info + 64, 4), "Cloister"));
	/* The size of a line stands before it and does not count itself. */
	map.at = get(info + 48, 4) + 4;
	map.stride = get(map.at - 4, 4) + 4;
	map.count = (unsigned)(get(info + 44, 4) / map.stride);
	test_map(&map);
	check_eq("two modules", get(info + 20, 4), 2);
	at = get(info + 24, 4);
	end = get(at + 4, 4);
	check_eq("the first one's size", end - get(at, 4), guest_number("first", 0));
	test_module(1, get(at, 4), end - get(at, 4), get(at + 8, 4), "a.img one two");
	check("the second one lies behind it", get(at + 16, 4) >= end);
	check_eq("its size", get(at + 20, 4) - get(at + 16, 4), guest_number("second", 0));
	test_module(2, get(at + 16, 4), guest_number("second", 0), get(at + 24, 4), "b.img");
}

static void test_pvh(void)
{
	uint64_t info = boot_ebx, at;
	struct map map = { get(info + 40, 8), 24, (unsigned)get(info + 48, 4) };

	check_eq("the start info's magic", get(info, 4), PVH_MAGIC);
	check_eq("its version", get(info + 4, 4), 1);
	check_eq("its flags", get(info + 8, 4), 0);
	check("the RSDP", !memcmp((const void *)get(info + 32, 8), "RSD PTR ", 8));
	test_map(&map);
	check_eq("an initrd and two modules", get(info + 12, 4), 3);
	at = get(info + 16, 8);
	check_eq("the initrd's size", get(at + 8, 8), guest_number("initrd", 0));
	test_module(0, get(at, 8), get(at + 8, 8), get(at + 16, 8), "");
	test_module(1, get(at + 32, 8), guest_number("first", 0), get(at + 48, 8), "a.img one two");
	check_eq("the first module's size", get(at + 40, 8), guest_number("first", 0));
	test_module(2, get(at + 64, 8), guest_number("second", 0), get(at + 80, 8), "b.img");
	check_eq("the second one's size", get(at + 72, 8), guest_number("second", 0));
}

void guest_main(void)
{
	test_state();
	check("the command line", guest_option("all-of-it"));
	if (guest_option("pvh"))
		test_pvh();
	else
		test_multiboot();
}
