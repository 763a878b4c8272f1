/* SPDX-License-Identifier: MIT */
/* Checks and unpacks the hypervisor's ELF file, as it is embedded in the loader. Pure. */
#ifndef BOOT_EFI_ELF_H
#define BOOT_EFI_ELF_H

#include "hv/base/types.h"

/** What a checked file asks for. */
struct elf_image {
	uint64_t link_base; /* lowest address, a multiple of 2 MiB */
	uint64_t size;	    /* bytes from there to the end of .bss */
	uint64_t entry;	    /* as linked */
};

/**
 * True, and *@image filled, if the @size bytes at @file are a static ELF64 program for x86-64 whose
 * loadable segments are page-aligned, ascending, apart, within the file, and in the topmost 2 GiB
 * of the address space.
 */
bool elf_check(const void *file, uint64_t size, struct elf_image *image);

/** Unpacks a checked @file to @to, elf_image.size bytes of it; gaps and .bss become zero. */
void elf_unpack(const void *file, const struct elf_image *image, void *to);

#endif
