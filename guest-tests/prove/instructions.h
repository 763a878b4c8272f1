/* SPDX-License-Identifier: MIT */
/* Instructions whose results are the guest's, or the machine's: in front of files that use them. */
#ifndef PROVE_INSTRUCTIONS_H
#define PROVE_INSTRUCTIONS_H

#include "hv/base/asm.h"
#include "vmx/vmcs.h"

static inline struct cpuid_regs any_cpuid(void)
{
	return (struct cpuid_regs){ any32, any32, any32, any32 };
}

/* What the processor says, and not the guest, has the form that the manual says (SDM 28.2.1). */
static inline uint64_t any_vmcs(enum vmcs_field field)
{
	uint64_t value = any64, size = any8 ? 0 : any8 ? 1 : 3;

	if (field == VMCS_EXIT_QUALIFICATION)
		return (value & ~7ULL) | size;
	if (field == VMCS_EXIT_INSTRUCTION_INFO)
		return (value & 0x7fff) | (uint64_t)any_within(0, 5) << 15;
	return value;
}

#define vmcs_read(field) any_vmcs(field)
#define vmcs_write(field, value) ((void)(value))
#define cpuid(leaf, subleaf) any_cpuid()
#define rdmsr(msr) ((void)(msr), any64)
#define wrmsr(msr, value) ((void)(msr), (void)(value))

#endif
