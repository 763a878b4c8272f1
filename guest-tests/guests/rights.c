// SPDX-License-Identifier: MIT
/*
 * What the hypervisor does in an instruction's place has that instruction's rights: string I/O and
 * string moves between ports, devices and memory, from user mode and from the kernel, and what a
 * program does with a device's page that no emulation knows.
 */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "rights";

#define IOPL_3 (3ULL << 12)
#define SCRATCH (COM1 + 7)
#define PTE_A 0x20ULL
#define PTE_D 0x40ULL
#define CODE32 7 /* in the GDT */
enum { P = 1, W = 2, U = 4 };

extern uint64_t gdt[10];
extern void cpuid_at_segment_end(void);

/* Pages of one window. */
#define WINDOW 0x600000ULL
#define USER (WINDOW + 0x100)
#define KERNEL (WINDOW + 0x1100)
#define READ_ONLY (WINDOW + 0x2100)
#define DEVICE (WINDOW + 0x3000)
#define ABSENT (WINDOW + 0x4000)
#define SEGMENT (WINDOW + 0x6000)
#define NOT_CANONICAL 0x900000000000ULL

static void set_page(uint64_t address, uint64_t entry)
{
	*page_entry(address) = entry;
	invlpg(address);
}

static void make_pages(void)
{
	set_page(USER, (USER & ~0xfffULL) | P | W | U);
	set_page(KERNEL, (KERNEL & ~0xfffULL) | P | W);
	set_page(READ_ONLY, (READ_ONLY & ~0xfffULL) | P | U);
	set_page(DEVICE, IOAPIC_BASE | P | W | U);
	set_page(ABSENT, 0);
}

static void in_string(uint64_t to)
{
	__asm__ volatile("insb" : "+D"(to) : "d"(SCRATCH) : "memory");
}

static void out_string(uint64_t from)
{
	__asm__ volatile("outsb" : "+S"(from) : "d"(SCRATCH) : "memory");
}

static void from_device(uint64_t to)
{
	uint64_t from = DEVICE;

	__asm__ volatile("movsl" : "+D"(to), "+S"(from) : : "memory");
}

static void to_device(uint64_t from)
{
	uint64_t to = DEVICE;

	__asm__ volatile("movsl" : "+D"(to), "+S"(from) : : "memory");
}

static void fill_over_the_end(uint64_t from)
{
	uint64_t count = 8;

	__asm__ volatile("rep stosl" : "+D"(from), "+c"(count) : "a"(0) : "memory");
}

static void save_fpu(uint64_t to)
{
	__asm__ volatile("fxsave (%0)" : : "r"(to) : "memory");
}

static void expect(const char *what, struct fault fault, unsigned vector, uint64_t error,
		   uint64_t address)
{
	check_eq(what, fault.vector, vector);
	if (vector == VECTOR_PF) {
		check_eq("its error code", fault.error, error);
		check_eq("its address", fault.cr2, address);
	} else if (vector != NO_FAULT) {
		check_eq("its error code", fault.error, error);
	}
}

static void user(const char *what, void (*fn)(uint64_t), uint64_t arg, unsigned vector,
		 uint64_t error)
{
	expect(what, try_user(fn, arg, IOPL_3), vector, error, arg);
}

static void kernel(const char *what, void (*fn)(uint64_t), uint64_t arg, unsigned vector,
		   uint64_t error)
{
	expect(what, try_call(fn, arg), vector, error, arg);
}

static void test_user(void)
{
	outb(SCRATCH, 0x5a);
	*(uint8_t *)KERNEL = 0x77;
	user("a program's INS into its own page", in_string, USER, NO_FAULT, 0);
	check_eq("what it read", *(uint8_t *)USER, 0x5a);
	user("into the kernel's", in_string, KERNEL, VECTOR_PF, P | W | U);
	user("into a read-only one", in_string, READ_ONLY, VECTOR_PF, P | W | U);
	user("into none", in_string, ABSENT, VECTOR_PF, W | U);
	user("to a non-canonical address", in_string, NOT_CANONICAL, VECTOR_GP, 0);
	*(uint8_t *)USER = 0x3c;
	user("its OUTS", out_string, USER, NO_FAULT, 0);
	check_eq("what it wrote", inb(SCRATCH), 0x3c);
	user("from the kernel's page", out_string, KERNEL, VECTOR_PF, P | U);
	user("from none", out_string, ABSENT, VECTOR_PF, U);
	user("from a non-canonical address", out_string, NOT_CANONICAL, VECTOR_GP, 0);
	user("its MOVS from a device", from_device, USER, NO_FAULT, 0);
	user("from there to the kernel's page", from_device, KERNEL, VECTOR_PF, P | W | U);
	user("from there to a read-only one", from_device, READ_ONLY, VECTOR_PF, P | W | U);
	user("from there to a non-canonical address", from_device, NOT_CANONICAL, VECTOR_GP, 0);
	user("from the kernel's to a device", to_device, KERNEL, VECTOR_PF, P | U);
	check_eq("the kernel's page is as it was", *(uint8_t *)KERNEL, 0x77);
	expect("REP STOS over the end of a device's page",
	       try_user(fill_over_the_end, ABSENT - 16, IOPL_3), VECTOR_PF, W | U, ABSENT);
	user("FXSAVE to a device", save_fpu, DEVICE, VECTOR_UD, 0);
	user("a call to it", (void (*)(uint64_t))DEVICE, 0, VECTOR_UD, 0);
}

static void test_kernel(void)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	write_cr0(cr0 | CR0_WP);
	kernel("the kernel's INS into its own page", in_string, KERNEL, NO_FAULT, 0);
	kernel("into a read-only one", in_string, READ_ONLY, VECTOR_PF, P | W);
	write_cr0(cr0 & ~CR0_WP);
	kernel("the same with CR0.WP clear", in_string, READ_ONLY, NO_FAULT, 0);
	write_cr0(cr0);
	if (!(cpuid(7, 0).ebx & BIT(20)))
		return;
	/* Its own code is the program's too, so it is not run with SMEP, and reads data by AC. */
	write_cr4(cr4 | CR4_SMAP);
	__asm__ volatile("stac");
	kernel("with SMAP and AC", in_string, USER, NO_FAULT, 0);
	__asm__ volatile("stac");
	write_cr4(cr4);
	__asm__ volatile("clac");
}

static void test_bits(void)
{
	set_page(USER, (USER & ~0xfffULL) | P | W | U);
	out_string(USER);
	check_eq("OUTS marks a page accessed", *page_entry(USER) & (PTE_A | PTE_D), PTE_A);
	set_page(USER, (USER & ~0xfffULL) | P | W | U);
	in_string(USER);
	check_eq("INS marks it dirty too", *page_entry(USER) & (PTE_A | PTE_D), PTE_A | PTE_D);
}

/* CPUID in the last two bytes of a 32-bit code segment of 4 GiB: the next EIP is 0. */
static void test_segment_end(void)
{
	uint64_t old = gdt[CODE32];

	memcpy((void *)(SEGMENT - 2), "\x0f\xa2\xcb", 3); /* cpuid; retf */
	gdt[CODE32] = 0x00cf9b000000ffffULL | (SEGMENT & 0xffffff) << 16 | (SEGMENT >> 24) << 56;
	cpuid_at_segment_end();
	gdt[CODE32] = old;
	check("CPUID at a segment's end goes on at its beginning", true);
}

void guest_main(void)
{
	write_cr4(read_cr4() | CR4_OSFXSR);
	make_pages();
	test_user();
	test_kernel();
	test_bits();
	test_segment_end();
}
