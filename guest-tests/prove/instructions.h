/* SPDX-License-Identifier: MIT */
/* Instructions whose results are the guest's, or the machine's: in front of files that use them. */
#ifndef PROVE_INSTRUCTIONS_H
#define PROVE_INSTRUCTIONS_H

#include "hv/asm.h"
#include "vmx/vmcs.h"

static inline struct cpuid_regs any_cpuid(void)
{
	return (struct cpuid_regs){ any32, any32, any32, any32 };
}

#define vmcs_read(field) (any64)
#define cpuid(leaf, subleaf) any_cpuid()

#endif
