/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's local APIC in software: x2APIC registers by MSR, the same registers by MMIO while the
 * guest keeps the xAPIC mode, TSC-deadline, one-shot and periodic timer. SDM volume 3, chapter
 * "APIC".
 */
#ifndef DRIVERS_GUEST_LAPIC_H
#define DRIVERS_GUEST_LAPIC_H

#include "drivers/guest/platform.h"

struct vlapic {
	uint64_t base_msr; /* IA32_APIC_BASE */
	uint32_t id;
	uint32_t tpr;
	uint32_t ldr, dfr;
	uint32_t svr;
	uint32_t esr, esr_pending;
	uint64_t icr;
	uint32_t lvt_timer, lvt_thermal, lvt_perf, lvt_lint0, lvt_lint1, lvt_error;
	uint32_t timer_initial, timer_divide;
	uint64_t timer_start;  /* guest TSC when the count began */
	uint64_t tsc_deadline; /* 0: disarmed */
	uint32_t isr[8], tmr[8], irr[8];
	int32_t isrv;	  /* highest in-service vector, -1: none */
	bool irr_pending; /* some bit of irr may be set */
};

/**
 * Power-on (or INIT) state. @x2apic: start in x2APIC mode, as firmware hands it to an operating
 * system.
 */
void vlapic_reset(struct vcpu *vcpu, unsigned id, bool x2apic);

/** MSR 0x800-0x8ff, 0x1b and 0x6e0. false: inject #GP(0). */
bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/** The hot one by itself: WRMSR IA32_TSC_DEADLINE. Never faults. */
void vlapic_write_tsc_deadline(struct vcpu *vcpu, uint64_t value);

/** True while the registers answer at their page (xAPIC mode). */
bool vlapic_has_mmio(struct vcpu *vcpu);
/** Access at @offset of the xAPIC page (only while in xAPIC mode). */
uint32_t vlapic_mmio_read(struct vcpu *vcpu, unsigned offset);
void vlapic_mmio_write(struct vcpu *vcpu, unsigned offset, uint32_t value);

/**
 * An interrupt message arrives. @level: set the trigger-mode bit, so that EOI goes to the IOAPIC.
 */
void vlapic_accept(struct vcpu *vcpu, uint8_t vector, bool level);
/**
 * Delivers to every vCPU that @dest addresses (the IOAPIC and MSI use it). @mode: 0 fixed, 1 lowest
 * priority, 4 NMI, 7 ExtINT.
 */
void vlapic_deliver(struct vm *vm, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
		    bool level);

/** Highest vector that may be delivered now (above PPR), or -1. */
int vlapic_pending(struct vcpu *vcpu);
/** The CPU takes @vector: IRR to ISR. */
void vlapic_take(struct vcpu *vcpu, uint8_t vector);

/**
 * The time given to vcpu_timer_arm() has come: raises the timer interrupt, rearms a periodic timer.
 */
void vlapic_timer_expired(struct vcpu *vcpu);

/** CR8 of the guest. */
uint8_t vlapic_get_cr8(struct vcpu *vcpu);
void vlapic_set_cr8(struct vcpu *vcpu, uint8_t cr8);

#endif
