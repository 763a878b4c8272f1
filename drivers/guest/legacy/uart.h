/* SPDX-License-Identifier: MIT */
/*
 * A 16550A at COM1: what the guest sends goes to its console at once, so the transmitter is always
 * empty.
 */
#ifndef DRIVERS_GUEST_UART_H
#define DRIVERS_GUEST_UART_H

#include "drivers/guest/platform.h"

#define VUART_BASE 0x3f8
#define VUART_PORTS 8
#define VUART_IRQ 4
#define VUART_FIFO 16
/* What is typed or pasted while the guest does not read waits behind the FIFO, and is lost beyond
 * this: whoever reads it from the real line looks for the operator's key in it, and cannot wait. */
#define VUART_WAITING 1024

struct vuart {
	uint8_t ier, lcr, mcr, scratch, fcr;
	uint16_t divisor;
	bool thr_event; /* transmitter-empty is to be reported by interrupt */
	bool irq;	/* level of the line */
	bool overrun;
	unsigned head, count;
	uint8_t fifo[VUART_WAITING];
};

ANY void vuart_reset(struct vm *vm);
ANY uint8_t vuart_read(struct vm *vm, unsigned offset);
ANY void vuart_write(struct vm *vm, unsigned offset, uint8_t value);

/** A byte of input arrives; lost, and an overrun reported, if VUART_WAITING have not been read. */
ANY void vuart_receive(struct vm *vm, uint8_t byte);

#endif
