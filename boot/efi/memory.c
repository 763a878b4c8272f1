// SPDX-License-Identifier: MIT
#include "boot/efi/loader.h"

#include "boot/ranges.h"

#define FOUR_GIB GIB(4)
/* Entries that allocating the map's own buffer and exiting may add. */
#define MAP_SLACK 16

void *memory_allocate(const struct loader *loader, uint64_t size, bool below_4g,
		      EFI_MEMORY_TYPE type)
{
	EFI_PHYSICAL_ADDRESS address = below_4g ? FOUR_GIB - 1 : UINT64_MAX;
	UINTN pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;

	if (EFI_ERROR(loader->services->AllocatePages(
		    below_4g ? AllocateMaxAddress : AllocateAnyPages, type, pages, &address)))
		return NULL;
	return (void *)address;
}

static EFI_STATUS get_map(const struct loader *loader, struct memory_map *map)
{
	UINT32 version;

	map->size = map->capacity;
	return loader->services->GetMemoryMap(&map->size, (EFI_MEMORY_DESCRIPTOR *)map->entries,
					      &map->key, &map->stride, &version);
}

void memory_prepare_map(const struct loader *loader, struct memory_map *map)
{
	map->capacity = 0;
	map->entries = NULL;
	if (get_map(loader, map) != EFI_BUFFER_TOO_SMALL)
		loader_fail(loader, "the firmware gives no memory map", "update the firmware");
	map->capacity = map->size + MAP_SLACK * map->stride;
	map->entries = memory_allocate(loader, map->capacity, false, EfiLoaderData);
	if (!map->entries)
		loader_fail(loader, "no memory for the memory map", "give the machine more memory");
}

/*
 * The first attempt may fire events that change the map, which makes the key stale: UEFI 2.10,
 * 7.4.6.
 */
void memory_exit_boot_services(const struct loader *loader, struct memory_map *map)
{
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		if (EFI_ERROR(get_map(loader, map)))
			break;
		if (!EFI_ERROR(loader->services->ExitBootServices(loader->image, map->key)))
			return;
	}
	loader_fail(loader, "the firmware does not end its boot services",
		    "reset the machine or update the firmware");
}

static enum boot_range_type range_type(UINT32 efi_type)
{
	switch (efi_type) {
	case EfiLoaderCode:
	case EfiLoaderData:
	case EfiBootServicesCode:
	case EfiBootServicesData:
	case EfiConventionalMemory:
		return BOOT_RANGE_RAM;
	case EfiACPIReclaimMemory:
	case EfiACPIMemoryNVS:
		return BOOT_RANGE_ACPI;
	case EfiMemoryMappedIO:
	case EfiMemoryMappedIOPortSpace:
		return BOOT_RANGE_MMIO;
	default:
		return BOOT_RANGE_RESERVED;
	}
}

static void add_round(struct boot_info *bi, const struct memory_map *map, bool ram)
{
	for (UINTN at = 0; at + map->stride <= map->size; at += map->stride) {
		const EFI_MEMORY_DESCRIPTOR *d = (const void *)(map->entries + at);
		enum boot_range_type type = range_type(d->Type);

		if ((type == BOOT_RANGE_RAM) == ram)
			ranges_claim(bi, d->PhysicalStart, d->NumberOfPages * PAGE_SIZE, type);
	}
}

void memory_add_ranges(struct boot_info *bi, const struct memory_map *map)
{
	add_round(bi, map, true);
	add_round(bi, map, false);
}
