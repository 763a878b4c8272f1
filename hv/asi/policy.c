// SPDX-License-Identifier: MIT
#include "hv/asi/policy.h"

#include "hv/base/types.h"

#define READS_BUFFERS (BIT(VULN_MDS) | BIT(VULN_TAA) | BIT(VULN_MMIO) | BIT(VULN_RFDS))
/* What another thread of the same core can read of this one's. RFDS is not among them: the cores
 * that have it have one thread. */
#define CROSSES_THREADS                                                                            \
	(BIT(VULN_L1TF) | BIT(VULN_MDS) | BIT(VULN_TAA) | BIT(VULN_MMIO) | BIT(VULN_GDS))

/* What each policy does, by its name. */
enum {
	RESTRICTS = 1 << 0,    /* exits land in restricted, else in full */
	STUN = 1 << 1,	       /* siblings leave their guests: while in full, or on every exit */
	CONDITIONAL = 1 << 2,  /* flush if asi_exit() was asked for */
	FLUSH_ALWAYS = 1 << 3, /* flush before every VM entry */

	DOES_AUTO = 0, /* it is resolved to one of the others */
	DOES_OFF = 0,
	DOES_ALWAYS_FLUSH = FLUSH_ALWAYS,
	DOES_ALWAYS_FLUSH_STUN = FLUSH_ALWAYS | STUN,
	DOES_COND_FLUSH = CONDITIONAL,
	DOES_ASI = RESTRICTS, /* flush on the way back from full */
	DOES_ASI_STUN = RESTRICTS | STUN,
};
#define DOES(name, number, word, before) [number] = DOES_##name,
static const uint8_t does[] = { HYPERCALL_POLICIES(DOES) };
static const char *const mode_names[] = { HYPERCALL_POLICIES(HYPERCALL_POLICY_WORD) };
static const char *const l1d_names[] = { "none", "msr", "software" };
static const char *const buffers_names[] = { "none", "verw" };
static const char *const bhb_names[] = { "none", "clear", "bhi-dis-s" };
static const char *const vulnerability_names[VULN_COUNT] = {
	[VULN_L1TF] = "l1tf",	      [VULN_MDS] = "mds",
	[VULN_TAA] = "taa",	      [VULN_MMIO] = "mmio-stale-data",
	[VULN_RFDS] = "rfds",	      [VULN_GDS] = "gds",
	[VULN_ITS] = "its",	      [VULN_BHI] = "bhi",
	[VULN_RETBLEED] = "retbleed", [VULN_SPECTRE_V2] = "spectre-v2",
	[VULN_VMSCAPE] = "vmscape",   [VULN_ITLB_MULTIHIT] = "itlb-multihit",
};

const char *policy_mode_name(unsigned mode)
{
	return mode_names[mode];
}

const char *policy_l1d_name(unsigned l1d)
{
	return l1d_names[l1d];
}

const char *policy_buffers_name(unsigned buffers)
{
	return buffers_names[buffers];
}

const char *policy_bhb_name(unsigned bhb)
{
	return bhb_names[bhb];
}

/* A hypervisor may hide the bit from us and let VERW work all the same. */
static bool verw_works(const struct cpu_facts *facts)
{
	return facts->md_clear || (facts->arch_cap & (ARCH_CAP_FB_CLEAR | ARCH_CAP_RFDS_CLEAR)) ||
	       facts->hypervisor;
}

/* The cheapest mode that leaves nothing for the CPU to leak. */
static enum hypercall_policy choose_mode(uint32_t leaks, bool smt)
{
	if (smt && (leaks & CROSSES_THREADS))
		return HYPERCALL_POLICY_ASI_STUN;
	if (leaks & (CROSSES_THREADS | BIT(VULN_RFDS)))
		return HYPERCALL_POLICY_ASI;
	/* With nothing to flush: only the predictor is defended. */
	return HYPERCALL_POLICY_COND_FLUSH;
}

static void choose_flush(const struct cpu_facts *facts, uint32_t affected, bool paranoid,
			 struct policy_actions *a)
{
	/* Nested below a hypervisor that flushes by itself: SDM volume 4, table 2-2, bit 3. */
	bool skip = (facts->arch_cap & ARCH_CAP_SKIP_L1DFL_VMENTRY) && !paranoid;

	if ((affected & BIT(VULN_L1TF)) && !skip)
		a->l1d = facts->l1d_flush ? POLICY_L1D_MSR : POLICY_L1D_SOFTWARE;
	if ((affected & READS_BUFFERS) && verw_works(facts))
		a->buffers = POLICY_BUFFERS_VERW;
}

/*
 * No indirect branch follows an exit (tools/check-branches), so what remains is what RETs can be
 * led to, and the predictor's content that one VM leaves to the next.
 */
static void choose_branches(const struct cpu_facts *facts, uint32_t affected, bool paranoid,
			    struct policy_actions *a)
{
	bool enhanced = facts->ibrs && (facts->arch_cap & ARCH_CAP_IBRS_ALL);
	uint64_t own_rsb = ARCH_CAP_IBRS_ALL | ARCH_CAP_PBRSB_NO;

	a->ibpb = facts->ibrs;
	a->rsb_fill = (affected & BIT(VULN_RETBLEED)) || (facts->arch_cap & own_rsb) != own_rsb;
	if (affected & BIT(VULN_BHI))
		a->bhb = facts->bhi_ctrl && facts->ibrs ? POLICY_BHB_DIS_S : POLICY_BHB_CLEAR;
	if (a->bhb == POLICY_BHB_DIS_S)
		a->spec_ctrl_host = SPEC_CTRL_BHI_DIS_S;
	/* Enhanced IBRS is set once and for all. The older kind has to be set again on every way
	 * in, so only where RETs need it. */
	if (enhanced || (facts->ibrs && (affected & BIT(VULN_RETBLEED))))
		a->spec_ctrl_host |= SPEC_CTRL_IBRS;
	a->spec_ctrl_swap = (a->spec_ctrl_host & SPEC_CTRL_IBRS) && (!enhanced || paranoid);
}

static const char *describe(const struct cpu_facts *facts, const struct policy_actions *a,
			    enum vulnerability vuln)
{
	static const char *const l1d[] = { "left to the hypervisor below",
					   "L1D flush by IA32_FLUSH_CMD",
					   "L1D flush by reading 64 KiB" };
	static const char *const bhb[] = { "none", "BHB clear loop", "BHI_DIS_S" };

	if (vuln == VULN_ITLB_MULTIHIT)
		return "no large page that is executable";
	if (a->mode == HYPERCALL_POLICY_OFF)
		return "none: mitigation = off";
	switch (vuln) {
	case VULN_L1TF:
		return l1d[a->l1d];
	case VULN_GDS:
		return facts->arch_cap & ARCH_CAP_GDS_CTRL ? "left to microcode"
							   : "none: microcode lacks GDS_CTRL";
	case VULN_ITS:
		return "no indirect branch after an exit";
	case VULN_BHI:
		return bhb[a->bhb];
	case VULN_RETBLEED:
		return a->spec_ctrl_host & SPEC_CTRL_IBRS ? "IBRS, RSB fill"
							  : "RSB fill; microcode lacks IBRS";
	case VULN_SPECTRE_V2:
		if (!a->ibpb)
			return "no indirect branch after an exit; microcode lacks IBPB";
		return a->spec_ctrl_host & SPEC_CTRL_IBRS
			       ? "IBRS, IBPB between VMs"
			       : "no indirect branch after an exit, IBPB between VMs";
	case VULN_VMSCAPE:
		return a->ibpb ? "no device model in user mode, IBPB between VMs"
			       : "no device model in user mode; microcode lacks IBPB";
	default:
		return a->buffers == POLICY_BUFFERS_VERW ? "VERW"
							 : "none: microcode lacks MD_CLEAR";
	}
}

void policy_resolve(const struct cpu_facts *facts, enum hypercall_policy requested, bool smt,
		    bool paranoid, struct policy_actions *actions,
		    struct policy_reason reasons[VULN_COUNT])
{
	const char *why[VULN_COUNT];
	uint32_t affected = 0, leaks;

	for (unsigned v = 0; v < VULN_COUNT; v++)
		if (vulnerability_affects(facts, (enum vulnerability)v, paranoid, &why[v]))
			affected |= 1U << v;
	leaks = affected;
	if (facts->arch_cap & ARCH_CAP_GDS_CTRL)
		leaks &= ~(uint32_t)BIT(VULN_GDS);
	*actions = (struct policy_actions){ .parked = facts->smt && !smt, .paranoid = paranoid };
	actions->mode =
		(uint8_t)(requested == HYPERCALL_POLICY_AUTO ? choose_mode(leaks, smt) : requested);
	actions->restricts = does[actions->mode] & RESTRICTS;
	/* Parked siblings run no guest, but they do run the hypervisor, and a guest may run beside
	 * them then. */
	actions->stun = smt ? does[actions->mode] & STUN : actions->restricts && facts->smt;
	actions->conditional = does[actions->mode] & CONDITIONAL;
	actions->flush_always = does[actions->mode] & FLUSH_ALWAYS;
	if (actions->mode != HYPERCALL_POLICY_OFF) {
		choose_flush(facts, affected, paranoid, actions);
		choose_branches(facts, affected, paranoid, actions);
	}
	/* Whatever the mode: it ends the machine for all, and costs next to nothing. */
	actions->small_code = affected & BIT(VULN_ITLB_MULTIHIT);
	actions->smt_unsafe = smt && (leaks & CROSSES_THREADS) && !actions->stun;
	for (unsigned v = 0; reasons && v < VULN_COUNT; v++) {
		bool hit = affected >> v & 1;

		reasons[v] = (struct policy_reason){
			vulnerability_names[v], hit,
			hit ? describe(facts, actions, (enum vulnerability)v) : "none needed",
			why[v]
		};
	}
}
