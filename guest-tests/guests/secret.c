// SPDX-License-Identifier: MIT
/*
 * The VM whose memory nobody else may see: it plants a pattern all over its RAM, says so, and then
 * makes exits of every kind without end, for tools/witness and tools/oracle to look at.
 *
 * pattern=32 hexadecimal digits; touch: one exit of each round needs sensitive memory; sibling: a
 * second vCPU writes to the planted memory, with few exits; deaf: with interrupts off; registers:
 * the pattern's first four bytes, inverted, stand in every register too, at exits of every kind;
 * leave: after some rounds the VM powers off, soon: after one; again: the pattern fills all memory,
 * the VM reboots, and must find none of it
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "secret";

#define PATTERN_SIZE 16
#define FIRST MIB(4)
#define LAST MIB(6)
#define RAM_FREE MIB(2) /* the image, its stacks and tables lie below */
#define RAM_END MIB(32)
#define STRIDE 512
#define VECTOR 0x71
#define NAP 2000
#define FEW_ROUNDS 200

static uint64_t pattern[PATTERN_SIZE / 8];

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool read_pattern(void)
{
	const char *text = guest_value("pattern");
	uint8_t *bytes = (uint8_t *)pattern;

	for (unsigned i = 0; text && i < PATTERN_SIZE; i++, text += 2) {
		if (!text[0] || !text[1])
			return false;
		bytes[i] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
	}
	return text;
}

static uint64_t plant(void)
{
	uint64_t copies = 0;

	for (uint64_t at = FIRST; at < LAST; at += STRIDE, copies++)
		memcpy((void *)at, pattern, PATTERN_SIZE);
	return copies;
}

/* What no memory holds but by way of registers. */
static uint32_t number(void)
{
	return ~(uint32_t)pattern[0];
}

static void check_registers(void)
{
	if (!registers_hold(number()))
		mark("lost", rdmsr(X2APIC_ID));
}

static void on_timer(struct frame *frame)
{
	(void)frame;
	apic_eoi();
}

/* #GP and #UD that the hypervisor injects. */
static void read_no_msr(uint64_t msr)
{
	rdmsr((uint32_t)msr);
}

static void run_vmxoff(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("vmxoff");
}

static void read_ecam(void)
{
	(void)*(volatile uint32_t *)0xe0000000;
}

static void round(uint64_t n)
{
	if (guest_option("registers")) {
		check_registers();
		exit_with_registers();
	}
	cpuid((uint32_t)n % 0x18, 0);
	rdmsr(MSR_MISC_ENABLE);
	inb(CMOS_DATA);
	outl(0xcf8, 0x80000000);
	inl(0xcfc);
	(void)IOAPIC_DATA;
	ioapic_write(0x10, 0x10000);
	read_ecam();
	write_cr4(read_cr4() ^ BIT(7));
	write_cr0(read_cr0() ^ BIT(18));
	__asm__ volatile("wbinvd" : : : "memory");
	hypercall(HYPERCALL_VERSION, 0, 0, 0);
	hypercall(HYPERCALL_CONSOLE_WRITE, (uint64_t) ".", 1, 0);
	try_call(read_no_msr, 0x12345);
	try_call(run_vmxoff, 0);
	wrmsr(X2APIC_ICR, 1U << 18 | VECTOR); /* to itself, not yet taken */
	interrupts_on();
	interrupts_off();
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + NAP);
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	if (guest_option("touch"))
		hypercall(HYPERCALL_DEBUG_TOUCH_SENSITIVE, 0, 0, 0);
	*(volatile uint64_t *)(FIRST + n * STRIDE % (LAST - FIRST)) = pattern[0];
}

static void accompany(void)
{
	if (guest_option("registers"))
		plant_registers(number());
	if (!guest_option("deaf"))
		interrupts_on();
	for (uint64_t n = 0;; n++) {
		if (n % 256 == 0)
			cpuid(0, 0);
		if (n % 4096 == 0 && guest_option("registers")) {
			check_registers();
			spin_with_registers();
		}
		*(volatile uint64_t *)(FIRST + n * STRIDE % (LAST - FIRST)) = pattern[0];
	}
}

/* In memory that this guest has not written to since it was started. */
static uint64_t copies_left(void)
{
	uint64_t copies = 0;

	for (uint64_t at = RAM_FREE; at < RAM_END; at += 8)
		copies += *(const volatile uint64_t *)at == pattern[0];
	return copies;
}

static void live_again(void)
{
	check_eq("no memory holds what was there before the reboot", copies_left(), 0);
	for (uint64_t at = RAM_FREE; at < RAM_END; at += STRIDE)
		memcpy((void *)at, pattern, PATTERN_SIZE);
	check("it is there now", copies_left() == (RAM_END - RAM_FREE) / STRIDE);
	outb(0xcf9, 0x06);
}

void guest_main(void)
{
	uint64_t copies, few = FEW_ROUNDS;

	check("the pattern is 32 digits", read_pattern());
	if (guest_option("again"))
		live_again();
	if (guest_option("registers")) {
		/* Another VM was here before. */
		check("no register holds anything at first", registers_hold(0));
		plant_registers(number());
	}
	set_handler(VECTOR, on_timer);
	apic_enable();
	wrmsr(X2APIC_LVT_TIMER, 2U << 17 | VECTOR);
	copies = plant();
	if (guest_option("sibling"))
		check("the sibling starts", start_cpu(1, accompany));
	mark("planted", copies);
	if (guest_option("soon"))
		few = 1;
	for (uint64_t n = 0; !guest_option("leave") || n < few; n++)
		round(n);
	power_off();
}
