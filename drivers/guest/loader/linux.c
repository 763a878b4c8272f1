// SPDX-License-Identifier: MIT
/* Linux bzImages, by the 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#include "drivers/guest/loader/loader_internal.h"
#include "hv/base/errno.h"

/* Setup header; offsets into the file and into the zero page alike. */
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

struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));
static_assert(sizeof(struct e820_entry) == 20, "zero page");

/* The real-mode part of the file, of no use in 64-bit mode: the boot sector and some more. */
static uint64_t setup_size(const uint8_t *kernel)
{
	unsigned sectors = kernel[HDR_SETUP_SECTS];

	return ((sectors ? sectors : 4) + 1) * SECTOR;
}

bool linux_is(const uint8_t *kernel, uint64_t size)
{
	return size >= HDR_END && loader_get(kernel + HDR_BOOT_FLAG, 2) == 0xaa55 &&
	       loader_get(kernel + HDR_MAGIC, 4) == MAGIC_HDRS;
}

static int check_header(const struct loader_job *job)
{
	const struct loader_input *in = job->in;
	const uint8_t *k = in->kernel;
	uint64_t wanted, load;

	if (in->kernel_size >= 4 && !memcmp(k, "\177ELF", 4))
		return loader_fail(job, -E_INVAL,
				   "is an ELF file: give the bzImage (/boot/vmlinuz-*)", 0, 0);
	if (!linux_is(k, in->kernel_size))
		return loader_fail(job, -E_INVAL,
				   "is not a Linux kernel (no bzImage header): give the bzImage "
				   "(/boot/vmlinuz-*)",
				   0, 0);
	if (loader_get(k + HDR_VERSION, 2) < MIN_VERSION ||
	    !(loader_get(k + HDR_XLOADFLAGS, 2) & XLF_KERNEL_64))
		return loader_fail(
			job, -E_NOTSUP,
			"has no 64-bit entry point (boot protocol 0x%llx): a 64-bit kernel "
			"since 3.8 is needed",
			loader_get(k + HDR_VERSION, 2), 0);
	wanted = setup_size(k) + loader_get(k + HDR_SYSSIZE, 4) * 16;
	/* The size is in paragraphs: up to 15 bytes of the last one may be missing. */
	if (in->kernel_size <= setup_size(k) + ENTRY_64 || in->kernel_size + 15 < wanted)
		return loader_fail(
			job, -E_INVAL,
			"is truncated: its header promises %llu bytes, the file has %llu; copy "
			"it again",
			wanted, in->kernel_size);
	load = loader_get(k + HDR_PREF_ADDRESS, 8);
	if (load < LOADER_LOW_SIZE || load >= GIB(4))
		return loader_fail(
			job, -E_INVAL,
			"is damaged: its header wants it at address 0x%llx; copy it again", load,
			0);
	return 0;
}

static void build_zero_page(const struct loader_ram *ram, const struct loader_input *in,
			    uint64_t initrd)
{
	uint8_t *zp = ram->base + LOW_INFO;
	struct loader_range map[LOADER_MAX_RANGES];
	unsigned header_end = HDR_MAGIC + in->kernel[HDR_JUMP + 1];

	if (header_end < HDR_END)
		header_end = HDR_END;
	if (header_end > ZP_E820)
		header_end = ZP_E820;
	memset(zp, 0, PAGE_SIZE);
	memcpy(zp + HDR_SETUP_SECTS, in->kernel + HDR_SETUP_SECTS, header_end - HDR_SETUP_SECTS);
	zp[HDR_TYPE_OF_LOADER] = 0xff;
	zp[HDR_LOADFLAGS] |= LOADED_HIGH;
	loader_put(zp + HDR_CMD_LINE_PTR, LOW_CMDLINE, 4);
	loader_put(zp + HDR_RAMDISK_IMAGE, initrd, 4);
	loader_put(zp + HDR_RAMDISK_SIZE, in->initrd_size, 4);
	loader_put(zp + ZP_RSDP, in->rsdp.v, 8);
	zp[ZP_E820_COUNT] = (uint8_t)loader_map(ram, map);
	for (unsigned i = 0; i < zp[ZP_E820_COUNT]; i++) {
		struct e820_entry e = { map[i].base, map[i].size, map[i].type };

		memcpy(zp + ZP_E820 + i * sizeof(e), &e, sizeof(e));
	}
}

/* As high as the kernel can reach, clear of the kernel's own run-time size. */
static int place_initrd(const struct loader_job *job, uint64_t kernel_end, uint64_t *address)
{
	const struct loader_input *in = job->in;
	const struct loader_ram *ram = job->ram;
	uint64_t top = loader_get(in->kernel + HDR_INITRD_ADDR_MAX, 4) + 1;

	*address = 0;
	if (!in->initrd)
		return 0;
	if (top > ram->low)
		top = ram->low;
	if (in->initrd_size > top || ALIGN_DOWN(top - in->initrd_size, PAGE_SIZE) < kernel_end)
		return loader_fail(
			job, -E_NOMEM,
			"and its initrd need %llu MiB of memory, the VM has %llu MiB: raise "
			"memory =",
			(kernel_end + in->initrd_size + MIB(1) - 1) >> 20,
			(ram->low + ram->high) >> 20);
	*address = ALIGN_DOWN(top - in->initrd_size, PAGE_SIZE);
	return 0;
}

int linux_load(const struct loader_job *job)
{
	const struct loader_input *in = job->in;
	const struct loader_ram *ram = job->ram;
	uint64_t load, payload, size, end, initrd;
	int err = check_header(job);

	if (err)
		return err;
	load = loader_get(in->kernel + HDR_PREF_ADDRESS, 8);
	payload = in->kernel_size - setup_size(in->kernel);
	/* What it unpacks itself into; the file may be longer, with a signature at its end. */
	size = loader_get(in->kernel + HDR_INIT_SIZE, 4);
	if (size < payload)
		size = payload;
	end = load + size;
	if (end > ram->low)
		return loader_fail(job, -E_NOMEM,
				   "needs %llu MiB of memory, the VM has %llu MiB: raise memory =",
				   (end + MIB(1) - 1) >> 20, (ram->low + ram->high) >> 20);
	err = place_initrd(job, end, &initrd);
	if (!err)
		err = loader_put_cmdline(job, loader_get(in->kernel + HDR_CMDLINE_SIZE, 4));
	if (err)
		return err;
	copy_bulk(ram->base + load, in->kernel + setup_size(in->kernel), payload);
	if (initrd)
		copy_bulk(ram->base + initrd, in->initrd, in->initrd_size);
	build_zero_page(ram, in, initrd);
	loader_environment(job, false, load + ENTRY_64);
	job->entry->rsi = LOW_INFO;
	return 0;
}
