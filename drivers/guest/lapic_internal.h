/* SPDX-License-Identifier: MIT */
/* What the parts of the local APIC model share: lapic.c, lapic_timer.c, lapic_registers.c. */
#ifndef DRIVERS_GUEST_LAPIC_INTERNAL_H
#define DRIVERS_GUEST_LAPIC_INTERNAL_H

#include "drivers/guest/lapic.h"

#define VLAPIC_BASE_ADDRESS 0xfee00000ULL
#define VLAPIC_BASE_BSP BIT(8)
#define VLAPIC_BASE_X2APIC BIT(10)
#define VLAPIC_BASE_ENABLE BIT(11)
#define VLAPIC_SVR_ENABLE BIT(8)
#define VLAPIC_LVT_MASKED BIT(16)
#define VLAPIC_ESR_SEND_ILLEGAL BIT(5)
#define VLAPIC_ESR_RECEIVE_ILLEGAL BIT(6)

static inline bool vlapic_is_x2apic(const struct vlapic *a)
{
	return a->base_msr & VLAPIC_BASE_X2APIC;
}

/** All but IA32_APIC_BASE as after reset; no timer is armed. */
void vlapic_reset_registers(struct vcpu *vcpu);

uint32_t vlapic_ppr(const struct vlapic *a);
void vlapic_end_of_interrupt(struct vcpu *vcpu);
/** Sends what a->icr says. */
void vlapic_send_ipi(struct vcpu *vcpu);
/** Notes @error for ESR and raises the error interrupt. */
void vlapic_raise_error(struct vcpu *vcpu, uint32_t error);

/** LVT timer register; a change to or from TSC-deadline mode disarms the timer. */
void vlapic_timer_set_lvt(struct vcpu *vcpu, uint32_t lvt);
void vlapic_timer_set_initial(struct vcpu *vcpu, uint32_t count);
void vlapic_timer_set_divide(struct vcpu *vcpu, uint32_t divide);
uint32_t vlapic_timer_current(struct vcpu *vcpu);

#endif
