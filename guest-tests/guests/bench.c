// SPDX-License-Identifier: MIT
/*
 * Round trips through the hypervisor in TSC ticks, the cost of the loop around them subtracted.
 * Each result is a `bench` record: LABEL.min and LABEL.median. The option "lazy" says that memory
 * is populated on first touch.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "bench";

#define SAMPLES 256
#define WARM_UP 16
#define FIRST_CHUNK MIB(8)
#define CHUNKS 24
#define CHUNK MIB(2)

static uint64_t samples[SAMPLES];

static void report(const char *label, uint64_t empty, unsigned n)
{
	static char name[40];
	size_t length = strlen(label);

	sort(samples, n);
	memcpy(name, label, length);
	memcpy(name + length, ".min", 5);
	mark(name, samples[0] - empty);
	memcpy(name + length, ".median", 8);
	mark(name, samples[n / 2] - empty);
}

/* Measures a statement: the same code with nothing in it comes first and is the cost of the loop.
 */
#define MEASURE(label, statement)                                                                  \
	do {                                                                                       \
		uint64_t empty = ~0ULL;                                                            \
                                                                                                   \
		for (unsigned i = 0; i < SAMPLES; i++) {                                           \
			uint64_t start = rdtsc(), end = rdtsc();                                   \
                                                                                                   \
			empty = end - start < empty ? end - start : empty;                         \
		}                                                                                  \
		for (unsigned i = 0; i < SAMPLES + WARM_UP; i++) {                                 \
			uint64_t start = rdtsc(), end;                                             \
                                                                                                   \
			statement;                                                                 \
			end = rdtsc();                                                             \
			samples[i % SAMPLES] = end - start;                                        \
		}                                                                                  \
		report(label, empty, SAMPLES);                                                     \
	} while (0)

static void measure_first_touch(void)
{
	for (unsigned i = 0; i < CHUNKS; i++) {
		volatile uint64_t *at = (volatile uint64_t *)(FIRST_CHUNK + i * CHUNK);
		uint64_t start = rdtsc();

		*at = 1;
		samples[i] = rdtsc() - start;
	}
	report("ept-first-touch", 2, CHUNKS);
}

void guest_main(void)
{
	uint64_t far;

	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, 2U << 17 | 1U << 16 | 0x70);
	outb(CMOS_INDEX, 0x40);
	IOAPIC_INDEX = 0x10;
	far = rdtsc() + 1000000000000;
	hypercall(HYPERCALL_STATS_RESET, 0, 0, 0);
	MEASURE("cpuid", cpuid(0, 0));
	MEASURE("vmcall", hypercall(HYPERCALL_VERSION, 0, 0, 0));
	MEASURE("rdmsr", rdmsr(MSR_MISC_ENABLE));
	MEASURE("wrmsr-tsc-deadline", wrmsr(MSR_TSC_DEADLINE, far));
	MEASURE("in-cmos", inb(CMOS_DATA));
	MEASURE("in-uart-lsr", inb(COM1 + 5));
	MEASURE("in-uart-scratch", inb(COM1 + 7));
	MEASURE("out-uart-scratch", outb(COM1 + 7, 1));
	MEASURE("mmio-read", (void)IOAPIC_DATA);
	MEASURE("mmio-write", IOAPIC_DATA = 0x10000);
	wrmsr(MSR_TSC_DEADLINE, 0);
	MEASURE("escalation", hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0));
	if (guest_option("lazy"))
		measure_first_touch();
	check("all was measured", true);
}
