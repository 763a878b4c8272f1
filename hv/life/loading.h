/* SPDX-License-Identifier: MIT */
/* A VM's beginning: power-on state, then the loader program in the guest, then its kernel. */
#ifndef HV_LOADING_H
#define HV_LOADING_H

#include "hv/vm/vcpu.h"
#include "hv/vm/record.h"

/** Puts a VM whose window is current, and which this CPU has joined, into its power-on state: its
 * vCPUs come by the scheduler from then on, the first to run the loader program. The window is not
 * current afterwards. Full map, idle stack. */
FULL void vm_begin(struct vm_record *record);

/**
 * HYPERCALL_LOADER_DONE: the VM's kernel is in place, and entered at @entry next. The VM is live
 * from now on, and its statistics begin. @again: the call is to be made again, until that is said.
 * -E_PERM: it is live already; -E_NOMEM.
 */
ANY int64_t vm_loaded(struct vcpu *vcpu, gpa_t entry, bool *again);

/** HYPERCALL_LOADER_FAIL: the VM ends, and is refused; the program has left a sentence. -E_PERM: it
 * is live. */
ANY int64_t vm_not_loaded(struct vcpu *vcpu);

/** Says why the VM's kernel could not be loaded. Its window is current, no vCPU runs any more. */
FULL void vm_report_not_loaded(const struct vm_record *record);

#endif
