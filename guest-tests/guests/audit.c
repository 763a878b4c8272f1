// SPDX-License-Identifier: MIT
/*
 * Asks for the audit of all maps again and again, while memory comes in by first touch and other
 * VMs come and go beside it: there is never a violation, and asking harms nobody.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "audit";

#define ROUNDS 6
#define VECTOR 0x71
#define NAP 3000000

static volatile unsigned ticks;

static void on_timer(struct frame *frame)
{
	(void)frame;
	ticks++;
	apic_eoi();
}

void guest_main(void)
{
	uint64_t violations = 0, wrong = 0;

	set_handler(VECTOR, on_timer);
	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, 2U << 17 | VECTOR);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		volatile uint64_t *fresh = (volatile uint64_t *)(MIB(8) + i * MIB(2));

		*fresh = i;
		violations += (uint64_t)hypercall(HYPERCALL_AUDIT, 0, 0, 0);
		wrong += *fresh != i;
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + NAP);
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	check_eq("no audit found a violation", violations, 0);
	check_eq("memory is what it was", wrong, 0);
	check_eq("every nap ended", ticks, ROUNDS);
}
