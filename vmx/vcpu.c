// SPDX-License-Identifier: MIT
/* The guest's control registers as it sees them, and the timer that stands in for its own. */
#include "vmx/vcpu.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/platform.h"
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"

#define CR0_RESERVED_HIGH 0xffffffff00000000ULL
#define PDPTE_PRESENT BIT(0)
#define PDPTE_RESERVED 0x1e6ULL /* below the address, SDM table 4-8 */

uint64_t vcpu_read_cr0(void)
{
	return (vmcs_read(VMCS_GUEST_CR0) & ~VCPU_CR0_OWNED) |
	       (vmcs_read(VMCS_CR0_SHADOW) & VCPU_CR0_OWNED);
}

/* Under PAE paging the four PDPTEs are registers, loaded when CR0 or CR4 turns it on (SDM 4.4.1).
 */
static bool load_pdptes(struct vcpu *vcpu)
{
	uint64_t cr3 = vmcs_read(VMCS_GUEST_CR3);
	const uint64_t *table = vm_ram(vcpu->vm, GPA(cr3 & 0xffffffe0ULL), 32);

	if (!table)
		return false;
	/* What is checked is what is loaded, whatever another vCPU writes meanwhile. */
	for (unsigned i = 0; i < 4; i++) {
		uint64_t pdpte = *(const volatile uint64_t *)&table[i];

		if ((pdpte & PDPTE_PRESENT) &&
		    (pdpte & (PDPTE_RESERVED | ~((1ULL << vcpu->vm->phys_bits) - 1))))
			return false;
		vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, pdpte);
	}
	return true;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

bool vcpu_write_cr0(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vmcs_read(VMCS_GUEST_CR0);
	uint64_t cr4 = vmcs_read(VMCS_GUEST_CR4);
	uint64_t efer = vmcs_read(VMCS_GUEST_EFER);

	value |= CR0_ET;
	if ((value & CR0_RESERVED_HIGH) || ((value & CR0_PG) && !(value & CR0_PE)) ||
	    ((value & CR0_NW) && !(value & CR0_CD)))
		return false;
	if (!(value & CR0_PG) && (cr4 & CR4_PCIDE))
		return false;
	if (!(value & CR0_PG) && (old & CR0_PG) && vcpu_is_64bit())
		return false;
	if ((value & CR0_PG) && !(old & CR0_PG)) {
		if ((efer & EFER_LME) && !(cr4 & CR4_PAE))
			return false;
		/* CS.L with LME set: 64-bit mode cannot be entered from 16-bit or compatibility
		 * code. */
		if ((efer & EFER_LME) && (vmcs_read(VMCS_GUEST_CS_ACCESS) & BIT(13)))
			return false;
	}
	if ((value ^ old) & CR0_PG) {
		if (efer & EFER_LME) {
			bool on = value & CR0_PG;

			vmcs_write(VMCS_GUEST_EFER, on ? efer | EFER_LMA : efer & ~EFER_LMA);
			if (on)
				vmcs_set_bits(VMCS_ENTRY_CONTROLS, ENTRY_IA32E);
			else
				vmcs_clear_bits(VMCS_ENTRY_CONTROLS, ENTRY_IA32E);
		} else if (pae_paging(value, cr4, efer) && !load_pdptes(vcpu)) {
			return false;
		}
	}
	vmcs_write(VMCS_CR0_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR0, (value & ~(CR0_NW | CR0_CD)) | CR0_NE);
	return true;
}

bool vcpu_write_cr4(struct vcpu *vcpu, uint64_t value)
{
	uint64_t old = vmcs_read(VMCS_GUEST_CR4);
	uint64_t efer = vmcs_read(VMCS_GUEST_EFER);
	uint64_t cr0 = vmcs_read(VMCS_GUEST_CR0);
	uint64_t paging = CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP;

	if (value & ~vcpu->vm->cr4_allowed)
		return false;
	if ((efer & EFER_LMA) && !(value & CR4_PAE))
		return false;
	if ((value & CR4_PCIDE) && !(old & CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (vmcs_read(VMCS_GUEST_CR3) & CR3_PCID_MASK)))
		return false;
	if (pae_paging(cr0, value, efer) && ((value ^ old) & paging) && !load_pdptes(vcpu))
		return false;
	vmcs_write(VMCS_CR4_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR4, value | VCPU_CR4_FORCED);
	return true;
}

void vcpu_poll_timer(struct vcpu *vcpu)
{
	uint64_t now = rdtsc(), wait = UINT32_MAX;

	if (vcpu->timer_deadline && now >= vcpu->timer_deadline) {
		vcpu->timer_deadline = 0;
		vlapic_timer_expired(vcpu);
	}
	if (vcpu->timer_deadline)
		wait = (vcpu->timer_deadline - now) >> vcpu->vm->preemption_shift;
	vmcs_write(VMCS_PREEMPTION_TIMER, wait < UINT32_MAX ? wait : UINT32_MAX);
}
