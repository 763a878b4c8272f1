/* SPDX-License-Identifier: MIT */
/* A vCPU comes to a CPU. */
#ifndef HV_ENTER_H
#define HV_ENTER_H

#include "hv/vm/record.h"

/** Runs vCPU @index of a VM that was joined, and does not return: the scheduler goes on when the
 * vCPU leaves. Returns when it has put the VM into its power-on state. Full map, idle stack. */
FULL void vm_run(struct vm_record *record, unsigned index);

#endif
