// SPDX-License-Identifier: MIT
/*
 * Whoever serves the local APIC, the processor or (option "software") the hypervisor: what that
 * costs, that the state survives a change between the two and between the APIC's modes, and (option
 * "shared") that it survives other VMs' turns.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "apic";

#define VECTOR_A 0x61
#define VECTOR_B 0x62
#define VECTOR_HIGH 0xe0
#define APIC_BASE_ON (0xfee00000ULL | BIT(8) | BIT(11))
#define SVR_ON 0x1ff
#define SVR_OFF 0xff
#define MMIO(offset) (*(volatile uint32_t *)(0xfee00000ULL + (offset)))

static volatile unsigned count[256];
static volatile bool no_eoi, by_mmio;
static bool software;

static void on_irq(struct frame *frame)
{
	count[frame->vector]++;
	if (no_eoi)
		return;
	if (by_mmio)
		MMIO(0xb0) = 0;
	else
		apic_eoi();
}

static void self_ipi(uint64_t vector)
{
	wrmsr(X2APIC_SELF_IPI, vector);
}

static void settle(void)
{
	interrupts_on();
	for (unsigned i = 0; i < 10; i++)
		cpu_relax();
	interrupts_off();
}

static void read_msr(uint64_t msr)
{
	rdmsr((uint32_t)msr);
}

static void write_tpr(uint64_t value)
{
	wrmsr(X2APIC_TPR, value);
}

static void use_cr8(uint64_t value)
{
	uint64_t read;

	__asm__ volatile("mov %1, %%cr8; mov %%cr8, %0" : "=r"(read) : "r"(value));
	if (read != value)
		check("CR8 keeps its value", false);
}

static void eoi(uint64_t unused)
{
	(void)unused;
	apic_eoi();
}

static void take_one(uint64_t vector)
{
	self_ipi(vector);
	settle();
}

/* The EOI of the first would let the second come: in both ways it is noticed. */
static void take_two(uint64_t unused)
{
	(void)unused;
	self_ipi(VECTOR_A);
	self_ipi(VECTOR_B);
	settle();
	settle();
}

static void test_costs(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
	} registers[] = {
		{ "reading ID", X2APIC_ID },	     { "reading TPR", X2APIC_TPR },
		{ "reading PPR", X2APIC_PPR },	     { "reading ISR", X2APIC_ISR },
		{ "reading IRR", X2APIC_IRR },	     { "reading ICR", X2APIC_ICR },
		{ "reading LVT", X2APIC_LVT_TIMER },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
		expect_exits(registers[i].name, EXIT_MSR_READ, software, read_msr,
			     registers[i].msr);
	expect_exits("reading the current count always exits", EXIT_MSR_READ, 1, read_msr,
		     X2APIC_TIMER_CURRENT);
	expect_exits("writing TPR", EXIT_MSR_WRITE, software, write_tpr, 0);
	expect_exits("writing and reading CR8", EXIT_CR_ACCESS, 2 * software, use_cr8, 3);
	wrmsr(X2APIC_TPR, 0);
	expect_exits("EOI", EXIT_MSR_WRITE, software, eoi, 0);
	if (!software) {
		expect_exits("an interrupt to self", ANY_REASON, 0, take_one, VECTOR_A);
		expect_exits("two of them", ANY_REASON, 0, take_two, 0);
	}
	check("no interrupt was lost or doubled",
	      count[VECTOR_A] == 2U * !software && count[VECTOR_B] == 1U * !software);
}

/* Interrupts of the host come meanwhile: a masked timer expires. */
static void spin_with_host_interrupts(void)
{
	for (unsigned i = 0; i < 3; i++) {
		uint64_t end = rdtsc() + 30000;

		wrmsr(MSR_TSC_DEADLINE, rdtsc() + 5000);
		while (rdtsc() < end)
			cpu_relax();
	}
}

/* Nothing comes while the flag is clear: not what was sent then, nor what EOI lets through. */
static void test_flag(void)
{
	count[VECTOR_A] = count[VECTOR_B] = count[VECTOR_HIGH] = 0;
	wrmsr(X2APIC_LVT_TIMER, LVT_DEADLINE | BIT(16) | 0x71);
	wrmsr(X2APIC_ICR, 1U << 18 | VECTOR_A);
	spin_with_host_interrupts();
	check_eq("sent with the flag clear", count[VECTOR_A], 0);
	no_eoi = true;
	settle();
	check_eq("it comes when it is set", count[VECTOR_A], 1);
	wrmsr(X2APIC_ICR, 1U << 18 | VECTOR_B);
	no_eoi = false;
	apic_eoi();
	spin_with_host_interrupts();
	check_eq("let through by EOI with the flag clear", count[VECTOR_B], 0);
	settle();
	check_eq("it comes when it is set, too", count[VECTOR_B], 1);
	wrmsr(MSR_TSC_DEADLINE, 0);
}

/* With one in service and one waiting the APIC is disabled and enabled again. */
static void test_soft_off(void)
{
	count[VECTOR_A] = count[VECTOR_B] = count[VECTOR_HIGH] = 0;
	no_eoi = true;
	take_one(VECTOR_A);
	self_ipi(VECTOR_B);
	wrmsr(X2APIC_SVR, SVR_OFF);
	check("in service and requested as before",
	      apic_bit(X2APIC_ISR, VECTOR_A) && apic_bit(X2APIC_IRR, VECTOR_B));
	check_eq("PPR as before", rdmsr(X2APIC_PPR), 0x60);
	self_ipi(VECTOR_HIGH);
	settle();
	check("disabled it takes nothing", !count[VECTOR_HIGH] && !count[VECTOR_B]);
	wrmsr(X2APIC_SVR, SVR_ON);
	settle();
	check("enabled again the one in service holds the other back", !count[VECTOR_B]);
	no_eoi = false;
	apic_eoi();
	settle();
	check("until its EOI", count[VECTOR_A] == 1 && count[VECTOR_B] == 1);
	check_eq("PPR is 0", rdmsr(X2APIC_PPR), 0);

	wrmsr(X2APIC_TPR, 0x70);
	wrmsr(X2APIC_SVR, SVR_OFF);
	check_eq("TPR outlives the change", rdmsr(X2APIC_TPR), 0x70);
	wrmsr(X2APIC_TPR, 0x60);
	wrmsr(X2APIC_SVR, SVR_ON);
	check_eq("in both directions", rdmsr(X2APIC_TPR), 0x60);
	wrmsr(X2APIC_TPR, 0);
}

static void test_modes(void)
{
	count[VECTOR_A] = count[VECTOR_B] = 0;
	no_eoi = true;
	take_one(VECTOR_A);
	self_ipi(VECTOR_B);
	no_eoi = false;
	wrmsr(MSR_APIC_BASE, APIC_BASE_ON & ~BIT(11));
	check("off: its MSRs fault", try_call(read_msr, X2APIC_ID).vector == VECTOR_GP);
	settle();
	wrmsr(MSR_APIC_BASE, APIC_BASE_ON);
	by_mmio = true;
	MMIO(0xf0) = SVR_ON;
	settle();
	check("being off has forgotten what was pending and in service",
	      count[VECTOR_A] == 1 && count[VECTOR_B] == 0 && MMIO(0xa0) == 0);
	check("on, in xAPIC mode: its MSRs fault",
	      try_call(read_msr, X2APIC_ID).vector == VECTOR_GP);
	MMIO(0x300) = 1U << 18 | VECTOR_B;
	settle();
	check_eq("an interrupt to self by memory", count[VECTOR_B], 1);
	check_eq("with its EOI by memory", MMIO(0xa0), 0);
	no_eoi = true;
	MMIO(0x300) = 1U << 18 | VECTOR_A;
	settle();
	MMIO(0x300) = 1U << 18 | VECTOR_B;
	no_eoi = false;
	wrmsr(MSR_APIC_BASE, APIC_BASE_ON | BIT(10));
	by_mmio = false;
	check("to x2APIC: what is in service and requested stays",
	      apic_bit(X2APIC_ISR, VECTOR_A) && apic_bit(X2APIC_IRR, VECTOR_B));
	check_eq("the logical id follows from the id", rdmsr(X2APIC_LDR), 1);
	settle();
	check_eq("it holds the other back", count[VECTOR_B], 1);
	apic_eoi();
	settle();
	check_eq("until its EOI", count[VECTOR_B], 2);
	take_one(VECTOR_A);
	check_eq("and interrupts to self come as ever", count[VECTOR_A], 3);
}

static void work(uint64_t ticks)
{
	uint64_t end = rdtsc() + ticks;

	while (rdtsc() < end)
		cpu_relax();
}

/* Other VMs have the core several times while an interrupt is in service, one waits behind it, and
 * the flag is clear. */
static void test_turns(void)
{
	uint64_t slices =
		(uint64_t)cpuid(0x15, 0).ecx * cpuid(0x15, 0).ebx / cpuid(0x15, 0).eax / 25;

	for (unsigned i = 0; i < 4; i++) {
		count[VECTOR_A] = count[VECTOR_B] = count[VECTOR_HIGH] = 0;
		no_eoi = true;
		take_one(VECTOR_A);
		self_ipi(VECTOR_B);
		work(slices);
		check("in service and requested after other VMs' turns",
		      apic_bit(X2APIC_ISR, VECTOR_A) && apic_bit(X2APIC_IRR, VECTOR_B));
		check_eq("PPR too", rdmsr(X2APIC_PPR), 0x60);
		settle();
		check("the one holds the other back", !count[VECTOR_B]);
		no_eoi = false;
		take_one(VECTOR_HIGH);
		check("but none that is higher", count[VECTOR_HIGH] == 1);
		apic_eoi();
		settle();
		check("until its EOI", count[VECTOR_A] == 1 && count[VECTOR_B] == 1);
	}
}

void guest_main(void)
{
	software = guest_option("software");
	set_handler(VECTOR_A, on_irq);
	set_handler(VECTOR_B, on_irq);
	set_handler(VECTOR_HIGH, on_irq);
	apic_enable();
	if (!guest_option("shared")) /* turns cost exits of their own */
		test_costs();
	test_flag();
	test_soft_off();
	test_modes();
	if (guest_option("shared"))
		test_turns();
}
