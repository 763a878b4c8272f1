// SPDX-License-Identifier: MIT
/* Control registers and XCR0. */
#include "drivers/guest/irq/lapic.h"
#include "hv/base/asm.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/exit/exit.h"
#include "vmx/vcpu.h"
#include "vmx/vmcs.h"

/* Exit qualification for control-register accesses, SDM table 27-3. */
enum { CR_MOV_TO = 0, CR_MOV_FROM = 1, CR_CLTS = 2, CR_LMSW = 3 };

static bool lmsw(struct vcpu *vcpu, uint64_t qualification)
{
	uint64_t source = qualification >> 16 & 0xffff;
	uint64_t cr0 = vcpu_read_cr0();

	/* LMSW sets PE, MP, EM, TS; it cannot clear PE. */
	return vcpu_write_cr0(vcpu, (cr0 & ~0xeULL) | (source & 0xf));
}

static bool mov_to(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	switch (cr) {
	case 0:
		return vcpu_write_cr0(vcpu, value);
	case 4:
		return vcpu_write_cr4(vcpu, value);
	case 8:
		if (value >> 4)
			return false;
		vlapic_set_cr8(vcpu, (uint8_t)value);
		return true;
	default:
		return false;
	}
}

void exit_cr_access(struct vcpu *vcpu)
{
	uint64_t qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
	unsigned cr = qualification & 15, reg = qualification >> 8 & 15;
	bool ok = true;

	switch (qualification >> 4 & 3) {
	case CR_MOV_TO:
		ok = mov_to(vcpu, cr, vcpu_get_reg(vcpu, reg));
		break;
	case CR_MOV_FROM: /* only CR8 exits when read */
		vcpu_set_reg(vcpu, reg, vlapic_get_cr8(vcpu));
		break;
	case CR_CLTS:
		ok = vcpu_write_cr0(vcpu, vcpu_read_cr0() & ~CR0_TS);
		break;
	case CR_LMSW:
		ok = lmsw(vcpu, qualification);
		break;
	default:
		break;
	}
	if (ok)
		vcpu_skip();
	else
		vcpu_inject_gp();
}

/* SDM 13.3: x87 is always on, AVX needs SSE, the three AVX-512 parts come together and need AVX. */
static bool xcr0_valid(const struct vm *vm, uint64_t value)
{
	if ((value & ~vm->xcr0_allowed) || !(value & 1))
		return false;
	if ((value & 4) && !(value & 2))
		return false;
	return (value & 0xe0) == 0 || ((value & 0xe0) == 0xe0 && (value & 4));
}

void exit_xsetbv(struct vcpu *vcpu)
{
	uint64_t value = (vcpu->regs[REG_RDX] << 32) | (uint32_t)vcpu->regs[REG_RAX];

	if ((uint32_t)vcpu->regs[REG_RCX] != 0 || vcpu_cpl() != 0 || !xcr0_valid(vcpu->vm, value)) {
		vcpu_inject_gp();
		return;
	}
	/* The hypervisor uses no extended state, so the guest's XCR0 simply stays in the register.
	 */
	xsetbv(0, value);
	vcpu->xcr0 = value;
	vcpu_skip();
}
