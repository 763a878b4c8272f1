// SPDX-License-Identifier: MIT
/*
 * What the loader program leaves to the kernel: its two calls, which are over; its memory, which
 * the kernel may fill and a reboot has to bring back as it was; the files, which can only be read.
 * With "reboot" it does so when it has filled that memory, over and over.
 */
#include "drivers/guest/loader/boot.h"
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "loader";

#define MARK 0x10adc1ea4badf00dULL
#define RESET_PORT 0x64
#define RESET_VALUE 0xfe
#define IMAGE MIB(1)
#define COMPARED 256 /* bytes of the image that it never changes */

static const struct loader_boot *const boot = (const struct loader_boot *)(uint64_t)LOADER_BOOT;
static uint64_t directory[512] __attribute__((aligned(4096)));
static int64_t result;

static void call(uint64_t number)
{
	result = hypercall(number, IMAGE, 0, 0);
}

/* The files begin at 4 GiB: this VM's RAM ends below. */
static void map_files(void)
{
	uint64_t *root = (uint64_t *)read_cr3();
	uint64_t *pointers = (uint64_t *)(root[0] & ~0xfffULL);

	for (unsigned i = 0; i < 512; i++)
		directory[i] = (GIB(4) + i * MIB(2)) | BIT(7) | PTE_P | PTE_W;
	pointers[4] = (uint64_t)directory | PTE_P | PTE_W;
}

static bool area_holds_mark(const volatile uint64_t *end)
{
	const volatile uint64_t *p = (const volatile uint64_t *)(uint64_t)LOADER_BASE;

	for (; p < end; p++)
		if (*p == MARK)
			return true;
	return false;
}

static void fill_area(const volatile uint64_t *end)
{
	for (volatile uint64_t *p = (volatile uint64_t *)(uint64_t)LOADER_BASE; p < end; p++)
		*p = MARK;
}

static bool is_zero(const uint8_t *p, const uint8_t *end)
{
	while (p < end && !*p)
		p++;
	return p == end;
}

static void check_file(const struct loader_file *file)
{
	uint8_t *at = (uint8_t *)file->at, *end = at + file->size;
	volatile uint32_t *word = (volatile uint32_t *)at;
	uint64_t count = sizeof(*word);
	uint32_t before = *word;
	uint8_t *to = at;

	check("the kernel's file is what was loaded", !memcmp(at, (const void *)IMAGE, COMPARED));
	check("nothing is behind its end",
	      is_zero(end, (const uint8_t *)ALIGN_UP((uint64_t)end, PAGE_SIZE)));
	*word = ~before;
	check_eq("a file cannot be written", *word, before);
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0xff) : "memory");
	check_eq("nor by a string instruction", *word, before);
}

void guest_main(void)
{
	const uint64_t *end =
		(const uint64_t *)(LOADER_TABLES + LOADER_TABLE_PAGES(boot->gib) * PAGE_SIZE);

	expect_exits("that the loader is done can be said once", EXIT_VMCALL, 1, call,
		     HYPERCALL_LOADER_DONE);
	check_eq("it is refused", (uint64_t)result, (uint64_t)-E_PERM);
	expect_exits("nor can it fail afterwards", EXIT_VMCALL, 1, call, HYPERCALL_LOADER_FAIL);
	check_eq("that is refused too", (uint64_t)result, (uint64_t)-E_PERM);
	map_files();
	check_file(&boot->kernel);
	check("the loader's memory holds nothing of an earlier life", !area_holds_mark(end));
	fill_area(end);
	check("it is the guest's own", area_holds_mark(end));
	if (guest_option("reboot"))
		outb(RESET_PORT, RESET_VALUE);
}
