/* SPDX-License-Identifier: MIT */
/*
 * Puts a kernel into guest memory and says how the first vCPU enters it: what the formats share,
 * and the choice among them. Files are data from anywhere: every byte of them may lie.
 */
#ifndef DRIVERS_GUEST_LOADER_H
#define DRIVERS_GUEST_LOADER_H

#include "drivers/guest/loader/boot.h"

/** Guest RAM as the loader sees it: one flat view, gpa g at base + g (holes are not touched). */
struct loader_ram {
	uint8_t *base;
	uint64_t low;  /* bytes of RAM from 0 */
	uint64_t high; /* bytes of RAM from 4 GiB */
};

/*
 * Below this the loaders keep page tables, the zero page or its like, the command line and the ACPI
 * tables; kernels lie above.
 */
#define LOADER_LOW_SIZE MIB(1)
#define LOADER_MAX_TEXT 2048 /* of the command line, and of a module's, with their zero */

enum loader_format {
	LOADER_AUTO, /* what the file's magic says */
	LOADER_LINUX,
	LOADER_FLAT,
	LOADER_PVH,
	LOADER_MULTIBOOT,
};

struct loader_module {
	const uint8_t *data;
	uint64_t size;
	const char *text; /* its name and what else it is given */
};

struct loader_input {
	const uint8_t *kernel;
	uint64_t kernel_size;
	const uint8_t *initrd; /* NULL: none; for PVH and multiboot the first module */
	uint64_t initrd_size;
	const char *cmdline;
	gpa_t rsdp; /* where acpi_build() put it */
	const struct loader_module *modules;
	unsigned module_count; /* LOADER_MAX_MODULES at most */
};

/**
 * What the first vCPU starts with: 64-bit mode with paging, or 32-bit protected mode without; flat
 * segments from @gdt, valid RSP, and these registers, the others zero.
 */
struct loader_entry {
	uint64_t rip, rsp, rsi;
	uint64_t cr3; /* 64-bit mode only */
	uint64_t gdt_base;
	uint32_t gdt_limit;
	uint16_t cs, ds;
	bool protected_mode; /* 32-bit, no paging */
	uint32_t eax, ebx;   /* protected mode only */
};

/**
 * Loads the kernel in @format, or in the one that its magic shows. On failure returns a negative
 * error and puts a sentence without the file's name into @why ("is truncated: ...").
 */
int loader_load(enum loader_format format, const struct loader_ram *ram,
		const struct loader_input *in, struct loader_entry *entry, char *why,
		size_t why_size);

/** The format that a file's magic shows; LOADER_AUTO if none. */
enum loader_format loader_detect(const uint8_t *kernel, uint64_t size);

#endif
