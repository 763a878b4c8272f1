// SPDX-License-Identifier: MIT
#include "drivers/host/uart.h"

#include "drivers/hw/uart.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"

/* More polls than a byte takes at 115200 baud on any machine; a port that stays busy is given up.
 */
#define POLL_LIMIT 2000000

BOOT void uart_init(struct uart *uart, uint16_t port)
{
	uart->port = 0;
	uart->room = 0;
	uart->polls = 0;
	outb(port + UART_SCRATCH, 0x5a);
	if (inb(port + UART_SCRATCH) != 0x5a)
		return;
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, UART_LCR_DIVISOR);
	outb(port + UART_DATA, 1);
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, UART_LCR_8_BITS);
	outb(port + UART_FCR, /* and the receive threshold is 1 */
	     UART_FCR_ENABLE | UART_FCR_CLEAR_RECEIVE | UART_FCR_CLEAR_TRANSMIT);
	outb(port + UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	uart->port = port;
}

bool uart_has_room(struct uart *uart, unsigned bytes)
{
	if (!uart->port)
		return true;
	if (uart->room < bytes &&
	    (inb(uart->port + UART_LSR) & UART_LSR_THR_EMPTY || ++uart->polls >= POLL_LIMIT)) {
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
	if (!uart->port || !(inb(uart->port + UART_LSR) & UART_LSR_DATA))
		return -1;
	return inb(uart->port + UART_DATA);
}

void uart_drain(struct uart *uart)
{
	for (unsigned i = 0;
	     uart->port && i < POLL_LIMIT && !(inb(uart->port + UART_LSR) & UART_LSR_IDLE); i++)
		cpu_relax();
}

void uart_set_receive_irq(struct uart *uart, bool on)
{
	if (uart->port)
		outb(uart->port + UART_IER, on ? UART_IER_RECEIVE : 0);
}
