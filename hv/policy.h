/* SPDX-License-Identifier: MIT */
/* From what the CPU is and what the operator asks for to a list of actions. Pure. */
#ifndef HV_POLICY_H
#define HV_POLICY_H

#include "hv/config.h"
#include "hv/cpu.h"

enum policy_mode {
	POLICY_OFF,	     /* VM exits land in full; no flush */
	POLICY_ALWAYS_FLUSH, /* VM exits land in full; flush before every VM entry */
	POLICY_ASI,	     /* VM exits land in restricted; flush on the way back from full */
	POLICY_ASI_STUN,     /* the same, and siblings run no guest meanwhile */
};

enum policy_l1d {
	POLICY_L1D_NONE,     /* the CPU does not leak its L1D */
	POLICY_L1D_MSR,	     /* IA32_FLUSH_CMD */
	POLICY_L1D_SOFTWARE, /* read 64 KiB of harmless data */
};

enum policy_buffers {
	POLICY_BUFFERS_NONE, /* not vulnerable, or nothing that would help */
	POLICY_BUFFERS_VERW, /* VERW with MD_CLEAR microcode */
};

struct policy_actions {
	uint8_t mode;	 /* enum policy_mode */
	uint8_t l1d;	 /* enum policy_l1d */
	uint8_t buffers; /* enum policy_buffers */
	bool restricts;	 /* VM exits load the restricted root */
	bool stun;	 /* siblings run no guest while this CPU is in full */
};

const char *policy_mode_name(unsigned mode);
const char *policy_l1d_name(unsigned l1d);
const char *policy_buffers_name(unsigned buffers);

/** The one decision. @paranoid: as if the CPU had every vulnerability. */
void policy_resolve(const struct cpu_facts *facts, enum config_mitigation requested, bool paranoid,
		    struct policy_actions *actions);

#endif
