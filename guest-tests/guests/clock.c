// SPDX-License-Identifier: MIT
/*
 * Time as two vCPUs see it: their clocks begin with the VM and agree; one that is set moves alone,
 * and its timers follow it. The option "moves" has the second one moved between CPUs meanwhile;
 * "shared" says that other VMs take turns on the core: deadlines are late by one slice at most.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "clock";

#define VECTOR 0x71
#define ROUNDS 2000
#define ROUNDS_ON_ONE_CPU 6 /* each is two time slices */
#define MOVES 3
#define FAR (1ULL << 40)
#define LATE 20000
#define MSR_TSC_ADJUST 0x3b

enum command { NOTHING, COMPARE, JUMP, BACK, DEADLINE, COUNT };

static volatile enum command command;
static volatile uint64_t stamp, result[4];
static volatile unsigned turn, rounds = ROUNDS, backward, fired;
static volatile uint64_t fired_at;
static uint64_t hz;

static void on_timer(struct frame *frame)
{
	(void)frame;
	fired_at = rdtsc();
	fired++;
	apic_eoi();
}

/* Hands the stamp to and fro: each looks whether its own clock is behind the other's. */
static void compare(unsigned self)
{
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t now;

		while (turn != self)
			cpu_relax();
		now = rdtsc();
		backward += now < stamp;
		stamp = now;
		turn = !self;
	}
}

static void wait_for_timer(uint64_t until)
{
	interrupts_on();
	while (rdtsc() < until)
		cpu_relax();
	interrupts_off();
}

static void deadline(void)
{
	uint64_t due = rdtsc() + 200000;

	fired = 0;
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	wrmsr(MSR_TSC_DEADLINE, due);
	wait_for_timer(due + LATE);
	result[0] = fired;
	result[1] = fired_at - due;
	/* An armed deadline is one of the clock that jumps. */
	fired = 0;
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + FAR / 2);
	wrmsr(MSR_TSC, rdtsc() + FAR);
	wait_for_timer(rdtsc() + LATE);
	result[2] = fired;
	wrmsr(MSR_TSC, rdtsc() - FAR);
}

/* The count is not of that clock. */
static void count(void)
{
	uint64_t start = rdtsc();

	fired = 0;
	wrmsr(X2APIC_LVT_TIMER, VECTOR);
	wrmsr(X2APIC_TIMER_DIVIDE, 0xb);
	wrmsr(X2APIC_TIMER_INITIAL, 300000);
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + FAR);
	result[0] = rdmsr(X2APIC_TIMER_CURRENT);
	wait_for_timer(start + FAR + 300000 + LATE);
	result[1] = fired;
	result[2] = fired_at - FAR - start;
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) - FAR);
}

static void other(void)
{
	for (;;) {
		switch (command) {
		case COMPARE:
			compare(1);
			break;
		case JUMP:
			wrmsr(MSR_TSC, rdtsc() + FAR);
			result[0] = rdtsc();
			result[1] = rdmsr(MSR_TSC_ADJUST);
			break;
		case BACK:
			wrmsr(MSR_TSC_ADJUST, 0);
			break;
		case DEADLINE:
			deadline();
			break;
		case COUNT:
			count();
			break;
		default:
			cpu_relax();
			continue;
		}
		command = NOTHING;
	}
}

static void ask(enum command what)
{
	command = what;
	if (what == COMPARE)
		compare(0);
	while (command != NOTHING)
		cpu_relax();
}

static void test_both(void)
{
	check("the second one starts", start_cpu(1, other));
	backward = 0;
	ask(COMPARE);
	check_eq("neither clock is ever behind the other", backward, 0);
	ask(JUMP);
	check("one clock can be set", result[0] >= FAR);
	check("TSC_ADJUST says by how much", FAR - result[1] < LATE);
	check("the other one has not moved", rdtsc() < FAR);
	check_eq("nor its TSC_ADJUST", rdmsr(MSR_TSC_ADJUST), 0);
	ask(DEADLINE);
	check("a deadline of the clock that was set is on time",
	      result[0] == 1 && result[1] < LATE);
	check_eq("one that a jump passes comes at once", result[2], 1);
	ask(COUNT);
	check("a count goes on when the clock jumps", result[0] > 250000 && result[0] < 300000);
	check("and ends in its time", result[1] == 1 && result[2] - 300000 < LATE);
	ask(BACK);
	ask(COMPARE);
	check_eq("set back, the clocks agree again", backward, 0);
}

static void change_policy(uint64_t policy)
{
	while (hypercall(HYPERCALL_POLICY, policy, 0, 0) == -E_BUSY)
		;
	while (hypercall(HYPERCALL_POLICY, HYPERCALL_POLICY_GET, 0, 0) & HYPERCALL_POLICY_CHANGING)
		;
}

static void test_moves(void)
{
	backward = 0;
	for (unsigned i = 0; i < MOVES; i++) {
		change_policy(HYPERCALL_POLICY_ASI_STUN | HYPERCALL_POLICY_SMT_OFF);
		rounds = ROUNDS_ON_ONE_CPU;
		ask(COMPARE);
		change_policy(HYPERCALL_POLICY_ASI_STUN);
		rounds = ROUNDS;
		ask(COMPARE);
	}
	check_eq("nor when one moves between CPUs", backward, 0);
}

static void test_shared(void)
{
	uint64_t slice = hz / 100, worst = 0;
	unsigned missed = 0;

	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t due = rdtsc() + slice / 8 * (i % 16 + 1), late;

		fired = 0;
		wrmsr(MSR_TSC_DEADLINE, due);
		if (i % 2)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		else
			wait_for_timer(due);
		wait_for_timer(rdtsc() + LATE);
		missed += fired != 1;
		late = fired_at - due;
		worst = late > worst ? late : worst;
	}
	mark("worst", worst);
	check_eq("each deadline comes once", missed, 0);
	check("and within one slice", worst < slice + LATE);
}

void guest_main(void)
{
	uint64_t begin = rdtsc();

	hz = (uint64_t)cpuid(0x15, 0).ecx * cpuid(0x15, 0).ebx / cpuid(0x15, 0).eax;
	set_handler(VECTOR, on_timer);
	apic_enable();
	check("the clock begins with the VM", begin < hz);
	if (guest_option("shared"))
		test_shared();
	else
		test_both();
	if (guest_option("moves"))
		test_moves();
}
