/* SPDX-License-Identifier: MIT */
/* What the parts of the local APIC model share: lapic.c, lapic_timer.c, lapic_registers.c. */
#ifndef DRIVERS_GUEST_LAPIC_INTERNAL_H
#define DRIVERS_GUEST_LAPIC_INTERNAL_H

#include "drivers/guest/irq/lapic.h"

#define VLAPIC_BASE_ADDRESS 0xfee00000ULL
#define VLAPIC_BASE_BSP BIT(8)
#define VLAPIC_BASE_X2APIC BIT(10)
#define VLAPIC_BASE_ENABLE BIT(11)
#define VLAPIC_SVR_ENABLE BIT(8)
#define VLAPIC_LVT_MASKED BIT(16)
#define VLAPIC_ESR_SEND_ILLEGAL BIT(5)
#define VLAPIC_ESR_RECEIVE_ILLEGAL BIT(6)

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
	APIC_TIMER_CURRENT = VLAPIC_CURRENT_COUNT,
	APIC_TIMER_DIVIDE = 0x3e,
	APIC_SELF_IPI = 0x3f,
};

#define VLAPIC_VERSION 0x00050014 /* six LVT entries */

/* A register as an lvalue. */
#define VLAPIC(a, reg) ((a)->page[(reg)*4])

/* The ICR is one of 64 bits, in xAPIC mode too. */
static inline uint64_t vlapic_icr(const struct vlapic *a)
{
	return (uint64_t)a->page[APIC_ICR * 4 + 1] << 32 | VLAPIC(a, APIC_ICR);
}

static inline void vlapic_set_icr(struct vlapic *a, uint64_t value)
{
	VLAPIC(a, APIC_ICR) = (uint32_t)value;
	a->page[APIC_ICR * 4 + 1] = (uint32_t)(value >> 32);
}

static inline bool vlapic_is_enabled(const struct vlapic *a)
{
	return VLAPIC(a, APIC_SVR) & VLAPIC_SVR_ENABLE;
}

static inline bool vlapic_is_x2apic(const struct vlapic *a)
{
	return a->base_msr & VLAPIC_BASE_X2APIC;
}

/** The logical id of x2APIC mode, which follows from the id. */
static inline uint32_t vlapic_x2apic_ldr(const struct vlapic *a)
{
	return (a->id >> 4) << 16 | 1U << (a->id & 15);
}

/** All but IA32_APIC_BASE as after reset; no timer is armed. */
void vlapic_reset_registers(struct vcpu *vcpu);

uint32_t vlapic_ppr(const struct vlapic *a);
void vlapic_end_of_interrupt(struct vcpu *vcpu);
/** Sends what the ICR says. */
void vlapic_send_ipi(struct vcpu *vcpu);
/** Notes @error for ESR and raises the error interrupt. */
void vlapic_raise_error(struct vcpu *vcpu, uint32_t error);

/** LVT timer register; a change to or from TSC-deadline mode disarms the timer. */
void vlapic_timer_set_lvt(struct vcpu *vcpu, uint32_t lvt);
void vlapic_timer_set_initial(struct vcpu *vcpu, uint32_t count);
void vlapic_timer_set_divide(struct vcpu *vcpu, uint32_t divide);
uint32_t vlapic_timer_current(struct vcpu *vcpu);

#endif
