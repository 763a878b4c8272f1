/* SPDX-License-Identifier: MIT */
/* The ring of a vCPU's last exits. */
#ifndef VMX_TRACE_H
#define VMX_TRACE_H

#include "hv/vm/vcpu.h"

/** Has the exits of @vcpu's VM recorded, or not: of all its vCPUs. On @vcpu's own CPU; any map. */
ANY void vcpu_set_traced(struct vcpu *vcpu, bool on);

/** WORK_TRACE: records the exit that was handled. Its VMCS is current; any map. */
ANY void vcpu_trace_exit(struct vcpu *vcpu);

/** Copies what was recorded of the last exits, oldest first, @max entries at most; how many. The
 * vCPU is the caller's own, or runs nowhere. */
ANY unsigned vcpu_copy_trace(const struct vcpu *vcpu, struct hypercall_trace *out, unsigned max);

#endif
