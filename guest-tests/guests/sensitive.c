// SPDX-License-Identifier: MIT
/*
 * The heart of the matter: a word that the restricted map does not hold is read. Exactly one
 * escalation follows, with a flush behind it; ordinary exits have neither. And the maps themselves
 * are in order.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "sensitive";

/* XMM0 is borrowed by what zeroes the stack behind full. */
static struct hypercall_stats touch(void)
{
	const uint64_t before[2] = { 0x1122334455667788, 0x99aabbccddeeff00 };
	struct hypercall_stats s;
	uint64_t behind[2];

	stats_begin();
	__asm__ volatile("movups %0, %%xmm0" : : "m"(before));
	check_eq("the sensitive word arrives",
		 (uint64_t)hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0), 0x5ec4e7);
	__asm__ volatile("movups %%xmm0, %0" : "=m"(behind));
	s = *stats_end();
	check_eq("XMM0 is as it was, below", behind[0], before[0]);
	check_eq("and above", behind[1], before[1]);
	return s;
}

/* Exits of every frequent kind; none of them may touch anything sensitive. */
static void storm(uint64_t n)
{
	while (n--) {
		cpuid((uint32_t)n % 0x18, 0);
		rdmsr(MSR_MISC_ENABLE);
		wrmsr(MSR_TSC_DEADLINE, 0);
		inb(CMOS_DATA);
		(void)IOAPIC_DATA;
		hypercall(HYPERCALL_VERSION, 0, 0, 0);
	}
}

static void ask(uint64_t leaf)
{
	cpuid((uint32_t)leaf, 0);
}

void guest_main(void)
{
	struct hypercall_stats s;
	bool flushes = !guest_option("no-flush"), msr = guest_option("msr"),
	     verw = guest_option("verw");

	write_cr4(read_cr4() | CR4_OSFXSR);
	stats_begin();
	storm(2000);
	s = *stats_end();
	check_eq("12,000 ordinary exits", s.exits, 12000);
	check_eq("were all restricted", s.exits_restricted, 12000);
	check_eq("without an escalation", s.escalations, 0);
	check_eq("without a flush", s.l1d_flush_msr + s.l1d_flush_software + s.verw, 0);

	/* The check of the word prints a line; those exits are ordinary. */
	for (unsigned i = 0; i < 3; i++) {
		s = touch();
		check_eq("touching it is one escalation", s.escalations, 1);
		check_eq("one exit is not restricted", s.exits - s.exits_restricted, 1);
		check_eq("the L1D is flushed once on the way back",
			 s.l1d_flush_msr + s.l1d_flush_software, flushes);
		check_eq("by the primitive that this CPU has", s.l1d_flush_msr, flushes && msr);
		check_eq("VERW where the microcode makes it useful", s.verw, verw);
	}
	check_eq("this CPU's maps have no violation", (uint64_t)hypercall(HYPERCALL_AUDIT, 0, 0, 0),
		 0);
	expect_exits("and exits are restricted again", EXIT_CPUID, 1, ask, 0);
}
