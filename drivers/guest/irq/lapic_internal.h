/* SPDX-License-Identifier: MIT */
/* What the parts of the local APIC model share: lapic.c, lapic_timer.c, lapic_registers.c. */
#ifndef DRIVERS_GUEST_LAPIC_INTERNAL_H
#define DRIVERS_GUEST_LAPIC_INTERNAL_H

#include "drivers/guest/irq/lapic.h"
#include "drivers/hw/lapic.h"

#define VLAPIC_VERSION 0x00050014 /* six LVT entries */

/* A register as an lvalue. */
#define VLAPIC(a, reg) ((a)->page[(reg)*4])

/* The ICR is one of 64 bits, in xAPIC mode too. */
static inline uint64_t vlapic_icr(const struct vlapic *a)
{
	return (uint64_t)a->page[LAPIC_ICR * 4 + 1] << 32 | VLAPIC(a, LAPIC_ICR);
}

static inline void vlapic_set_icr(struct vlapic *a, uint64_t value)
{
	VLAPIC(a, LAPIC_ICR) = (uint32_t)value;
	a->page[LAPIC_ICR * 4 + 1] = (uint32_t)(value >> 32);
}

static inline bool vlapic_is_enabled(const struct vlapic *a)
{
	return VLAPIC(a, LAPIC_SVR) & LAPIC_SVR_ENABLE;
}

static inline bool vlapic_is_x2apic(const struct vlapic *a)
{
	return a->base_msr & LAPIC_BASE_X2APIC;
}

/** The logical id of x2APIC mode, which follows from the id. */
static inline uint32_t vlapic_x2apic_ldr(const struct vlapic *a)
{
	return (a->id >> 4) << 16 | 1U << (a->id & 15);
}

/** All but IA32_APIC_BASE as after reset; no timer is armed. */
ANY void vlapic_reset_registers(struct vcpu *vcpu);

ANY uint32_t vlapic_ppr(const struct vlapic *a);
ANY void vlapic_end_of_interrupt(struct vcpu *vcpu);
/** Sends what the ICR says. */
ANY void vlapic_send_ipi(struct vcpu *vcpu);
/** Notes @error for ESR and raises the error interrupt. */
ANY void vlapic_raise_error(struct vcpu *vcpu, uint32_t error);

/** LVT timer register; a change to or from TSC-deadline mode disarms the timer. */
ANY void vlapic_timer_set_lvt(struct vcpu *vcpu, uint32_t lvt);
ANY void vlapic_timer_set_initial(struct vcpu *vcpu, uint32_t count);
ANY void vlapic_timer_set_divide(struct vcpu *vcpu, uint32_t divide);
ANY uint32_t vlapic_timer_current(struct vcpu *vcpu);

#endif
