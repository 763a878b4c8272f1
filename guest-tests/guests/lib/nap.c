// SPDX-License-Identifier: MIT
/* Sleeping by the TSC-deadline timer. */
#include "guest-tests/guests/lib/guest.h"

#define VECTOR 0x71

volatile uint64_t naps_ended;

static void on_timer(struct frame *frame)
{
	(void)frame;
	naps_ended++;
	apic_eoi();
}

void nap_init(void)
{
	set_handler(VECTOR, on_timer);
	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
}

void nap(uint64_t ticks)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + ticks);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}
