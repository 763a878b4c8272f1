// SPDX-License-Identifier: MIT
/*
 * What an interrupt from one vCPU to another costs, in TSC ticks: the sender's exit by itself, and
 * the time that the receiver misses, less what the same handler takes when INT calls it. Marks:
 * ipi-send, ipi-receive and ipi, their sum, the minimum and the median of each; eoi, a round trip.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "ipi";

#define VECTOR 0x60
#define SAMPLES 128
#define WARM_UP 8

static volatile uint64_t last, came, missed;
static volatile unsigned received;
static uint64_t samples[3][SAMPLES];

static void on_ipi(struct frame *frame)
{
	(void)frame;
	came = rdtsc();
	missed = came - last;
	received++;
	apic_eoi();
}

static inline void watch(void)
{
	last = rdtsc();
}

static void receiver(void)
{
	__asm__ volatile("sti");
	for (;;)
		watch();
}

/* The same way to the handler, without the hypervisor. */
static uint64_t called(void)
{
	uint64_t least = ~0ULL;

	for (unsigned i = 0; i < SAMPLES; i++) {
		last = rdtsc();
		__asm__ volatile("int %0" : : "i"(VECTOR) : "memory");
		least = came - last < least ? came - last : least;
	}
	return least;
}

static uint64_t empty_loop(void)
{
	uint64_t least = ~0ULL;

	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t start = rdtsc(), end = rdtsc();

		least = end - start < least ? end - start : least;
	}
	return least;
}

static void report(const char *minimum, const char *median, uint64_t *values)
{
	sort(values, SAMPLES);
	mark(minimum, values[0]);
	mark(median, values[SAMPLES / 2]);
}

void guest_main(void)
{
	uint64_t loop, direct;
	unsigned lost = 0;

	set_handler(VECTOR, on_ipi);
	apic_enable();
	direct = called();
	loop = empty_loop();
	check("the receiver starts", start_cpu(1, receiver));
	for (unsigned i = 0; i < SAMPLES + WARM_UP; i++) {
		unsigned before = received;
		uint64_t start, end, *sample = &samples[0][i % SAMPLES];

		start = rdtsc();
		wrmsr(X2APIC_ICR, 1ULL << 32 | VECTOR);
		end = rdtsc();
		for (unsigned j = 0; j < 100000 && received == before; j++)
			cpu_relax();
		/* And until it watches its clock again. */
		while (last <= came)
			cpu_relax();
		lost += received != before + 1;
		sample[0] = end - start - loop;
		sample[SAMPLES] = missed - direct;
		sample[2 * SAMPLES] = sample[0] + sample[SAMPLES];
	}
	for (unsigned i = 0; i < 100; i++)
		cpu_relax();
	check_eq("each interrupt came once", lost, 0);
	report("ipi-send.min", "ipi-send.median", samples[0]);
	report("ipi-receive.min", "ipi-receive.median", samples[1]);
	report("ipi.min", "ipi.median", samples[2]);
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t start = rdtsc();

		apic_eoi();
		samples[0][i] = rdtsc() - start - loop;
	}
	report("eoi.min", "eoi.median", samples[0]);
}
