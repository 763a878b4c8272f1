// SPDX-License-Identifier: MIT
/* EPT violations: first touches of lazily given memory, first execution from a large page, and
 * device registers. */
#include "hv/vm/memory.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/exit/exit.h"
#include "vmx/exit/mmio.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

/* Exit qualification, SDM table 27-7. */
#define QUALIFICATION_FETCH BIT(2)
#define QUALIFICATION_LINEAR BIT(7)
#define QUALIFICATION_FINAL BIT(8)

static bool is_ram(const struct vm *vm, uint64_t gpa)
{
	return gpa < vm->ram_low || (gpa >= GIB(4) && gpa - GIB(4) < vm->ram_high);
}

void exit_ept_violation(struct vcpu *vcpu)
{
	uint64_t gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	uint64_t qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	/* The interrupted delivery of an event is taken up again after the retry. */
	bool delivering = vcpu_requeue_event(vcpu);

	if (unlikely(qualification & NMI_UNBLOCKED) && !delivering)
		vmcs_set_bits(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	if (unlikely(is_ram(vcpu->vm, gpa))) {
		if (vm_populate(vcpu->vm, GPA(gpa), qualification & QUALIFICATION_FETCH))
			vm_stop(vcpu,
				"memory ran out while it was being populated; guest-physical "
				"address",
				gpa);
		return;
	}
	/* Whose stack or tables lie there is beyond help, and its event could come back for ever.
	 */
	if (unlikely(delivering)) {
		vm_stop(vcpu,
			"an interrupt's or exception's delivery touches device memory; "
			"guest-physical address",
			gpa);
		return;
	}
	if (unlikely(qualification & QUALIFICATION_FETCH)) {
		/* What a PC gives to read there is no instruction. */
		if (vcpu_cpl() == 3) {
			vcpu_inject_ud();
			return;
		}
		vm_stop(vcpu, "it executes code where there is no memory; guest-physical address",
			gpa);
		return;
	}
	if (unlikely((qualification & QUALIFICATION_LINEAR) &&
		     !(qualification & QUALIFICATION_FINAL))) {
		vm_stop(vcpu,
			"its page tables lie where there is no memory; guest-physical address",
			gpa);
		return;
	}
	mmio_emulate(vcpu, GPA(gpa));
}
