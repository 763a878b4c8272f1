/* SPDX-License-Identifier: MIT */
/* What CPUID tells a guest: the host's leaves through a filter, made once when the VM is built. */
#ifndef HV_VM_CPUID_H
#define HV_VM_CPUID_H

#include "hv/vm/vm.h"

#define CPUID_NO_ENTRY 0xff

enum cpuid_entry_flags {
	CPUID_SUBLEAVES = 1, /* several entries of this leaf follow each other */
	CPUID_DYNAMIC = 2,   /* fields follow the vCPU's state (vmx/exit/cpuid.c) */
};

/** Fills vm->cpuid and what follows from it: cr4_allowed, xcr0_allowed. Full map. */
void vm_cpuid_build(struct vm *vm);

#endif
