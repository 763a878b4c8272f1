/* unit-sources: drivers/guest/irq/[a-z]*.c drivers/guest/net/[a-z]*.c drivers/guest/virtio/[a-z]*.c drivers/guest/legacy/[a-z]*.c hv/base/print.c hv/base/string.c guest-tests/unit/fake_platform.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_platform.h"
#include "guest-tests/unit/unit.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR, DLL = DATA, DLM = IER };

static struct vm *vm;

static uint8_t in(unsigned reg)
{
	uint32_t value = 0x5a5a;

	CHECK(machine_pio_read(&vm->vcpu[0], (uint16_t)(0x3f8 + reg), 1, &value));
	CHECK(value <= 0xff);
	return (uint8_t)value;
}

static void out(unsigned reg, uint8_t value)
{
	CHECK(machine_pio_write(&vm->vcpu[0], (uint16_t)(0x3f8 + reg), 1, value));
}

static bool line(void)
{
	return vm->machine.ioapic.levels >> 4 & 1;
}

static void start(void)
{
	vm = fake_vm(1, true);
}

static void start_with_interrupts(uint8_t ier)
{
	start();
	out(FCR, 1);
	out(MCR, 0x0b); /* DTR, RTS, OUT2 */
	out(IER, ier);
}

TEST(uart_after_reset)
{
	start();
	CHECK(in(IER) == 0 && in(IIR) == 0x01 && in(LCR) == 0 && in(MCR) == 0);
	CHECK(in(LSR) == 0x60);
	CHECK((in(MSR)&0xb0) == 0xb0);
	CHECK(!line());
}

/* What Linux's 8250 driver asks before it believes in a 16550A. */
TEST(uart_is_recognised_as_16550a)
{
	start();
	out(IER, 0);
	CHECK((in(IER)&0x0f) == 0);
	out(IER, 0x0f);
	CHECK((in(IER)&0x0f) == 0x0f);
	out(IER, 0);
	out(MCR, 0x1a); /* loopback, OUT2, RTS */
	CHECK((in(MSR)&0xf0) == 0x90);
	out(MCR, 0);
	out(LCR, 0xbf);
	out(2, 0);
	out(LCR, 0);
	out(FCR, 0x01);
	CHECK(in(IIR) >> 6 == 3);
	/* Not a 16650: no extended feature register behind DLAB. */
	out(LCR, 0x80);
	CHECK(in(2) != 0);
	/* Not a 16750: bit 5 of the identification stays 0 whatever the FIFO control asks. */
	out(LCR, 0);
	out(FCR, 0x21);
	CHECK(in(IIR) >> 5 == 6);
	out(LCR, 0x80);
	out(FCR, 0x21);
	CHECK(in(IIR) >> 5 == 6);
	out(LCR, 0);
	/* Not an XScale: bit 6 of the interrupt enable register does not stick. */
	out(IER, 0x40);
	CHECK(in(IER) == 0);
	out(SCR, 0x5a);
	CHECK(in(SCR) == 0x5a);
}

TEST(uart_divisor_hides_behind_dlab)
{
	start();
	out(IER, 0x05);
	out(LCR, 0x83);
	out(DLL, 0x34);
	out(DLM, 0x12);
	CHECK(in(DLL) == 0x34 && in(DLM) == 0x12);
	CHECK(vm->console_length == 0);
	out(LCR, 0x03);
	CHECK(in(IER) == 0x05 && in(LCR) == 0x03);
	CHECK(vm->machine.uart.divisor == 0x1234);
}

TEST(uart_sends_to_the_console_at_once)
{
	start();
	for (const char *p = "hello"; *p; p++) {
		CHECK(in(LSR)&0x20);
		out(DATA, (uint8_t)*p);
		CHECK((in(LSR)&0x60) == 0x60);
	}
	CHECK(vm->console_length == 5 && !memcmp(vm->console, "hello", 5));
}

TEST(uart_transmit_interrupt_comes_once_for_each_cause)
{
	start_with_interrupts(0);
	CHECK(!line());
	out(IER, 0x02); /* turning it on reports an empty transmitter */
	CHECK(line());
	CHECK(in(IIR) == 0xc2);
	CHECK(!line()); /* reading took it back */
	CHECK(in(IIR) == 0xc1);
	out(IER, 0x02); /* on already: no new cause */
	CHECK(!line());
	out(DATA, 'x');
	CHECK(line());
	CHECK(in(IIR) == 0xc2);
	CHECK(!line());
	/* The driver's test for a chip that forgets: off, on, and it must be there again, twice. */
	for (unsigned i = 0; i < 2; i++) {
		out(IER, 0);
		out(IER, 0x02);
		CHECK(in(IIR) == 0xc2);
	}
	out(DATA, 'y');
	out(IER, 0);
	CHECK(!line() && in(IIR) == 0xc1);
}

TEST(uart_receive_interrupt_lasts_as_long_as_the_data)
{
	start_with_interrupts(0x01);
	vuart_receive(vm, 'a');
	vuart_receive(vm, 'b');
	CHECK(line());
	CHECK(in(IIR) == 0xc4);
	CHECK(line()); /* reading the cause does not end it */
	CHECK(in(LSR) == 0x61);
	CHECK(in(DATA) == 'a');
	CHECK(line());
	CHECK(in(DATA) == 'b');
	CHECK(!line());
	CHECK(in(LSR) == 0x60 && in(IIR) == 0xc1);
	CHECK(in(DATA) == 0); /* nothing there: no harm */
}

TEST(uart_receive_goes_before_transmit)
{
	start_with_interrupts(0x03);
	vuart_receive(vm, 'a');
	out(DATA, 'x');
	CHECK(in(IIR) == 0xc4);
	CHECK(in(DATA) == 'a');
	CHECK(in(IIR) == 0xc2);
	CHECK(!line());
}

TEST(uart_overrun_is_reported_once_and_keeps_what_came_first)
{
	start_with_interrupts(0x05);
	for (unsigned i = 0; i < VUART_WAITING + 3; i++)
		vuart_receive(vm, (uint8_t)i);
	CHECK(in(IIR) == 0xc6);
	CHECK(in(LSR) == 0x63);
	CHECK(in(LSR) == 0x61);
	CHECK(in(IIR) == 0xc4);
	for (unsigned i = 0; i < VUART_WAITING; i++)
		CHECK(in(DATA) == (uint8_t)i);
	CHECK(in(LSR) == 0x60 && !line());
}

TEST(uart_fifo_wraps)
{
	start();
	for (unsigned i = 0; i < 3 * VUART_WAITING; i++) {
		vuart_receive(vm, (uint8_t)i);
		vuart_receive(vm, (uint8_t)(i + 1));
		CHECK(in(DATA) == (uint8_t)i);
		CHECK(in(DATA) == (uint8_t)(i + 1));
	}
}

TEST(uart_fifo_control_clears_the_input)
{
	start_with_interrupts(0x01);
	vuart_receive(vm, 'a');
	out(FCR, 0x07);
	CHECK(in(LSR) == 0x60 && !line());
	vuart_receive(vm, 'b');
	CHECK(in(DATA) == 'b');
}

TEST(uart_loopback_returns_what_is_sent_and_is_deaf)
{
	start_with_interrupts(0x01);
	out(MCR, 0x1f);
	out(DATA, 'q');
	vuart_receive(vm, 'z');
	CHECK(vm->console_length == 0);
	CHECK(in(LSR) == 0x61);
	CHECK(in(DATA) == 'q');
	CHECK(in(LSR) == 0x60);
	/* Its depth is the original's, as drivers measure it. */
	for (unsigned i = 0; i < VUART_FIFO + 1; i++)
		out(DATA, (uint8_t)i);
	CHECK(in(LSR) == 0x63);
	for (unsigned i = 0; i < VUART_FIFO; i++)
		CHECK(in(DATA) == i);
	CHECK(in(LSR) == 0x60);
	CHECK((in(MSR)&0xf0) == 0xf0);
	out(MCR, 0x10);
	CHECK((in(MSR)&0xf0) == 0);
}

TEST(uart_line_is_gated_by_out2)
{
	start();
	out(IER, 0x01);
	vuart_receive(vm, 'a');
	CHECK(!line());
	CHECK(in(IIR) == 0x04); /* polling sees it all the same */
	out(MCR, 0x08);
	CHECK(line());
	out(MCR, 0);
	CHECK(!line());
}

TEST(uart_reaches_the_cpu_through_the_ioapic)
{
	start_with_interrupts(0x01);
	vioapic_write(vm, 0x00, 0x10 + 2 * 4);
	vioapic_write(vm, 0x10, 0x31); /* vector 0x31, edge, unmasked, physical 0 */
	vm->vcpu[0].apic_page[0x0f * 4] = 0x1ff;
	vuart_receive(vm, 'a');
	CHECK(vlapic_pending(&vm->vcpu[0]) == 0x31);
	vlapic_take(&vm->vcpu[0], 0x31);
	CHECK(in(DATA) == 'a');
	CHECK(vlapic_msr_write(&vm->vcpu[0], 0x80b, 0));
	CHECK(vlapic_pending(&vm->vcpu[0]) == -1);
	vuart_receive(vm, 'b'); /* a new edge */
	CHECK(vlapic_pending(&vm->vcpu[0]) == 0x31);
}

TEST(uart_survives_anything)
{
	uint64_t seed = 7;

	start();
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t r = unit_random(&seed);

		if ((r & 3) == 0)
			vuart_receive(vm, (uint8_t)(r >> 8));
		else if (r & 4)
			out(r >> 3 & 7, (uint8_t)(r >> 8));
		else
			in(r >> 3 & 7);
		CHECK(vm->machine.uart.count <= VUART_WAITING &&
		      vm->machine.uart.head < VUART_WAITING);
		CHECK(vm->machine.uart.irq == line());
	}
}

UNIT_MAIN
