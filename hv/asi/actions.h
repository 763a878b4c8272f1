/* SPDX-License-Identifier: MIT */
/* What a mitigation policy resolves to (hv/asi/policy.h); each CPU keeps its copy. */
#ifndef HV_ACTIONS_H
#define HV_ACTIONS_H

#include "hv/base/hypercall_abi.h"
#include "hv/base/types.h"

enum policy_l1d {
	POLICY_L1D_NONE,     /* the CPU does not leak its L1D */
	POLICY_L1D_MSR,	     /* IA32_FLUSH_CMD */
	POLICY_L1D_SOFTWARE, /* read 64 KiB of harmless data */
};

enum policy_buffers {
	POLICY_BUFFERS_NONE, /* not vulnerable, or nothing that would help */
	POLICY_BUFFERS_VERW, /* VERW with microcode that lets it overwrite the buffers */
};

enum policy_bhb {
	POLICY_BHB_NONE,
	POLICY_BHB_CLEAR, /* a loop of branches overwrites the history */
	POLICY_BHB_DIS_S, /* IA32_SPEC_CTRL.BHI_DIS_S, in spec_ctrl_host */
};

/* IA32_SPEC_CTRL, SDM volume 4, table 2-2. */
#define SPEC_CTRL_IBRS BIT(0)
#define SPEC_CTRL_BHI_DIS_S BIT(10)

/**
 * What is done. The defences of the branch predictor (rsb_fill, the BHB loop, spec_ctrl_swap) stand
 * at the way into full: on every exit where that lands in full, otherwise in asi_exit().
 */
struct policy_actions {
	uint8_t mode;	/* enum hypercall_policy, never AUTO */
	bool restricts; /* VM exits load the restricted root */
	/* siblings leave their guests before anything sensitive is touched; without @smt in
	 * all policies that restrict */
	bool stun;
	bool conditional;	 /* cond-flush: flush only after asi_exit() */
	bool flush_always;	 /* flush before every VM entry */
	uint8_t l1d;		 /* enum policy_l1d */
	uint8_t buffers;	 /* enum policy_buffers */
	bool ibpb;		 /* when another VM comes to a core */
	bool rsb_fill;		 /* before anything runs in full */
	uint8_t bhb;		 /* enum policy_bhb */
	uint64_t spec_ctrl_host; /* IA32_SPEC_CTRL of the hypervisor; 0 also where it is absent */
	bool spec_ctrl_swap;	 /* guests run with another value: 0 */
	bool parked;		 /* the cores have siblings, and they run no guest */
	bool paranoid;
	bool smt_unsafe; /* safe only with siblings parked */
	bool small_code; /* guests execute from small pages only (CVE-2018-12207) */
};

#endif
