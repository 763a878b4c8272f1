/* unit-sources: hv/asi/policy.c hv/asi/vulnerability.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/cpu_models.h"
#include "guest-tests/unit/unit.h"

TEST(each_cpu_has_what_it_has)
{
	for (unsigned i = 0; i < CPUS; i++) {
		struct policy_reason r[VULN_COUNT];
		struct policy_actions a;

		policy_resolve(&cpus[i].facts, HYPERCALL_POLICY_ASI, false, false, &a, r);
		for (unsigned v = 0; v < VULN_COUNT; v++) {
			bool expected = cpus[i].affected >> v & 1;

			if (r[v].affected != expected)
				printf("%s (%s): %s: %s\n", cpus[i].cpu, cpus[i].source, r[v].name,
				       r[v].why);
			CHECK(r[v].affected == expected);
			CHECK(expected == (strcmp(r[v].action, "none needed") != 0));
			CHECK(r[v].why && *r[v].why);
		}
	}
}

TEST(asi_does_what_each_cpu_needs)
{
	for (unsigned i = 0; i < CPUS; i++) {
		const struct cpu_case *c = &cpus[i];
		struct policy_actions a;

		policy_resolve(&c->facts, HYPERCALL_POLICY_ASI, false, false, &a, NULL);
		if (a.l1d != c->l1d || a.buffers != c->buffers || a.bhb != c->bhb ||
		    a.rsb_fill != c->rsb_fill || a.spec_ctrl_host != c->spec_ctrl ||
		    a.spec_ctrl_swap != c->swap)
			printf("%s: l1d %s, buffers %s, bhb %s, rsb %d, spec_ctrl %llx, swap %d\n",
			       c->cpu, policy_l1d_name(a.l1d), policy_buffers_name(a.buffers),
			       policy_bhb_name(a.bhb), a.rsb_fill,
			       (unsigned long long)a.spec_ctrl_host, a.spec_ctrl_swap);
		CHECK(a.l1d == c->l1d);
		CHECK(a.buffers == c->buffers);
		CHECK(a.bhb == c->bhb);
		CHECK(a.rsb_fill == c->rsb_fill);
		CHECK(a.spec_ctrl_host == c->spec_ctrl);
		CHECK(a.spec_ctrl_swap == c->swap);
		CHECK(a.ibpb == c->facts.ibrs);
	}
}

TEST(auto_is_the_cheapest_safe_mode)
{
	for (unsigned i = 0; i < CPUS; i++) {
		for (unsigned smt = 0; smt < 2; smt++) {
			uint8_t expected = smt ? cpus[i].automatic_smt : cpus[i].automatic;
			struct policy_actions a;

			policy_resolve(&cpus[i].facts, HYPERCALL_POLICY_AUTO, smt, false, &a, NULL);
			if (a.mode != expected)
				printf("%s: %s\n", cpus[i].cpu, policy_mode_name(a.mode));
			CHECK(a.mode == expected);
			CHECK(!a.smt_unsafe);
		}
	}
}

TEST(a_mode_is_what_its_name_says)
{
	static const struct {
		enum hypercall_policy request;
		const char *name;
		bool restricts, stun, conditional, flush_always;
	} modes[] = {
		{ HYPERCALL_POLICY_OFF, "off", false, false, false, false },
		{ HYPERCALL_POLICY_ALWAYS_FLUSH, "always-flush", false, false, false, true },
		{ HYPERCALL_POLICY_ALWAYS_FLUSH_STUN, "always-flush+stun", false, true, false,
		  true },
		{ HYPERCALL_POLICY_COND_FLUSH, "cond-flush", false, false, true, false },
		{ HYPERCALL_POLICY_ASI, "asi", true, false, false, false },
		{ HYPERCALL_POLICY_ASI_STUN, "asi+stun", true, true, false, false },
	};

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		for (unsigned smt = 0; smt < 2; smt++) {
			struct policy_actions a;

			policy_resolve(&cpus[0].facts, modes[i].request, smt, false, &a, NULL);
			CHECK(!strcmp(policy_mode_name(a.mode), modes[i].name));
			CHECK(a.restricts == modes[i].restricts);
			CHECK(a.stun == (smt ? modes[i].stun : a.restricts && cpus[0].facts.smt));
			CHECK(a.conditional == modes[i].conditional);
			CHECK(a.flush_always == modes[i].flush_always);
			/* The CPU leaks across threads. */
			CHECK(a.smt_unsafe == (smt && !modes[i].stun));
		}
	}
}

TEST(off_does_nothing)
{
	for (unsigned i = 0; i < CPUS; i++) {
		for (unsigned paranoid = 0; paranoid < 2; paranoid++) {
			struct policy_reason r[VULN_COUNT];
			struct policy_actions a;

			policy_resolve(&cpus[i].facts, HYPERCALL_POLICY_OFF, false, paranoid, &a,
				       r);
			CHECK(a.mode == HYPERCALL_POLICY_OFF && !a.restricts && !a.l1d &&
			      !a.buffers);
			CHECK(!a.ibpb && !a.rsb_fill && !a.bhb && !a.spec_ctrl_host);
			CHECK(!a.stun && !a.conditional && !a.flush_always && !a.spec_ctrl_swap);
			CHECK(a.small_code == r[VULN_ITLB_MULTIHIT].affected);
			for (unsigned v = 0; v < VULN_COUNT; v++)
				CHECK(!strcmp(r[v].action,
					      !r[v].affected ? "none needed"
					      : v == VULN_ITLB_MULTIHIT
						      ? "no large page that is executable"
						      : "none: mitigation = off"));
		}
	}
}

TEST(paranoid_trusts_no_bit)
{
	for (unsigned i = 0; i < CPUS; i++) {
		const struct cpu_facts *f = &cpus[i].facts;
		struct policy_reason r[VULN_COUNT];
		struct policy_actions a;

		policy_resolve(f, HYPERCALL_POLICY_AUTO, true, true, &a, r);
		CHECK(a.mode == HYPERCALL_POLICY_ASI_STUN && a.rsb_fill);
		CHECK(a.l1d == (f->l1d_flush ? POLICY_L1D_MSR : POLICY_L1D_SOFTWARE));
		if (f->md_clear)
			CHECK(a.buffers == POLICY_BUFFERS_VERW);
		CHECK(a.bhb == (f->bhi_ctrl ? POLICY_BHB_DIS_S : POLICY_BHB_CLEAR));
		CHECK(a.spec_ctrl_swap == f->ibrs);
		for (unsigned v = 0; v < VULN_COUNT; v++)
			CHECK(r[v].affected && !strcmp(r[v].why, "paranoid = on"));
	}
}

/* MMIO stale data has three ways out of the buffers: two closed ones do not vouch for the third. */
TEST(mmio_takes_three_bits)
{
	static const uint64_t bits[] = { ARCH_CAP_SBDR_SSDP_NO, ARCH_CAP_FBSDP_NO,
					 ARCH_CAP_PSDP_NO };

	for (unsigned open = 0; open <= 3; open++) {
		struct cpu_facts ice_lake = { CPU(0x6a, 6), CAPS(CAPS_2021) };
		const char *why;

		if (open < 3)
			ice_lake.arch_cap &= ~bits[open];
		CHECK(vulnerability_affects(&ice_lake, VULN_MMIO, false, &why) == (open < 3));
	}
}

/* Whatever the CPU claims: no MSR that it lacks is written, and what is asked for is done. */
TEST(no_action_without_its_instruction)
{
	uint64_t seed = 20180103;

	for (unsigned n = 0; n < 200000; n++) {
		uint64_t x = unit_random(&seed);
		struct cpu_facts f = {
			.intel = true,
			.family = x & 7 ? 6 : 19,
			.model = cpus[unit_random(&seed) % CPUS].facts.model,
			.stepping = x >> 3 & 15,
			.ibrs = x >> 7 & 1,
			.bhi_ctrl = x >> 8 & 1,
			.md_clear = x >> 9 & 1,
			.l1d_flush = x >> 10 & 1,
			.rtm = x >> 11 & 1,
			.hybrid = x >> 12 & 1,
			.hypervisor = x >> 13 & 1,
			.xcr0_mask = x >> 14 & 7,
			.arch_capabilities = x >> 17 & 1,
		};
		bool smt = x >> 18 & 1, paranoid = x >> 19 & 1;
		struct policy_reason r[VULN_COUNT];
		struct policy_actions a;

		if (f.arch_capabilities)
			f.arch_cap = unit_random(&seed);
		policy_resolve(&f, (enum hypercall_policy)((x >> 20) % HYPERCALL_POLICY_COUNT), smt,
			       paranoid, &a, r);
		CHECK(a.mode < HYPERCALL_POLICY_COUNT);
		CHECK(f.ibrs || (!a.ibpb && !a.spec_ctrl_host && !a.spec_ctrl_swap));
		CHECK(f.bhi_ctrl || a.bhb != POLICY_BHB_DIS_S);
		CHECK(!(a.spec_ctrl_host & SPEC_CTRL_BHI_DIS_S) == (a.bhb != POLICY_BHB_DIS_S));
		CHECK(f.l1d_flush || a.l1d != POLICY_L1D_MSR);
		CHECK(!a.spec_ctrl_swap || (a.spec_ctrl_host & SPEC_CTRL_IBRS));
		CHECK(!a.stun || smt || (a.restricts && f.smt));
		CHECK(!a.smt_unsafe || smt);
		CHECK(a.mode == HYPERCALL_POLICY_OFF || !r[VULN_RETBLEED].affected || a.rsb_fill);
		CHECK(a.mode == HYPERCALL_POLICY_OFF || !r[VULN_BHI].affected ||
		      a.bhb != POLICY_BHB_NONE);
		if (a.mode != HYPERCALL_POLICY_OFF && r[VULN_MDS].affected && f.md_clear)
			CHECK(a.buffers == POLICY_BUFFERS_VERW);
	}
}

UNIT_MAIN
