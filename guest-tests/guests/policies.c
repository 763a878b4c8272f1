// SPDX-License-Identifier: MIT
/*
 * One boot, every policy: they are changed by hypercall while the sibling computes and exits. Each
 * does what it says, counted by the hypervisor, and nothing is lost on the way.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "policies";

#define ROUNDS 40
#define EXITS 50
#define VECTOR 0x66

static const struct {
	const char *name;
	unsigned number;
	bool restricts, each_exit, after_sensitive, stuns;
} policies[] = {
	{ "off", HYPERCALL_POLICY_OFF, false, false, false, false },
	{ "always-flush", HYPERCALL_POLICY_ALWAYS_FLUSH, false, true, true, false },
	{ "always-flush+stun", HYPERCALL_POLICY_ALWAYS_FLUSH_STUN, false, true, true, true },
	{ "cond-flush", HYPERCALL_POLICY_COND_FLUSH, false, false, false, false },
	{ "asi", HYPERCALL_POLICY_ASI, true, false, true, false },
	{ "asi+stun", HYPERCALL_POLICY_ASI_STUN, true, false, true, true },
};

static volatile uint64_t spins, received;
static volatile unsigned command; /* 1: the sibling computes, 2: it sleeps */

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	received++;
	apic_eoi();
}

static void sibling(void)
{
	__asm__ volatile("sti");
	for (;;) {
		if (command == 1)
			spins++;
		else
			__asm__ volatile("hlt");
	}
}

static int64_t policy_now(void)
{
	return hypercall(HYPERCALL_POLICY, HYPERCALL_POLICY_GET, 0, 0);
}

static void change(unsigned number)
{
	int64_t result;

	do {
		result = hypercall(HYPERCALL_POLICY, number, 0, 0);
	} while (result == -E_BUSY);
	check_eq("the change is accepted", (uint64_t)result, 0);
	for (unsigned i = 0; i < 100000 && (policy_now() & HYPERCALL_POLICY_CHANGING); i++)
		cpu_relax();
	check_eq("every CPU has gone over", (uint64_t)policy_now(), number);
}

static uint64_t flushes(const struct hypercall_stats *s)
{
	return s->l1d_flush_software + s->l1d_flush_msr;
}

static void wake_sibling(void)
{
	uint64_t before = received;

	wrmsr(X2APIC_ICR, 1ULL << 32 | VECTOR);
	for (unsigned i = 0; i < 100000000 && received == before; i++)
		cpu_relax();
	check_eq("the sibling takes its interrupt once", received, before + 1);
}

static void try_policy(unsigned i)
{
	struct hypercall_stats s;
	uint64_t before;

	print("policy %s\n", policies[i].name);
	change(policies[i].number);
	/* The sibling sleeps: what is counted is this vCPU's. */
	command = 2;
	wake_sibling();
	stats_begin();
	for (unsigned n = 0; n < EXITS; n++)
		cpuid(0x40000000, 0);
	s = *stats_end();
	check_eq("exits are counted", s.exits, EXITS);
	check_eq("restricted as the policy says", s.exits_restricted,
		 policies[i].restricts ? EXITS : 0);
	check("flushed as the policy says",
	      policies[i].each_exit ? flushes(&s) >= EXITS : flushes(&s) == 0);
	stats_begin();
	check_eq("the sensitive word arrives",
		 (uint64_t)hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0), 0x5ec4e7);
	s = *stats_end();
	check("a flush follows it if the policy says so",
	      (flushes(&s) > 0) == policies[i].after_sensitive);
	/* And now it computes: it has to leave its guest if it is to be stunned. */
	command = 1;
	wake_sibling();
	before = spins;
	while (spins == before)
		cpu_relax();
	hypercall(HYPERCALL_STATS_RESET, 0, 0, 0);
	for (unsigned n = 0; n < ROUNDS; n++) {
		before = spins;
		hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
		while (spins == before)
			cpu_relax();
	}
	stats_begin();
	s = *stats_end();
	check("the sibling is stunned as the policy says",
	      policies[i].stuns ? s.stuns_sent >= ROUNDS / 2 : s.stuns_sent == 0);
}

/* How often the sibling gets on while this vCPU makes no exit: without PAUSE, which would give the
 * thread to the other vCPU (directed yield) and count turns as running side by side. */
static unsigned progress_beside(void)
{
	uint64_t last = spins;
	unsigned changes = 0;

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t now = spins;

		changes += now != last;
		last = now;
	}
	return changes;
}

/* The siblings are parked: both vCPUs take turns on one thread, and nothing is lost. */
static void try_without_smt(unsigned number)
{
	struct hypercall_stats s;
	uint64_t before;

	print("policy %u without hyperthreads\n", number);
	command = 1;
	wake_sibling();
	check("with hyperthreads both run at a time", progress_beside() > 50);
	change(number | HYPERCALL_POLICY_SMT_OFF);
	hypercall(HYPERCALL_STATS_RESET, 0, 0, 0);
	for (unsigned n = 0; n < 3; n++) {
		before = spins;
		while (spins == before)
			hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
		wake_sibling();
	}
	check("without only one does, if there is only one core",
	      (progress_beside() < 5) == guest_option("one-core"));
	stats_begin();
	s = *stats_end();
	check_eq("nobody is stunned", s.stuns_sent + s.stunned, 0);
	change(number);
	before = spins;
	while (spins == before)
		cpu_relax();
	wake_sibling();
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

/* For tools/oracle: those that leave nothing behind, with "threads" those that do not beside a
 * sibling either. */
static _Noreturn void change_for_ever(void)
{
	static const unsigned numbers[] = { HYPERCALL_POLICY_ASI_STUN,
					    HYPERCALL_POLICY_ALWAYS_FLUSH_STUN,
					    HYPERCALL_POLICY_ASI, HYPERCALL_POLICY_ALWAYS_FLUSH };
	unsigned count = guest_option("threads") ? 2 : 4;

	for (unsigned i = 1;; i++) {
		change(numbers[i % count]);
		for (unsigned n = 0; n < 4; n++) {
			cpuid(0x40000000, 0);
			hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
		}
	}
}

void guest_main(void)
{
	unsigned accepted = 0, refused = 0;

	if (guest_option("forbidden")) {
		check_eq("a VM that may not set the policy is refused",
			 (uint64_t)hypercall(HYPERCALL_POLICY, HYPERCALL_POLICY_OFF, 0, 0),
			 (uint64_t)-E_PERM);
		check_eq("but may ask for it", (uint64_t)policy_now(), HYPERCALL_POLICY_ASI_STUN);
		return;
	}
	set_handler(VECTOR, on_interrupt);
	apic_enable();
	command = 1;
	check("the sibling starts", start_cpu(1, sibling));
	if (guest_option("for-ever"))
		change_for_ever();
	check_eq("no such policy", (uint64_t)hypercall(HYPERCALL_POLICY, 7, 0, 0),
		 (uint64_t)-E_INVAL);
	check_eq("no such flag", (uint64_t)hypercall(HYPERCALL_POLICY, 0x1005, 0, 0),
		 (uint64_t)-E_INVAL);
	for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		try_policy(i);
	try_without_smt(HYPERCALL_POLICY_OFF);
	try_without_smt(HYPERCALL_POLICY_ASI_STUN);
	/* As fast as they are taken, in any order. */
	for (unsigned i = 0; i < 100000 && accepted < 60; i++) {
		int64_t result = hypercall(
			HYPERCALL_POLICY,
			(1 + random() % 6) | (random() % 4 ? 0 : HYPERCALL_POLICY_SMT_OFF), 0, 0);

		accepted += result == 0;
		refused += result != 0 && result != -E_BUSY;
		if (random() % 3 == 0)
			hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
	}
	check_eq("none is refused but for another under way", refused, 0);
	check_eq("many are taken", accepted, 60);
	change(HYPERCALL_POLICY_ASI_STUN);
	check_eq("and the maps are in order", (uint64_t)hypercall(HYPERCALL_AUDIT, 0, 0, 0), 0);
	command = 2;
	wake_sibling();
}
