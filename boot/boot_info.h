/* SPDX-License-Identifier: MIT */
/*
 * The one hand-off record. Both loaders (UEFI, multiboot2) fill it; nothing else crosses into the
 * hypervisor.
 *
 * State at hv_entry(struct boot_info *) [the ELF's entry point]:
 *   - 64-bit mode, interrupts off, RDI = physical (= identity-mapped) address of the record, a
 * usable stack is not required (hv_entry takes its own);
 *   - page tables below 4 GiB that map (a) the first 4 GiB at address 0 and again at PHYSMAP_BASE,
 * writable, (b) the image at its link address;
 *   - the image is physically contiguous, starts on a 2 MiB boundary below 4 GiB, .bss is zeroed;
 *   - the record and the page tables lie below 4 GiB; files may lie anywhere;
 *   - firmware services are over (ExitBootServices done); only this processor runs.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include "hv/base/types.h"

#define BOOT_INFO_MAGIC 0x4f464e4952545343ULL
#define BOOT_INFO_VERSION 1

#define BOOT_MAX_RANGES 512
#define BOOT_MAX_FILES 192
#define BOOT_MAX_CPUS 256
#define BOOT_NAME_LEN 64

enum boot_range_type {
	BOOT_RANGE_RAM = 1,	   /* free for the hypervisor */
	BOOT_RANGE_RESERVED = 2,   /* firmware's, or unknown: only ACPI tables are read there */
	BOOT_RANGE_ACPI = 3,	   /* ACPI tables: mapped, never reused */
	BOOT_RANGE_HYPERVISOR = 4, /* the image, this record, the boot page tables */
	BOOT_RANGE_FILE = 5,	   /* contents of the files[]; kept for a guest's reboot */
	BOOT_RANGE_MMIO = 6,	   /* not RAM */
};

/** One piece of the physical memory map; sorted by base, not overlapping, page-granular. */
struct boot_range {
	uint64_t base;
	uint64_t size;
	uint32_t type; /* enum boot_range_type */
	uint32_t reserved;
};

enum boot_file_status {
	BOOT_FILE_OK = 0,
	BOOT_FILE_MISSING = 1,	  /* cloister.conf names it, the medium lacks it */
	BOOT_FILE_UNREADABLE = 2, /* the medium failed */
	BOOT_FILE_NO_MEMORY = 3,  /* it does not fit */
};

/** A file that the configuration names, or the configuration itself ("cloister.conf"). */
struct boot_file {
	char name[BOOT_NAME_LEN]; /* as written in cloister.conf, zero-terminated */
	hpa_t base;		  /* page-aligned */
	uint64_t size;		  /* bytes */
	uint32_t status;	  /* enum boot_file_status */
	uint32_t reserved;
};

/** A processor that the firmware lists as usable. */
struct boot_cpu {
	uint32_t apic_id;
	uint32_t is_bsp;
};

/** Linear framebuffer, 32 bits a pixel; base 0 if there is none. */
struct boot_framebuffer {
	hpa_t base;
	uint32_t width;	 /* pixels */
	uint32_t height; /* pixels */
	uint32_t pitch;	 /* bytes a line */
	uint32_t is_bgr; /* 1: blue in the low byte */
};

enum boot_source { BOOT_SOURCE_EFI = 1, BOOT_SOURCE_MULTIBOOT2 = 2 };

struct boot_info {
	uint64_t magic;
	uint32_t version;
	uint32_t source; /* enum boot_source */

	hpa_t image_base;    /* where the image lies */
	uint64_t image_size; /* bytes, .bss included */
	hpa_t rsdp;	     /* ACPI root pointer, 0 if none */
	struct boot_framebuffer fb;

	uint64_t tsc_start;	 /* time stamp at the loader's first instruction */
	uint64_t tsc_handover;	 /* time stamp just before the jump */
	uint64_t tsc_file_ticks; /* of these, spent on reading and copying files */
	uint64_t tsc_exit_boot;	 /* time stamp when ExitBootServices returned; 0 under multiboot2 */

	uint32_t range_count;
	uint32_t file_count;
	uint32_t cpu_count; /* 0: the loader does not know (look into ACPI) */
	uint32_t reserved;
	struct boot_range ranges[BOOT_MAX_RANGES];
	struct boot_file files[BOOT_MAX_FILES];
	struct boot_cpu cpus[BOOT_MAX_CPUS];
};

static_assert(sizeof(struct boot_range) == 24, "read by boot code and the core alike");
static_assert(sizeof(struct boot_file) == 88, "read by boot code and the core alike");

/** The image's entry point, hv/core/start.asm: the state is as above. */
FULL _Noreturn void hv_entry(const struct boot_info *info);

#endif
