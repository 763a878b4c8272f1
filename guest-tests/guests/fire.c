// SPDX-License-Identifier: MIT
/*
 * Under fire (docs/CHECKS.md): exits of every kind that the protocol knows, again and again, while
 * the hypervisor takes NMIs at every instruction. All registers hold known values across each, the
 * clock ticks once for each deadline, and every interrupt between the vCPUs arrives once. For any
 * build.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "fire";

#define VECTOR_TICK 0x50
#define VECTOR_PING 0x60
#define VECTOR_PONG 0x61
#define MSR_MISC_ENABLE 0x1a0
#define PATIENCE 10000000

/* What registers hold; the test build looks for the upper half where it must not be. */
uint64_t fire_patterns[16] = {
	0x5ec2e70000a5a500, 0x5ec2e70000a5a501, 0x5ec2e70000a5a502, 0x5ec2e70000a5a503,
	0x5ec2e70000a5a504, 0x5ec2e70000a5a505, 0x5ec2e70000a5a506, 0x5ec2e70000a5a507,
	0x5ec2e70000a5a508, 0x5ec2e70000a5a509, 0x5ec2e70000a5a50a, 0x5ec2e70000a5a50b,
	0x5ec2e70000a5a50c, 0x5ec2e70000a5a50d, 0x5ec2e70000a5a50e, 0x5ec2e70000a5a50f,
};
#define CR2_PATTERN 0x5ec2e70000c2c200ULL

/*
 * uint64_t NAME(rax, rcx, rdx): one instruction with these three and the patterns in all other
 * registers; how many of those have changed behind it. The second list are further ones that it
 * must not change.
 */
#define LOAD(i, reg) "mov fire_patterns + 8 * " #i ", %" #reg "\n"
#define SAME(i, reg) "cmp fire_patterns + 8 * " #i ", %" #reg "\n jne 9f\n"
#define UNDER_PATTERNS(name, instruction, more)                                                    \
	uint64_t name(uint64_t rax, uint64_t rcx, uint64_t rdx);                                   \
	__asm__(".globl " #name "\n" #name ":\n"                                                   \
		"push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"          \
		"mov %rdi, %rax\n mov %rsi, %rcx\n" LOAD(3, rbx) LOAD(5, rbp) LOAD(6, rsi)         \
			LOAD(7, rdi) LOAD(8, r8) LOAD(9, r9) LOAD(10, r10) LOAD(11, r11)           \
				LOAD(12, r12) LOAD(13, r13) LOAD(14, r14) LOAD(15, r15)            \
					instruction                                                \
		"\n" SAME(5, rbp) SAME(6, rsi) SAME(7, rdi) SAME(8, r8) SAME(9, r9) SAME(10, r10)  \
			SAME(11, r11) SAME(12, r12) SAME(13, r13) SAME(14, r14) SAME(15, r15) more \
		"xor %eax, %eax\n jmp 8f\n9: mov $1, %eax\n"                                       \
		"8: pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n")

UNDER_PATTERNS(under_cpuid, "cpuid", "");
UNDER_PATTERNS(under_vmcall, "vmcall", SAME(1, rcx) SAME(2, rdx) SAME(3, rbx));
UNDER_PATTERNS(under_rdmsr, "rdmsr", SAME(3, rbx));
UNDER_PATTERNS(under_wrmsr, "wrmsr", SAME(3, rbx));
UNDER_PATTERNS(under_out, "out %al, %dx", SAME(1, rcx) SAME(3, rbx));
UNDER_PATTERNS(under_hlt, "sti\n hlt\n cli", SAME(0, rax) SAME(1, rcx) SAME(2, rdx) SAME(3, rbx));

static volatile unsigned ticks, pings, pongs;
static volatile bool busy, stop;
static unsigned changed, cr2_changed, sibling_changed, deadlines, sent;

static void on_tick(struct frame *frame)
{
	(void)frame;
	ticks++;
	apic_eoi();
}

static void on_ping(struct frame *frame)
{
	(void)frame;
	pings++;
	apic_eoi();
	send_ipi(0, VECTOR_PONG);
}

static void on_pong(struct frame *frame)
{
	(void)frame;
	pongs++;
	apic_eoi();
}

static uint64_t vmcall(uint64_t number)
{
	return under_vmcall(number, fire_patterns[1], fire_patterns[2]);
}

/* Exits that stay restricted, and the two ways to full. */
static unsigned exits(void)
{
	unsigned wrong = 0;

	wrong += under_cpuid(1, 0, fire_patterns[2]) != 0;
	wrong += vmcall(HYPERCALL_VERSION) != 0;
	wrong += under_rdmsr(fire_patterns[0], MSR_MISC_ENABLE, fire_patterns[2]) != 0;
	wrong += under_out(fire_patterns[0], fire_patterns[1], COM1 + 7) != 0;
	wrong += vmcall(HYPERCALL_DEBUG_TOUCH_SENSITIVE) != 0;
	return wrong;
}

/* Without PAUSE: a loop of those exits, but not where NMIs come often enough. */
static void turn(void)
{
	__asm__ volatile("" : : : "memory");
}

/* The other vCPU: answers pings from its own exits, from a loop without any, and from HLT, which
 * may sleep past one: the next one comes anyway. */
static void sibling(void)
{
	for (;;) {
		__asm__ volatile("sti");
		if (stop)
			break;
		for (unsigned i = 0; i < 2; i++)
			sibling_changed += exits();
		while (busy && !stop)
			turn();
		__asm__ volatile("cli");
		if (!busy && !stop)
			under_hlt(fire_patterns[0], fire_patterns[1], fire_patterns[2]);
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void tick_once(void)
{
	unsigned before = ticks;
	uint64_t when = rdtsc() + 500;

	deadlines++;
	changed += under_wrmsr((uint32_t)when, MSR_TSC_DEADLINE, when >> 32) != 0;
	__asm__ volatile("cli");
	while (ticks == before)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	__asm__ volatile("sti");
}

static void ping_once(void)
{
	unsigned before = pongs;

	sent++;
	send_ipi(1, VECTOR_PING);
	__asm__ volatile("sti");
	for (unsigned i = 0; i < PATIENCE && pongs == before; i++)
		turn();
}

void guest_main(void)
{
	bool two = guest_option("two");
	unsigned rounds = (unsigned)guest_number("rounds", 0);

	set_handler(VECTOR_TICK, on_tick);
	set_handler(VECTOR_PING, on_ping);
	set_handler(VECTOR_PONG, on_pong);
	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, 2 << 17 | VECTOR_TICK);
	if (two)
		check("the sibling starts", start_cpu(1, sibling));
	for (unsigned i = 0; i < rounds; i++) {
		write_cr2(CR2_PATTERN + i);
		for (unsigned j = 0; j < 2; j++)
			changed += exits();
		busy = i & 1;
		if (two)
			ping_once();
		tick_once();
		/* So that its escalations are new ones. */
		hypercall(HYPERCALL_STATS_RESET, 0, 0, 0);
		cr2_changed += read_cr2() != CR2_PATTERN + i;
	}
	stop = true;
	check_eq("all registers survive every exit", changed, 0);
	check_eq("on the sibling too", sibling_changed, 0);
	check_eq("CR2 survives", cr2_changed, 0);
	check_eq("each deadline is one tick", ticks, deadlines);
	check_eq("each ping arrives once", pings, two ? sent : 0);
	check_eq("and has one pong", pongs, pings);
}
