/* SPDX-License-Identifier: MIT */
/* What this CPU's VMX offers: probed once, with a clear sentence for what is missing (SDM appendix
 * A). */
#ifndef VMX_CAPS_H
#define VMX_CAPS_H

#include "hv/base/types.h"

struct vmx_caps {
	uint32_t revision;
	uint32_t pin, proc, proc2, exit, entry; /* control values to use */
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint8_t preemption_shift; /* the timer counts TSC >> shift */
	bool preemption_timer;
	bool ept_2m, ept_1g;
	bool invept, invvpid, vpid;
	bool invpcid, rdtscp, xsaves, wbinvd_exiting, pause_loop;
	bool apicv; /* x2APIC, its registers and the delivery of interrupts can be virtualised */
};

/* Sensitive like any other data; copied where hot paths need it. */
extern struct vmx_caps vmx_caps;

/**
 * Finds out. Returns NULL if all is there, else what is missing and what to do, as the end of a
 * line for people. Full map, boot processor.
 */
FULL const char *vmx_probe(void);

/** VMXON on this CPU. Returns NULL or what is wrong, as above. */
FULL const char *vmx_enable(unsigned cpu);

/** Drops every cached guest translation on this CPU. */
FULL void vmx_flush_guest_tlb(void);

#endif
