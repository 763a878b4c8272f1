// SPDX-License-Identifier: MIT
/*
 * What a VM gets of CPUs that it shares, measured from inside and marked for the suite to judge.
 * Options: "work" computes for a second and counts; "naps" sleeps by its timer and measures how
 * late it wakes; "greedy" sleeps a moment before its slice is over, with a timer; "cost" measures a
 * VM exit; "ring" passes a token round between spinning vCPUs; "gap" tells the longest time for
 * which it did not run.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "share";

#define SECOND 100000000ULL	/* ticks, in the emulator */
#define BEGIN (SECOND * 3 / 10) /* by then all VMs have begun */
#define TAIL (SECOND * 3 / 10)	/* until then none stops, so that nobody's second gets longer */
#define SLICE (SECOND / 100)
#define MOMENT 1000
#define NAPS 20
#define NAP (SECOND / 20)
#define SAMPLES 1001
#define ROUNDS 20
#define RING 4

static uint64_t count_until(uint64_t tsc)
{
	uint64_t n = 0;

	while (rdtsc() < tsc)
		n++;
	return n;
}

static struct hypercall_stats stats;

static bool read_stats(void)
{
	return hypercall(HYPERCALL_STATS_READ, (uint64_t)&stats, sizeof(stats), 0) == sizeof(stats);
}

/* A line on the console takes longer than a slice, and what is said of a VM that ends much longer:
 * none before the end. */
static void work(void)
{
	uint64_t before, after, count;
	bool good;

	count_until(BEGIN);
	good = read_stats();
	before = stats.run_ticks;
	count = count_until(BEGIN + SECOND);
	good &= read_stats();
	after = stats.run_ticks;
	count_until(BEGIN + SECOND + TAIL);
	check("the statistics can be read", good);
	mark("ran", after - before);
	mark("work", count);
}

static void naps(void)
{
	uint64_t latest = 0;
	bool early = false;

	nap_init();
	count_until(BEGIN);
	for (unsigned i = 0; i < NAPS; i++) {
		uint64_t due = rdtsc() + NAP, now;

		nap(NAP);
		now = rdtsc();
		early |= now < due;
		if (now - due > latest)
			latest = now - due;
	}
	nap(TAIL);
	check("it never woke early", !early);
	check_eq("every nap ended", naps_ended, NAPS + 1);
	mark("late", latest);
}

/* Were its timer worth a turn whenever it comes, it would have nearly all of the core. */
static void greedy(void)
{
	nap_init();
	while (rdtsc() < BEGIN + SECOND + TAIL) {
		count_until(rdtsc() + SLICE * 19 / 20);
		nap(MOMENT);
	}
	check("it slept", naps_ended > 0);
}

static void cost(void)
{
	static uint64_t samples[SAMPLES];

	count_until(BEGIN);
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t start = rdtsc();

		cpuid(0x40000000, 0);
		samples[i] = rdtsc() - start;
	}
	sort(samples, SAMPLES);
	mark("least", samples[0]);
	mark("median", samples[SAMPLES / 2]);
	check("an exit takes some time", samples[0] > 0);
	count_until(BEGIN + SECOND);
}

static volatile unsigned token;

static void pass(unsigned self)
{
	while (token % RING != self)
		cpu_relax();
	token++;
}

static void passer(void)
{
	for (;;)
		pass((unsigned)rdmsr(X2APIC_ID));
}

static void ring(void)
{
	uint64_t start;

	apic_enable();
	for (unsigned i = 1; i < RING; i++)
		check("it starts", start_cpu(i, passer));
	start = rdtsc();
	for (unsigned i = 0; i < ROUNDS; i++)
		pass(0);
	mark("hop", (rdtsc() - start) / (ROUNDS * RING));
	check_eq("each passed it on", token >= (ROUNDS - 1) * RING + 1, 1);
}

static void gap(void)
{
	uint64_t longest = 0, last = rdtsc();

	while (last < BEGIN + SECOND) {
		uint64_t now = rdtsc();

		if (now - last > longest)
			longest = now - last;
		last = now;
	}
	mark("gap", longest);
	check("others ran meanwhile", longest > MOMENT);
}

void guest_main(void)
{
	if (guest_option("gap"))
		gap();
	if (guest_option("work"))
		work();
	if (guest_option("naps"))
		naps();
	if (guest_option("greedy"))
		greedy();
	if (guest_option("cost"))
		cost();
	if (guest_option("ring"))
		ring();
}
