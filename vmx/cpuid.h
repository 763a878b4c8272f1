/* SPDX-License-Identifier: MIT */
/* What CPUID tells guests: the processor's leaves through a filter, made once. The same for all
 * VMs: what differs from vCPU to vCPU is added at the exit (vmx/exit/cpuid.c). */
#ifndef VMX_CPUID_H
#define VMX_CPUID_H

#include "hv/base/types.h"

#define CPUID_ENTRIES 64
#define CPUID_NO_ENTRY 0xff

enum cpuid_entry_flags {
	CPUID_SUBLEAVES = 1, /* several entries of this leaf follow each other */
	CPUID_DYNAMIC = 2,   /* fields follow the vCPU's state */
};

/** One leaf as a guest sees it. */
struct cpuid_entry {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
	uint8_t flags; /* enum cpuid_entry_flags */
};

struct cpuid_table {
	struct cpuid_entry entries[CPUID_ENTRIES];
	uint8_t count;
	uint8_t basic[0x20]; /* leaf -> first entry; CPUID_NO_ENTRY */
	uint8_t ext[0x10];
	uint64_t cr4_allowed, xcr0_allowed; /* what follows from the features */
};

/** Valid after cpuid_build(). Any map. */
extern struct cpuid_table cpuid_table;

/** Fills it. Boot processor, when the TSC's frequency is known. */
FULL void cpuid_build(void);

#endif
