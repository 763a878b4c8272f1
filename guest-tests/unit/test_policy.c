/* unit-sources: hv/policy.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/policy.h"

/* What kind of CPU, and what `asi` must do there. ARCH_CAPABILITIES bits: SDM volume 4, table 2-2.
 */
static const struct {
	const char *cpu;
	struct cpu_facts facts;
	enum policy_l1d l1d;
	enum policy_buffers buffers;
} cpus[] = {
	{ "Haswell, old microcode: leaks, and has no instruction for it",
	  { 0 },
	  POLICY_L1D_SOFTWARE,
	  POLICY_BUFFERS_NONE },
	{ "Skylake-SP with 2019 microcode",
	  { .md_clear = true, .l1d_flush = true },
	  POLICY_L1D_MSR,
	  POLICY_BUFFERS_VERW },
	{ "Cascade Lake: RDCL_NO, SKIP_L1DFL, MDS_NO, but TAA and MMIO stale data",
	  { .md_clear = true, .l1d_flush = true, .arch_capabilities = true, .arch_cap = 0x2b },
	  POLICY_L1D_NONE,
	  POLICY_BUFFERS_VERW },
	{ "Ice Lake client: RDCL_NO, no word on buffers",
	  { .md_clear = true, .l1d_flush = true, .arch_capabilities = true, .arch_cap = 0x0b },
	  POLICY_L1D_NONE,
	  POLICY_BUFFERS_VERW },
	{ "Sapphire Rapids: everything vouched for but RFDS",
	  { .md_clear = true,
	    .l1d_flush = true,
	    .arch_capabilities = true,
	    .arch_cap = 0x1 | 0x8 | 0x20 | 0x100 | 0x4000 },
	  POLICY_L1D_NONE,
	  POLICY_BUFFERS_VERW },
	{ "a CPU that vouches for all of it",
	  { .md_clear = true,
	    .l1d_flush = true,
	    .arch_capabilities = true,
	    .arch_cap = 0x1 | 0x8 | 0x20 | 0x100 | 0x4000 | (1ULL << 27) },
	  POLICY_L1D_NONE,
	  POLICY_BUFFERS_NONE },
	{ "nested under a hypervisor that flushes at entry (SKIP_L1DFL alone)",
	  { .arch_capabilities = true, .arch_cap = 0x8 },
	  POLICY_L1D_NONE,
	  POLICY_BUFFERS_NONE },
};

TEST(asi_flushes_what_each_cpu_needs)
{
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		struct policy_actions a;

		policy_resolve(&cpus[i].facts, CONFIG_MITIGATION_ASI, false, &a);
		if (a.l1d != cpus[i].l1d || a.buffers != cpus[i].buffers)
			printf("%s: l1d %s, buffers %s\n", cpus[i].cpu, policy_l1d_name(a.l1d),
			       policy_buffers_name(a.buffers));
		CHECK(a.mode == POLICY_ASI && a.restricts);
		CHECK(a.l1d == cpus[i].l1d);
		CHECK(a.buffers == cpus[i].buffers);
	}
}

TEST(auto_is_asi)
{
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		struct policy_actions a, b;

		policy_resolve(&cpus[i].facts, CONFIG_MITIGATION_AUTO, false, &a);
		policy_resolve(&cpus[i].facts, CONFIG_MITIGATION_ASI, false, &b);
		CHECK(!memcmp(&a, &b, sizeof(a)));
	}
}

TEST(always_flush_stays_in_full)
{
	struct policy_actions a;

	policy_resolve(&cpus[1].facts, CONFIG_MITIGATION_ALWAYS_FLUSH, false, &a);
	CHECK(a.mode == POLICY_ALWAYS_FLUSH && !a.restricts);
	CHECK(a.l1d == POLICY_L1D_MSR && a.buffers == POLICY_BUFFERS_VERW);
}

TEST(off_does_nothing)
{
	for (unsigned paranoid = 0; paranoid < 2; paranoid++) {
		struct policy_actions a;

		policy_resolve(&cpus[1].facts, CONFIG_MITIGATION_OFF, paranoid, &a);
		CHECK(a.mode == POLICY_OFF && !a.restricts && !a.l1d && !a.buffers);
	}
}

TEST(paranoid_trusts_no_bit)
{
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		struct policy_actions a;

		policy_resolve(&cpus[i].facts, CONFIG_MITIGATION_ASI, true, &a);
		CHECK(a.l1d == (cpus[i].facts.l1d_flush ? POLICY_L1D_MSR : POLICY_L1D_SOFTWARE));
		CHECK(a.buffers ==
		      (cpus[i].facts.md_clear ? POLICY_BUFFERS_VERW : POLICY_BUFFERS_NONE));
	}
}

UNIT_MAIN
