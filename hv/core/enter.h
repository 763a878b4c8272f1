/* SPDX-License-Identifier: MIT */
/* A vCPU comes to a CPU. */
#ifndef HV_ENTER_H
#define HV_ENTER_H

#include "hv/vm/record.h"

/** Runs vCPU @index of a VM that was joined, or loads its kernel. Full map, idle stack. Does not
 * return: the scheduler goes on when the vCPU leaves. */
_Noreturn void vm_run(struct vm_record *record, unsigned index);

#endif
