// SPDX-License-Identifier: MIT
/* The local APIC's registers, as MSRs (x2APIC mode) and as memory (xAPIC mode); SDM 10.4 and 10.12.
 */
#include "drivers/guest/irq/lapic_internal.h"

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC 0x800

/* What the registers hold; read-only bits and ones without effect may be written, but do not stick.
 */
#define SVR_BITS 0x1ffU
#define SVR_IGNORED 0x1200U /* focus checking, EOI suppression */
#define LVT_IGNORED 0x1000U /* delivery status */
#define LVT_TIMER_BITS 0x700ffU
#define LVT_SENSOR_BITS 0x107ffU
#define LVT_LINT_BITS 0x1a7ffU
#define LVT_ERROR_BITS 0x100ffU
#define ICR_WRITABLE 0xffffffff000ccfffULL

bool vlapic_has_mmio(struct vcpu *vcpu)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);

	return (a->base_msr & LAPIC_BASE_ENABLE) && !vlapic_is_x2apic(a);
}

/* Bits that a write may set: others raise #GP in x2APIC mode and are dropped in xAPIC mode. */
static uint32_t accepted_bits(unsigned reg)
{
	switch (reg) {
	case LAPIC_TPR:
		return 0xff;
	case LAPIC_SVR:
		return SVR_BITS | SVR_IGNORED;
	case LAPIC_LVT_TIMER:
		return LVT_TIMER_BITS | LVT_IGNORED;
	case LAPIC_LVT_THERMAL:
	case LAPIC_LVT_PERF:
		return LVT_SENSOR_BITS | LVT_IGNORED;
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
		return LVT_LINT_BITS | LVT_IGNORED;
	case LAPIC_LVT_ERROR:
		return LVT_ERROR_BITS | LVT_IGNORED;
	case LAPIC_TIMER_INITIAL:
		return UINT32_MAX;
	case LAPIC_TIMER_DIVIDE:
		return 0xb;
	default:
		return 0;
	}
}

/* While the APIC is disabled by software, no entry can be unmasked. */
static uint32_t lvt_value(const struct vlapic *a, uint32_t value)
{
	value &= ~LVT_IGNORED;
	return vlapic_is_enabled(a) ? value : value | (uint32_t)LAPIC_LVT_MASKED;
}

static void write_svr(struct vcpu *vcpu, uint32_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	VLAPIC(a, LAPIC_SVR) = value & SVR_BITS;
	for (unsigned i = LAPIC_LVT_TIMER; i <= LAPIC_LVT_ERROR && !vlapic_is_enabled(a); i++)
		VLAPIC(a, i) |= LAPIC_LVT_MASKED;
	vcpu_apic_mode_changed(vcpu);
}

/* Registers that both modes write alike, @value within accepted_bits(). False: no such register. */
static bool write_common(struct vcpu *vcpu, unsigned reg, uint32_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	switch (reg) {
	case LAPIC_EOI:
		vlapic_end_of_interrupt(vcpu);
		return true;
	case LAPIC_TPR:
		VLAPIC(a, LAPIC_TPR) = value;
		vcpu_notify(vcpu);
		return true;
	case LAPIC_SVR:
		write_svr(vcpu, value);
		return true;
	case LAPIC_ESR:
		VLAPIC(a, LAPIC_ESR) = a->esr_pending;
		a->esr_pending = 0;
		return true;
	case LAPIC_LVT_TIMER:
		vlapic_timer_set_lvt(vcpu, lvt_value(a, value));
		return true;
	case LAPIC_LVT_THERMAL:
	case LAPIC_LVT_PERF:
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
	case LAPIC_LVT_ERROR:
		VLAPIC(a, reg) = lvt_value(a, value);
		return true;
	case LAPIC_TIMER_INITIAL:
		vlapic_timer_set_initial(vcpu, value);
		return true;
	case LAPIC_TIMER_DIVIDE:
		vlapic_timer_set_divide(vcpu, value);
		return true;
	default:
		return false;
	}
}

/* The rest is in the page; 0 for what does not exist. */
static uint32_t read_common(struct vcpu *vcpu, unsigned reg)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);

	if (reg >= 64 || !(VLAPIC_READABLE >> reg & 1))
		return 0;
	if (reg == LAPIC_PPR)
		return vlapic_ppr(a);
	return reg == LAPIC_TIMER_CURRENT ? vlapic_timer_current(vcpu) : VLAPIC(a, reg);
}

/* SDM 10.12.5: only some changes of mode are legal. */
static bool write_base(struct vcpu *vcpu, uint64_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	bool enable = value & LAPIC_BASE_ENABLE, x2apic = value & LAPIC_BASE_X2APIC;

	if ((value & ~(LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC | LAPIC_BASE_BSP)) != LAPIC_ADDRESS ||
	    (x2apic && !enable))
		return false;
	if (vlapic_is_x2apic(a) && enable && !x2apic)
		return false;
	if (!(a->base_msr & LAPIC_BASE_ENABLE) && x2apic)
		return false;
	if (x2apic && !vlapic_is_x2apic(a))
		VLAPIC(a, LAPIC_LDR) = vlapic_x2apic_ldr(a);
	a->base_msr = (value & ~LAPIC_BASE_BSP) | (a->base_msr & LAPIC_BASE_BSP);
	if (!enable)
		vlapic_reset_registers(vcpu);
	vcpu_apic_mode_changed(vcpu);
	return true;
}

bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	unsigned reg = msr - MSR_X2APIC;

	if (msr == MSR_APIC_BASE) {
		*value = a->base_msr;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = a->tsc_deadline;
		return true;
	}
	if (!vlapic_is_x2apic(a) || reg >= 64 || !(VLAPIC_READABLE >> reg & 1))
		return false;
	*value = reg == LAPIC_ICR ? vlapic_icr(a) : read_common(vcpu, reg);
	return true;
}

bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (msr == MSR_TSC_DEADLINE) {
		vlapic_write_tsc_deadline(vcpu, value);
		return true;
	}
	if (msr == MSR_APIC_BASE)
		return write_base(vcpu, value);
	if (!vlapic_is_x2apic(a))
		return false;
	if (msr == MSR_X2APIC + LAPIC_ICR) {
		if (value & ~ICR_WRITABLE)
			return false;
		vlapic_set_icr(a, value);
		vlapic_send_ipi(vcpu);
		return true;
	}
	if (msr == MSR_X2APIC + LAPIC_SELF_IPI) {
		if (value > 0xff)
			return false;
		if (value < 16)
			vlapic_raise_error(vcpu, LAPIC_ESR_SEND_ILLEGAL);
		else
			vlapic_accept(vcpu, (uint8_t)value, false);
		return true;
	}
	if (value & ~(uint64_t)accepted_bits(msr - MSR_X2APIC))
		return false;
	return write_common(vcpu, msr - MSR_X2APIC, (uint32_t)value);
}

uint32_t vlapic_mmio_read(struct vcpu *vcpu, unsigned offset)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);

	switch (offset >> 4) {
	case LAPIC_ID:
		return a->id << 24;
	case LAPIC_DFR:
		return VLAPIC(a, LAPIC_DFR);
	case LAPIC_ICR_HIGH:
		return (uint32_t)(vlapic_icr(a) >> 32);
	default:
		return read_common(vcpu, offset >> 4);
	}
}

void vlapic_mmio_write(struct vcpu *vcpu, unsigned offset, uint32_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint64_t icr = vlapic_icr(a);

	switch (offset >> 4) {
	case LAPIC_LDR:
		VLAPIC(a, LAPIC_LDR) = value & 0xff000000;
		break;
	case LAPIC_DFR:
		VLAPIC(a, LAPIC_DFR) = value | 0x0fffffff;
		break;
	case LAPIC_ICR:
		vlapic_set_icr(a, (icr & ~0xffffffffULL) | (value & (uint32_t)ICR_WRITABLE));
		vlapic_send_ipi(vcpu);
		break;
	case LAPIC_ICR_HIGH:
		vlapic_set_icr(a, (uint64_t)(value & 0xff000000) << 32 | (uint32_t)icr);
		break;
	default:
		write_common(vcpu, offset >> 4, value & accepted_bits(offset >> 4));
		break;
	}
}
