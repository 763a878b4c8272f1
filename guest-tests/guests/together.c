// SPDX-License-Identifier: MIT
/*
 * What two vCPUs ask for at the same moment. "audit": one of them may be told that the other one's
 * is under way, never both, and each audit finds the maps in order. "reset": in a build where that
 * call is a bug of the hypervisor's own, which ends the run.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "together";

#define ROUNDS 8

static volatile uint64_t met;
static volatile int64_t answers[2];
static uint64_t call;

/* Both have come as often. */
static void meet(void)
{
	uint64_t all;

	all = (__atomic_fetch_add(&met, 1, __ATOMIC_SEQ_CST) / 2 + 1) * 2;
	while (__atomic_load_n(&met, __ATOMIC_SEQ_CST) < all)
		cpu_relax();
}

static void ask(unsigned self)
{
	meet();
	answers[self] = (int64_t)hypercall(call, 0, 0, 0);
	meet();
}

static void second(void)
{
	for (;;)
		ask(1);
}

void guest_main(void)
{
	unsigned busy = 0, wrong = 0;

	call = guest_option("audit") ? HYPERCALL_AUDIT : HYPERCALL_STATS_RESET;
	apic_enable();
	check("the other one starts", start_cpu(1, second));
	for (unsigned i = 0; i < ROUNDS; i++) {
		ask(0);
		busy += (answers[0] == -E_BUSY) + (answers[1] == -E_BUSY);
		wrong += (answers[0] && answers[0] != -E_BUSY) +
			 (answers[1] && answers[1] != -E_BUSY);
		wrong += answers[0] && answers[1];
	}
	check_eq("answers that are wrong", wrong, 0);
	check("some came while the other one's was under way", busy > 0);
	check_eq("the next one is answered", (uint64_t)hypercall(HYPERCALL_AUDIT, 0, 0, 0), 0);
}
