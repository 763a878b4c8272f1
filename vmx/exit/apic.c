// SPDX-License-Identifier: MIT
/* What the processor leaves to do of its work on the local APIC's page. */
#include "drivers/guest/irq/lapic.h"
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"
#include "vmx/exit/exit.h"
#include "vmx/vmcs.h"

/* Behind the write, which has been done (SDM 29.1.4). */
void exit_virtualized_eoi(struct vcpu *vcpu)
{
	vlapic_after_eoi(vcpu, (uint8_t)vmcs_read(VMCS_EXIT_QUALIFICATION));
}

/* Of the writes that the processor takes, only an IPI to self with an illegal vector comes here. */
void exit_apic_write(struct vcpu *vcpu)
{
	enum { SELF_IPI = 0x3f };

	if ((vmcs_read(VMCS_EXIT_QUALIFICATION) & 0xfff) == SELF_IPI << 4)
		vlapic_msr_write(vcpu, MSR_X2APIC_FIRST + SELF_IPI,
				 vcpu->lapic.page[SELF_IPI * 4] & 0xff);
}
