// SPDX-License-Identifier: MIT
/* The local APIC's heart: what arrives, what is pending, what is in service, and what is sent. */
#include "drivers/guest/lapic_internal.h"

#include "drivers/guest/ioapic.h"

#define ICR_LOGICAL BIT(11)
#define ICR_ASSERT BIT(14)

enum {
	MODE_FIXED = 0,
	MODE_LOWEST = 1,
	MODE_NMI = 4,
	MODE_INIT = 5,
	MODE_SIPI = 6,
	MODE_EXTINT = 7,
};

void vlapic_reset_registers(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint64_t base = a->base_msr;
	uint32_t id = a->id;

	*a = (struct vlapic){
		.base_msr = base, .id = id, .dfr = UINT32_MAX, .svr = 0xff, .isrv = -1
	};
	a->lvt_timer = a->lvt_thermal = a->lvt_perf = VLAPIC_LVT_MASKED;
	a->lvt_lint0 = a->lvt_lint1 = a->lvt_error = VLAPIC_LVT_MASKED;
	vcpu_timer_arm(vcpu, 0);
}

void vlapic_reset(struct vcpu *vcpu, unsigned id, bool x2apic)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	a->base_msr = VLAPIC_BASE_ADDRESS | VLAPIC_BASE_ENABLE | (id == 0 ? VLAPIC_BASE_BSP : 0) |
		      (x2apic ? VLAPIC_BASE_X2APIC : 0);
	a->id = id;
	vlapic_reset_registers(vcpu);
}

/* Highest set bit of a 256-bit register, -1 if there is none. */
static int highest(const uint32_t bits[8])
{
	for (int i = 7; i >= 0; i--)
		if (bits[i])
			return i * 32 + 31 - __builtin_clz(bits[i]);
	return -1;
}

static void set_bit(uint32_t bits[8], uint8_t vector)
{
	bits[vector / 32] |= 1U << (vector % 32);
}

static void clear_bit(uint32_t bits[8], uint8_t vector)
{
	bits[vector / 32] &= ~(1U << (vector % 32));
}

static bool test_bit(const uint32_t bits[8], uint8_t vector)
{
	return bits[vector / 32] >> (vector % 32) & 1;
}

uint32_t vlapic_ppr(const struct vlapic *a)
{
	uint32_t in_service = a->isrv >= 0 ? (uint32_t)a->isrv : 0;

	return (a->tpr & 0xf0) >= (in_service & 0xf0) ? a->tpr : in_service & 0xf0;
}

/*
 * Errors gather until ESR is written; each raises the error interrupt, whose own vector may be
 * illegal only once.
 */
void vlapic_raise_error(struct vcpu *vcpu, uint32_t error)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint8_t vector = (uint8_t)a->lvt_error;

	a->esr_pending |= error;
	if (a->lvt_error & VLAPIC_LVT_MASKED)
		return;
	if (vector < 16)
		a->esr_pending |= VLAPIC_ESR_RECEIVE_ILLEGAL;
	else
		vlapic_accept(vcpu, vector, false);
}

void vlapic_accept(struct vcpu *vcpu, uint8_t vector, bool level)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	if (!vcpu_is_here(vcpu)) {
		vcpu_post(vcpu, vector, level);
		return;
	}
	if (!(a->svr & VLAPIC_SVR_ENABLE))
		return;
	if (vector < 16) {
		vlapic_raise_error(vcpu, VLAPIC_ESR_RECEIVE_ILLEGAL);
		return;
	}
	if (level)
		set_bit(a->tmr, vector);
	else
		clear_bit(a->tmr, vector);
	set_bit(a->irr, vector);
	a->irr_pending = true;
	vcpu_notify(vcpu);
}

int vlapic_pending(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	int vector;

	if (!a->irr_pending || !(a->svr & VLAPIC_SVR_ENABLE))
		return -1;
	vector = highest(a->irr);
	if (vector < 0) {
		a->irr_pending = false;
		return -1;
	}
	return ((uint32_t)vector & 0xf0) > (vlapic_ppr(a) & 0xf0) ? vector : -1;
}

void vlapic_take(struct vcpu *vcpu, uint8_t vector)
{
	struct vlapic *a = vcpu_vlapic(vcpu);

	clear_bit(a->irr, vector);
	set_bit(a->isr, vector);
	a->isrv = vector;
	a->irr_pending = highest(a->irr) >= 0;
}

void vlapic_end_of_interrupt(struct vcpu *vcpu)
{
	struct vlapic *a = vcpu_vlapic(vcpu);
	uint8_t vector;

	if (a->isrv < 0)
		return;
	vector = (uint8_t)a->isrv;
	clear_bit(a->isr, vector);
	a->isrv = highest(a->isr);
	if (test_bit(a->tmr, vector)) {
		vm_lock(vcpu_vm(vcpu));
		vioapic_eoi(vcpu_vm(vcpu), vector);
		vm_unlock(vcpu_vm(vcpu));
	}
	if (a->irr_pending)
		vcpu_notify(vcpu);
}

static bool addressed(const struct vlapic *a, uint32_t dest, bool logical)
{
	bool x2apic = vlapic_is_x2apic(a);

	if (dest == UINT32_MAX || (dest == 0xff && (!logical || !x2apic)))
		return true;
	if (!logical)
		return dest == a->id;
	if (x2apic) {
		uint32_t ldr = (a->id >> 4) << 16 | 1U << (a->id & 15);

		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	}
	if (a->dfr >> 28 == 0xf) /* flat */
		return dest & a->ldr >> 24;
	return (dest >> 4 == a->ldr >> 28) && (dest & a->ldr >> 24 & 0xf);
}

static void deliver_one(struct vcpu *vcpu, unsigned mode, uint8_t vector, bool level)
{
	switch (mode) {
	case MODE_FIXED:
	case MODE_LOWEST:
	case MODE_EXTINT:
		vlapic_accept(vcpu, vector, level);
		break;
	case MODE_NMI:
		vcpu_send_nmi(vcpu);
		break;
	case MODE_INIT:
		vcpu_send_init(vcpu);
		break;
	case MODE_SIPI:
		vcpu_send_sipi(vcpu, vector);
		break;
	default: /* SMI and the reserved mode: nothing here has them */
		break;
	}
}

void vlapic_deliver(struct vm *vm, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
		    bool level)
{
	for (unsigned i = 0; i < vm_vcpu_count(vm); i++) {
		struct vcpu *vcpu = vm_vcpu(vm, i);

		if (!addressed(vcpu_vlapic(vcpu), dest, logical))
			continue;
		deliver_one(vcpu, mode, vector, level);
		if (mode == MODE_LOWEST) /* one is enough */
			return;
	}
}

void vlapic_send_ipi(struct vcpu *vcpu)
{
	const struct vlapic *a = vcpu_vlapic(vcpu);
	unsigned mode = (unsigned)(a->icr >> 8) & 7, shorthand = (unsigned)(a->icr >> 18) & 3;
	uint8_t vector = (uint8_t)a->icr;
	struct vm *vm = vcpu_vm(vcpu);

	if ((mode == MODE_FIXED || mode == MODE_LOWEST) && vector < 16) {
		vlapic_raise_error(vcpu, VLAPIC_ESR_SEND_ILLEGAL);
		return;
	}
	if (mode == MODE_INIT &&
	    !(a->icr & ICR_ASSERT)) /* de-assert: does nothing since the Pentium 4 */
		return;
	switch (shorthand) {
	case 0:
		vlapic_deliver(vm,
			       vlapic_is_x2apic(a) ? (uint32_t)(a->icr >> 32)
						   : (uint32_t)(a->icr >> 56),
			       a->icr & ICR_LOGICAL, mode, vector, false);
		break;
	case 1:
		deliver_one(vcpu, mode, vector, false);
		break;
	default:
		for (unsigned i = 0; i < vm_vcpu_count(vm); i++)
			if (shorthand == 2 || vm_vcpu(vm, i) != vcpu)
				deliver_one(vm_vcpu(vm, i), mode, vector, false);
		break;
	}
}

uint8_t vlapic_get_cr8(struct vcpu *vcpu)
{
	return (uint8_t)(vcpu_vlapic(vcpu)->tpr >> 4);
}

void vlapic_set_cr8(struct vcpu *vcpu, uint8_t cr8)
{
	vcpu_vlapic(vcpu)->tpr = (uint32_t)cr8 << 4;
	vcpu_notify(vcpu);
}
