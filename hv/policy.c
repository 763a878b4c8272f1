// SPDX-License-Identifier: MIT
#include "hv/policy.h"

/* IA32_ARCH_CAPABILITIES, SDM volume 4, table 2-2. */
#define ARCH_CAP_RDCL_NO BIT(0)
#define ARCH_CAP_SKIP_L1DFL_VMENTRY BIT(3)
#define ARCH_CAP_MDS_NO BIT(5)
#define ARCH_CAP_TAA_NO BIT(8)
#define ARCH_CAP_FBSDP_NO BIT(14)
#define ARCH_CAP_RFDS_NO BIT(27)

static const char *const mode_names[] = { "off", "always-flush", "asi", "asi+stun" };
static const char *const l1d_names[] = { "none", "msr", "software" };
static const char *const buffers_names[] = { "none", "verw" };

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

static bool leaks_l1d(const struct cpu_facts *facts)
{
	return !(facts->arch_cap & (ARCH_CAP_RDCL_NO | ARCH_CAP_SKIP_L1DFL_VMENTRY));
}

/* Every bit has to vouch for the CPU: one buffer that leaks is enough to want VERW. */
static bool leaks_buffers(const struct cpu_facts *facts)
{
	uint64_t vouched = ARCH_CAP_MDS_NO | ARCH_CAP_TAA_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_RFDS_NO;

	return (facts->arch_cap & vouched) != vouched;
}

void policy_resolve(const struct cpu_facts *facts, enum config_mitigation requested, bool paranoid,
		    struct policy_actions *actions)
{
	bool l1d = paranoid || leaks_l1d(facts);
	bool buffers = paranoid || leaks_buffers(facts);

	switch (requested) {
	case CONFIG_MITIGATION_OFF:
		*actions = (struct policy_actions){ .mode = POLICY_OFF };
		return;
	case CONFIG_MITIGATION_ALWAYS_FLUSH:
		actions->mode = POLICY_ALWAYS_FLUSH;
		break;
	case CONFIG_MITIGATION_AUTO:
	case CONFIG_MITIGATION_ASI:
		actions->mode = POLICY_ASI;
		break;
	case CONFIG_MITIGATION_ASI_STUN:
		actions->mode = POLICY_ASI_STUN;
		break;
	}
	actions->stun = actions->mode == POLICY_ASI_STUN;
	actions->restricts = actions->mode == POLICY_ASI || actions->stun;
	actions->l1d = !l1d		  ? POLICY_L1D_NONE
		       : facts->l1d_flush ? POLICY_L1D_MSR
					  : POLICY_L1D_SOFTWARE;
	/* Without MD_CLEAR microcode VERW overwrites nothing (SDM volume 2, VERW); the L1D fill
	 * helps a little. */
	actions->buffers = buffers && facts->md_clear ? POLICY_BUFFERS_VERW : POLICY_BUFFERS_NONE;
}
