/* SPDX-License-Identifier: MIT */
/* What this processor is and can do, read once on the boot processor. */
#ifndef HV_CPU_H
#define HV_CPU_H

#include "hv/base/types.h"

struct cpu_facts {
	uint32_t signature; /* CPUID.1:EAX */
	uint8_t family, model, stepping;
	bool intel;
	bool hypervisor; /* nested: the model may be a disguise, and bits may be hidden */
	bool hybrid;	 /* cores of more than one kind */
	bool smt;	 /* cores have more than one thread */
	bool vmx;
	bool x2apic;
	bool tsc_deadline;
	bool mca; /* there may be machine-check banks */
	bool pcid;
	bool invpcid;
	bool smep, smap, umip;
	bool pages_1g;
	bool nx;
	bool xsave, xsaves;
	bool rdtscp;
	bool md_clear;	/* VERW overwrites the buffers */
	bool l1d_flush; /* MSR 0x10B */
	bool ibrs;	/* IA32_SPEC_CTRL and IA32_PRED_CMD exist */
	bool bhi_ctrl;	/* IA32_SPEC_CTRL.BHI_DIS_S */
	bool rtm;
	bool arch_capabilities;
	uint64_t arch_cap;  /* IA32_ARCH_CAPABILITIES, 0 if absent */
	uint64_t xcr0_mask; /* XSAVE components */
	unsigned smt_shift; /* APIC id >> smt_shift: the core */
	unsigned phys_bits;
	uint64_t tsc_hz;
	char brand[49];
};

/* Sensitive by default like any other data; hot paths use what was copied from here. */
extern struct cpu_facts cpu_facts;

/** Reads CPUID and MSRs. Full map, once. */
FULL void cpu_detect(void);

/** Sets this CPU's control registers and PAT for the hypervisor; PCIDE included, so CR3's PCID must
 * be 0. */
FULL void cpu_enable_features(void);

/** Number of the core that APIC id belongs to. */
FULL uint32_t cpu_core_of(uint32_t apic_id);

/** Puts x87, SSE and all extended state into the initial configuration: nothing of the former owner
 * stays. */
FULL void cpu_scrub_fpu(void);

/** PAT with entry 1 write-combining; the rest as after reset. */
#define HOST_PAT 0x0007040600070106ULL

#endif
