/* SPDX-License-Identifier: MIT */
/*
 * The primitives: what empties the core's L1D and its fill, store and load buffers, and what keeps
 * a guest's branch predictions out of the hypervisor's code. The policy chooses them; callers
 * count.
 */
#ifndef HV_FLUSH_H
#define HV_FLUSH_H

#include "hv/cpu/percpu.h"
#include "hv/asi/actions.h"
#include "hv/base/types.h"

/* IA32_SPEC_CTRL while a guest runs that does not see the MSR, where the policy swaps it. */
#define FLUSH_SPEC_CTRL_GUEST 0

/** Allocates the buffer that the software L1D flush reads. Full map, once. Returns 0 or -E_NOMEM.
 */
FULL int flush_init(void);

/** What the policy that this CPU follows resolved to. Any map. */
static inline const struct policy_actions *flush_actions(void)
{
	return &this_cpu()->actions;
}

struct vcpu_stats;

/**
 * Flushes what the actions name, L1D first (IA32_FLUSH_CMD, SDM volume 4, table 2-2) and the
 * buffers last (VERW, SDM volume 2). Where the policy restricts and swaps IA32_SPEC_CTRL, the
 * guest's value comes back with it. Either map (in restricted, what it reads is harmless and is
 * what remains cached). Counts it in @stats unless that is NULL.
 */
ANY void flush_core(struct vcpu_stats *stats);

/**
 * The way from restricted into full: no return or branch there may follow what the guest trained.
 * Return stack buffer, branch history, IA32_SPEC_CTRL, as the policy says. Where exits land in full
 * the exit path does the same by itself (vmx/exit/entry.asm and the MSR-load areas). Returns
 * whether there was anything to do.
 */
ANY bool flush_predictor(void);

/** Another VM comes to this core: IBPB (IA32_PRED_CMD, SDM volume 4, table 2-2) if the policy says
 * so; returns whether. */
ANY bool flush_on_vm_switch(void);

/** Gives this CPU the hypervisor's IA32_SPEC_CTRL; again after a change of policy. */
FULL void flush_init_cpu(void);

/** The return stack buffer gets 32 harmless entries. Either map; hv/asi/predictor.asm. */
ANY void rsb_fill(void);

/** Overwrites the branch history (SDM volume 4, table 2-2, BHI_NO; for CPUs without BHI_DIS_S).
 * Either map; hv/asi/predictor.asm. */
ANY void bhb_clear(void);

#endif
