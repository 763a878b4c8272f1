/* SPDX-License-Identifier: MIT */
/* A VM's statistics, as records and as its guest reads them. */
#ifndef HV_STATS_H
#define HV_STATS_H

#include "hv/vm/vm.h"

/** One record of the statistics, that behind @at, which begins as 0 and is moved on; true: it was
 * the last. The current VM only; any map. */
ANY bool vm_print_stats_piece(const struct vm *vm, unsigned *at);
/** All of them, with vm_breathe() in between. */
ANY void vm_print_stats(const struct vm *vm);

/** The same as the guest reads it. */
ANY void vm_copy_stats(const struct vm *vm, struct hypercall_stats *out);

/** Sets a vCPU's counters to zero. */
ANY void vcpu_reset_stats(struct vcpu *vcpu);

#endif
