// SPDX-License-Identifier: MIT
#include "drivers/guest/linux.h"

#include "drivers/guest/pci.h"
#include "hv/errno.h"
#include "hv/lib/print.h"
#include "hv/lib/string.h"

/*
 * Setup header, Documentation/arch/x86/boot.rst; offsets into the file and into the zero page
 * alike.
 */
enum header_field {
	HDR_SETUP_SECTS = 0x1f1,
	HDR_SYSSIZE = 0x1f4,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP = 0x200,
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_TYPE_OF_LOADER = 0x210,
	HDR_LOADFLAGS = 0x211,
	HDR_RAMDISK_IMAGE = 0x218,
	HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMD_LINE_PTR = 0x228,
	HDR_INITRD_ADDR_MAX = 0x22c,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_END = 0x268,
};

/* Zero page. */
enum { ZP_RSDP = 0x070, ZP_E820_COUNT = 0x1e8, ZP_E820 = 0x2d0 };

#define MAGIC_HDRS 0x53726448
#define MIN_VERSION 0x020c
#define XLF_KERNEL_64 BIT(0)
#define LOADED_HIGH BIT(0)
#define SECTOR 512
#define ENTRY_64 0x200

/* Where things are in low memory; the guest's own e820 calls it RAM, as every boot loader does. */
enum {
	LOW_GDT = 0x1000,
	LOW_STACK_TOP = 0x6ff0,
	LOW_ZERO_PAGE = 0x7000,
	LOW_PAGE_TABLES = 0x9000,
	LOW_CMDLINE = 0x20000,
	LOW_USABLE_END = 0x9fc00,
};
/* Where a PC's processor starts, ffff:0 in real mode. */
#define RESET_VECTOR 0xffff0
#define CMDLINE_MAX 2048
#define FLAT_BASE MIB(1)

#define E820_RAM 1
#define E820_RESERVED 2

struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));
static_assert(sizeof(struct e820_entry) == 20, "zero page");

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

static void put(uint8_t *p, uint64_t value, unsigned size)
{
	memcpy(p, &value, size);
}

static bool backed(const struct loader_ram *ram, uint64_t gpa, uint64_t size)
{
	return !ram->populate || ram->populate(ram->context, GPA(gpa), size) == 0;
}

/* Identity map of 4 GiB by 2 MiB pages, and a GDT with the selectors that Linux expects. */
static void build_environment(const struct loader_ram *ram, struct loader_entry *entry)
{
	uint8_t *tables = ram->base + LOW_PAGE_TABLES;
	uint64_t pointers = LOW_PAGE_TABLES + PAGE_SIZE, directories = pointers + PAGE_SIZE;
	uint8_t *gdt = ram->base + LOW_GDT;

	/*
	 * mov al, 0xfe; out 0x64, al; hlt: asks for a reset. With reduced-hardware ACPI Linux
	 * reboots by jumping there, once EFI has turned out to be absent.
	 */
	static const uint8_t reset_code[] = { 0xb0, 0xfe, 0xe6, 0x64, 0xf4 };

	memcpy(ram->base + RESET_VECTOR, reset_code, sizeof(reset_code));
	memset(tables, 0, 6 * PAGE_SIZE);
	put(tables, pointers | 3, 8);
	for (unsigned i = 0; i < 4; i++)
		put(tables + PAGE_SIZE + 8 * i, (directories + i * PAGE_SIZE) | 3, 8);
	for (unsigned i = 0; i < 4 * 512; i++)
		put(tables + 2 * PAGE_SIZE + 8 * i, (uint64_t)i << 21 | 0x83, 8);
	put(gdt, 0, 8);
	put(gdt + 8, 0, 8);
	put(gdt + 16, 0x00af9b000000ffffULL, 8);
	put(gdt + 24, 0x00cf93000000ffffULL, 8);

	entry->cr3 = LOW_PAGE_TABLES;
	entry->gdt_base = LOW_GDT;
	entry->gdt_limit = 31;
	entry->cs = 0x10;
	entry->ds = 0x18;
	entry->rsp = LOW_STACK_TOP;
}

static int fail(char *why, size_t size, int err, const char *fmt, uint64_t a, uint64_t b)
{
	fmt_snprintf(why, size, fmt, (unsigned long long)a, (unsigned long long)b);
	return err;
}

/* The real-mode part of the file, of no use in 64-bit mode: the boot sector and some more. */
static uint64_t setup_size(const uint8_t *kernel)
{
	unsigned sectors = kernel[HDR_SETUP_SECTS];

	return ((sectors ? sectors : 4) + 1) * SECTOR;
}

static int check_header(const struct loader_input *in, char *why, size_t why_size)
{
	const uint8_t *k = in->kernel;
	uint64_t wanted, load;

	if (in->kernel_size >= 4 && !memcmp(k, "\177ELF", 4))
		return fail(why, why_size, -E_INVAL,
			    "is an ELF file: give the bzImage (/boot/vmlinuz-*)", 0, 0);
	if (in->kernel_size < HDR_END || get(k + HDR_BOOT_FLAG, 2) != 0xaa55 ||
	    get(k + HDR_MAGIC, 4) != MAGIC_HDRS)
		return fail(why, why_size, -E_INVAL,
			    "is not a Linux kernel (no bzImage header): give the bzImage "
			    "(/boot/vmlinuz-*)",
			    0, 0);
	if (get(k + HDR_VERSION, 2) < MIN_VERSION || !(get(k + HDR_XLOADFLAGS, 2) & XLF_KERNEL_64))
		return fail(why, why_size, -E_NOTSUP,
			    "has no 64-bit entry point (boot protocol 0x%llx): a 64-bit kernel "
			    "since 3.8 is needed",
			    get(k + HDR_VERSION, 2), 0);
	wanted = setup_size(k) + get(k + HDR_SYSSIZE, 4) * 16;
	/* The size is in paragraphs: up to 15 bytes of the last one may be missing. */
	if (in->kernel_size <= setup_size(k) + ENTRY_64 || in->kernel_size + 15 < wanted)
		return fail(why, why_size, -E_INVAL,
			    "is truncated: its header promises %llu bytes, the file has %llu; copy "
			    "it again",
			    wanted, in->kernel_size);
	load = get(k + HDR_PREF_ADDRESS, 8);
	if (load < LOADER_LOW_SIZE || load >= GIB(4))
		return fail(why, why_size, -E_INVAL,
			    "is damaged: its header wants it at address 0x%llx; copy it again",
			    load, 0);
	return 0;
}

static void add_e820(uint8_t *zero_page, uint64_t base, uint64_t size, uint32_t type)
{
	struct e820_entry e = { base, size, type };
	uint8_t *count = zero_page + ZP_E820_COUNT;

	if (!size)
		return;
	memcpy(zero_page + ZP_E820 + *count * sizeof(e), &e, sizeof(e));
	(*count)++;
}

static void build_zero_page(const struct loader_ram *ram, const struct loader_input *in,
			    uint64_t initrd)
{
	uint8_t *zp = ram->base + LOW_ZERO_PAGE;
	unsigned header_end = HDR_MAGIC + in->kernel[HDR_JUMP + 1];

	if (header_end < HDR_END)
		header_end = HDR_END;
	if (header_end > ZP_E820)
		header_end = ZP_E820;
	memset(zp, 0, PAGE_SIZE);
	memcpy(zp + HDR_SETUP_SECTS, in->kernel + HDR_SETUP_SECTS, header_end - HDR_SETUP_SECTS);
	zp[HDR_TYPE_OF_LOADER] = 0xff;
	zp[HDR_LOADFLAGS] |= LOADED_HIGH;
	put(zp + HDR_CMD_LINE_PTR, LOW_CMDLINE, 4);
	put(zp + HDR_RAMDISK_IMAGE, initrd, 4);
	put(zp + HDR_RAMDISK_SIZE, in->initrd_size, 4);
	put(zp + ZP_RSDP, in->rsdp.v, 8);
	add_e820(zp, 0, LOW_USABLE_END, E820_RAM);
	add_e820(zp, LOW_USABLE_END, MIB(1) - LOW_USABLE_END, E820_RESERVED);
	add_e820(zp, MIB(1), ram->low - MIB(1), E820_RAM);
	add_e820(zp, VPCI_ECAM_BASE, VPCI_ECAM_SIZE, E820_RESERVED);
	add_e820(zp, GIB(4), ram->high, E820_RAM);
}

/* As high as the kernel can reach, clear of the kernel's own run-time size. */
static int place_initrd(const struct loader_ram *ram, const struct loader_input *in,
			uint64_t kernel_end, uint64_t *address, char *why, size_t why_size)
{
	uint64_t top = get(in->kernel + HDR_INITRD_ADDR_MAX, 4) + 1;

	*address = 0;
	if (!in->initrd)
		return 0;
	if (top > ram->low)
		top = ram->low;
	if (in->initrd_size > top || ALIGN_DOWN(top - in->initrd_size, PAGE_SIZE) < kernel_end)
		return fail(why, why_size, -E_NOMEM,
			    "and its initrd need %llu MiB of memory, the VM has %llu MiB: raise "
			    "memory =",
			    (kernel_end + in->initrd_size + MIB(1) - 1) >> 20,
			    (ram->low + ram->high) >> 20);
	*address = ALIGN_DOWN(top - in->initrd_size, PAGE_SIZE);
	return 0;
}

static int put_cmdline(const struct loader_ram *ram, const char *cmdline, uint64_t limit, char *why,
		       size_t why_size)
{
	uint64_t length = strlen(cmdline);

	if (limit > CMDLINE_MAX - 1)
		limit = CMDLINE_MAX - 1;
	if (length > limit)
		return fail(why, why_size, -E_RANGE,
			    "takes a command line of %llu characters, cmdline = has %llu", limit,
			    length);
	memcpy(ram->base + LOW_CMDLINE, cmdline, length + 1);
	return 0;
}

int linux_load(const struct loader_ram *ram, const struct loader_input *in,
	       struct loader_entry *entry, char *why_buf, size_t why_size)
{
	uint64_t load, payload, size, end, initrd;
	int err = check_header(in, why_buf, why_size);

	if (err)
		return err;
	load = get(in->kernel + HDR_PREF_ADDRESS, 8);
	payload = in->kernel_size - setup_size(in->kernel);
	/* What it unpacks itself into; the file may be longer, with a signature at its end. */
	size = get(in->kernel + HDR_INIT_SIZE, 4);
	if (size < payload)
		size = payload;
	end = load + size;
	if (end > ram->low)
		return fail(why_buf, why_size, -E_NOMEM,
			    "needs %llu MiB of memory, the VM has %llu MiB: raise memory =",
			    (end + MIB(1) - 1) >> 20, (ram->low + ram->high) >> 20);
	err = place_initrd(ram, in, end, &initrd, why_buf, why_size);
	if (!err)
		err = put_cmdline(ram, in->cmdline, get(in->kernel + HDR_CMDLINE_SIZE, 4), why_buf,
				  why_size);
	if (err)
		return err;
	if (!backed(ram, load, size) || (initrd && !backed(ram, initrd, in->initrd_size)))
		return fail(why_buf, why_size, -E_NOMEM,
			    "does not fit: the machine's memory ran out", 0, 0);
	copy_bulk(ram->base + load, in->kernel + setup_size(in->kernel), payload);
	if (initrd)
		copy_bulk(ram->base + initrd, in->initrd, in->initrd_size);
	build_zero_page(ram, in, initrd);
	build_environment(ram, entry);
	entry->rip = load + ENTRY_64;
	entry->rsi = LOW_ZERO_PAGE;
	return 0;
}

int flat_load(const struct loader_ram *ram, const struct loader_input *in,
	      struct loader_entry *entry, char *why_buf, size_t why_size)
{
	int err;

	if (in->kernel_size == 0 || ram->low < FLAT_BASE || in->kernel_size > ram->low - FLAT_BASE)
		return fail(why_buf, why_size, -E_NOMEM,
			    "is a flat image of %llu bytes, which does not fit into %llu MiB: "
			    "raise memory =",
			    in->kernel_size, ram->low >> 20);
	err = put_cmdline(ram, in->cmdline, CMDLINE_MAX - 1, why_buf, why_size);
	if (err)
		return err;
	if (!backed(ram, FLAT_BASE, in->kernel_size))
		return fail(why_buf, why_size, -E_NOMEM,
			    "does not fit: the machine's memory ran out", 0, 0);
	copy_bulk(ram->base + FLAT_BASE, in->kernel, in->kernel_size);
	build_environment(ram, entry);
	entry->rip = FLAT_BASE;
	entry->rsi = LOW_CMDLINE;
	return 0;
}
