// SPDX-License-Identifier: MIT
/* Events for the guest: exceptions, NMIs, interrupts and the windows in which they can be given. */
#include "drivers/guest/irq/lapic.h"
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

static void inject(unsigned vector, enum intr_type type)
{
	vmcs_write(VMCS_ENTRY_INTERRUPTION,
		   INTR_VALID | (unsigned)type << INTR_TYPE_SHIFT | vector);
}

void vcpu_inject_ud(void)
{
	inject(EXCEPTION_UD, INTR_HARD_EXCEPTION);
}

static void inject_error(unsigned vector, uint32_t error)
{
	vmcs_write(VMCS_ENTRY_ERROR_CODE, error);
	/* Real mode pushes no error code (SDM 26.2.1.3). */
	if (vmcs_read(VMCS_GUEST_CR0) & CR0_PE)
		vmcs_write(VMCS_ENTRY_INTERRUPTION, INTR_VALID | INTR_ERROR_CODE |
							    INTR_HARD_EXCEPTION << INTR_TYPE_SHIFT |
							    vector);
	else
		inject(vector, INTR_HARD_EXCEPTION);
}

void vcpu_inject_fault(unsigned vector)
{
	inject_error(vector, 0);
}

void vcpu_inject_gp(void)
{
	vcpu_inject_fault(EXCEPTION_GP);
}

void vcpu_inject_pf(struct vcpu *vcpu, uint64_t address, uint32_t error)
{
	vcpu->cr2 = address;
	vcpu->work |= WORK_CR2;
	inject_error(EXCEPTION_PF, error);
}

void vcpu_trap_step(void)
{
	/* As an event of its own: a pending one is lost where the entry delivers another (SDM
	 * 26.7.3). IA32_DEBUGCTL.BTF is never set. */
	write_dr6(read_dr6() | DR6_BS);
	inject(EXCEPTION_DB, INTR_HARD_EXCEPTION);
}

bool vcpu_requeue_event(struct vcpu *vcpu)
{
	uint64_t info = vmcs_read(VMCS_IDT_VECTORING);

	if (likely(!(info & INTR_VALID)))
		return false;
	vcpu->work |= WORK_TAKE;
	/* Bit 12 is undefined here and reserved there. */
	vmcs_write(VMCS_ENTRY_INTERRUPTION, info & ~BIT(12));
	if (info & INTR_ERROR_CODE)
		vmcs_write(VMCS_ENTRY_ERROR_CODE, vmcs_read(VMCS_IDT_VECTORING_ERROR));
	vmcs_write(VMCS_ENTRY_INSTRUCTION_LENGTH, vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
	/* Its delivery starts over, so an NMI blocks itself anew. */
	if ((info >> INTR_TYPE_SHIFT & 7) == INTR_NMI)
		vmcs_clear_bits(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	return true;
}

/* True if the NMI is on its way; otherwise its window is open or nothing more fits into this entry.
 */
static void inject_nmi(struct vcpu *vcpu, uint64_t interruptibility, bool busy)
{
	if (busy || interruptibility) {
		vmcs_set_bits(VMCS_PROC_CONTROLS, PROC_NMI_WINDOW);
		return;
	}
	inject(2, INTR_NMI);
	vcpu->nmi_pending = false;
}

static bool can_take_interrupt(void)
{
	return !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) &
		 (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) &&
	       (vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_IF);
}

void vcpu_accept(struct vcpu *vcpu, unsigned index, uint32_t bits)
{
	int vector;

	if (vcpu->lapic.assisted || (vcpu->work & (WORK_IRQ | WORK_HALT | WORK_INIT | WORK_SIPI)) ||
	    (vmcs_read(VMCS_ENTRY_INTERRUPTION) & INTR_VALID) || !can_take_interrupt()) {
		vlapic_accept_bits(vcpu, index, bits, false);
		return;
	}
	vector = vlapic_accept_and_take(vcpu, index, bits);
	if (vector >= 0) {
		inject((unsigned)vector, INTR_EXTERNAL);
		vcpu->stats.injected++;
	}
}

void vcpu_inject_pending(struct vcpu *vcpu)
{
	bool busy = vmcs_read(VMCS_ENTRY_INTERRUPTION) & INTR_VALID;
	uint64_t interruptibility = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
	int vector;

	vcpu->work &= ~(uint32_t)WORK_IRQ;
	if (unlikely(vcpu->nmi_pending)) {
		inject_nmi(vcpu, interruptibility, busy);
		busy |= !vcpu->nmi_pending;
	}
	if (vcpu->lapic.assisted) {
		apicv_hand_over(vcpu);
		return;
	}
	if (!vcpu->lapic.irr_words)
		return;
	vector = vlapic_pending(vcpu);
	if (vector < 0)
		return;
	if (busy || !can_take_interrupt()) {
		vmcs_set_bits(VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW);
		return;
	}
	vlapic_take(vcpu, (uint8_t)vector);
	inject((unsigned)vector, INTR_EXTERNAL);
	vcpu->stats.injected++;
	/* A second one can only follow once this one's handler allows it. */
	if (vcpu->lapic.irr_words && vlapic_pending(vcpu) >= 0)
		vmcs_set_bits(VMCS_PROC_CONTROLS, PROC_INTERRUPT_WINDOW);
}
