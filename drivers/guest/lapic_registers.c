// SPDX-License-Identifier: MIT
/* The local APIC's registers, as MSRs (x2APIC mode) and as memory (xAPIC mode); SDM 10.4 and 10.12.
 */
#include "drivers/guest/lapic_internal.h"

enum apic_register {
	APIC_ID = 0x02,
	APIC_VERSION = 0x03,
	APIC_TPR = 0x08,
	APIC_PPR = 0x0a,
	APIC_EOI = 0x0b,
	APIC_LDR = 0x0d,
	APIC_DFR = 0x0e,
	APIC_SVR = 0x0f,
	APIC_ISR = 0x10,
	APIC_TMR = 0x18,
	APIC_IRR = 0x20,
	APIC_ESR = 0x28,
	APIC_ICR = 0x30,
	APIC_ICR_HIGH = 0x31,
	APIC_LVT_TIMER = 0x32,
	APIC_LVT_THERMAL = 0x33,
	APIC_LVT_PERF = 0x34,
	APIC_LVT_LINT0 = 0x35,
	APIC_LVT_LINT1 = 0x36,
	APIC_LVT_ERROR = 0x37,
	APIC_TIMER_INITIAL = 0x38,
	APIC_TIMER_CURRENT = 0x39,
	APIC_TIMER_DIVIDE = 0x3e,
	APIC_SELF_IPI = 0x3f,
};

#define MSR_APIC_BASE 0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC 0x800

#define VERSION 0x00050014 /* six LVT entries */
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

	return (a->base_msr & VLAPIC_BASE_ENABLE) && !vlapic_is_x2apic(a);
}

/* Bits that a write may set: others raise #GP in x2APIC mode and are dropped in xAPIC mode. */
static uint32_t accepted_bits(unsigned reg)
{
	switch (reg) {
	case APIC_TPR:
		return 0xff;
	case APIC_SVR:
		return SVR_BITS | SVR_IGNORED;
	case APIC_LVT_TIMER:
		return LVT_TIMER_BITS | LVT_IGNORED;
	case APIC_LVT_THERMAL:
	case APIC_LVT_PERF:
		return LVT_SENSOR_BITS | LVT_IGNORED;
	case APIC_LVT_LINT0:
	case APIC_LVT_LINT1:
		return LVT_LINT_BITS | LVT_IGNORED;
	case APIC_LVT_ERROR:
		return LVT_ERROR_BITS | LVT_IGNORED;
	case APIC_TIMER_INITIAL:
		return UINT32_MAX;
	case APIC_TIMER_DIVIDE:
		return 0xb;
	default:
		return 0;
	}
}

/* While the APIC is disabled by software, no entry can be unmasked. */
static uint32_t lvt_value(const struct vlapic *a, uint32_t value)
{
	value &= ~LVT_IGNORED;
	return a->svr & VLAPIC_SVR_ENABLE ? value : value | (uint32_t)VLAPIC_LVT_MASKED;
}

static void write_svr(struct vlapic *a, uint32_t value)
{
	a->svr = value & SVR_BITS;
	if (!(a->svr & VLAPIC_SVR_ENABLE)) {
		a->lvt_timer |= VLAPIC_LVT_MASKED;
		a->lvt_thermal |= VLAPIC_LVT_MASKED;
		a->lvt_perf |= VLAPIC_LVT_MASKED;
		a->lvt_lint0 |= VLAPIC_LVT_MASKED;
		a->lvt_lint1 |= VLAPIC_LVT_MASKED;
		a->lvt_error |= VLAPIC_LVT_MASKED;
	}
}

/* Registers that both modes write alike, @value within accepted_bits(). False: no such register. */
static bool write_common(struct vcpu *vcpu, unsigned reg, uint32_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	switch (reg) {
	case APIC_EOI:
		vlapic_end_of_interrupt(vcpu);
		return true;
	case APIC_TPR:
		a->tpr = value;
		vcpu_notify(vcpu);
		return true;
	case APIC_SVR:
		write_svr(a, value);
		return true;
	case APIC_ESR:
		a->esr = a->esr_pending;
		a->esr_pending = 0;
		return true;
	case APIC_LVT_TIMER:
		vlapic_timer_set_lvt(vcpu, lvt_value(a, value));
		return true;
	case APIC_LVT_THERMAL:
		a->lvt_thermal = lvt_value(a, value);
		return true;
	case APIC_LVT_PERF:
		a->lvt_perf = lvt_value(a, value);
		return true;
	case APIC_LVT_LINT0:
		a->lvt_lint0 = lvt_value(a, value);
		return true;
	case APIC_LVT_LINT1:
		a->lvt_lint1 = lvt_value(a, value);
		return true;
	case APIC_LVT_ERROR:
		a->lvt_error = lvt_value(a, value);
		return true;
	case APIC_TIMER_INITIAL:
		vlapic_timer_set_initial(vcpu, value);
		return true;
	case APIC_TIMER_DIVIDE:
		vlapic_timer_set_divide(vcpu, value);
		return true;
	default:
		return false;
	}
}

static bool read_common(struct vcpu *vcpu, const struct vlapic *a, unsigned reg, uint32_t *value)
{
	if (reg >= APIC_ISR && reg < APIC_ESR) {
		const uint32_t *bits = reg < APIC_TMR ? a->isr : reg < APIC_IRR ? a->tmr : a->irr;

		*value = bits[reg & 7];
		return true;
	}
	switch (reg) {
	case APIC_VERSION:
		*value = VERSION;
		return true;
	case APIC_TPR:
		*value = a->tpr;
		return true;
	case APIC_PPR:
		*value = vlapic_ppr(a);
		return true;
	case APIC_SVR:
		*value = a->svr;
		return true;
	case APIC_ESR:
		*value = a->esr;
		return true;
	case APIC_LVT_TIMER:
		*value = a->lvt_timer;
		return true;
	case APIC_LVT_THERMAL:
		*value = a->lvt_thermal;
		return true;
	case APIC_LVT_PERF:
		*value = a->lvt_perf;
		return true;
	case APIC_LVT_LINT0:
		*value = a->lvt_lint0;
		return true;
	case APIC_LVT_LINT1:
		*value = a->lvt_lint1;
		return true;
	case APIC_LVT_ERROR:
		*value = a->lvt_error;
		return true;
	case APIC_TIMER_INITIAL:
		*value = a->timer_initial;
		return true;
	case APIC_TIMER_CURRENT:
		*value = vlapic_timer_current(vcpu);
		return true;
	case APIC_TIMER_DIVIDE:
		*value = a->timer_divide;
		return true;
	default:
		return false;
	}
}

/* SDM 10.12.5: only some changes of mode are legal. */
static bool write_base(struct vcpu *vcpu, uint64_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	bool enable = value & VLAPIC_BASE_ENABLE, x2apic = value & VLAPIC_BASE_X2APIC;

	if ((value & ~(VLAPIC_BASE_ENABLE | VLAPIC_BASE_X2APIC | VLAPIC_BASE_BSP)) !=
		    VLAPIC_BASE_ADDRESS ||
	    (x2apic && !enable))
		return false;
	if (vlapic_is_x2apic(a) && enable && !x2apic)
		return false;
	if (!(a->base_msr & VLAPIC_BASE_ENABLE) && x2apic)
		return false;
	a->base_msr = (value & ~VLAPIC_BASE_BSP) | (a->base_msr & VLAPIC_BASE_BSP);
	if (!enable)
		vlapic_reset_registers(vcpu);
	return true;
}

bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	uint32_t low;

	if (msr == MSR_APIC_BASE) {
		*value = a->base_msr;
		return true;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = a->tsc_deadline;
		return true;
	}
	if (!vlapic_is_x2apic(a))
		return false;
	switch (msr - MSR_X2APIC) {
	case APIC_ID:
		*value = a->id;
		return true;
	case APIC_LDR:
		*value = (uint64_t)(a->id >> 4) << 16 | 1U << (a->id & 15);
		return true;
	case APIC_ICR:
		*value = a->icr;
		return true;
	default:
		if (!read_common(vcpu, a, msr - MSR_X2APIC, &low))
			return false;
		*value = low;
		return true;
	}
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
	if (msr == MSR_X2APIC + APIC_ICR) {
		if (value & ~ICR_WRITABLE)
			return false;
		a->icr = value;
		vlapic_send_ipi(vcpu);
		return true;
	}
	if (msr == MSR_X2APIC + APIC_SELF_IPI) {
		if (value > 0xff)
			return false;
		if (value < 16)
			vlapic_raise_error(vcpu, VLAPIC_ESR_SEND_ILLEGAL);
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
	uint32_t value = 0;

	switch (offset >> 4) {
	case APIC_ID:
		return a->id << 24;
	case APIC_LDR:
		return a->ldr;
	case APIC_DFR:
		return a->dfr;
	case APIC_ICR:
		return (uint32_t)a->icr;
	case APIC_ICR_HIGH:
		return (uint32_t)(a->icr >> 32);
	default:
		read_common(vcpu, a, offset >> 4, &value);
		return value;
	}
}

void vlapic_mmio_write(struct vcpu *vcpu, unsigned offset, uint32_t value)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	switch (offset >> 4) {
	case APIC_LDR:
		a->ldr = value & 0xff000000;
		break;
	case APIC_DFR:
		a->dfr = value | 0x0fffffff;
		break;
	case APIC_ICR:
		a->icr = (a->icr & ~0xffffffffULL) | (value & (uint32_t)ICR_WRITABLE);
		vlapic_send_ipi(vcpu);
		break;
	case APIC_ICR_HIGH:
		a->icr = (uint64_t)(value & 0xff000000) << 32 | (uint32_t)a->icr;
		break;
	default:
		write_common(vcpu, offset >> 4, value & accepted_bits(offset >> 4));
		break;
	}
}
