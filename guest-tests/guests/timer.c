// SPDX-License-Identifier: MIT
/*
 * The local APIC's timer: TSC-deadline, one-shot, periodic, cancelled, in the past, and HLT until
 * it comes. With the option "preemption" the hypervisor's clock is the VMX preemption timer, and
 * the exits are of that reason.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "timer";

#define VECTOR 0x71
#define LVT_MASKED (1U << 16)
#define LVT_ONE_SHOT 0U
#define LVT_PERIODIC (1U << 17)
#define DIVIDE_BY_1 0xb
/* Ticks within which an interrupt that is due must have come; the preemption timer counts in steps
 * of 2^N. */
#define LATE 20000

static volatile unsigned count;
static volatile uint64_t came[64];

static void on_timer(struct frame *frame)
{
	(void)frame;
	if (count < 64)
		came[count] = rdtsc();
	count++;
	apic_eoi();
}

static void wait_until(uint64_t tsc)
{
	interrupts_on();
	while (rdtsc() < tsc)
		cpu_relax();
	interrupts_off();
}

static void deadline_mode(void)
{
	wrmsr(MSR_TSC_DEADLINE, 0);
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	count = 0;
}

static void halt_for_interrupt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void check_came(const char *name, unsigned index, uint64_t due)
{
	uint64_t at = came[index];

	check(name, at >= due && at < due + LATE);
	if (at < due || at >= due + LATE)
		print("due 0x%x, came 0x%x\n", due, at);
}

static void test_deadline(bool preemption)
{
	const struct hypercall_stats *s;
	unsigned reason = preemption ? EXIT_PREEMPTION_TIMER : EXIT_EXTERNAL_INTERRUPT;
	uint64_t due;

	deadline_mode();
	stats_begin();
	due = rdtsc() + 200000;
	wrmsr(MSR_TSC_DEADLINE, due);
	wait_until(due + LATE);
	s = stats_end();
	check_eq("a deadline is one interrupt", count, 1);
	check_came("on time", 0, due);
	check_eq("it disarms itself", rdmsr(MSR_TSC_DEADLINE), 0);
	/* The EOI needs none where the processor virtualises the APIC. */
	check_eq("exits: arm and EOI", s->exits_by_reason[EXIT_MSR_WRITE],
		 1U + guest_option("software"));
	if (preemption)
		check("one of the clock's own at least", s->exits_by_reason[reason] >= 1);
	else
		check_eq("one of the clock's own", s->exits_by_reason[reason], 1);
	check_eq("no escalation", s->escalations, 0);

	deadline_mode();
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 100000);
	wrmsr(MSR_TSC_DEADLINE, 0);
	wait_until(rdtsc() + 200000);
	check_eq("a cancelled deadline does not come", count, 0);

	deadline_mode();
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 100000);
	due = rdtsc() + 400000;
	wrmsr(MSR_TSC_DEADLINE, due);
	wait_until(due + LATE);
	check_eq("a postponed one comes once", count, 1);
	check_came("at the later time", 0, due);

	deadline_mode();
	due = rdtsc();
	interrupts_on();
	wrmsr(MSR_TSC_DEADLINE, 1);
	wait_until(rdtsc() + LATE);
	check_eq("a deadline in the past comes at once", count, 1);
	check_came("without delay", 0, due);

	deadline_mode();
	wrmsr(MSR_TSC_DEADLINE, ~0ULL);
	wait_until(rdtsc() + 300000);
	check_eq("the largest deadline does not come", count, 0);
	wrmsr(MSR_TSC_DEADLINE, 0);

	deadline_mode();
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | LVT_MASKED | VECTOR);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 50000);
	wait_until(rdtsc() + 100000);
	check_eq("a masked timer delivers nothing", count, 0);
}

static void test_halt(void)
{
	const struct hypercall_stats *s;
	uint64_t due;

	deadline_mode();
	stats_begin();
	due = rdtsc() + 1000000;
	wrmsr(MSR_TSC_DEADLINE, due);
	halt_for_interrupt();
	s = stats_end();
	check_eq("HLT sleeps until the timer", count, 1);
	check_came("on time", 0, due);
	check_eq("one HLT exit", s->exits_by_reason[EXIT_HLT], 1);
	check("time asleep is not time in the hypervisor", s->ticks_by_reason[EXIT_HLT] < 100000);

	deadline_mode();
	for (unsigned i = 0; i < 20; i++) {
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 30000);
		halt_for_interrupt();
	}
	check_eq("20 ticks by HLT", count, 20);
}

static void test_count_modes(void)
{
	uint64_t start, late;
	bool regular = true;

	wrmsr(X2APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	check_eq("the divisor keeps its value", rdmsr(X2APIC_TIMER_DIVIDE), DIVIDE_BY_1);
	wrmsr(X2APIC_LVT_TIMER, LVT_ONE_SHOT | VECTOR);
	count = 0;
	start = rdtsc();
	wrmsr(X2APIC_TIMER_INITIAL, 300000);
	check("the count runs down",
	      rdmsr(X2APIC_TIMER_CURRENT) < 300000 && rdmsr(X2APIC_TIMER_CURRENT) > 0);
	wait_until(start + 300000 + LATE);
	check_eq("one-shot: one interrupt", count, 1);
	check_came("after the count", 0, start + 300000);
	check_eq("and the count stays 0", rdmsr(X2APIC_TIMER_CURRENT), 0);
	wait_until(rdtsc() + 400000);
	check_eq("it does not come again", count, 1);

	wrmsr(X2APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
	count = 0;
	start = rdtsc();
	wrmsr(X2APIC_TIMER_INITIAL, 100000);
	wait_until(start + 1000000 + LATE);
	wrmsr(X2APIC_TIMER_INITIAL, 0);
	check_eq("periodic: 10 interrupts in 10 periods", count, 10);
	for (unsigned i = 0; i < 10; i++)
		regular &= came[i] >= start + (i + 1) * 100000 &&
			   came[i] < start + (i + 1) * 100000 + LATE;
	check("each in its time, without drift", regular);
	late = count;
	wait_until(rdtsc() + 300000);
	check_eq("a count of 0 stops it", count, late);

	wrmsr(X2APIC_TIMER_DIVIDE, 0); /* by 2 */
	wrmsr(X2APIC_LVT_TIMER, LVT_ONE_SHOT | VECTOR);
	count = 0;
	start = rdtsc();
	wrmsr(X2APIC_TIMER_INITIAL, 100000);
	wait_until(start + 200000 + LATE);
	check_eq("divided by 2: one interrupt", count, 1);
	check_came("after twice the count", 0, start + 200000);

	wrmsr(X2APIC_TIMER_INITIAL, 100000);
	count = 0;
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	wait_until(rdtsc() + 300000);
	check_eq("changing to deadline mode stops the count", count, 0);
}

static void test_under_load(void)
{
	uint64_t due = rdtsc();
	unsigned exits = 0;

	deadline_mode();
	for (unsigned i = 0; i < 20; i++) {
		due = rdtsc() + 50000;
		wrmsr(MSR_TSC_DEADLINE, due);
		interrupts_on();
		while (count == i && rdtsc() < due + LATE) {
			cpuid(0, 0);
			exits++;
		}
		interrupts_off();
	}
	check_eq("20 deadlines amid exits", count, 20);
	check("there were exits", exits > 100);
}

void guest_main(void)
{
	set_handler(VECTOR, on_timer);
	apic_enable();
	test_deadline(guest_option("preemption"));
	test_halt();
	test_count_modes();
	test_under_load();
}
