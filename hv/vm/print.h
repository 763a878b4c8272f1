/* SPDX-License-Identifier: MIT */
/* What a guest writes to its console, on its way out. */
#ifndef HV_VM_PRINT_H
#define HV_VM_PRINT_H

#include "hv/vm/vm.h"

/** A vCPU leaves its CPU: the line of its VM's that has begun is queued; if the VM @ends, all are,
 * and one without an end is one too. The current VM, full map. */
FULL void vm_leave_console(struct vm *vm, bool ends);

#endif
