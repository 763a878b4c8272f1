// SPDX-License-Identifier: MIT
/* Multiboot kernels (Multiboot Specification 0.6.96): ELF files, or any file whose header says
 * where it goes. */
#include "drivers/guest/loader/elf.h"
#include "hv/base/errno.h"

#define HEADER_MAGIC 0x1badb002
#define BOOT_MAGIC 0x2badb002
#define SEARCHED 8192
#define LOADER_NAME "Cloister"

/* Header flags; what is required and unknown (bits 15:2) must be refused. */
#define HEADER_REQUIRED 0xfffcU
#define HEADER_HAS_ADDRESSES BIT(16)

enum { INFO_MEMORY = 1, INFO_CMDLINE = 4, INFO_MODULES = 8, INFO_MAP = 64, INFO_NAME = 512 };

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, module_count, modules;
	uint32_t symbols[4];
	uint32_t map_length, map;
	uint32_t drives_length, drives, config_table, name, apm_table;
	uint32_t rest[12]; /* VBE and framebuffer, which the flags do not announce */
};
static_assert(offsetof(struct info, map_length) == 44 && offsetof(struct info, name) == 64,
	      "Multiboot Specification 3.3");

struct info_module {
	uint32_t start, end, text, reserved;
};

struct info_range {
	uint32_t size; /* of the rest */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

/* All of it in the one page. */
struct info_page {
	struct info info;
	char name[sizeof(LOADER_NAME)];
	struct info_module modules[LOADER_MAX_PLACED];
	struct info_range map[LOADER_MAX_RANGES];
};
static_assert(sizeof(struct info_page) <= PAGE_SIZE, "LOW_INFO is one page");
#define LOW_OF(field) ((uint32_t)(LOW_INFO + offsetof(struct info_page, field)))

struct header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end, bss_end, entry; /* if the flags say so */
	uint64_t at;						   /* in the file */
};

static bool find_header(const uint8_t *file, uint64_t size, struct header *header)
{
	if (size > SEARCHED)
		size = SEARCHED;
	for (uint64_t at = 0; at + 12 <= size; at += 4) {
		memset(header, 0, sizeof(*header));
		memcpy(header, file + at, 12);
		header->at = at;
		if (header->magic != HEADER_MAGIC ||
		    header->magic + header->flags + header->checksum != 0)
			continue;
		if (!(header->flags & HEADER_HAS_ADDRESSES))
			return true;
		if (at + 32 <= size) {
			memcpy(header, file + at, 32);
			return true;
		}
	}
	return false;
}

bool multiboot_is(const uint8_t *kernel, uint64_t size)
{
	struct header header;

	return find_header(kernel, size, &header);
}

/* Loads what the header's addresses say: from load_addr on, of which header_addr is in the file. */
static int load_by_addresses(const struct loader_job *job, const struct header *h, uint64_t *entry,
			     uint64_t *end)
{
	const struct loader_ram *ram = job->ram;
	uint64_t before = (uint64_t)h->header_addr - h->load_addr, offset = h->at - before, size;

	if (h->header_addr < h->load_addr || before > h->at ||
	    (h->load_end && h->load_end < h->load_addr))
		return loader_fail(
			job, -E_INVAL,
			"is damaged: its multiboot header at 0x%llx and its load address "
			"0x%llx do not fit together",
			h->header_addr, h->load_addr);
	size = h->load_end ? h->load_end - h->load_addr : job->in->kernel_size - offset;
	if (size > job->in->kernel_size - offset)
		return loader_fail(
			job, -E_INVAL,
			"is truncated: its multiboot header asks for %llu bytes, the file "
			"has %llu; copy it again",
			offset + size, job->in->kernel_size);
	*end = h->load_addr + size;
	if (*end < h->bss_end)
		*end = h->bss_end;
	if (h->load_addr < LOADER_LOW_SIZE || *end > ram->low)
		return loader_fail(
			job, -E_RANGE,
			"wants the addresses 0x%llx to 0x%llx, and there the VM has no free "
			"memory: from 1 MiB to memory =",
			h->load_addr, *end);
	if (h->entry < h->load_addr || h->entry >= h->load_addr + size)
		return loader_fail(job, -E_INVAL,
				   "is damaged: its entry point 0x%llx is not loaded", h->entry, 0);
	copy_bulk(ram->base + h->load_addr, job->in->kernel + offset, size);
	memset(ram->base + h->load_addr + size, 0, *end - h->load_addr - size);
	*entry = h->entry;
	return 0;
}

static int load_elf(const struct loader_job *job, uint64_t *entry, uint64_t *end)
{
	struct velf elf;
	int err = velf_open(job, &elf);

	if (!err)
		err = velf_entry(job, &elf, elf.entry, false, entry);
	return err ? err : velf_load(job, &elf, end);
}

static void describe(const struct loader_job *job, const struct loader_placed *placed,
		     unsigned count)
{
	struct info_page *page = (struct info_page *)(job->ram->base + LOW_INFO);
	struct loader_range map[LOADER_MAX_RANGES];
	unsigned ranges = loader_map(job->ram, map);

	memset(page, 0, PAGE_SIZE);
	page->info = (struct info){
		.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_NAME,
		.mem_lower = LOW_USABLE_END >> 10,
		.mem_upper = (uint32_t)((job->ram->low - MIB(1)) >> 10),
		.cmdline = LOW_CMDLINE,
		.module_count = count,
		.modules = LOW_OF(modules),
		.map_length = ranges * (uint32_t)sizeof(struct info_range),
		.map = LOW_OF(map),
		.name = LOW_OF(name),
	};
	memcpy(page->name, LOADER_NAME, sizeof(LOADER_NAME));
	for (unsigned i = 0; i < count; i++)
		page->modules[i] =
			(struct info_module){ (uint32_t)placed[i].start,
					      (uint32_t)(placed[i].start + placed[i].size),
					      (uint32_t)placed[i].text, 0 };
	for (unsigned i = 0; i < ranges; i++)
		page->map[i] = (struct info_range){ sizeof(struct info_range) - 4, map[i].base,
						    map[i].size, map[i].type };
}

int multiboot_load(const struct loader_job *job)
{
	struct loader_placed placed[LOADER_MAX_PLACED];
	struct header header;
	uint64_t entry = 0, end = 0;
	unsigned count;
	int err;

	if (!find_header(job->in->kernel, job->in->kernel_size, &header))
		return loader_fail(job, -E_INVAL,
				   "has no multiboot header in its first 8192 bytes (magic "
				   "0x1badb002; multiboot2 is another format)",
				   0, 0);
	if (header.flags & HEADER_REQUIRED)
		return loader_fail(job, -E_NOTSUP,
				   "wants from its loader what Cloister has not (multiboot flags "
				   "0x%llx): a video mode, for instance",
				   header.flags, 0);
	err = header.flags & HEADER_HAS_ADDRESSES ? load_by_addresses(job, &header, &entry, &end)
						  : load_elf(job, &entry, &end);
	if (!err)
		err = loader_place_extras(job, end, placed, &count);
	if (err)
		return err;
	describe(job, placed, count);
	loader_environment(job, true, entry);
	job->entry->eax = BOOT_MAGIC;
	job->entry->ebx = LOW_INFO;
	return 0;
}
