// SPDX-License-Identifier: MIT
/* Turns GRUB's multiboot2 information into boot_info (Multiboot2 specification, 3.6). */
#include "boot/boot_info.h"
#include "boot/files.h"
#include "boot/ranges.h"
#include "drivers/host/uart.h"
#include "hv/base/asm.h"
#include "hv/base/layout.h"
#include "hv/base/string.h"

#define MB2_MAGIC 0x36d76289

enum mb2_tag_type {
	MB2_END = 0,
	MB2_MODULE = 3,
	MB2_MEMORY_MAP = 6,
	MB2_FRAMEBUFFER = 8,
	MB2_RSDP_OLD = 14,
	MB2_RSDP_NEW = 15,
};

struct mb2_tag {
	uint32_t type, size;
};

struct mb2_module {
	struct mb2_tag tag;
	uint32_t start, end;
	char name[];
};

struct mb2_memory_map {
	struct mb2_tag tag;
	uint32_t entry_size, entry_version;
};

struct mb2_memory_entry {
	uint64_t base, size;
	uint32_t type, reserved;
};

struct mb2_framebuffer {
	struct mb2_tag tag;
	uint64_t base;
	uint32_t pitch, width, height;
	uint8_t bits, type;
	uint16_t reserved;
	uint8_t red_position;
} __attribute__((packed));
static_assert(offsetof(struct mb2_framebuffer, red_position) == 32,
	      "Multiboot2 specification 3.6.12");

enum { MB2_RAM = 1, MB2_ACPI = 3, MB2_ACPI_NVS = 4, MB2_DIRECT_COLOR = 1 };

extern const char image_start[], image_end[];

static struct boot_info info;
static uint8_t rsdp_copy[64];

static uint64_t image_physical(const void *p)
{
	return (uint64_t)p - IMAGE_BASE;
}

static enum boot_range_type range_type(uint32_t type)
{
	switch (type) {
	case MB2_RAM:
		return BOOT_RANGE_RAM;
	case MB2_ACPI:
	case MB2_ACPI_NVS:
		return BOOT_RANGE_ACPI;
	default:
		return BOOT_RANGE_RESERVED;
	}
}

static void add_memory(const struct mb2_memory_map *map, bool ram)
{
	const uint8_t *p = (const uint8_t *)(map + 1);
	const uint8_t *end = (const uint8_t *)map + map->tag.size;

	if (map->entry_size < sizeof(struct mb2_memory_entry))
		return;
	for (; p + sizeof(struct mb2_memory_entry) <= end; p += map->entry_size) {
		const struct mb2_memory_entry *e = (const void *)p;

		if ((e->type == MB2_RAM) == ram)
			ranges_claim(&info, e->base, e->size, range_type(e->type));
	}
}

static void add_module(const struct mb2_module *module)
{
	struct boot_file *file = &info.files[info.file_count];

	ranges_claim(&info, module->start, module->end - module->start, BOOT_RANGE_FILE);
	if (info.file_count == BOOT_MAX_FILES || !module->name[0] ||
	    str_copy(file->name, module->name, sizeof(file->name)) >= sizeof(file->name))
		return;
	file->base = HPA(module->start);
	file->size = module->end - module->start;
	file->status = BOOT_FILE_OK;
	info.file_count++;
}

static void add_framebuffer(const struct mb2_framebuffer *fb)
{
	if (fb->type != MB2_DIRECT_COLOR || fb->bits != 32)
		return;
	info.fb = (struct boot_framebuffer){ HPA(fb->base), fb->width, fb->height, fb->pitch,
					     fb->red_position == 16 };
}

static void add_rsdp(const struct mb2_tag *tag)
{
	uint32_t size = tag->size - sizeof(*tag);

	if (size > sizeof(rsdp_copy) || (info.rsdp.v && tag->type == MB2_RSDP_OLD))
		return;
	memcpy(rsdp_copy, tag + 1, size);
	info.rsdp = HPA(image_physical(rsdp_copy));
}

/*
 * The tags in order, 8-byte aligned; a size too small for its own header ends the list. The claims
 * on memory come in three rounds (boot/ranges.h).
 */
static void walk(uint64_t address, unsigned round)
{
	const struct mb2_tag *tag = (const void *)(address + 8);

	while (tag->type != MB2_END && tag->size >= sizeof(*tag)) {
		if (tag->type == MB2_MEMORY_MAP && round < 2)
			add_memory((const void *)tag, round == 0);
		else if (tag->type == MB2_MODULE && round == 2)
			add_module((const void *)tag);
		else if (tag->type == MB2_FRAMEBUFFER && round == 2)
			add_framebuffer((const void *)tag);
		else if ((tag->type == MB2_RSDP_OLD || tag->type == MB2_RSDP_NEW) && round == 2)
			add_rsdp(tag);
		tag = (const void *)((uint64_t)tag + ALIGN_UP(tag->size, 8));
	}
}

static _Noreturn void fail(const char *text)
{
	struct uart uart;

	uart_init(&uart, UART_COM1);
	while (*text)
		uart_putc(&uart, *text++);
	uart_drain(&uart);
	halt_forever();
}

/** From boot/mb2/entry.asm: GRUB's magic and the address of its information, identity-mapped. */
_Noreturn void mb2_main(uint32_t magic, uint32_t address);

_Noreturn void mb2_main(uint32_t magic, uint32_t address)
{
	info.magic = BOOT_INFO_MAGIC;
	info.version = BOOT_INFO_VERSION;
	info.source = BOOT_SOURCE_MULTIBOOT2;
	info.tsc_start = rdtsc();
	info.image_base = HPA(image_physical(image_start));
	info.image_size = (uint64_t)image_end - (uint64_t)image_start;
	if (magic != MB2_MAGIC)
		fail("cloister: not started by multiboot2: use GRUB's multiboot2 and module2\r\n"
		     "@cloister {\"type\":\"end\",\"status\":1,"
		     "\"reason\":\"not started by multiboot2\"}\r\n");
	for (unsigned round = 0; round < 3; round++)
		walk(address, round);
	files_expect_config(&info);
	files_expect_named(&info);
	ranges_claim(&info, info.image_base.v, info.image_size, BOOT_RANGE_HYPERVISOR);
	info.tsc_handover = rdtsc();
	hv_entry((const struct boot_info *)image_physical(&info));
}
