/* SPDX-License-Identifier: MIT */
/*
 * Puts a Linux bzImage into guest memory by the 64-bit boot protocol
 * (Documentation/arch/x86/boot.rst): kernel, initrd, command line, zero page with e820, ACPI RSDP
 * address, identity page tables, GDT.
 */
#ifndef DRIVERS_GUEST_LINUX_H
#define DRIVERS_GUEST_LINUX_H

#include "hv/types.h"

/** Guest RAM as the loader sees it: one flat view, gpa g at base + g (holes are not touched). */
struct loader_ram {
	uint8_t *base;
	uint64_t low;  /* bytes of RAM from 0 */
	uint64_t high; /* bytes of RAM from 4 GiB */
	/*
	 * Makes sure that a range is backed before it is written; NULL: all of it is. 0 or a
	 * negative error.
	 */
	int (*populate)(void *context, gpa_t gpa, uint64_t size);
	void *context;
};

/* Below this the loaders keep page tables, the zero page, the command line and the ACPI tables. */
#define LOADER_LOW_SIZE MIB(1)

struct loader_input {
	const uint8_t *kernel;
	uint64_t kernel_size;
	const uint8_t *initrd; /* NULL: none */
	uint64_t initrd_size;
	const char *cmdline;
	gpa_t rsdp; /* where acpi_build() put it */
};

/**
 * What the first vCPU starts with: 64-bit mode, flat segments from @gdt, CR3, RIP, RSI; RSP valid.
 */
struct loader_entry {
	uint64_t rip, rsp, rsi;
	uint64_t cr3;
	uint64_t gdt_base;
	uint32_t gdt_limit;
	uint16_t cs, ds;
};

/**
 * Loads the kernel. On failure returns a negative error and points *why at a sentence without the
 * file's name ("is truncated: the header asks for 8123456 bytes, the file has 4096", "is not a
 * bzImage ..."), which is put into @why_buf.
 */
int linux_load(const struct loader_ram *ram, const struct loader_input *in,
	       struct loader_entry *entry, char *why_buf, size_t why_size);

/**
 * Raw 64-bit code: copied to 1 MiB and entered there in the same state, RSI = address of the
 * command line.
 */
int flat_load(const struct loader_ram *ram, const struct loader_input *in,
	      struct loader_entry *entry, char *why_buf, size_t why_size);

#endif
