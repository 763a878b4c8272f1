// SPDX-License-Identifier: MIT
/*
 * Exceptions reach the guest as the processor raises them: vector, error code, address (SDM volume
 * 3, 6.15). #DB and #AC exit (a guest could loop in their delivery for ever) and are given back
 * unharmed; the others take no exit.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "exceptions";

#define RFLAGS_AC BIT(18)
#define DR6_BS BIT(14)
#define DR6_BD BIT(13)
#define DR7_GD BIT(13)

static volatile uint64_t word[2];
static volatile unsigned hits;
static volatile uint64_t seen_dr6, seen_rip, seen_rflags;

static void divide(uint64_t by)
{
	__asm__ volatile("div %0" : : "r"(by), "a"(1ULL), "d"(0ULL) : "cc");
}

static void breakpoint(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("int3");
}

static void undefined(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("ud2");
}

static void load_selector(uint64_t selector)
{
	__asm__ volatile("mov %w0, %%fs" : : "r"(selector));
}

static void touch(uint64_t address)
{
	*(volatile uint8_t *)address = 1;
}

static void noncanonical(uint64_t unused)
{
	(void)unused;
	touch(0x0000800000000000);
}

static void call_nowhere(uint64_t address)
{
	((void (*)(void))address)();
}

static void software_interrupt(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("int $0x41");
}

static void test_plain(void)
{
	expect_fault_exits("#DE takes no exit", VECTOR_DE, ANY_REASON, 0, divide, 0);
	expect_fault("#DE", VECTOR_DE, 0, divide, 0);
	expect_fault("#BP", VECTOR_BP, 0, breakpoint, 0);
	expect_fault_exits("#UD takes no exit", VECTOR_UD, ANY_REASON, 0, undefined, 0);
	expect_fault("#GP: a non-canonical address", VECTOR_GP, 0, noncanonical, 0);
	expect_fault("#GP: its error code is the selector", VECTOR_GP, 0x1238, load_selector,
		     0x1238);
}

static void test_page_faults(void)
{
	uint64_t address = 0x600000;
	uint64_t *pte = page_entry(address), saved = *pte;
	struct fault fault;

	*pte = 0;
	invlpg(address);
	stats_begin();
	fault = try_call(touch, address + 0x123);
	check_eq("#PF takes no exit", stats_end()->exits, 0);
	check_eq("#PF: vector", fault.vector, VECTOR_PF);
	check_eq("#PF: a write to what is not there", fault.error, 2);
	check_eq("#PF: CR2", fault.cr2, address + 0x123);
	cpuid(0, 0);
	check_eq("CR2 survives an exit", read_cr2(), address + 0x123);
	hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
	check_eq("and an escalation, which is a page fault itself", read_cr2(), address + 0x123);
	*pte = saved & ~PTE_W;
	invlpg(address);
	write_cr0(read_cr0() | CR0_WP);
	expect_fault("#PF: a write to what is read-only", VECTOR_PF, 3, touch, address);
	write_cr0(read_cr0() & ~CR0_WP);
	*pte = saved & ~PTE_U;
	invlpg(address);
	fault = try_user(touch, address, 0);
	check("#PF: from CPL 3", fault.vector == VECTOR_PF && fault.error == 7);
	*pte = saved | BIT(51);
	invlpg(address);
	fault = try_call(touch, address);
	check("#PF: a reserved bit", fault.vector == VECTOR_PF && fault.error == 0xb);
	*pte = 0;
	invlpg(address);
	expect_fault("#PF: a fetch", VECTOR_PF, 0, call_nowhere, address);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NX);
	*pte = saved | BIT(63);
	invlpg(address);
	expect_fault("#PF: a fetch from what is not executable", VECTOR_PF, 0x11, call_nowhere,
		     address);
	*pte = saved;
	invlpg(address);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_NX);
}

static void unaligned(uint64_t address)
{
	*(volatile uint32_t *)(address + 1) = 1;
}

static void test_alignment(void)
{
	struct fault fault;

	write_cr0(read_cr0() | CR0_AM);
	expect_fault("no #AC at CPL 0", NO_FAULT, 0, unaligned, (uint64_t)word);
	check_eq("no #AC while RFLAGS.AC is clear", try_user(unaligned, (uint64_t)word, 0).vector,
		 NO_FAULT);
	stats_begin();
	fault = try_user(unaligned, (uint64_t)word, RFLAGS_AC);
	check_eq("#AC is one exit", stats_end()->exits_by_reason[EXIT_EXCEPTION_NMI], 1);
	check_eq("#AC: vector", fault.vector, VECTOR_AC);
	check_eq("#AC: error code", fault.error, 0);
	write_cr0(read_cr0() & ~CR0_AM);
}

static void on_debug(struct frame *frame)
{
	hits++;
	seen_dr6 = read_dr6();
	seen_rip = frame->rip;
	seen_rflags = frame->rflags;
	write_dr6(0xffff0ff0);
	frame->rflags &= ~(uint64_t)RFLAGS_TF;
}

static void on_step(struct frame *frame)
{
	(void)frame;
	hits++;
	write_dr6(0xffff0ff0);
}

static void set_dr0(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr0" : : "r"(value));
}

static void set_dr7(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(value));
}

static uint64_t get_dr7(void)
{
	uint64_t value;

	__asm__ volatile("mov %%dr7, %0" : "=r"(value));
	return value;
}

static void single_step(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop" : : : "memory", "cc");
}

/* Runs N instructions with the trap flag set: each is a #DB, each #DB one exit, and then it is
 * over. */
static void step_many(uint64_t n)
{
	__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq;"
			 "1: dec %0; jnz 1b;"
			 "pushfq; andl $~0x100, (%%rsp); popfq"
			 : "+r"(n)
			 :
			 : "memory", "cc");
}

static void watched_write(uint64_t unused)
{
	(void)unused;
	word[0] = 7;
}

static void test_debug(void)
{
	set_handler(VECTOR_DB, on_debug);
	hits = 0;
	stats_begin();
	single_step(0);
	check_eq("single step is one exit", stats_end()->exits_by_reason[EXIT_EXCEPTION_NMI], 1);
	check_eq("single step: one #DB", hits, 1);
	check_eq("single step: DR6.BS", seen_dr6 & 0xe00f, DR6_BS);
	check("single step: RFLAGS.TF was set", seen_rflags & RFLAGS_TF);

	/* In the shadow of STI, and behind that of MOV SS. */
	hits = 0;
	__asm__ volatile("cli; pushfq; orl $0x100, (%%rsp); popfq; sti; nop; cli"
			 :
			 :
			 : "memory", "cc");
	check_eq("a step over STI: one #DB", hits, 1);
	check_eq("a step over STI: DR6.BS", seen_dr6 & 0xe00f, DR6_BS);
	hits = 0;
	__asm__ volatile(
		"mov %%ss, %%eax; pushfq; orl $0x100, (%%rsp); popfq; mov %%eax, %%ss; nop; nop"
		:
		:
		: "eax", "memory", "cc");
	check_eq("a step over MOV SS: one #DB", hits, 1);
	hits = 0;
	__asm__ volatile("mov %%ss, %%eax; mov %%eax, %%ss; .byte 0xf1; nop" : : : "eax", "memory");
	check_eq("INT1 behind MOV SS: one #DB", hits, 1);

	hits = 0;
	set_dr0((uint64_t)&word[0]);
	set_dr7(0x400 | 1 | 1 << 16 | 2 << 18); /* write, 8 bytes */
	watched_write(0);
	check_eq("a data breakpoint: one #DB", hits, 1);
	check_eq("a data breakpoint: DR6.B0", seen_dr6 & 0xe00f, 1);
	check_eq("DR7 survives the exit", get_dr7(), 0x400 | 1 | 1 << 16 | 2 << 18);
	set_dr7(0x400);

	hits = 0;
	__asm__ volatile(".byte 0xf1"); /* INT1 */
	check_eq("INT1: one #DB", hits, 1);

	hits = 0;
	set_dr7(0x400 | DR7_GD);
	set_handler(VECTOR_DB, NULL);
	check_eq("general detect: #DB", try_call(set_dr7, 0x400).vector, VECTOR_DB);
	check_eq("general detect: DR6.BD", read_dr6() & DR6_BD, DR6_BD);
	check_eq("DR7.GD is cleared", get_dr7() & DR7_GD, 0);
	write_dr6(0xffff0ff0);
	set_handler(VECTOR_DB, on_step);
	hits = 0;
	stats_begin();
	step_many(1000);
	check("a storm of #DB ends: 2000 steps", hits >= 2000 && hits < 2010);
	check_eq("with one exit each", stats_end()->exits_by_reason[EXIT_EXCEPTION_NMI], hits);
	set_handler(VECTOR_DB, NULL);
}

static void on_interrupt(struct frame *frame)
{
	(void)frame;
	hits++;
}

static void test_software(void)
{
	set_handler(0x41, on_interrupt);
	hits = 0;
	expect_exits("INT n takes no exit", ANY_REASON, 0, software_interrupt, 0);
	check_eq("INT n arrives", hits, 1);
	set_handler(0x41, NULL);
}

/*
 * A #PF while an event is delivered through a page that the hypervisor must populate first is
 * covered by the lazy configuration: there the stack below lies in memory that nobody has touched.
 */
static void test_delivery(void)
{
	uint64_t stack = MIB(24) - 64, exits;

	set_handler(0x41, on_interrupt);
	hits = 0;
	stats_begin();
	__asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; int $0x41; mov %%rbx, %%rsp"
			 :
			 : "r"(stack)
			 : "rbx", "memory");
	exits = stats_end()->exits;
	check_eq("an event whose delivery touches new memory arrives once", hits, 1);
	check_eq("with the exits that this takes", exits, guest_option("lazy"));
	set_handler(0x41, NULL);
}

void guest_main(void)
{
	test_plain();
	test_page_faults();
	test_alignment();
	test_debug();
	test_software();
	test_delivery();
}
