/* SPDX-License-Identifier: MIT */
/*
 * The UEFI loader: one pass from efi_main() to hv_entry(). Everything here runs under the
 * firmware's own identity map; nothing of it is left once the hypervisor runs.
 */
#ifndef BOOT_EFI_LOADER_H
#define BOOT_EFI_LOADER_H

#include "boot/boot_info.h"

#include <efi.h>

/** What every step needs; @bi is the record being filled, zeroed memory below 4 GiB. */
struct loader {
	EFI_HANDLE image;
	EFI_SYSTEM_TABLE *system;
	EFI_BOOT_SERVICES *services;
	struct boot_info *bi;
};

/** The firmware's memory map as GetMemoryMap() gives it. */
struct memory_map {
	uint8_t *entries;
	UINTN capacity, size, stride, key;
};

/* console.c */

/**
 * Says "cloister: @what: @advice" on the firmware's console and COM1, adds the `end` record, stops
 * the machine.
 */
_Noreturn void loader_fail(const struct loader *loader, const char *what, const char *advice);

/* memory.c */

/** Whole pages for @size bytes, zeroed only if the firmware does so; NULL if there is no room. */
void *memory_allocate(const struct loader *loader, uint64_t size, bool below_4g,
		      EFI_MEMORY_TYPE type);
/**
 * Room for the memory map; to be called when nothing else will be allocated. Fails by
 * loader_fail().
 */
void memory_prepare_map(const struct loader *loader, struct memory_map *map);
/** ExitBootServices: afterwards no firmware service may be called. Fails by loader_fail(). */
void memory_exit_boot_services(const struct loader *loader, struct memory_map *map);
/** Turns the firmware's map into boot_info's ranges (UEFI specification 2.10, table 7.10). */
void memory_add_ranges(struct boot_info *bi, const struct memory_map *map);

/* files.c */

/** Reads cloister.conf and all files that it names into boot_info; what is amiss is noted there. */
void files_load(const struct loader *loader);

/* machine.c */

/**
 * Fills in the ACPI root pointer, the processors and the framebuffer, each if the firmware knows
 * it.
 */
void machine_describe(const struct loader *loader, void *rsdp_copy);

/** Bytes that @rsdp_copy of machine_describe() must have room for (ACPI 6.5, 5.2.5.3). */
#define RSDP_SIZE 36

/* handoff.c */

/**
 * Page tables of boot_info.h's contract and the code that switches to them: all below 4 GiB, one
 * block.
 */
struct handoff;

/**
 * Allocates and fills the block for an image at @image_base, linked at @link_base. Fails by
 * loader_fail().
 */
struct handoff *handoff_prepare(const struct loader *loader, uint64_t image_base,
				uint64_t link_base, uint64_t size);
/** Bytes of the block. */
uint64_t handoff_size(void);
/** Interrupts off, new page tables, jump. */
_Noreturn void handoff_jump(struct handoff *handoff, struct boot_info *bi, uint64_t entry);

#endif
