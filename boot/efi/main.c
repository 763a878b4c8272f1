// SPDX-License-Identifier: MIT
#include "boot/efi/loader.h"

#include "boot/efi/elf.h"
#include "boot/ranges.h"
#include "hv/base/asm.h"
#include "hv/base/string.h"

/* boot/efi/blob.asm: the hypervisor. */
extern const uint8_t hv_elf_start[] __attribute__((visibility("hidden")));
extern const uint8_t hv_elf_end[] __attribute__((visibility("hidden")));

/* The record and, behind it, the copy of the ACPI root pointer. */
struct record {
	struct boot_info info;
	uint8_t rsdp[RSDP_SIZE];
};

static struct record *make_record(struct loader *loader, uint64_t tsc_start)
{
	struct record *record = memory_allocate(loader, sizeof(*record), true, EfiLoaderData);

	if (!record)
		loader_fail(loader, "no memory below 4 GiB for the boot record",
			    "give the machine more memory");
	memset(record, 0, sizeof(*record));
	loader->bi = &record->info;
	record->info.magic = BOOT_INFO_MAGIC;
	record->info.version = BOOT_INFO_VERSION;
	record->info.source = BOOT_SOURCE_EFI;
	record->info.tsc_start = tsc_start;
	return record;
}

/* The firmware aligns to pages only: 2 MiB more than needed contain an aligned block. */
static void load_image(const struct loader *loader, struct elf_image *image)
{
	uint8_t *memory;

	if (!elf_check(hv_elf_start, (uint64_t)hv_elf_end - (uint64_t)hv_elf_start, image))
		loader_fail(loader, "the hypervisor inside the loader is damaged",
			    "copy BOOTX64.EFI again");
	memory = memory_allocate(loader, image->size + PAGE_SIZE_2M, true, EfiLoaderCode);
	if (!memory)
		loader_fail(loader, "no memory below 4 GiB for the hypervisor",
			    "give the machine more memory");
	loader->bi->image_base = HPA(ALIGN_UP((uint64_t)memory, PAGE_SIZE_2M));
	loader->bi->image_size = ALIGN_UP(image->size, PAGE_SIZE);
	elf_unpack(hv_elf_start, image, (void *)loader->bi->image_base.v);
}

static void claim_own(struct boot_info *bi, const void *memory, uint64_t size)
{
	ranges_claim(bi, (uint64_t)memory, size, BOOT_RANGE_HYPERVISOR);
}

EFI_STATUS efi_main(EFI_HANDLE image_handle, EFI_SYSTEM_TABLE *system);

/** Called by gnu-efi's start code (System V calling convention); never returns to the firmware. */
EFI_STATUS efi_main(EFI_HANDLE image_handle, EFI_SYSTEM_TABLE *system)
{
	uint64_t tsc_start = rdtsc();
	struct loader loader = { .image = image_handle,
				 .system = system,
				 .services = system->BootServices };
	struct record *record = make_record(&loader, tsc_start);
	struct boot_info *bi = &record->info;
	struct memory_map map;
	struct elf_image image;
	struct handoff *handoff;

	/* Reading large files from a slow stick must not trip the firmware's five minutes. */
	loader.services->SetWatchdogTimer(0, 0, 0, NULL);
	load_image(&loader, &image);
	handoff = handoff_prepare(&loader, bi->image_base.v, image.link_base, image.size);
	machine_describe(&loader, record->rsdp);
	files_load(&loader);
	memory_prepare_map(&loader, &map);
	memory_exit_boot_services(&loader, &map);
	bi->tsc_exit_boot = rdtsc();

	memory_add_ranges(bi, &map);
	for (uint32_t i = 0; i < bi->file_count; i++)
		ranges_claim(bi, bi->files[i].base.v, bi->files[i].size, BOOT_RANGE_FILE);
	claim_own(bi, (void *)bi->image_base.v, bi->image_size);
	claim_own(bi, record, sizeof(*record));
	claim_own(bi, handoff, handoff_size());
	handoff_jump(handoff, bi, image.entry);
}
