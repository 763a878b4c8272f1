/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor and the loader program agree on. The program is a part of the guest: it runs
 * on vCPU 0 before the kernel, in memory of the VM's own, and loads that. So the hypervisor parses
 * no file that a guest is started from.
 */
#ifndef DRIVERS_GUEST_LOADER_BOOT_H
#define DRIVERS_GUEST_LOADER_BOOT_H

#include "hv/base/types.h"

/*
 * Guest-physical, behind what PCI has and below the interrupt controllers; no memory map names it.
 * From there on: the program, which is entered in 32-bit protected mode at its first byte; what it
 * is told; page tables. All of it may be read, written and executed.
 */
#define LOADER_BASE 0xfd000000U
#define LOADER_PROGRAM_SIZE KIB(32)
#define LOADER_BOOT (LOADER_BASE + LOADER_PROGRAM_SIZE)
#define LOADER_TABLES (LOADER_BOOT + PAGE_SIZE)

#define LOADER_MAX_MODULES 4
#define LOADER_BOOT_CMDLINE 1024
#define LOADER_BOOT_TEXT 128
#define LOADER_WHY_SIZE 160

/** Pages of page tables that map so many GiB, by 2 MiB; and how wide such addresses can be. */
#define LOADER_TABLE_PAGES(gib) (2 + (uint64_t)(gib))
#define LOADER_BITS 39

/** A file, as it can be read in the guest's memory, behind its RAM. */
struct loader_file {
	uint64_t at; /* guest-physical; 0: there is none */
	uint64_t size;
};

/** At LOADER_BOOT. Texts end with a zero. */
struct loader_boot {
	uint32_t gib; /* to be mapped: RAM, this area and the files lie in it */
	uint32_t vcpu_count;
	uint32_t format; /* enum loader_format */
	uint32_t module_count;
	uint64_t ram_low, ram_high; /* bytes from 0, and from 4 GiB */
	struct loader_file kernel, initrd, modules[LOADER_MAX_MODULES];
	char module_texts[LOADER_MAX_MODULES][LOADER_BOOT_TEXT];
	char cmdline[LOADER_BOOT_CMDLINE];
	char why[LOADER_WHY_SIZE]; /* the program's sentence for HYPERCALL_LOADER_FAIL */
};
static_assert(sizeof(struct loader_boot) <= PAGE_SIZE, "it has a page");

#endif
