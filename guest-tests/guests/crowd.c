// SPDX-License-Identifier: MIT
/*
 * Many vCPUs at once: each interrupts every other one, by every kind of destination, and mappings
 * that one of them changes are seen by all after an interrupt and INVLPG, as operating systems do
 * it.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "crowd";

#define VECTOR_HELLO 0x60
#define VECTOR_FLUSH 0x61
#define VECTOR_LOGICAL 0x62
#define MAX_CPUS 8
#define ROUNDS 100
#define MAPPINGS 200
#define ICR_LOGICAL BIT(11)
#define ICR_LOWEST (1ULL << 8)
#define ICR_SELF (1ULL << 18)
#define ICR_ALL (2ULL << 18)
#define ICR_OTHERS (3ULL << 18)
#define WINDOW 0x1400000ULL
#define PAGE_A 0x1600000ULL
#define PAGE_B 0x1601000ULL

static unsigned cpus;
static volatile unsigned hellos[MAX_CPUS], logicals[MAX_CPUS], flushes[MAX_CPUS];
static volatile unsigned ready, phase, done, stale;
static volatile uint64_t expected;

static unsigned self(void)
{
	return (unsigned)rdmsr(X2APIC_ID);
}

static void on_hello(struct frame *frame)
{
	(void)frame;
	__atomic_fetch_add(&hellos[self()], 1, __ATOMIC_SEQ_CST);
	apic_eoi();
}

static void on_logical(struct frame *frame)
{
	(void)frame;
	logicals[self()]++;
	apic_eoi();
}

static void on_flush(struct frame *frame)
{
	(void)frame;
	invlpg(WINDOW);
	if (*(volatile uint64_t *)WINDOW != expected)
		__atomic_fetch_add(&stale, 1, __ATOMIC_SEQ_CST);
	flushes[self()]++;
	apic_eoi();
}

static void wait_for(volatile unsigned *count, unsigned want)
{
	for (unsigned i = 0; i < 100000000 && *count < want; i++)
		cpu_relax();
}

static void meet(unsigned at)
{
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	wait_for(&done, at * cpus);
}

/* In each round everybody sends one to its neighbour and waits for the one from the other side. */
static void all_to_all(void)
{
	unsigned me = self();

	for (unsigned round = 0; round < ROUNDS; round++) {
		send_ipi((me + 1 + round % (cpus - 1)) % cpus, VECTOR_HELLO);
		wait_for(&hellos[me], round + 1);
		meet(round + 1);
	}
}

static void other(void)
{
	__asm__ volatile("sti");
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (!phase)
		cpu_relax();
	all_to_all();
	/* Uses the mapping all the time, so that it is cached. */
	for (;;) {
		(void)*(volatile uint64_t *)WINDOW;
		cpu_relax();
	}
}

static void test_all_to_all(void)
{
	bool exact = true;

	phase = 1;
	all_to_all();
	for (unsigned i = 0; i < cpus; i++)
		exact &= hellos[i] == ROUNDS;
	check("each interrupt from each to each came once", exact);
}

/* @icr reaches exactly the vCPUs of @who. */
static void expect_reached(const char *name, uint64_t icr, unsigned who)
{
	unsigned before[MAX_CPUS], got = 0, want = who;
	bool once = true;

	for (unsigned i = 0; i < cpus; i++)
		before[i] = logicals[i];
	wrmsr(X2APIC_ICR, icr | VECTOR_LOGICAL);
	for (unsigned i = 0; i < cpus; i++)
		if (want >> i & 1)
			wait_for(&logicals[i], before[i] + 1);
	/* Long enough for one that is too many. */
	for (unsigned i = 0; i < 20000; i++)
		cpu_relax();
	for (unsigned i = 0; i < cpus; i++) {
		got |= (logicals[i] != before[i]) << i;
		once &= logicals[i] - before[i] <= 1;
	}
	check_eq(name, got, want);
	check("once", once);
}

static void test_destinations(void)
{
	unsigned all = (1U << cpus) - 1, last = cpus - 1;

	expect_reached("all including self", ICR_ALL, all);
	expect_reached("all but self", ICR_OTHERS, all & ~1U);
	expect_reached("self", ICR_SELF, 1);
	expect_reached("physical broadcast", 0xffffffffULL << 32, all);
	expect_reached("one by its id", (uint64_t)last << 32, 1U << last);
	expect_reached("an id that nobody has", 200ULL << 32, 0);
	expect_reached("logical: one", 1ULL << (32 + last) | ICR_LOGICAL, 1U << last);
	expect_reached("logical: every second", 0x55ULL << 32 | ICR_LOGICAL, all & 0x55);
	expect_reached("logical: another cluster", 0x100ffULL << 32 | ICR_LOGICAL, 0);
	expect_reached("logical broadcast", 0xffffffffULL << 32 | ICR_LOGICAL, all);
}

static void test_lowest(void)
{
	unsigned before = 0, after = 0;

	for (unsigned i = 0; i < cpus; i++)
		before += logicals[i];
	wrmsr(X2APIC_ICR, 0xffULL << 32 | ICR_LOGICAL | ICR_LOWEST | VECTOR_LOGICAL);
	for (unsigned i = 0; i < 20000; i++)
		cpu_relax();
	for (unsigned i = 0; i < cpus; i++)
		after += logicals[i];
	check_eq("lowest priority: one of them", after - before, 1);
}

static void test_shootdown(void)
{
	uint64_t *entry = page_entry(WINDOW);
	unsigned late = 0;

	for (unsigned n = 1; n <= MAPPINGS; n++) {
		uint64_t page = n & 1 ? PAGE_B : PAGE_A;

		*(volatile uint64_t *)page = n;
		expected = n;
		*(volatile uint64_t *)entry = page | PTE_P | PTE_W;
		invlpg(WINDOW);
		send_ipi_to_others(VECTOR_FLUSH);
		for (unsigned i = 1; i < cpus; i++) {
			wait_for(&flushes[i], n);
			late += flushes[i] != n;
		}
	}
	check_eq("each change was answered by all", late, 0);
	check_eq("and seen by all", stale, 0);
}

void guest_main(void)
{
	for (unsigned i = 2; i <= MAX_CPUS; i++)
		if (guest_option((char[]){ 'v', 'c', 'p', 'u', 's', '-', (char)('0' + i), '\0' }))
			cpus = i;
	set_handler(VECTOR_HELLO, on_hello);
	set_handler(VECTOR_FLUSH, on_flush);
	set_handler(VECTOR_LOGICAL, on_logical);
	*page_entry(WINDOW) = PAGE_A | PTE_P | PTE_W;
	invlpg(WINDOW);
	apic_enable();
	__asm__ volatile("sti");
	for (unsigned i = 1; i < cpus; i++)
		check("it starts", start_cpu(i, other));
	wait_for(&ready, cpus - 1);
	test_all_to_all();
	test_destinations();
	test_lowest();
	test_shootdown();
}
