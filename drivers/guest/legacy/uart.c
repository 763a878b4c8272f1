// SPDX-License-Identifier: MIT
#include "drivers/guest/legacy/machine.h"
#include "drivers/hw/uart.h"

static uint8_t pending(const struct vuart *u)
{
	if ((u->ier & UART_IER_LINE) && u->overrun)
		return UART_IIR_LINE;
	if ((u->ier & UART_IER_RECEIVE) && u->count)
		return UART_IIR_RECEIVE;
	if ((u->ier & UART_IER_TRANSMIT) && u->thr_event)
		return UART_IIR_TRANSMIT;
	return UART_IIR_NONE;
}

/* OUT2 gates the line, as it does on a PC. */
static void update_irq(struct vm *vm, struct vuart *u)
{
	bool level = pending(u) != UART_IIR_NONE && (u->mcr & UART_MCR_OUT2) &&
		     !(u->mcr & UART_MCR_LOOPBACK);

	if (level != u->irq) {
		u->irq = level;
		machine_set_irq(vm, VUART_IRQ, level);
	}
}

static void push(struct vuart *u, uint8_t byte, unsigned room)
{
	if (u->count >= room) {
		u->overrun = true;
		return;
	}
	u->fifo[(u->head + u->count) % VUART_WAITING] = byte;
	u->count++;
}

void vuart_reset(struct vm *vm)
{
	struct vuart *u = &vm_machine(vm)->uart;

	*u = (struct vuart){ .divisor = 1, .thr_event = false };
}

void vuart_receive(struct vm *vm, uint8_t byte)
{
	struct vuart *u = &vm_machine(vm)->uart;

	vm_assert_locked(vm);
	if (u->mcr & UART_MCR_LOOPBACK)
		return;
	push(u, byte, VUART_WAITING);
	update_irq(vm, u);
}

static uint8_t read_data(struct vuart *u)
{
	uint8_t byte = 0;

	if (u->count) {
		byte = u->fifo[u->head];
		u->head = (u->head + 1) % VUART_WAITING;
		u->count--;
	}
	return byte;
}

/* In loopback the modem outputs come back as inputs: DTR, RTS, OUT1, OUT2 as DSR, CTS, RI, DCD. */
static uint8_t modem_status(const struct vuart *u)
{
	if (!(u->mcr & UART_MCR_LOOPBACK))
		return UART_MSR_READY;
	return (uint8_t)((u->mcr & 1) << 5 | (u->mcr & 2) << 3 | (u->mcr & 4) << 4 |
			 (u->mcr & 8) << 4);
}

static uint8_t read_iir(struct vuart *u)
{
	uint8_t iir = pending(u);

	if (iir == UART_IIR_TRANSMIT) /* reading it takes the event back */
		u->thr_event = false;
	return iir | (u->fcr & UART_FCR_ENABLE ? UART_IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct vuart *u)
{
	uint8_t lsr = (UART_LSR_THR_EMPTY | UART_LSR_IDLE) | (u->count ? UART_LSR_DATA : 0) |
		      (u->overrun ? UART_LSR_OVERRUN : 0);

	u->overrun = false;
	return lsr;
}

uint8_t vuart_read(struct vm *vm, unsigned offset)
{
	struct vuart *u = &vm_machine(vm)->uart;
	uint8_t value;

	switch (offset) {
	case UART_DATA:
		value = u->lcr & UART_LCR_DIVISOR ? (uint8_t)u->divisor : read_data(u);
		break;
	case UART_IER:
		value = u->lcr & UART_LCR_DIVISOR ? (uint8_t)(u->divisor >> 8) : u->ier;
		break;
	case UART_IIR:
		value = read_iir(u);
		break;
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		if (likely(!u->overrun))
			return (UART_LSR_THR_EMPTY | UART_LSR_IDLE) |
			       (u->count ? UART_LSR_DATA : 0);
		value = read_lsr(u);
		break;
	case UART_MSR:
		return modem_status(u);
	default:
		return u->scratch;
	}
	update_irq(vm, u);
	return value;
}

static void write_data(struct vm *vm, struct vuart *u, uint8_t value)
{
	if (u->mcr & UART_MCR_LOOPBACK)
		push(u, value, VUART_FIFO);
	else
		vm_console_write(vm, value);
	u->thr_event = true;
}

void vuart_write(struct vm *vm, unsigned offset, uint8_t value)
{
	struct vuart *u = &vm_machine(vm)->uart;

	switch (offset) {
	case UART_DATA:
		if (u->lcr & UART_LCR_DIVISOR)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
		else
			write_data(vm, u, value);
		break;
	case UART_IER:
		if (u->lcr & UART_LCR_DIVISOR) {
			u->divisor = (uint16_t)((u->divisor & 0xff) | value << 8);
			break;
		}
		/* Turning the transmit interrupt on reports an empty transmitter at once. */
		if ((value & UART_IER_TRANSMIT) && !(u->ier & UART_IER_TRANSMIT))
			u->thr_event = true;
		u->ier = value & 0x0f;
		break;
	case UART_IIR:
		u->fcr = value;
		if (value & UART_FCR_CLEAR_RECEIVE)
			u->count = 0;
		break;
	case UART_LCR:
		u->lcr = value;
		break;
	case UART_MCR:
		u->mcr = value & 0x1f;
		break;
	case UART_SCRATCH:
		u->scratch = value;
		break;
	default:
		break;
	}
	update_irq(vm, u);
}
