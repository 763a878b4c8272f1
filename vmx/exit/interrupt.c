// SPDX-License-Identifier: MIT
/* Interrupts of the host, exceptions and NMIs that exit, HLT, PAUSE loops, and the preemption
 * timer.
 */
#include "drivers/guest/irq/lapic.h"
#include "hv/base/asm.h"
#include "hv/cpu/exception.h"
#include "hv/health/mce.h"
#include "hv/sched/wake.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/exit/exit.h"
#include "vmx/exit/host_interrupt.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

void exit_external_interrupt(struct vcpu *vcpu)
{
	(void)vcpu;
	/* Acknowledged on exit: the vector is in the information field. */
	interrupt_handle(vmcs_read(VMCS_EXIT_INTERRUPTION) & INTR_VECTOR_MASK);
}

/* What the guest's own handler will look at: DR6 as the processor would have set it (SDM 17.2.3).
 */
static void reflect_debug(void)
{
	uint64_t qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);

	write_dr6((read_dr6() & ~0xfULL) | (qualification & 0x600f) | 0xffff0ff0);
	vmcs_clear_bits(VMCS_GUEST_DR7, BIT(13)); /* GD is cleared when #DB is delivered */
}

void exit_machine_check(struct vcpu *vcpu)
{
	uint64_t address;

	if (mce_take(&address))
		vm_stop(vcpu, "machine check: it used what the hardware could not correct; address",
			address);
}

void exit_exception_nmi(struct vcpu *vcpu)
{
	uint64_t info = vmcs_read(VMCS_EXIT_INTERRUPTION);
	unsigned vector = info & INTR_VECTOR_MASK;

	if ((info >> INTR_TYPE_SHIFT & 7) == INTR_NMI) {
		interrupt_handle_nmi();
		vcpu_requeue_event(vcpu);
		/* Entry would do so too, but before it this CPU may wait: for a gate, or halted. */
		interrupt_unblock_nmi();
		return;
	}
	if (vector == EXCEPTION_MC) {
		vcpu_requeue_event(vcpu);
		exit_machine_check(vcpu);
		return;
	}
	if (vector == EXCEPTION_DB)
		reflect_debug();
	/* Its delivery may raise the next one, for ever. */
	vcpu->work |= WORK_TAKE;
	/* The IRET is to be executed again, still in the NMI's handler; a double fault's is not. */
	if (unlikely(info & NMI_UNBLOCKED) && vector != EXCEPTION_DF)
		vmcs_set_bits(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	vmcs_write(VMCS_ENTRY_INTERRUPTION, info & ~(uint64_t)NMI_UNBLOCKED);
	if (info & INTR_ERROR_CODE)
		vmcs_write(VMCS_ENTRY_ERROR_CODE, vmcs_read(VMCS_EXIT_ERROR_CODE));
	vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
}

void exit_hlt(struct vcpu *vcpu)
{
	uint64_t rflags = vmcs_read(VMCS_GUEST_RFLAGS);

	vcpu_skip();
	if (unlikely(rflags & RFLAGS_TF))
		return; /* the step's trap wakes it */
	/* Another vCPU could send an INIT; nobody else is there to do so. */
	if (!(rflags & RFLAGS_IF) && !vcpu->nmi_pending && vcpu->vm->vcpu_count == 1) {
		vm_stop(vcpu, "halted with interrupts off: nothing can wake it; RIP",
			vmcs_read(VMCS_GUEST_RIP));
		return;
	}
	if (vcpu->work & WORK_IRQ || vcpu->nmi_pending || vlapic_pending(vcpu) >= 0)
		vcpu->work |= WORK_IRQ;
	else
		vcpu->work |= WORK_HALT;
}

void exit_pause(struct vcpu *vcpu)
{
	wake_directed_yield(vcpu);
}
