// SPDX-License-Identifier: MIT
/*
 * What the operator's commands are tried on, one for each word of the command line: a guest that
 * reboots at once, one that spins with interrupts off and known registers, one that takes all the
 * time it is given, one that takes all memory, one that counts, one that leaves its last line open,
 * one that changes the machine's policy all the time, one that fills its memory with its number
 * (owns=NUMBER end=MIB) and watches it, one that waits to be read in its trace.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "life";

#define NAP 2000000
#define CHANGES 60
#define OWN_STRIDE 61 /* words: each look takes others */
#define RESET_PORT 0x64
#define RESET_VALUE 0xfe

/* Every general register says its own number; nothing but an interrupt of the host's leaves. */
static _Noreturn void spin_with_known_registers(void)
{
	announce("spins for ever");
	__asm__ volatile("cli\n\t"
			 "mov $0xa5000000000000, %%rax\n\t"
			 "mov %%rax, %%cr2\n\t"
			 "lea 1(%%rax), %%rcx\n\t"
			 "lea 2(%%rax), %%rdx\n\t"
			 "lea 3(%%rax), %%rbx\n\t"
			 "lea 4(%%rax), %%rsp\n\t"
			 "lea 5(%%rax), %%rbp\n\t"
			 "lea 6(%%rax), %%rsi\n\t"
			 "lea 7(%%rax), %%rdi\n\t"
			 "lea 8(%%rax), %%r8\n\t"
			 "lea 9(%%rax), %%r9\n\t"
			 "lea 10(%%rax), %%r10\n\t"
			 "lea 11(%%rax), %%r11\n\t"
			 "lea 12(%%rax), %%r12\n\t"
			 "lea 13(%%rax), %%r13\n\t"
			 "lea 14(%%rax), %%r14\n\t"
			 "lea 15(%%rax), %%r15\n\t"
			 "stc\n\t"
			 "spin_here: jmp spin_here"
			 :
			 :
			 : "memory");
	__builtin_unreachable();
}

extern const char spin_here[];

static volatile uint64_t sibling_spins;

static void spin(void)
{
	for (;;)
		sibling_spins++;
}

static void spin_beside(void)
{
	__asm__ volatile("cli");
	spin();
}

static _Noreturn void count(void)
{
	for (uint64_t i = 1;; i++) {
		nap(NAP);
		print("count %u\n", i);
	}
}

/* Touches every 2 MiB of its first GiB, which it may not have. */
static void devour(void)
{
	for (uint64_t at = MIB(4); at < GIB(1); at += MIB(2)) {
		*(volatile uint64_t *)at = at;
		if (at % MIB(64) == 0)
			print("has had %u MiB\n", at >> 20);
	}
}

/* Every word of its memory but what lies below; at first nobody's, then its own, whoever comes and
 * goes beside it. */
static _Noreturn void own(void)
{
	uint64_t *const first = (uint64_t *)MIB(2), *const end =
							    (uint64_t *)MIB(guest_number("end", 0));
	uint64_t mine = guest_number("owns", 0) << 32, foreign = 0, lost = 0;

	for (uint64_t *at = first; at < end; at++)
		foreign |= *at;
	check_eq("what others have had", foreign, 0);
	for (uint64_t *at = first; at < end; at++)
		*at = mine | (uint64_t)at;
	print("owns its memory\n");
	for (uint64_t i = 0; !lost; i++) {
		nap(NAP);
		for (uint64_t *at = first + i % OWN_STRIDE; at < end; at += OWN_STRIDE)
			lost += *at != (mine | (uint64_t)at);
	}
	check_eq("words that are not its own any more", lost, 0);
	for (;;)
		nap(NAP);
}

/* Through all policies; the others get a moment between. */
static void change_policies(void)
{
	static const unsigned numbers[] = {
		HYPERCALL_POLICY_OFF,
		HYPERCALL_POLICY_ALWAYS_FLUSH,
		HYPERCALL_POLICY_ALWAYS_FLUSH_STUN,
		HYPERCALL_POLICY_COND_FLUSH,
		HYPERCALL_POLICY_ASI,
		HYPERCALL_POLICY_ASI_STUN,
	};
	unsigned wrong = 0;

	for (unsigned i = 0; i < CHANGES; i++) {
		unsigned number = numbers[i % ARRAY_SIZE(numbers)];
		int64_t now;

		while ((now = hypercall(HYPERCALL_POLICY, number, 0, 0)) == -E_BUSY)
			cpu_relax();
		wrong += now != 0;
		do {
			now = hypercall(HYPERCALL_POLICY, HYPERCALL_POLICY_GET, 0, 0);
		} while (now & HYPERCALL_POLICY_CHANGING);
		wrong += now != number;
		nap(5 * NAP);
	}
	check_eq("changes that went wrong", wrong, 0);
}

static struct hypercall_trace entries[HYPERCALL_TRACE_ENTRIES];

static uint64_t read_trace(void)
{
	return (uint64_t)hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_READ, (uint64_t)entries,
				   sizeof(entries)) /
	       sizeof(entries[0]);
}

extern const char behind_cpuid[], behind_out[];

static void make_exits(void)
{
	uint32_t a = 0, b, c = 0, d;

	__asm__ volatile("cpuid\nbehind_cpuid:" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	__asm__ volatile("outb %%al, $0x80\nbehind_out:" : : "a"(0));
}

static void trace_itself(void)
{
	uint64_t count, tsc = 0, disordered = 0;

	check_eq("nothing is recorded at first", read_trace(), 0);
	hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_ON, 0, 0);
	make_exits();
	hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_OFF, 0, 0);
	cpuid(0, 0);
	/* The one that turned it on, CPUID, OUT. */
	check_eq("so many exits are recorded", read_trace(), 3);
	check_eq("the first is the hypercall", entries[0].reason, EXIT_VMCALL);
	check_eq("then CPUID", entries[1].reason, EXIT_CPUID);
	check_eq("behind which it went on", entries[1].rip, (uint64_t)behind_cpuid);
	check_eq("then OUT", entries[2].reason, EXIT_IO);
	check_eq("behind which it went on", entries[2].rip, (uint64_t)behind_out);
	check_eq("to that port", entries[2].qualification >> 16, 0x80);
	hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_ON, 0, 0);
	for (unsigned i = 0; i < 3 * HYPERCALL_TRACE_ENTRIES; i++)
		cpuid(0, 0);
	hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_OFF, 0, 0);
	count = read_trace();
	for (uint64_t i = 0; i < count; i++) {
		disordered += entries[i].tsc <= tsc || entries[i].reason != EXIT_CPUID;
		tsc = entries[i].tsc;
	}
	check_eq("the ring keeps its size", count, HYPERCALL_TRACE_ENTRIES);
	check_eq("the oldest comes first", disordered, 0);
	check_eq("a small buffer gets whole entries",
		 (uint64_t)hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_READ, (uint64_t)entries, 100),
		 3 * sizeof(entries[0]));
	check_eq("memory that is none",
		 (uint64_t)hypercall(HYPERCALL_TRACE, HYPERCALL_TRACE_READ, 0xd0000000, 4096),
		 (uint64_t)-E_FAULT);
	check_eq("an unknown operation", (uint64_t)hypercall(HYPERCALL_TRACE, 3, 0, 0),
		 (uint64_t)-E_INVAL);
}

static volatile uint64_t *const left_over = (volatile uint64_t *)MIB(1) + 0x80000 / 8;

void guest_main(void)
{
	check_eq("no memory of an earlier life", *left_over, 0);
	*left_over = 0x1eaf;
	if (guest_option("reboot")) {
		outb(RESET_PORT, RESET_VALUE);
		return;
	}
	if (guest_option("spin")) {
		if (guest_option("vcpus-2"))
			check("the sibling starts", start_cpu(1, spin_beside));
		print("spins at %x\n", (uint64_t)spin_here);
		spin_with_known_registers();
	}
	nap_init();
	if (guest_option("busy")) {
		interrupts_on();
		announce("is busy");
		spin();
	}
	while (guest_option("marks"))
		hypercall(HYPERCALL_MARK, (uint64_t) "mark", 4, 0);
	while (guest_option("reports"))
		hypercall(HYPERCALL_STATS_PRINT, 0, 0, 0);
	if (guest_option("devours"))
		devour();
	if (guest_value("owns"))
		own();
	if (guest_option("count"))
		count();
	if (guest_option("changes")) {
		change_policies();
		return;
	}
	if (guest_option("mutters")) {
		print("its last words");
		for (;;)
			nap(NAP);
	}
	trace_itself();
}
