// SPDX-License-Identifier: MIT
/*
 * Many exits of one kind, a key on the console before each kind: what an outer hypervisor does for
 * them is counted there, by guest-tests/suite/nested_cost.py. "rounds=N" says how many.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "rounds";

/* A look at the UART is an exit too, so they are rare. */
#define TURNS_BETWEEN_LOOKS 2000000

static unsigned rounds;

static void wait_for_key(const char *next)
{
	print("ready for %s\n", next);
	do {
		for (unsigned i = 0; i < TURNS_BETWEEN_LOOKS; i++)
			__asm__ volatile("");
	} while (!(inb(COM1 + 5) & 1));
	inb(COM1);
}

#define ROUNDS(label, statement)                                                                   \
	do {                                                                                       \
		wait_for_key(label);                                                               \
		start = rdtsc();                                                                   \
		for (unsigned i = 0; i < rounds; i++) {                                            \
			statement;                                                                 \
		}                                                                                  \
		print("%u ticks\n", rdtsc() - start);                                              \
	} while (0)

void guest_main(void)
{
	uint64_t far, start;

	rounds = (unsigned)guest_number("rounds", 0);
	check("the number is told", rounds);
	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | 1U << 16 | 0x70);
	outb(CMOS_INDEX, 0x40);
	IOAPIC_INDEX = 0x10;
	far = rdtsc() + 1000000000000;
	wait_for_key("nothing");
	ROUNDS("cpuid", cpuid(0, 0));
	ROUNDS("vmcall", hypercall(HYPERCALL_VERSION, 0, 0, 0));
	ROUNDS("rdmsr", rdmsr(MSR_MISC_ENABLE));
	ROUNDS("in-cmos", inb(CMOS_DATA));
	ROUNDS("in-uart-lsr", inb(COM1 + 5));
	ROUNDS("out-uart-scratch", outb(COM1 + 7, 1));
	ROUNDS("wrmsr-tsc-deadline", wrmsr(MSR_TSC_DEADLINE, far));
	ROUNDS("mmio-read", (void)IOAPIC_DATA);
	wait_for_key("end");
	wrmsr(MSR_TSC_DEADLINE, 0);
}
