// SPDX-License-Identifier: MIT
/* ELF kernels with a PVH entry point, as Linux with CONFIG_PVH: 32-bit protected mode, EBX at the
 * start info (Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h, version 1). */
#include "drivers/guest/loader/elf.h"
#include "hv/base/errno.h"

#define NOTE_OWNER "Xen"
#define NOTE_PHYS32_ENTRY 18
#define START_MAGIC 0x336ec578

struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline, rsdp, map;
	uint32_t map_count, reserved;
};
static_assert(sizeof(struct start_info) == 56, "start_info.h");

struct start_module {
	uint64_t start, size, cmdline, reserved;
};

struct start_range {
	uint64_t base, size;
	uint32_t type, reserved;
};

/* All of it in the one page. */
struct start_page {
	struct start_info info;
	struct start_module modules[LOADER_MAX_PLACED];
	struct start_range map[LOADER_MAX_RANGES];
};
static_assert(sizeof(struct start_page) <= PAGE_SIZE, "LOW_INFO is one page");
#define LOW_OF(field) (LOW_INFO + offsetof(struct start_page, field))

/* The address that the note holds; 0 if there is none. */
static uint64_t find_entry(const struct velf *elf)
{
	uint32_t size;
	const uint8_t *note = velf_note(elf, NOTE_OWNER, NOTE_PHYS32_ENTRY, &size);

	return note && (size == 4 || size == 8) ? loader_get(note, size) : 0;
}

bool pvh_is(const uint8_t *kernel, uint64_t size)
{
	const struct loader_input in = { .kernel = kernel, .kernel_size = size };
	char why[1];
	const struct loader_job job = { NULL, &in, NULL, why, sizeof(why) };
	struct velf elf;

	return velf_is(kernel, size) && !velf_open(&job, &elf) && find_entry(&elf);
}

static void describe(const struct loader_job *job, const struct loader_placed *placed,
		     unsigned count)
{
	struct start_page *page = (struct start_page *)(job->ram->base + LOW_INFO);
	struct loader_range map[LOADER_MAX_RANGES];

	memset(page, 0, PAGE_SIZE);
	page->info = (struct start_info){
		.magic = START_MAGIC,
		.version = 1,
		.module_count = count,
		.modules = count ? LOW_OF(modules) : 0,
		.cmdline = LOW_CMDLINE,
		.rsdp = job->in->rsdp.v,
		.map = LOW_OF(map),
		.map_count = loader_map(job->ram, map),
	};
	for (unsigned i = 0; i < count; i++)
		page->modules[i] =
			(struct start_module){ placed[i].start, placed[i].size, placed[i].text, 0 };
	for (unsigned i = 0; i < page->info.map_count; i++)
		page->map[i] = (struct start_range){ map[i].base, map[i].size, map[i].type, 0 };
}

int pvh_load(const struct loader_job *job)
{
	struct loader_placed placed[LOADER_MAX_PLACED];
	struct velf elf;
	uint64_t entry, end;
	unsigned count;
	int err = velf_open(job, &elf);

	if (err)
		return err;
	entry = find_entry(&elf);
	if (!entry)
		return loader_fail(job, -E_INVAL,
				   "has no PVH entry point (ELF note Xen 18) and is not loaded as "
				   "multiboot: Linux needs CONFIG_PVH, or give its bzImage",
				   0, 0);
	err = velf_entry(job, &elf, entry, true, &entry);
	if (!err)
		err = velf_load(job, &elf, &end);
	if (!err)
		err = loader_place_extras(job, end, placed, &count);
	if (err)
		return err;
	describe(job, placed, count);
	loader_environment(job, true, entry);
	job->entry->ebx = LOW_INFO;
	return 0;
}
