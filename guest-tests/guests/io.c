// SPDX-License-Identifier: MIT
/* Port I/O in every size and form: IN and OUT, INS and OUTS, owned and unowned ports. */
#include "guest-tests/guests/lib/guest.h"

const char guest_name[] = "io";

#define SCRATCH (COM1 + 7)
#define NOBODY 0x1234
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc

static uint8_t buffer[8192] __attribute__((aligned(4096)));

static void in_byte(uint64_t port)
{
	inb((uint16_t)port);
}

static void out_byte(uint64_t port)
{
	outb((uint16_t)port, 0x5a);
}

static uint64_t in_keep(uint16_t port, unsigned size)
{
	uint64_t rax = 0x1122334455667788;

	if (size == 1)
		__asm__ volatile("inb %w1, %%al" : "+a"(rax) : "d"(port));
	else if (size == 2)
		__asm__ volatile("inw %w1, %%ax" : "+a"(rax) : "d"(port));
	else
		__asm__ volatile("inl %w1, %%eax" : "+a"(rax) : "d"(port));
	return rax;
}

static void test_plain(void)
{
	outb(SCRATCH, 0x3c);
	check_eq("the UART's scratch register keeps a byte", inb(SCRATCH), 0x3c);
	expect_exits("IN is one exit", EXIT_IO, 1, in_byte, SCRATCH);
	expect_exits("OUT is one exit", EXIT_IO, 1, out_byte, SCRATCH);
	check_eq("and it arrived", inb(SCRATCH), 0x5a);
	check_eq("IN of 8 bits leaves the rest of RAX", in_keep(SCRATCH, 1), 0x112233445566775a);
	__asm__ volatile("outb %%al, $0x70" : : "a"(0x40));
	__asm__ volatile("outb %%al, $0x71" : : "a"(0x99));
	check_eq("CMOS memory keeps a byte, by immediate ports", inb(CMOS_DATA), 0x99);
}

static void test_unowned(void)
{
	check_eq("an unowned port, 8 bits", in_keep(NOBODY, 1), 0x11223344556677ff);
	check_eq("16 bits", in_keep(NOBODY, 2), 0x112233445566ffff);
	check_eq("32 bits: the upper half of RAX is cleared", in_keep(NOBODY, 4), 0xffffffff);
	check_eq("port 0", inb(0), 0xff);
	check_eq("port 0xffff", inb(0xffff), 0xff);
	check_eq("port 0x80", inb(0x80), 0xff);
	outb(NOBODY, 1);
	outw(NOBODY, 1);
	outl(NOBODY, 1);
	check_eq("it swallows writes", inb(NOBODY), 0xff);
	expect_exits("an unowned port is one exit", EXIT_IO, 1, in_byte, NOBODY);
	/* An access that begins in a device and ends outside it, and one that wraps around the
	 * ports' end. */
	outb(SCRATCH, 0x77);
	inw(SCRATCH);
	inl(SCRATCH);
	outw(SCRATCH, 0xffff);
	inl(0xffff);
	outl(0xffff, 0);
	check("accesses across a device's edge do no harm", true);
}

static void test_pci(void)
{
	outl(PCI_ADDRESS, 0x80000000);
	check_eq("the PCI address register keeps its value", inl(PCI_ADDRESS), 0x80000000);
	check("there is a host bridge", inl(PCI_DATA) != 0xffffffff);
	check_eq("its id by halves", (uint32_t)inw(PCI_DATA + 2) << 16 | inw(PCI_DATA),
		 inl(PCI_DATA));
	check_eq("by bytes", inb(PCI_DATA + 1), inl(PCI_DATA) >> 8 & 0xff);
	outl(PCI_ADDRESS, 0x80000008);
	check_eq("its class: a host bridge", inl(PCI_DATA) >> 16, 0x0600);
	outl(PCI_ADDRESS, 0x8000f800);
	check_eq("no other device", inl(PCI_DATA), 0xffffffff);
	outl(PCI_ADDRESS, 0x80010000);
	check_eq("no other bus", inl(PCI_DATA), 0xffffffff);
	outl(PCI_ADDRESS, 0);
	check_eq("nothing while the enable bit is clear", inl(PCI_DATA), 0xffffffff);
}

struct string_io {
	uint64_t index, count;
	uint16_t port;
};

#define STRING_FUNCTION(name, insn, reg)                                                           \
	static void name(struct string_io *s)                                                      \
	{                                                                                          \
		__asm__ volatile(insn                                                              \
				 : "+" reg(s->index), "+c"(s->count)                               \
				 : "d"(s->port)                                                    \
				 : "memory");                                                      \
	}
STRING_FUNCTION(rep_outsb, "rep outsb", "S")
STRING_FUNCTION(rep_outsl, "rep outsl", "S")
STRING_FUNCTION(outsb, "outsb", "S")
STRING_FUNCTION(rep_insb, "rep insb", "D")
STRING_FUNCTION(rep_insw, "rep insw", "D")
STRING_FUNCTION(rep_insl, "rep insl", "D")
STRING_FUNCTION(rep_insb_down, "std; rep insb; cld", "D")
STRING_FUNCTION(rep_insb_32, "addr32 rep insb", "D")

static struct string_io string_io(void (*fn)(struct string_io *), void *at, uint64_t count,
				  uint16_t port)
{
	struct string_io s = { (uint64_t)at, count, port };

	fn(&s);
	return s;
}

static bool filled(const uint8_t *at, uint8_t value, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (at[i] != value)
			return false;
	return true;
}

static void test_strings(void)
{
	struct string_io s;

	memset(buffer, 0, sizeof(buffer));
	memcpy(buffer, "\x01\x02\x03\x04", 4);
	s = string_io(rep_outsb, buffer, 4, SCRATCH);
	check("REP OUTSB advances RSI and empties RCX",
	      s.index == (uint64_t)buffer + 4 && s.count == 0);
	check_eq("the last byte is what stays", inb(SCRATCH), 4);
	s = string_io(outsb, buffer + 1, 77, SCRATCH);
	check("OUTSB moves one and leaves RCX", s.index == (uint64_t)buffer + 2 && s.count == 77);
	check_eq("one byte", inb(SCRATCH), 2);

	outb(SCRATCH, 0xc3);
	s = string_io(rep_insb, buffer + 10, 300, SCRATCH);
	check("REP INSB advances RDI and empties RCX",
	      s.index == (uint64_t)buffer + 310 && s.count == 0);
	check("300 bytes arrived", filled(buffer + 10, 0xc3, 300));
	check("and none beside", filled(buffer + 4, 0, 6) && filled(buffer + 310, 0, 10));
	s = string_io(rep_insb, buffer + 400, 0, SCRATCH);
	check("with RCX = 0 nothing moves", s.index == (uint64_t)buffer + 400 && buffer[400] == 0);
	s = string_io(rep_insb_down, buffer + 509, 10, SCRATCH);
	check("DF: downwards", s.index == (uint64_t)buffer + 499 &&
				       filled(buffer + 500, 0xc3, 10) && buffer[499] == 0 &&
				       buffer[510] == 0);
	s = string_io(rep_insw, buffer + 600, 5, NOBODY);
	check("REP INSW", s.index == (uint64_t)buffer + 610 && filled(buffer + 600, 0xff, 10) &&
				  buffer[610] == 0);
	s = string_io(rep_insl, buffer + 4090, 3, NOBODY);
	check("REP INSD across a page", s.index == (uint64_t)buffer + 4102 &&
						filled(buffer + 4090, 0xff, 12) &&
						buffer[4089] == 0 && buffer[4102] == 0);
	s = string_io(rep_insb_32, buffer + 700, 4, SCRATCH);
	check("with 32-bit addresses",
	      s.index == (uint64_t)buffer + 704 && filled(buffer + 700, 0xc3, 4));
	memset(buffer, 0x80, 8);
	string_io(rep_outsl, buffer, 2, PCI_ADDRESS);
	check_eq("REP OUTSD", inl(PCI_ADDRESS), 0x80808080);
	outl(PCI_ADDRESS, 0);
}

static void ins_at(uint64_t address)
{
	struct string_io s = { address, 4, SCRATCH };

	rep_insb(&s);
}

static void ins_16(uint64_t unused)
{
	(void)unused;
	string_io(rep_insb, buffer, 16, SCRATCH);
}

static void test_string_faults(void)
{
	struct fault fault;
	uint64_t address = (uint64_t)buffer + 4096;
	uint64_t *pte = page_entry(address), saved = *pte;

	*pte = 0;
	invlpg(address);
	buffer[4094] = buffer[4095] = 0;
	fault = try_call(ins_at, address - 2);
	check_eq("INS into a page that is not there: #PF", fault.vector, VECTOR_PF);
	check_eq("its address", fault.cr2, address);
	check_eq("its error code: a write", fault.error, 2);
	check("what came before it has arrived", buffer[4094] == 0xc3 && buffer[4095] == 0xc3);
	*pte = saved;
	invlpg(address);
	expect_exits("16 elements are two exits", EXIT_IO, 2, ins_16, 0);
	check_eq("INS beyond RAM does no harm", try_call(ins_at, 0xa0000000).vector, NO_FAULT);
}

static void test_user(void)
{
	struct fault fault;
	uint64_t exits;

	stats_begin();
	fault = try_user(in_byte, SCRATCH, 0);
	exits = stats_end()->exits;
	check_eq("IN at CPL 3 faults", fault.vector, VECTOR_GP);
	check_eq("without an exit", exits, 0);
	check_eq("with IOPL 3 it does not", try_user(in_byte, SCRATCH, 3 << 12).vector, NO_FAULT);
}

void guest_main(void)
{
	test_plain();
	test_unowned();
	test_pci();
	test_strings();
	test_string_faults();
	test_user();
}
