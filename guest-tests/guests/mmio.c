// SPDX-License-Identifier: MIT
/*
 * Device memory by every form of instruction that compilers and kernels use. The device is the
 * IOAPIC: its ID register keeps bits 27:24, the upper half of a redirection entry bits 31:24, the
 * lower half nearly all.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "mmio";

#define ID 0
#define VERSION 1
#define REDIRECTION_LOW 0x10
#define REDIRECTION_HIGH 0x11
#define MASKED 0x10000
#define WINDOW (IOAPIC_BASE + 0x10)
/* Neither RAM nor a device. */
#define NOBODY 0xd0000000ULL

static uint64_t index_flags;

static void select(uint32_t index, uint32_t value)
{
	ioapic_write(index, value);
}

static void read_window(uint64_t unused)
{
	(void)unused;
	(void)IOAPIC_DATA;
}

static void write_window(uint64_t value)
{
	IOAPIC_DATA = (uint32_t)value;
}

static void test_reads(void)
{
	uint64_t value;

	select(REDIRECTION_LOW, MASKED | 0x80a5);
	expect_exits("a read is one exit", EXIT_EPT_VIOLATION, 1, read_window, 0);
	__asm__ volatile("mov (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(~0ULL));
	check_eq("MOV r32", value, MASKED | 0x80a5);
	__asm__ volatile("mov (%1), %0" : "=r"(value) : "r"(WINDOW));
	check_eq("MOV r64: the low half", (uint32_t)value, MASKED | 0x80a5);
	__asm__ volatile("mov (%1), %w0" : "=r"(value) : "r"(WINDOW), "0"(0x1122334455667788));
	check_eq("MOV r16 keeps the rest", value, 0x11223344556680a5);
	__asm__ volatile("mov (%1), %b0" : "=q"(value) : "r"(WINDOW), "0"(0x1122334455667788));
	check_eq("MOV r8 keeps the rest", value, 0x11223344556677a5);
	__asm__ volatile("mov (%1), %%ah" : "=a"(value) : "r"(WINDOW), "0"(0x1122334455667788));
	check_eq("MOV ah", value, 0x112233445566a588);
	__asm__ volatile("movzbl (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(~0ULL));
	check_eq("MOVZX r32, m8", value, 0xa5);
	__asm__ volatile("movzwl (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(~0ULL));
	check_eq("MOVZX r32, m16", value, 0x80a5);
	__asm__ volatile("movzbq (%1), %0" : "=r"(value) : "r"(WINDOW), "0"(~0ULL));
	check_eq("MOVZX r64, m8", value, 0xa5);
	__asm__ volatile("movzbw (%1), %w0" : "=r"(value) : "r"(WINDOW), "0"(0x1122334455667788));
	check_eq("MOVZX r16, m8", value, 0x11223344556600a5);
	__asm__ volatile("movsbl (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(0ULL));
	check_eq("MOVSX r32, m8", value, 0xffffffa5);
	__asm__ volatile("movsbq (%1), %0" : "=r"(value) : "r"(WINDOW), "0"(0ULL));
	check_eq("MOVSX r64, m8", value, 0xffffffffffffffa5);
	__asm__ volatile("movswl (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(0ULL));
	check_eq("MOVSX r32, m16", value, 0xffff80a5);
	select(REDIRECTION_HIGH, 0xf5000000);
	__asm__ volatile("movslq (%1), %0" : "=r"(value) : "r"(WINDOW), "0"(0ULL));
	check_eq("MOVSXD r64, m32", value, 0xfffffffff5000000);
	__asm__ volatile("movabs 0xfec00010, %%eax" : "=a"(value) : "0"(~0ULL));
	check_eq("MOV eax, moffs", value, 0xf5000000);
	__asm__ volatile("movzbl 3(%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(~0ULL));
	check_eq("the register's highest byte", value, 0xf5);
}

/* Registers 8 to 15, an index, a displacement, RSP-relative: the decoder must find the register
 * operand. */
static void test_addressing(void)
{
	uint64_t value;

	__asm__ volatile("mov %1, %%r13; mov 0(%%r13), %%r9d; mov %%r9, %0"
			 : "=r"(value)
			 : "r"(WINDOW)
			 : "r9", "r13");
	check_eq("(%r13) into r9d", value, 0xf5000000);
	__asm__ volatile("mov $0xfec00000, %%r12d; mov 0x10(%%r12), %%r15d; mov %%r15, %0"
			 : "=r"(value)
			 :
			 : "r12", "r15");
	check_eq("0x10(%r12) into r15d", value, 0xf5000000);
	__asm__ volatile("mov $0xfebffff0, %%eax; mov $8, %%ecx; mov 0x10(%%rax,%%rcx,2), %0"
			 : "=r"(value)
			 :
			 : "rax", "rcx");
	check_eq("disp(%rax,%rcx,2)", (uint32_t)value, 0xf5000000);
	__asm__ volatile(
		"mov %%rsp, %%rdx; mov $0xfec00000, %%esp; mov 0x10(%%rsp), %%eax; mov %%rdx, %%rsp"
		: "=a"(value)
		:
		: "rdx");
	check_eq("0x10(%rsp)", value, 0xf5000000);
	__asm__ volatile("addr32 mov 0(%k1), %k0" : "=r"(value) : "r"(WINDOW | 0xab00000000000000));
	check_eq("with a 32-bit address", value, 0xf5000000);
	__asm__ volatile("mov %%gs:(%1), %k0" : "=r"(value) : "r"(WINDOW));
	check_eq("with a segment prefix", value, 0xf5000000);
}

static void test_writes(void)
{
	select(REDIRECTION_HIGH, 0);
	expect_exits("a write is one exit", EXIT_EPT_VIOLATION, 1, write_window, 0x12000000);
	check_eq("MOV m32, r32", IOAPIC_DATA, 0x12000000);
	__asm__ volatile("movl $0x34000000, (%0)" : : "r"(WINDOW) : "memory");
	check_eq("MOV m32, imm32", IOAPIC_DATA, 0x34000000);
	__asm__ volatile("movq $0x56000000, (%0)" : : "r"(WINDOW) : "memory");
	check_eq("MOV m64, imm32", IOAPIC_DATA, 0x56000000);
	__asm__ volatile("mov %0, (%1)" : : "r"(0x78000000ULL), "r"(WINDOW) : "memory");
	check_eq("MOV m64, r64", IOAPIC_DATA, 0x78000000);
	__asm__ volatile("mov $0x9a000000, %%r14d; mov %%r14d, (%0)"
			 :
			 : "r"(WINDOW)
			 : "memory", "r14");
	check_eq("MOV m32, r14d", IOAPIC_DATA, 0x9a000000);
	__asm__ volatile("mov $0xbc000000, %%eax; movabs %%eax, 0xfec00010" : : : "memory", "rax");
	check_eq("MOV moffs, eax", IOAPIC_DATA, 0xbc000000);
	/* The index register takes a byte. */
	*(volatile uint8_t *)IOAPIC_BASE = VERSION;
	check("MOV m8, r8 into the index register", (IOAPIC_DATA & 0xff) >= 0x11);
	__asm__ volatile("movb $0x11, (%0)" : : "r"(IOAPIC_BASE) : "memory");
	check_eq("MOV m8, imm8", IOAPIC_DATA, 0xbc000000);
	__asm__ volatile("mov %%ch, (%0)" : : "a"(IOAPIC_BASE), "c"(0x1000) : "memory");
	check("MOV m8, ch", IOAPIC_INDEX == 0x10);
}

static uint64_t flags_after(void)
{
	return index_flags & 0x8c5; /* OF, SF, ZF, PF, CF: AF is undefined after logic */
}

#define ALU(insn, source)                                                                          \
	__asm__ volatile(insn "; pushfq; pop %0"                                                   \
			 : "=r"(index_flags)                                                       \
			 : source, "r"(WINDOW)                                                     \
			 : "memory", "cc")

static void test_alu(void)
{
	uint64_t value;

	select(REDIRECTION_HIGH, 0xf0000000);
	ALU("andl %k1, (%2)", "r"(0x3c000000ULL));
	check_eq("AND m32, r32", IOAPIC_DATA, 0x30000000);
	check_eq("  its flags: PF", flags_after(), 0x4);
	ALU("orl %k1, (%2)", "r"(0x81000000ULL));
	check_eq("OR m32, r32", IOAPIC_DATA, 0xb1000000);
	check_eq("  its flags: SF, PF", flags_after(), 0x84);
	ALU("xorl %k1, (%2)", "r"(0xff000000ULL));
	check_eq("XOR m32, r32", IOAPIC_DATA, 0x4e000000);
	ALU("orl %1, (%2)", "i"(0x01000000));
	check_eq("OR m32, imm32", IOAPIC_DATA, 0x4f000000);
	ALU("andl %1, (%2)", "i"(-16));
	check_eq("AND m32, imm8", IOAPIC_DATA, 0x4f000000);
	ALU("addl %k1, (%2)", "r"(0xb1000000ULL));
	check_eq("ADD m32, r32", IOAPIC_DATA, 0);
	check_eq("  its flags: ZF, PF, CF", flags_after(), 0x45);
	ALU("subl %k1, (%2)", "r"(0x01000000ULL));
	check_eq("SUB m32, r32", IOAPIC_DATA, 0xff000000);
	check_eq("  its flags: SF, PF, CF", flags_after(), 0x85);
	ALU("testl %k1, (%2)", "r"(0x00ffffffULL));
	check_eq("TEST m32, r32: ZF, PF", flags_after(), 0x44);
	ALU("testl %1, (%2)", "i"(0x7f000000));
	check_eq("TEST m32, imm32: PF", flags_after(), 0x4);
	ALU("testb %1, 3(%2)", "i"(0x80));
	check_eq("TEST m8, imm8: SF", flags_after(), 0x80);
	ALU("cmpl %k1, (%2)", "r"(0xff000000ULL));
	check_eq("CMP m32, r32: ZF, PF", flags_after(), 0x44);
	ALU("cmpl %1, (%2)", "i"(1));
	check("CMP m32, imm8: not equal", !(flags_after() & 0x40));
	ALU("cmpl (%2), %k1", "r"(0xff000000ULL));
	check_eq("CMP r32, m32: ZF, PF", flags_after(), 0x44);
	check_eq("neither TEST nor CMP writes", IOAPIC_DATA, 0xff000000);
	__asm__ volatile("andl (%1), %k0"
			 : "=r"(value)
			 : "r"(WINDOW), "0"(0xffffffff0f123456)
			 : "cc");
	check_eq("AND r32, m32", value, 0x0f000000);
	__asm__ volatile("orl (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(0x123456ULL) : "cc");
	check_eq("OR r32, m32", value, 0xff123456);
	__asm__ volatile("addl (%1), %k0" : "=r"(value) : "r"(WINDOW), "0"(0x01000001ULL) : "cc");
	check_eq("ADD r32, m32", value, 1);
	__asm__ volatile("lock orl %k0, (%1)" : : "r"(0ULL), "r"(WINDOW) : "memory", "cc");
	check_eq("LOCK OR", IOAPIC_DATA, 0xff000000);
	ALU("btl %1, (%2)", "i"(24));
	check("BT m32, imm8: CF", flags_after() & 1);
	ALU("btrl %1, (%2)", "i"(24));
	check_eq("BTR m32, imm8", IOAPIC_DATA, 0xfe000000);
	ALU("lock btsl %1, (%2)", "i"(24));
	check_eq("LOCK BTS m32, imm8", IOAPIC_DATA, 0xff000000);
}

static void test_exchange(void)
{
	uint64_t value;

	select(REDIRECTION_HIGH, 0x11000000);
	__asm__ volatile("xchg %k0, (%1)"
			 : "=r"(value)
			 : "r"(WINDOW), "0"(0xffffffff22000000)
			 : "memory");
	check_eq("XCHG: what was there", value, 0x11000000);
	check_eq("XCHG: what is there", IOAPIC_DATA, 0x22000000);
}

static void test_strings(void)
{
	uint32_t words[4] = { 0x33000000, 0x44000000, 0, 0x55555555 };
	uint64_t rdi = WINDOW, rsi, rcx;

	__asm__ volatile("stosl" : "+D"(rdi) : "a"(0x66000000) : "memory");
	check_eq("STOSD advances RDI", rdi, WINDOW + 4);
	check_eq("STOSD", IOAPIC_DATA, 0x66000000);
	rdi = WINDOW;
	rcx = 1;
	__asm__ volatile("rep stosl" : "+D"(rdi), "+c"(rcx) : "a"(0x77000000) : "memory");
	check("REP STOSD advances and counts", rdi == WINDOW + 4 && rcx == 0);
	check_eq("REP STOSD", IOAPIC_DATA, 0x77000000);
	rsi = (uint64_t)words;
	rdi = WINDOW;
	__asm__ volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
	check("MOVSD from RAM",
	      IOAPIC_DATA == 0x33000000 && rsi == (uint64_t)(words + 1) && rdi == WINDOW + 4);
	rsi = WINDOW;
	rdi = (uint64_t)(words + 2);
	__asm__ volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
	check("MOVSD to RAM",
	      words[2] == 0x33000000 && words[3] == 0x55555555 && rsi == WINDOW + 4);
}

static void touch(uint64_t address)
{
	*(volatile uint32_t *)address = 1;
}

static void fill(uint64_t address)
{
	uint64_t count = 10;

	__asm__ volatile("rep stosb" : "+D"(address), "+c"(count) : "a"(0) : "memory");
}

static void test_unowned(void)
{
	check_eq("nobody's address, 8 bits", *(volatile uint8_t *)NOBODY, 0xff);
	check_eq("16 bits", *(volatile uint16_t *)NOBODY, 0xffff);
	check_eq("32 bits", *(volatile uint32_t *)NOBODY, 0xffffffff);
	check_eq("64 bits", *(volatile uint64_t *)NOBODY, ~0ULL);
	expect_exits("a write to it is one exit", EXIT_EPT_VIOLATION, 1, touch, NOBODY);
	expect_exits("a string of 10 is done by two", EXIT_EPT_VIOLATION, 5, fill, NOBODY);
	check_eq("the xAPIC page is nobody's in x2APIC mode", *(volatile uint32_t *)0xfee00030,
		 0xffffffff);
	check_eq("an IOAPIC register that does not exist", ioapic_read(0xff), 0);
}

static void test_device(void)
{
	select(ID, 0xffffffff);
	check_eq("the IOAPIC's id has 4 bits", ioapic_read(ID), 0x0f000000);
	select(ID, 0);
	check_eq("its version", ioapic_read(VERSION) & 0xff, 0x20);
	check_eq("24 lines", ioapic_read(VERSION) >> 16 & 0xff, 23);
	select(REDIRECTION_LOW, MASKED | 0xffff);
	check_eq("delivery status and remote IRR are read-only", ioapic_read(REDIRECTION_LOW),
		 MASKED | 0xafff);
	select(REDIRECTION_LOW, MASKED);
	check_eq("lines are masked at power-on", ioapic_read(REDIRECTION_LOW + 2 * 5), MASKED);
}

/* An instruction that lies across two pages, the second of which is another frame. */
static void test_page_crossing(void)
{
	static uint8_t code[8192] __attribute__((aligned(4096)));
	uint32_t (*fn)(uint64_t) = (uint32_t(*)(uint64_t))(code + 4095);

	select(REDIRECTION_HIGH, 0x42000000);
	/* mov (%rdi), %eax; ret */
	memcpy(code + 4095, "\x8b\x07\xc3", 3);
	check_eq("an instruction across two pages", fn(WINDOW), 0x42000000);
}

void guest_main(void)
{
	test_device();
	test_reads();
	test_addressing();
	test_writes();
	test_alu();
	test_exchange();
	test_strings();
	test_unowned();
	test_page_crossing();
}
