/* SPDX-License-Identifier: MIT */
/* The machine's own 16550 serial port, polled for output. Port I/O only: any map. */
#ifndef DRIVERS_HOST_UART_H
#define DRIVERS_HOST_UART_H

#include "hv/base/types.h"

#define UART_COM1 0x3f8
#define UART_COM2 0x2f8

/** A port and how many bytes its transmit FIFO still takes before it must be looked at again. */
struct uart {
	uint16_t port; /* 0: absent */
	uint8_t room;
	uint32_t polls; /* in vain, since it last had room */
};

#define UART_FIFO_DEPTH 16
/* What a full FIFO needs: bytes of ten bits at 115200 baud. */
#define UART_FIFO_US (UART_FIFO_DEPTH * 10 * 1000000 / 115200)

/** 115200 baud, 8N1, FIFOs on, interrupts off. Leaves port 0 if no UART answers there. */
ANY void uart_init(struct uart *uart, uint16_t port);
/** Can @bytes be sent without waiting? The FIFO tells only that it is empty, so not before that if
 * too little is known to be left. */
ANY bool uart_has_room(struct uart *uart, unsigned bytes);
/** Sends a byte; waits, bounded, until the transmitter has room. */
ANY void uart_putc(struct uart *uart, char c);
/** A received byte, or -1. */
ANY int uart_getc(struct uart *uart);
/** Waits, bounded, until the last byte has left. */
ANY void uart_drain(struct uart *uart);
/** Receive interrupts on (the line must be routed by then) or off. */
ANY void uart_set_receive_irq(struct uart *uart, bool on);

#endif
