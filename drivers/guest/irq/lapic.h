/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's local APIC: x2APIC registers by MSR, the same registers by MMIO while the guest keeps
 * the xAPIC mode, TSC-deadline, one-shot and periodic timer. SDM volume 3, chapter "APIC".
 *
 * The registers lie in one page, laid out as the processor's virtual-APIC page (SDM 29.1). So it
 * can serve them itself where it virtualises an x2APIC ("assisted"): reads, TPR, EOI, IPIs to self
 * and the delivery of what is in IRR. Everything else, and everything in the other modes, is done
 * here.
 */
#ifndef DRIVERS_GUEST_LAPIC_H
#define DRIVERS_GUEST_LAPIC_H

#include "drivers/guest/platform.h"

struct vlapic {
	uint32_t *page;	   /* register R at page[R * 4]; in x2APIC's form but for xAPIC's LDR */
	uint64_t base_msr; /* IA32_APIC_BASE */
	uint32_t id;
	uint32_t esr_pending;
	uint64_t timer_start;  /* guest TSC when the count began */
	uint64_t tsc_deadline; /* 0: disarmed */
	int32_t isrv;	       /* highest in-service vector, -1: none; stale while assisted */
	/* A bit for each register of IRR and ISR that may not be 0; while assisted, for each of IRR
	 * that was added to since vlapic_requesting(). */
	uint8_t irr_words, isr_words;
	bool assisted;	  /* the processor works on the page while the guest runs */
	bool tmr_changed; /* since the EOIs that exit were chosen */
};

/** By number of the register: those that can be read in x2APIC mode. */
#define VLAPIC_READABLE 0x43fd01ffffffa50cULL
#define VLAPIC_CURRENT_COUNT 0x39 /* the only one of them that the page does not hold */

/**
 * Power-on (or INIT) state. @x2apic: start in x2APIC mode, as firmware hands it to an operating
 * system.
 */
ANY void vlapic_reset(struct vcpu *vcpu, unsigned id, bool x2apic);

/** MSR 0x800-0x8ff, 0x1b and 0x6e0. false: inject #GP(0). */
ANY bool vlapic_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
ANY bool vlapic_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/** The hot one by itself: WRMSR IA32_TSC_DEADLINE. Never faults. */
ANY void vlapic_write_tsc_deadline(struct vcpu *vcpu, uint64_t value);

/** True while the registers answer at their page (xAPIC mode). */
ANY bool vlapic_has_mmio(struct vcpu *vcpu);
/** Access at @offset of the xAPIC page (only while in xAPIC mode). */
ANY uint32_t vlapic_mmio_read(struct vcpu *vcpu, unsigned offset);
ANY void vlapic_mmio_write(struct vcpu *vcpu, unsigned offset, uint32_t value);

/**
 * An interrupt message arrives. @level: set the trigger-mode bit, so that EOI goes to the IOAPIC.
 */
ANY void vlapic_accept(struct vcpu *vcpu, uint8_t vector, bool level);
/** The same for several vectors: @bits of IRR's register @index. The vCPU is the calling CPU's. */
ANY void vlapic_accept_bits(struct vcpu *vcpu, unsigned index, uint32_t bits, bool level);
/**
 * Delivers to every vCPU that @dest addresses (the IOAPIC and MSI use it). @mode: 0 fixed, 1 lowest
 * priority, 4 NMI, 7 ExtINT.
 */
ANY void vlapic_deliver(struct vm *vm, uint32_t dest, bool logical, unsigned mode, uint8_t vector,
			bool level);

/** Highest vector that may be delivered now (above PPR), or -1. */
ANY int vlapic_pending(struct vcpu *vcpu);
/** The CPU takes @vector: IRR to ISR. Not while assisted. */
ANY void vlapic_take(struct vcpu *vcpu, uint8_t vector);
/** vlapic_accept_bits() of edge-triggered ones; if this is but one, no other waits and it may be
 * delivered now, it is taken and returned instead, else -1. Not while assisted. */
ANY int vlapic_accept_and_take(struct vcpu *vcpu, unsigned index, uint32_t bits);

/** Does the mode that the guest chose allow assistance: x2APIC, and not disabled by SVR? */
ANY bool vlapic_may_be_assisted(const struct vlapic *a);
/** The processor begins or ends to work on the page. Returns the vector in service, -1: none. */
ANY int vlapic_set_assisted(struct vcpu *vcpu, bool assisted);
/** Assisted: the highest vector that requests, where the processor has @rvi and what was added
 * since, and @svi is in service (0: none). */
ANY uint8_t vlapic_requesting(struct vlapic *a, uint8_t rvi, uint8_t svi);
/** Bits of TMR for vectors 64 * @index and up: their EOI goes to the IOAPIC. */
ANY uint64_t vlapic_level_vectors(const struct vlapic *a, unsigned index);
/** Assisted, the processor has done the EOI of @vector. */
ANY void vlapic_after_eoi(struct vcpu *vcpu, uint8_t vector);

/** The vCPU's TSC has jumped by @delta: a deadline is one of the new clock, a count goes on. */
ANY void vlapic_tsc_moved(struct vcpu *vcpu, uint64_t delta);

/**
 * The time given to vcpu_timer_arm() has come: raises the timer interrupt, rearms a periodic timer.
 */
ANY void vlapic_timer_expired(struct vcpu *vcpu);

/** CR8 of the guest. */
ANY uint8_t vlapic_get_cr8(struct vcpu *vcpu);
ANY void vlapic_set_cr8(struct vcpu *vcpu, uint8_t cr8);

#endif
