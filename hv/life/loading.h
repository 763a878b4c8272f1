/* SPDX-License-Identifier: MIT */
/* A VM's beginning: its kernel is loaded. */
#ifndef HV_LOADING_H
#define HV_LOADING_H

#include "hv/vm/record.h"

/** Goes on loading the kernel of a VM whose window is current, or begins; then runs its first vCPU.
 * Says itself what is wrong. Full map, idle stack. */
_Noreturn void vm_load(struct vm_record *record);

#endif
