// SPDX-License-Identifier: MIT
/*
 * RFLAGS.TF over instructions that the hypervisor executes for the guest: each traps behind itself
 * as those that the processor executes do, with an interrupt of its own making behind the trap, and
 * each round of a repeated one too.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "steps";

#define DR6_BS BIT(14)
#define VECTOR_SELF 0x51
#define ICR_SELF (1ULL << 18)
/* Switching the flag off takes three instructions, which are steps too. */
#define STEPS_OFF 3
#define MAX_STEPS 16

static volatile unsigned steps, interrupt_after;
static volatile uint64_t step_rip[MAX_STEPS];
static volatile bool all_were_steps;

static void on_step(struct frame *frame)
{
	if (steps < MAX_STEPS)
		step_rip[steps] = frame->rip;
	steps++;
	all_were_steps &= (read_dr6() & 0xe00f) == DR6_BS;
	write_dr6(0xffff0ff0);
}

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	interrupt_after = steps;
	apic_eoi();
}

/* Steps over @code, which finds these values in RAX, RCX, RDX and RSI: that many traps, the last
 * one behind it. */
#define STEP(name, code, rax, rcx, rdx, rsi, traps)                                                \
	do {                                                                                       \
		uint64_t a = (rax), c = (rcx), d = (rdx), s = (rsi), behind;                       \
                                                                                                   \
		steps = 0;                                                                         \
		all_were_steps = true;                                                             \
		__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq;" code                        \
				 "; 2: pushfq; andl $~0x100, (%%rsp); popfq; lea 2b(%%rip), %4"    \
				 : "+a"(a), "+c"(c), "+d"(d), "+S"(s), "=r"(behind)                \
				 :                                                                 \
				 : "rbx", "rdi", "memory", "cc");                                  \
		check_eq("a step over " name ": traps", steps, (traps) + STEPS_OFF);               \
		check_eq("a step over " name ": behind it", step_rip[(traps)-1], behind);          \
		check("a step over " name ": DR6.BS, no other", all_were_steps);                   \
	} while (0)

static void test_registers(void)
{
	STEP("CPUID", "cpuid", 0, 0, 0, 0, 1);
	STEP("VMCALL", "vmcall", ~0ULL, 0, 0, 0, 1);
	STEP("RDMSR", "rdmsr", 0, 0x1a0, 0, 0, 1);
	STEP("WRMSR", "wrmsr", 0, X2APIC_TIMER_INITIAL, 0, 0, 1);
	STEP("XSETBV", "xsetbv", 1, 0, 0, 0, 1);
	STEP("MOV to CR4", "mov %%cr4, %%rax; mov %%rax, %%cr4", 0, 0, 0, 0, 2);
	STEP("CLTS", "clts", 0, 0, 0, 0, 1);
	STEP("WBINVD", "wbinvd", 0, 0, 0, 0, 1);
	STEP("CPUID behind STI", "sti; cpuid; cli", 0, 0, 0, 0, 3);
}

static void test_devices(void)
{
	static const uint8_t text[3];

	STEP("IN", "inb $0x80, %%al", 0, 0, 0, 0, 1);
	STEP("OUT", "outb %%al, $0x80", 0, 0, 0, 0, 1);
	STEP("OUTSB", "outsb", 0, 0, 0x80, (uint64_t)text, 1);
	STEP("REP OUTSB, three rounds", "rep outsb", 0, 3, 0x80, (uint64_t)text, 3);
	check_eq("the first round's trap is at the instruction", step_rip[0], step_rip[1]);
	STEP("MOV from a device", "mov (%%rsi), %%eax", 0, 0, 0, IOAPIC_BASE, 1);
	STEP("MOV to a device", "mov %%eax, (%%rsi)", 0, 0, 0, IOAPIC_BASE, 1);
	STEP("OR to a device", "orl %%eax, (%%rsi)", 0, 0, 0, IOAPIC_BASE, 1);
	STEP("REP MOVSL from a device, two rounds",
	     "mov %%rsp, %%rdi; sub $256, %%rdi; rep movsl; nop", 0, 2, 0, IOAPIC_BASE, 5);
}

/* The trap wakes it: with interrupts off nothing else would. */
static void test_halt(void)
{
	STEP("HLT", "hlt", 0, 0, 0, 0, 1);
}

static void test_interrupt(void)
{
	set_handler(VECTOR_SELF, on_interrupt);
	interrupt_after = 0;
	STEP("an IPI to itself", "sti; wrmsr; cli", ICR_SELF | VECTOR_SELF, X2APIC_ICR, 0, 0, 3);
	check_eq("it comes behind the trap of the instruction that sent it", interrupt_after, 2);
	set_handler(VECTOR_SELF, NULL);
}

void guest_main(void)
{
	apic_enable();
	write_cr4(read_cr4() | BIT(18)); /* XSETBV */
	set_handler(VECTOR_DB, on_step);
	test_registers();
	test_devices();
	test_halt();
	test_interrupt();
	set_handler(VECTOR_DB, NULL);
}
