// SPDX-License-Identifier: MIT
/*
 * APIC virtualisation: while a vCPU is in x2APIC mode with its APIC on, the processor itself works
 * on the page of registers (SDM 29.1 to 29.5). In all other modes, and where it cannot, the
 * software does. An interrupt that the guest cannot take waits in the processor.
 */
#include "drivers/guest/irq/lapic.h"
#include "hv/vm/vcpu.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

#define APICV_PROC PROC_TPR_SHADOW
#define SOFTWARE_PROC (PROC_CR8_LOAD | PROC_CR8_STORE)
#define EOI_BITMAPS 4

void vcpu_apic_mode_changed(struct vcpu *vcpu)
{
	bool assist = vcpu->vm->apicv && vlapic_may_be_assisted(&vcpu->lapic);
	uint64_t proc = vmcs_read(VMCS_PROC_CONTROLS), proc2 = vmcs_read(VMCS_PROC2_CONTROLS);
	int in_service;

	if (assist == vcpu->lapic.assisted)
		return;
	in_service = vlapic_set_assisted(vcpu, assist);
	if (assist) {
		/* Where its window exits, a virtual interrupt does not come (SDM 29.2.1). */
		vmcs_write(VMCS_PROC_CONTROLS,
			   (proc & ~(SOFTWARE_PROC | PROC_INTERRUPT_WINDOW)) | APICV_PROC);
		vmcs_write(VMCS_PROC2_CONTROLS, proc2 | PROC2_APICV);
		vmcs_write(VMCS_GUEST_INTERRUPT_STATUS,
			   in_service < 0 ? 0 : (uint64_t)in_service << 8);
		vcpu->lapic.tmr_changed = true;
	} else {
		vmcs_write(VMCS_PROC_CONTROLS, (proc & ~APICV_PROC) | SOFTWARE_PROC);
		vmcs_write(VMCS_PROC2_CONTROLS, proc2 & ~PROC2_APICV);
	}
	vmcs_write(VMCS_MSR_BITMAP,
		   vcpu->msr_bitmaps + (assist ? BITMAP_ASSISTED : BITMAP_PLAIN) * PAGE_SIZE);
	vcpu->work |= WORK_IRQ;
}

void apicv_hand_over(struct vcpu *vcpu)
{
	uint64_t status = vmcs_read(VMCS_GUEST_INTERRUPT_STATUS);
	uint8_t vector = vlapic_requesting(&vcpu->lapic, (uint8_t)status, (uint8_t)(status >> 8));

	if (vector != (uint8_t)status)
		vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, (status & 0xff00) | vector);
	if (likely(!vcpu->lapic.tmr_changed))
		return;
	for (unsigned i = 0; i < EOI_BITMAPS; i++)
		vmcs_write(VMCS_EOI_EXIT_BITMAP + 2 * i, vlapic_level_vectors(&vcpu->lapic, i));
	vcpu->lapic.tmr_changed = false;
}
