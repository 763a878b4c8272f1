/* SPDX-License-Identifier: MIT */
/* From what the CPU is and what the operator asks for to a list of actions. Pure. */
#ifndef HV_POLICY_H
#define HV_POLICY_H

#include "hv/asi/actions.h"
#include "hv/asi/vulnerability.h"
#include "hv/config/config.h"
#include "hv/cpu/cpu.h"

/* One vulnerability: all strings are constants. */
struct policy_reason {
	const char *name;
	bool affected;
	const char *action; /* what is done against it */
	const char *why;    /* how it is known whether the CPU is affected */
};

ANY const char *policy_mode_name(unsigned mode);
ANY const char *policy_l1d_name(unsigned l1d);
ANY const char *policy_buffers_name(unsigned buffers);
ANY const char *policy_bhb_name(unsigned bhb);

/**
 * The one decision. @smt: hyperthreads of one core run guests side by side. @paranoid: as if the
 * CPU had every vulnerability. @reasons, if not NULL, gets one row a vulnerability.
 */
ANY void policy_resolve(const struct cpu_facts *facts, enum hypercall_policy requested, bool smt,
			bool paranoid, struct policy_actions *actions,
			struct policy_reason reasons[VULN_COUNT]);

#endif
