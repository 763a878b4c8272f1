// SPDX-License-Identifier: MIT
#include "drivers/host/uart.h"

#include "hv/base/asm.h"

enum {
	UART_DATA = 0,
	UART_IER = 1,
	UART_FCR = 2,
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_SCRATCH = 7,
};

#define IER_RECEIVE 0x01
#define LSR_DATA_READY BIT(0)
#define LSR_THR_EMPTY BIT(5)
#define LSR_IDLE BIT(6)
/* More polls than a byte takes at 115200 baud on any machine; a port that stays busy is given up.
 */
#define POLL_LIMIT 2000000

void uart_init(struct uart *uart, uint16_t port)
{
	uart->port = 0;
	uart->room = 0;
	uart->polls = 0;
	outb(port + UART_SCRATCH, 0x5a);
	if (inb(port + UART_SCRATCH) != 0x5a)
		return;
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, 0x80); /* divisor latch */
	outb(port + UART_DATA, 1);
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, 0x03);
	outb(port + UART_FCR, 0x07); /* FIFOs on and cleared, receive threshold 1 */
	outb(port + UART_MCR, 0x0b); /* DTR, RTS, OUT2 gates the interrupt line */
	uart->port = port;
}

bool uart_has_room(struct uart *uart, unsigned bytes)
{
	if (!uart->port)
		return true;
	if (uart->room < bytes &&
	    (inb(uart->port + UART_LSR) & LSR_THR_EMPTY || ++uart->polls >= POLL_LIMIT)) {
		uart->room = UART_FIFO_DEPTH;
		uart->polls = 0;
	}
	return uart->room >= bytes;
}

void uart_putc(struct uart *uart, char c)
{
	if (!uart->port)
		return;
	while (!uart_has_room(uart, 1))
		cpu_relax();
	outb(uart->port + UART_DATA, (uint8_t)c);
	uart->room--;
}

int uart_getc(struct uart *uart)
{
	if (!uart->port || !(inb(uart->port + UART_LSR) & LSR_DATA_READY))
		return -1;
	return inb(uart->port + UART_DATA);
}

void uart_drain(struct uart *uart)
{
	for (unsigned i = 0;
	     uart->port && i < POLL_LIMIT && !(inb(uart->port + UART_LSR) & LSR_IDLE); i++)
		cpu_relax();
}

void uart_set_receive_irq(struct uart *uart, bool on)
{
	if (uart->port)
		outb(uart->port + UART_IER, on ? IER_RECEIVE : 0);
}
