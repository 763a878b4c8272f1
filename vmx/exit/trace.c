// SPDX-License-Identifier: MIT
/* The ring of a vCPU's last exits. It lies in the VM's window, so recording needs no other map. */
#include "vmx/exit/trace.h"

#include "hv/base/asm.h"
#include "hv/base/hypercall_abi.h"
#include "hv/sched/remote.h"
#include "hv/vm/vm.h"
#include "vmx/exit_reason.h"
#include "vmx/vmcs.h"

void vcpu_set_traced(struct vcpu *vcpu, bool on)
{
	struct vm *vm = vcpu->vm;

	vm->traced = on;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		if (vcpu_here(i) != vcpu)
			vcpu_post_trace(vcpu_here(i));
	vcpu->work = (vcpu->work & ~(uint32_t)WORK_TRACE) | (on ? WORK_TRACE : 0);
}

void vcpu_trace_exit(struct vcpu *vcpu)
{
	bool memory = vcpu->exit_reason == EXIT_EPT_VIOLATION;

	vcpu->trace[vcpu->traced++ % HYPERCALL_TRACE_ENTRIES] = (struct hypercall_trace){
		.tsc = rdtsc(),
		.rip = vmcs_read(VMCS_GUEST_RIP),
		.qualification =
			vmcs_read(memory ? VMCS_GUEST_PHYSICAL_ADDRESS : VMCS_EXIT_QUALIFICATION),
		.reason = vcpu->exit_reason & 0xffff,
	};
}

unsigned vcpu_copy_trace(const struct vcpu *vcpu, struct hypercall_trace *out, unsigned max)
{
	uint64_t count =
		vcpu->traced < HYPERCALL_TRACE_ENTRIES ? vcpu->traced : HYPERCALL_TRACE_ENTRIES;

	if (count > max)
		count = max;
	for (uint64_t i = 0; i < count; i++)
		out[i] = vcpu->trace[(vcpu->traced - count + i) % HYPERCALL_TRACE_ENTRIES];
	return (unsigned)count;
}
