// SPDX-License-Identifier: MIT
/*
 * Stunning: one vCPU computes without ever exiting by itself, its sibling makes the hypervisor
 * leave to the full map again and again. The statistics say how often the first one had to be
 * interrupted and how long its acknowledgement took; the guest says that nothing was lost.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "stun";

#define ROUNDS 200

static volatile uint64_t spins;
static volatile bool stop;

/* What an interrupt flag of the guest's says must not matter. */
static void spin_deaf(void)
{
	while (!stop)
		spins++;
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void spin(void)
{
	__asm__ volatile("sti");
	while (!stop)
		spins++;
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void halt(void)
{
	for (;;)
		__asm__ volatile("sti; hlt");
}

static void escalate(const char *name, bool stuns, bool deaf)
{
	const struct hypercall_stats *s;
	unsigned wrong = 0;

	hypercall(HYPERCALL_STATS_RESET, 0, 0, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t before = spins;

		wrong += hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0) != 0x5ec4e7;
		/* The sibling goes on before the next one. */
		while (!stop && spins == before)
			cpu_relax();
	}
	check_eq(name, wrong, 0);
	stats_begin();
	s = stats_end();
	check_eq("each was an escalation", hypercall(HYPERCALL_STATS_PRINT, 0, 0, 0), 0);
	check("the sibling was stunned if it had to be",
	      stuns == (s->stuns_sent >= ROUNDS * 9 / 10));
	check("and not if it had not", stuns || s->stuns_sent == 0);
	if (stuns && !deaf) {
		mark("stun.min", s->stun_wait_min);
		mark("stun.median", s->stun_wait_median);
		mark("stun.p99", s->stun_wait_p99);
		check("an acknowledgement takes time", s->stun_wait_min > 10);
		/* Under another hypervisor its sibling gets a CPU first. */
		check("but not more than 300 ticks",
		      guest_option("nested") || s->stun_wait_median <= 300);
	}
}

void guest_main(void)
{
	bool stuns = !guest_option("no-stun");

	apic_enable();
	check("the sibling starts", start_cpu(1, spin));
	escalate("a busy sibling", stuns, false);
	stop = true;
	check("it starts again", start_cpu(1, halt));
	escalate("a sibling that is halted", false, false);
	stop = false;
	check("and again", start_cpu(1, spin_deaf));
	escalate("a busy sibling with interrupts off", stuns, true);
}
